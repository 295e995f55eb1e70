// SPDX-License-Identifier: Apache-2.0
#include "model/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/byte_reader.h"
#include "base/phrase.h"
#include "model/foreign.h"

namespace shorthand {
namespace {

using nlohmann::json;

// Two thousand tensors need some 300 KB.
constexpr uint64_t kMaxHeaderBytes = 4 << 20;

std::optional<DType> dtype_of(std::string_view name) {
  if (name == "F32") return DType::f32;
  if (name == "F16") return DType::f16;
  if (name == "BF16") return DType::bf16;
  return {};
}

// The header's JSON, with the names that occur twice refused: a JSON object would keep the last and forget the first.
Result<json> parse_header(std::string_view text, std::string_view file) {
  std::set<std::string> names;
  std::string twice;
  const auto watch = [&](int depth, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::key && depth == 1 && !names.insert(parsed.get<std::string>()).second)
      twice = parsed.get<std::string>();
    return true;
  };
  json header = json::parse(text.begin(), text.end(), watch, false);
  if (!header.is_object())
    return bad_input(fmt::format("{}: its header is no valid JSON object; download it again", file));
  if (!twice.empty()) return bad_input(fmt::format("{}: tensor '{}' is there twice", file, printable(twice)));
  return header;
}

struct Span {
  uint64_t begin, end;
};

Result<Span> read_offsets(const json& entry, std::string_view name, std::string_view file) {
  const auto found = entry.find("data_offsets");
  if (found == entry.end() || !found->is_array() || found->size() != 2 || !(*found)[0].is_number_unsigned() ||
      !(*found)[1].is_number_unsigned())
    return bad_input(fmt::format("{}: tensor '{}' has no data_offsets", file, printable(name)));
  return Span{(*found)[0].get<uint64_t>(), (*found)[1].get<uint64_t>()};
}

struct Described {
  NamedTensor entry;  // bytes not yet known
  Span span;
};

Result<Described> describe_entry(const std::string& name, const json& value, std::string_view file) {
  const std::string shown = printable(name);
  if (!value.is_object() || !value.contains("dtype") || !value["dtype"].is_string() || !value.contains("shape") ||
      !value["shape"].is_array())
    return bad_input(fmt::format("{}: tensor '{}' lacks its dtype or shape", file, shown));
  Described out;
  out.entry.name = name;
  const std::string type = value["dtype"].get<std::string>();
  const auto dtype = dtype_of(type);
  if (!dtype)
    return unsupported(
        fmt::format("{}: tensor '{}' has type {}; this engine reads F32, F16 and BF16", file, shown, printable(type)));
  out.entry.dtype = *dtype;
  if (value["shape"].size() > Shape::kMaxRank)
    return bad_input(fmt::format("{}: tensor '{}' has {} dimensions", file, shown, value["shape"].size()));
  uint64_t bytes = block_bytes(*dtype);
  for (const json& size : value["shape"]) {
    if (!size.is_number_unsigned() || !multiply_checked(bytes, size.get<uint64_t>(), &bytes))
      return bad_input(fmt::format("{}: tensor '{}' has a shape that cannot be", file, shown));
    out.entry.shape.append(size.get<uint64_t>());
  }
  out.span = SHORTHAND_TRY(read_offsets(value, name, file));
  if (out.span.begin > out.span.end || out.span.end - out.span.begin != bytes)
    return bad_input(fmt::format("{}: tensor '{}' is {} {}, {} bytes, but its data_offsets are [{}, {}]", file, shown,
                                 type, out.entry.shape.text(), bytes, out.span.begin, out.span.end));
  return out;
}

}  // namespace

bool is_safetensors(std::span<const std::byte> bytes) {
  ByteReader r(bytes);
  const uint64_t length = r.read<uint64_t>();
  return r.read<char>() == '{' && length <= kMaxHeaderBytes;
}

Result<std::vector<NamedTensor>> read_safetensors(std::span<const std::byte> bytes, std::string_view file) {
  if (!is_safetensors(bytes)) return bad_input(fmt::format("{}: {}", file, describe_foreign(bytes)));
  ByteReader r(bytes);
  const uint64_t length = r.read<uint64_t>();
  const std::string_view text = r.take_text(length);
  if (r.failed())
    return bad_input(fmt::format("{}: truncated: header promises at least {} bytes, the file has {}; download it again",
                                 file, grouped(length + 8), grouped(bytes.size())));
  const json header = SHORTHAND_TRY(parse_header(text, file));
  std::vector<Described> found;
  for (const auto& [name, value] : header.items()) {
    if (name != "__metadata__") found.push_back(SHORTHAND_TRY(describe_entry(name, value, file)));
  }
  std::sort(found.begin(), found.end(), [](const Described& a, const Described& b) {
    return std::pair(a.span.begin, a.span.end) < std::pair(b.span.begin, b.span.end);
  });
  uint64_t end = 0;
  for (const Described& d : found) {
    if (d.span.begin != end)
      return bad_input(
          fmt::format("{}: tensor '{}' begins at byte {}, and the one before it ends at {}; the file is "
                      "damaged",
                      file, printable(d.entry.name), d.span.begin, end));
    end = d.span.end;
  }
  const uint64_t promised = 8 + length + end;
  if (end > UINT64_MAX - 8 - length || promised > bytes.size())
    return bad_input(fmt::format("{}: truncated: header promises {} bytes, the file has {}; download it again", file,
                                 grouped(promised), grouped(bytes.size())));
  if (promised < bytes.size())
    return bad_input(fmt::format("{}: {} bytes follow the last tensor; the file is damaged", file,
                                 grouped(bytes.size() - promised)));
  std::vector<NamedTensor> entries;
  for (Described& d : found) {
    d.entry.bytes = bytes.subspan(8 + length + d.span.begin, d.span.end - d.span.begin);
    entries.push_back(std::move(d.entry));
  }
  return entries;
}

}  // namespace shorthand
