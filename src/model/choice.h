// SPDX-License-Identifier: Apache-2.0
// Which model runs where none is named: the one that was set as the default, else the best installed one, else the best
// in Hugging Face's cache, else the one in the program.
//
// The cache comes after the store, however large its models are: what was fetched for this program says more of what
// is wanted than what another one left, perhaps for a graphics card.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/facts.h"
#include "model/library.h"

namespace shorthand {

// What the run asks of a model.
struct Wanted {
  enum class Language : uint8_t { unknown, english, other };  // other: a translation asks for it too
  ComputeType type = ComputeType::int8;
  Language language = Language::unknown;
};

struct Candidate {
  Installed model;
  Result<ModelFacts> facts;
};

// Models with what their headers say, or why they cannot be read.
std::vector<Candidate> survey(std::vector<Installed> models);

// Whether the model can do what is wanted: it is not packed for another compute type, and knows other languages than
// English where one is spoken.
bool suits(const ModelFacts& facts, const Wanted& wanted);

// Whether `a` comes before `b`, by the first of these that differs:
//   1. the larger encoder, which hears better (a distilled model has its teacher's)
//   2. many languages before one, unless English is spoken; distilled models know one, whatever their vocabulary says
//   3. more layers of the decoder
//   4. English only, where English is spoken
//   5. more mels, more tokens: the later release
//   6. a native file, which starts at once; then the larger file, of whose weights less was rounded away
bool is_better(const ModelFacts& a, const ModelFacts& b, const Wanted& wanted);

// The best of the candidates that can be read and suit; none where none does. Of equals the first.
const Candidate* best_of(std::span<const Candidate> candidates, const Wanted& wanted);

struct Choice {
  enum class Why : uint8_t { set_as_default, best_installed, best_cached, none_else };
  Why why = Why::none_else;
  std::string name{kBuiltinName};
  std::optional<std::filesystem::path> path;  // none: the model in the program
  bool english_only = false;
  size_t of = 0;          // models that could be read where this one lies
  size_t unreadable = 0;  // and those that could not
};

// Errors: a default that is no longer there. It is not passed over: who set one wants its text and no other.
Result<Choice> choose_model(const Library& library, const Wanted& wanted);

// What of a name may be set as the default: "builtin", an installed or cached model's name, or a path with a slash in
// it, which becomes absolute. Errors: no such model, or one that cannot be read.
Result<std::string> check_default(const Library& library, const std::string& name_or_path);

// "the best of 3 installed models", for a sentence.
std::string reason_of(const Choice& choice);

}  // namespace shorthand
