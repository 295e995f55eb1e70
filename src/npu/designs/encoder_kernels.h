// SPDX-License-Identifier: Apache-2.0
// What the cores of the encoder call between the products, attention and LayerNorm: kernels/relay/aie2.h.
#pragma once

#include "kernels/relay/aie2.h"
#include "npu/kernel.h"

namespace shorthand::npu {

enum class EncoderKernel : uint8_t {
  gather_scales,
  copy_scales,
  keep_query,
  attention_begin,
  attention_scores,
  attention_weights,
  attention_end,
  product_begin,
  product_end,
  clear_first,
  copy_parameters,
  add_result,
  layer_norm_pieces,
  send_normal,
  send_kept,
  keep_pieces,
  quantise_kept,
  find_steps,
  quantise_pieces,
  send_maxima,
  join_maxima,
  recall_maxima,
  keep_scales,
  send_scales,
};
const KernelType& encoder_kernel(EncoderKernel kernel);

constexpr int kObjectBytes = kRelayObject, kResultBytes = kRelayResult;

}  // namespace shorthand::npu
