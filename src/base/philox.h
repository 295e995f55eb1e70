// SPDX-License-Identifier: Apache-2.0
// Philox4x32-10: random bits as a pure function of a counter and a key. There is no state to carry, so any part of a
// stream can be made by any thread in any order. J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011, section 4.2, whose constants these are.
#pragma once

#include <array>
#include <cstdint>

namespace shorthand {

constexpr std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * counter[0];
    const uint64_t b = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

}  // namespace shorthand
