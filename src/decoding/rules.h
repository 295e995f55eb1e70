// SPDX-License-Identifier: Apache-2.0
// Which tokens may come next.
#pragma once

#include <span>
#include <vector>

#include "decoding/options.h"
#include "model/logit_sums.h"
#include "text/special_tokens.h"

namespace shorthand {

class Rules {
 public:
  // `blank`: what " " encodes to. Everything borrowed outlives the rules.
  Rules(const SpecialTokens& special, const DecodingOptions& options, std::span<const int> blank, int n_vocab);

  // What must not follow the tokens sampled so far, known before their logits are: blanks at the start, suppressed
  // tokens, and whatever would break the order of timestamps. `ranges` holds it while the selection is in use.
  Selection select(std::span<const int> sampled, std::vector<IdRange>& ranges) const;

  // What their sums leave, both or timestamps alone: these are forced where together they are likelier than any text
  // token.
  bool forces_times(const LogitSums& sums) const;
  rowwise::SoftmaxSums allowed(const LogitSums& sums) const;

 private:
  void select_times(std::span<const int> sampled, std::vector<IdRange>& ranges) const;

  const SpecialTokens& special_;
  const DecodingOptions& options_;
  std::span<const int> blank_;
  int n_vocab_;
  std::vector<IdRange> suppressed_;  // rising, apart
};

}  // namespace shorthand
