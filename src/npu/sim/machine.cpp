// SPDX-License-Identifier: Apache-2.0
#include "npu/sim/machine.h"

#include <fmt/format.h>

namespace shorthand::npu {
namespace {

std::vector<Path> paths_of(const Stream& stream, const Timing& t) {
  std::vector<Path> paths;
  for (int switches : stream.switches) {
    paths.push_back(
        {t.hop_external * (switches - 1) + t.hop_local,
         t.fifo_local_slave + t.fifo_external * (switches - 1) + t.fifo_local_master + t.s2mm_ingress_words});
  }
  return paths;
}

}  // namespace

Machine::Machine(const Design& design, const Device& device, const SimOptions& options, Placement placement,
                 std::span<const std::span<std::byte>> host)
    : design_(design),
      device_(device),
      options_(options),
      placement_(std::move(placement)),
      host_(host),
      t_(device.timing),
      ddr_(device, options.clock_ghz > 0 ? options.clock_ghz : device.clock_ghz) {
  report_.design = design.name;
  report_.device = device.name;
  report_.clock_ghz = options.clock_ghz > 0 ? options.clock_ghz : device.clock_ghz;
  report_.launch_us = options.in_list ? device.dispatch.launch_in_list_us : device.dispatch.launch_us;
  for (const Lock& l : placement_.locks) locks_.push_back({l.initial, {}});

  channels_.resize(placement_.channels.size());
  for (const Channel& c : placement_.channels) {
    UnitReport u;
    u.tile = c.tile;
    u.name = fmt::format("dma {} {} {} {}", to_string(c.tile), c.direction == Direction::s2mm ? "s2mm" : "mm2s",
                         c.index, design.fifos[static_cast<size_t>(c.fifo)].name);
    report_.units.push_back(std::move(u));
  }
  for (const Stream& s : placement_.streams) {
    FlowData data;
    data.source = static_cast<size_t>(s.source);
    channels_[data.source].flow = flows_.size();
    for (size_t j = 0; j < s.sinks.size(); ++j) {
      const auto c = static_cast<size_t>(s.sinks[j]);
      channels_[c].flow = flows_.size();
      channels_[c].sink = static_cast<int>(j);
      data.sinks.push_back(c);
    }
    data.taken.assign(s.sinks.size(), 0);
    flow_data_.push_back(std::move(data));
    flows_.emplace_back(paths_of(s, t_));
  }
  cores_.resize(design.workers.size());
  ports_.resize(placement_.ports.size());
  for (size_t w = 0; w < design.workers.size(); ++w) {
    UnitReport u;
    u.core = true;
    u.tile = placement_.workers[w];
    u.name = fmt::format("core {} {}", to_string(u.tile), design.workers[w].name);
    report_.units.push_back(std::move(u));
    cores_[w].written = cores_[w].parameters = design.workers[w].parameters;
    for (size_t c = 0; c < channels_.size(); ++c) {
      if (channel(c).tile == placement_.workers[w]) cores_[w].channels.push_back(c);
    }
    for (size_t c : cores_[w].channels) channels_[c].worker = static_cast<int>(w);
    std::vector<int> ports;
    for (const Step& s : design.workers[w].steps) {
      ports.push_back(s.fifo < 0 ? -1 : static_cast<int>(port_of(w, s.fifo)));
    }
    step_ports_.push_back(std::move(ports));
  }
  accounts_.resize(report_.units.size());
  task_done_.assign(design.sequence.size(), false);
}

void Machine::fail(Error error) {
  if (!error_) error_ = std::move(error);
}

void Machine::spend(size_t who, Cycle now, Spent next) {
  Account& a = accounts_[who];
  if (!finished_) unit(who).spent[static_cast<size_t>(a.state)] += now - a.mark;
  a.mark = now;
  a.before = a.state;
  a.state = next;
}

void Machine::slice(size_t who, Cycle start, Cycle end, std::string_view name) {
  if (options_.trace && end > start) report_.slices.push_back({static_cast<int>(who), start, end, std::string(name)});
}

// Books everything up to the end of the run. A descriptor that is half done counts the words that have moved.
void Machine::freeze(Cycle now) {
  for (size_t c = 0; c < channels_.size(); ++c) {
    const ChannelState& s = channels_[c];
    const Cycle mark = accounts_[c].mark;
    if (s.active && accounts_[c].state == Spent::working && mark < now) {
      const Cycle words = side(c).count(s.first, s.first + s.words, mark, now);
      unit(c).spent[static_cast<size_t>(Spent::working)] -= now - mark - words;
      unit(c).spent[static_cast<size_t>(sends(c) ? Spent::output : Spent::input)] += now - mark - words;
    }
  }
  for (size_t who = 0; who < accounts_.size(); ++who) {
    Account& a = accounts_[who];
    if (a.mark > now) {  // what was booked ahead and reaches beyond the end is taken back
      unit(who).spent[static_cast<size_t>(a.before)] -= a.mark - now;
      a.mark = now;
    }
    spend(who, now, Spent::idle);
  }
  report_.cycles = now;
  finished_ = true;
}

bool Machine::try_acquire(int lock, int count, size_t who) {
  LockState& l = locks_[static_cast<size_t>(lock)];
  if (l.waiters.empty() && l.value >= count) {
    l.value -= count;
    return true;
  }
  l.waiters.push_back({who, count});
  return false;
}

void Machine::release(int lock, int count, Cycle now) {
  LockState& l = locks_[static_cast<size_t>(lock)];
  const Lock& spec = placement_.locks[static_cast<size_t>(lock)];
  l.value += count;
  if (l.value > device_.max_lock_value) {
    fail(unsupported(fmt::format("{}: lock {} of {} passes {}; let fewer objects be in flight", design_.name, spec.name,
                                 to_string(spec.tile), device_.max_lock_value)));
  }
  const Cycle seen = now + (kind_of(spec.tile) == TileKind::memory ? t_.memory_tile_lock_to_waiter : t_.lock_release);
  while (!l.waiters.empty() && l.value >= l.waiters.front().count) {
    l.value -= l.waiters.front().count;
    events_.push(seen, Priority::granted, l.waiters.front().who);
    l.waiters.pop_front();
  }
}

void Machine::handle(const Event& event) {
  const size_t id = event.id();
  const Cycle now = event.cycle;
  switch (event.priority()) {
    case Priority::moved: moved(id, now); break;
    case Priority::granted:
      if (id < channels_.size()) {
        channels_[id].waits_for = -1;
        begin_bd(id, now, false);
      } else {
        acquired(id - channels_.size(), now);
      }
      break;
    case Priority::task: task_event(id, now); break;
    case Priority::core: step_core(id, now); break;
    case Priority::controller: step_controller(now); break;
    case Priority::word: tick(id, now); break;
  }
}

Result<SimReport> Machine::run() {
  if (!options_.timing_only) {
    constexpr size_t kCanary = 64;
    for (const Region& r : placement_.regions) {
      memory_.emplace_back(static_cast<size_t>(r.bytes) + 2 * kCanary);
      AlignedBuffer<std::byte>& m = memory_.back();
      std::fill_n(m.data(), kCanary, std::byte{0xC5});
      std::fill_n(m.data() + kCanary + r.bytes, kCanary, std::byte{0xC5});
    }
    for (size_t b = 0; b < design_.buffers.size(); ++b) {
      const std::vector<std::byte>& initial = design_.buffers[b].initial;
      std::copy(initial.begin(), initial.end(), bytes_of(placement_.buffers[b]));
    }
  }
  for (size_t c = 0; c < channels_.size(); ++c) {
    if (!channel(c).chain.empty()) next_bd(c, 0, false);
  }
  for (size_t w = 0; w < cores_.size(); ++w) events_.push(0, Priority::core, w);
  events_.push(0, Priority::controller, 0);

  constexpr Cycle kAfterwards = 1 << 20;  // for the array to come to rest; a core that never waits does not
  while (!events_.empty() && !error_) {
    const Event event = events_.pop();
    if (finished_ && event.cycle > report_.cycles + kAfterwards) break;
    if (event.cycle > options_.max_cycles) {
      return unsupported(fmt::format("{}: not done after {} cycles; give it less work or a higher limit", design_.name,
                                     options_.max_cycles));
    }
    handle(event);
  }
  if (error_) return *error_;
  if (!finished_) return unsupported(fmt::format("{}: deadlock: {}", design_.name, wait_chain()));
  if (const std::string left = left_over(); !left.empty())
    return unsupported(fmt::format("{}: {}", design_.name, left));
  return std::move(report_);
}

}  // namespace shorthand::npu
