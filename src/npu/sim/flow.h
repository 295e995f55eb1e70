// SPDX-License-Identifier: Apache-2.0
// The words of one stream in time: one DMA channel sends, one or several take.
//
// A word i leaves the source at s[i] and is taken by sink j at a_j[i]:
//   s[i]   = max(s[i-1] + 1, ready, max over j of a_j[i - capacity_j] + 1)     a full path holds the source up
//   a_j[i] = max(a_j[i-1] + 1, ready_j, s[i] + latency_j)
// where ready is when the descriptor that holds the word may move it. A broadcast advances when every path has room, so
// the slowest sink holds up all. Streams are circuit-switched: two never share a link, and nothing else delays a word.
//
// Descriptors are granted one after the other. Between two grants every term above is a line of slope one, so a whole
// stretch of words is one Run and its times are known exactly in one step: Flow::advance(). The reference that does the
// same a word and a cycle at a time is Flow::tick(); a test holds one to the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace shorthand::npu {

using Cycle = int64_t;

struct Run {
  int64_t first, count;
  Cycle start;  // word first + k moves at start + k
  int64_t end() const { return first + count; }
  Cycle at(int64_t word) const { return start + (word - first); }
};

// When the words of one side moved.
struct Side {
  std::deque<Run> runs;
  int64_t moved = 0;    // words whose time is known
  int64_t granted = 0;  // words that may move
  Cycle ready = 0;      // the earliest time of the words in the present grant
  Cycle last = -1;      // of word moved - 1

  void append(int64_t count, Cycle start);
  const Run& run_of(int64_t word) const;
  // Words in [first, end) that move in the cycles [from, to).
  int64_t count(int64_t first, int64_t end, Cycle from, Cycle to) const;
  void forget_before(int64_t word);
  bool done() const { return moved == granted; }
};

struct Path {
  int latency = 0;   // cycles
  int capacity = 0;  // words between the source and the memory of the sink
};

class Flow {
 public:
  explicit Flow(std::vector<Path> paths) : paths_(std::move(paths)), sinks_(paths_.size()), arrivals_(paths_.size()) {}

  void grant_source(int64_t words, Cycle ready);
  void grant_sink(size_t j, int64_t words, Cycle ready);

  // Fixes the times of all words that the grants allow.
  void advance();

  // The reference: what happens in the cycle `now`. Returns whether a later cycle could move a word without a new
  // grant.
  bool tick(Cycle now);

  const Side& source() const { return source_; }
  const Side& sink(size_t j) const { return sinks_[j]; }
  size_t sinks() const { return sinks_.size(); }

  // Histories are kept from this word of the source and of each sink on.
  void forget_before(int64_t word);

 private:
  bool advance_source();
  bool advance_all();
  bool advance_sink(size_t j);

  std::vector<Path> paths_;
  Side source_;
  std::vector<Side> sinks_;
  std::vector<std::deque<Cycle>> arrivals_;  // of words on the way; the reference only
};

}  // namespace shorthand::npu
