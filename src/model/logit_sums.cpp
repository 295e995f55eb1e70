// SPDX-License-Identifier: Apache-2.0
#include "model/logit_sums.h"

#include <algorithm>
#include <cassert>
#include <limits>

#include "kernels/simd/scalar_math.h"

namespace shorthand {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
constexpr rowwise::SoftmaxSums kNothing{kNever, 0, 0};

void forbid(std::span<float> logits, int first, IdRange range) {
  const int from = std::max(range.first - first, 0);
  const int to = std::min(range.last - first, static_cast<int>(logits.size()));
  if (from < to) std::fill(logits.begin() + from, logits.begin() + to, kNever);
}

rowwise::SoftmaxSums sums_of(const rowwise::Variant& rowwise, std::span<const float> logits, int first) {
  if (logits.empty()) return kNothing;
  rowwise::SoftmaxSums sums = rowwise.softmax_sums(logits.data(), static_cast<int>(logits.size()));
  if (sums.sum_exp > 0) sums.argmax += first;
  return sums;
}

}  // namespace

rowwise::SoftmaxSums join(const rowwise::SoftmaxSums& a, const rowwise::SoftmaxSums& b) {
  if (!(b.sum_exp > 0)) return a;
  if (!(a.sum_exp > 0)) return b;
  if (b.max > a.max) return {b.max, b.argmax, b.sum_exp + a.sum_exp * simd::exp_scalar(a.max - b.max)};
  return {a.max, a.argmax, a.sum_exp + b.sum_exp * simd::exp_scalar(b.max - a.max)};
}

LogitSums join(const LogitSums& a, const LogitSums& b) { return {join(a.text, b.text), join(a.times, b.times)}; }

LogitSums sum_block(const rowwise::Variant& rowwise, std::span<float> logits, int first, const Selection& selection) {
  assert(first % kLogitBlock == 0 && logits.size() <= static_cast<size_t>(kLogitBlock));
  const int last = first + static_cast<int>(logits.size());
  auto range = std::ranges::partition_point(selection.always, [&](IdRange r) { return r.last <= first; });
  for (; range != selection.always.end() && range->first < last; ++range) forbid(logits, first, *range);
  for (const IdRange& r : selection.for_now) forbid(logits, first, r);
  const auto text = static_cast<size_t>(std::clamp(selection.split, first, last) - first);
  return {sums_of(rowwise, logits.first(text), first),
          sums_of(rowwise, logits.subspan(text), first + static_cast<int>(text))};
}

LogitSums sum_row(const rowwise::Variant& rowwise, std::span<float> logits, const Selection& selection) {
  LogitSums all{kNothing, kNothing};
  for (size_t first = 0; first < logits.size(); first += kLogitBlock) {
    const auto block = logits.subspan(first, std::min<size_t>(kLogitBlock, logits.size() - first));
    all = join(all, sum_block(rowwise, block, static_cast<int>(first), selection));
  }
  return all;
}

rowwise::SoftmaxSums softmax_sums(const rowwise::Variant& rowwise, std::span<const float> logits) {
  rowwise::SoftmaxSums all = kNothing;
  for (size_t first = 0; first < logits.size(); first += kLogitBlock) {
    const auto block = logits.subspan(first, std::min<size_t>(kLogitBlock, logits.size() - first));
    all = join(all, sums_of(rowwise, block, static_cast<int>(first)));
  }
  return all;
}

}  // namespace shorthand
