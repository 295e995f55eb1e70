// SPDX-License-Identifier: Apache-2.0
#include "npu/builder.h"

#include <fmt/format.h>

namespace shorthand::npu {

Program& Program::acquire(int fifo, int count) {
  Step s;
  s.op = Step::Op::acquire, s.fifo = fifo, s.count = count;
  steps_.push_back(std::move(s));
  return *this;
}

Program& Program::release(int fifo, int count) {
  Step s;
  s.op = Step::Op::release, s.fifo = fifo, s.count = count;
  steps_.push_back(std::move(s));
  return *this;
}

Program& Program::call(int kernel, std::vector<Operand> operands, std::vector<Number> numbers) {
  Step s;
  s.op = Step::Op::call, s.kernel = kernel, s.operands = std::move(operands), s.numbers = std::move(numbers);
  steps_.push_back(std::move(s));
  return *this;
}

Program& Program::loop(Number trips) {
  Step s;
  s.op = Step::Op::loop, s.trips = trips;
  steps_.push_back(std::move(s));
  return *this;
}

Program& Program::end() {
  Step s;
  s.op = Step::Op::end;
  steps_.push_back(std::move(s));
  return *this;
}

Program& Program::barrier() {
  Step s;
  s.op = Step::Op::barrier;
  steps_.push_back(std::move(s));
  return *this;
}

int Builder::kernel(const KernelType& type) {
  design_.kernels.push_back(type);
  return static_cast<int>(design_.kernels.size()) - 1;
}

int Builder::fifo(Fifo fifo) {
  design_.fifos.push_back(std::move(fifo));
  produced_.push_back(false);
  return static_cast<int>(design_.fifos.size()) - 1;
}

int Builder::buffer(std::string name, int worker, int bytes, int bank, int address) {
  design_.buffers.push_back({std::move(name), worker, bytes, bank, address, {}});
  return static_cast<int>(design_.buffers.size()) - 1;
}

int Builder::worker(std::string name, const Program& program, Tile tile, std::vector<int32_t> parameters) {
  Worker w;
  w.name = std::move(name), w.steps = program.steps(), w.tile = tile, w.parameters = std::move(parameters);
  design_.workers.push_back(std::move(w));
  return static_cast<int>(design_.workers.size()) - 1;
}

Builder& Builder::program(int worker, const Program& program) {
  design_.workers.at(static_cast<size_t>(worker)).steps = program.steps();
  return *this;
}

Builder& Builder::stack(int worker, int bytes) {
  design_.workers.at(static_cast<size_t>(worker)).stack_bytes = bytes;
  return *this;
}

Builder& Builder::allocation(Allocation a) {
  design_.allocation = a;
  return *this;
}

void Builder::produce(int fifo, Endpoint endpoint) {
  if (produced_.at(static_cast<size_t>(fifo)) && mistake_.empty()) {
    mistake_ = fmt::format("{}: fifo {} has two producers; join them in a relay", design_.name,
                           design_.fifos[static_cast<size_t>(fifo)].name);
  }
  produced_[static_cast<size_t>(fifo)] = true;
  design_.fifos[static_cast<size_t>(fifo)].producer = endpoint;
}

Builder& Builder::from_host(int fifo, int column) {
  produce(fifo, {Endpoint::Site::host, -1});
  design_.fifos[static_cast<size_t>(fifo)].host_column = column;
  return *this;
}

Builder& Builder::to_host(int fifo, int column) {
  design_.fifos.at(static_cast<size_t>(fifo)).consumers.push_back({Endpoint::Site::host, -1});
  design_.fifos[static_cast<size_t>(fifo)].host_column = column;
  return *this;
}

Builder& Builder::from_worker(int fifo, int worker) {
  produce(fifo, {Endpoint::Site::worker, worker});
  return *this;
}

Builder& Builder::to_worker(int fifo, int worker) {
  design_.fifos.at(static_cast<size_t>(fifo)).consumers.push_back({Endpoint::Site::worker, worker});
  return *this;
}

int Builder::relay(Relay relay) {
  const int index = static_cast<int>(design_.relays.size());
  for (int f : relay.inputs) {
    design_.fifos.at(static_cast<size_t>(f)).consumers.push_back({Endpoint::Site::relay, index});
  }
  for (int f : relay.outputs) produce(f, {Endpoint::Site::relay, index});
  const std::vector<int>& whole = relay.inputs.size() == 1 ? relay.inputs : relay.outputs;
  relay.name = "relay of " + design_.fifos.at(static_cast<size_t>(whole.at(0))).name;
  design_.relays.push_back(std::move(relay));
  return index;
}

int Builder::forward(int from, int to, Tile tile) { return relay({"", {from}, {to}, {0}, tile}); }

int Builder::split(int from, std::vector<int> to, std::vector<int> offsets, Tile tile) {
  return relay({"", {from}, std::move(to), std::move(offsets), tile});
}

int Builder::join(std::vector<int> from, std::vector<int> offsets, int to, Tile tile) {
  return relay({"", std::move(from), {to}, std::move(offsets), tile});
}

int Builder::host(std::string name, int64_t bytes) {
  design_.host.push_back({std::move(name), bytes});
  return static_cast<int>(design_.host.size()) - 1;
}

int Builder::start(int fifo, int host, Pattern pattern, int64_t offset) {
  Action a;
  a.op = Action::Op::start, a.fifo = fifo, a.host = host, a.pattern = std::move(pattern), a.offset = offset;
  design_.sequence.push_back(std::move(a));
  return static_cast<int>(design_.sequence.size()) - 1;
}

Builder& Builder::await(int task) {
  Action a;
  a.op = Action::Op::await, a.task = task;
  design_.sequence.push_back(std::move(a));
  return *this;
}

Builder& Builder::write(int worker, int parameter, int32_t value) {
  Action a;
  a.op = Action::Op::write, a.worker = worker, a.index = parameter, a.value = value;
  design_.sequence.push_back(std::move(a));
  return *this;
}

Builder& Builder::signal(int worker) {
  Action a;
  a.op = Action::Op::signal, a.worker = worker;
  design_.sequence.push_back(std::move(a));
  return *this;
}

Result<Design> Builder::finish() {
  if (!mistake_.empty()) return usage_error(mistake_);
  for (size_t f = 0; f < produced_.size(); ++f) {
    if (!produced_[f]) {
      return usage_error(fmt::format("{}: nothing produces into fifo {}; call from_host, from_worker or a relay",
                                     design_.name, design_.fifos[f].name));
    }
  }
  for (Worker& w : design_.workers) {
    std::vector<int> open;
    for (size_t i = 0; i < w.steps.size(); ++i) {
      if (w.steps[i].op == Step::Op::loop) open.push_back(static_cast<int>(i));
      if (w.steps[i].op != Step::Op::end) continue;
      if (open.empty()) return usage_error(fmt::format("{}: step {} ends no loop; remove it", w.name, i));
      w.steps[i].match = open.back();
      w.steps[static_cast<size_t>(open.back())].match = static_cast<int>(i);
      open.pop_back();
    }
    if (!open.empty())
      return usage_error(fmt::format("{}: the loop at step {} has no end; call end()", w.name, open.back()));
  }
  return std::move(design_);
}

}  // namespace shorthand::npu
