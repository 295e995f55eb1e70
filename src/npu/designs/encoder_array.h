// SPDX-License-Identifier: Apache-2.0
// What the programs of the encoder's cores (encoder_program.cpp) and its runtime sequence (encoder_sequence.cpp) share:
// the run-time parameters between them, the array's cores and its FIFOs.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "npu/builder.h"
#include "npu/designs/encoder_plan.h"
#include "npu/kernels/layouts.h"

namespace shorthand::npu {

inline size_t at(int index) { return static_cast<size_t>(index); }

// Run-time parameters of a core: trip counts, of which zero skips a part. An operation sets its own; those of the first
// group are zero in all others, and the rest stay as they were, because a word for each core takes its time.
enum Parameter : int {
  kProduct,     // 1: a product
  kAttend,      // 1: attention
  kNorms,       // 1: LayerNorm
  kQuantising,  // 1
  kAlignAlong,  // objects that come along the row and are let pass, so that those of a product lie where they should
  kAlignDown,   // and down the column
  kOperations,
  kGroupsOfRows = kOperations,  // of blocks, of a product
  kRows,                        // in each
  kPairs,                       // of tiles in a row
  kDeep,                        // steps, 64 of the inner dimension, two at a time, but for the first two
  kSingles,                     // and tiles alone
  kSteps,                       // of such a tile
  kStacked,                     // or steps, two at a time, of a tile of each of two rows at once
  kEpilogue,                    // kProductPlain and what follows in relay/aie2.h
  kClear,                       // 1: the first row of the first tiles is padding
  kMaxima,                      // 1: what the rows' largest elements were leaves after a row of blocks
  kHeads,                       // heads and blocks of queries
  kNormRounds,                  // results of LayerNorm's scales
  kGroups,                      // in each, groups of four rows, as many at a time as a result holds
  kBefore,                      // 1: x and the normal rows' steps leave
  kLast,                        // or the normal rows
  kQuantiseRounds,              // results of the scales of what is quantised
  kQuantise,                    // groups of four rows in each, as many at a time as a result holds
  kSlots,                       // of them in a result
  kApart,                       // pieces from one to the next there
  kInputs,                      // objects of pieces that come both along the row and down the column, and stay
  kFirstDown,                   // the first tile of those that come down
  kMoreAlong,                   // and more that come along the row
  kFirstMore,                   // the first tile of these
  kGather,                      // 1: groups gather until they fill a result
  kAlone,                       // or the results that one fills
  kBlocks,                      // rows of blocks of a round, whose maxima come first
  kBlockObjects,                // objects of maxima in each
  kSets,                        // of maxima in each
  kPassing,                     // 1: rows do not stay
  kFull,                        // results of two halves
  kHalf,                        // 1: and one of one
  kWidth,
  kParameters,
};

// Of a core's memory: the first object of what comes along the row lies between stack and `big`; the result, the second
// such object, `work` and the first of what comes down the column fill the upper half.
constexpr int kStackBytes = 3840, kBigAt = kStackBytes + kObjectBytes;
constexpr int kWorkAt = 32768 + kResultBytes + kObjectBytes;
// Of `big`: a product's sums, then what epilogues keep; attention's query and what is a head's own, then, in a bank
// where none of these are, scores and weights; at its end the scales of a product's or head's rows, or of rows that are
// quantised, a result's. Float rows of LayerNorm fill it, whose scales gather at the end of `work`.
constexpr int kScalesBytes = 16 * 32;
constexpr int kSumsBytes = 64 * 64 * 4, kHeadIn = kObjectBytes, kScoresIn = 16384 - kBigAt;
constexpr int kScalesIn = EncoderPlan::kBigBytes - kScalesBytes, kNormScalesIn = EncoderPlan::kWorkBytes - kScalesBytes;
static_assert(kHeadIn + kRelayHead <= kScoresIn && kScoresIn + kAttentionWork * 2 <= kScalesIn &&
              kSumsBytes + kRelayRows <= kScalesIn);

class EncoderArray {
 public:
  // `b` gets all that is made, and must outlive this and its copies.
  EncoderArray(const Device& device, const EncoderShape& shape, const EncoderOptions& options, Builder& b);

  void make_cores();  // without programs
  void make_fifos();  // after the cores

 protected:
  int big_bytes() const { return EncoderPlan::kBigBytes; }
  int worker(int column, int row) const { return column * rows_ + row; }
  // Objects of LayerNorm's parameters.
  int norm_objects() const { return up(norm_bytes(), kObjectBytes) / kObjectBytes; }
  int norm_bytes() const { return 2 * static_cast<int>(layer_norm_words(plan_.shape.d)); }

  const EncoderPlan plan_;
  const EncoderOptions options_;
  const int rows_, columns_;
  int feeders_ = 1, share_ = 1;  // rows of cores that a feeder serves
  // Rows of cores whose results leave by one channel of a shim. Two channels where that is what writing waits for; with
  // more columns it is the sequence's tasks, with fewer the memory tiles have no channels left.
  int out_rows_ = 1;
  int along_ = 1, down_ = 1, together_ = 1;  // tiles of an object of pieces along a row and down a column; the larger
  Builder& b_;
  std::vector<int> a_in_, a_, w_in_, w_, c_,
      out_;  // by feeder, row, column, column, worker, column and half of its rows

 private:
  int fifo(std::string name, int words, int depth, std::vector<int> banks = {});
  std::vector<int> banks(std::vector<int> of) const;
  int relayed() const;
};

// Both after the FIFOs, the programs first.
void make_encoder_programs(const EncoderArray& array);
void make_encoder_sequence(const EncoderArray& array, Builder& b);  // b is that of the array

}  // namespace shorthand::npu
