// SPDX-License-Identifier: Apache-2.0
#include "npu/sim/flow.h"

#include <algorithm>
#include <cassert>

namespace shorthand::npu {

void Side::append(int64_t count, Cycle start) {
  if (!runs.empty() && runs.back().start + runs.back().count == start) {
    runs.back().count += count;
  } else {
    runs.push_back({moved, count, start});
  }
  moved += count;
  last = start + count - 1;
}

const Run& Side::run_of(int64_t word) const {
  for (auto run = runs.rbegin();; ++run) {  // the words asked for are recent
    assert(run != runs.rend());
    if (run->first <= word) return *run;
  }
}

int64_t Side::count(int64_t first, int64_t end, Cycle from, Cycle to) const {
  int64_t sum = 0;
  for (auto run = runs.rbegin(); run != runs.rend() && run->end() > first; ++run) {
    const int64_t low = std::max({first, run->first, run->first + (from - run->start)});
    const int64_t high = std::min({end, run->end(), run->first + (to - run->start)});
    sum += std::max<int64_t>(0, high - low);
  }
  return sum;
}

void Side::forget_before(int64_t word) {
  while (!runs.empty() && runs.front().end() <= word) runs.pop_front();
}

void Flow::grant_source(int64_t words, Cycle ready) {
  assert(source_.done());
  source_.granted += words;
  source_.ready = ready;
}

void Flow::grant_sink(size_t j, int64_t words, Cycle ready) {
  assert(sinks_[j].done());
  sinks_[j].granted += words;
  sinks_[j].ready = ready;
}

// As far as the source gets with one line: to the end of its grant, or of a run of a sink that makes room for it.
bool Flow::advance_source() {
  const int64_t i = source_.moved;
  if (source_.done()) return false;
  int64_t n = source_.granted - i;
  Cycle start = std::max(source_.last + 1, source_.ready);
  for (size_t j = 0; j < sinks_.size(); ++j) {
    const int64_t k = i - paths_[j].capacity;
    if (k < 0) {
      n = std::min(n, -k);
    } else if (k >= sinks_[j].moved) {
      return false;
    } else {
      const Run& run = sinks_[j].run_of(k);
      n = std::min(n, run.end() - k);
      start = std::max(start, run.at(k) + 1);
    }
  }
  source_.append(n, start);
  return true;
}

// The common case in one step: every sink has taken what was sent, is granted more, and keeps up.
bool Flow::advance_all() {
  const int64_t i = source_.moved;
  int64_t n = source_.granted - i;
  Cycle start = std::max(source_.last + 1, source_.ready);
  for (size_t j = 0; j < sinks_.size(); ++j) {
    if (sinks_[j].moved != i) return false;
    n = std::min(n, sinks_[j].granted - i);
    const int64_t k = i - paths_[j].capacity;
    if (k >= 0) start = std::max(start, sinks_[j].run_of(k).at(k) + 1);
  }
  if (n <= 0) return false;
  for (size_t j = 0; j < sinks_.size(); ++j) {
    // Room made by words already taken: no line among them may lie above the source's.
    const int64_t oldest = i - paths_[j].capacity;
    for (auto run = sinks_[j].runs.rbegin(); run != sinks_[j].runs.rend() && run->end() > oldest; ++run) {
      if (run->start + (oldest - run->first) + 1 > start) return false;
    }
    const Cycle taken = std::max({sinks_[j].last + 1, sinks_[j].ready, start + paths_[j].latency});
    if (taken + 1 > start + paths_[j].capacity && n > paths_[j].capacity) return false;
  }
  for (size_t j = 0; j < sinks_.size(); ++j) {
    sinks_[j].append(n, std::max({sinks_[j].last + 1, sinks_[j].ready, start + paths_[j].latency}));
  }
  source_.append(n, start);
  return true;
}

bool Flow::advance_sink(size_t j) {
  Side& sink = sinks_[j];
  const int64_t i = sink.moved;
  const int64_t n = std::min(sink.granted, source_.moved) - i;
  if (n <= 0) return false;
  const Run& sent = source_.run_of(i);
  sink.append(std::min(n, sent.end() - i), std::max({sink.last + 1, sink.ready, sent.at(i) + paths_[j].latency}));
  return true;
}

void Flow::advance() {
  for (bool more = true; more;) {
    more = advance_all() || advance_source();
    for (size_t j = 0; j < sinks_.size(); ++j) more |= advance_sink(j);
  }
}

bool Flow::tick(Cycle now) {
  bool room = true;
  for (size_t j = 0; j < sinks_.size(); ++j) room &= source_.moved - sinks_[j].moved < paths_[j].capacity;
  bool waiting = false;  // a later cycle can move something
  for (size_t j = 0; j < sinks_.size(); ++j) {
    if (sinks_[j].done() || arrivals_[j].empty()) continue;
    waiting = true;
    if (now < sinks_[j].ready || arrivals_[j].front() > now) continue;
    arrivals_[j].pop_front();
    sinks_[j].append(1, now);
  }
  if (!source_.done()) {
    if (room && now >= source_.ready) {
      source_.append(1, now);
      for (size_t j = 0; j < sinks_.size(); ++j) arrivals_[j].push_back(now + paths_[j].latency);
      waiting = true;
    } else if (room) {
      waiting = true;
    }
  }
  return waiting;
}

void Flow::forget_before(int64_t word) {
  source_.forget_before(word);
  for (Side& s : sinks_) s.forget_before(word);
}

}  // namespace shorthand::npu
