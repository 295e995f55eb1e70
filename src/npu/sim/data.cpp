// SPDX-License-Identifier: Apache-2.0
// The bytes: read from memory when they leave it for a stream, written when a descriptor or burst has them all, as the
// locks allow. What a kernel writes outside its buffers is found by the canaries around every region.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "npu/sim/machine.h"

namespace shorthand::npu {
namespace {

constexpr size_t kCanary = 64;
constexpr std::byte kCanaryByte{0xC5};

}  // namespace

std::byte* Machine::bytes_of(int region) { return memory_[static_cast<size_t>(region)].data() + kCanary; }

// Takes the bytes of the stream up to number `end` from the source's memory.
void Machine::gather(size_t f, int64_t end) {
  FlowData& data = flow_data_[f];
  ChannelState& s = channels_[data.source];
  const int64_t have = data.base + static_cast<int64_t>(data.bytes.size());
  if (end <= have) return;
  const std::byte* from = nullptr;
  if (at_shim(data.source)) {
    from = host_[static_cast<size_t>(action_of(data.source).host)].data();
  } else {
    from = bytes_of(channel(data.source).chain[s.at].region);
  }
  const int64_t kept = *std::min_element(data.taken.begin(), data.taken.end());
  if (kept - data.base > (1 << 16)) {
    data.bytes.erase(data.bytes.begin(), data.bytes.begin() + (kept - data.base));
    data.base = kept;
  }
  data.bytes.resize(static_cast<size_t>(end - data.base));
  std::byte* to = data.bytes.data() + (have - data.base);
  s.data.next(end - have, [&](int64_t offset, int64_t n) {
    std::memcpy(to, from + offset, static_cast<size_t>(n));
    to += n;
  });
}

void Machine::scatter(size_t c, int64_t bytes) {
  ChannelState& s = channels_[c];
  FlowData& data = flow_data_[s.flow];
  int64_t& taken = data.taken[static_cast<size_t>(s.sink)];
  gather(s.flow, taken + bytes);
  const std::byte* from = data.bytes.data() + (taken - data.base);
  std::byte* to =
      at_shim(c) ? host_[static_cast<size_t>(action_of(c).host)].data() : bytes_of(channel(c).chain[s.at].region);
  s.data.next(bytes, [&](int64_t offset, int64_t n) {
    std::memcpy(to + offset, from, static_cast<size_t>(n));
    from += n;
  });
  taken += bytes;
}

void Machine::run_kernel(size_t w, const Step& step) {
  const KernelType& kernel = design_.kernels[static_cast<size_t>(step.kernel)];
  std::vector<std::byte*> buffers;
  for (const Operand& o : step.operands) buffers.push_back(bytes_of(region_of(w, o)) + o.offset);
  std::vector<int32_t> numbers;
  for (const Number& n : step.numbers) numbers.push_back(number(w, n));
  kernel.run({buffers, numbers});
  for (const Operand& o : step.operands) {
    const int region = region_of(w, o);
    if (canaries_stand(region)) continue;
    fail(unsupported(fmt::format("{}: {} wrote outside {}; its sizes and the object's do not agree",
                                 design_.workers[w].name, kernel.name,
                                 placement_.regions[static_cast<size_t>(region)].name)));
  }
}

bool Machine::canaries_stand(int region) const {
  const AlignedBuffer<std::byte>& m = memory_[static_cast<size_t>(region)];
  auto stands = [](std::byte b) { return b == kCanaryByte; };
  return std::all_of(m.data(), m.data() + kCanary, stands) &&
         std::all_of(m.data() + m.size() - kCanary, m.data() + m.size(), stands);
}

}  // namespace shorthand::npu
