// SPDX-License-Identifier: Apache-2.0
// Which tokens may come next.
#pragma once

#include <span>

#include "decoding/options.h"
#include "kernels/rowwise/rowwise.h"
#include "text/special_tokens.h"

namespace shorthand {

struct Rules {
  const SpecialTokens* special;
  const DecodingOptions* options;
  const rowwise::Variant* rowwise;
  std::span<const int> blank;  // what " " encodes to
};

// Sets to -inf, in `logits` [n_vocab], what must not follow the tokens sampled so far: blanks at the start, suppressed
// tokens, and whatever would break the order of timestamps. Timestamps are forced where together they are likelier than
// any text token.
void apply_rules(const Rules& rules, std::span<const int> sampled, std::span<float> logits);

}  // namespace shorthand
