// SPDX-License-Identifier: Apache-2.0
// Log-mel on an AIE core in fixed point: sixteen frames of 400 samples of 16 bits at a time, a vector lane a frame.
//
// log_mel_frames_16   out[m][frame] = log10(max(sum_b filter[m][b] * |X_frame[b]|^2, 1e-10)) as log_mel.h defines it,
//                     samples taken as x / 32768. largest [16] becomes the larger of itself and each lane's values.
//   frames  [200][16][2] int16: samples 2 i and 2 i + 1 of every frame. They are one word to a transfer: from sound in
//           a memory tile, 200 words one apart, of 16 frames 80 words apart. Used up.
//   filters what npu::pack_mel_filters() (npu/kernels/layouts.h) writes: [n_mels] of first bin and number of bins, then
//           the weights as bfloat16.
//   work    [kLogMelWork] int16, of no meaning between calls.
//   out     [n_mels][16] floats: a transfer of words turns it into rows of frames.
// log_mel_scale_f32   out = max(x, largest - 8) / 4 + 1, count a multiple of 16: what Whisper's encoder is given. The
//                     loudest value is that of the whole sound, so it is a second pass: largest [16] is the lanes'
//                     maximum over all calls and cores, joined by the host, or by a core that compares what the others
//                     send; only the sixteen numbers travel.
//
// Every frame is first scaled to 15 bits by a power of two of its own, so that a quiet frame is computed as finely as a
// loud one. The transform is that of log_mel.h (16 x 25 without factors between), the sixteens with 15-bit and the
// twenty-fives with 13-bit cosines and exact 32-bit sums, rounded to 16 bits once between them: no sum can overflow,
// because a Hann window adds up to 8 over sixteen equally spaced samples and to 200 over all. Powers are products of
// bfloat16. Within a frame, what lies more than about 90 dB below its loudest bin is lost in the noise of the
// constants; Whisper cuts at 80 dB below the loudest of the sound.
#pragma once

#include <aie_api/aie.hpp>
#include <cstdint>

inline constexpr int kLogMelFrames = 16;
inline constexpr int kLogMelWork = 9 * 25 * 2 * kLogMelFrames;

extern "C" {

void log_mel_frames_16(int16_t* frames, const int16_t* filters, int16_t* work, float* out, float* largest,
                       int32_t n_mels);
void log_mel_scale_f32(const float* x, const float* largest, float* out, int32_t count);

}  // extern "C"
