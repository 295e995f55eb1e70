// SPDX-License-Identifier: Apache-2.0
// Writes a Design in the words of IRON: fifo, worker, split, join, fill, drain.
//
//   Builder b("double");
//   const int in = b.fifo({.name = "in", .element_bytes = 4, .elements = 64});
//   const int out = b.fifo({.name = "out", .element_bytes = 4, .elements = 64});
//   const int w = b.worker("w", Program().acquire(in).acquire(out).call(twice, {object(in),
//   object(out)}).release(in).release(out)); b.from_host(in).to_worker(in, w).from_worker(out, w).to_host(out);
//   b.fill(in, x, {{1024, 1}});
//   b.await(b.drain(out, y, {{1024, 1}}));
//   Result<Design> design = b.finish();
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "npu/design.h"

namespace shorthand::npu {

inline Operand object(int fifo, int slot = 0) { return {.kind = Operand::Kind::object, .index = fifo, .slot = slot}; }
inline Operand buffer(int index) { return {.kind = Operand::Kind::buffer, .index = index}; }
inline Operand part(Operand of, int offset, int bytes = 0) {
  of.offset += offset, of.bytes = bytes;
  return of;
}
inline Number literal(int32_t value) { return {.value = value}; }
inline Number parameter(int index) { return {.kind = Number::Kind::parameter, .value = index}; }
inline Number counter(int loops_out = 0) { return {.kind = Number::Kind::counter, .value = loops_out}; }
inline Number any(Number n) { return {.kind = n.kind, .value = n.value, .any = true}; }

// The steps of one worker, in order.
class Program {
 public:
  Program& acquire(int fifo, int count = 1);
  Program& release(int fifo, int count = 1);
  Program& call(int kernel, std::vector<Operand> operands, std::vector<Number> numbers = {});
  Program& loop(Number trips);
  Program& loop(int trips) { return loop(literal(trips)); }
  Program& end();
  Program& barrier();

  const std::vector<Step>& steps() const { return steps_; }

 private:
  std::vector<Step> steps_;
};

class Builder {
 public:
  explicit Builder(std::string name) { design_.name = std::move(name); }

  int kernel(const KernelType& type);
  int fifo(Fifo fifo);
  int buffer(std::string name, int worker, int bytes, int bank = -1, int address = -1);
  int worker(std::string name, const Program& program = {}, Tile tile = {}, std::vector<int32_t> parameters = {});
  Builder& program(int worker, const Program& program);
  Builder& stack(int worker, int bytes);
  Builder& allocation(Allocation a);

  Builder& from_host(int fifo, int column = -1);
  Builder& to_host(int fifo, int column = -1);
  Builder& from_worker(int fifo, int worker);
  Builder& to_worker(int fifo, int worker);

  // Through a memory tile. Offsets are elements of the whole object.
  int forward(int from, int to, Tile tile = {});
  int split(int from, std::vector<int> to, std::vector<int> offsets, Tile tile = {});
  int join(std::vector<int> from, std::vector<int> offsets, int to, Tile tile = {});

  int host(std::string name, int64_t bytes);
  // Tasks of the shims; each returns what await() takes.
  int fill(int fifo, int host, Pattern pattern, int64_t offset = 0) {
    return start(fifo, host, std::move(pattern), offset);
  }
  int drain(int fifo, int host, Pattern pattern, int64_t offset = 0) {
    return start(fifo, host, std::move(pattern), offset);
  }
  Builder& await(int task);
  Builder& write(int worker, int parameter, int32_t value);
  Builder& signal(int worker);

  // Refuses loops without end, ends without loop, and endpoints that were given twice.
  Result<Design> finish();

 private:
  int start(int fifo, int host, Pattern pattern, int64_t offset);
  int relay(Relay relay);
  void produce(int fifo, Endpoint endpoint);

  Design design_;
  std::vector<bool> produced_;
  std::string mistake_;  // the first one
};

}  // namespace shorthand::npu
