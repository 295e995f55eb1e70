// SPDX-License-Identifier: Apache-2.0
// Raw log-mel: out[t, m] = log10(max(sum_b weights[m, b] * |X_t[b]|^2, 1e-10)), X_t the DFT of 400 samples under a
// periodic Hann window, one frame every 160 samples. Frame t reads samples[160 t, 160 t + 400): padding, the floor
// under the loudest frame and the scaling belong to the caller (audio/log_mel.h).
//
// samples [160 (n_frames - 1) + 400], any alignment; nothing beyond is read. out [n_frames, n_mels], row-major; may not
// alias samples. Allocates nothing.
//
// The DFT is Good's: 400 = 16 x 25 without a common factor, so that with n = 25 n1 + 16 n2 (mod 400) the 400-point
// transform is a 16-point one over n1 and a 25-point one over n2 and nothing in between, and bin k is
// (k mod 16, k mod 25). Of a real signal the sixteens have nine different outputs; those nine hold every one of the 201
// bins exactly once. Either small DFT is its definition, over the sums and differences of the inputs n and N - n.
// (I. J. Good, 1958: "The interaction algorithm and practical Fourier analysis".)
//
// All variants return the same bits: a vector lane is a frame, and every lane does what scalar.cpp does, in that order.
// A sample that is not a number makes its frames -10, as silence does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/cpu.h"

namespace shorthand::log_mel {

inline constexpr int kFft = 400, kHop = 160, kBins = kFft / 2 + 1;
inline constexpr int kMaxMels = 256;     // Whisper has 80 or 128
inline constexpr float kFloor = 1e-10f;  // the least power that is told from silence: log10 gives -10

// The bins that one mel filter hears: power[first_bin + i] * weights[i], i < bins, summed in ascending order by fused
// multiply-add. first_bin + bins <= 201.
struct Band {
  int first_bin;
  int bins;
  const float* weights;
};

// bands: at most kMaxMels.
using FramesFn = void (*)(const float* samples, int n_frames, std::span<const Band> bands, float* out);

struct Variant {
  Isa isa;
  FramesFn frames;
};
std::span<const Variant> variants();
const Variant& choose(Isa cap);

}  // namespace shorthand::log_mel
