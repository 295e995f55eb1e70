// SPDX-License-Identifier: Apache-2.0
#include "npu/designs/memcpy.h"

#include <fmt/format.h>

#include "npu/builder.h"

namespace shorthand::npu {

Result<Design> memcpy_design(const Device& device, int channels, int64_t bytes) {
  constexpr int kObjectBytes = 4096;
  if (channels < 1 || channels > device.columns * device.shim.channels || bytes < 1 ||
      bytes % (int64_t{channels} * kObjectBytes) != 0) {
    return usage_error(
        fmt::format("memcpy: {} bytes over {} channels; use at most {} channels and a multiple of {} bytes each", bytes,
                    channels, device.columns * device.shim.channels, kObjectBytes));
  }
  Builder b("memcpy");
  const int x = b.host("x", bytes), y = b.host("y", bytes);
  const int64_t words = bytes / 4 / channels;
  std::vector<int> in, out;
  for (int i = 0; i < channels; ++i) {
    const int column = i % device.columns;
    auto fifo = [&](const char* name) {
      Fifo f;
      f.name = fmt::format("{}{}", name, i);
      f.element_bytes = 4, f.elements = kObjectBytes / 4;
      return b.fifo(std::move(f));
    };
    in.push_back(fifo("in")), out.push_back(fifo("out"));
    b.from_host(in.back(), column).to_host(out.back(), column);
    b.forward(in.back(), out.back(), {column, kMemoryRow});
  }
  std::vector<int> done;
  for (int i = 0; i < channels; ++i) {
    const auto c = static_cast<size_t>(i);
    done.push_back(b.drain(out[c], y, {{words, 1}}, i * words));
    b.fill(in[c], x, {{words, 1}}, i * words);
  }
  for (int task : done) b.await(task);
  return b.finish();
}

}  // namespace shorthand::npu
