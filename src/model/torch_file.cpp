// SPDX-License-Identifier: Apache-2.0
#include "model/torch_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/byte_reader.h"
#include "base/phrase.h"
#include "model/foreign.h"
#include "model/pickle.h"
#include "model/zip.h"

namespace shorthand {
namespace {

using Kind = Pickle::Kind;
using Value = Pickle::Value;

constexpr std::string_view kRebuildTensor = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view kRebuildParameter = "torch._utils._rebuild_parameter";
constexpr std::string_view kPickleName = "/data.pkl";

struct StorageType {
  std::string_view name;
  DType dtype;
};
constexpr StorageType kStorageTypes[] = {
    {"torch.FloatStorage", DType::f32}, {"torch.HalfStorage", DType::f16}, {"torch.BFloat16Storage", DType::bf16}};

constexpr std::string_view kAllowed[] = {kRebuildTensor, kRebuildParameter, kStorageTypes[0].name,
                                         kStorageTypes[1].name, kStorageTypes[2].name};

// The members of an archive, by their names without the archive's own before them.
struct Archive {
  std::map<std::string_view, std::span<const std::byte>> members;

  std::optional<std::span<const std::byte>> find(std::string_view member) const {
    const auto found = members.find(member);
    return found == members.end() ? std::nullopt : std::optional(found->second);
  }
};

Result<Archive> open_archive(std::span<const std::byte> bytes, std::string_view file) {
  const auto members = SHORTHAND_TRY(read_stored_zip(bytes, file));
  const auto object = std::find_if(members.begin(), members.end(), [](const ZipMember& member) {
    return member.name.ends_with(kPickleName) && member.name.find('/') == member.name.size() - kPickleName.size();
  });
  if (object == members.end())
    return bad_input(fmt::format("{}: is a zip archive, but none that torch.save wrote: it holds no data.pkl", file));
  const std::string_view name = object->name.substr(0, object->name.size() - kPickleName.size() + 1);
  Archive archive;
  const ZipMember* compressed = nullptr;
  for (const ZipMember& member : members) {
    if (!member.name.starts_with(name)) continue;
    if (member.compressed) compressed = &member;
    archive.members.emplace(member.name.substr(name.size()), member.bytes);
  }
  if (archive.members.contains("constants.pkl"))
    return unsupported(fmt::format(
        "{}: is a TorchScript program; give the checkpoint that it was made of, saved with torch.save", file));
  if (compressed)
    return unsupported(
        fmt::format("{}: '{}' in it is compressed, which torch.save never does; unpack the archive and "
                    "pack it again without compression (zip -0)",
                    file, printable(compressed->name)));
  const auto order = archive.find("byteorder");
  if (order && ByteReader(*order).take_text(order->size()) != "little")
    return unsupported(
        fmt::format("{}: was written on a big-endian machine; save it again on a little-endian one", file));
  return archive;
}

// Reads the tensors of one pickle.
class TensorReader {
 public:
  TensorReader(const Pickle& pickle, const Archive& archive, std::string_view file)
      : pickle_(pickle), archive_(archive), file_(file) {}

  Result<NamedTensor> read(std::string_view name, const Value& value) const {
    const Value* tensor = &value;
    if (is_call(value, kRebuildParameter) && !arguments(value).empty()) tensor = &pickle_[arguments(value)[0]];
    if (!is_call(*tensor, kRebuildTensor) || arguments(*tensor).size() < 6)
      return unsupported(
          fmt::format("{}: '{}' is no tensor; a state dict holds tensors alone", file_, printable(name)));
    const auto& parts = arguments(*tensor);  // storage, offset, sizes, strides, requires_grad, hooks
    const Storage storage = SHORTHAND_TRY(read_storage(name, pickle_[parts[0]]));
    const Value &offset = pickle_[parts[1]], &sizes = pickle_[parts[2]], &strides = pickle_[parts[3]];
    NamedTensor out{std::string(name), storage.dtype, {}, {}};
    if (offset.kind != Kind::integer || sizes.kind != Kind::sequence || strides.kind != Kind::sequence ||
        sizes.items.size() != strides.items.size() || sizes.items.size() > Shape::kMaxRank)
      return malformed(name);
    uint64_t bytes = block_bytes(storage.dtype);
    for (const Pickle::Ref ref : sizes.items) {
      const Value& size = pickle_[ref];
      if (size.kind != Kind::integer || size.integer < 1 ||
          !multiply_checked(bytes, static_cast<uint64_t>(size.integer), &bytes))
        return malformed(name);
      out.shape.append(static_cast<size_t>(size.integer));
    }
    SHORTHAND_TRY(check_contiguous(name, out.shape, strides));
    uint64_t begin = block_bytes(storage.dtype);
    if (offset.integer < 0 || !multiply_checked(begin, static_cast<uint64_t>(offset.integer), &begin) ||
        begin > storage.bytes.size() || bytes > storage.bytes.size() - begin)
      return bad_input(
          fmt::format("{}: tensor '{}' lies outside its storage; the file is damaged", file_, printable(name)));
    out.bytes = storage.bytes.subspan(begin, bytes);
    return out;
  }

 private:
  struct Storage {
    DType dtype;
    std::span<const std::byte> bytes;
  };

  Error malformed(std::string_view name) const {
    return bad_input(fmt::format("{}: tensor '{}' is not described as torch.save does it; the file is damaged", file_,
                                 printable(name)));
  }

  bool is_call(const Value& value, std::string_view callee) const {
    return value.kind == Kind::call && value.text == callee;
  }
  const std::vector<Pickle::Ref>& arguments(const Value& call) const { return pickle_[call.items[0]].items; }

  Result<Storage> read_storage(std::string_view name, const Value& value) const {
    if (value.kind != Kind::persistent) return malformed(name);
    const auto& parts = pickle_[value.items[0]].items;  // 'storage', type, key, device, elements
    if (parts.size() != 5 || pickle_[parts[0]].text != "storage" || pickle_[parts[2]].kind != Kind::text)
      return malformed(name);
    const Value &type = pickle_[parts[1]], &elements = pickle_[parts[4]];
    const auto known = std::find_if(std::begin(kStorageTypes), std::end(kStorageTypes), [&](const StorageType& t) {
      return type.kind == Kind::global && t.name == type.text;
    });
    if (known == std::end(kStorageTypes) || elements.kind != Kind::integer || elements.integer < 0)
      return malformed(name);
    const auto bytes = archive_.find(fmt::format("data/{}", pickle_[parts[2]].text));
    uint64_t promised = block_bytes(known->dtype);
    if (!bytes || !multiply_checked(promised, static_cast<uint64_t>(elements.integer), &promised) ||
        promised != bytes->size())
      return bad_input(
          fmt::format("{}: the storage of tensor '{}' is missing or has another length than told; the "
                      "file is damaged",
                      file_, printable(name)));
    return Storage{known->dtype, *bytes};
  }

  // Row-major and without gaps. The stride of a dimension of one element means nothing.
  Result<void> check_contiguous(std::string_view name, const Shape& shape, const Value& strides) const {
    int64_t expected = 1;  // at most the product of the sizes, which fits
    for (size_t i = shape.rank(); i-- > 0;) {
      const Value& stride = pickle_[strides.items[i]];
      if (stride.kind != Kind::integer) return malformed(name);
      if (shape[i] != 1 && stride.integer != expected)
        return unsupported(fmt::format("{}: tensor '{}' is a transposed or strided view; save it with .contiguous()",
                                       file_, printable(name)));
      expected *= static_cast<int64_t>(shape[i]);
    }
    return {};
  }

  const Pickle& pickle_;
  const Archive& archive_;
  std::string_view file_;
};

Result<void> read_dims(const Pickle& pickle, const Value& dims, std::string_view file, TorchFile& out) {
  if (dims.kind != Kind::dictionary)
    return unsupported(fmt::format("{}: its \"dims\" are no dictionary of numbers", file));
  for (size_t i = 0; i + 1 < dims.items.size(); i += 2) {
    const Value &key = pickle[dims.items[i]], &value = pickle[dims.items[i + 1]];
    if (key.kind != Kind::text || value.kind != Kind::integer)
      return unsupported(fmt::format("{}: its \"dims\" are no dictionary of numbers", file));
    out.dims.insert_or_assign(std::string(key.text), value.integer);
  }
  return {};
}

}  // namespace

bool is_torch_file(std::span<const std::byte> bytes) { return is_zip(bytes); }

Result<TorchFile> read_torch_file(std::span<const std::byte> bytes, std::string_view file) {
  if (!is_torch_file(bytes)) return bad_input(fmt::format("{}: {}", file, describe_foreign(bytes)));
  const Archive archive = SHORTHAND_TRY(open_archive(bytes, file));
  const Pickle pickle = SHORTHAND_TRY(Pickle::parse(*archive.find("data.pkl"), kAllowed, file));
  TorchFile out;
  const Value* state = &pickle.root();
  if (const Value* inner = pickle.find(*state, "model_state_dict")) {
    if (const Value* dims = pickle.find(*state, "dims")) SHORTHAND_TRY(read_dims(pickle, *dims, file, out));
    state = inner;
  }
  if (state->kind != Kind::dictionary)
    return unsupported(
        fmt::format("{}: holds no state dict; save one with torch.save(model.state_dict(), FILE)", file));
  const TensorReader reader(pickle, archive, file);
  for (size_t i = 0; i + 1 < state->items.size(); i += 2) {
    const Value& name = pickle[state->items[i]];
    if (name.kind != Kind::text) return bad_input(fmt::format("{}: a name in its state dict is no text", file));
    out.tensors.push_back(SHORTHAND_TRY(reader.read(name.text, pickle[state->items[i + 1]])));
  }
  return out;
}

}  // namespace shorthand
