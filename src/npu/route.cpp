// SPDX-License-Identifier: Apache-2.0
#include "npu/route.h"

#include <algorithm>

namespace shorthand::npu {
namespace {

std::tuple<int, int, int, int> key(const Link& l) { return {l.from.column, l.from.row, l.to.column, l.to.row}; }

void walk_rows(std::vector<Link>& way, Tile& at, int row) {
  while (at.row != row) {
    const Tile next{at.column, at.row + (row > at.row ? 1 : -1)};
    way.push_back({at, next});
    at = next;
  }
}

void walk_columns(std::vector<Link>& way, Tile& at, int column) {
  while (at.column != column) {
    const Tile next{at.column + (column > at.column ? 1 : -1), at.row};
    way.push_back({at, next});
    at = next;
  }
}

// How many streams may pass one way between two neighbours: the ports of both sides.
int ports(const Device& device, const Link& l) {
  const TileLimits& out = device.limits(l.from);
  const TileLimits& in = device.limits(l.to);
  if (l.to.row > l.from.row) return std::min(out.to_north, in.from_south);
  if (l.to.row < l.from.row) return std::min(out.to_south, in.from_north);
  return std::min(out.to_side, in.from_side);
}

}  // namespace

// Streams turn in a row of cores or of shims only: the switches of the memory tiles have no ports to their sides.
std::vector<std::vector<Link>> Router::ways(Tile from, Tile to) const {
  std::vector<int> turns;  // rows in which to change the column, the usual one first
  if (from.column == to.column) {
    turns = {from.row};
  } else {
    if (to.row >= kFirstCoreRow) turns.push_back(to.row);
    if (from.row >= kFirstCoreRow) turns.push_back(from.row);
    if (from.row == kShimRow || to.row == kShimRow || turns.empty()) turns.push_back(kShimRow);
    for (int row = kFirstCoreRow; row < kFirstCoreRow + device_.core_rows; ++row) turns.push_back(row);
  }
  std::vector<std::vector<Link>> out;
  for (int row : turns) {
    std::vector<Link> way;
    Tile at = from;
    walk_rows(way, at, row);
    walk_columns(way, at, to.column);
    walk_rows(way, at, to.row);
    out.push_back(std::move(way));
  }
  return out;
}

bool Router::fits(const Stream& stream, const std::vector<Link>& way) const {
  for (const Link& l : way) {
    if (std::find(stream.links.begin(), stream.links.end(), l) != stream.links.end()) continue;
    const auto found = used_.find(key(l));
    if ((found == used_.end() ? 0 : found->second) >= ports(device_, l)) return false;
    // A stream enters a switch once: a second way into a tile would be a second copy of the words.
    for (const Link& mine : stream.links) {
      if (mine.to == l.to) return false;
    }
  }
  return true;
}

bool Router::add(Stream& stream, Tile from, Tile to) {
  for (const std::vector<Link>& way : ways(from, to)) {
    if (!fits(stream, way)) continue;
    for (const Link& l : way) {
      if (std::find(stream.links.begin(), stream.links.end(), l) != stream.links.end()) continue;
      stream.links.push_back(l);
      ++used_[key(l)];
    }
    stream.switches.push_back(static_cast<int>(way.size()) + 1);
    return true;
  }
  return false;
}

}  // namespace shorthand::npu
