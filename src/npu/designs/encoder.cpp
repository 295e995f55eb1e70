// SPDX-License-Identifier: Apache-2.0
#include "npu/designs/encoder.h"

#include <fmt/format.h>

#include "npu/builder.h"
#include "npu/designs/encoder_array.h"

namespace shorthand::npu {

double attention_work(const EncoderShape& s) { return 4.0 * s.n_ctx * s.n_ctx * s.d; }

double encoder_work(const EncoderShape& s) {
  const double d = s.d, t = s.n_ctx;
  return 2 * (2 * t * 3 * s.n_mels * d + t * 3 * d * d) + s.layers * (24 * d * d * t + attention_work(s));
}

Result<Design> encoder_design(const Device& device, const EncoderShape& shape, const EncoderOptions& options) {
  SHORTHAND_TRY(check_shape(device, shape, options));
  const int all = kStemOperations + shape.layers * kLayerOperations + 1;
  if (options.first < 0 || options.first >= all || options.count == 0 || options.count > all - options.first) {
    return usage_error(fmt::format("encoder: {} operations from {} on; it has {}, give a part of them", options.count,
                                   options.first, all));
  }
  Builder b("encoder");
  EncoderArray array(device, shape, options, b);
  array.make_cores();
  array.make_fifos();
  make_encoder_programs(array);
  make_encoder_sequence(array, b);
  return b.finish();
}

}  // namespace shorthand::npu
