// SPDX-License-Identifier: Apache-2.0
// The queue of what happens next, in the order (cycle, priority, id): the same however the events were put in.
#pragma once

#include <cstdint>
#include <queue>
#include <vector>

#include "npu/sim/flow.h"

namespace shorthand::npu {

// What comes first within a cycle, and why.
enum class Priority : uint8_t {
  moved,       // a descriptor's last word has moved: its lock is given back before anybody asks for it
  granted,     // a lock reaches the one that waited for it
  task,        // a shim channel takes its next task or burst
  core,        // cores go on once everything that they may wait for has happened
  controller,  // the controller sees the state after the array's
  word,        // the word-by-word reference moves words last: grants of this cycle are in force
};

struct Event {
  Cycle cycle;
  uint32_t order;  // priority, then id
  uint32_t id() const { return order & 0xFFFFFF; }
  Priority priority() const { return static_cast<Priority>(order >> 24); }
};

class EventQueue {
 public:
  void push(Cycle cycle, Priority priority, size_t id) {
    heap_.push({cycle, static_cast<uint32_t>(priority) << 24 | static_cast<uint32_t>(id)});
  }
  bool empty() const { return heap_.empty(); }
  Event pop() {
    const Event e = heap_.top();
    heap_.pop();
    return e;
  }

 private:
  struct Later {
    bool operator()(const Event& a, const Event& b) const {
      return a.cycle != b.cycle ? a.cycle > b.cycle : a.order > b.order;
    }
  };
  std::priority_queue<Event, std::vector<Event>, Later> heap_;
};

}  // namespace shorthand::npu
