// SPDX-License-Identifier: Apache-2.0
#include "text/unicode.h"

#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <array>

#include "text/utf8.h"

namespace shorthand::unicode {
namespace {

icu::UnicodeString from_utf8(std::string_view text) {
  return icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
}

struct Letter {
  char32_t code_point;
  std::string_view ascii;
};
constexpr std::array kLetters = {
    Letter{U'œ', "oe"}, Letter{U'Œ', "OE"}, Letter{U'ø', "o"},  Letter{U'Ø', "O"},
    Letter{U'æ', "ae"}, Letter{U'Æ', "AE"}, Letter{U'ß', "ss"}, Letter{U'ẞ', "SS"},
    Letter{U'đ', "d"},  Letter{U'Đ', "D"},  Letter{U'ð', "d"},  Letter{U'Ð', "D"},
    Letter{U'þ', "th"}, Letter{U'Þ', "th"}, Letter{U'ł', "l"},  Letter{U'Ł', "L"},
};

// What becomes of one character that is not kept.
void append_plain(char32_t c, std::string* out) {
  const auto letter =
      std::find_if(kLetters.begin(), kLetters.end(), [&](const Letter& l) { return l.code_point == c; });
  const uint32_t category = U_MASK(u_charType(static_cast<UChar32>(c)));
  if (letter != kLetters.end()) {
    *out += letter->ascii;
  } else if (category & (U_GC_M_MASK | U_GC_S_MASK | U_GC_P_MASK)) {
    if (category != U_GC_MN_MASK) *out += ' ';
  } else {
    utf8::append(*out, c);
  }
}

}  // namespace

std::string lower(std::string_view text) {
  std::string out;
  return from_utf8(text).toLower(icu::Locale::getRoot()).toUTF8String(out);
}

std::string without_symbols_and_diacritics(std::string_view text, std::string_view keep) {
  UErrorCode failure = U_ZERO_ERROR;
  const icu::Normalizer2* const nfkd = icu::Normalizer2::getNFKDInstance(failure);
  icu::UnicodeString decomposed = from_utf8(text);
  if (U_SUCCESS(failure)) decomposed = nfkd->normalize(decomposed, failure);
  const std::u32string kept = utf8::code_points(keep);
  std::string out;
  for (int32_t i = 0; i < decomposed.length(); i = decomposed.moveIndex32(i, 1)) {
    const auto c = static_cast<char32_t>(decomposed.char32At(i));
    if (kept.find(c) != std::u32string::npos) {
      utf8::append(out, c);
    } else {
      append_plain(c, &out);
    }
  }
  return out;
}

std::optional<int> decimal_digit(char32_t c) {
  if (u_charType(static_cast<UChar32>(c)) != U_DECIMAL_DIGIT_NUMBER) return std::nullopt;
  return u_charDigitValue(static_cast<UChar32>(c));
}

}  // namespace shorthand::unicode
