// SPDX-License-Identifier: Apache-2.0
// The files of a Hugging Face directory, of any bytes or as an edited good one. The first byte says which file.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "model/hf_weights.h"
#include "model/huggingface.h"
#include "model/safetensors.h"
#include "support/hugging_face.h"
#include "support/tiny_model.h"

using namespace shorthand;
using nlohmann::json;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

template <class T>
bool ok(const Result<T>& result) {
  if (!result.ok()) require(!result.error().message.empty() && result.error().message.find('\n') == std::string::npos);
  return result.ok();
}

struct Good {
  std::vector<std::byte> bytes = testing::model_bytes(testing::tiny_model());
  Checkpoint checkpoint = *parse_checkpoint(bytes, "tiny");
  testing::SafetensorsWriter weights;
  Good() {
    for (const auto& [name, tensor] : checkpoint.tensors) weights.add(checkpoint, name);
  }
};

const Good& good() {
  static const Good g;
  return g;
}

// The good object with what the text says in its place, where the text is an object; else the text.
std::string edited(const json& object, std::string_view text) {
  json change = json::parse(text.begin(), text.end(), nullptr, false);
  if (!change.is_object()) return std::string(text);
  json whole = object;
  whole.update(change, /*merge_objects=*/true);
  return whole.dump(-1, ' ', false, json::error_handler_t::replace);
}

void read_any(std::string_view file) {
  const auto bytes = std::as_bytes(std::span(file));
  const auto entries = read_safetensors(bytes, "f");
  if (!ok(entries)) return;
  for (const NamedTensor& e : *entries) {
    require(e.bytes.size() == stored_bytes(e.dtype, e.shape.elements()));
    require(e.bytes.data() >= bytes.data() && e.bytes.data() + e.bytes.size() <= bytes.data() + bytes.size());
    (void)openai_name(e.name);
  }
}

void load_edited(std::string_view text) {
  const std::string file = testing::safetensors_file(edited(good().weights.header, text), good().weights.data);
  Checkpoint checkpoint;
  checkpoint.file = "f";
  checkpoint.config = good().checkpoint.config;
  const RequiredTensors required = required_tensors(checkpoint.config);
  OutputProjection projection;
  if (!ok(add_weights(std::as_bytes(std::span(file)), "f", required, checkpoint, projection))) return;
  if (!ok(finish_weights(required, projection, checkpoint))) return;
  for (const auto& [name, shape] : required) {
    std::vector<float> values(shape.elements());
    (void)ok(checkpoint.read_tensor(name, shape, values));
  }
}

void read_settings(std::string_view config_text, std::string_view generation_text, std::string_view sound_text) {
  const json base = testing::transformers_config(good().checkpoint.config);
  Config config;
  GenerationConfig generation;
  if (!ok(parse_model_config(edited(base, config_text), "f", config, generation))) return;
  require(ok(check_config(config, "f")));
  (void)ok(parse_generation_config(generation_text, "f", config, generation));
  for (const auto* ids : {&generation.suppress_tokens, &generation.begin_suppress_tokens}) {
    if (!*ids) continue;
    for (const int id : **ids) require(id >= 0 && id < config.n_vocab);
  }
  if (generation.alignment_heads) {
    for (const auto& [layer, head] : *generation.alignment_heads)
      require(layer >= 0 && layer < config.n_text_layer && head >= 0 && head < config.n_text_head);
  }
  (void)ok(check_preprocessor(sound_text, "f", config));
}

void merge_tokenizers(std::string_view vocab, std::string_view added, std::string_view tokenizer) {
  VocabularyFiles files;
  if (!vocab.empty()) files.vocab = vocab;
  if (!added.empty()) files.added_tokens = added;
  if (!tokenizer.empty()) files.tokenizer = tokenizer;
  Checkpoint checkpoint;
  checkpoint.config = good().checkpoint.config;
  if (!ok(parse_vocabulary(files, "d", checkpoint))) return;
  for (const auto& [name, id] : checkpoint.special_ids)
    require(id >= static_cast<int>(checkpoint.pieces.size()) && id < checkpoint.config.n_vocab);
}

// Cuts the text before the next '\v', which JSON never holds.
std::string_view next_part(std::string_view* text) {
  const size_t end = std::min(text->find('\v'), text->size());
  const std::string_view part = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  return part;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 5) {
    case 0: read_any(text); break;
    case 1: {
      const std::string_view header = next_part(&text);
      read_any(testing::safetensors_file(std::string(header), std::string(text)));
      break;
    }
    case 2: load_edited(text); break;
    case 3: {
      const auto config = next_part(&text), generation = next_part(&text);
      read_settings(config, generation, text);
      break;
    }
    case 4: {
      const auto vocab = next_part(&text), added = next_part(&text);
      merge_tokenizers(vocab, added, text);
    }
  }
  return 0;
}
