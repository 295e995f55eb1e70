// SPDX-License-Identifier: Apache-2.0
#include "base/npy.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>
#include <string>

#include "base/byte_reader.h"
#include "base/file.h"

namespace shorthand {
namespace {

constexpr std::string_view kMagic{"\x93NUMPY\x01\x00", 8};

Result<void> write_array(const std::filesystem::path& path, std::string_view type, std::span<const std::byte> bytes,
                         const std::vector<size_t>& shape) {
  std::string sizes;
  for (size_t s : shape) sizes += fmt::format("{},", s);
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", type, sizes);
  header.resize((kMagic.size() + 2 + header.size() + 1 + 63) / 64 * 64 - kMagic.size() - 3, ' ');
  header += '\n';
  AtomicFile file = SHORTHAND_TRY(AtomicFile::create(path));
  SHORTHAND_TRY(file.write(kMagic));
  const char length[2] = {static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
  SHORTHAND_TRY(file.write(std::string_view(length, 2)));
  SHORTHAND_TRY(file.write(header));
  SHORTHAND_TRY(file.write(bytes));
  return file.commit();
}

}  // namespace

Result<void> write_npy(const std::filesystem::path& path, std::span<const float> values, std::vector<size_t> shape) {
  return write_array(path, "<f4", std::as_bytes(values), shape);
}

Result<void> write_npy(const std::filesystem::path& path, std::span<const int32_t> values, std::vector<size_t> shape) {
  return write_array(path, "<i4", std::as_bytes(values), shape);
}

Result<FloatArray> read_npy_floats(const std::filesystem::path& path) {
  const MappedFile file = SHORTHAND_TRY(MappedFile::open(path));
  const Error wrong = bad_input(fmt::format("{}: not a row-major .npy array of float32", path.string()));
  ByteReader in(file.bytes());
  if (in.take_text(kMagic.size()) != kMagic) return wrong;
  const std::string_view header = in.take_text(in.read<uint16_t>());
  const size_t open = header.find('('), close = header.find(')');
  if (in.failed() || header.find("'<f4'") == std::string_view::npos || open == std::string_view::npos ||
      header.find("'fortran_order': False") == std::string_view::npos || close == std::string_view::npos)
    return wrong;
  FloatArray array;
  size_t count = 1;
  for (const char *at = header.data() + open + 1, *end = header.data() + close; at < end;) {
    size_t size = 0;
    const auto [after, error] = std::from_chars(at, end, size);
    if (error == std::errc()) {
      array.shape.push_back(size);
      if (size != 0 && count > in.remaining() / size) return wrong;
      count *= size;
      at = after;
    } else {
      ++at;  // a comma or a space
    }
  }
  if (in.remaining() != count * sizeof(float)) return wrong;
  array.values.resize(count);
  std::memcpy(array.values.data(), file.bytes().data() + (file.bytes().size() - in.remaining()), count * sizeof(float));
  return array;
}

Result<std::vector<int>> read_npy_ids(const std::filesystem::path& path) {
  const MappedFile file = SHORTHAND_TRY(MappedFile::open(path));
  const Error wrong = bad_input(fmt::format("{}: not a one-dimensional .npy array of int32 or int64", path.string()));
  ByteReader in(file.bytes());
  if (in.take_text(kMagic.size()) != kMagic) return wrong;
  const std::string_view header = in.take_text(in.read<uint16_t>());
  const bool wide = header.find("'<i8'") != std::string_view::npos;
  if (in.failed() || (!wide && header.find("'<i4'") == std::string_view::npos)) return wrong;
  if (header.find("'fortran_order': False") == std::string_view::npos) return wrong;
  std::vector<int> ids;
  while (in.remaining() >= (wide ? 8u : 4u))
    ids.push_back(wide ? static_cast<int>(in.read<int64_t>()) : in.read<int32_t>());
  return ids;
}

}  // namespace shorthand
