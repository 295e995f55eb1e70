// SPDX-License-Identifier: Apache-2.0
// The designs by name: what `shorthand npu` lists and builds.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "npu/design.h"

namespace shorthand::npu {

// What an encoder's designs have to know of a model.
struct EncoderSizes {
  int layers = 6, width = 512, heads = 8, mels = 80, positions = 1500;
};

struct DesignRequest {
  int m = 0, n = 0, k = 0;  // of a product; 0: the first product of the model's feed-forward part
  EncoderSizes model;
  int buffers = 2;  // objects a FIFO holds at each end: 1 or 2
};

struct BuiltDesign {
  Design design;
  double operations = 0;  // two a multiply-accumulate that was asked for; padding is not counted
  std::string shape;      // what was laid out, with its padding, in words
};

struct DesignEntry {
  std::string_view name, what;
  Result<BuiltDesign> (*build)(const Device& device, const DesignRequest& request);
};

std::span<const DesignEntry> design_entries();
Result<DesignEntry> find_design(std::string_view name);

}  // namespace shorthand::npu
