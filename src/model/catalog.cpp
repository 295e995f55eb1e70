// SPDX-License-Identifier: Apache-2.0
#include "model/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace shorthand {
namespace {

constexpr std::string_view kModels[] = {
    "tiny",
    "tiny-q5_1",
    "tiny-q8_0",
    "tiny.en",
    "tiny.en-q5_1",
    "tiny.en-q8_0",
    "base",
    "base-q5_1",
    "base-q8_0",
    "base.en",
    "base.en-q5_1",
    "base.en-q8_0",
    "small",
    "small-q5_1",
    "small-q8_0",
    "small.en",
    "small.en-q5_1",
    "small.en-q8_0",
    "medium",
    "medium-q5_0",
    "medium-q8_0",
    "medium.en",
    "medium.en-q5_0",
    "medium.en-q8_0",
    "large-v1",
    "large-v2",
    "large-v2-q5_0",
    "large-v2-q8_0",
    "large-v3",
    "large-v3-q5_0",
    "large-v3-turbo",
    "large-v3-turbo-q5_0",
    "large-v3-turbo-q8_0",
    "distil-small.en",
    "distil-medium.en",
    "distil-large-v2",
    "distil-large-v3",
    "distil-large-v3.5",
};

struct Alias {
  std::string_view name, model;
};

constexpr Alias kAliases[] = {
    {"turbo", "large-v3-turbo"},
    {"turbo-q5_0", "large-v3-turbo-q5_0"},
    {"turbo-q8_0", "large-v3-turbo-q8_0"},
    {"large", "large-v3"},
};

// Where faster-whisper's form of a model lies, if not under Systran's usual names.
constexpr Alias kConvertedElsewhere[] = {
    {"large-v3-turbo", "mobiuslabsgmbh/faster-whisper-large-v3-turbo"},
    {"distil-large-v3.5", "distil-whisper/distil-large-v3.5-ct2"},
};

constexpr std::string_view kDistilled = "distil-";

// A file of whisper.cpp with coarser weights than the model was published with.
bool is_quantised(std::string_view known) { return known.find("-q") != std::string_view::npos; }

// Letters to insert, delete or replace to turn a into b (Levenshtein).
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::span<const std::string_view> known_models() { return kModels; }

std::optional<std::string_view> known_model(std::string_view name) {
  for (const Alias& alias : kAliases) {
    if (alias.name == name) return alias.model;
  }
  for (const std::string_view model : kModels) {
    if (model == name) return model;
  }
  return {};
}

std::string_view repository_of(std::string_view known) {
  constexpr Alias kRepositories[] = {
      {"distil-small.en", "distil-whisper/distil-small.en"},
      {"distil-medium.en", "distil-whisper/distil-medium.en"},
      {"distil-large-v2", "distil-whisper/distil-large-v2"},
      {"distil-large-v3", "distil-whisper/distil-large-v3"},
      {"distil-large-v3.5", "distil-whisper/distil-large-v3.5"},
  };
  for (const Alias& repository : kRepositories) {
    if (repository.name == known) return repository.model;
  }
  return {};
}

std::vector<std::string> published_as(std::string_view known) {
  if (is_quantised(known)) return {};
  const bool distilled = known.starts_with(kDistilled);
  std::vector<std::string> repositories = {distilled ? std::string(repository_of(known))
                                                     : fmt::format("openai/whisper-{}", known)};
  const auto elsewhere = std::find_if(std::begin(kConvertedElsewhere), std::end(kConvertedElsewhere),
                                      [&](const Alias& alias) { return alias.name == known; });
  if (elsewhere != std::end(kConvertedElsewhere)) {
    repositories.emplace_back(elsewhere->model);
  } else if (distilled) {
    repositories.push_back(fmt::format("Systran/faster-distil-whisper-{}", known.substr(kDistilled.size())));
  } else {
    repositories.push_back(fmt::format("Systran/faster-whisper-{}", known));
  }
  // OpenAI's first large model has its repository's plain name.
  if (known == "large-v1") repositories.front() = "openai/whisper-large";
  return repositories;
}

bool is_repository(std::string_view name) {
  const auto plain = [](std::string_view part) {
    return !part.empty() && part.size() <= 96 && part[0] != '.' && part[0] != '-' &&
           part.find("..") == std::string_view::npos && part.find("--") == std::string_view::npos &&
           std::all_of(part.begin(), part.end(), [](unsigned char c) {
             return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                    c == '_' || c == '.';
           });
  };
  const size_t slash = name.find('/');
  return slash != std::string_view::npos && plain(name.substr(0, slash)) && plain(name.substr(slash + 1));
}

std::string_view nearest(std::string_view name, std::span<const std::string_view> candidates) {
  constexpr size_t kFarthest = 2, kLongest = 64;
  std::string_view best;
  size_t least = kFarthest + 1;
  if (name.size() > kLongest) return best;
  for (const std::string_view candidate : candidates) {
    const size_t d = distance(name, candidate);
    if (d < least && d < candidate.size()) {
      least = d;
      best = candidate;
    }
  }
  return best;
}

}  // namespace shorthand
