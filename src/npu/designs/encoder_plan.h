// SPDX-License-Identifier: Apache-2.0
// Where everything of an encoder lies in its two host buffers, in 32-bit words. For the files encoder*.cpp.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels/attention/aie2.h"
#include "npu/designs/encoder.h"
#include "npu/designs/encoder_kernels.h"

namespace shorthand::npu {

constexpr int kTileWords = kObjectBytes / 4, kResultWords = kResultBytes / 4;  // int8 and bfloat16, 64 x 64
constexpr int kScaleRows = 4;      // rows of cores in an object of attention's scales, there or not
constexpr int kPieceFloats = 256;  // four rows of 64

constexpr int up(int n, int to) { return (n + to - 1) / to * to; }

struct EncoderPlan {
  // The panels of a column of cores lie in the order in which they go down it: k_tiles() tiles and the columns'
  // parameters each. Two panels are a pair if they have an even number of tiles: one's and the other's in turn, but
  // that the first's parameters come before the second's last tile, and the second's after the first tile of what
  // follows (designs/encoder_program.cpp). What pads all to an even number of objects follows.
  struct Linear {
    int64_t at;         // [columns][objects()][kTileWords]
    int n, k, n_tiles;  // padded to the columns
    int k_given;        // of the weights' rows; zeros follow
    int columns;
    bool even_rows;  // of blocks, and no rows' maxima leave: a panel that is over serves two rows at once
    int k_tiles() const { return k / 64; }
    int tiles() const { return n_tiles / columns; }  // of a column
    int pairs() const { return k_tiles() % 2 == 0 ? tiles() / 2 : 0; }
    int pair_objects() const { return pairs() * 2 * (k_tiles() + 1); }  // which come first
    bool over() const { return pairs() > 0 && tiles() > 2 * pairs(); }
    bool stacked() const { return over() && even_rows; }
    int objects() const { return tiles() * (k_tiles() + 1) + (over() ? 1 : 0); }
    // Objects of panel `tile` of all columns: a stacked one has the columns' parameters for each of the rows.
    int end_of(int tile) const { return k_tiles() + (stacked() && tile / columns == tiles() - 1 ? 2 : 1); }
    int64_t column_at(int column) const { return at + int64_t{column} * objects() * kTileWords; }
    // Object i of a column's panel.
    int64_t object_at(int column, int tile, int i) const {
      const int steps = k_tiles(), half = tile & 1;
      const int first = (tile < 2 * pairs() ? tile & ~1 : tile) * (steps + 1);
      int of_pair = half == 0 ? (i < steps ? 2 * i : 2 * steps - 1) : i < steps - 1 ? 2 * i + 1 : steps + i + 1;
      if (half == 0 && i == 0 && tile > 0) of_pair = -1;                               // before the parameters
      if (half == 1 && i == steps && tile + 1 < 2 * pairs()) of_pair = 2 * steps + 2;  // after the next tile's first
      return column_at(column) + int64_t{first + (tile < 2 * pairs() ? of_pair : i)} * kTileWords;
    }
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

  // Of "state": tiles of 64 positions, [blocks][slots][words of a tile]. x is the residual stream, in pieces of four
  // rows as kernels/relay has them, and what LayerNorm makes of it; output what the last one leaves, floats in results
  // of the cores.
  int64_t x = 0, output = 0, result = 0, qkv = 0, attended = 0, hidden = 0, quantised = 0, frames = 0, convolved = 0,
          maxima = 0, state_words = 0;
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
  // A row of blocks' residual stream and normal rows, in slots of kTileWords as int8 tiles have them: two for a tile of
  // x, half a piece of 64 words each, then the quantised tiles, then the scales. A result holds 32 such halves of four
  // rows: x of two steps where they fit, or what there is of one; of rows above 1,024 columns two hold x and the tiles.
  int x_together() const { return shape.d <= 512 && groups_together(shape.d) % 2 == 0 ? 2 : 1; }
  bool x_with_steps() const { return shape.d > 1024; }
  int normal_slot() const { return 2 * d_tiles(); }
  int norm_slots() const {
    const int n = groups_together(shape.d);
    return x_with_steps() ? 64 : std::max(normal_slot() + std::max(32 / n, d_tiles() + 1), 32 / x_together());
  }
  int64_t norm_block() const { return int64_t{norm_slots()} * kTileWords; }
  int output_results() const { return up(d_tiles(), 8) / 8; }
  // A result holds 32 pieces: the groups of four rows of several steps, or a part of one. The last tile's are scales.
  static int quantised_results(int width) { return up(width, 2048) / 2048; }
  static int quantised_slots(int width) { return std::max(32 * quantised_results(width), width / 64 + 1); }
  int groups_together(int width) const { return std::min(16 / columns, width <= 512 ? 4 : width <= 1024 ? 2 : 1); }
  // Steps after which the scales of their rows leave together: whole rows of blocks, at most 32, and where it can be
  // not all, so that what reads the first rows need not wait for the last.
  int round(int steps) const {
    const int n = 16 / columns;
    int best = n;
    for (int r = n; r <= std::min(32, std::max(n, steps / 2)); r += n) {
      if (steps % r == 0) best = r;
    }
    return best;
  }

  // The first word of what a core row has of result `o` of the output, and of its element [row, c].
  int64_t output_at(int step, int column, int o, int core_row) const {
    return output +
           (((int64_t{step} * columns + column) * output_results() + o) * 8 * rows + core_row * 8) * kPieceFloats;
  }
  int64_t output_element(int step, int column, int core_row, int row, int c) const {
    return output_at(step, column, c / 512, core_row) + int64_t{c / 64 % 8} * kPieceFloats + c % 64 / 8 * 32 + row * 8 +
           c % 8;
  }

  // Four rows as bfloat16 that fit a core stay there between their largest elements and their quantisation. Of wider
  // ones that products leave, these leave the rows' maxima too, `sets` for each row of blocks: one a column and
  // product.
  bool known(int width) const { return width > 1024; }
  // kBig: a product's sums and what an epilogue keeps; attention's, but for its sums; four float rows, of narrow ones
  // with a result of x behind them; four bfloat16 rows that are quantised. kWork: a product's other sums; attention's;
  // LayerNorm's state and parameters, and behind them what waits to leave.
  static constexpr int kBigBytes = 20480, kWorkBytes = 64 * 64 * 4;
  static int sets_up(int sets) { return up(sets, 16); }
  int64_t maxima_at(int block, int sets, int set) const {
    return maxima + (int64_t{block} * sets_up(sets) + set) * rows * kResultWords;
  }
};

Result<void> check_shape(const Device& device, const EncoderShape& shape, const EncoderOptions& options);

}  // namespace shorthand::npu
