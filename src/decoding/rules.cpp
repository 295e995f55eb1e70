// SPDX-License-Identifier: Apache-2.0
#include "decoding/rules.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/simd/scalar_math.h"

namespace shorthand {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
constexpr double kTimestampStep_s = 0.02;

void forbid(std::span<float> logits, int first, int last) {
  const auto bound = [&](int i) { return std::clamp(i, 0, static_cast<int>(logits.size())); };
  std::fill(logits.begin() + bound(first), logits.begin() + std::max(bound(first), bound(last)), kNever);
}

// Exactly so many text tokens, then the end.
void force_length(const Rules& rules, std::span<const int> sampled, std::span<float> logits) {
  const int eot = rules.special->eot;
  const auto text = std::ranges::count_if(sampled, [&](int t) { return t < eot; });
  if (text < rules.options->force_tokens) {
    logits[static_cast<size_t>(eot)] = kNever;
  } else {
    std::ranges::fill(logits, kNever);
    logits[static_cast<size_t>(eot)] = 0;
  }
}

void apply_timestamp_rules(const Rules& rules, std::span<const int> sampled, std::span<float> logits) {
  const SpecialTokens& special = *rules.special;
  const int begin = special.timestamp_begin, n_vocab = static_cast<int>(logits.size());
  const auto is_timestamp = [&](int token) { return token >= begin; };

  logits[static_cast<size_t>(special.notimestamps)] = kNever;
  const bool last_was = !sampled.empty() && is_timestamp(sampled.back());
  const bool one_before_was = sampled.size() < 2 || is_timestamp(sampled[sampled.size() - 2]);
  if (last_was && one_before_was) forbid(logits, begin, n_vocab);   // a pair is complete: text follows
  if (last_was && !one_before_was) forbid(logits, 0, special.eot);  // an end stands alone: a start or the end follows
  const auto newest = std::find_if(sampled.rbegin(), sampled.rend(), is_timestamp);
  if (newest != sampled.rend()) {
    // Never backwards; and a segment has a length, unless its start repeats the end before it.
    forbid(logits, begin, last_was && !one_before_was ? *newest : *newest + 1);
  }
  if (sampled.empty()) {
    forbid(logits, 0, begin);
    // As in the reference, 0 switches the limit off too.
    if (const auto limit = rules.options->max_initial_timestamp_s; limit && *limit != 0) {
      forbid(logits, begin + static_cast<int>(std::nearbyint(*limit / kTimestampStep_s)) + 1, n_vocab);
    }
  }
  const rowwise::SoftmaxSums text = rules.rowwise->softmax_sums(logits.data(), begin);
  const rowwise::SoftmaxSums times = rules.rowwise->softmax_sums(logits.data() + begin, n_vocab - begin);
  if (times.sum_exp > 0 && times.max + simd::log_scalar(times.sum_exp) > text.max) forbid(logits, 0, begin);
}

}  // namespace

void apply_rules(const Rules& rules, std::span<const int> sampled, std::span<float> logits) {
  if (rules.options->suppress_blank && sampled.empty()) {
    for (int token : rules.blank) logits[static_cast<size_t>(token)] = kNever;
    logits[static_cast<size_t>(rules.special->eot)] = kNever;
  }
  for (int token : rules.options->suppress_tokens) {
    if (token >= 0 && static_cast<size_t>(token) < logits.size()) logits[static_cast<size_t>(token)] = kNever;
  }
  if (rules.options->timestamps) apply_timestamp_rules(rules, sampled, logits);
  if (rules.options->force_tokens > 0) force_length(rules, sampled, logits);
}

}  // namespace shorthand
