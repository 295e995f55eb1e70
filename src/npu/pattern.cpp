// SPDX-License-Identifier: Apache-2.0
#include "npu/pattern.h"

#include <cassert>

namespace shorthand::npu {

int64_t visits(const Pattern& pattern, int64_t whole) {
  if (pattern.empty()) return whole;
  int64_t n = 1;
  for (const Dim& d : pattern) n *= d.size;
  return n;
}

int64_t reach(const Pattern& pattern, int64_t whole) {
  if (pattern.empty()) return whole;
  int64_t last = 0;
  for (const Dim& d : pattern) last += (d.size - 1) * d.stride;
  return last + 1;
}

Pattern simplified(const Pattern& pattern, int64_t whole) {
  if (pattern.empty()) return {{whole, 1}};
  Pattern out;
  for (const Dim& d : pattern) {
    if (d.size == 1) continue;
    if (!out.empty() && out.back().stride == d.size * d.stride) {
      out.back() = {out.back().size * d.size, d.stride};
    } else {
      out.push_back(d);
    }
  }
  if (out.empty()) out.push_back({1, 1});
  return out;
}

int64_t run_length(const Pattern& pattern, int64_t whole) {
  const Dim last = simplified(pattern, whole).back();
  return last.stride == 1 ? last.size : 1;
}

int64_t part_elements(const Design& design, const Relay& relay, size_t p) {
  const int64_t whole = design.fifos[static_cast<size_t>(whole_fifo(relay))].elements;
  return (p + 1 < relay.offsets.size() ? relay.offsets[p + 1] : whole) - relay.offsets[p];
}

Walk::Walk(const Pattern& pattern, int64_t whole, int element_bytes, int64_t offset) : offset_(offset) {
  Pattern dims = simplified(pattern, whole);
  left_ = visits(dims, whole) * element_bytes;
  run_ = element_bytes;
  if (dims.back().stride == 1) {
    run_ *= dims.back().size;
    dims.pop_back();
  }
  assert(dims.size() <= kMaxDims);
  for (const Dim& d : dims) levels_[depth_++] = {d.size, d.stride * element_bytes, 0};
}

void Walk::step() {
  in_run_ = 0;
  for (int i = depth_ - 1; i >= 0; --i) {
    Level& level = levels_[i];
    offset_ += level.stride;
    if (++level.at < level.size) return;
    offset_ -= level.size * level.stride;
    level.at = 0;
  }
}

}  // namespace shorthand::npu
