// SPDX-License-Identifier: Apache-2.0
#include "model/catalog.h"

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
