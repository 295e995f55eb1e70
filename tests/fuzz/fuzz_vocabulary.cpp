// SPDX-License-Identifier: Apache-2.0
// Any bytes as a vocabulary file. The first byte says of which kind, the next two how many tokens the model claims.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "text/tokenizer.h"
#include "text/utf8.h"

using namespace shorthand;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

// An error is one line of UTF-8 of a size that can be shown.
void check(const Error& error) {
  require(!error.message.empty() && error.message.size() < 1000 && utf8::is_valid(error.message));
  require(error.message.find('\n') == std::string::npos);
}

void use(Vocabulary vocabulary, int n_vocab) {
  std::string text = "a Word's 12 ♪ (\xff";
  for (size_t i = 0; i < vocabulary.pieces.size() && i < 20; ++i) text += vocabulary.pieces[i];
  // Both the size that is claimed, and one that fits: else nearly every vocabulary would end here.
  for (const int n : {n_vocab, static_cast<int>(vocabulary.pieces.size()) + 1509 + n_vocab % 128}) {
    const auto tokenizer = Tokenizer::create(vocabulary, n, "f");
    if (!tokenizer) {
      check(tokenizer.error());
      continue;
    }
    const std::vector<int> ids = tokenizer->encode(text);
    require(utf8::is_valid(tokenizer->decode(ids)));
    for (int id = -1; id < 40; ++id) (void)tokenizer->token_bytes(id);
    for (int id = n - 1600; id <= n; ++id) require(utf8::is_valid(special_token_name(tokenizer->special(), id)));
    for (const int id : tokenizer->suppressed_tokens(std::vector{-1, 5, n})) require(id >= 0 && id < n);
  }
}

template <class T>
bool ok(const Result<T>& result) {
  if (!result.ok()) check(result.error());
  return result.ok();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const int n_vocab = data[1] | data[2] << 8;
  const std::string_view text(reinterpret_cast<const char*>(data + 3), size - 3);
  switch (data[0] % 5) {
    case 0:
      if (auto v = parse_tiktoken(text, "f"); ok(v)) use(std::move(*v), n_vocab);
      break;
    case 1:
      if (auto v = parse_vocab_json(text, "f"); ok(v)) use(std::move(*v), n_vocab);
      break;
    case 2:
      if (auto v = parse_tokenizer_json(text, "f"); ok(v)) use(std::move(*v), n_vocab);
      break;
    case 3:
      if (auto named = parse_added_tokens(text, "f"); ok(named)) {
        (void)ok(special_tokens_named(*named, data[1], n_vocab, false, "f"));
        use({{"a", "b"}, std::move(*named), false}, n_vocab);
      }
      break;
    case 4: {
      static const Vocabulary vocabulary = {{"a", "b", "c", "ab", "abc"}, {}, false};
      (void)ok(check_merges(text, vocabulary, "f"));
      std::vector<std::string> pieces;
      for (size_t i = 0; i < text.size(); i += 3) pieces.emplace_back(text.substr(i, 3));
      if (auto v = vocabulary_from_pieces(std::move(pieces), "f"); ok(v)) use(std::move(*v), n_vocab);
    }
  }
  return 0;
}
