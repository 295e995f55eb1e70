// SPDX-License-Identifier: Apache-2.0
// place(): where everything of a Design lies on an array. Pure and deterministic: the same design on the same device is
// placed the same way, by trying in order of index. What the design has fixed stays where it is.
//
// The result is the configuration of the array in full: tiles, memory, locks, DMA channels with their chains of buffer
// descriptors, and the routes of the streams. It refuses, naming the tile and a way out, when something does not fit.
#pragma once

#include <string>
#include <vector>

#include "npu/design.h"
#include "npu/device.h"

namespace shorthand::npu {

enum class Direction : uint8_t { s2mm, mm2s };  // into memory, out of memory

// Memory of a tile. Of a core's, with the banks that it touches.
struct Region {
  Tile tile;
  std::string name;
  int64_t address = 0, bytes = 0;
  uint32_t banks = 0;  // bit mask
};

struct Lock {
  Tile tile;
  int id = 0;
  int initial = 0;
  std::string name;
};

// A buffer descriptor. Locks are indices into Placement::locks, or -1.
struct Bd {
  int region = -1;
  int64_t offset = 0;  // bytes
  Pattern pattern;     // elements
  int64_t elements = 0;
  int acquire = -1, release = -1;
};

struct Channel {
  Tile tile;
  Direction direction = Direction::s2mm;
  int index = 0;
  int fifo = -1;
  std::vector<Bd> chain;  // walked for ever; empty at a shim, whose tasks the runtime sequence gives
};

// A step of a route: out of `from` towards its neighbour `to`.
struct Link {
  Tile from, to;
  bool operator==(const Link&) const = default;
};

struct Stream {
  int fifo = -1;
  int source = -1;            // channel
  std::vector<int> sinks;     // channels
  std::vector<int> switches;  // that the words pass, by sink
  std::vector<Link> links;    // all of them, each once
};

// A FIFO as a worker sees it.
struct Port {
  int worker = -1, fifo = -1;
  bool producer = false;
  int take = -1, give = -1;  // the locks that acquire waits for and that release adds to
  std::vector<int> regions;  // the objects, in order
};

struct Placement {
  std::vector<Tile> workers, relays;  // by index in the design
  std::vector<int> host_columns;      // by FIFO; -1: does not touch the host
  std::vector<int> host_channels;     // by FIFO: the shim's channel
  std::vector<Region> regions;
  std::vector<int> buffers, parameters;  // regions, by buffer and by worker; -1: no parameters
  std::vector<int> barriers;             // locks, by worker; -1: none
  std::vector<Lock> locks;
  std::vector<Channel> channels;
  std::vector<Stream> streams;
  std::vector<Port> ports;
};

Result<Placement> place(const Design& design, const Device& device);

// A FIFO between two neighbours that one memory serves: locks alone, no DMA.
bool shares_memory(const Design& design, const Device& device, const Placement& placement, int fifo);

std::string to_string(Tile tile);  // "(0, 2)"

}  // namespace shorthand::npu
