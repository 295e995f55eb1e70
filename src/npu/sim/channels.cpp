// SPDX-License-Identifier: Apache-2.0
// DMA channels: chains of descriptors, each a lock, a stretch of words, and a lock given back.
#include <cassert>

#include "npu/sim/machine.h"

namespace shorthand::npu {

const Side& Machine::side(size_t c) const {
  const ChannelState& s = channels_[c];
  return s.sink < 0 ? flows_[s.flow].source() : flows_[s.flow].sink(static_cast<size_t>(s.sink));
}

// `follows`: directly after another descriptor, whose fetch of this one is hidden but for a bubble.
void Machine::next_bd(size_t c, Cycle now, bool follows) {
  ChannelState& s = channels_[c];
  const Bd& bd = channel(c).chain[s.at];
  if (bd.acquire >= 0 && !try_acquire(bd.acquire, 1, c)) {
    s.waits_for = bd.acquire;
    spend(c, now, Spent::lock);
    return;
  }
  begin_bd(c, now, follows);
}

void Machine::begin_bd(size_t c, Cycle now, bool follows) {
  ChannelState& s = channels_[c];
  const Bd& bd = channel(c).chain[s.at];
  const int element = fifo_of(c).element_bytes;
  Cycle ready = now + t_.next_bd_bubble;
  if (!follows) ready = now + t_.lock_acquire + t_.bd_setup + (sends(c) ? t_.memory_latency : 0);
  const int64_t words = visits(bd.pattern, bd.elements) * element / 4;
  const uint32_t banks = placement_.regions[static_cast<size_t>(bd.region)].banks;
  if (banks != 0) s.traffic.push_back({s.first + s.words, s.first + s.words + words, banks});
  if (!options_.timing_only) s.data = Walk(bd.pattern, bd.elements, element, bd.offset);
  spend(c, now, Spent::overhead);
  spend(c, ready, Spent::working);
  grant(c, words, ready);
  settle(s.flow, now);
}

void Machine::grant(size_t c, int64_t words, Cycle ready) {
  ChannelState& s = channels_[c];
  s.first += s.words;
  s.words = words;
  s.active = true;
  s.announced = false;
  if (s.sink < 0) {
    flows_[s.flow].grant_source(words, ready);
  } else {
    flows_[s.flow].grant_sink(static_cast<size_t>(s.sink), words, ready);
  }
}

// After a grant: fixes the times of the words, and puts down when the descriptors that this completes are done.
void Machine::settle(size_t f, Cycle now) {
  FlowData& data = flow_data_[f];
  if (options_.word_by_word) {
    if (!data.ticking) events_.push(now, Priority::word, f);
    data.ticking = true;
    return;
  }
  flows_[f].advance();
  auto announce = [&](size_t c) {
    ChannelState& s = channels_[c];
    if (!s.active || s.announced || !side(c).done()) return;
    s.announced = true;
    events_.push(side(c).last + 1, Priority::moved, c);
  };
  announce(data.source);
  for (size_t c : data.sinks) announce(c);
}

void Machine::tick(size_t f, Cycle now) {
  FlowData& data = flow_data_[f];
  data.ticking = flows_[f].tick(now);
  auto announce = [&](size_t c) {
    ChannelState& s = channels_[c];
    if (!s.active || s.announced || !side(c).done()) return;
    s.announced = true;
    events_.push(now + 1, Priority::moved, c);
  };
  announce(data.source);
  for (size_t c : data.sinks) announce(c);
  if (data.ticking) events_.push(now + 1, Priority::word, f);
}

void Machine::moved(size_t c, Cycle now) {
  ChannelState& s = channels_[c];
  s.active = false;
  unit(c).words += s.words;
  const Cycle stalled = now - accounts_[c].mark - s.words;
  slice(c, accounts_[c].mark, now, fifo_of(c).name);
  if (!finished_) {
    unit(c).spent[static_cast<size_t>(Spent::working)] -= stalled;
    unit(c).spent[static_cast<size_t>(sends(c) ? Spent::output : Spent::input)] += stalled;
  }
  if (at_shim(c)) {
    burst_moved(c, now);
    return;
  }
  if (!options_.timing_only) {
    if (sends(c)) {
      gather(s.flow, (s.first + s.words) * 4);
    } else {
      scatter(c, s.words * 4);
    }
  }
  const Bd& bd = channel(c).chain[s.at];
  if (bd.release >= 0) release(bd.release, 1, now);
  s.at = (s.at + 1) % channel(c).chain.size();
  if (s.worker >= 0 && !cores_[static_cast<size_t>(s.worker)].calling) s.traffic.clear();
  forget(s.flow);
  next_bd(c, now, true);
}

// Drops the part of the history that no path and no bank can ask about any more.
void Machine::forget(size_t f) {
  const FlowData& data = flow_data_[f];
  auto oldest = [&](size_t c) {
    const ChannelState& s = channels_[c];
    return s.traffic.empty() ? s.first : std::min(s.first, s.traffic.front().first);
  };
  int64_t word = oldest(data.source);
  for (size_t c : data.sinks) word = std::min(word, oldest(c));
  constexpr int64_t kLongestPath = 256;  // words; see paths_of()
  flows_[f].forget_before(word - kLongestPath);
}

}  // namespace shorthand::npu
