// SPDX-License-Identifier: Apache-2.0
#include "text/special_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "text/languages.h"

namespace shorthand {
namespace {

constexpr int kLargestId = 1 << 24;                 // far above any vocabulary, and sums of such ids fit an int
constexpr int kOtherTokens = 8 + kTimestampTokens;  // eot to notimestamps without the languages, and the times

// A token that stands for itself, the names files give it, and where its id is kept.
struct Single {
  std::string_view name;
  std::string_view older_name;  // in files of 2022; empty where there is none
  int SpecialTokens::*id;
};
constexpr std::array kSingles = {
    Single{kEndOfTextName, "", &SpecialTokens::eot},
    Single{"<|startoftranscript|>", "", &SpecialTokens::sot},
    Single{"<|translate|>", "", &SpecialTokens::translate},
    Single{"<|transcribe|>", "", &SpecialTokens::transcribe},
    Single{"<|startoflm|>", "", &SpecialTokens::startoflm},
    Single{"<|startofprev|>", "", &SpecialTokens::startofprev},
    Single{"<|nospeech|>", "<|nocaptions|>", &SpecialTokens::nospeech},
    Single{"<|notimestamps|>", "", &SpecialTokens::notimestamps},
};

std::string language_token_name(size_t index) { return fmt::format("<|{}|>", kLanguages[index].code); }

// What files of 2022, and every English-only one, call a language whose code has changed since.
std::string_view older_language_name(std::string_view code) { return code == "he" ? "<|iw|>" : ""; }

NamedTokens::const_iterator find_token(const NamedTokens& named, std::string_view name, std::string_view older_name) {
  const auto it = named.find(name);
  return it == named.end() && !older_name.empty() ? named.find(older_name) : it;
}

std::string timestamp_name(int step) { return fmt::format("<|{}.{:02}|>", step / 50, step % 50 * 2); }

Result<void> read_singles(const NamedTokens& named, std::string_view source, SpecialTokens* special) {
  for (const Single& single : kSingles) {
    const auto it = find_token(named, single.name, single.older_name);
    if (it == named.end())
      return bad_input(fmt::format("{}: names no {}; is this the tokenizer of a Whisper model?", source, single.name));
    special->*single.id = it->second;
  }
  return {};
}

// The languages named must be the first of kLanguages, one after the other.
Result<void> read_languages(const NamedTokens& named, std::string_view source, SpecialTokens* special) {
  for (size_t i = 0; i < kLanguages.size(); ++i) {
    const auto it = find_token(named, language_token_name(i), older_language_name(kLanguages[i].code));
    if (it == named.end()) continue;
    if (special->n_languages == 0 && i == 0) special->first_language = it->second;
    if (static_cast<size_t>(special->n_languages) != i || it->second - special->first_language != static_cast<int>(i)) {
      return bad_input(
          fmt::format("{}: {} is token {}, out of the order of Whisper's languages", source, it->first, it->second));
    }
    ++special->n_languages;
  }
  if (special->n_languages == 0) special->first_language = special->sot + 1;
  return {};
}

Result<void> read_timestamps(const NamedTokens& named, std::string_view source, SpecialTokens* special) {
  const auto first = named.find("<|0.00|>");
  special->timestamp_begin = first == named.end() ? special->notimestamps + 1 : first->second;
  for (int step = 0; step < kTimestampTokens; ++step) {
    const auto it = named.find(timestamp_name(step));
    if (it != named.end() && it->second - special->timestamp_begin != step) {
      return bad_input(fmt::format("{}: {} is token {}; times must follow each other from <|0.00|> = {}", source,
                                   it->first, it->second, special->timestamp_begin));
    }
  }
  if (int64_t{special->n_vocab} - special->timestamp_begin != kTimestampTokens) {
    return bad_input(fmt::format("{}: times begin at token {}, but the model has {} tokens; {} times must be its last",
                                 source, special->timestamp_begin, special->n_vocab, kTimestampTokens));
  }
  return {};
}

Result<void> check_ids(const SpecialTokens& special, int n_text, std::string_view source) {
  if (special.eot != n_text) {
    return bad_input(fmt::format("{}: {} is token {}, but {} text tokens come before it", source, kEndOfTextName,
                                 special.eot, n_text));
  }
  std::vector<int> ids;
  for (const Single& single : kSingles) ids.push_back(special.*single.id);
  for (int i = 0; i < special.n_languages; ++i) ids.push_back(special.first_language + i);
  std::sort(ids.begin(), ids.end());
  if (const auto twice = std::adjacent_find(ids.begin(), ids.end()); twice != ids.end())
    return bad_input(fmt::format("{}: two special tokens have the id {}", source, *twice));
  if (ids.front() < special.eot || ids.back() >= special.timestamp_begin) {
    const int stray = ids.front() < special.eot ? ids.front() : ids.back();
    return bad_input(fmt::format("{}: the special token {} lies outside {} to {}", source, stray, special.eot,
                                 special.timestamp_begin - 1));
  }
  return {};
}

}  // namespace

Result<SpecialTokens> special_tokens_in_order(int n_text, int n_vocab, bool english_only, std::string_view source) {
  // In 64 bits: both numbers may be any that a file can hold.
  const int64_t languages = int64_t{n_vocab} - n_text - kOtherTokens;
  if (n_text < 1 || languages < 0 || languages > static_cast<int64_t>(kLanguages.size())) {
    return bad_input(fmt::format(
        "{}: {} text tokens of {} leave {} for languages, which may be 0 to {}; vocabulary and header disagree", source,
        n_text, n_vocab, languages, kLanguages.size()));
  }
  SpecialTokens special;
  special.n_languages = static_cast<int>(languages);
  special.n_vocab = n_vocab;
  special.english_only = english_only;
  int next = n_text;
  special.eot = next++;
  special.sot = next++;
  special.first_language = next;
  next += special.n_languages;
  special.translate = next++;
  special.transcribe = next++;
  special.startoflm = next++;
  special.startofprev = next++;
  special.nospeech = next++;
  special.notimestamps = next++;
  special.timestamp_begin = next;
  return special;
}

Result<SpecialTokens> special_tokens_named(const NamedTokens& named, int n_text, int n_vocab, bool english_only,
                                           std::string_view source) {
  for (const auto& [name, id] : named) {
    if (id < 0 || id > kLargestId)
      return bad_input(fmt::format("{}: {} is token {}, which is no id that a model can have", source, name, id));
  }
  SpecialTokens special;
  special.n_vocab = n_vocab;
  special.english_only = english_only;
  SHORTHAND_TRY(read_singles(named, source, &special));
  SHORTHAND_TRY(read_languages(named, source, &special));
  SHORTHAND_TRY(read_timestamps(named, source, &special));
  SHORTHAND_TRY(check_ids(special, n_text, source));
  return special;
}

std::optional<int> language_token(const SpecialTokens& special, std::string_view code) {
  const int index = language_index(code);
  if (special.english_only || index < 0 || index >= special.n_languages) return std::nullopt;
  return special.first_language + index;
}

std::string_view language_of_token(const SpecialTokens& special, int id) {
  return kLanguages[static_cast<size_t>(id - special.first_language)].code;
}

std::string special_token_name(const SpecialTokens& special, int id) {
  if (special.is_timestamp(id)) return timestamp_name(id - special.timestamp_begin);
  if (special.is_language(id)) return language_token_name(static_cast<size_t>(id - special.first_language));
  for (const Single& single : kSingles)
    if (special.*single.id == id) return std::string(single.name);
  return {};
}

std::vector<int> suppressed_special_tokens(const SpecialTokens& special) {
  std::vector<int> ids = {special.translate,   special.transcribe, special.sot,
                          special.startofprev, special.startoflm,  special.nospeech};
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace shorthand
