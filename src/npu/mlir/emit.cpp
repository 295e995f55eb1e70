// SPDX-License-Identifier: Apache-2.0
#include "npu/mlir/emit.h"

#include <fmt/format.h>

#include <algorithm>

#include "npu/mlir/text.h"
#include "npu/pattern.h"

namespace shorthand::npu {
namespace {

using namespace mlir;

size_t at(int index) { return static_cast<size_t>(index); }

// The largest size that the text's verifier takes for a dimension of a descriptor in a tile.
constexpr int64_t kLargestSize = 512;

class Emitter {
 public:
  Emitter(const Design& design, const Device& device, const Placement& placement)
      : d_(design), device_(device), p_(placement), n_(name_everything(design, placement)), functions_(design) {}

  Result<std::string> write() {
    std::string out = fmt::format("module {{\n  aie.device({}) @{} {{\n", device_name(device_), identifier(d_.name));
    out += functions_.declarations();
    for (Tile t : tiles()) out += fmt::format("    %{} = aie.tile({}, {})\n", tile_name(t), t.column, t.row);
    out += memory();
    out += streams();
    for (Tile t : tiles()) out += SHORTHAND_TRY(channels(t));
    for (size_t w = 0; w < d_.workers.size(); ++w)
      out += SHORTHAND_TRY(core_text(d_, p_, n_, static_cast<int>(w), functions_));
    out += SHORTHAND_TRY(sequence_text(d_, p_, n_));
    return out + "  }\n}\n";
  }

 private:
  std::vector<Tile> tiles() const {
    std::vector<Tile> all = p_.workers;
    all.insert(all.end(), p_.relays.begin(), p_.relays.end());
    for (const Channel& c : p_.channels) all.push_back(c.tile);
    auto before = [](Tile a, Tile b) { return std::pair(a.column, a.row) < std::pair(b.column, b.row); };
    std::sort(all.begin(), all.end(), before);
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
  }

  // Initial bytes as MLIR writes them; nothing where zeros do.
  std::string initial(int region) const {
    for (size_t b = 0; b < d_.buffers.size(); ++b) {
      if (p_.buffers[b] != region || d_.buffers[b].initial.empty()) continue;
      std::string hex;
      for (int64_t i = 0; i < d_.buffers[b].bytes; ++i) {
        const auto k = static_cast<size_t>(i);
        hex += fmt::format("{:02X}", k < d_.buffers[b].initial.size() ? static_cast<int>(d_.buffers[b].initial[k]) : 0);
      }
      return fmt::format(" = dense<\"0x{}\">", hex);
    }
    for (size_t w = 0; w < d_.workers.size(); ++w) {
      if (p_.parameters[w] != region) continue;
      return fmt::format(" = dense<[{}]>", fmt::join(d_.workers[w].parameters, ", "));
    }
    return {};
  }

  bool is_stack(size_t region) const {
    for (const std::vector<int>* used : {&p_.buffers, &p_.parameters}) {
      if (std::find(used->begin(), used->end(), static_cast<int>(region)) != used->end()) return false;
    }
    auto holds = [&](int r) { return r == static_cast<int>(region); };
    for (const Port& port : p_.ports) {
      if (std::any_of(port.regions.begin(), port.regions.end(), holds)) return false;
    }
    for (const Channel& c : p_.channels) {
      if (std::any_of(c.chain.begin(), c.chain.end(), [&](const Bd& bd) { return holds(bd.region); })) return false;
    }
    return true;
  }

  std::string memory() const {
    std::string out;
    for (size_t r = 0; r < p_.regions.size(); ++r) {
      if (is_stack(r)) continue;
      const Region& region = p_.regions[r];
      out += fmt::format("    %{0} = aie.buffer(%{1}) {{address = {2} : i32, sym_name = \"{0}\"}} : {3}{4}\n",
                         n_.regions[r], tile_name(region.tile), region.address,
                         memref(region.bytes / n_.element_bytes[r], n_.element_bytes[r]), initial(static_cast<int>(r)));
    }
    for (size_t l = 0; l < p_.locks.size(); ++l) {
      const Lock& lock = p_.locks[l];
      out += fmt::format("    %{0} = aie.lock(%{1}, {2}) {{init = {3} : i32, sym_name = \"{0}\"}}\n", n_.locks[l],
                         tile_name(lock.tile), lock.id, lock.initial);
    }
    return out;
  }

  std::string streams() const {
    std::string out;
    for (const Stream& s : p_.streams) {
      const Channel& from = p_.channels[at(s.source)];
      for (int sink : s.sinks) {
        const Channel& to = p_.channels[at(sink)];
        out += fmt::format("    aie.flow(%{}, DMA : {}, %{}, DMA : {})  // {}\n", tile_name(from.tile), from.index,
                           tile_name(to.tile), to.index, d_.fifos[at(s.fifo)].name);
      }
    }
    for (const Channel& c : p_.channels) {
      if (kind_of(c.tile) != TileKind::shim) continue;
      out += fmt::format("    aie.shim_dma_allocation @{}(%{}, {}, {})\n", n_.fifos[at(c.fifo)], tile_name(c.tile),
                         c.direction == Direction::mm2s ? "MM2S" : "S2MM", c.index);
    }
    return out;
  }

  // aie.mem or aie.memtile_dma: one endless circle of descriptors a channel.
  Result<std::string> channels(Tile tile) const {
    std::vector<const Channel*> mine;
    for (const Channel& c : p_.channels) {
      if (c.tile == tile && !c.chain.empty()) mine.push_back(&c);
    }
    if (mine.empty()) return std::string();
    const bool core = kind_of(tile) == TileKind::core;
    std::string out = fmt::format("    %dma_{}_{} = aie.{}(%{}) {{\n", tile.column, tile.row,
                                  core ? "mem" : "memtile_dma", tile_name(tile));
    int block = 0;
    for (size_t c = 0; c < mine.size(); ++c) {
      const Channel& channel = *mine[c];
      const std::string next = c + 1 < mine.size() ? fmt::format("^channel{}", c + 1) : "^end";
      if (c > 0) out += fmt::format("    ^channel{}:\n", c);
      out += fmt::format("      aie.dma_start({}, {}, ^bd{}, {})\n",
                         channel.direction == Direction::mm2s ? "MM2S" : "S2MM", channel.index, block, next);
      const int first = block;
      for (size_t i = 0; i < channel.chain.size(); ++i) {
        out += fmt::format("    ^bd{}:  // {}\n", block, d_.fifos[at(channel.fifo)].name);
        out += SHORTHAND_TRY(descriptor(channel, channel.chain[i]));
        ++block;
        out += fmt::format("      aie.next_bd ^bd{}\n", i + 1 < channel.chain.size() ? block : first);
      }
    }
    return out + "    ^end:\n      aie.end\n    }\n";
  }

  Result<std::string> descriptor(const Channel& channel, const Bd& bd) const {
    const Fifo& fifo = d_.fifos[at(channel.fifo)];
    const int bytes = n_.element_bytes[at(bd.region)];
    const int64_t whole = p_.regions[at(bd.region)].bytes / bytes;
    const std::string dims = SHORTHAND_TRY(walk(bd, channel.tile, fifo));
    std::string out;
    auto use = [&](int lock, const char* action) {
      if (lock >= 0) out += fmt::format("      aie.use_lock(%{}, {}, 1)\n", n_.locks[at(lock)], action);
    };
    use(bd.acquire, "AcquireGreaterEqual");
    out += fmt::format("      aie.dma_bd(%{} : {}, {}, {}{})\n", n_.regions[at(bd.region)], memref(whole, bytes),
                       bd.offset / bytes, bd.elements, dims);
    use(bd.release, "Release");
    return out;
  }

  // In as few dimensions as it can be said; sizes beyond the verifier's in two, or, outermost, cut to it: the outermost
  // dimension has no wrap register, and the walk goes on until the length is used up.
  Result<std::string> walk(const Bd& bd, Tile tile, const Fifo& fifo) const {
    if (bd.pattern.empty()) return std::string();
    Pattern dims = simplified(bd.pattern, bd.elements);
    if (dims.size() == 1 && dims[0].stride == 1) return std::string();
    const auto most = at(device_.limits(tile).dims);
    for (size_t i = 0; i < dims.size(); ++i) {
      if (dims[i].size <= kLargestSize) continue;
      int64_t inner = kLargestSize;
      while (dims[i].size % inner != 0) --inner;
      if (dims.size() < most && inner > 1 && dims[i].size / inner <= kLargestSize) {
        const Dim old = dims[i];
        dims[i] = {old.size / inner, old.stride * inner};
        dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(i) + 1, {inner, old.stride});
      } else if (i == 0) {
        dims[0].size = kLargestSize;
      } else {
        return unsupported(fmt::format("{}: fifo {} at {}: a dimension of {}, {} is the most in the text; split it",
                                       d_.name, fifo.name, to_string(tile), dims[i].size, kLargestSize));
      }
    }
    if (dims.size() > most) {
      return unsupported(fmt::format("{}: fifo {} at {}: {} dimensions, {} exist", d_.name, fifo.name, to_string(tile),
                                     dims.size(), most));
    }
    return dims_text(dims);
  }

  const Design& d_;
  const Device& device_;
  const Placement& p_;
  const Names n_;
  Functions functions_;
};

}  // namespace

Result<std::string> emit_mlir(const Design& design, const Device& device, const Placement& placement) {
  return Emitter(design, device, placement).write();
}

std::string device_name(const Device& device) {
  for (const Device& whole : devices()) {
    if (whole.name == device.name && whole.columns == device.columns) return std::string(device.name);
  }
  return fmt::format("{}_{}col", device.name, device.columns);
}

std::string build_steps(const Design& design, const Device& device, const std::string& sources) {
  const std::string name = identifier(design.name);
  const char* target = device.generation == Generation::aie2 ? "aie2-none-unknown-elf" : "aie2p-none-unknown-elf";
  std::set<std::string> objects;
  for (const KernelType& k : design.kernels) objects.insert(std::string(k.object));
  std::string out = fmt::format(
      "# Builds {0}.mlir for {1}: final.xclbin and insts.bin, and artefacts.txt when both are there. Wants mlir-aie "
      "(aiecc, bootgen, aie_api), Peano "
      "(llvm-aie)\n"
      "# and XRT's xclbinutil:  make PEANO_INSTALL_DIR=... MLIR_AIE_INSTALL_DIR=...\n"
      "SOURCES ?= {2}\n"
      "CXX := $(PEANO_INSTALL_DIR)/bin/clang++\n"
      "# The linker leaves out what no core calls, function by function: a core has 16 KB of program.\n"
      "FLAGS := -O2 -std=c++20 --target={3} -DNDEBUG -D__AIE_API_AIE_ADF_HPP__=1 -ffunction-sections \\\n"
      "  -Wno-parentheses -Wno-attributes -Wno-macro-redefined -Wno-empty-body \\\n"
      "  -I $(SOURCES) -I $(MLIR_AIE_INSTALL_DIR)/include\n\n"
      "artefacts.txt: final.xclbin insts.bin {0}.txt\n"
      "\tcp {0}.txt $@\n\n"
      "final.xclbin insts.bin &: {0}.mlir{4}\n"
      "\trm -f artefacts.txt\n"
      "\taiecc --version\n"
      "\taiecc --no-xchesscc --no-xbridge --peano $(PEANO_INSTALL_DIR) --no-compile-host --aie-generate-xclbin \\\n"
      "\t  --xclbin-name=final.xclbin --aie-generate-npu-insts --npu-insts-name=insts.bin {0}.mlir\n",
      name, device_name(device), sources, target,
      objects.empty() ? "" : " " + fmt::format("{}", fmt::join(objects, " ")));
  for (const std::string& object : objects) {
    const std::string family = object.substr(0, object.rfind('.'));
    out += fmt::format("\n{0}: $(SOURCES)/kernels/{1}/aie2.cc\n\t$(CXX) $(FLAGS) -c $< -o $@\n", object, family);
  }
  return out;
}

}  // namespace shorthand::npu
