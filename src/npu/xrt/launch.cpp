// SPDX-License-Identifier: Apache-2.0
#include "npu/xrt/launch.h"

#include <fmt/format.h>

namespace shorthand::npu {
namespace {

// Of the stream: mlir/insts.h has the sources.
constexpr size_t kHeaderWords = 4;
enum : uint32_t { kWrite = 0, kBlockWrite = 1, kMaskWrite = 3, kSync = 128, kPatch = 129 };

// Bytes of the operation at the front of `words`, or 0 for one that is not known here.
uint32_t bytes_of(std::span<const uint32_t> words) {
  const auto word = [&](size_t i) { return i < words.size() ? words[i] : 0; };
  switch (word(0)) {
    case kWrite: return word(5);
    case kBlockWrite: return word(3);
    case kMaskWrite: return word(6);
    case kSync:
    case kPatch: return word(1);
    default: return 0;
  }
}

}  // namespace

std::vector<PluginArgument> launch_arguments(uint32_t instructions, uint32_t words, std::span<const uint32_t> host) {
  std::vector<PluginArgument> all = {{kOpcodeArgument, PluginArgument::u64, kOpcodeTransaction},
                                     {kInstructionsArgument, PluginArgument::buffer, instructions},
                                     {kWordsArgument, PluginArgument::u32, words}};
  for (uint32_t i = 0; i < host.size(); ++i) {
    all.push_back({kFirstHostArgument + i, PluginArgument::buffer, host[i]});
  }
  return all;
}

Result<void> check_instructions(std::span<const uint32_t> words, const Design& design, const Device& device) {
  if (words.size() < kHeaderWords || words[3] != words.size() * 4) {
    return bad_input(fmt::format("{} words, of which the header promises {}", words.size(),
                                 words.size() < kHeaderWords ? 0 : words[3] / 4));
  }
  const uint32_t generation = words[0] >> 16 & 0xFF, rows = words[0] >> 24, columns = words[1] & 0xFF;
  const uint32_t want = device.generation == Generation::aie2 ? 3 : 4;
  if (generation != want || rows != static_cast<uint32_t>(device.core_rows + kFirstCoreRow) ||
      columns != static_cast<uint32_t>(device.columns)) {
    return bad_input(fmt::format("instructions for generation {} with {} rows and {} columns; {} is {} with {} and {}",
                                 generation, rows, columns, device.name, want, device.core_rows + kFirstCoreRow,
                                 device.columns));
  }
  for (size_t i = kHeaderWords; i < words.size();) {
    const uint32_t bytes = bytes_of(words.subspan(i));
    if (bytes == 0) return {};  // an operation that this file does not know; its size is not known either
    if (bytes % 4 != 0 || bytes / 4 > words.size() - i) {
      return bad_input(fmt::format("the operation at word {} is {} bytes long and leaves the stream", i, bytes));
    }
    if (words[i] == kPatch && bytes >= 44) {
      const uint32_t host = words[i + 8], offset = words[i + 10];
      if (host >= design.host.size() || offset >= static_cast<uint64_t>(design.host[host].bytes)) {
        return bad_input(
            fmt::format("the transfer at word {} begins at byte {} of host buffer {}, which {} does not have", i,
                        offset, host, design.name));
      }
    }
    i += bytes / 4;
  }
  return {};
}

}  // namespace shorthand::npu
