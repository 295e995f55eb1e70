// SPDX-License-Identifier: Apache-2.0
// The simulated array in motion. Read machine.cpp (the loop and the locks), channels.cpp (DMAs), shim.cpp (tasks and
// DDR), cores.cpp, controller.cpp, data.cpp (bytes) and deadlock.cpp, each one aspect of this state.
#pragma once

#include <deque>
#include <optional>

#include "base/aligned.h"
#include "npu/pattern.h"
#include "npu/sim/ddr.h"
#include "npu/sim/events.h"
#include "npu/sim/simulate.h"

namespace shorthand::npu {

class Machine {
 public:
  Machine(const Design& design, const Device& device, const SimOptions& options, Placement placement,
          std::span<const std::span<std::byte>> host);

  Result<SimReport> run();

 private:
  struct LockState {
    int value = 0;
    struct Waiter {
      size_t who;  // a channel, or the number of channels plus a worker
      int count;
    };
    std::deque<Waiter> waiters;
  };

  // What a channel or core is doing since `mark`, for the account of its cycles.
  struct Account {
    Cycle mark = 0;  // may lie ahead of now: a setup is booked when it begins
    Spent state = Spent::idle, before = Spent::idle;
  };

  struct ChannelState {
    size_t flow = 0;
    int worker = -1;  // in whose tile it is
    int sink = -1;    // which sink of the flow; -1: its source
    size_t at = 0;    // in the chain
    bool active = false, announced = false;
    int waits_for = -1;            // lock
    int64_t first = 0, words = 0;  // of the flow, in the present grant
    Walk data;
    struct Traffic {
      int64_t first, end;
      uint32_t banks;
    };
    std::deque<Traffic> traffic;  // of a core's tile, while a call may still ask
    // Shims.
    std::deque<int> tasks;  // actions of the sequence, the running one first
    bool running = false;
    int begun = 0;
    Walk ahead;                                         // the next burst to ask DDR for
    int64_t lines = 0, next_words = 0, next_lines = 0;  // of the present burst and of the next
    bool draining = false;                              // all words are in, the last of them on their way to DDR
    int64_t pace = 0;                                   // hundredths of a cycle that the next burst takes the channel
    int64_t available = 0;                              // when its first word is there, in hundredths of a cycle
    Cycle written = 0, written_before = 0;              // when the last burst and the one before it were in DDR
  };

  struct CoreState {
    size_t pc = 0;
    struct Loop {
      size_t step;
      int32_t trip, trips;
    };
    std::vector<Loop> loops;
    std::vector<int32_t> written, parameters;  // by the sequence; those that the core has taken
    int waits_for = -1;                        // lock
    bool calling = false, stopped = false;
    Cycle call_start = 0, call_cycles = 0, call_extra = 0;
    Cycle wrapped_at = -1;         // when the program last started again
    std::vector<size_t> channels;  // DMA channels of its tile
  };

  struct PortState {
    int64_t oldest = 0;  // number of the oldest object in hand
    int held = 0;
  };

  struct FlowData {
    std::vector<std::byte> bytes;
    int64_t base = 0;  // number of the first byte kept
    size_t source = 0;
    std::vector<size_t> sinks;   // channels
    std::vector<int64_t> taken;  // bytes, by sink
    bool ticking = false;
  };

  void handle(const Event& event);
  void fail(Error error);
  size_t core_id(size_t worker) const { return channels_.size() + worker; }
  UnitReport& unit(size_t who) { return report_.units[who]; }
  void spend(size_t who, Cycle now, Spent next);  // what was until now is booked; what follows is `next`
  void freeze(Cycle now);
  void slice(size_t who, Cycle start, Cycle end, std::string_view name);

  // Locks.
  bool try_acquire(int lock, int count, size_t who);
  void release(int lock, int count, Cycle now);

  // Channels.
  const Channel& channel(size_t c) const { return placement_.channels[c]; }
  bool at_shim(size_t c) const { return kind_of(channel(c).tile) == TileKind::shim; }
  bool sends(size_t c) const { return channel(c).direction == Direction::mm2s; }
  const Fifo& fifo_of(size_t c) const { return design_.fifos[static_cast<size_t>(channel(c).fifo)]; }
  const Side& side(size_t c) const;
  void next_bd(size_t c, Cycle now, bool follows);
  void begin_bd(size_t c, Cycle now, bool follows);
  void grant(size_t c, int64_t words, Cycle ready);
  void settle(size_t flow, Cycle now);
  void tick(size_t flow, Cycle now);
  void moved(size_t c, Cycle now);
  void forget(size_t flow);

  // Shims.
  void push_task(size_t c, int action, Cycle now);
  void start_task(size_t c, Cycle now);
  void task_event(size_t c, Cycle now);
  void ask_ddr(size_t c, Cycle now);
  void give_burst(size_t c, Cycle now);
  void burst_moved(size_t c, Cycle now);
  void finish_task(size_t c, Cycle now);
  const Action& action_of(size_t c) const { return design_.sequence[static_cast<size_t>(channels_[c].tasks.front())]; }

  // Cores.
  void step_core(size_t w, Cycle now);
  bool step_once(size_t w, Cycle now);
  void begin_call(size_t w, const Step& step, Cycle now);
  void end_call(size_t w, Cycle now);
  int64_t conflicts(size_t w, Cycle now) const;
  int32_t number(size_t w, const Number& n) const;
  size_t port_of(size_t w, int fifo) const;
  int region_of(size_t w, const Operand& operand) const;
  uint32_t banks_of(size_t w, const Operand& operand) const;
  void acquired(size_t w, Cycle now);

  // Controller.
  void step_controller(Cycle now);
  Cycle cost_of(const Action& action) const;

  // Data.
  std::byte* bytes_of(int region);
  void gather(size_t flow, int64_t end);
  void scatter(size_t c, int64_t bytes);
  void run_kernel(size_t w, const Step& step);
  bool canaries_stand(int region) const;

  // What is left when nothing happens any more.
  std::string wait_chain();
  std::string describe(size_t who, size_t& next, bool& more);
  std::string left_over() const;

  const Design& design_;
  const Device& device_;
  const SimOptions& options_;
  const Placement placement_;
  const std::span<const std::span<std::byte>> host_;
  const Timing& t_;

  EventQueue events_;
  Ddr ddr_;
  std::vector<LockState> locks_;
  std::vector<ChannelState> channels_;
  std::vector<Flow> flows_;
  std::vector<FlowData> flow_data_;
  std::vector<CoreState> cores_;
  std::vector<PortState> ports_;
  std::vector<std::vector<int>> step_ports_;      // by worker and step
  std::vector<AlignedBuffer<std::byte>> memory_;  // by region, between canaries
  std::vector<Account> accounts_;
  std::vector<bool> task_done_;  // by action
  size_t action_ = 0;
  bool action_paid_ = false;  // its cost is running, until
  Cycle paid_at_ = 0;
  bool finished_ = false;
  SimReport report_;
  std::optional<Error> error_;
};

}  // namespace shorthand::npu
