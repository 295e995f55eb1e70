// SPDX-License-Identifier: Apache-2.0
// What the choice of a token needs of its logits, gathered block by block of the vocabulary: a greedy step sums each
// block up while it is in the cache and never holds a whole row.
//
// One meaning however the row was computed: blocks of kLogitBlock ids, each with its own maximum, are summed by
// rowwise::softmax_sums and joined in the order of ids.
#pragma once

#include <span>

#include "kernels/rowwise/rowwise.h"

namespace shorthand {

inline constexpr int kLogitBlock = 512;
constexpr int logit_blocks(int n_vocab) { return (n_vocab + kLogitBlock - 1) / kLogitBlock; }

struct IdRange {
  int first = 0, last = 0;  // ids [first, last)
};

// Which ids a row may choose from. Borrowed memory.
struct Selection {
  int split = 0;                     // ids from here on are summed apart: timestamps beside text
  std::span<const IdRange> always;   // forbidden; rising, apart
  std::span<const IdRange> for_now;  // forbidden; a few, in any order
};

// Over the ids that are allowed; empty sums where there are none.
struct LogitSums {
  rowwise::SoftmaxSums text, times;  // ids below the split, and from it on
};

// Of all ids of a and b, where those of b follow those of a.
rowwise::SoftmaxSums join(const rowwise::SoftmaxSums& a, const rowwise::SoftmaxSums& b);
LogitSums join(const LogitSums& a, const LogitSums& b);

// Sums of one block: logits [n] of the ids from `first` on, a multiple of kLogitBlock. What is forbidden becomes -inf.
LogitSums sum_block(const rowwise::Variant& rowwise, std::span<float> logits, int first, const Selection& selection);

// Sums of a whole row [n_vocab], in which what is forbidden becomes -inf.
LogitSums sum_row(const rowwise::Variant& rowwise, std::span<float> logits, const Selection& selection);

// Sums of a whole row of which nothing is forbidden.
rowwise::SoftmaxSums softmax_sums(const rowwise::Variant& rowwise, std::span<const float> logits);

}  // namespace shorthand
