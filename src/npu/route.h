// SPDX-License-Identifier: Apache-2.0
// Circuit-switched routes between tiles: counts the ports of the stream switches and refuses what they cannot carry.
#pragma once

#include <map>
#include <tuple>

#include "npu/place.h"

namespace shorthand::npu {

// Ports in use, over all streams routed so far.
class Router {
 public:
  explicit Router(const Device& device) : device_(device) {}

  // Adds the way from `from` to `to` to the stream: links that the stream already uses are shared (a broadcast). Tries
  // the usual way first, then the other order of turns; false when neither has free ports. Appends to stream.switches.
  bool add(Stream& stream, Tile from, Tile to);

 private:
  std::vector<std::vector<Link>> ways(Tile from, Tile to) const;
  bool fits(const Stream& stream, const std::vector<Link>& way) const;

  const Device& device_;
  std::map<std::tuple<int, int, int, int>, int> used_;  // by from and to
};

}  // namespace shorthand::npu
