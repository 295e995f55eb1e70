// SPDX-License-Identifier: Apache-2.0
#include "text/vocabulary.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "base/embedded.h"
#include "text/utf8.h"

namespace shorthand {

SHORTHAND_EMBEDDED(english_tiktoken);
SHORTHAND_EMBEDDED(multilingual_tiktoken);

namespace {

constexpr std::array<int8_t, 256> kBase64Values = [] {
  std::array<int8_t, 256> values{};
  values.fill(-1);
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < digits.size(); ++i) values[static_cast<uint8_t>(digits[i])] = static_cast<int8_t>(i);
  return values;
}();

// Appends what `text` encodes to `out`; false if it is not base64.
bool decode_base64(std::string_view text, std::string* out) {
  const size_t digits = std::min(text.find('='), text.size());
  if (text.size() - digits > 2 || digits % 4 == 1) return false;
  for (const char c : text.substr(digits))
    if (c != '=') return false;
  uint32_t bits = 0;
  int n_bits = 0;
  for (const char c : text.substr(0, digits)) {
    const int value = kBase64Values[static_cast<uint8_t>(c)];
    if (value < 0) return false;
    bits = bits << 6 | static_cast<uint32_t>(value);
    n_bits += 6;
    if (n_bits >= 8) {
      n_bits -= 8;
      out->push_back(static_cast<char>(bits >> n_bits & 0xFF));
    }
  }
  return true;
}

// Cuts the next line off `text`, without its end.
std::string_view take_line(std::string_view* text) {
  const size_t end = std::min(text->find('\n'), text->size());
  std::string_view line = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

struct RankedPiece {
  std::string piece;
  size_t rank = 0;
};

// "IHRoZQ== 264", or nothing if it is not such a line.
std::optional<RankedPiece> parse_tiktoken_line(std::string_view line) {
  RankedPiece parsed;
  const size_t space = line.find(' ');
  if (space == 0 || space == std::string_view::npos) return std::nullopt;
  if (!decode_base64(line.substr(0, space), &parsed.piece)) return std::nullopt;
  const char* const end = line.data() + line.size();
  const auto [stop, failure] = std::from_chars(line.data() + space + 1, end, parsed.rank);
  if (failure != std::errc() || stop != end) return std::nullopt;
  return parsed;
}

Result<void> check_pieces(const std::vector<std::string>& pieces, std::string_view source) {
  if (pieces.empty()) return bad_input(fmt::format("{}: holds no text tokens", source));
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].size() > kMostPieceBytes) {
      return bad_input(fmt::format("{}: token {} has {} bytes; none may have more than {}", source, i, pieces[i].size(),
                                   kMostPieceBytes));
    }
  }
  return {};
}

// Calls check(rank, piece) for every line of an embedded vocabulary until it says no. True if it never did.
template <class F>
bool for_each_piece(OpenAiVocabulary which, F check) {
  std::string_view text = openai_tiktoken(which);
  while (!text.empty()) {
    auto line = parse_tiktoken_line(take_line(&text));
    if (!line || !check(line->rank, line->piece)) return false;
  }
  return true;
}

}  // namespace

std::string_view openai_tiktoken(OpenAiVocabulary which) {
  return which == OpenAiVocabulary::english ? embedded_english_tiktoken() : embedded_multilingual_tiktoken();
}

std::optional<OpenAiVocabulary> restore_bytes(std::vector<std::string>* pieces) {
  for (const OpenAiVocabulary which : {OpenAiVocabulary::english, OpenAiVocabulary::multilingual}) {
    size_t n = 0;
    const bool same = for_each_piece(which, [&](size_t rank, const std::string& piece) {
      ++n;
      return rank < pieces->size() && ((*pieces)[rank] == piece || (*pieces)[rank] == utf8::replace_invalid(piece));
    });
    if (!same || n != pieces->size()) continue;
    for_each_piece(which, [&](size_t rank, std::string& piece) { return (*pieces)[rank] = std::move(piece), true; });
    return which;
  }
  return std::nullopt;
}

Result<Vocabulary> vocabulary_from_pieces(std::vector<std::string> pieces, std::string_view source) {
  Vocabulary vocabulary;
  if (!pieces.empty() && pieces.back() == kEndOfTextName) pieces.pop_back();
  SHORTHAND_TRY(check_pieces(pieces, source));
  vocabulary.pieces = std::move(pieces);
  vocabulary.english_only = restore_bytes(&vocabulary.pieces) == OpenAiVocabulary::english;
  return vocabulary;
}

Result<Vocabulary> parse_tiktoken(std::string_view text, std::string_view source) {
  std::vector<RankedPiece> lines;
  for (size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = take_line(&text);
    if (line.empty()) continue;
    auto parsed = parse_tiktoken_line(line);
    if (!parsed) return bad_input(fmt::format("{}: line {} is not a base64 piece and its rank", source, number));
    lines.push_back(std::move(*parsed));
  }
  std::vector<std::string> pieces(lines.size());
  std::vector<bool> seen(lines.size());
  for (RankedPiece& line : lines) {
    if (line.rank >= lines.size() || seen[line.rank]) {
      return bad_input(fmt::format("{}: rank {} {}; {} tokens must have the ranks 0 to {}", source, line.rank,
                                   line.rank < lines.size() ? "comes twice" : "is too high", lines.size(),
                                   lines.size() - 1));
    }
    seen[line.rank] = true;
    pieces[line.rank] = std::move(line.piece);
  }
  return vocabulary_from_pieces(std::move(pieces), source);
}

Result<SpecialTokens> special_tokens_of(const Vocabulary& vocabulary, int n_vocab, std::string_view source) {
  constexpr size_t kMost = size_t{1} << 24;
  if (vocabulary.pieces.size() > kMost)
    return bad_input(
        fmt::format("{}: {} text tokens; a model has {} at the most", source, vocabulary.pieces.size(), kMost));
  const int n_text = static_cast<int>(vocabulary.pieces.size());
  if (vocabulary.named.contains("<|startoftranscript|>"))
    return special_tokens_named(vocabulary.named, n_text, n_vocab, vocabulary.english_only, source);
  return special_tokens_in_order(n_text, n_vocab, vocabulary.english_only, source);
}

}  // namespace shorthand
