// SPDX-License-Identifier: Apache-2.0
// The files of a CTranslate2 directory, of any bytes or as an edited good one. The first byte says which file.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "model/ctranslate2.h"
#include "support/ctranslate2.h"
#include "text/vocabulary.h"

using namespace shorthand;
using shorthand::testing::CTranslate2Parts;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

template <class T>
bool ok(const Result<T>& result) {
  if (!result.ok()) require(!result.error().message.empty() && result.error().message.find('\n') == std::string::npos);
  return result.ok();
}

// A file that the library wrote, and where its fields end.
struct Good {
  CTranslate2Parts parts;
  std::string file;
  std::vector<size_t> boundaries = {0};

  explicit Good(const std::string& name) {
    const std::string bytes = shorthand::testing::ctranslate2_fixture(name + ".bin");
    require(!bytes.empty());
    parts = CTranslate2Parts::of(bytes);
    file = parts.file(&boundaries);
    require(file == bytes);
  }
};

const Good& good(size_t which) {
  static const Good files[] = {Good("4.8.5-int8_float16"), Good("3.0.0-int8"), Good("4.8.5-int16"),
                               Good("4.8.5-bfloat16")};
  return files[which % std::size(files)];
}

void load(std::string_view file) {
  const auto bytes = std::as_bytes(std::span(file));
  Checkpoint checkpoint;
  checkpoint.file = "f";
  (void)ok(read_ctranslate2(bytes, "f"));
  if (!ok(add_ctranslate2_weights(bytes, "f", checkpoint))) return;
  require(ok(check_config(checkpoint.config, "f")));
  for (const auto& [name, shape] : required_tensors(checkpoint.config)) {
    const TensorView& tensor = checkpoint.tensors.at(name);
    require(tensor.bytes.data() >= bytes.data() &&
            tensor.bytes.data() + tensor.bytes.size() <= bytes.data() + bytes.size());
    require(tensor.bytes.size() == stored_bytes(tensor.dtype, shape.elements()));
    require(tensor.scales.size() == 0 || tensor.scales.size() == 4 || tensor.scales.size() == 4 * shape[0]);
    std::vector<float> values(shape.elements());
    (void)ok(checkpoint.read_tensor(name, shape, values));
  }
}

uint32_t number(std::string_view* text, size_t bytes) {
  uint32_t value = 0;
  const size_t n = std::min(bytes, text->size());
  std::memcpy(&value, text->data(), n);
  text->remove_prefix(n);
  return value;
}

// Changes of four bytes each: which field (two), where in it, and what to put there. What is left over cuts the file.
void load_edited(const Good& from, std::string_view changes) {
  std::string file = from.file;
  while (changes.size() >= 4) {
    const size_t field = number(&changes, 2) % (from.boundaries.size() - 1);
    const size_t begin = from.boundaries[field], size = from.boundaries[field + 1] - begin;
    const size_t at = number(&changes, 1);
    file[begin + (size > 0 ? at % size : 0)] = static_cast<char>(number(&changes, 1));
  }
  if (changes.size() == 3) {
    const size_t field = number(&changes, 2) % (from.boundaries.size() - 1);
    file.resize(from.boundaries[field] + number(&changes, 1) % 2);
  }
  load(file);
}

// The parts of a good file in another order, some of them twice, some missing, some renamed or retyped.
void load_shuffled(const Good& from, std::string_view choices) {
  CTranslate2Parts parts = from.parts;
  while (choices.size() >= 4 && !parts.variables.empty()) {
    const uint32_t how = number(&choices, 1), a = number(&choices, 1), b = number(&choices, 1), c = number(&choices, 1);
    auto& variable = parts.variables[a % parts.variables.size()];
    const auto& other = parts.variables[b % parts.variables.size()];
    switch (how % 8) {
      case 0: std::swap(variable.name, parts.variables[b % parts.variables.size()].name); break;
      case 1:
        parts.variables.erase(parts.variables.begin() + a % static_cast<ptrdiff_t>(parts.variables.size()));
        break;
      case 2: variable.type = static_cast<uint8_t>(c); break;
      case 3: parts.aliases.emplace_back(variable.name + (c % 2 ? "_scale" : "x"), other.name); break;
      case 4: variable.name += "_scale"; break;
      case 5: variable.shape.insert(variable.shape.begin(), c % 2); break;
      case 6: parts.aliases.emplace_back(other.name, variable.name); break;
      case 7: {
        const std::string name = variable.name;
        variable = other;
        variable.name = name;
      }
    }
  }
  load(parts.file());
}

void read_config(std::string_view text) {
  const Config config{1770, 6, 64, 1, 1, 16, 64, 1, 2, 4};
  GenerationConfig generation;
  if (!ok(parse_ctranslate2_config(text, "f", config, generation))) return;
  for (const auto* ids : {&generation.suppress_tokens, &generation.begin_suppress_tokens}) {
    if (!*ids) continue;
    for (const int id : **ids) require(id >= 0 && id < config.n_vocab);
  }
  if (!generation.alignment_heads) return;
  for (const auto& [layer, head] : *generation.alignment_heads) require(layer >= 0 && layer < 2 && head == 0);
}

void read_vocabulary(std::string_view text, bool lines) {
  const size_t n_vocab = number(&text, 1);
  const auto vocabulary = lines ? parse_token_lines(text, n_vocab, "f") : parse_token_array(text, n_vocab, "f");
  if (!ok(vocabulary)) return;
  require(vocabulary->pieces.size() + vocabulary->named.size() == n_vocab);
  for (const auto& [name, id] : vocabulary->named)
    require(id >= static_cast<int>(vocabulary->pieces.size()) && id < static_cast<int>(n_vocab));
  (void)ok(special_tokens_of(*vocabulary, static_cast<int>(n_vocab), "f"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 6) {
    case 0: load(std::string("\6\0\0\0\x0c\0WhisperSpec\0\3\0\0\0", 22) += text); break;
    case 1: load_edited(good(data[0] / 6), text); break;
    case 2: load_shuffled(good(data[0] / 6), text); break;
    case 3: read_config(text); break;
    case 4: read_vocabulary(text, true); break;
    case 5: read_vocabulary(text, false);
  }
  return 0;
}
