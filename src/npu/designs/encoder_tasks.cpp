// SPDX-License-Identifier: Apache-2.0
#include "npu/designs/encoder_tasks.h"

#include <algorithm>
#include <utility>

namespace shorthand::npu {

EncoderTasks::EncoderTasks(const EncoderArray& array)
    : EncoderArray(array), written_(at(rows_ * columns_), std::vector<int32_t>(kParameters)) {}

void EncoderTasks::task(int fifo, int host, int64_t word, Pattern pattern, Made made) {
  constexpr int64_t kIterations = 64;
  while (pattern.size() == 4 && pattern[0].stride > 0 && pattern[0].size > kIterations) {
    Pattern part = pattern;
    part[0].size = kIterations;
    task(fifo, host, word, part, made);
    word += kIterations * pattern[0].stride;
    pattern[0].size -= kIterations;
  }
  std::deque<int>& mine = tasks_[fifo];
  if (mine.size() == 4) {
    b_.await(mine.front());
    mine.pop_front();
  }
  if (fifo == w_in_[0] || fifo == a_in_[0]) {
    int64_t words = 1;
    for (const Dim& d : pattern) words *= d.size;
    (fifo == w_in_[0] ? down_words_ : along_words_) += words;
  }
  mine.push_back(b_.fill(fifo, host, std::move(pattern), word));
  if (made.array >= 0) made_[made.array].push_back({made.first, made.end, fifo, mine.back()});
  if (made.array >= 0) first_out_.try_emplace(fifo, mine.back());
  if (made.array < 0) last_in_[fifo] = mine.back();
}

void EncoderTasks::await_until(int fifo, int task) {
  std::deque<int>& mine = tasks_[fifo];
  if (mine.empty() || mine.front() > task) return;  // awaited already
  while (!mine.empty() && mine.front() <= task) mine.pop_front();
  b_.await(task);
}

void EncoderTasks::ready(int64_t array, int first, int end) {
  std::map<int, int> last;  // by FIFO
  std::erase_if(made_[array], [&](const Written& w) {
    if (w.first < end && w.end > first) last[w.fifo] = w.task;
    return w.first >= first && w.end <= end;
  });
  for (const auto& [fifo, task] : last) await_until(fifo, task);
}

void EncoderTasks::all_read() {
  for (const auto& [fifo, task] : read_before_) await_until(fifo, task);
  read_before_.clear();
}

void EncoderTasks::tasks(int fifo, int host, int64_t word, Pattern pattern, Made made) {
  constexpr int64_t kWrap = 1023;
  std::erase_if(pattern, [](const Dim& d) { return d.size == 1; });
  if (pattern.back().size > kWrap) {
    pattern.back().size /= 2;
    pattern.insert(pattern.end() - 1, {2, pattern.back().size});
  }
  if (pattern.size() <= 4) {
    task(fifo, host, word, pattern, made);
    return;
  }
  const Dim outer = pattern.front();
  pattern.erase(pattern.begin());
  for (int64_t i = 0; i < outer.size; ++i) tasks(fifo, host, word + i * outer.stride, pattern, made);
}

void EncoderTasks::take(int column, int64_t word, const Pattern& pattern, size_t of_rows, Made made) {
  const int halves = rows_ / out_rows_;
  for (int h = 0; h < halves; ++h) {
    Pattern half = pattern;
    half[of_rows].size = out_rows_;
    tasks(out_[at(column * halves + h)], state_, word + h * out_rows_ * pattern[of_rows].stride, std::move(half), made);
  }
}

void EncoderTasks::finish_tasks() {
  for (auto& [fifo, mine] : tasks_) {
    if (!mine.empty()) b_.await(mine.back());
    mine.clear();
  }
}

void EncoderTasks::begun() {
  for (const auto& [fifo, task] : first_out_) await_until(fifo, task);
  first_out_.clear();
}

void EncoderTasks::begin(const std::map<int, int32_t>& values) {
  begun();
  read_before_ = std::exchange(last_in_, {});
  for (int c = 0; c < columns_; ++c) {
    for (int r = 0; r < rows_; ++r) {
      const int w = worker(c, r);
      std::vector<int32_t> now = written_[at(w)];
      std::fill_n(now.begin(), static_cast<int>(kOperations), 0);
      for (const auto& [index, value] : values) now[at(index)] = value;
      now[kAlignDown] = align_down_;
      now[kAlignAlong] = align_along_;
      if (r > 0) now[kClear] = 0;
      for (int i = 0; i < kParameters; ++i) {
        if (now[at(i)] != written_[at(w)][at(i)]) b_.write(w, i, now[at(i)]);
      }
      written_[at(w)] = now;
    }
  }
  for (int w = 0; w < rows_ * columns_; ++w) b_.signal(w);
  const int along = std::exchange(align_along_, 0), down = std::exchange(align_down_, 0);
  for (int f = 0; along > 0 && f < feeders_; ++f) task(a_in_[at(f)], state_, 0, {{2 * share_ * along, 512}, {512, 1}});
  for (int c = 0; down > 0 && c < columns_; ++c) task(w_in_[at(c)], weights_, 0, {{2 * down, 512}, {512, 1}});
}

void EncoderTasks::restore_parameters() {
  begun();
  for (int w = 0; w < rows_ * columns_; ++w) {
    for (int i = 0; i < kParameters; ++i) {
      if (written_[at(w)][at(i)] != 0) b_.write(w, i, 0);
    }
  }
}

}  // namespace shorthand::npu
