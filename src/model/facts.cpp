// SPDX-License-Identifier: Apache-2.0
#include "model/facts.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "model/native.h"
#include "text/vocabulary.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;

// Of a NativeHeader or a Checkpoint.
template <class Header>
void take(Header& header, ModelFacts& facts) {
  facts.config = header.config;
  facts.english_only = settle_english_only(header.english_only, header.generation, header.pieces);
  facts.text_tokens = header.pieces.size();
  facts.generation = std::move(header.generation);
}

ModelFacts facts_of(Checkpoint checkpoint) {
  ModelFacts facts;
  facts.format = checkpoint.format;
  facts.float_weights = std::ranges::all_of(checkpoint.tensors, [](const auto& t) { return is_float(t.second.dtype); });
  take(checkpoint, facts);
  for (const MappedFile& file : checkpoint.files) facts.bytes += file.bytes().size();
  return facts;
}

}  // namespace

int ModelFacts::languages() const {
  return english_only ? 1 : config.n_vocab - static_cast<int>(text_tokens) - kSpecialsBesidesLanguages;
}

uint64_t ModelFacts::parameters() const {
  uint64_t sum = 0;
  for_each_tensor(config, [&](const std::string&, const Shape& shape) { sum += shape.elements(); });
  return sum;
}

Result<ModelFacts> read_facts(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) {
    const MappedFile file = SHORTHAND_TRY(MappedFile::open(path));
    if (is_native(file.bytes())) {
      NativeView view = SHORTHAND_TRY(parse_native(file.bytes(), path.string()));
      ModelFacts facts;
      facts.format = fmt::format("native {}", compute_type_name(view.header.type));
      facts.packed = view.header.type;
      facts.float_weights = view.header.type == ComputeType::float32;
      take(view.header, facts);
      facts.bytes = file.bytes().size();
      return facts;
    }
  }
  return facts_of(SHORTHAND_TRY(open_checkpoint(path)));
}

Result<ModelFacts> parse_facts(std::span<const std::byte> bytes, std::string_view name) {
  ModelFacts facts = facts_of(SHORTHAND_TRY(parse_checkpoint(bytes, name)));
  facts.bytes = bytes.size();
  return facts;
}

bool settle_english_only(bool told, const GenerationConfig& generation, std::vector<std::string>& pieces) {
  const auto known = restore_bytes(&pieces);
  if (generation.is_multilingual) return !*generation.is_multilingual;
  return known ? known == OpenAiVocabulary::english : told;
}

}  // namespace shorthand
