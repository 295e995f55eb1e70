// SPDX-License-Identifier: Apache-2.0
// A product's part of the encoder's runtime sequence.
#pragma once

#include "npu/designs/encoder_tasks.h"

namespace shorthand::npu {

// How what a product leaves will be quantised: the rows' width, of `parts` products' results; this one's is number
// `part`. 0: not.
struct Quantised {
  int width = 0, part = 0, parts = 1;
};

// int8 rows, LayerNorm's or quantised -> tiles of 64 x 64 in slot `first` of `slots` of the array `to`, and every
// `apart`-th on.
struct Product {
  const EncoderPlan::Linear& linear;
  int epilogue;
  int64_t to;
  int slots;
  int first = 0, apart = 1;
  bool clear = false;   // the first row is padding
  bool normal = false;  // the rows are LayerNorm's
  Quantised next = {};
};

class EncoderProducts : protected EncoderTasks {
 public:
  using EncoderTasks::EncoderTasks;

 protected:
  void run_product(const Product& product);

 private:
  // A product as it is cut: rows of blocks, and in each tiles of 64 columns of each column of cores, in pairs, alone,
  // or one that two rows share.
  struct Cut {
    const Product& of;
    int rows, tiles, steps;
    bool by_two;  // tiles at a time, where both ends of what comes along the row can be held
    bool stacked;
    int pairs, singles;
    int64_t from, block;  // words: the first row of blocks, and a block's
  };
  Cut cut(const Product& product) const;
  void begin_product(const Cut& c);

  void send_columns(const Cut& c, int times, int first, int objects);
  void send_scales(const Cut& c, int row);
  void send_tiles(const Cut& c, int row, int times);
  void send_row(const Cut& c, int row);
  void send_stacked(const Cut& c, int row);
  void send_weights(const EncoderPlan::Linear& l, int tile);
  void take_tiles(const Cut& c, int row);
  void take_stacked(const Cut& c, int row);
};

}  // namespace shorthand::npu
