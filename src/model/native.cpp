// SPDX-License-Identifier: Apache-2.0
#include "model/native.h"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "base/byte_reader.h"
#include "base/phrase.h"

namespace shorthand {
namespace {

constexpr std::string_view kMagic = "SHORTHND";
constexpr uint32_t kVersion = 2;
constexpr size_t kArenaAlign = 4096;  // a page: the arena can be mapped by itself
constexpr uint32_t kMaxPieceBytes = 4096;

// The header's fields in file order, for the reader and the writer alike.
template <class Config, class Fn>
void for_each_size(Config& c, Fn fn) {
  fn(c.n_vocab), fn(c.n_audio_ctx), fn(c.n_audio_state), fn(c.n_audio_head), fn(c.n_audio_layer);
  fn(c.n_text_ctx), fn(c.n_text_state), fn(c.n_text_head), fn(c.n_text_layer), fn(c.n_mels);
}

class Writer {
 public:
  void number(uint32_t n) { text_.append(reinterpret_cast<const char*>(&n), sizeof n); }
  void bytes(std::string_view s) {
    number(static_cast<uint32_t>(s.size()));
    text_ += s;
  }
  void ids(const std::optional<std::vector<int>>& list) {
    number(list ? 1 : 0);
    if (!list) return;
    number(static_cast<uint32_t>(list->size()));
    for (int id : *list) number(static_cast<uint32_t>(id));
  }
  void raw(std::string_view s) { text_ += s; }
  std::string& text() { return text_; }

 private:
  std::string text_;
};

class Reader {
 public:
  Reader(std::span<const std::byte> bytes, std::string_view file) : in_(bytes), file_(file) {}

  Error lie(std::string_view what) const {
    return bad_input(fmt::format("{}: damaged native model: {}; convert the original again (shorthand models convert)",
                                 file_, what));
  }
  uint32_t number() { return in_.read<uint32_t>(); }
  // A count of things that take at least `least_bytes` each in what is left of the file.
  Result<uint32_t> count(std::string_view of, size_t least_bytes) {
    const uint32_t n = number();
    if (in_.failed() || n > in_.remaining() / least_bytes)
      return lie(fmt::format("{} {} do not fit into the file", n, of));
    return n;
  }
  Result<std::string> bytes(std::string_view of, uint32_t most) {
    const uint32_t n = number();
    if (n > most) return lie(fmt::format("{} of {} bytes", of, n));
    const std::string text(in_.take_text(n));
    if (in_.failed()) return lie(fmt::format("it ends inside {}", of));
    return text;
  }
  Result<std::optional<std::vector<int>>> ids(std::string_view of, int below) {
    std::optional<std::vector<int>> list;
    if (number() == 0) return list;
    list.emplace();
    const uint32_t n = SHORTHAND_TRY(count(of, 4));
    for (uint32_t i = 0; i < n; ++i) {
      const uint32_t id = number();
      if (id >= static_cast<uint32_t>(below))
        return lie(fmt::format("{} name token {}, the vocabulary ends at {}", of, id, below));
      list->push_back(static_cast<int>(id));
    }
    return list;
  }
  ByteReader& in() { return in_; }

 private:
  ByteReader in_;
  std::string_view file_;
};

}  // namespace

bool is_native(std::span<const std::byte> bytes) {
  return bytes.size() >= kMagic.size() && std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) == 0;
}

Result<NativeView> parse_native(std::span<const std::byte> bytes, std::string_view file) {
  Reader in(bytes, file);
  in.in().take(kMagic.size());
  const uint32_t version = in.number(), type = in.number(), flags = in.number();
  // Version 1 differs in the weights of int8 alone, which were not mixed.
  const bool same_arena = version == 1 && type == static_cast<uint32_t>(ComputeType::float32);
  if (version != kVersion && !same_arena) {
    return unsupported(fmt::format(
        "{}: native model of version {}, this program reads {}; convert the original again (shorthand models convert)",
        file, version, kVersion));
  }
  NativeView view;
  NativeHeader& h = view.header;
  if (type > static_cast<uint32_t>(ComputeType::float32)) return in.lie(fmt::format("compute type {}", type));
  h.type = static_cast<ComputeType>(type);
  h.english_only = (flags & 1) != 0;
  for_each_size(h.config, [&](int& size) { size = static_cast<int>(in.number()); });
  SHORTHAND_TRY(check_config(h.config, file));

  const uint32_t pieces = SHORTHAND_TRY(in.count("pieces", 4));
  for (uint32_t i = 0; i < pieces; ++i) h.pieces.push_back(SHORTHAND_TRY(in.bytes("a piece", kMaxPieceBytes)));
  const uint32_t named = SHORTHAND_TRY(in.count("special tokens", 8));
  for (uint32_t i = 0; i < named; ++i) {
    const std::string name = SHORTHAND_TRY(in.bytes("a token's name", kMaxPieceBytes));
    h.special_ids[name] = static_cast<int>(in.number());
  }
  const uint32_t filters = SHORTHAND_TRY(in.count("filter weights", 4));
  if (filters != 0 && filters != static_cast<uint32_t>(h.config.n_mels) * 201)
    return in.lie(fmt::format("{} filter weights", filters));
  for (uint32_t i = 0; i < filters; ++i) h.mel_filters.push_back(in.in().read<float>());

  GenerationConfig& g = h.generation;
  const uint32_t multilingual = in.number();
  if (multilingual != 0) g.is_multilingual = multilingual == 2;
  g.suppress_tokens = SHORTHAND_TRY(in.ids("suppressed tokens", h.config.n_vocab));
  g.begin_suppress_tokens = SHORTHAND_TRY(in.ids("tokens suppressed at the start", h.config.n_vocab));
  if (const auto heads = SHORTHAND_TRY(in.ids("alignment heads", h.config.n_vocab))) {
    g.alignment_heads.emplace();
    for (size_t i = 0; i + 1 < heads->size(); i += 2) g.alignment_heads->emplace_back((*heads)[i], (*heads)[i + 1]);
  }
  if (in.in().failed()) return in.lie("it ends inside its header");

  const size_t start = round_up(in.in().position(), kArenaAlign), size = arena_bytes(h.config, h.type);
  if (bytes.size() != start + size) {
    return bad_input(fmt::format("{}: truncated: header promises {} bytes, the file has {}; convert the original again",
                                 file, grouped(start + size), grouped(bytes.size())));
  }
  view.arena = bytes.subspan(start);
  return view;
}

Result<void> write_native(const std::filesystem::path& path, const NativeHeader& h, std::span<const std::byte> arena) {
  Writer out;
  out.raw(kMagic);
  out.number(kVersion);
  out.number(static_cast<uint32_t>(h.type));
  out.number(h.english_only ? 1 : 0);
  for_each_size(h.config, [&](int size) { out.number(static_cast<uint32_t>(size)); });
  out.number(static_cast<uint32_t>(h.pieces.size()));
  for (const std::string& piece : h.pieces) out.bytes(piece);
  out.number(static_cast<uint32_t>(h.special_ids.size()));
  for (const auto& [name, id] : h.special_ids) {
    out.bytes(name);
    out.number(static_cast<uint32_t>(id));
  }
  out.number(static_cast<uint32_t>(h.mel_filters.size()));
  out.raw({reinterpret_cast<const char*>(h.mel_filters.data()), h.mel_filters.size() * sizeof(float)});
  out.number(!h.generation.is_multilingual ? 0 : *h.generation.is_multilingual ? 2 : 1);
  out.ids(h.generation.suppress_tokens);
  out.ids(h.generation.begin_suppress_tokens);
  std::optional<std::vector<int>> heads;
  if (h.generation.alignment_heads) {
    heads.emplace();
    for (const auto& [layer, head] : *h.generation.alignment_heads) heads->insert(heads->end(), {layer, head});
  }
  out.ids(heads);
  out.text().resize(round_up(out.text().size(), kArenaAlign), '\0');

  AtomicFile file = SHORTHAND_TRY(AtomicFile::create(path));
  SHORTHAND_TRY(file.write(out.text()));
  SHORTHAND_TRY(file.write(arena));
  return file.commit();
}

}  // namespace shorthand
