// SPDX-License-Identifier: Apache-2.0
// A Design: what the array is to do, as one plain value. It holds indices and no pointers, so that it can be copied,
// compared, printed and kept; check, place, simulate and emit are functions that read it (device.h -> design.h ->
// check.h, place.h -> designs/, sim/, mlir/).
//
// Objects travel through typed FIFOs between the host's memory, relays in the memory tiles and workers on the cores.
// The vocabulary is IRON's: an object FIFO has a producer, one or more consumers (all receive every object) and a
// depth; a relay links FIFOs in a memory tile and can cut an object into parts (distribute) or put parts together
// (join).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "npu/device.h"
#include "npu/kernel.h"

namespace shorthand::npu {

// One dimension of a walk over memory, strides in elements. The outermost comes first.
struct Dim {
  int64_t size = 1, stride = 1;
  bool operator==(const Dim&) const = default;
};
using Pattern = std::vector<Dim>;  // empty: everything, in order

struct Endpoint {
  enum class Site : uint8_t { host, relay, worker };
  Site site = Site::host;
  int index = -1;  // of the relay or worker
  bool operator==(const Endpoint&) const = default;
};

struct Fifo {
  std::string name;
  int element_bytes = 1;  // 1, 2, 4
  int elements = 0;       // of one object
  Endpoint producer;
  std::vector<Endpoint> consumers;
  int depth = 2;                // objects held at the producer, and again at each consumer
  Pattern to_stream;            // how the producer's DMA reads an object
  Pattern from_stream;          // how the consumers' DMAs write it
  int repeat = 1;               // a relay sends each object so many times before it lets go of it
  int host_column = -1;         // the shim to use; negative: as placed
  std::vector<int> banks = {};  // of each object on a core; empty: as placed

  int64_t object_bytes() const { return int64_t{elements} * element_bytes; }
};

// FIFOs that meet in a memory tile: one input to one or several outputs, or several inputs to one output. The part of
// FIFO p lies at offsets[p] (elements) of the one object on the other side and goes on to the next offset or the end. A
// part may be several objects of its FIFO: they then pass one after the other, as a panel passes as tiles. The buffers
// are the whole object's, as many as its FIFO's depth.
struct Relay {
  std::string name;
  std::vector<int> inputs, outputs;
  std::vector<int> offsets;
  Tile tile;
};

// Memory of a worker's own.
struct Buffer {
  std::string name;
  int worker = 0;
  int bytes = 0;
  int bank = -1;                   // negative: as placed
  int address = -1;                // in the tile, a multiple of 32; negative: as placed
  std::vector<std::byte> initial;  // empty: zeros
};

// A number that a step needs when it runs.
struct Number {
  enum class Kind : uint8_t {
    literal,
    parameter,  // the worker's run-time parameter number `value`
    counter,    // the trip, from 0, of the loop that is `value` loops out (0: the innermost)
  };
  Kind kind = Kind::literal;
  int32_t value = 0;
  bool any = false;  // 1 where it is not 0
};

struct Operand {
  enum class Kind : uint8_t { object, buffer };
  Kind kind = Kind::buffer;
  int index = 0;  // of the FIFO or the buffer
  int slot = 0;   // of the objects in hand, the oldest is 0
  // The part of a buffer that the kernel sees, and whose banks it uses: from byte `offset` on, a multiple of 32; 0
  // bytes are all from there.
  int offset = 0, bytes = 0;
};

struct Step {
  enum class Op : uint8_t {
    acquire,  // `count` objects of `fifo` in hand, waiting for those that are missing
    release,  // the oldest `count` of them
    call,     // `kernel` with `operands` and `numbers`
    loop,     // the steps up to the matching end, `trips` times
    end,
    barrier,  // wait until the runtime sequence signals this worker; then take the parameters as they are written
  };
  Op op = Op::end;
  int fifo = -1, count = 1;
  int kernel = -1;
  std::vector<Operand> operands;
  std::vector<Number> numbers;
  Number trips;
  int match = -1;  // loop and end: each other
};

struct Worker {
  std::string name;
  std::vector<Step> steps;          // run again and again while objects arrive
  std::vector<int32_t> parameters;  // run-time parameters, as they are when the array starts
  int stack_bytes = 2048;
  Tile tile;
};

struct HostBuffer {
  std::string name;
  int64_t bytes = 0;
  bool operator==(const HostBuffer&) const = default;
};

// One instruction group of the runtime sequence.
struct Action {
  enum class Op : uint8_t {
    write,   // `value` to parameter `index` of `worker`, which takes it at its next barrier, or at once if it has none
    signal,  // let `worker` pass its barrier
    start,   // a task of the shim between `host` and `fifo`
    await,   // until the task of `task` (an index into the sequence) has moved its last word
  };
  Op op = Op::start;
  int worker = -1, index = 0;
  int32_t value = 0;
  int fifo = -1, host = -1;
  int64_t offset = 0;  // elements of the FIFO's type
  Pattern pattern;     // at most four dimensions
  int task = -1;
  bool operator==(const Action&) const = default;
};

// How buffers are put into a core's memory.
enum class Allocation : uint8_t {
  sequential,  // one after the other, as --alloc-scheme=basic-sequential does
  banks,       // each FIFO's and each buffer's in a bank of its own as far as there is room
};

struct Design {
  std::string name;
  std::vector<KernelType> kernels;
  std::vector<Fifo> fifos;
  std::vector<Relay> relays;
  std::vector<Buffer> buffers;
  std::vector<Worker> workers;
  std::vector<HostBuffer> host;
  std::vector<Action> sequence;
  Allocation allocation = Allocation::banks;
};

}  // namespace shorthand::npu
