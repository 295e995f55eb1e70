// SPDX-License-Identifier: Apache-2.0
// The tasks of the encoder's runtime sequence and what they await, and the operations' run-time parameters.
#pragma once

#include <deque>
#include <map>
#include <vector>

#include "npu/designs/encoder_array.h"

namespace shorthand::npu {

// Which array a task writes, by its first word, and which of its rows of blocks.
struct Made {
  int64_t array = -1;
  int first = 0, end = 0;
};

// At most four tasks of a FIFO are in flight, so that the shims' descriptors suffice. A step's inputs come before its
// outputs: awaiting an earlier output must not hold back what the cores could read meanwhile.
class EncoderTasks : protected EncoderArray {
 public:
  explicit EncoderTasks(const EncoderArray& array);

 protected:
  struct Written {
    int first, end, fifo, task;
  };

  // A core takes its parameters as it passes the barrier, when it is done with the operation before: they and the
  // signal come while that one is at work, once it has begun everywhere, as its first results show.
  void begin(const std::map<int, int32_t>& values);
  // The next operation begins with an object more along the rows or down the columns, of any bytes, that is let pass.
  void align_along() { ++align_along_; }
  void align_down() { ++align_down_; }
  // Whether an odd number of objects came so.
  bool odd_along() const { return along_words_ / (share_ * kTileWords) % 2 != 0; }
  bool odd_down() const { return down_words_ / kTileWords % 2 != 0; }

  // What a descriptor's iterations do not reach is another task.
  void task(int fifo, int host, int64_t word, Pattern pattern, Made made = {});
  // The same of any number of dimensions: what a descriptor does not hold are tasks of their own.
  void tasks(int fifo, int host, int64_t word, Pattern pattern, Made made = {});
  // What the cores of a column send: dimension `of_rows` of the walk is theirs.
  void take(int column, int64_t word, const Pattern& pattern, size_t of_rows, Made made);

  // Before what reads rows of blocks [first, end) of an array: what writes there is done.
  void ready(int64_t array, int first, int end);
  // Before the first that an operation writes: what the one before it reads is read.
  void all_read();

  void finish_tasks();
  // The next launch, of the next window or of another part, begins with what a loaded configuration begins with. While
  // the last operation is at work.
  void restore_parameters();

  int weights_ = -1, state_ = -1;                 // host buffers
  std::map<int64_t, std::vector<Written>> made_;  // by array

 private:
  void begun();  // waits until the present operation has begun everywhere
  void await_until(int fifo, int task);

  int align_along_ = 0, align_down_ = 0;
  int64_t along_words_ = 0, down_words_ = 0;  // sent to a feeder, down a column
  std::map<int, std::deque<int>> tasks_;
  std::map<int, int> first_out_, last_in_, read_before_;  // tasks of the present operation and the one before, by FIFO
  std::vector<std::vector<int32_t>> written_;             // each worker's parameters
};

}  // namespace shorthand::npu
