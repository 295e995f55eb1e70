// SPDX-License-Identifier: Apache-2.0
// One token out of a row of logits, greedily or by chance, and its log-probability.
#pragma once

#include <cstdint>
#include <span>

#include "model/logit_sums.h"

namespace shorthand {

// Random numbers by name instead of by order: what is drawn depends on these five values and on nothing that happened
// before, so that a retry, another batch size or another machine draws the same.
struct Draw {
  uint64_t seed = 0;
  uint64_t window_start = 0;
  double temperature = 0;
  uint64_t sample = 0;
  uint64_t step = 0;
};
// Uniform in [0, 1), 53 bits.
double uniform(const Draw& draw);

struct Choice {
  int token = 0;
  double logprob = 0;  // log-softmax of the logits themselves, at any temperature
};
// The largest logit, the first of equals.
Choice choose_largest(const rowwise::SoftmaxSums& sums);
// Token i with probability proportional to exp(logit / temperature), above 0; `sums` are those of the logits.
Choice draw_token(std::span<const float> logits, const rowwise::SoftmaxSums& sums, const Draw& draw);

// The probability of one token under softmax(logits).
double probability(const rowwise::Variant& rowwise, std::span<const float> logits, int token);

}  // namespace shorthand
