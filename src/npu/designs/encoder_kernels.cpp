// SPDX-License-Identifier: Apache-2.0
#include "npu/designs/encoder_kernels.h"

#include "npu/kernels/aie_kernels.h"

namespace shorthand::npu {

const KernelType& encoder_kernel(EncoderKernel kernel) {
  static constexpr std::string_view kNames[] = {
      "gather_scales",     "copy_scales",   "keep_query",  "attention_begin", "attention_scores", "attention_weights",
      "attention_end",     "product_begin", "product_end", "clear_first",     "copy_parameters",  "add_result",
      "layer_norm_pieces", "send_normal",   "send_kept",   "keep_pieces",     "quantise_kept",    "find_steps",
      "quantise_pieces",   "send_maxima",   "join_maxima", "recall_maxima",   "keep_scales",      "send_scales"};
  return *find_aie_kernel(kNames[static_cast<size_t>(kernel)]);
}

}  // namespace shorthand::npu
