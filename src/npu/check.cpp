// SPDX-License-Identifier: Apache-2.0
#include "npu/check.h"

#include <fmt/format.h>

#include <map>

#include "npu/pattern.h"

namespace shorthand::npu {
namespace {

size_t at(int index) { return static_cast<size_t>(index); }

Error refuse(const Design& design, const std::string& fact) {
  return unsupported(fmt::format("{}: {}", design.name, fact));
}

// Whether the registers of one descriptor hold `dims`. `iterates`: the outermost of one dimension too many is the
// iteration.
Result<void> check_dims(const Design& design, const TileLimits& limits, const std::string& where, const Pattern& dims,
                        int64_t elements, int element_bytes, int64_t offset_bytes, bool iterates, int max_repeat) {
  if (offset_bytes % 4 != 0) {
    return refuse(design,
                  fmt::format("{}: begins at byte {}; descriptors begin at multiples of 4", where, offset_bytes));
  }
  const bool unit = dims.back().stride == 1;
  const int64_t run_bytes = unit ? dims.back().size * element_bytes : element_bytes;
  if (element_bytes < 4 && run_bytes % 4 != 0) {
    return refuse(design, fmt::format("{}: runs of {} bytes; a DMA moves words of 4, make the innermost runs longer",
                                      where, run_bytes));
  }
  const size_t inner_first = dims.size() > static_cast<size_t>(limits.dims) ? 1 : 0;
  if (dims.size() > static_cast<size_t>(limits.dims) + (iterates ? 1 : 0)) {
    return refuse(design, fmt::format("{}: {} dimensions, {} exist; lay the data out in fewer", where, dims.size(),
                                      limits.dims + (iterates ? 1 : 0)));
  }
  for (size_t i = 0; i < dims.size(); ++i) {
    const bool last = i + 1 == dims.size();
    const int64_t step_bytes = dims[i].stride * element_bytes;
    if (!(last && unit)) {
      if (step_bytes % 4 != 0)
        return refuse(design, fmt::format("{}: a stride of {} bytes; strides are whole words of 4", where, step_bytes));
      if (step_bytes / 4 > limits.max_step) {
        return refuse(design, fmt::format("{}: a stride of {} words, {} is the most; cut the matrix into narrower ones",
                                          where, step_bytes / 4, limits.max_step));
      }
    }
    if (dims[i].stride == 0) {
      if (dims[i].size > max_repeat)
        return refuse(design, fmt::format("{}: {} repeats, {} is the most", where, dims[i].size, max_repeat));
      continue;
    }
    if (inner_first == 1 && i == 0) {
      if (dims[i].size > limits.max_iterations) {
        return refuse(design, fmt::format("{}: {} iterations, {} is the most; use several tasks", where, dims[i].size,
                                          limits.max_iterations));
      }
      continue;
    }
    // The outermost has no wrap register: the walk goes on until its length is used up.
    const int64_t wrap = last && unit ? dims[i].size * element_bytes / 4 : dims[i].size;
    if (i > inner_first && wrap > limits.max_wrap) {
      return refuse(design, fmt::format("{}: a dimension of {}, {} is the most inside another; split it in two", where,
                                        wrap, limits.max_wrap));
    }
  }
  const int64_t words = visits(dims, elements) * element_bytes / 4;
  if (words > limits.max_words)
    return refuse(design,
                  fmt::format("{}: {} words, {} is the most; use smaller objects", where, words, limits.max_words));
  return {};
}

// As it is written, or in as few dimensions as it can be: what one form cannot hold the other may.
Result<void> check_descriptor(const Design& design, const TileLimits& limits, const std::string& where,
                              const Pattern& pattern, int64_t elements, int element_bytes, int64_t offset_bytes,
                              bool iterates, int max_repeat) {
  Pattern written = pattern;
  std::erase_if(written, [](const Dim& d) { return d.size == 1; });
  if (!written.empty() &&
      check_dims(design, limits, where, written, elements, element_bytes, offset_bytes, iterates, max_repeat).ok()) {
    return {};
  }
  return check_dims(design, limits, where, simplified(pattern, elements), elements, element_bytes, offset_bytes,
                    iterates, max_repeat);
}

Result<void> check_channels(const Design& design, const Device& device, const Placement& placement) {
  for (const Channel& c : placement.channels) {
    const Fifo& f = design.fifos[at(c.fifo)];
    const std::string where = fmt::format("fifo {} at {}", f.name, to_string(c.tile));
    for (const Bd& bd : c.chain) {
      SHORTHAND_TRY(check_descriptor(design, device.limits(c.tile), where, bd.pattern, bd.elements, f.element_bytes,
                                     bd.offset, false, device.max_repeat));
    }
  }
  return {};
}

// A descriptor of the shim is free again when its task, or a later one of its channel, has been awaited.
Result<void> check_sequence(const Design& design, const Device& device, const Placement& placement) {
  std::map<int, std::vector<int>> in_flight;  // actions, by shim column
  for (size_t i = 0; i < design.sequence.size(); ++i) {
    const Action& a = design.sequence[i];
    if (a.op == Action::Op::await) {
      const int fifo = design.sequence[at(a.task)].fifo;
      std::erase_if(in_flight[placement.host_columns[at(fifo)]],
                    [&](int task) { return design.sequence[at(task)].fifo == fifo && task <= a.task; });
    }
    if (a.op != Action::Op::start) continue;
    const Fifo& f = design.fifos[at(a.fifo)];
    const int column = placement.host_columns[at(a.fifo)];
    const std::string where = fmt::format("action {}, fifo {} at the shim of column {}", i, f.name, column);
    SHORTHAND_TRY(check_descriptor(design, device.shim, where, a.pattern, 0, f.element_bytes,
                                   a.offset * f.element_bytes, true, device.max_repeat));
    std::vector<int>& tasks = in_flight[column];
    tasks.push_back(static_cast<int>(i));
    if (tasks.size() > static_cast<size_t>(device.shim.bds)) {
      return refuse(design, fmt::format("{}: descriptor {} of {}; await an earlier task first", where, tasks.size(),
                                        device.shim.bds));
    }
  }
  return {};
}

}  // namespace

Result<Placement> check(const Design& design, const Device& device) {
  SHORTHAND_TRY(check_structure(design));
  if (design.host.size() > static_cast<size_t>(device.max_host_buffers)) {
    return refuse(design, fmt::format("{} host buffers, {} is the most; put several into one", design.host.size(),
                                      device.max_host_buffers));
  }
  Placement placement = SHORTHAND_TRY(place(design, device));
  SHORTHAND_TRY(check_channels(design, device, placement));
  SHORTHAND_TRY(check_sequence(design, device, placement));
  SHORTHAND_TRY(check_balance(design));
  return placement;
}

}  // namespace shorthand::npu
