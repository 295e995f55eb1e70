// SPDX-License-Identifier: Apache-2.0
#include "npu/mlir/insts.h"

#include <fmt/format.h>

#include <array>
#include <map>
#include <set>

#include "npu/mlir/text.h"
#include "npu/pattern.h"

namespace shorthand::npu {
namespace {

size_t at(int index) { return static_cast<size_t>(index); }
uint32_t u32(int64_t value) { return static_cast<uint32_t>(value); }

// Registers of the tiles and fields of the shim's descriptors, from the sources in the header.
constexpr uint32_t kCoreLocks = 0x1F000, kLockStep = 0x10;
constexpr uint32_t kShimBds = 0x1D000, kBdStep = 0x20;
constexpr uint32_t kShimS2mm = 0x1D200, kShimMm2s = 0x1D210, kChannelStep = 8, kQueue = 4;
constexpr uint32_t kControllerMask = 0x1F00, kShimController = 15 << 8;
constexpr uint32_t kCacheable = 2u << 24, kValid = 1u << 25, kToken = 1u << 31;
constexpr uint32_t kMaxWrap = 1023;

uint32_t address(Tile tile, uint32_t offset) { return u32(tile.column) << 25 | u32(tile.row) << 20 | offset; }

class Encoder {
 public:
  Encoder(const Design& design, const Device& device, const Placement& placement)
      : d_(design), device_(device), p_(placement), free_(at(device.columns)) {
    for (std::set<int>& ids : free_) {
      for (int id = 0; id < device.shim.bds; ++id) ids.insert(id);
    }
  }

  Result<std::vector<uint32_t>> write() {
    const uint32_t generation = device_.generation == Generation::aie2 ? 3 : 4;
    words_ = {u32(device_.core_rows + kFirstCoreRow) << 24 | generation << 16 | 1 << 8, 1 << 8 | u32(device_.columns),
              0, 0};
    for (size_t i = 0; i < d_.sequence.size(); ++i) {
      const Action& a = d_.sequence[i];
      switch (a.op) {
        case Action::Op::write: {
          const Region& r = p_.regions[at(p_.parameters[at(a.worker)])];
          write32(address(r.tile, u32(r.address + 4 * a.index)), u32(a.value));
          break;
        }
        case Action::Op::signal: {
          const Lock& lock = p_.locks[at(p_.barriers[at(a.worker)])];
          write32(address(lock.tile, kCoreLocks + kLockStep * u32(lock.id)), 1);
          break;
        }
        case Action::Op::start: SHORTHAND_TRY(start(static_cast<int>(i))); break;
        case Action::Op::await: SHORTHAND_TRY(await(a.task)); break;
      }
    }
    words_[2] = operations_;
    words_[3] = u32(static_cast<int64_t>(words_.size()) * 4);
    return std::move(words_);
  }

 private:
  void add(std::initializer_list<uint32_t> words) {
    words_.insert(words_.end(), words);
    ++operations_;
  }
  void write32(uint32_t where, uint32_t value) { add({0, 0, where, 0, value, 24}); }

  Tile shim(int fifo) const { return {p_.host_columns[at(fifo)], kShimRow}; }
  uint32_t channel(int fifo) const { return u32(p_.channels[at(p_.host_channels[at(fifo)])].index); }
  bool reads(int fifo) const { return d_.fifos[at(fifo)].producer.site == Endpoint::Site::host; }

  // Words of the descriptor without its address. Strides are held less one; the wrap of the outermost dimension may
  // be zero, for none.
  std::array<uint32_t, 8> descriptor(const mlir::ShimWalk& w, int element_bytes) const {
    const uint32_t burst = device_.shim_burst_bytes == 512 ? 3 : 2;
    std::array<uint32_t, 8> bd = {u32(w.elements * element_bytes / 4), 0, 0, 0, burst << 30, kCacheable, 0, kValid};
    Pattern dims = w.dims;
    if (w.iterates) {
      bd[6] = u32(w.again) << 20 | u32(dims[0].stride * element_bytes / 4 - 1);
      dims.erase(dims.begin());
    }
    dims = simplified(dims, w.elements).size() == 1 ? simplified(dims, w.elements) : dims;
    if (dims.size() == 1 && dims[0].stride == 1) return bd;  // in order
    if (dims.back().stride == 1) {                           // runs of whole words
      dims.back().size = dims.back().size * element_bytes / 4;
    } else {
      dims.back().stride = dims.back().stride * element_bytes / 4;
    }
    for (size_t i = 0; i + 1 < dims.size(); ++i) dims[i].stride = dims[i].stride * element_bytes / 4;
    auto wrap = [](const Dim& d) { return d.size > kMaxWrap ? 0 : u32(d.size) << 20; };
    const size_t n = dims.size();
    bd[3] = wrap(dims[n - 1]) | u32(dims[n - 1].stride - 1);
    if (n > 1) bd[4] |= wrap(dims[n - 2]) | u32(dims[n - 2].stride - 1);
    if (n > 2) bd[5] |= u32(dims[n - 3].stride - 1);
    return bd;
  }

  Result<void> start(int task) {
    const Action& a = d_.sequence[at(task)];
    const int bytes = d_.fifos[at(a.fifo)].element_bytes;
    const Tile tile = shim(a.fifo);
    std::set<int>& ids = free_[at(tile.column)];
    if (ids.empty()) {
      return unsupported(fmt::format("{}: action {}: no descriptor of the shim of column {} is free; await a task",
                                     d_.name, task, tile.column));
    }
    const int id = *ids.begin();
    ids.erase(ids.begin());
    running_[a.fifo].push_back({task, id});
    const uint32_t registers = address(tile, kShimBds + kBdStep * u32(id));
    const mlir::ShimWalk walk = mlir::shim_walk(a.pattern, bytes);
    const std::array<uint32_t, 8> bd = descriptor(walk, bytes);
    add({1, u32(tile.column) | u32(tile.row) << 8, registers, 48, bd[0], bd[1], bd[2], bd[3], bd[4], bd[5], bd[6],
         bd[7]});
    add({129, 48, 0, 0, 0, 0, registers + 4, 0, u32(a.host), 0, u32(a.offset * bytes), 0});
    const uint32_t control = address(tile, (reads(a.fifo) ? kShimMm2s : kShimS2mm) + kChannelStep * channel(a.fifo));
    const bool token = awaited(task);
    if (token) add({3, 0, control, 0, kShimController, kControllerMask, 28});
    write32(control + kQueue, u32(id) | u32(walk.again) << 16 | (token ? kToken : 0));
    return {};
  }

  bool awaited(int task) const {
    for (const Action& a : d_.sequence) {
      if (a.op == Action::Op::await && a.task == task) return true;
    }
    return false;
  }

  Result<void> await(int task) {
    const int fifo = d_.sequence[at(task)].fifo;
    const auto [last, first] = last_.try_emplace(fifo, task);
    if (!first && last->second >= task) {
      return unsupported(
          fmt::format("{}: tasks of fifo {} are awaited in another order than they were started; a channel's tokens "
                      "come in order",
                      d_.name, d_.fifos[at(fifo)].name));
    }
    last->second = task;
    const Tile tile = shim(fifo);
    add({128, 16, (reads(fifo) ? 1u : 0u) | u32(tile.row) << 8 | u32(tile.column) << 16,
         1 << 8 | 1 << 16 | channel(fifo) << 24});
    // A channel works through its tasks in order: this one and those before it are done.
    std::erase_if(running_[fifo], [&](const Running& r) {
      if (r.task > task) return false;
      free_[at(tile.column)].insert(r.id);
      return true;
    });
    return {};
  }

  struct Running {
    int task, id;
  };
  const Design& d_;
  const Device& device_;
  const Placement& p_;
  std::vector<uint32_t> words_;
  uint32_t operations_ = 0;
  std::vector<std::set<int>> free_;              // descriptors, by column
  std::map<int, std::vector<Running>> running_;  // by FIFO
  std::map<int, int> last_;                      // awaited, by FIFO
};

}  // namespace

Result<std::vector<uint32_t>> instructions(const Design& design, const Device& device, const Placement& placement) {
  return Encoder(design, device, placement).write();
}

}  // namespace shorthand::npu
