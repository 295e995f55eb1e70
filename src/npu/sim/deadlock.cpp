// SPDX-License-Identifier: Apache-2.0
// When nothing can happen any more: who waits for whom.
#include <fmt/format.h>

#include <set>

#include "npu/sim/machine.h"

namespace shorthand::npu {

// What `who` (a channel, or the number of channels plus a worker) waits for, and who would have to act.
std::string Machine::describe(size_t who, size_t& next, bool& more) {
  more = false;
  auto giver_of = [&](int lock) {
    for (size_t c = 0; c < channels_.size(); ++c) {
      for (const Bd& bd : channel(c).chain) {
        if (bd.release == lock) next = c, more = true;
      }
    }
    for (const Port& p : placement_.ports) {
      if (p.give == lock) next = core_id(static_cast<size_t>(p.worker)), more = true;
    }
  };
  if (who >= channels_.size()) {
    const size_t w = who - channels_.size();
    const CoreState& s = cores_[w];
    if (s.waits_for < 0) return fmt::format("worker {} has ended", design_.workers[w].name);
    giver_of(s.waits_for);
    const Step& step = design_.workers[w].steps[s.pc];
    if (step.op == Step::Op::barrier)
      return fmt::format("worker {} waits for a signal of the sequence", design_.workers[w].name);
    const Port& port = placement_.ports[static_cast<size_t>(step_ports_[w][s.pc])];
    return fmt::format("worker {} waits for {} {} of {}", design_.workers[w].name, step.count,
                       port.producer ? "free objects" : "objects", design_.fifos[static_cast<size_t>(port.fifo)].name);
  }
  const ChannelState& s = channels_[who];
  const std::string name = report_.units[who].name;
  if (s.waits_for >= 0) {
    giver_of(s.waits_for);
    return fmt::format("{} waits for lock '{}'", name, placement_.locks[static_cast<size_t>(s.waits_for)].name);
  }
  if (!s.active) return fmt::format("{} has no task: the sequence moves too few words here", name);
  const FlowData& data = flow_data_[s.flow];
  const int64_t moved = side(who).moved - s.first;
  if (s.sink >= 0) {
    next = data.source, more = true;
    return fmt::format("{} has {} of {} words and waits for more", name, moved, s.words);
  }
  for (size_t c : data.sinks) {
    if (!channels_[c].active) next = c, more = true;
  }
  return fmt::format("{} has sent {} of {} words, which are not taken", name, moved, s.words);
}

std::string Machine::wait_chain() {
  const Action& a = design_.sequence[action_];
  const int fifo = a.op == Action::Op::await ? design_.sequence[static_cast<size_t>(a.task)].fifo : a.fifo;
  std::string text = fmt::format("the sequence waits for fifo {}", design_.fifos[static_cast<size_t>(fifo)].name);
  size_t who = static_cast<size_t>(placement_.host_channels[static_cast<size_t>(fifo)]);
  std::set<size_t> seen;
  for (bool more = true; more;) {
    size_t next = 0;
    text += " <- " + describe(who, next, more);
    if (more && !seen.insert(who).second) return text + ", which closes the circle";
    who = next;
  }
  return text;
}

// After the sequence: words on their way that nobody takes, or half an object.
std::string Machine::left_over() const {
  for (size_t c = 0; c < channels_.size(); ++c) {
    const ChannelState& s = channels_[c];
    const int64_t moved = side(c).moved - s.first;
    if (s.active && (moved > 0 || at_shim(c))) {
      return fmt::format(
          "the sequence has ended, but {} has moved {} of {} words; produced and consumed lengths differ",
          report_.units[c].name, moved, s.words);
    }
  }
  for (size_t p = 0; p < ports_.size(); ++p) {
    const Port& port = placement_.ports[p];
    if (port.producer) continue;
    if (locks_[static_cast<size_t>(port.take)].value > 0) {
      return fmt::format(
          "the sequence has ended, but objects of {} wait for worker {}; produced and consumed lengths differ",
          design_.fifos[static_cast<size_t>(port.fifo)].name, design_.workers[static_cast<size_t>(port.worker)].name);
    }
  }
  return {};
}

}  // namespace shorthand::npu
