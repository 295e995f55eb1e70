// SPDX-License-Identifier: Apache-2.0
// Workers: their steps, their locks and their calls.
#include <fmt/format.h>

#include "npu/memory_map.h"
#include "npu/sim/machine.h"

namespace shorthand::npu {

int32_t Machine::number(size_t w, const Number& n) const {
  const CoreState& s = cores_[w];
  const auto i = static_cast<size_t>(n.value);
  const int32_t value = n.kind == Number::Kind::parameter ? s.parameters[i]
                        : n.kind == Number::Kind::counter ? s.loops[s.loops.size() - 1 - i].trip
                                                          : n.value;
  return n.any ? value != 0 : value;
}

size_t Machine::port_of(size_t w, int fifo) const {
  size_t p = 0;
  while (placement_.ports[p].worker != static_cast<int>(w) || placement_.ports[p].fifo != fifo) ++p;
  return p;
}

int Machine::region_of(size_t w, const Operand& operand) const {
  if (operand.kind == Operand::Kind::buffer) return placement_.buffers[static_cast<size_t>(operand.index)];
  const size_t p = port_of(w, operand.index);
  const std::vector<int>& regions = placement_.ports[p].regions;
  return regions[static_cast<size_t>(ports_[p].oldest + operand.slot) % regions.size()];
}

uint32_t Machine::banks_of(size_t w, const Operand& operand) const {
  const Region& r = placement_.regions[static_cast<size_t>(region_of(w, operand))];
  const int64_t bytes = operand.bytes > 0 ? operand.bytes : r.bytes - operand.offset;
  return MemoryMap(device_.core.memory_bytes, device_.core.banks).banks_of(r.address + operand.offset, bytes);
}

// Runs steps until one takes time or has to wait.
void Machine::step_core(size_t w, Cycle now) {
  CoreState& s = cores_[w];
  if (s.calling) {
    end_call(w, now);
    return;
  }
  while (!s.stopped && !error_ && step_once(w, now)) {
  }
}

// True: the next step begins in the same cycle.
bool Machine::step_once(size_t w, Cycle now) {
  CoreState& s = cores_[w];
  const std::vector<Step>& steps = design_.workers[w].steps;
  const size_t me = core_id(w);
  if (s.pc == steps.size()) {
    s.stopped = s.wrapped_at == now;  // it came round without taking any time: there is nothing in it
    s.wrapped_at = now;
    s.pc = 0;
    return !s.stopped;
  }
  const Step& step = steps[s.pc];
  switch (step.op) {
    case Step::Op::acquire:
    case Step::Op::barrier: {
      int lock = placement_.barriers[w], missing = 1;
      Spent waits = Spent::barrier;
      if (step.op == Step::Op::acquire) {
        const auto p = static_cast<size_t>(step_ports_[w][s.pc]);
        const Port& port = placement_.ports[p];
        lock = port.take;
        missing = step.count - ports_[p].held;
        waits = port.producer ? Spent::output : Spent::input;
      }
      if (missing <= 0) {
        ++s.pc;
        return true;
      }
      if (try_acquire(lock, missing, me)) {
        acquired(w, now);
      } else {
        s.waits_for = lock;
        spend(me, now, waits);
      }
      return false;
    }
    case Step::Op::release: {
      const auto p = static_cast<size_t>(step_ports_[w][s.pc]);
      ports_[p].held -= step.count;
      ports_[p].oldest += step.count;
      if (ports_[p].held < 0) {
        fail(usage_error(fmt::format("{}: releases an object of {} that it does not hold; acquire it first",
                                     design_.workers[w].name, design_.fifos[static_cast<size_t>(step.fifo)].name)));
        return false;
      }
      release(placement_.ports[p].give, step.count, now);
      spend(me, now, Spent::overhead);
      ++s.pc;
      events_.push(now + t_.lock_release, Priority::core, w);
      return false;
    }
    case Step::Op::call: begin_call(w, step, now); return false;
    case Step::Op::loop: {
      const int32_t trips = number(w, step.trips);
      if (trips <= 0) {
        s.pc = static_cast<size_t>(step.match) + 1;
        return true;
      }
      s.loops.push_back({s.pc, 0, trips});
      ++s.pc;
      return true;
    }
    case Step::Op::end: {
      CoreState::Loop& loop = s.loops.back();
      spend(me, now, Spent::overhead);
      if (++loop.trip < loop.trips) {
        s.pc = loop.step + 1;
      } else {
        s.loops.pop_back();
        ++s.pc;
      }
      events_.push(now + t_.core_loop, Priority::core, w);
      return false;
    }
  }
  return false;
}

// The lock of the acquire or barrier that the worker is at is its own now.
void Machine::acquired(size_t w, Cycle now) {
  CoreState& s = cores_[w];
  const Step& step = design_.workers[w].steps[s.pc];
  if (s.waits_for >= 0) slice(core_id(w), accounts_[core_id(w)].mark, now, "waits");
  s.waits_for = -1;
  if (step.op == Step::Op::acquire) ports_[static_cast<size_t>(step_ports_[w][s.pc])].held = step.count;
  if (step.op == Step::Op::barrier) s.parameters = s.written;
  spend(core_id(w), now, Spent::overhead);
  ++s.pc;
  events_.push(now + t_.lock_acquire, Priority::core, w);
}

void Machine::begin_call(size_t w, const Step& step, Cycle now) {
  CoreState& s = cores_[w];
  const KernelType& kernel = design_.kernels[static_cast<size_t>(step.kernel)];
  std::vector<int32_t> numbers;
  for (const Number& n : step.numbers) numbers.push_back(number(w, n));
  for (const Operand& o : step.operands) {
    if (o.kind == Operand::Kind::object && o.slot >= ports_[port_of(w, o.index)].held) {
      fail(usage_error(fmt::format("{}: calls {} on an object of {} that it does not hold; acquire it first",
                                   design_.workers[w].name, kernel.name,
                                   design_.fifos[static_cast<size_t>(o.index)].name)));
      return;
    }
  }
  const int64_t cycles = kernel.cycles(device_.generation, numbers);
  int64_t paired = 0;
  if (step.operands.size() >= 2) {
    if (banks_of(w, step.operands[0]) & banks_of(w, step.operands[1])) paired = cycles * kernel.paired_percent / 100;
  }
  for (size_t c : s.channels) {  // what has moved before the call is nothing to it
    ChannelState& ch = channels_[c];
    while (!ch.traffic.empty() && ch.traffic.front().end <= ch.first) ch.traffic.pop_front();
  }
  s.calling = true;
  s.call_start = now + t_.core_call;
  s.call_cycles = cycles;
  s.call_extra = paired;
  spend(core_id(w), now, Spent::overhead);
  spend(core_id(w), s.call_start, Spent::working);
  events_.push(s.call_start + cycles + paired, Priority::core, w);
}

// Accesses of DMAs to the banks that the call uses, of which the arbiter has made so many cost the core a cycle.
int64_t Machine::conflicts(size_t w, Cycle now) const {
  const CoreState& s = cores_[w];
  const Step& step = design_.workers[w].steps[s.pc];
  uint32_t banks = 0;
  for (const Operand& o : step.operands) banks |= banks_of(w, o);
  int64_t words = 0;
  for (size_t c : s.channels) {
    for (const ChannelState::Traffic& t : channels_[c].traffic) {
      if (t.banks & banks) words += side(c).count(t.first, t.end, s.call_start, now);
    }
  }
  return words / t_.words_a_bank_access * design_.kernels[static_cast<size_t>(step.kernel)].bank_percent / 100;
}

void Machine::end_call(size_t w, Cycle now) {
  CoreState& s = cores_[w];
  const Step& step = design_.workers[w].steps[s.pc];
  const KernelType& kernel = design_.kernels[static_cast<size_t>(step.kernel)];
  const int64_t stolen = conflicts(w, now);
  const Cycle end = s.call_start + s.call_cycles + s.call_extra + stolen;
  if (end > now) {  // and in the cycles that they add there may be more of them
    events_.push(end, Priority::core, w);
    return;
  }
  const size_t me = core_id(w);
  slice(me, s.call_start, now, kernel.name);
  if (!finished_) {
    unit(me).spent[static_cast<size_t>(Spent::working)] -= s.call_extra + stolen;
    unit(me).spent[static_cast<size_t>(Spent::banks)] += s.call_extra + stolen;
    ++unit(me).calls;
  }
  if (!options_.timing_only) run_kernel(w, step);
  s.calling = false;
  spend(me, now, Spent::overhead);
  ++s.pc;
  while (!s.stopped && !error_ && step_once(w, now)) {
  }
}

}  // namespace shorthand::npu
