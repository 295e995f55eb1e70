// SPDX-License-Identifier: Apache-2.0
#include "text/transcript.h"

#include <zlib.h>

namespace shorthand {

double compression_ratio(std::string_view text) {
  if (text.empty()) return 0;
  uLongf compressed = compressBound(text.size());
  std::vector<Bytef> buffer(compressed);
  // With a buffer of compressBound() bytes nothing but lack of memory can go wrong.
  if (compress2(buffer.data(), &compressed, reinterpret_cast<const Bytef*>(text.data()), text.size(), 6) != Z_OK)
    return 0;
  return static_cast<double>(text.size()) / static_cast<double>(compressed);
}

}  // namespace shorthand
