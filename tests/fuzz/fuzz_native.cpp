// SPDX-License-Identifier: Apache-2.0
// Any bytes as a native model file: an error of one line, or a header that fits the file.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "model/native.h"

using namespace shorthand;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Files begin with the magic; a fuzzer should not have to find it.
  std::vector<std::byte> bytes(8 + size);
  std::memcpy(bytes.data(), "SHORTHND", 8);
  std::memcpy(bytes.data() + 8, data, size);
  const Result<NativeView> view = parse_native(bytes, "f");
  if (!view.ok()) {
    if (view.error().message.empty() || view.error().message.find('\n') != std::string::npos) std::abort();
    return 0;
  }
  if (view->arena.size() != arena_bytes(view->header.config, view->header.type)) std::abort();
  return 0;
}
