// SPDX-License-Identifier: Apache-2.0
#include "kernels/log_mel/aie2.h"

#include "npu/kernels/aie_kernels.h"
#include "npu/kernels/bind.h"
#include "npu/kernels/cost.h"

namespace shorthand::npu {
namespace {

using namespace cost;
using Numbers = std::span<const int32_t>;

// Filters overlap by half, so that every bin but the outermost is in two of them.
constexpr int64_t kFilterBins = 2 * 201;

int64_t frames(Generation g, Numbers numbers) {
  const int64_t peaks = loop(g, 200, {.load_bytes = 64, .vectors = 2}, kLoadLatency + 2) + 16 * 8 + 4 * kLoadLatency;
  const int64_t windowing = loop(g, 200, {.load_bytes = 64 + 4, .store_bytes = 64, .vectors = 2, .moves = 1 + 2 + 2},
                                 kLoadLatency + 2 * kMacLatency + 4);
  // 16 loads, 14 sums and differences, joined; then nine outputs of seven products, whose constants are spread and
  // joined.
  const Body inputs = {.load_bytes = 16 * 32, .vectors = 14 + 2};
  const int64_t sixteens = 25 * (loop(g, 1, inputs, kLoadLatency) +
                                 loop(g, 9, {.load_bytes = 7 * 4, .store_bytes = 64, .vectors = 7, .moves = 7 * 2 + 2},
                                      kLoadLatency + 7 * kMacLatency));
  // 12 sums and differences in place; then 13 pairs of outputs of two times twelve products, four parts brought to
  // floats, four sums, two powers of two products.
  const Body pair = {
      .load_bytes = 25 * 64, .store_bytes = 64, .vectors = 24 + 4 * 2 + 4 + 4, .moves = 24 + 1 + 4 * 2 + 4 + 2};
  const int64_t twentyfives =
      9 * (loop(g, 12, {.load_bytes = 128, .store_bytes = 128, .vectors = 2}, kLoadLatency + 2) +
           loop(g, 13, pair, kLoadLatency + 14 * kMacLatency + 4 * kVectorLatency));
  // A sum waits for itself: a product each four cycles. The logarithms are a chain of five products each.
  const int64_t filtering = kFilterBins * 4 + numbers[0] * (kLoadLatency + kMacLatency + 8);
  const int64_t logarithms = numbers[0] * (5 * (kMacLatency + kVectorLatency) + 3 * kMacLatency + 12 * kVectorLatency);
  return kCall + peaks + windowing + sixteens + twentyfives + filtering + logarithms;
}

int64_t scale(Generation g, Numbers numbers) {
  return kCall + 4 * 2 * kVectorLatency + 8 +
         loop(g, numbers[0] / 16, {.load_bytes = 64, .store_bytes = 64, .vectors = 3 + 1 + 2, .moves = 1 + 3},
              kLoadLatency + 3 * kMacLatency);
}

constexpr std::string_view kObject = "log_mel.o";

constexpr KernelType kKernels[] = {
    {"log_mel_frames_16", kObject, Bind<log_mel_frames_16>::run, frames, 2048},
    {"log_mel_scale_f32", kObject, Bind<log_mel_scale_f32>::run, scale, 1024},
};

}  // namespace

std::span<const KernelType> log_mel_kernels() { return kKernels; }

}  // namespace shorthand::npu
