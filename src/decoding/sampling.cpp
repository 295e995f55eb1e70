// SPDX-License-Identifier: Apache-2.0
#include "decoding/sampling.h"

#include <bit>
#include <vector>

#include "kernels/simd/scalar_math.h"

namespace shorthand {
namespace {

// SplitMix64's finaliser (Steele, Lea, Flood 2014): a bijection of 64 bits that spreads every input bit.
uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

int draw_id(std::span<const float> logits, float max, const Draw& draw) {
  const float inverse = static_cast<float>(1.0 / draw.temperature);
  double total = 0;
  for (float l : logits) total += simd::exp_scalar((l - max) * inverse);
  const double target = uniform(draw) * total;
  double sum = 0;
  int last = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    const float p = simd::exp_scalar((logits[i] - max) * inverse);
    if (p == 0) continue;
    sum += p;
    last = static_cast<int>(i);
    if (sum > target) break;
  }
  return last;
}

}  // namespace

double uniform(const Draw& draw) {
  uint64_t h = mix(draw.seed);
  h = mix(h ^ draw.window_start);
  h = mix(h ^ std::bit_cast<uint64_t>(draw.temperature));
  h = mix(h ^ draw.sample);
  h = mix(h ^ draw.step);
  return static_cast<double>(h >> 11) * 0x1p-53;
}

Choice choose_largest(const rowwise::SoftmaxSums& sums) {
  if (!(sums.sum_exp > 0)) return {0, 0};  // every token forbidden
  return {sums.argmax, -simd::log_scalar(sums.sum_exp)};
}

Choice draw_token(std::span<const float> logits, const rowwise::SoftmaxSums& sums, const Draw& draw) {
  if (!(sums.sum_exp > 0)) return {0, 0};
  const int token = draw_id(logits, sums.max, draw);
  return {token, static_cast<double>(logits[static_cast<size_t>(token)] - sums.max) - simd::log_scalar(sums.sum_exp)};
}

double probability(const rowwise::Variant& rowwise, std::span<const float> logits, int token) {
  const rowwise::SoftmaxSums sums = softmax_sums(rowwise, logits);
  return simd::exp_scalar(logits[static_cast<size_t>(token)] - sums.max) / static_cast<double>(sums.sum_exp);
}

}  // namespace shorthand
