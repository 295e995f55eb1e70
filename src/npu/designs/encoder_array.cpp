// SPDX-License-Identifier: Apache-2.0
#include "npu/designs/encoder_array.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace shorthand::npu {

EncoderArray::EncoderArray(const Device& device, const EncoderShape& shape, const EncoderOptions& options, Builder& b)
    : plan_(device, shape), options_(options), rows_(device.core_rows), columns_(device.columns), b_(b) {
  feeders_ = std::min(rows_, columns_);
  share_ = rows_ / feeders_;
  out_rows_ = rows_ == columns_ && rows_ % 2 == 0 ? rows_ / 2 : rows_;
  along_ = 8 / columns_, down_ = 8 / rows_, together_ = std::max(along_, down_);
}

void EncoderArray::make_cores() {
  for (int c = 0; c < columns_; ++c) {
    for (int r = 0; r < rows_; ++r) {
      const int w =
          b_.worker(fmt::format("core_{}_{}", c, r), {}, {c, kFirstCoreRow + r}, std::vector<int32_t>(kParameters));
      b_.stack(w, kStackBytes);
    }
  }
}

int EncoderArray::fifo(std::string name, int words, int depth, std::vector<int> banks) {
  Fifo f;
  f.name = std::move(name), f.element_bytes = 4, f.elements = words, f.depth = depth, f.banks = std::move(banks);
  return b_.fifo(std::move(f));
}

// A product's first sums lie in banks 2 and 3, its second in 0 and 1. Steps take them in turn, with weights of the same
// banks, while the next arrive in the others; what comes along the row stays for two steps.
std::vector<int> EncoderArray::banks(std::vector<int> of) const {
  return options_.depth == 2 ? std::move(of) : std::vector<int>();
}

// Objects of a memory tile on their way to the cores.
int EncoderArray::relayed() const { return options_.depth == 1 ? 1 : share_ > 1 ? 2 : 4; }

void EncoderArray::make_fifos() {
  for (int f = 0; f < feeders_; ++f) {
    const int column = f * columns_ / feeders_;
    a_in_.push_back(fifo(fmt::format("a_in{}", f), share_ * kTileWords, relayed()));
    b_.from_host(a_in_.back(), column);
    std::vector<int> parts, offsets;
    for (int i = 0; i < share_; ++i) {
      a_.push_back(fifo(fmt::format("a{}", f * share_ + i), kTileWords, options_.depth, banks({0, 2})));
      for (int c = 0; c < columns_; ++c) b_.to_worker(a_.back(), worker(c, f * share_ + i));
      parts.push_back(a_.back());
      offsets.push_back(i * kTileWords);
    }
    b_.split(a_in_.back(), parts, offsets, {column, kMemoryRow});
  }
  for (int c = 0; c < columns_; ++c) {
    w_in_.push_back(fifo(fmt::format("b_in{}", c), kTileWords, relayed()));
    w_.push_back(fifo(fmt::format("b{}", c), kTileWords, options_.depth, banks({3, 1})));
    b_.from_host(w_in_.back(), c).forward(w_in_.back(), w_.back(), {c, kMemoryRow});
    for (int r = 0; r < rows_; ++r) {
      b_.to_worker(w_.back(), worker(c, r));
      c_.push_back(fifo(fmt::format("c{}_{}", c, r), kResultWords, 1, banks({2})));
      b_.from_worker(c_.back(), worker(c, r));
    }
    for (int first = 0; first < rows_; first += out_rows_) {
      std::vector<int> parts, offsets;
      for (int r = 0; r < out_rows_; ++r) {
        parts.push_back(c_[at(worker(c, first + r))]);
        offsets.push_back(r * kResultWords);
      }
      out_.push_back(fifo(fmt::format("c_out{}_{}", c, first / out_rows_), out_rows_ * kResultWords, options_.depth));
      b_.join(parts, offsets, out_.back(), {c, kMemoryRow});
      b_.to_host(out_.back(), c);
    }
  }
}

}  // namespace shorthand::npu
