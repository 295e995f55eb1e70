// SPDX-License-Identifier: Apache-2.0
#include "decoding/rules.h"

#include <algorithm>
#include <cmath>

#include "kernels/simd/scalar_math.h"

namespace shorthand {
namespace {

constexpr double kTimestampStep_s = 0.02;

// Ids that exist, as ranges that neither touch nor overlap.
std::vector<IdRange> ranges_of(std::vector<int> ids, int n_vocab) {
  std::ranges::sort(ids);
  std::vector<IdRange> ranges;
  for (int id : ids) {
    if (id < 0 || id >= n_vocab) continue;
    if (!ranges.empty() && ranges.back().last >= id) {
      ranges.back().last = id + 1;
    } else {
      ranges.push_back({id, id + 1});
    }
  }
  return ranges;
}

}  // namespace

Rules::Rules(const SpecialTokens& special, const DecodingOptions& options, std::span<const int> blank, int n_vocab)
    : special_(special),
      options_(options),
      blank_(blank),
      n_vocab_(n_vocab),
      suppressed_(ranges_of(options.suppress_tokens, n_vocab)) {}

Selection Rules::select(std::span<const int> sampled, std::vector<IdRange>& ranges) const {
  const int eot = special_.eot;
  ranges.clear();
  if (options_.force_tokens > 0) {  // exactly so many text tokens, then the end
    const auto text = std::ranges::count_if(sampled, [&](int t) { return t < eot; });
    if (text >= options_.force_tokens) {
      ranges = {{0, eot}, {eot + 1, n_vocab_}};
      return {n_vocab_, {}, ranges};
    }
    ranges.push_back({eot, eot + 1});
  }
  if (options_.suppress_blank && sampled.empty()) {
    for (int token : blank_) ranges.push_back({token, token + 1});
    ranges.push_back({eot, eot + 1});
  }
  if (options_.timestamps) select_times(sampled, ranges);
  return {options_.timestamps ? special_.timestamp_begin : n_vocab_, suppressed_, ranges};
}

void Rules::select_times(std::span<const int> sampled, std::vector<IdRange>& ranges) const {
  const int begin = special_.timestamp_begin;
  const auto is_timestamp = [&](int token) { return token >= begin; };

  ranges.push_back({special_.notimestamps, special_.notimestamps + 1});
  const bool last_was = !sampled.empty() && is_timestamp(sampled.back());
  const bool one_before_was = sampled.size() < 2 || is_timestamp(sampled[sampled.size() - 2]);
  if (last_was && one_before_was) ranges.push_back({begin, n_vocab_});   // a pair is complete: text follows
  if (last_was && !one_before_was) ranges.push_back({0, special_.eot});  // an end: a start or the end follows
  const auto newest = std::find_if(sampled.rbegin(), sampled.rend(), is_timestamp);
  if (newest != sampled.rend()) {
    // Never backwards; and a segment has a length, unless its start repeats the end before it.
    ranges.push_back({begin, last_was && !one_before_was ? *newest : *newest + 1});
  }
  if (sampled.empty()) {
    ranges.push_back({0, begin});
    // As in the reference, 0 switches the limit off too.
    if (const auto limit = options_.max_initial_timestamp_s; limit && *limit != 0) {
      ranges.push_back({begin + static_cast<int>(std::nearbyint(*limit / kTimestampStep_s)) + 1, n_vocab_});
    }
  }
}

bool Rules::forces_times(const LogitSums& sums) const {
  const rowwise::SoftmaxSums& times = sums.times;
  return times.sum_exp > 0 && times.max + simd::log_scalar(times.sum_exp) > sums.text.max;
}

rowwise::SoftmaxSums Rules::allowed(const LogitSums& sums) const {
  return forces_times(sums) ? sums.times : join(sums.text, sums.times);
}

}  // namespace shorthand
