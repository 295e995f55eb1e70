// SPDX-License-Identifier: Apache-2.0
// Walks over memory as the address generators of the DMAs make them.
#pragma once

#include <algorithm>
#include <cstdint>

#include "npu/design.h"

namespace shorthand::npu {

constexpr int kMaxDims = 5;  // four and the iteration

// Elements that a walk visits; of an empty pattern, `whole`.
int64_t visits(const Pattern& pattern, int64_t whole);

// One past the furthest element that it touches, from its start.
int64_t reach(const Pattern& pattern, int64_t whole);

// The same walk with as few dimensions as it can be written in: sizes of one dropped, neighbours that continue each
// other joined. Never empty.
Pattern simplified(const Pattern& pattern, int64_t whole);

// Elements that lie one after the other before the walk jumps.
int64_t run_length(const Pattern& pattern, int64_t whole);

// Elements of part `p` of a relay.
int64_t part_elements(const Design& design, const Relay& relay, size_t p);

// The FIFO of a relay that holds the whole object.
inline int whole_fifo(const Relay& r) { return r.inputs.size() == 1 ? r.inputs[0] : r.outputs[0]; }

// A walk that can stop and go on: hands out pieces [offset, offset + bytes) of at most what is asked for.
class Walk {
 public:
  Walk() = default;
  // `offset` in bytes, where the pattern starts.
  Walk(const Pattern& pattern, int64_t whole, int element_bytes, int64_t offset);

  int64_t left() const { return left_; }  // bytes

  // The next at most `bytes` of the walk, as pieces: take(offset, bytes) for each.
  template <class Take>
  void next(int64_t bytes, Take&& take) {
    bytes = std::min(bytes, left_);
    left_ -= bytes;
    while (bytes > 0) {
      const int64_t piece = std::min(bytes, run_ - in_run_);
      take(offset_ + in_run_, piece);
      bytes -= piece;
      in_run_ += piece;
      if (in_run_ == run_) step();
    }
  }

 private:
  void step();

  struct Level {
    int64_t size, stride, at;  // bytes; the outermost first
  };
  Level levels_[kMaxDims] = {};
  int depth_ = 0;
  int64_t run_ = 0;  // bytes of one run
  int64_t in_run_ = 0, offset_ = 0, left_ = 0;
};

}  // namespace shorthand::npu
