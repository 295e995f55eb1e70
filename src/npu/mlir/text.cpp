// SPDX-License-Identifier: Apache-2.0
#include "npu/mlir/text.h"

#include <fmt/format.h>

#include <algorithm>

#include "npu/pattern.h"

namespace shorthand::npu::mlir {
namespace {

size_t at(int index) { return static_cast<size_t>(index); }

class Unique {
 public:
  std::string operator()(std::string_view name) {
    const std::string stem = identifier(name);
    std::string candidate = stem;
    for (int i = 2; !taken_.insert(candidate).second; ++i) candidate = fmt::format("{}_{}", stem, i);
    return candidate;
  }

 private:
  std::set<std::string> taken_;
};

ShimWalk in_registers(Pattern pattern) {
  ShimWalk w;
  // The same go again and again is the queue's repeat, no dimension: strides of descriptors are at least 1.
  if (pattern.size() > 1 && pattern[0].stride == 0) {
    w.again = pattern[0].size - 1;
    pattern.erase(pattern.begin());
    w.elements = visits(pattern, 0);
  } else if (pattern.size() == 4) {
    w.iterates = true;
    w.again = pattern[0].size - 1;
    w.elements = visits(pattern, 0) / pattern[0].size;
  } else {
    w.elements = visits(pattern, 0);
  }
  w.dims = std::move(pattern);
  return w;
}

// Of every dimension but the descriptor's outermost, which runs until the length is used up.
bool wraps_fit(const ShimWalk& w, int element_bytes) {
  constexpr int64_t kMost = 1023;
  for (size_t i = w.iterates ? 2 : 1; i < w.dims.size(); ++i) {
    const bool innermost = i + 1 == w.dims.size() && w.dims[i].stride == 1;
    if ((innermost ? w.dims[i].size * element_bytes / 4 : w.dims[i].size) > kMost) return false;
  }
  return w.dims.size() <= 4;
}

}  // namespace

ShimWalk shim_walk(Pattern pattern, int element_bytes) {
  std::erase_if(pattern, [](const Dim& d) { return d.size == 1; });
  if (pattern.empty()) pattern = {{1, 1}};
  const ShimWalk written = in_registers(pattern);
  return wraps_fit(written, element_bytes) ? written : in_registers(simplified(pattern, 0));
}

std::string identifier(std::string_view name) {
  std::string out;
  for (char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    const bool digit = c >= '0' && c <= '9';
    if (digit && out.empty()) out += '_';
    if (letter || digit) {
      out += c;
    } else if (!out.empty() && out.back() != '_') {
      out += '_';
    }
  }
  while (out.size() > 1 && out.back() == '_') out.pop_back();
  return out.empty() ? "_" : out;
}

std::string memref(int64_t elements, int element_bytes) {
  return fmt::format("memref<{}xi{}>", elements, 8 * element_bytes);
}

std::string tile_name(Tile tile) { return fmt::format("tile_{}_{}", tile.column, tile.row); }

std::string dims_text(const Pattern& pattern) {
  if (pattern.empty() || (pattern.size() == 1 && pattern[0].stride == 1)) return {};
  std::string out;
  for (const Dim& d : pattern) {
    out += fmt::format("{}<size = {}, stride = {}>", out.empty() ? ", [" : ", ", d.size, d.stride);
  }
  return out + "]";
}

Pattern over_smaller(const Pattern& pattern, int ratio) {
  if (ratio == 1 || pattern.empty()) return pattern;
  Pattern out = pattern;
  for (Dim& d : out) d.stride *= ratio;
  if (pattern.back().stride == 1) {
    out.back() = {pattern.back().size * ratio, 1};
  } else {
    out.push_back({ratio, 1});
  }
  return out;
}

Names name_everything(const Design& design, const Placement& placement) {
  Names n;
  Unique unique;
  unique("run");
  for (const KernelType& k : design.kernels) unique(k.name);
  for (const Fifo& f : design.fifos) n.fifos.push_back(unique(f.name));
  for (const HostBuffer& h : design.host) n.host.push_back(unique("host_" + identifier(h.name)));
  for (const Worker& w : design.workers) n.workers.push_back(unique(w.name));
  n.element_bytes.assign(placement.regions.size(), 1);
  for (const Channel& c : placement.channels) {
    for (const Bd& bd : c.chain) n.element_bytes[at(bd.region)] = design.fifos[at(c.fifo)].element_bytes;
  }
  for (const Port& p : placement.ports) {
    for (int r : p.regions) n.element_bytes[at(r)] = design.fifos[at(p.fifo)].element_bytes;
  }
  for (int r : placement.parameters) {
    if (r >= 0) n.element_bytes[at(r)] = 4;
  }
  for (const Region& r : placement.regions) {
    n.regions.push_back(unique(fmt::format("{}_at_{}_{}", identifier(r.name), r.tile.column, r.tile.row)));
  }
  for (const Lock& l : placement.locks) {
    n.locks.push_back(unique(fmt::format("{}_at_{}_{}", identifier(l.name), l.tile.column, l.tile.row)));
  }
  n.host_bytes.assign(design.host.size(), 0);
  for (const Action& a : design.sequence) {
    if (a.op != Action::Op::start) continue;
    int& bytes = n.host_bytes[at(a.host)];
    const int mine = design.fifos[at(a.fifo)].element_bytes;
    bytes = bytes == 0 ? mine : std::min(bytes, mine);
  }
  for (int& bytes : n.host_bytes) bytes = std::max(bytes, 1);
  return n;
}

// An object decides before a buffer: a buffer is bytes and can be viewed as anything.
Functions::Functions(const Design& design)
    : design_(design),
      arguments_(design.kernels.size()),
      numbers_(design.kernels.size()),
      called_(design.kernels.size()) {
  for (const Worker& w : design.workers) {
    for (const Step& s : w.steps) {
      if (s.op != Step::Op::call) continue;
      std::vector<Argument>& mine = arguments_[at(s.kernel)];
      if (!called_[at(s.kernel)]) mine.resize(s.operands.size());
      called_[at(s.kernel)] = true;
      numbers_[at(s.kernel)] = s.numbers.size();
      for (size_t i = 0; i < std::min(mine.size(), s.operands.size()); ++i) {
        const Operand& o = s.operands[i];
        if (o.kind != Operand::Kind::object || mine[i].elements > 0) continue;
        const Fifo& f = design.fifos[at(o.index)];
        mine[i] = {f.elements, f.element_bytes};
      }
    }
  }
  for (const Worker& w : design.workers) {
    for (const Step& s : w.steps) {
      if (s.op != Step::Op::call) continue;
      std::vector<Argument>& mine = arguments_[at(s.kernel)];
      for (size_t i = 0; i < std::min(mine.size(), s.operands.size()); ++i) {
        const Operand& o = s.operands[i];
        if (mine[i].elements == 0) mine[i] = {o.bytes > 0 ? o.bytes : design.buffers[at(o.index)].bytes - o.offset, 1};
      }
    }
  }
}

std::string Functions::signature(int kernel) const {
  std::string out;
  for (const Argument& a : arguments(kernel)) {
    out += fmt::format("{}{}", out.empty() ? "" : ", ", memref(a.elements, a.element_bytes));
  }
  for (size_t i = 0; i < numbers_[at(kernel)]; ++i) out += out.empty() ? "i32" : ", i32";
  return "(" + out + ")";
}

std::string Functions::declarations() const {
  std::string out;
  std::set<std::string_view> seen;
  for (size_t k = 0; k < design_.kernels.size(); ++k) {
    if (!called_[k] || !seen.insert(design_.kernels[k].name).second) continue;
    out += fmt::format("    func.func private @{}{} attributes {{link_with = \"{}\"}}\n", design_.kernels[k].name,
                       signature(static_cast<int>(k)), design_.kernels[k].object);
  }
  return out;
}

}  // namespace shorthand::npu::mlir
