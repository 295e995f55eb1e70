// SPDX-License-Identifier: Apache-2.0
// Alignment heads: the heads of the cross-attention whose weights follow the sound, so that word times can be read off
// them.
#pragma once

#include <utility>
#include <vector>

#include "model/checkpoint.h"
#include "model/config.h"

namespace shorthand {

enum class AlignmentSource : uint8_t { file, name, upper_half };

struct AlignmentHeads {
  std::vector<std::pair<int, int>> heads;  // (decoder layer, head), never empty, all of them in the model
  AlignmentSource source = AlignmentSource::upper_half;
};

// The heads that the model's files name, where they all exist; else those of OpenAI's model of the same sizes, which
// fine-tuning leaves what they are; else every head of the upper half of the decoder's layers, as the reference takes
// for a model that it does not know. Large-v1 and large-v2 have the same sizes: v2's are taken.
AlignmentHeads alignment_heads_of(const Config& config, bool english_only, const GenerationConfig& generation);

}  // namespace shorthand
