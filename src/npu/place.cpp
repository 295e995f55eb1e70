// SPDX-License-Identifier: Apache-2.0
#include "npu/place.h"

#include <fmt/format.h>

#include <cstdlib>
#include <map>

#include "npu/memory_map.h"
#include "npu/pattern.h"
#include "npu/route.h"

namespace shorthand::npu {
namespace {

size_t at(int index) { return static_cast<size_t>(index); }

struct Budget {
  int channels[2] = {0, 0};
  int bds[2] = {0, 0};  // a memory tile's, of even and of odd channels; elsewhere all in the first
  int locks = 0;
};

class Placer {
 public:
  Placer(const Design& design, const Device& device) : design_(design), device_(device), router_(device) {}

  Result<Placement> run() {
    SHORTHAND_TRY(place_workers());
    SHORTHAND_TRY(place_relays());
    SHORTHAND_TRY(place_hosts());
    SHORTHAND_TRY(fill_cores());
    SHORTHAND_TRY(fill_relays());
    SHORTHAND_TRY(route());
    return std::move(out_);
  }

 private:
  Error refuse(std::string fact) const {
    return unsupported(fmt::format("{} on {}: {}", design_.name, device_.name, fact));
  }
  bool on_array(Tile t, TileKind kind) const {
    return t.column >= 0 && t.column < device_.columns && t.row >= 0 && t.row < kFirstCoreRow + device_.core_rows &&
           kind_of(t) == kind;
  }
  Budget& budget(Tile t) { return budgets_[{t.column, t.row}]; }
  MemoryMap& memory(Tile t) {
    const TileLimits& l = device_.limits(t);
    return memories_.try_emplace({t.column, t.row}, l.memory_bytes, l.banks).first->second;
  }

  Result<void> place_workers();
  Result<void> place_relays();
  Result<void> place_hosts();
  Result<void> fill_cores();
  Result<void> fill_core(int worker);
  Result<void> fill_relays();
  Result<void> fill_relay(int relay);
  Result<void> route();

  bool relay_fits(const Relay& relay, Tile tile);
  int relay_column(int relay) const;
  Result<int> lock(Tile tile, int initial, std::string name);
  Result<int> channel(Tile tile, Direction direction, int fifo, std::vector<Bd> chain);
  Result<Port> port(int worker, int fifo, bool producer);
  int region(Tile tile, std::string name, int64_t address, int64_t bytes);

  const Design& design_;
  const Device& device_;
  Router router_;
  Placement out_;
  std::map<std::pair<int, int>, Budget> budgets_;
  std::map<std::pair<int, int>, MemoryMap> memories_;
  std::map<int, Port> shared_;                          // ports of FIFOs in one memory, by FIFO
  std::map<std::pair<int, int>, int> worker_channels_;  // by FIFO and worker
  std::map<std::pair<int, int>, int> relay_channels_;   // by FIFO and relay
};

Result<void> Placer::place_workers() {
  std::map<std::pair<int, int>, int> taken;
  out_.workers.resize(design_.workers.size());
  for (size_t w = 0; w < design_.workers.size(); ++w) {
    const Worker& worker = design_.workers[w];
    if (worker.tile.column < 0) continue;
    if (!on_array(worker.tile, TileKind::core)) {
      return refuse(fmt::format("worker {} at {} is on no core; cores are columns 0 to {}, rows 2 to {}", worker.name,
                                to_string(worker.tile), device_.columns - 1, kFirstCoreRow + device_.core_rows - 1));
    }
    if (!taken.try_emplace({worker.tile.column, worker.tile.row}, 1).second) {
      return refuse(fmt::format("two workers at {}; a core runs one", to_string(worker.tile)));
    }
    out_.workers[w] = worker.tile;
  }
  int next = 0;
  for (Tile& tile : out_.workers) {
    while (tile.column < 0) {
      if (next == device_.cores()) {
        return refuse(
            fmt::format("{} workers, {} cores; give a worker more to do", design_.workers.size(), device_.cores()));
      }
      const Tile candidate{next / device_.core_rows, kFirstCoreRow + next % device_.core_rows};
      ++next;
      if (taken.try_emplace({candidate.column, candidate.row}, 1).second) tile = candidate;
    }
  }
  return {};
}

// The column where most of what the relay feeds or gathers is: its first worker's, else its number's.
int Placer::relay_column(int index) const {
  const Relay& relay = design_.relays[at(index)];
  for (int f : relay.outputs) {
    for (const Endpoint& e : design_.fifos[at(f)].consumers) {
      if (e.site == Endpoint::Site::worker) return out_.workers[at(e.index)].column;
    }
  }
  for (int f : relay.inputs) {
    const Endpoint e = design_.fifos[at(f)].producer;
    if (e.site == Endpoint::Site::worker) return out_.workers[at(e.index)].column;
  }
  return index % device_.columns;
}

bool Placer::relay_fits(const Relay& relay, Tile tile) {
  const Budget& b = budget(tile);
  const Fifo& whole = design_.fifos[at(whole_fifo(relay))];
  return b.channels[0] + static_cast<int>(relay.inputs.size()) <= device_.memory.channels &&
         b.channels[1] + static_cast<int>(relay.outputs.size()) <= device_.memory.channels &&
         memory(tile).used() + whole.depth * whole.object_bytes() <= device_.memory.memory_bytes;
}

Result<void> Placer::place_relays() {
  out_.relays.resize(design_.relays.size());
  auto settle = [&](size_t r, Tile tile) {
    const Relay& relay = design_.relays[r];
    const Fifo& whole = design_.fifos[at(whole_fifo(relay))];
    budget(tile).channels[0] += static_cast<int>(relay.inputs.size());
    budget(tile).channels[1] += static_cast<int>(relay.outputs.size());
    for (int i = 0; i < whole.depth; ++i) {
      const int64_t address = memory(tile).find(whole.object_bytes());
      if (address < 0) return false;
      memory(tile).take(address, whole.object_bytes());
    }
    out_.relays[r] = tile;
    return true;
  };
  for (int pass = 0; pass < 2; ++pass) {  // what the design has fixed comes first
    for (size_t r = 0; r < design_.relays.size(); ++r) {
      const Relay& relay = design_.relays[r];
      const bool fixed = relay.tile.column >= 0;
      if (fixed != (pass == 0)) continue;
      const Fifo& whole = design_.fifos[at(whole_fifo(relay))];
      if (fixed && !on_array(relay.tile, TileKind::memory)) {
        return refuse(fmt::format("{} at {} is on no memory tile; those are row 1", relay.name, to_string(relay.tile)));
      }
      const int wanted = fixed ? relay.tile.column : relay_column(static_cast<int>(r));
      bool done = false;
      for (int i = 0; i < (fixed ? 1 : device_.columns) && !done; ++i) {
        const Tile tile{(wanted + i) % device_.columns, kMemoryRow};
        done = relay_fits(relay, tile) && settle(r, tile);
      }
      if (!done) {
        return refuse(
            fmt::format("{} needs {} channels in, {} out and {} bytes of a memory tile, which {} left; use smaller "
                        "objects, a depth "
                        "below {} or more columns",
                        relay.name, relay.inputs.size(), relay.outputs.size(), whole.depth * whole.object_bytes(),
                        fixed ? to_string(relay.tile) + " has not" : "none has", whole.depth));
      }
    }
  }
  for (auto& [tile, b] : budgets_) b = {};  // counted again when the channels are made
  memories_.clear();
  return {};
}

Result<void> Placer::place_hosts() {
  out_.host_columns.assign(design_.fifos.size(), -1);
  out_.host_channels.assign(design_.fifos.size(), -1);
  for (int pass = 0; pass < 2; ++pass) {
    for (size_t f = 0; f < design_.fifos.size(); ++f) {
      const Fifo& fifo = design_.fifos[f];
      const bool fixed = fifo.host_column >= 0;
      const bool reads = fifo.producer.site == Endpoint::Site::host;
      bool writes = false;
      for (const Endpoint& e : fifo.consumers) writes |= e.site == Endpoint::Site::host;
      if ((!reads && !writes) || fixed != (pass == 0)) continue;
      int wanted = fifo.host_column;
      if (!fixed) {
        const Endpoint e = reads ? fifo.consumers[0] : fifo.producer;
        wanted = e.site == Endpoint::Site::relay ? out_.relays[at(e.index)].column : out_.workers[at(e.index)].column;
      }
      const Direction direction = reads ? Direction::mm2s : Direction::s2mm;
      for (int i = 0; i < (fixed ? 1 : device_.columns) && out_.host_columns[f] < 0; ++i) {
        const Tile tile{(wanted + i) % device_.columns, kShimRow};
        if (budget(tile).channels[static_cast<int>(direction)] >= device_.shim.channels || wanted >= device_.columns)
          continue;
        out_.host_columns[f] = tile.column;
        out_.host_channels[f] = SHORTHAND_TRY(channel(tile, direction, static_cast<int>(f), {}));
      }
      if (out_.host_columns[f] < 0) {
        return refuse(
            fmt::format("fifo {}: no free shim channel {} the array{}; each of {} columns has {}, put several "
                        "FIFOs behind one relay",
                        fifo.name, reads ? "into" : "out of", fixed ? " in its column" : "", device_.columns,
                        device_.shim.channels));
      }
    }
  }
  return {};
}

Result<int> Placer::lock(Tile tile, int initial, std::string name) {
  Budget& b = budget(tile);
  const int limit = device_.limits(tile).locks;
  if (b.locks == limit) {
    return refuse(
        fmt::format("{} needs more than its {} locks; use fewer FIFOs or parts there", to_string(tile), limit));
  }
  out_.locks.push_back({tile, b.locks++, initial, std::move(name)});
  return static_cast<int>(out_.locks.size()) - 1;
}

Result<int> Placer::channel(Tile tile, Direction direction, int fifo, std::vector<Bd> chain) {
  Budget& b = budget(tile);
  const TileLimits& limits = device_.limits(tile);
  int& used = b.channels[static_cast<int>(direction)];
  const char* way = direction == Direction::s2mm ? "in" : "out";
  if (used == limits.channels) {
    return refuse(fmt::format("{}: fifo {} would need channel {} {}, {} exist; merge FIFOs or split the work",
                              to_string(tile), design_.fifos[at(fifo)].name, used + 1, way, limits.channels));
  }
  const int index = used++;
  int& bds = b.bds[kind_of(tile) == TileKind::memory ? index % 2 : 0];
  bds += static_cast<int>(chain.size());
  if (bds > limits.bds_a_channel) {
    return refuse(
        fmt::format("{}: {} buffer descriptors for channel {} {} and those it shares with, {} exist; lower the "
                    "depth or the repeat of fifo {}",
                    to_string(tile), bds, index, way, limits.bds_a_channel, design_.fifos[at(fifo)].name));
  }
  out_.channels.push_back({tile, direction, index, fifo, std::move(chain)});
  return static_cast<int>(out_.channels.size()) - 1;
}

int Placer::region(Tile tile, std::string name, int64_t address, int64_t bytes) {
  memory(tile).take(address, bytes);
  out_.regions.push_back({tile, std::move(name), address, bytes, memory(tile).banks_of(address, bytes)});
  return static_cast<int>(out_.regions.size()) - 1;
}

// Locks and objects of a FIFO at one of its workers, and the channel that serves it.
Result<Port> Placer::port(int worker, int fifo_index, bool producer) {
  const Fifo& fifo = design_.fifos[at(fifo_index)];
  const Tile tile = out_.workers[at(worker)];
  Port p{worker, fifo_index, producer, -1, -1, {}};
  const int free = SHORTHAND_TRY(lock(tile, fifo.depth, fifo.name + " free"));
  const int full = SHORTHAND_TRY(lock(tile, 0, fifo.name + " full"));
  p.take = producer ? free : full;
  p.give = producer ? full : free;
  return p;
}

struct Item {
  std::string name;
  int count;
  int64_t bytes;
  int bank;
  std::vector<int>* regions;
  int64_t address = -1;  // of the only one
};

Result<void> Placer::fill_core(int worker_index) {
  const Worker& worker = design_.workers[at(worker_index)];
  const Tile tile = out_.workers[at(worker_index)];
  MemoryMap& map = memory(tile);
  if (worker.stack_bytes > device_.core.memory_bytes)
    return refuse(fmt::format("{}: stack larger than its tile", worker.name));
  region(tile, worker.name + " stack", 0, worker.stack_bytes);  // grows upward from the bottom, into whatever follows

  std::vector<std::vector<int>> placed(design_.fifos.size() + design_.buffers.size() + 1);
  std::vector<Item> items;
  std::vector<std::pair<int, bool>> mine;  // FIFOs and whether produced here
  for (size_t f = 0; f < design_.fifos.size(); ++f) {
    const Fifo& fifo = design_.fifos[f];
    const Endpoint me{Endpoint::Site::worker, worker_index};
    const bool consumes = std::find(fifo.consumers.begin(), fifo.consumers.end(), me) != fifo.consumers.end();
    if (fifo.producer == me) mine.emplace_back(static_cast<int>(f), true);
    if (consumes) mine.emplace_back(static_cast<int>(f), false);
    if (!(fifo.producer == me) && !consumes) continue;
    if (shares_memory(design_, device_, out_, static_cast<int>(f))) {
      const Tile home = out_.workers[at(fifo.producer.index)];
      const bool at_producer = can_address(device_, out_.workers[at(fifo.consumers[0].index)], home);
      if ((fifo.producer == me) != at_producer) continue;
    }
    if (fifo.banks.empty()) items.push_back({fifo.name, fifo.depth, fifo.object_bytes(), -1, &placed[f]});
    for (size_t n = 0; n < fifo.banks.size(); ++n) {  // of one size, so that sorting keeps their order
      items.push_back({fmt::format("{} [{}]", fifo.name, n), 1, fifo.object_bytes(), fifo.banks[n], &placed[f]});
    }
  }
  for (size_t b = 0; b < design_.buffers.size(); ++b) {
    const Buffer& buffer = design_.buffers[b];
    if (buffer.worker != worker_index) continue;
    items.push_back({buffer.name, 1, buffer.bytes, buffer.bank, &placed[design_.fifos.size() + b], buffer.address});
  }
  if (!worker.parameters.empty()) {
    items.push_back(
        {worker.name + " parameters", 1, 4 * static_cast<int64_t>(worker.parameters.size()), -1, &placed.back()});
  }
  int64_t wanted = worker.stack_bytes;
  for (const Item& i : items) wanted += i.count * i.bytes;
  if (design_.allocation == Allocation::banks) {
    std::stable_sort(items.begin(), items.end(),
                     [](const Item& a, const Item& b) { return a.count * a.bytes > b.count * b.bytes; });
  }
  // What has its address comes first, then what no bank holds, then what has its bank.
  auto rank = [&](const Item& i) {
    if (i.address >= 0) return -1;
    return device_.core.banks > 0 && i.bytes > device_.core.memory_bytes / device_.core.banks ? 0 : i.bank >= 0 ? 1 : 2;
  };
  std::stable_sort(items.begin(), items.end(), [&](const Item& a, const Item& b) { return rank(a) < rank(b); });
  for (const Item& i : items) {
    int best = i.bank;
    if (best < 0 && i.address < 0 && design_.allocation == Allocation::banks) {
      for (int bank = 0; bank < map.banks(); ++bank) {
        if (map.find_in_bank(i.count * ((i.bytes + 31) / 32 * 32), bank) < 0) continue;
        if (best < 0 || map.used_in_bank(bank) < map.used_in_bank(best)) best = bank;
      }
    }
    for (int n = 0; n < i.count; ++n) {
      const int64_t address = i.address >= 0 ? map.find_at(i.bytes, i.address)
                              : best >= 0    ? map.find_in_bank(i.bytes, best)
                                             : map.find(i.bytes);
      if (address < 0) {
        return refuse(fmt::format("{} at {}: {} does not fit; {} bytes with the stack are wanted of {}{}", worker.name,
                                  to_string(tile), i.name, wanted, device_.core.memory_bytes,
                                  i.address >= 0 ? fmt::format(" (address {} is asked for)", i.address)
                                  : i.bank >= 0  ? fmt::format(" (bank {} is asked for)", i.bank)
                                                 : "; use smaller objects or a lower depth"));
      }
      i.regions->push_back(region(tile, i.count > 1 ? fmt::format("{} [{}]", i.name, n) : i.name, address, i.bytes));
    }
  }
  for (size_t b = 0; b < design_.buffers.size(); ++b) {
    if (design_.buffers[b].worker == worker_index) out_.buffers[b] = placed[design_.fifos.size() + b].at(0);
  }
  if (!worker.parameters.empty()) out_.parameters[at(worker_index)] = placed.back().at(0);
  for (const Step& s : worker.steps) {
    if (s.op == Step::Op::barrier && out_.barriers[at(worker_index)] < 0) {
      out_.barriers[at(worker_index)] = SHORTHAND_TRY(lock(tile, 0, worker.name + " barrier"));
    }
  }
  for (const auto& [f, produces] : mine) {
    const Fifo& fifo = design_.fifos[at(f)];
    if (shares_memory(design_, device_, out_, f)) {
      if (!placed[at(f)].empty()) {
        shared_[f] = SHORTHAND_TRY(port(worker_index, f, produces));
        shared_[f].regions = placed[at(f)];
      }
      continue;  // both ports are made when every core has been filled
    }
    Port p = SHORTHAND_TRY(port(worker_index, f, produces));
    p.regions = placed[at(f)];
    std::vector<Bd> chain;
    for (int r : p.regions) {
      chain.push_back({r, 0, produces ? fifo.to_stream : fifo.from_stream, fifo.elements, p.give, p.take});
    }
    worker_channels_[{f, worker_index}] =
        SHORTHAND_TRY(channel(tile, produces ? Direction::mm2s : Direction::s2mm, f, std::move(chain)));
    out_.ports.push_back(std::move(p));
  }
  return {};
}

Result<void> Placer::fill_cores() {
  out_.buffers.assign(design_.buffers.size(), -1);
  out_.parameters.assign(design_.workers.size(), -1);
  out_.barriers.assign(design_.workers.size(), -1);
  for (size_t w = 0; w < design_.workers.size(); ++w) SHORTHAND_TRY(fill_core(static_cast<int>(w)));
  for (const auto& [f, made] : shared_) {
    Port producer = made, consumer = made;
    producer.worker = design_.fifos[at(f)].producer.index, producer.producer = true;
    consumer.worker = design_.fifos[at(f)].consumers[0].index, consumer.producer = false;
    Port& other = made.producer ? consumer : producer;
    std::swap(other.take, other.give);
    out_.ports.push_back(producer);
    out_.ports.push_back(consumer);
  }
  return {};
}

// One pair of locks and one descriptor a part: a part is free or full on its own, so that no producer can run ahead
// into a buffer that another has not filled.
Result<void> Placer::fill_relay(int index) {
  const Relay& relay = design_.relays[at(index)];
  const Tile tile = out_.relays[at(index)];
  const Fifo& whole = design_.fifos[at(whole_fifo(relay))];
  const bool joins = relay.inputs.size() > 1;
  const std::vector<int>& parts = joins ? relay.inputs : relay.outputs;
  std::vector<int> objects;
  for (int i = 0; i < whole.depth; ++i) {
    const int64_t address = memory(tile).find(whole.object_bytes());
    if (address < 0) return refuse(fmt::format("{}: {} is full; use smaller objects", relay.name, to_string(tile)));
    objects.push_back(region(tile, fmt::format("{} [{}]", relay.name, i), address, whole.object_bytes()));
  }
  std::vector<int> free, full;
  for (size_t p = 0; p < parts.size(); ++p) {
    free.push_back(SHORTHAND_TRY(lock(tile, whole.depth, fmt::format("{} part {} free", relay.name, p))));
    full.push_back(SHORTHAND_TRY(lock(tile, 0, fmt::format("{} part {} full", relay.name, p))));
  }
  auto part_bd = [&](int object, size_t p) {
    Bd bd;
    bd.region = object;
    bd.offset = int64_t{relay.offsets[p]} * whole.element_bytes;
    bd.elements = part_elements(design_, relay, p);
    return bd;
  };
  for (int f : relay.inputs) {
    std::vector<Bd> chain;
    for (int object : objects) {
      for (size_t p = 0; p < parts.size(); ++p) {
        if (joins && parts[p] != f) continue;
        Bd bd = part_bd(object, p);
        bd.pattern = design_.fifos[at(f)].from_stream;
        bd.acquire = free[p], bd.release = full[p];
        chain.push_back(std::move(bd));
      }
    }
    relay_channels_[{f, index}] = SHORTHAND_TRY(channel(tile, Direction::s2mm, f, std::move(chain)));
  }
  for (int f : relay.outputs) {
    const Fifo& fifo = design_.fifos[at(f)];
    std::vector<Bd> chain;
    for (int object : objects) {
      for (int again = 0; again < fifo.repeat; ++again) {
        for (size_t p = 0; p < parts.size(); ++p) {
          if (!joins && parts[p] != f) continue;
          Bd bd = part_bd(object, p);
          bd.pattern = fifo.to_stream;
          if (again == 0) bd.acquire = full[p];
          if (again == fifo.repeat - 1) bd.release = free[p];
          chain.push_back(std::move(bd));
        }
      }
    }
    relay_channels_[{f, index}] = SHORTHAND_TRY(channel(tile, Direction::mm2s, f, std::move(chain)));
  }
  return {};
}

Result<void> Placer::fill_relays() {
  for (size_t r = 0; r < design_.relays.size(); ++r) SHORTHAND_TRY(fill_relay(static_cast<int>(r)));
  return {};
}

Result<void> Placer::route() {
  auto channel_of = [&](int f, const Endpoint& e) {
    if (e.site == Endpoint::Site::host) return out_.host_channels[at(f)];
    return (e.site == Endpoint::Site::worker ? worker_channels_ : relay_channels_).at({f, e.index});
  };
  for (size_t f = 0; f < design_.fifos.size(); ++f) {
    const int index = static_cast<int>(f);
    if (shares_memory(design_, device_, out_, index)) continue;
    const Fifo& fifo = design_.fifos[f];
    Stream s;
    s.fifo = index;
    s.source = channel_of(index, fifo.producer);
    for (const Endpoint& e : fifo.consumers) {
      s.sinks.push_back(channel_of(index, e));
      const Tile from = out_.channels[at(s.source)].tile, to = out_.channels[at(s.sinks.back())].tile;
      if (!router_.add(s, from, to)) {
        return refuse(fmt::format("fifo {}: no free stream ports from {} to {}; move its ends nearer or broadcast",
                                  fifo.name, to_string(from), to_string(to)));
      }
    }
    out_.streams.push_back(std::move(s));
  }
  return {};
}

}  // namespace

std::string to_string(Tile tile) { return fmt::format("({}, {})", tile.column, tile.row); }

bool shares_memory(const Design& design, const Device& device, const Placement& placement, int index) {
  const Fifo& fifo = design.fifos[at(index)];
  if (fifo.producer.site != Endpoint::Site::worker || fifo.consumers.size() != 1 || !fifo.to_stream.empty() ||
      !fifo.from_stream.empty() || fifo.consumers[0].site != Endpoint::Site::worker) {
    return false;
  }
  const Tile a = placement.workers[at(fifo.producer.index)], b = placement.workers[at(fifo.consumers[0].index)];
  return can_address(device, a, b) || can_address(device, b, a);
}

Result<Placement> place(const Design& design, const Device& device) { return Placer(design, device).run(); }

}  // namespace shorthand::npu
