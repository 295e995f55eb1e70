// SPDX-License-Identifier: Apache-2.0
// The bytes of one tile, handed out once: first fit in address order, or in a bank.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace shorthand::npu {

class MemoryMap {
 public:
  MemoryMap(int64_t bytes, int banks) : bytes_(bytes), banks_(banks) {}

  // The lowest free address in [low, high) for `bytes`, aligned for the widest load (32 bytes); -1 where there is none.
  int64_t find(int64_t bytes, int64_t low, int64_t high) const {
    int64_t at = low;
    for (const Span& s : used_) {
      if (s.end <= at) continue;
      if (s.start >= at + bytes) break;
      at = (s.end + 31) / 32 * 32;
    }
    return at + bytes <= high ? at : -1;
  }
  int64_t find(int64_t bytes) const { return find(bytes, 0, bytes_); }
  // `address` itself, or -1.
  int64_t find_at(int64_t bytes, int64_t address) const {
    return address % 32 == 0 && address + bytes <= bytes_ ? find(bytes, address, address + bytes) : -1;
  }
  // In the last bank the highest: what is free there then adjoins what is free in the one before, and holds what no
  // bank has room for.
  int64_t find_in_bank(int64_t bytes, int bank) const {
    const int64_t low = bank * bank_bytes();
    return bank + 1 == banks_ ? find_high(bytes, low) : find(bytes, low, low + bank_bytes());
  }
  int64_t find_high(int64_t bytes, int64_t low) const {
    int64_t end = bytes_, at = (end - bytes) / 32 * 32;
    for (auto s = used_.rbegin(); s != used_.rend() && at < s->end; ++s) {
      end = std::min(end, s->start);
      at = (end - bytes) / 32 * 32;
    }
    return at >= low ? at : -1;
  }

  void take(int64_t address, int64_t bytes) {
    const Span span{address, address + bytes};
    used_.insert(std::upper_bound(used_.begin(), used_.end(), span,
                                  [](const Span& a, const Span& b) { return a.start < b.start; }),
                 span);
    total_ += bytes;
  }

  int64_t used() const { return total_; }
  int64_t used_in_bank(int bank) const {
    int64_t sum = 0;
    for (const Span& s : used_) {
      sum += std::max<int64_t>(0, std::min(s.end, (bank + 1) * bank_bytes()) - std::max(s.start, bank * bank_bytes()));
    }
    return sum;
  }
  int banks() const { return banks_; }
  uint32_t banks_of(int64_t address, int64_t bytes) const {
    if (banks_ == 0 || bytes == 0) return 0;
    uint32_t mask = 0;
    for (int64_t b = address / bank_bytes(); b <= (address + bytes - 1) / bank_bytes(); ++b) mask |= 1u << b;
    return mask;
  }

 private:
  struct Span {
    int64_t start, end;
  };
  int64_t bank_bytes() const { return bytes_ / std::max(banks_, 1); }

  int64_t bytes_;
  int banks_;
  std::vector<Span> used_;  // by start
  int64_t total_ = 0;
};

}  // namespace shorthand::npu
