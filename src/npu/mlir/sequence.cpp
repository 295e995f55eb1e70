// SPDX-License-Identifier: Apache-2.0
// The runtime sequence: what the controller of the array is told, in the order of the design.
#include <fmt/format.h>

#include "npu/mlir/text.h"

namespace shorthand::npu::mlir {
namespace {

size_t at(int index) { return static_cast<size_t>(index); }

}  // namespace

Result<std::string> sequence_text(const Design& design, const Placement& placement, const Names& names) {
  std::string arguments;
  std::vector<std::string> types;
  for (size_t h = 0; h < design.host.size(); ++h) {
    types.push_back(memref(design.host[h].bytes / names.host_bytes[h], names.host_bytes[h]));
    arguments += fmt::format("{}%{}: {}", h == 0 ? "" : ", ", names.host[h], types[h]);
  }
  std::string out = fmt::format("    aie.runtime_sequence @run({}) {{\n", arguments);
  std::vector<bool> awaited(design.sequence.size());
  for (const Action& a : design.sequence) {
    if (a.op == Action::Op::await) awaited[at(a.task)] = true;
  }
  std::map<int, std::vector<int>> running;  // tasks not yet freed, by FIFO
  std::map<int, int> last;                  // awaited, by FIFO
  for (size_t i = 0; i < design.sequence.size(); ++i) {
    const Action& a = design.sequence[i];
    switch (a.op) {
      case Action::Op::write:
        out += fmt::format("      aiex.npu.rtp_write(@{}, {}, {})\n",
                           names.regions[at(placement.parameters[at(a.worker)])], a.index, a.value);
        break;
      case Action::Op::signal:
        out += fmt::format("      aiex.set_lock(%{}, 1)\n", names.locks[at(placement.barriers[at(a.worker)])]);
        break;
      case Action::Op::start: {
        const auto h = at(a.host);
        const int ratio = design.fifos[at(a.fifo)].element_bytes / names.host_bytes[h];
        const ShimWalk w = shim_walk(over_smaller(a.pattern, ratio), names.host_bytes[h]);
        std::string attributes;
        if (awaited[i]) attributes = "issue_token = true";
        if (w.again > 0)
          attributes += fmt::format("{}repeat_count = {} : i32", attributes.empty() ? "" : ", ", w.again);
        out += fmt::format("      %task{} = aiex.dma_configure_task_for @{} {{\n", i, names.fifos[at(a.fifo)]);
        out += fmt::format("        aie.dma_bd(%{} : {}, {}, {}{})\n        aie.end\n      }}{}\n", names.host[h],
                           types[h], a.offset * ratio, w.elements, dims_text(w.dims),
                           attributes.empty() ? "" : " {" + attributes + "}");
        out += fmt::format("      aiex.dma_start_task(%task{})\n", i);
        running[a.fifo].push_back(static_cast<int>(i));
        break;
      }
      case Action::Op::await: {
        const int fifo = design.sequence[at(a.task)].fifo;
        const auto [before, first] = last.try_emplace(fifo, a.task);
        if (!first && before->second >= a.task) {
          return unsupported(
              fmt::format("{}: tasks of fifo {} are awaited in another order than they were started; a "
                          "channel's tokens come in order",
                          design.name, design.fifos[at(fifo)].name));
        }
        before->second = a.task;
        out += fmt::format("      aiex.dma_await_task(%task{})\n", a.task);
        // A channel works through its tasks in order: those before this one are done, and their descriptors free.
        std::vector<int>& mine = running[fifo];
        for (int task : mine) {
          if (task < a.task) out += fmt::format("      aiex.dma_free_task(%task{})\n", task);
        }
        std::erase_if(mine, [&](int task) { return task <= a.task; });
        break;
      }
    }
  }
  for (const auto& [fifo, tasks] : running) {
    for (int task : tasks) out += fmt::format("      aiex.dma_free_task(%task{})\n", task);
  }
  return out + "    }\n";
}

}  // namespace shorthand::npu::mlir
