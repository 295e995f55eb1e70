// SPDX-License-Identifier: Apache-2.0
// The text of a core, read and run by MLIR itself, calls what the simulated core calls: the same kernels on the same
// buffers with the same numbers, and takes and gives the locks that its steps ask for.
//
// mlir-opt knows no dialect of the array. So a core's body becomes a function: buffers are allocated, locks and calls
// write what they were given to standard output, and a pass of the core's endless loop takes its parameters from a
// table of those that the sequence writes.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>

#include "npu/check.h"
#include "npu/designs/encoder.h"
#include "npu/designs/registry.h"
#include "npu/mlir/emit.h"
#include "npu/mlir/text.h"
#include "npu/sim/simulate.h"
#include "support/process.h"

namespace shorthand::npu {
namespace {

using Event = std::vector<int64_t>;  // a kernel, its buffers and numbers; or a lock, -1 to acquire or 1, how many
size_t at(int64_t index) { return static_cast<size_t>(index); }

struct Log {
  std::vector<Event> calls, locks;
  std::vector<std::vector<std::string>> buffers;  // of each call: a buffer's name and an offset
};

// Buffers and locks by the order in which they appear.
class Names {
 public:
  int64_t of(int64_t key) { return ids_.try_emplace(key, static_cast<int64_t>(ids_.size())).first->second; }

 private:
  std::map<int64_t, int64_t> ids_;
};

// ---- What the simulator calls.

Log* g_log;
Names* g_buffers;

template <size_t kernel>
void note(const KernelCall& call) {
  Event e{static_cast<int64_t>(kernel)};
  for (const std::byte* b : call.buffers) e.push_back(g_buffers->of(reinterpret_cast<int64_t>(b)));
  e.insert(e.end(), call.numbers.begin(), call.numbers.end());
  g_log->calls.push_back(e);
}
template <size_t... kernel>
constexpr auto notes(std::index_sequence<kernel...>) {
  return std::array<void (*)(const KernelCall&), sizeof...(kernel)>{note<kernel>...};
}

std::vector<Event> simulated_calls(Design design, const Device& device, int worker) {
  static constexpr auto kNotes = notes(std::make_index_sequence<40>());
  const size_t kernels = design.kernels.size();
  EXPECT_LE(kernels, kNotes.size());
  for (size_t k = 0; k < kernels; ++k) {
    design.kernels[k].run.function = [](const KernelCall&) {};
    design.kernels.push_back(design.kernels[k]);
    design.kernels.back().run.function = kNotes[k];
  }
  for (Step& s : design.workers[at(worker)].steps) s.kernel += s.op == Step::Op::call ? static_cast<int>(kernels) : 0;
  std::vector<std::vector<std::byte>> host;
  for (const HostBuffer& h : design.host) host.emplace_back(at(h.bytes));
  std::vector<std::span<std::byte>> spans(host.begin(), host.end());
  Log log;
  Names buffers;
  g_log = &log, g_buffers = &buffers;
  const Result<SimReport> report = simulate(design, device, {}, spans);
  EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().message);
  return log.calls;
}

// ---- What the steps ask of the locks, and on which buffers they call.

class Walk {
 public:
  Walk(const Design& design, const Placement& placement, const mlir::Names& names, int worker)
      : placement_(placement),
        names_(names),
        steps_(design.workers[at(worker)].steps),
        barrier_(placement.barriers[at(worker)]) {
    for (const Port& p : placement.ports) {
      if (p.worker == worker) ports_[p.fifo] = &p;
    }
  }
  void pass(const std::vector<int32_t>& parameters) {
    parameters_ = &parameters;
    walk(0, steps_.size());
  }
  const std::vector<Event>& locks() const { return locks_; }
  const std::vector<std::vector<std::string>>& buffers() const { return buffers_; }

 private:
  std::string name_of(const Operand& o) {
    if (o.kind == Operand::Kind::buffer)
      return fmt::format("{} + {}", names_.regions[at(placement_.buffers[at(o.index)])], o.offset);
    const std::vector<int>& regions = ports_.at(o.index)->regions;
    return fmt::format("{} + 0", names_.regions[at(regions[at(released_[o.index] + o.slot) % regions.size()])]);
  }
  int32_t number(const Number& n) const {
    const int32_t v = n.kind == Number::Kind::literal     ? n.value
                      : n.kind == Number::Kind::parameter ? (*parameters_)[at(n.value)]
                                                          : trips_[trips_.size() - 1 - at(n.value)];
    return n.any ? v != 0 : v;
  }
  void walk(size_t first, size_t end) {
    for (size_t i = first; i < end; ++i) {
      const Step& s = steps_[i];
      if (s.op == Step::Op::barrier) locks_.push_back({barrier_, -1, 1});
      if (s.op == Step::Op::acquire && s.count > held_[s.fifo]) {
        locks_.push_back({ports_.at(s.fifo)->take, -1, s.count - held_[s.fifo]});
        held_[s.fifo] = s.count;
      }
      if (s.op == Step::Op::release) {
        locks_.push_back({ports_.at(s.fifo)->give, 1, s.count});
        held_[s.fifo] -= s.count;
        released_[s.fifo] += s.count;
      }
      if (s.op == Step::Op::call) {
        buffers_.emplace_back();
        for (const Operand& o : s.operands) buffers_.back().push_back(name_of(o));
      }
      if (s.op != Step::Op::loop) continue;
      trips_.push_back(0);
      for (const int32_t n = number_outside(s.trips); trips_.back() < n; ++trips_.back()) walk(i + 1, at(s.match));
      trips_.pop_back();
      i = at(s.match);
    }
  }
  // Of the loop's own trips, which its counter is not in yet.
  int32_t number_outside(Number n) const {
    if (n.kind == Number::Kind::counter) ++n.value;
    return number(n);
  }

  const Placement& placement_;
  const mlir::Names& names_;
  const std::vector<Step>& steps_;
  const int barrier_;
  std::map<int, const Port*> ports_;
  std::map<int, int> held_, released_;
  std::vector<int32_t> trips_;
  const std::vector<int32_t>* parameters_ = nullptr;
  std::vector<Event> locks_;
  std::vector<std::vector<std::string>> buffers_;
};

bool has_barrier(const Design& design, int worker) {
  return std::any_of(design.sequence.begin(), design.sequence.end(),
                     [&](const Action& a) { return a.op == Action::Op::signal && a.worker == worker; });
}

// The parameters of every pass.
std::vector<std::vector<int32_t>> passes(const Design& design, int worker) {
  std::vector<int32_t> now = design.workers[at(worker)].parameters;
  std::vector<std::vector<int32_t>> out;
  for (const Action& a : design.sequence) {
    if (a.worker != worker) continue;
    if (a.op == Action::Op::write) now[at(a.index)] = a.value;
    if (a.op == Action::Op::signal) out.push_back(now);
  }
  if (out.empty()) out.assign(3, now);
  return out;
}

// ---- A core's text as a function that MLIR runs.

class Function {
 public:
  Function(const std::string& text, const std::string& worker, const std::vector<std::vector<int32_t>>& table)
      : text_(text), table_(table) {
    const size_t begin = text.find(fmt::format("%core_{} = aie.core(", worker));
    EXPECT_NE(begin, std::string::npos) << worker;
    std::istringstream lines(text.substr(begin, text.find("aie.end", begin) - begin));
    std::string line;
    std::getline(lines, line);
    while (std::getline(lines, line)) body_.push_back(line);
  }

  std::string write() {
    for (size_t i = 0; i < body_.size(); ++i) i = add(i);
    std::string head =
        "module {\n  func.func private @write(i32, index, index) -> index\n"
        "  memref.global @cell : memref<1xi64> = dense<0>\n"
        "  func.func @note(%x: i64) {\n    %zero = arith.constant 0 : index\n"
        "    %eight = arith.constant 8 : index\n    %out = arith.constant 1 : i32\n"
        "    %cell = memref.get_global @cell : memref<1xi64>\n"
        "    memref.store %x, %cell[%zero] : memref<1xi64>\n"
        "    %p = memref.extract_aligned_pointer_as_index %cell : memref<1xi64> -> index\n"
        "    %n = func.call @write(%out, %p, %eight) : (i32, index, index) -> index\n    return\n  }\n";
    const size_t width = std::max<size_t>(1, table_[0].size());
    std::vector<std::string> rows;
    for (const std::vector<int32_t>& p : table_) {
      rows.push_back(fmt::format("[{}]", p.empty() ? "0" : fmt::format("{}", fmt::join(p, ", "))));
    }
    head += fmt::format("  memref.global \"private\" constant @table : memref<{}x{}xi32> = dense<[{}]>\n", rows.size(),
                        width, fmt::join(rows, ", "));
    head += fmt::format("  func.func @main() {{\n    %table = memref.get_global @table : memref<{}x{}xi32>\n",
                        rows.size(), width);
    const std::regex buffer(R"((%\w+) = aie\.buffer\([^{]*\{[^}]*\} : (memref<[^>]*>))");
    for (std::sregex_iterator b(text_.begin(), text_.end(), buffer), end; b != end; ++b) {
      const std::string name = (*b)[1], type = (*b)[2];
      if (out_.find(name) == std::string::npos) continue;
      head += fmt::format("    {} = memref.alloc() : {}\n", name, type);
      std::swap(head, out_);
      note_constant(-3);
      note_constant(id(buffers_, name.substr(1)));
      note_address(name, type);
      std::swap(head, out_);
    }
    return head + out_ + "    return\n  }\n}\n";
  }

  const std::vector<std::string>& kernels() const { return kernels_; }
  const std::string& buffer(int64_t i) const { return buffers_[at(i)]; }
  int64_t pointers(const std::string& kernel) const { return pointers_.at(kernel); }

 private:
  std::string fresh() { return fmt::format("%t{}", values_++); }
  void line(const std::string& text) { out_ += "    " + text + "\n"; }
  void note_word(const std::string& i64) { line(fmt::format("func.call @note({}) : (i64) -> ()", i64)); }
  void note_constant(int64_t value) {
    const std::string v = fresh();
    line(fmt::format("{} = arith.constant {} : i64", v, value));
    note_word(v);
  }
  static int64_t id(std::vector<std::string>& names, const std::string& name) {
    const auto found = std::find(names.begin(), names.end(), name);
    const int64_t index = found - names.begin();
    if (found == names.end()) names.push_back(name);
    return index;
  }

  // Writes what line i becomes; returns the last line that it is made of.
  size_t add(size_t i) {
    const std::string& l = body_[i];
    std::smatch m;
    if (std::regex_search(l, m, std::regex(R"(arith\.constant 9223372036854775807 : index)"))) {
      line(std::string(m.prefix()) + fmt::format("arith.constant {} : index", table_.size()));
    } else if (std::regex_search(l, m, std::regex(R"(aie\.use_lock\((%\w+), (\w+), (\d+)\))"))) {
      for (int64_t v : {int64_t{-1}, id(locks_, m[1]), int64_t{m[2] == "Release" ? 1 : -1}, int64_t{std::stol(m[3])}})
        note_constant(v);
    } else if (std::regex_search(l, m, std::regex(R"((%\w+) = memref\.load %\w+\[(%\w+)\] : memref<\d+xi32>)"))) {
      line(fmt::format("{} = memref.load %table[%pass, {}] : memref<{}x{}xi32>", m[1].str(), m[2].str(), table_.size(),
                       table_[0].size()));
    } else if (std::regex_search(l, m, std::regex(R"(func\.call @(\w+)\(([^)]*)\) : \(([^)]*)\))"))) {
      call(m[1], m[2], m[3]);
    } else if (std::regex_search(l, m, std::regex(R"((%\w+) = scf\.index_switch (%[\w#]+) -> (memref<[^>]*>))"))) {
      return choose(i, m[1], m[2], m[3]);
    } else {
      line(l);
    }
    return i;
  }

  static std::vector<std::string> parts(const std::string& list) {
    std::vector<std::string> out;
    for (size_t from = 0; from < list.size();) {
      const size_t comma = std::min(list.find(", ", from), list.size());
      out.push_back(list.substr(from, comma - from));
      from = comma + 2;
    }
    return out;
  }
  void call(const std::string& kernel, const std::string& values, const std::string& types) {
    const std::vector<std::string> value = parts(values), type = parts(types);
    note_constant(-2);
    note_constant(id(kernels_, kernel));
    note_constant(static_cast<int64_t>(value.size()));
    pointers_[kernel] = std::count_if(type.begin(), type.end(), [](const std::string& t) { return t != "i32"; });
    for (size_t k = 0; k < value.size(); ++k) {
      if (type[k] != "i32") {
        note_address(value[k], type[k]);
        continue;
      }
      const std::string word = fresh();
      line(fmt::format("{} = arith.extsi {} : i32 to i64", word, value[k]));
      note_word(word);
    }
  }
  void note_address(const std::string& value, const std::string& type) {
    const std::string address = fresh(), word = fresh();
    line(fmt::format("{} = memref.extract_aligned_pointer_as_index {} : {} -> index", address, value, type));
    line(fmt::format("{} = arith.index_cast {} : index to i64", word, address));
    note_word(word);
  }

  // LLVM 16 reads scf.index_switch and does not lower it: conditions instead.
  size_t choose(size_t i, const std::string& result, const std::string& position, const std::string& type) {
    std::map<std::string, std::string> cases;  // by label; that of the default is empty
    for (std::string label = "?"; !label.empty();) {
      std::smatch m;
      ++i;
      if (std::regex_search(body_[i], m, std::regex(R"((?:case (\d+)|default) \{)"))) label = m[1];
      if (std::regex_search(body_[i + 1], m, std::regex(R"(scf\.yield (%\w+))"))) cases[label] = m[1];
    }
    std::string value = cases.at("");
    for (auto c = cases.rbegin(); c->first != ""; ++c) {
      const std::string number = fresh(), is = fresh(), chosen = std::next(c)->first.empty() ? result : fresh();
      line(fmt::format("{} = arith.constant {} : index", number, c->first));
      line(fmt::format("{} = arith.cmpi eq, {}, {} : index", is, position, number));
      line(fmt::format("{} = scf.if {} -> ({}) {{\n scf.yield {} : {}\n }} else {{\n scf.yield {} : {}\n }}", chosen,
                       is, type, c->second, type, value, type));
      value = chosen;
    }
    return i + 2;  // the yield and the end of the default
  }

  const std::string& text_;
  const std::vector<std::vector<int32_t>>& table_;
  std::vector<std::string> body_, kernels_, locks_, buffers_;
  std::map<std::string, int64_t> pointers_;  // by kernel
  std::string out_;
  int values_ = 0;
};

Log ran_by_mlir(const Function& function, const std::string& text, const Design& design) {
  const shorthand::testing::TemporaryFolder folder;
  const std::string path = (folder / "core").string();
  std::ofstream(path + ".mlir") << text;
  const std::string lower =
      "-convert-scf-to-cf -convert-memref-to-llvm -convert-arith-to-llvm -convert-func-to-llvm "
      "-reconcile-unrealized-casts";
  const std::string command = fmt::format(
      "mlir-opt-16 {} {}.mlir -o {}.ll.mlir && mlir-cpu-runner-16 -e main "
      "-entry-point-result=void {}.ll.mlir > {}.log",
      lower, path, path, path, path);
  EXPECT_EQ(std::system(command.c_str()), 0);
  std::ifstream in(path + ".log", std::ios::binary);
  auto word = [&] {
    int64_t v = 0;
    in.read(reinterpret_cast<char*>(&v), sizeof v);
    return v;
  };
  Log log;
  Names buffers;
  std::map<int64_t, std::string> at_address;
  for (int64_t kind = word(); in; kind = word()) {
    if (kind == -3) {
      const int64_t buffer = word();
      at_address[word()] = function.buffer(buffer);
      continue;
    }
    if (kind == -1) {
      const int64_t lock = word(), sign = word(), n = word();
      log.locks.push_back({lock, sign, n});
      continue;
    }
    const std::string& name = function.kernels()[at(word())];
    const auto kernel =
        std::find_if(design.kernels.begin(), design.kernels.end(), [&](const KernelType& k) { return k.name == name; });
    Event e{kernel - design.kernels.begin()};
    const int64_t n = word();
    log.buffers.emplace_back();
    for (int64_t i = 0; i < n; ++i) {
      const int64_t v = word();
      const bool pointer = i < function.pointers(name);
      e.push_back(pointer ? buffers.of(v) : v);
      if (!pointer) continue;
      const auto buffer = std::prev(at_address.upper_bound(v));
      log.buffers.back().push_back(fmt::format("{} + {}", buffer->second, v - buffer->first));
    }
    log.calls.push_back(e);
  }
  return log;
}

struct Core {
  const char *design, *device;
  EncoderShape shape;
  int worker;
};

void PrintTo(const Core& c, std::ostream* out) {
  *out << c.design << " of width " << c.shape.d << " on " << c.device << ", core " << c.worker;
}

class CoreTest : public ::testing::TestWithParam<Core> {};

TEST_P(CoreTest, RunsAsItIsSimulated) {
  if (std::system("command -v mlir-opt-16 mlir-cpu-runner-16 >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "mlir-16-tools is not installed; MLIR has not run the text";
  const auto& [name, device_name, shape, worker] = GetParam();
  const Device device = *find_device(device_name);
  DesignRequest request;
  request.m = request.n = 1024, request.k = 256;
  const Design design = std::string_view(name) == "encoder" ? *encoder_design(device, shape, {})
                                                            : find_design(name)->build(device, request)->design;
  const Placement placement = *check(design, device);
  const std::string text = *emit_mlir(design, device, placement);
  const std::vector<std::vector<int32_t>> table = passes(design, worker);
  Function function(text, design.workers[at(worker)].name, table);
  const std::string main = function.write();
  Log ran = ran_by_mlir(function, main, design);
  std::vector<Event> calls = simulated_calls(design, device, worker);
  if (!has_barrier(design, worker)) {  // it goes on for ever
    const size_t both = std::min(calls.size(), ran.calls.size());
    calls.resize(both), ran.calls.resize(both);
  }
  ASSERT_GT(calls.size(), 10u);
  EXPECT_EQ(ran.calls, calls);
  const mlir::Names names = mlir::name_everything(design, placement);
  Walk walk(design, placement, names, worker);
  for (const std::vector<int32_t>& p : table) walk.pass(p);
  EXPECT_EQ(ran.buffers, walk.buffers());
  Names locks;
  std::vector<Event> want = walk.locks();
  for (Event& e : want) e[0] = locks.of(e[0]);
  std::vector<Event> got = ran.locks;
  Names shown;
  for (Event& e : got) e[0] = shown.of(e[0]);
  EXPECT_EQ(got, want);
}

INSTANTIATE_TEST_SUITE_P(
    Cores, CoreTest,
    ::testing::Values(Core{"encoder", "npu1_2col", {.n_mels = 80, .n_ctx = 300, .d = 384, .heads = 6, .layers = 1}, 0},
                      Core{"encoder", "npu1_2col", {.n_mels = 80, .n_ctx = 300, .d = 384, .heads = 6, .layers = 1}, 7},
                      Core{"encoder", "npu1", {.n_mels = 80, .n_ctx = 150, .d = 128, .heads = 2, .layers = 2}, 0},
                      Core{"encoder", "npu1", {.n_mels = 80, .n_ctx = 70, .d = 1088, .heads = 17, .layers = 1}, 6},
                      Core{"gemm", "npu1", {}, 0}, Core{"gemm-i8", "npu2", {}, 31}, Core{"gemm-stock", "npu1", {}, 5},
                      Core{"attention-chained", "npu1", {}, 3}));

}  // namespace
}  // namespace shorthand::npu
