// SPDX-License-Identifier: Apache-2.0
// The shims' channels: tasks of the runtime sequence, cut into bursts that the DDR serves. A channel asks for the next
// burst while the present one moves.
#include <cassert>

#include "npu/sim/machine.h"

namespace shorthand::npu {

void Machine::push_task(size_t c, int action, Cycle now) {
  channels_[c].tasks.push_back(action);
  if (!channels_[c].running) start_task(c, now);
}

void Machine::start_task(size_t c, Cycle now) {
  ChannelState& s = channels_[c];
  s.running = true;
  const int first = sends(c) ? t_.shim_mm2s_first : t_.shim_s2mm_first;
  const int steady = sends(c) ? t_.shim_mm2s_task : t_.shim_s2mm_task;
  Cycle cost = first;
  for (int i = 0; i < s.begun && cost > steady; ++i) cost = cost * t_.shim_decay_percent / 100;
  cost = std::max<Cycle>(cost, steady);
  if (s.begun++ == 0) cost += t_.first_push;
  spend(c, now, Spent::overhead);
  events_.push(now + cost, Priority::task, c);
}

// The task's descriptor has been read; or all that it wrote is in memory.
void Machine::task_event(size_t c, Cycle now) {
  ChannelState& s = channels_[c];
  if (s.draining) {
    finish_task(c, now);
    return;
  }
  const Action& a = action_of(c);
  const int element = fifo_of(c).element_bytes;
  s.ahead = Walk(a.pattern, 0, element, a.offset * element);
  s.data = s.ahead;
  s.available = now * 100;
  s.pace = 0;
  s.written = now;
  ask_ddr(c, now);
  give_burst(c, now);
}

// Cuts off the next burst. One that is read is asked for at once; one that is written when its words are in.
void Machine::ask_ddr(size_t c, Cycle now) {
  ChannelState& s = channels_[c];
  const int64_t bytes = std::min<int64_t>(device_.shim_burst_bytes, s.ahead.left());
  s.next_words = bytes / 4;
  s.next_lines = 0;
  const int64_t pace_before = s.pace;
  s.pace = 0;
  const int64_t a_word = sends(c) ? t_.shim_mm2s_centicycles_a_word : t_.shim_s2mm_centicycles_a_word;
  const int64_t a_run = sends(c) ? t_.shim_read_run * 100 : 0;
  s.ahead.next(bytes, [&](int64_t offset, int64_t n) {
    s.next_lines += ddr_.lines(offset, n);
    s.pace += std::max((n + 3) / 4 * a_word, a_run);
  });
  if (bytes == 0) return;
  if (sends(c)) {
    report_.bytes_read += bytes;
    s.available = std::max(ddr_.serve(false, s.next_lines, now) * 100, s.available + pace_before);
  } else {
    report_.bytes_written += bytes;
  }
}

void Machine::give_burst(size_t c, Cycle now) {
  ChannelState& s = channels_[c];
  const Cycle ready = std::max(now, (s.available + 99) / 100);
  spend(c, now, Spent::ddr);
  spend(c, ready, Spent::working);
  s.lines = s.next_lines;
  grant(c, s.next_words, ready);
  ask_ddr(c, now);
  settle(s.flow, now);
}

void Machine::burst_moved(size_t c, Cycle now) {
  ChannelState& s = channels_[c];
  if (sends(c)) {
    if (!options_.timing_only) gather(s.flow, (s.first + s.words) * 4);
  } else {
    if (!options_.timing_only) scatter(c, s.words * 4);
    s.available = s.written * 100;  // two bursts of room: the next may come in once the one before this is out
    s.written = ddr_.serve(true, s.lines, now);
  }
  forget(s.flow);
  if (s.next_words > 0) {
    give_burst(c, now);
  } else if (sends(c)) {
    finish_task(c, now);
  } else {
    s.draining = true;
    spend(c, now, Spent::ddr);
    events_.push(std::max(now + 1, s.written), Priority::task, c);
  }
}

void Machine::finish_task(size_t c, Cycle now) {
  ChannelState& s = channels_[c];
  task_done_[static_cast<size_t>(s.tasks.front())] = true;
  s.tasks.pop_front();
  s.running = s.draining = false;
  s.first += s.words;
  s.words = 0;
  spend(c, now, Spent::idle);
  events_.push(now, Priority::controller, 0);
  if (!s.tasks.empty()) start_task(c, now);
}

}  // namespace shorthand::npu
