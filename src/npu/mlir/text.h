// SPDX-License-Identifier: Apache-2.0
// What the parts of the emitter share: names, types and walks as text.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "npu/place.h"

namespace shorthand::npu::mlir {

// A letter or '_' first, then letters, digits and '_'.
std::string identifier(std::string_view name);

// "memref<4096xi8>".
std::string memref(int64_t elements, int element_bytes);

// "tile_0_2".
std::string tile_name(Tile tile);

// ", [<size = 4, stride = 64>, ...]"; nothing of a walk in order.
std::string dims_text(const Pattern& pattern);

// The same walk over elements `ratio` times smaller.
Pattern over_smaller(const Pattern& pattern, int ratio);

// A task's walk in the registers of a shim: three dimensions in the descriptor, and what the queue does again. Elements
// of `element_bytes`; as the design wrote it, or in as few dimensions as it can be where only that fits.
struct ShimWalk {
  Pattern dims;
  int64_t elements = 0;   // of one go
  int64_t again = 0;      // goes after the first
  bool iterates = false;  // the first of four dimensions: the step of each go
};
ShimWalk shim_walk(Pattern pattern, int element_bytes);

// The symbols of everything that lies on the array: the design's names, each made unique.
struct Names {
  std::vector<std::string> regions, locks;  // by index in the placement; "" for stacks
  std::vector<std::string> fifos, host, workers;
  std::vector<int> element_bytes;  // by region: of what lies there
  std::vector<int> host_bytes;     // by host buffer: of its elements in the text
};

Names name_everything(const Design& design, const Placement& placement);

// aie.core of one worker, and the types of the kernels that it calls.
class Functions;
Result<std::string> core_text(const Design& design, const Placement& placement, const Names& names, int worker,
                              Functions& functions);

// aie.runtime_sequence.
Result<std::string> sequence_text(const Design& design, const Placement& placement, const Names& names);

// The declarations of kernels: the types of their pointers are those of the first call.
class Functions {
 public:
  struct Argument {
    int64_t elements = 0;
    int element_bytes = 1;
  };
  explicit Functions(const Design& design);
  const std::vector<Argument>& arguments(int kernel) const { return arguments_[static_cast<size_t>(kernel)]; }
  std::string signature(int kernel) const;  // "(memref<4096xi8>, i32) -> ()"
  std::string declarations() const;

 private:
  const Design& design_;
  std::vector<std::vector<Argument>> arguments_;  // by kernel
  std::vector<size_t> numbers_;
  std::vector<bool> called_;
};

}  // namespace shorthand::npu::mlir
