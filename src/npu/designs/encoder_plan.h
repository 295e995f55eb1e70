// SPDX-License-Identifier: Apache-2.0
// Where everything of an encoder lies in its two host buffers, in 32-bit words. For encoder.cpp and encoder_pack.cpp.
#pragma once

#include <algorithm>
#include <vector>

#include "npu/designs/encoder.h"
#include "npu/designs/encoder_kernels.h"

namespace shorthand::npu {

constexpr int kTileWords = kObjectBytes / 4, kResultWords = kResultBytes / 4;  // int8 and bfloat16, 64 x 64
constexpr int kScaleRows = 4;    // rows of cores in an object of attention's scales, there or not
constexpr int kNormObjects = 3;  // LayerNorm's parameters

constexpr int up(int n, int to) { return (n + to - 1) / to * to; }

struct EncoderPlan {
  struct Linear {
    int64_t at;         // [n_tiles][k_tiles + 1][kTileWords]
    int n, k, n_tiles;  // padded to the columns
    int k_given;        // of the weights' rows; zeros follow
    int k_tiles() const { return k / 64; }
  };
  struct Layer {
    int64_t attention_norm, mlp_norm;
    Linear value, key_query, out, mlp1, mlp2;
  };

  EncoderShape shape;
  int rows, columns;
  int blocks;  // of 64 positions, padded
  int key_blocks;
  int head_groups;
  std::vector<Layer> layers;
  Linear conv1, conv2;
  int64_t final_norm = 0, weight_words = 0;

  // Of "state": tiles of 64 positions, [blocks][slots][words of a tile].
  int64_t x = 0, result = 0, qkv = 0, attended = 0, hidden = 0, quantised = 0, frames = 0, convolved = 0,
          state_words = 0;
  int result_slots, qkv_slots, attended_slots, hidden_slots, frames_slots, convolved_slots;

  EncoderPlan(const Device& device, const EncoderShape& s);

  int d_tiles() const { return shape.d / 64; }
  // Tiles of keys whose scales travel together: a divisor of all, so that no object is half used.
  int keys_together() const {
    int n = kRelayTogether;
    while (key_blocks % n != 0) --n;
    return n;
  }
  int steps() const { return blocks / rows * (16 / columns); }  // of four rows for each core
  int x_results() const { return up(shape.d, 512) / 512; }      // objects that hold four float rows
  static int pieces_objects(int width) { return up(width, 512) / 512; }
  // A result holds 32 pieces: the groups of four rows of several steps, or a part of one. The last tile's are scales.
  static int quantised_results(int width) { return up(width, 2048) / 2048; }
  static int quantised_slots(int width) { return std::max(32 * quantised_results(width), width / 64 + 1); }
  int groups_together(int width) const {
    return std::min(16 / columns, pieces_objects(width) == 1 ? 4 : pieces_objects(width) == 2 ? 2 : 1);
  }
  // Steps after which the scales of their rows leave together.
  int round(int steps) const {
    int n = 16 / columns;
    while (2 * n <= 32 && steps % (2 * n) == 0) n *= 2;
    return 3 * n <= 32 && steps % (3 * n) == 0 ? 3 * n : n;
  }

  // Four float rows of x: word of object `o` of the core in `row` and `column` at `step`.
  int64_t x_at(int step, int column, int o, int row) const {
    return x + (((int64_t{step} * columns + column) * x_results() + o) * rows + row) * kResultWords;
  }
};

Result<void> check_shape(const Device& device, const EncoderShape& shape, const EncoderOptions& options);

}  // namespace shorthand::npu
