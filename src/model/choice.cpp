// SPDX-License-Identifier: Apache-2.0
#include "model/choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/phrase.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;

// Weights of the encoder's layers, up to a factor.
int64_t encoder_size(const Config& c) { return int64_t{c.n_audio_layer} * c.n_audio_state * c.n_audio_state; }

// Distil-Whisper's models keep the first and last of their teacher's decoder layers; no other Whisper has so few
// behind so large an encoder.
bool is_distilled(const Config& c) { return c.n_text_layer <= 2 && c.n_audio_layer >= 4 * c.n_text_layer; }

// Of how many languages it is known to write: 2 many, 1 one that the header does not tell, 0 English.
int breadth(const ModelFacts& facts) { return facts.languages() <= 1 ? 0 : is_distilled(facts.config) ? 1 : 2; }

auto rank(const ModelFacts& facts, const Wanted& wanted) {
  const Config& c = facts.config;
  const bool english = wanted.language == Wanted::Language::english;
  return std::tuple(encoder_size(c), english ? 0 : breadth(facts), c.n_text_layer, english && facts.english_only,
                    c.n_mels, c.n_vocab, facts.packed == wanted.type, facts.bytes);
}

const Candidate* best_by(std::span<const Candidate> candidates, const Wanted& wanted, auto&& allowed) {
  const Candidate* best = nullptr;
  for (const Candidate& candidate : candidates) {
    if (!candidate.facts.ok() || !allowed(*candidate.facts)) continue;
    if (!best || is_better(*candidate.facts, *best->facts, wanted)) best = &candidate;
  }
  return best;
}

Result<Choice> chosen_default(const Library& library, const std::string& name) {
  Choice choice;
  choice.why = Choice::Why::set_as_default;
  choice.name = name;
  std::error_code ignored;
  if (name == kBuiltinName) return choice;
  auto path = name.starts_with('/') && fs::exists(name, ignored) ? library.resolve(name) : library.find(name);
  if (!path.ok()) {
    const bool elsewhere = name.starts_with('/');
    return not_found(fmt::format(
        "'{}', which `shorthand models default` set, is no longer there; {}`shorthand models default "
        "--unset` forgets it, -m names another",
        printable(name, 200), elsewhere ? "" : fmt::format("`shorthand models pull {}` may get it back, ", name)));
  }
  choice.path = *std::move(path);
  // What is wrong with it is told by who opens it.
  const auto facts = read_facts(*choice.path);
  choice.english_only = facts.ok() && facts->english_only;
  return choice;
}

Choice chosen_best(const Candidate& best, std::span<const Candidate> among, Choice::Why why) {
  Choice choice{why, best.model.name, best.model.path, best.facts->english_only};
  choice.of = static_cast<size_t>(std::ranges::count_if(among, [](const Candidate& c) { return c.facts.ok(); }));
  choice.unreadable = among.size() - choice.of;
  return choice;
}

}  // namespace

std::vector<Candidate> survey(std::vector<Installed> models) {
  std::vector<Candidate> candidates;
  for (Installed& model : models) {
    auto facts = read_facts(model.path);
    candidates.push_back({std::move(model), std::move(facts)});
  }
  return candidates;
}

bool suits(const ModelFacts& facts, const Wanted& wanted) {
  return facts.packed.value_or(wanted.type) == wanted.type &&
         (wanted.language != Wanted::Language::other || facts.languages() > 1);
}

bool is_better(const ModelFacts& a, const ModelFacts& b, const Wanted& wanted) {
  return rank(a, wanted) > rank(b, wanted);
}

const Candidate* best_of(std::span<const Candidate> candidates, const Wanted& wanted) {
  return best_by(candidates, wanted, [&](const ModelFacts& facts) { return suits(facts, wanted); });
}

Result<Choice> choose_model(const Library& library, const Wanted& wanted) {
  if (const auto set = SHORTHAND_TRY(library.store.default_model())) return chosen_default(library, *set);
  const auto installed = survey(SHORTHAND_TRY(library.store.list()));
  if (const Candidate* best = best_of(installed, wanted))
    return chosen_best(*best, installed, Choice::Why::best_installed);
  const auto cached = survey(library.cache ? library.cache->list() : std::vector<Installed>());
  if (const Candidate* best = best_of(cached, wanted)) return chosen_best(*best, cached, Choice::Why::best_cached);
  // None suits: the best of those that are here, which then says itself what it cannot do.
  const auto any = [](const ModelFacts&) { return true; };
  if (const Candidate* best = best_by(installed, wanted, any))
    return chosen_best(*best, installed, Choice::Why::best_installed);
  if (const Candidate* best = best_by(cached, wanted, any)) return chosen_best(*best, cached, Choice::Why::best_cached);
  Choice builtin;
  builtin.english_only = true;
  builtin.unreadable = installed.size() + cached.size();
  return builtin;
}

Result<std::string> check_default(const Library& library, const std::string& name_or_path) {
  if (name_or_path == kBuiltinName) return name_or_path;
  std::error_code error;
  const bool installed = library.store.find(name_or_path) || (library.cache && library.cache->find(name_or_path));
  if (installed || name_or_path.find('/') == std::string::npos || !fs::exists(name_or_path, error)) {
    const fs::path path = SHORTHAND_TRY(library.find(name_or_path));
    SHORTHAND_TRY(read_facts(path));
    return name_or_path;
  }
  const fs::path absolute = fs::absolute(name_or_path, error).lexically_normal();
  if (error) return io_error(fmt::format("{}: {}", name_or_path, error.message()));
  SHORTHAND_TRY(read_facts(SHORTHAND_TRY(library.resolve(absolute.string()))));
  return absolute.string();
}

std::string reason_of(const Choice& choice) {
  const auto among = [&](std::string_view where) {
    return choice.of == 1 ? fmt::format("the only model {}", where)
                          : fmt::format("the best of {} models {}", choice.of, where);
  };
  switch (choice.why) {
    case Choice::Why::set_as_default: return "set by `shorthand models default`";
    case Choice::Why::best_installed: return among("installed");
    case Choice::Why::best_cached: return among("in Hugging Face's cache");
    case Choice::Why::none_else: break;
  }
  return choice.unreadable == 0 ? "as no other is installed" : "as no other can be read";
}

}  // namespace shorthand
