// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "npu/check.h"
#include "npu/pattern.h"

namespace shorthand::npu {
namespace {

size_t at(int index) { return static_cast<size_t>(index); }

template <class T>
bool within(const std::vector<T>& list, int index) {
  return index >= 0 && at(index) < list.size();
}

class Structure {
 public:
  explicit Structure(const Design& design) : d_(design) {}

  Result<void> run() {
    for (const Fifo& f : d_.fifos) SHORTHAND_TRY(fifo(f));
    for (size_t r = 0; r < d_.relays.size(); ++r) SHORTHAND_TRY(relay(static_cast<int>(r)));
    for (size_t f = 0; f < d_.fifos.size(); ++f) SHORTHAND_TRY(patterns(static_cast<int>(f)));
    for (const Buffer& b : d_.buffers) SHORTHAND_TRY(buffer(b));
    for (size_t w = 0; w < d_.workers.size(); ++w) SHORTHAND_TRY(worker(static_cast<int>(w)));
    for (size_t i = 0; i < d_.sequence.size(); ++i) SHORTHAND_TRY(action(static_cast<int>(i)));
    return {};
  }

 private:
  Error refuse(const std::string& fact) const { return usage_error(fmt::format("{}: {}", d_.name, fact)); }

  Result<void> endpoint(const Fifo& f, const Endpoint& e) const {
    if (e.site == Endpoint::Site::worker && !within(d_.workers, e.index)) {
      return refuse(fmt::format("fifo {} names worker {}, of which there are {}", f.name, e.index, d_.workers.size()));
    }
    if (e.site == Endpoint::Site::relay && !within(d_.relays, e.index)) {
      return refuse(fmt::format("fifo {} names relay {}, of which there are {}", f.name, e.index, d_.relays.size()));
    }
    return {};
  }

  Result<void> fifo(const Fifo& f) const {
    if (f.element_bytes != 1 && f.element_bytes != 2 && f.element_bytes != 4) {
      return refuse(fmt::format("fifo {}: elements of {} bytes; use 1, 2 or 4", f.name, f.element_bytes));
    }
    if (f.elements <= 0 || f.object_bytes() % 4 != 0) {
      return refuse(fmt::format("fifo {}: objects of {} bytes; streams carry words of 4, pad the object", f.name,
                                f.object_bytes()));
    }
    if (f.depth < 1) return refuse(fmt::format("fifo {}: depth {}; give it at least 1", f.name, f.depth));
    if (f.repeat < 1) return refuse(fmt::format("fifo {}: repeat {}; give it at least 1", f.name, f.repeat));
    if (f.repeat > 1 && f.producer.site != Endpoint::Site::relay) {
      return refuse(fmt::format("fifo {} repeats objects, which only a relay can; put one before it", f.name));
    }
    if (f.consumers.empty())
      return refuse(fmt::format("fifo {}: nobody consumes it; call to_host, to_worker or a relay", f.name));
    SHORTHAND_TRY(endpoint(f, f.producer));
    int hosts = f.producer.site == Endpoint::Site::host;
    for (size_t i = 0; i < f.consumers.size(); ++i) {
      SHORTHAND_TRY(endpoint(f, f.consumers[i]));
      hosts += f.consumers[i].site == Endpoint::Site::host;
      if (f.consumers[i] == f.producer && hosts == 0) {
        return refuse(fmt::format("fifo {} goes from {} to itself; use a buffer", f.name, f.producer.index));
      }
      if (std::find(f.consumers.begin(), f.consumers.begin() + static_cast<int64_t>(i), f.consumers[i]) !=
          f.consumers.begin() + static_cast<int64_t>(i)) {
        return refuse(fmt::format("fifo {} names a consumer twice", f.name));
      }
    }
    if (hosts > 1) return refuse(fmt::format("fifo {} touches the host twice; use one FIFO a direction", f.name));
    return {};
  }

  Result<void> relay(int index) const {
    const Relay& r = d_.relays[at(index)];
    if (r.inputs.empty() || r.outputs.empty() || (r.inputs.size() > 1 && r.outputs.size() > 1)) {
      return refuse(fmt::format("{}: {} inputs and {} outputs; one of them must be one", r.name, r.inputs.size(),
                                r.outputs.size()));
    }
    for (int f : r.inputs) {
      if (!within(d_.fifos, f)) return refuse(fmt::format("{}: no FIFO {}", r.name, f));
      const Endpoint me{Endpoint::Site::relay, index};
      const Fifo& fifo = d_.fifos[at(f)];
      if (std::find(fifo.consumers.begin(), fifo.consumers.end(), me) == fifo.consumers.end()) {
        return refuse(fmt::format("{}: fifo {} does not end here", r.name, fifo.name));
      }
    }
    for (int f : r.outputs) {
      if (!within(d_.fifos, f)) return refuse(fmt::format("{}: no FIFO {}", r.name, f));
      if (!(d_.fifos[at(f)].producer == Endpoint{Endpoint::Site::relay, index})) {
        return refuse(fmt::format("{}: fifo {} does not begin here", r.name, d_.fifos[at(f)].name));
      }
    }
    const bool joins = r.inputs.size() > 1;
    const std::vector<int>& parts = joins ? r.inputs : r.outputs;
    const Fifo& whole = d_.fifos[at(joins ? r.outputs[0] : r.inputs[0])];
    if (r.offsets.size() != parts.size()) {
      return refuse(fmt::format("{}: {} parts and {} offsets; give one each", r.name, parts.size(), r.offsets.size()));
    }
    for (size_t p = 0; p < parts.size(); ++p) {
      const Fifo& part = d_.fifos[at(parts[p])];
      if (part.element_bytes != whole.element_bytes) {
        return refuse(fmt::format("{}: {} has elements of {} bytes, {} of {}; use one type", r.name, part.name,
                                  part.element_bytes, whole.name, whole.element_bytes));
      }
      const int64_t span = part_elements(d_, r, p);
      if ((p == 0 && r.offsets[0] != 0) || span < 1 || span % part.elements != 0) {
        return refuse(
            fmt::format("{}: {} has {} elements from {}, its objects {}; lengths produced and consumed must agree",
                        r.name, part.name, span, r.offsets[p], part.elements));
      }
    }
    return {};
  }

  Result<void> pattern(const Fifo& f, const Pattern& p, int64_t elements) const {
    for (const Dim& dim : p) {
      if (dim.size < 1 || dim.stride < 1) {
        return refuse(fmt::format("fifo {}: a dimension of size {} and stride {}; both are at least 1", f.name,
                                  dim.size, dim.stride));
      }
    }
    if (visits(p, elements) != elements || reach(p, elements) != elements) {
      return refuse(fmt::format("fifo {}: its layout visits {} elements up to number {} of an object of {}", f.name,
                                visits(p, elements), reach(p, elements), elements));
    }
    return {};
  }

  // A layout at a relay is that of one part, on either side.
  int64_t elements_of(const Fifo& f, const Endpoint& e) const {
    if (e.site != Endpoint::Site::relay) return f.elements;
    const Relay& r = d_.relays[at(e.index)];
    const std::vector<int>& parts = r.inputs.size() > 1 ? r.inputs : r.outputs;
    for (size_t p = 0; p < parts.size(); ++p) {
      if (&d_.fifos[at(parts[p])] == &f) return part_elements(d_, r, p);
    }
    return part_elements(d_, r, 0);
  }

  Result<void> patterns(int index) const {
    const Fifo& f = d_.fifos[at(index)];
    SHORTHAND_TRY(pattern(f, f.to_stream, f.to_stream.empty() ? f.elements : elements_of(f, f.producer)));
    for (const Endpoint& e : f.consumers) {
      SHORTHAND_TRY(pattern(f, f.from_stream, f.from_stream.empty() ? f.elements : elements_of(f, e)));
    }
    return {};
  }

  Result<void> buffer(const Buffer& b) const {
    if (!within(d_.workers, b.worker)) return refuse(fmt::format("buffer {} belongs to no worker", b.name));
    if (b.bytes < 1 || b.initial.size() > at(b.bytes)) {
      return refuse(fmt::format("buffer {}: {} bytes for {} of contents", b.name, b.bytes, b.initial.size()));
    }
    return {};
  }

  bool ends(int worker, int fifo) const {
    if (!within(d_.fifos, fifo)) return false;
    const Endpoint me{Endpoint::Site::worker, worker};
    const Fifo& f = d_.fifos[at(fifo)];
    return f.producer == me || std::find(f.consumers.begin(), f.consumers.end(), me) != f.consumers.end();
  }

  Result<void> call(int index, size_t i) const {
    const Worker& w = d_.workers[at(index)];
    const Step& s = w.steps[i];
    if (!within(d_.kernels, s.kernel))
      return refuse(fmt::format("worker {}, step {}: no kernel {}", w.name, i, s.kernel));
    const KernelType& k = d_.kernels[at(s.kernel)];
    if (k.stack_bytes + program_stack_bytes_ > w.stack_bytes) {
      return refuse(
          fmt::format("worker {}: {} needs {} bytes of stack and the program {}, it has {}; raise stack_bytes", w.name,
                      k.name, k.stack_bytes, program_stack_bytes_, w.stack_bytes));
    }
    if (s.operands.size() != at(k.run.buffers) || s.numbers.size() != at(k.run.numbers)) {
      return refuse(fmt::format("worker {}, step {}: {} is given {} buffers and {} numbers; it takes {} and {}", w.name,
                                i, k.name, s.operands.size(), s.numbers.size(), k.run.buffers, k.run.numbers));
    }
    for (const Operand& o : s.operands) {
      if (o.kind == Operand::Kind::buffer &&
          (!within(d_.buffers, o.index) || d_.buffers[at(o.index)].worker != index)) {
        return refuse(fmt::format("worker {}, step {}: {} is given a buffer that is not its own", w.name, i, k.name));
      }
      const int64_t all = o.kind == Operand::Kind::buffer ? d_.buffers[at(o.index)].bytes : 0;
      if (o.offset < 0 || o.bytes < 0 || o.offset % 32 != 0 || int64_t{o.offset} + o.bytes > all) {
        return refuse(
            fmt::format("worker {}, step {}: {} is given bytes {} to {} of a buffer of {}; a part begins on a multiple "
                        "of 32 within a buffer",
                        w.name, i, k.name, o.offset, int64_t{o.offset} + o.bytes, all));
      }
      if (o.kind == Operand::Kind::object &&
          (!ends(index, o.index) || o.slot < 0 || o.slot >= d_.fifos[at(o.index)].depth)) {
        return refuse(fmt::format("worker {}, step {}: {} is given an object that it cannot hold", w.name, i, k.name));
      }
    }
    return {};
  }

  Result<void> step(int index, size_t i, int loops) const {
    const Worker& w = d_.workers[at(index)];
    const Step& s = w.steps[i];
    if (s.op == Step::Op::acquire || s.op == Step::Op::release) {
      if (!ends(index, s.fifo))
        return refuse(
            fmt::format("worker {}, step {}: not an end of that FIFO; call to_worker or from_worker", w.name, i));
      const Fifo& f = d_.fifos[at(s.fifo)];
      if (s.count < 1 || s.count > f.depth) {
        return refuse(
            fmt::format("worker {}, step {}: {} objects of {}, which holds {}: it would wait for ever; raise the depth",
                        w.name, i, s.count, f.name, f.depth));
      }
    }
    if (s.op == Step::Op::call) SHORTHAND_TRY(call(index, i));
    auto number = [&](const Number& n) -> Result<void> {
      if (n.kind == Number::Kind::parameter && !within(w.parameters, n.value)) {
        return refuse(
            fmt::format("worker {}, step {}: no parameter {}; it has {}", w.name, i, n.value, w.parameters.size()));
      }
      if (n.kind == Number::Kind::counter && (n.value < 0 || n.value >= loops)) {
        return refuse(fmt::format("worker {}, step {}: the trip of a loop that it is not in", w.name, i));
      }
      return {};
    };
    for (const Number& n : s.numbers) SHORTHAND_TRY(number(n));
    if (s.op == Step::Op::loop) SHORTHAND_TRY(number(s.trips));
    return {};
  }

  // What a program has on the stack between its calls: the return's, and what it may not keep in registers, which are
  // parameters since the barrier, positions of FIFOs, and counters and bounds of loops within each other.
  static int program_stack_bytes(const Worker& w) {
    constexpr int kSaved = 64, kWord = 4;
    std::set<int32_t> parameters, fifos;
    int depth = 0, deepest = 0;
    auto use = [&](const Number& n) {
      if (n.kind == Number::Kind::parameter) parameters.insert(n.value);
    };
    for (const Step& s : w.steps) {
      if (s.op == Step::Op::loop) use(s.trips);
      for (const Number& n : s.numbers) use(n);
      if (s.op == Step::Op::release) fifos.insert(s.fifo);
      depth += s.op == Step::Op::loop ? 1 : s.op == Step::Op::end ? -1 : 0;
      deepest = std::max(deepest, depth);
    }
    return kSaved + kWord * static_cast<int>(parameters.size() + fifos.size() + 2 * static_cast<size_t>(deepest));
  }

  Result<void> worker(int index) {
    const Worker& w = d_.workers[at(index)];
    program_stack_bytes_ = program_stack_bytes(w);
    if (w.stack_bytes < 1 || w.stack_bytes % 32 != 0) {
      return refuse(fmt::format("worker {}: a stack of {} bytes; use a multiple of 32", w.name, w.stack_bytes));
    }
    std::vector<size_t> open;
    bool waits = false;
    for (size_t i = 0; i < w.steps.size(); ++i) {
      const Step& s = w.steps[i];
      waits |= s.op == Step::Op::acquire || s.op == Step::Op::barrier;
      SHORTHAND_TRY(step(index, i, static_cast<int>(open.size())));
      if (s.op == Step::Op::loop) open.push_back(i);
      if (s.op != Step::Op::end) continue;
      if (open.empty() || w.steps[open.back()].match != static_cast<int>(i) ||
          s.match != static_cast<int>(open.back())) {
        return refuse(fmt::format("worker {}, step {}: ends no loop; use the builder's finish()", w.name, i));
      }
      open.pop_back();
    }
    if (!open.empty()) return refuse(fmt::format("worker {}: the loop at step {} has no end", w.name, open.back()));
    if (!waits)
      return refuse(
          fmt::format("worker {} never waits for anything; let it acquire an object or pass a barrier", w.name));
    return {};
  }

  Result<void> action(int index) const {
    const Action& a = d_.sequence[at(index)];
    switch (a.op) {
      case Action::Op::write:
        if (!within(d_.workers, a.worker) || !within(d_.workers[at(a.worker)].parameters, a.index)) {
          return refuse(fmt::format("action {} writes a parameter that no worker has", index));
        }
        break;
      case Action::Op::signal: {
        if (!within(d_.workers, a.worker)) return refuse(fmt::format("action {} signals no worker", index));
        const Worker& w = d_.workers[at(a.worker)];
        if (std::none_of(w.steps.begin(), w.steps.end(), [](const Step& s) { return s.op == Step::Op::barrier; })) {
          return refuse(fmt::format("action {} signals worker {}, which has no barrier", index, w.name));
        }
        break;
      }
      case Action::Op::await:
        if (a.task < 0 || a.task >= index || d_.sequence[at(a.task)].op != Action::Op::start) {
          return refuse(fmt::format("action {} awaits a task that has not been started", index));
        }
        break;
      case Action::Op::start: return start(index);
    }
    return {};
  }

  Result<void> start(int index) const {
    const Action& a = d_.sequence[at(index)];
    if (!within(d_.fifos, a.fifo) || !within(d_.host, a.host))
      return refuse(fmt::format("action {}: no such FIFO or host buffer", index));
    const Fifo& f = d_.fifos[at(a.fifo)];
    bool host = f.producer.site == Endpoint::Site::host;
    for (const Endpoint& e : f.consumers) host |= e.site == Endpoint::Site::host;
    if (!host) return refuse(fmt::format("action {}: fifo {} does not touch the host", index, f.name));
    if (a.pattern.empty() || a.pattern.size() > 4) {
      return refuse(
          fmt::format("action {}: {} dimensions for fifo {}; a task has 1 to 4", index, a.pattern.size(), f.name));
    }
    for (size_t i = 0; i < a.pattern.size(); ++i) {
      const Dim& dim = a.pattern[i];
      if (dim.size < 1 || dim.size > (int64_t{1} << 32) || dim.stride < (i == 0 ? 0 : 1) ||
          dim.stride > (int64_t{1} << 40)) {
        return refuse(fmt::format("action {}: a dimension of size {} and stride {} for fifo {}", index, dim.size,
                                  dim.stride, f.name));
      }
    }
    const int64_t end = (a.offset + reach(a.pattern, 0)) * f.element_bytes;
    if (a.offset < 0 || end > d_.host[at(a.host)].bytes) {
      return refuse(fmt::format("action {}: reaches byte {} of {}, which has {}", index, end, d_.host[at(a.host)].name,
                                d_.host[at(a.host)].bytes));
    }
    return {};
  }

  const Design& d_;
  int program_stack_bytes_ = 0;  // of the worker that is looked at
};

}  // namespace

Result<void> check_structure(const Design& design) { return Structure(design).run(); }

}  // namespace shorthand::npu
