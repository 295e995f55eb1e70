// SPDX-License-Identifier: Apache-2.0
// The entry points of the files of this folder, one file an instruction set. For log_mel.cpp and the tests only.
#pragma once

#include "kernels/log_mel/log_mel.h"

namespace shorthand::log_mel {

void frames_scalar(const float* samples, int n_frames, std::span<const Band> bands, float* out);
void frames_avx2(const float* samples, int n_frames, std::span<const Band> bands, float* out);
void frames_avx512(const float* samples, int n_frames, std::span<const Band> bands, float* out);

}  // namespace shorthand::log_mel
