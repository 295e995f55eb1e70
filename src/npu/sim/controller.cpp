// SPDX-License-Identifier: Apache-2.0
// The controller: one instruction group after the other, each at its cost, an await holding up all that follow.
#include "npu/sim/machine.h"

namespace shorthand::npu {

Cycle Machine::cost_of(const Action& action) const {
  constexpr int kBdWords = 8;
  switch (action.op) {
    case Action::Op::write:
    case Action::Op::signal: return t_.write32;
    case Action::Op::start: {
      // The descriptor, the patch of its address, the token's controller, and the push onto the queue.
      return t_.block_write + kBdWords * t_.block_write_word + t_.instruction + t_.mask_write + t_.write32;
    }
    case Action::Op::await: break;
  }
  return t_.instruction;
}

void Machine::step_controller(Cycle now) {
  while (!finished_) {
    if (action_ == design_.sequence.size()) {
      freeze(now);
      return;
    }
    const Action& a = design_.sequence[action_];
    if (a.op == Action::Op::await) {
      if (!task_done_[static_cast<size_t>(a.task)]) return;  // the end of the task calls again
    }
    const auto c =
        static_cast<size_t>(a.op == Action::Op::start ? placement_.host_channels[static_cast<size_t>(a.fifo)] : 0);
    if (a.op == Action::Op::start) {
      const size_t waiting = channels_[c].tasks.size() - (channels_[c].running ? 1 : 0);
      if (waiting >= static_cast<size_t>(device_.task_queue)) return;
    }
    if (!action_paid_) {
      action_paid_ = true;
      paid_at_ = now + cost_of(a);
      events_.push(paid_at_, Priority::controller, 0);
      return;
    }
    if (now < paid_at_) return;  // called for something else meanwhile
    action_paid_ = false;
    const int index = static_cast<int>(action_++);
    if (a.op == Action::Op::start) push_task(c, index, now);
    if (a.op == Action::Op::write) {
      CoreState& core = cores_[static_cast<size_t>(a.worker)];
      core.written[static_cast<size_t>(a.index)] = a.value;
      if (placement_.barriers[static_cast<size_t>(a.worker)] < 0) core.parameters = core.written;
    }
    if (a.op == Action::Op::signal) release(placement_.barriers[static_cast<size_t>(a.worker)], 1, now);
  }
}

}  // namespace shorthand::npu
