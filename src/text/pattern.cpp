// SPDX-License-Identifier: Apache-2.0
#include "text/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <cassert>

#include "text/utf8.h"

namespace shorthand {
namespace {

struct FreeMatchData {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

// Room for the offsets of one match. Kept by the thread, because a tokenizer asks for one a word.
pcre2_match_data* match_data() {
  thread_local const std::unique_ptr<pcre2_match_data, FreeMatchData> data(
      pcre2_match_data_create(Pattern::kMostGroups, nullptr));
  return data.get();
}

const pcre2_code* code_of(const void* code) { return static_cast<const pcre2_code*>(code); }

}  // namespace

void Pattern::Free::operator()(void* code) const { pcre2_code_free(static_cast<pcre2_code*>(code)); }

Pattern::Pattern(const char* expression) {
  int error = 0;
  size_t where = 0;
  pcre2_compile_context* const context = pcre2_compile_context_create(nullptr);
  pcre2_set_newline(context, PCRE2_NEWLINE_LF);
  pcre2_code* const code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression), PCRE2_ZERO_TERMINATED,
                                         PCRE2_UTF | PCRE2_UCP, &error, &where, context);
  pcre2_compile_context_free(context);
  assert(code);
  code_.reset(code);
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where the machine forbids it, the interpreter does the work
}

std::optional<Pattern::Match> Pattern::find(std::string_view text, size_t from) const {
  pcre2_match_data* const data = match_data();
  if (!data) return std::nullopt;
  // The text is known to be valid, and checking it again at every word would make long texts quadratic.
  const int groups = pcre2_match(code_of(code_.get()), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                                 PCRE2_NO_UTF_CHECK, data, nullptr);
  if (groups <= 0) return std::nullopt;
  const size_t* const offsets = pcre2_get_ovector_pointer(data);
  Match match;
  match.begin = offsets[0];
  match.end = offsets[1];
  for (size_t i = 0; i < static_cast<size_t>(groups); ++i) {
    if (offsets[2 * i] != PCRE2_UNSET)
      match.group[i] = text.substr(offsets[2 * i], offsets[2 * i + 1] - offsets[2 * i]);
  }
  return match;
}

std::string Pattern::replace(std::string_view text, const std::function<std::string(const Match&)>& replacement) const {
  std::string out;
  size_t done = 0;
  for (size_t from = 0; from <= text.size();) {
    const auto match = find(text, from);
    if (!match) break;
    out += text.substr(done, match->begin - done);
    out += replacement(*match);
    done = from = match->end;
    if (match->begin != match->end) continue;
    if (from == text.size()) break;
    from += utf8::first_character(text.substr(from)).bytes;  // an empty match: look on behind the next character
  }
  return out += text.substr(done);
}

std::string Pattern::replace(std::string_view text, std::string_view replacement) const {
  return replace(text, [&](const Match& match) {
    std::string out;
    for (size_t i = 0; i < replacement.size(); ++i) {
      if (replacement[i] == '\\' && i + 1 < replacement.size()) {
        out += match.group[static_cast<size_t>(replacement[++i] - '0')].value_or("");
      } else {
        out += replacement[i];
      }
    }
    return out;
  });
}

}  // namespace shorthand
