// SPDX-License-Identifier: Apache-2.0
// Reads an array that NumPy's save() wrote: float32 or int32, C order, little-endian (NEP 1).
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace shorthand::testing {

template <class T>
struct Npy {
  std::vector<int64_t> shape;
  std::vector<T> values;
};

inline std::string file_bytes(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error(path.string() + ": cannot open");
  return {std::istreambuf_iterator<char>(in), {}};
}

// Throws std::runtime_error, which fails the test, where the file is something else.
template <class T>
Npy<T> read_npy(const std::filesystem::path& path) {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, int32_t>);
  const std::string bytes = file_bytes(path);
  const auto fail = [&](const char* what) { throw std::runtime_error(path.string() + ": " + what); };
  if (bytes.size() < 12 || bytes.compare(0, 6, "\x93NUMPY") != 0) fail("not a .npy file");
  const bool wide = bytes[6] >= 2;  // version 2 has four bytes of header length
  uint32_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data() + 8, wide ? 4 : 2);
  const size_t start = (wide ? 12u : 10u) + header_bytes;
  if (start > bytes.size()) fail("truncated header");
  const std::string header = bytes.substr(0, start);
  if (header.find(std::is_same_v<T, float> ? "'<f4'" : "'<i4'") == std::string::npos) fail("another type of number");
  if (header.find("'fortran_order': False") == std::string::npos) fail("Fortran order");
  Npy<T> array;
  const size_t open = header.find("'shape': (");
  if (open == std::string::npos) fail("no shape");
  size_t count = 1;
  for (const char* p = header.c_str() + open + 10; *p && *p != ')';) {
    char* end = nullptr;
    const long long n = std::strtoll(p, &end, 10);
    if (end == p || n < 0) fail("bad shape");
    array.shape.push_back(n);
    count *= static_cast<size_t>(n);
    for (p = end; *p == ',' || *p == ' ';) ++p;
  }
  if (bytes.size() - start != count * sizeof(T)) fail("size and shape disagree");
  array.values.resize(count);
  std::memcpy(array.values.data(), bytes.data() + start, count * sizeof(T));
  return array;
}

}  // namespace shorthand::testing
