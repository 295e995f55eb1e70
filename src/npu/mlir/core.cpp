// SPDX-License-Identifier: Apache-2.0
// The program of one core. Every FIFO of more than one object has a position, the index of the oldest object in hand:
// an SSA value that a release moves on and that every loop around a release carries.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "npu/mlir/text.h"

namespace shorthand::npu::mlir {
namespace {

size_t at(int index) { return static_cast<size_t>(index); }

class CoreText {
 public:
  CoreText(const Design& design, const Placement& placement, const Names& names, int worker, Functions& functions)
      : d_(design), p_(placement), n_(names), w_(worker), worker_(design.workers[at(worker)]), functions_(functions) {
    for (size_t i = 0; i < p_.ports.size(); ++i) {
      if (p_.ports[i].worker == w_) port_of_[p_.ports[i].fifo] = i;
    }
  }

  Result<std::string> write() {
    constexpr const char* kForEver = "9223372036854775807";
    SHORTHAND_TRY(loop(0, worker_.steps.size(), "%for_ever", index(kForEver), "%pass"));
    const std::string tile = tile_name(p_.workers[at(w_)]);
    std::string out = fmt::format("    %core_{} = aie.core(%{}) {{\n", n_.workers[at(w_)], tile);
    for (const auto& [value, name] : indices_)
      out += fmt::format("      {} = arith.constant {} : index\n", name, value);
    for (const auto& [value, name] : words_) out += fmt::format("      {} = arith.constant {} : i32\n", name, value);
    return out + body_ + fmt::format("      aie.end\n    }} {{stack_size = {} : i32}}\n", worker_.stack_bytes);
  }

 private:
  struct Hand {
    std::string position;  // an SSA value
    int held = 0;
  };

  Error refuse(const std::string& fact) const { return unsupported(fmt::format("{}: {}", d_.name, fact)); }
  std::string index(const std::string& value) { return indices_.try_emplace(value, "%i" + value).first->second; }
  std::string index(int64_t value) { return index(std::to_string(value)); }
  std::string word(int32_t value) {
    const std::string text = std::to_string(value);
    return words_.try_emplace(text, value < 0 ? "%wm" + text.substr(1) : "%w" + text).first->second;
  }
  std::string fresh() { return fmt::format("%v{}", values_++); }
  std::string pad() const { return std::string(2 * depth_, ' '); }
  void line(std::string_view text) { body_ += pad() + std::string(text) + "\n"; }
  int objects(int fifo) const { return static_cast<int>(p_.ports[port_of_.at(fifo)].regions.size()); }

  Hand& hand(int fifo) {
    const auto [it, is_new] = hands_.try_emplace(fifo);
    if (is_new) it->second.position = index(0);
    return it->second;
  }

  // FIFOs with a position that steps [first, end) move.
  std::vector<int> moved(size_t first, size_t end) const {
    std::vector<int> out;
    for (size_t i = first; i < end; ++i) {
      const Step& s = worker_.steps[i];
      if (s.op == Step::Op::release && objects(s.fifo) > 1) out.push_back(s.fifo);
    }
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
  }

  // scf.for over the steps [first, end).
  Result<void> loop(size_t first, size_t end, const std::string& results, const std::string& trips,
                    const std::string& counter) {
    const std::vector<int> carried = moved(first, end);
    std::string head, types;
    std::map<int, int> held;
    for (const Step& s : worker_.steps) {
      if (s.op == Step::Op::acquire || s.op == Step::Op::release) held[s.fifo] = hand(s.fifo).held;
    }
    for (int f : carried) {
      const std::string inner = fresh();
      head += fmt::format("{}{} = {}", head.empty() ? " iter_args(" : ", ", inner, hand(f).position);
      types += types.empty() ? "index" : ", index";
      hand(f).position = inner;
    }
    if (!carried.empty()) head += fmt::format(") -> ({})", types);
    const std::string name = carried.empty() ? "" : fmt::format("{}:{} = ", results, carried.size());
    line(fmt::format("{}scf.for {} = {} to {} step {}{} {{", name, counter, index(0), trips, index(1), head));
    ++depth_;
    counters_.push_back(counter);
    const std::map<int32_t, std::string> taken = taken_;
    SHORTHAND_TRY(steps(first, end));
    taken_ = taken;
    counters_.pop_back();
    for (const auto& [f, before] : held) {
      if (hand(f).held != before) {
        return refuse(
            fmt::format("worker {}: a pass of a loop leaves {} objects of {} in hand, it began with {}; "
                        "release as many as are acquired",
                        worker_.name, hand(f).held, d_.fifos[at(f)].name, before));
      }
    }
    std::string yields;
    for (size_t i = 0; i < carried.size(); ++i) {
      yields += (i == 0 ? "" : ", ") + hand(carried[i]).position;
      hand(carried[i]).position = fmt::format("{}#{}", results, i);
    }
    if (!carried.empty()) line(fmt::format("scf.yield {} : {}", yields, types));
    --depth_;
    line("}");
    return {};
  }

  Result<void> steps(size_t first, size_t end) {
    for (size_t i = first; i < end; ++i) {
      const Step& s = worker_.steps[i];
      switch (s.op) {
        case Step::Op::acquire: acquire(s); break;
        case Step::Op::release: SHORTHAND_TRY(release(s)); break;
        case Step::Op::call: SHORTHAND_TRY(call(s)); break;
        case Step::Op::loop: {
          const std::string trips = as_index(s.trips);
          const int id = loops_++;
          SHORTHAND_TRY(loop(i + 1, at(s.match), fmt::format("%after{}", id), trips, fmt::format("%trip{}", id)));
          i = at(s.match);
          break;
        }
        case Step::Op::end: break;
        case Step::Op::barrier:
          use_lock(p_.barriers[at(w_)], "AcquireGreaterEqual", 1);
          take_parameters();
          break;
      }
    }
    return {};
  }

  void use_lock(int lock, const char* action, int count) {
    line(fmt::format("aie.use_lock(%{}, {}, {})", n_.locks[at(lock)], action, count));
  }

  void acquire(const Step& s) {
    Hand& h = hand(s.fifo);
    const int missing = s.count - h.held;
    if (missing <= 0) return;
    use_lock(p_.ports[port_of_.at(s.fifo)].take, "AcquireGreaterEqual", missing);
    h.held = s.count;
  }

  Result<void> release(const Step& s) {
    Hand& h = hand(s.fifo);
    const int objects_in = objects(s.fifo);
    if (s.count > h.held) {
      return refuse(fmt::format("worker {}: releases an object of {} that it does not hold; acquire it first",
                                worker_.name, d_.fifos[at(s.fifo)].name));
    }
    h.held -= s.count;
    use_lock(p_.ports[port_of_.at(s.fifo)].give, "Release", s.count);
    const int step = s.count % objects_in;
    if (step == 0) return {};
    const std::string sum = fresh(), past = fresh(), back = fresh(), next = fresh();
    line(fmt::format("{} = arith.addi {}, {} : index", sum, h.position, index(step)));
    line(fmt::format("{} = arith.cmpi sge, {}, {} : index", past, sum, index(objects_in)));
    line(fmt::format("{} = arith.subi {}, {} : index", back, sum, index(objects_in)));
    line(fmt::format("{} = arith.select {}, {}, {} : index", next, past, back, sum));
    h.position = next;
    return {};
  }

  // All that the program uses, so that the sequence may write the next ones while these are in use.
  void take_parameters() {
    std::set<int32_t> used;
    auto use = [&](const Number& n) {
      if (n.kind == Number::Kind::parameter) used.insert(n.value);
    };
    for (const Step& s : worker_.steps) {
      if (s.op == Step::Op::loop) use(s.trips);
      for (const Number& n : s.numbers) use(n);
    }
    taken_.clear();
    for (int32_t parameter : used) taken_[parameter] = loaded(parameter);
  }
  std::string loaded(int32_t parameter) {
    if (const auto it = taken_.find(parameter); it != taken_.end()) return it->second;
    const int region = p_.parameters[at(w_)];
    const std::string value = fresh();
    line(fmt::format("{} = memref.load %{}[{}] : {}", value, n_.regions[at(region)], index(parameter),
                     memref(static_cast<int64_t>(worker_.parameters.size()), 4)));
    return value;
  }
  const std::string& counter(int32_t loops_out) const { return counters_[counters_.size() - 1 - at(loops_out)]; }

  std::string as_index(const Number& n) {
    if (n.kind == Number::Kind::literal) return index(n.any ? n.value != 0 : n.value);
    if (n.kind == Number::Kind::counter && !n.any) return counter(n.value);
    if (n.kind == Number::Kind::counter) {
      const std::string value = fresh();
      line(fmt::format("{} = arith.minui {}, {} : index", value, counter(n.value), index(1)));
      return value;
    }
    const std::string word = as_word(n), value = fresh();
    line(fmt::format("{} = arith.index_cast {} : i32 to index", value, word));
    return value;
  }
  std::string as_word(const Number& n) {
    if (n.kind == Number::Kind::literal) return word(n.any ? n.value != 0 : n.value);
    if (n.kind == Number::Kind::counter) {
      const std::string value = as_index(n), narrow = fresh();
      line(fmt::format("{} = arith.index_cast {} : index to i32", narrow, value));
      return narrow;
    }
    if (!n.any) return loaded(n.value);
    const std::string word_in = loaded(n.value), value = fresh();
    line(fmt::format("{} = arith.minui {}, {} : i32", value, word_in, word(1)));
    return value;
  }

  // The object that is `slot` behind the oldest in hand.
  std::string object(int fifo, int slot) {
    const std::vector<int>& regions = p_.ports[port_of_.at(fifo)].regions;
    auto region = [&](size_t i) { return "%" + n_.regions[at(regions[i % regions.size()])]; };
    if (regions.size() == 1) return region(0);
    const Fifo& f = d_.fifos[at(fifo)];
    const std::string type = memref(f.elements, f.element_bytes), value = fresh();
    line(fmt::format("{} = scf.index_switch {} -> {}", value, hand(fifo).position, type));
    for (size_t i = 0; i < regions.size(); ++i) {
      const std::string label = i + 1 == regions.size() ? "default" : fmt::format("case {}", i);
      line(fmt::format("{} {{", label));
      line(fmt::format("  scf.yield {} : {}", region(i + at(slot)), type));
      line("}");
    }
    return value;
  }

  // An operand with the type of the kernel's parameter.
  Result<std::string> operand(const Step& s, size_t i) {
    const Operand& o = s.operands[i];
    const Functions::Argument want = functions_.arguments(s.kernel)[i];
    Functions::Argument have;
    std::string value;
    if (o.kind == Operand::Kind::object) {
      const Fifo& f = d_.fifos[at(o.index)];
      have = {f.elements, f.element_bytes};
      value = object(o.index, o.slot);
    } else {
      have = {d_.buffers[at(o.index)].bytes, 1};
      value = "%" + n_.regions[at(p_.buffers[at(o.index)])];
    }
    if (o.offset == 0 && have.elements == want.elements && have.element_bytes == want.element_bytes) return value;
    if (have.element_bytes != 1) {
      return refuse(fmt::format("worker {}: {} is called on {} and elsewhere on {}; give its objects one type",
                                worker_.name, d_.kernels[at(s.kernel)].name, memref(have.elements, have.element_bytes),
                                memref(want.elements, want.element_bytes)));
    }
    const std::string view = fresh();
    line(fmt::format("{} = memref.view {}[{}][] : {} to {}", view, value, index(o.offset), memref(have.elements, 1),
                     memref(want.elements, want.element_bytes)));
    return view;
  }

  Result<void> call(const Step& s) {
    if (s.operands.size() != functions_.arguments(s.kernel).size())
      return refuse(fmt::format("{} is called with different numbers of buffers", d_.kernels[at(s.kernel)].name));
    std::string arguments;
    for (size_t i = 0; i < s.operands.size(); ++i) {
      const std::string value = SHORTHAND_TRY(operand(s, i));
      arguments += (arguments.empty() ? "" : ", ") + value;
    }
    for (const Number& n : s.numbers) {
      const std::string value = as_word(n);
      arguments += (arguments.empty() ? "" : ", ") + value;
    }
    line(fmt::format("func.call @{}({}) : {} -> ()", d_.kernels[at(s.kernel)].name, arguments,
                     functions_.signature(s.kernel)));
    return {};
  }

  const Design& d_;
  const Placement& p_;
  const Names& n_;
  const int w_;
  const Worker& worker_;
  Functions& functions_;
  std::map<int, size_t> port_of_;         // by FIFO
  std::map<int, Hand> hands_;             // by FIFO
  std::map<int32_t, std::string> taken_;  // parameters since the barrier
  std::map<std::string, std::string> indices_, words_;
  std::vector<std::string> counters_;
  std::string body_;
  size_t depth_ = 3;
  int values_ = 0, loops_ = 0;
};

}  // namespace

Result<std::string> core_text(const Design& design, const Placement& placement, const Names& names, int worker,
                              Functions& functions) {
  return CoreText(design, placement, names, worker, functions).write();
}

}  // namespace shorthand::npu::mlir
