// SPDX-License-Identifier: Apache-2.0
#include "npu/designs/gemm_i8.h"

#include <fmt/format.h>

#include <cstring>

#include "npu/builder.h"

namespace shorthand::npu {
namespace {

class GemmDesign {
 public:
  GemmDesign(const Device& device, const GemmI8& gemm, const GemmKernels& kernels)
      : g_(gemm),
        k_(kernels),
        rows_(device.core_rows),
        columns_(device.columns),
        b_(gemm.stock ? "gemm_i8_stock" : "gemm_i8") {
    feeders_ = std::min(rows_, columns_);
    rows_a_feeder_ = rows_ / feeders_;
  }

  Result<Design> build() {
    if (g_.packed_a && g_.keep_a) return usage_error("gemm_i8: panels that are kept are read row-major; choose one");
    const int block_m = rows_ * g_.tile_m, block_n = columns_ * g_.tile_n;
    if (g_.m < 1 || g_.n < 1 || g_.k < 1 || g_.m % block_m != 0 || g_.n % block_n != 0 || g_.k % g_.tile_k != 0) {
      return usage_error(fmt::format("gemm_i8: {}x{}x{} is no whole number of blocks of {}x{}x{}; pad it", g_.m, g_.n,
                                     g_.k, block_m, block_n, g_.tile_k));
    }
    if (g_.tile_m % k_.r != 0 || g_.tile_k % k_.s != 0 || g_.tile_n % k_.t != 0) {
      return usage_error(fmt::format("gemm_i8: tiles of {}x{}x{} are no multiples of {}x{}x{}", g_.tile_m, g_.tile_n,
                                     g_.tile_k, k_.r, k_.t, k_.s));
    }
    if (g_.stock) b_.allocation(Allocation::sequential);
    blocks_m_ = g_.m / block_m, blocks_n_ = g_.n / block_n, steps_k_ = g_.k / g_.tile_k;
    make_workers();
    feed_a();
    feed_b();
    gather_c();
    make_programs();
    make_sequence();
    return b_.finish();
  }

 private:
  int worker(int column, int row) const { return column * rows_ + row; }
  int fifo(std::string name, int element_bytes, int elements, int depth, Pattern to_stream = {}, int repeat = 1,
           std::vector<int> banks = {}) {
    Fifo f;
    f.name = std::move(name), f.element_bytes = element_bytes, f.elements = elements, f.depth = depth;
    f.to_stream = std::move(to_stream), f.repeat = repeat, f.banks = std::move(banks);
    return b_.fifo(std::move(f));
  }

  void make_workers() {
    for (int c = 0; c < columns_; ++c) {
      for (int r = 0; r < rows_; ++r) b_.worker(fmt::format("mm_{}_{}", c, r), {}, {c, kFirstCoreRow + r});
    }
  }

  // Row-major [rows, width] read as blocks of `high` x `wide`.
  static Pattern blocked(int rows, int width, int high, int wide) {
    return {{rows / high, int64_t{high} * width}, {width / wide, wide}, {high, width}, {wide, 1}};
  }

  // Feeder f brings the rows of A of `rows_a_feeder_` rows of cores. Kept panels lie tile after tile, so that their
  // tiles and the blocks of r rows in them are one dimension of the walk.
  void feed_a() {
    const int tile = g_.tile_m * g_.tile_k;
    const int tiles = g_.keep_a ? steps_k_ : 1;
    Pattern walk = blocked(g_.tile_m, g_.tile_k, k_.r, k_.s);
    walk[0].size *= tiles;
    for (int f = 0; f < feeders_; ++f) {
      const int column = f * columns_ / feeders_;
      a_in_.push_back(
          fifo(fmt::format("a_in{}", f), k_.input_bytes, rows_a_feeder_ * tiles * tile, g_.keep_a ? 1 : g_.depth));
      b_.from_host(a_in_.back(), column);
      std::vector<int> parts, offsets;
      for (int i = 0; i < rows_a_feeder_; ++i) {
        const int row = f * rows_a_feeder_ + i;
        a_.push_back(
            fifo(fmt::format("a{}", row), k_.input_bytes, tile, g_.depth, walk, g_.keep_a ? blocks_n_ : 1, g_.banks.a));
        for (int c = 0; c < columns_; ++c) b_.to_worker(a_.back(), worker(c, row));
        parts.push_back(a_.back());
        offsets.push_back(i * tiles * tile);
      }
      b_.split(a_in_.back(), parts, offsets, {column, kMemoryRow});
    }
  }

  void feed_b() {
    for (int c = 0; c < columns_; ++c) {
      const int tile = g_.tile_k * g_.tile_n;
      b_in_.push_back(fifo(fmt::format("b_in{}", c), k_.input_bytes, tile, g_.depth));
      tiles_b_.push_back(fifo(fmt::format("b{}", c), k_.input_bytes, tile, g_.depth,
                              blocked(g_.tile_k, g_.tile_n, k_.s, k_.t), 1, g_.banks.b));
      b_.from_host(b_in_.back(), c);
      b_.forward(b_in_.back(), tiles_b_.back(), {c, kMemoryRow});
      for (int r = 0; r < rows_; ++r) b_.to_worker(tiles_b_.back(), worker(c, r));
    }
  }

  void gather_c() {
    const int tile = g_.tile_m * g_.tile_n;
    const Pattern unblocked = {{g_.tile_m / k_.r, int64_t{k_.r} * g_.tile_n},
                               {k_.r, k_.t},
                               {g_.tile_n / k_.t, int64_t{k_.r} * k_.t},
                               {k_.t, 1}};
    for (int c = 0; c < columns_; ++c) {
      std::vector<int> parts, offsets;
      for (int r = 0; r < rows_; ++r) {
        c_.push_back(fifo(fmt::format("c{}_{}", c, r), k_.output_bytes, tile, g_.depth_c, {}, 1, g_.banks.c));
        b_.from_worker(c_.back(), worker(c, r));
        parts.push_back(c_.back());
        offsets.push_back(r * tile);
      }
      c_out_.push_back(fifo(fmt::format("c_out{}", c), k_.output_bytes, rows_ * tile, g_.depth_c, unblocked));
      b_.join(parts, offsets, c_out_.back(), {c, kMemoryRow});
      b_.to_host(c_out_.back(), c);
    }
  }

  void make_programs() {
    const int zero = b_.kernel(k_.zero), multiply = b_.kernel(k_.multiply);
    const int epilogue = g_.stock ? -1 : b_.kernel(k_.epilogue);
    std::vector<Number> shape, shape_c;
    if (!k_.shaped) {
      shape = {literal(g_.tile_m), literal(g_.tile_n), literal(g_.tile_k)};
      shape_c = {literal(g_.tile_m), literal(g_.tile_n)};
    }
    const std::vector<Number> finish = g_.shift >= 0 ? std::vector<Number>{literal(g_.shift)} : shape_c;
    for (int c = 0; c < columns_; ++c) {
      for (int r = 0; r < rows_; ++r) {
        const int w = worker(c, r), a = a_[static_cast<size_t>(r)], b = tiles_b_[static_cast<size_t>(c)];
        const int out = c_[static_cast<size_t>(w)];
        b_.stack(w, 2048 + 128);
        Program p;
        Operand sums = object(out);
        if (g_.stock) {
          p.acquire(out);
        } else {
          sums = buffer(b_.buffer(fmt::format("sums_{}_{}", c, r), w, g_.tile_m * g_.tile_n * 4, g_.banks.sums));
        }
        p.call(zero, {sums}, shape_c);
        p.loop(steps_k_).acquire(a).acquire(b);
        p.call(multiply, {object(a), object(b), sums}, shape).release(a).release(b).end();
        if (!g_.stock) p.acquire(out).call(epilogue, {sums, object(out)}, finish);
        p.release(out);
        b_.program(w, p);
      }
    }
  }

  // For each row of blocks one task a channel. Two rows are in flight: everything of a row is started before the row
  // before it is waited for. The fills are awaited too, for their descriptors.
  void make_sequence() {
    const int a = b_.host("a", int64_t{g_.m} * g_.k * k_.input_bytes);
    const int b = b_.host("b", int64_t{g_.k} * g_.n * k_.input_bytes);
    const int c = b_.host("c", int64_t{g_.m} * g_.n * k_.output_bytes);
    const int64_t m_row = int64_t{rows_} * g_.tile_m, n_row = int64_t{columns_} * g_.tile_n;
    std::vector<int> before;
    for (int block = 0; block < blocks_m_; ++block) {
      std::vector<int> done;
      for (int i = 0; i < columns_; ++i) {
        done.push_back(b_.drain(c_out_[static_cast<size_t>(i)], c, {{blocks_n_, n_row}, {m_row, g_.n}, {g_.tile_n, 1}},
                                block * m_row * g_.n + i * g_.tile_n));
      }
      for (int f = 0; f < feeders_; ++f) {
        const int64_t row = block * m_row + int64_t{f} * rows_a_feeder_ * g_.tile_m;
        done.push_back(fill_a(a, f, row * g_.k));
      }
      for (int i = 0; i < columns_; ++i) {
        // Written in dimensions that the shim's wraps (1,023) hold: steps and rows of k apart, packed tiles in runs.
        const int64_t panel = int64_t{g_.k} * g_.tile_n, run = run_of(g_.tile_k * g_.tile_n);
        const Pattern walk =
            g_.packed_b
                ? Pattern{{blocks_n_, columns_ * panel}, {panel / run, run}, {run, 1}}
                : Pattern{{blocks_n_, n_row}, {steps_k_, int64_t{g_.tile_k} * g_.n}, {g_.tile_k, g_.n}, {g_.tile_n, 1}};
        done.push_back(b_.fill(b_in_[static_cast<size_t>(i)], b, walk, i * (g_.packed_b ? panel : g_.tile_n)));
      }
      for (int task : before) b_.await(task);
      before = done;
    }
    for (int task : before) b_.await(task);
  }

  // Of a packed tile: what the shim's wraps (1,023 words) hold.
  static int64_t run_of(int tile) { return std::min(tile / 2, 2048); }

  int fill_a(int host, int feeder, int64_t offset) {
    const int64_t panel = int64_t{g_.tile_m} * g_.k, run = run_of(g_.tile_m * g_.tile_k);
    const int fifo = a_in_[static_cast<size_t>(feeder)];
    const Pattern tiles = {{steps_k_, g_.tile_k}, {int64_t{rows_a_feeder_} * g_.tile_m, g_.k}, {g_.tile_k, 1}};
    if (g_.packed_a) {  // a feeder's rows of a block lie together
      return b_.fill(fifo, host, {{blocks_n_, 0}, {rows_a_feeder_ * panel / run, run}, {run, 1}}, offset);
    }
    if (!g_.keep_a) {
      Pattern walk = tiles;
      if (blocks_n_ > 1) walk.insert(walk.begin(), {blocks_n_, 0});
      return b_.fill(fifo, host, walk, offset);
    }
    // Kept: each row of cores' panel whole, tile after tile.
    Pattern walk = {{steps_k_, g_.tile_k}, {g_.tile_m, g_.k}, {g_.tile_k, 1}};
    if (rows_a_feeder_ > 1) walk.insert(walk.begin(), {rows_a_feeder_, int64_t{g_.tile_m} * g_.k});
    return b_.fill(fifo, host, walk, offset);
  }

  const GemmI8& g_;
  const GemmKernels& k_;
  const int rows_, columns_;
  int feeders_ = 1, rows_a_feeder_ = 1;
  int blocks_m_ = 0, blocks_n_ = 0, steps_k_ = 0;
  Builder b_;
  std::vector<int> a_in_, a_;        // by feeder; by row of cores
  std::vector<int> b_in_, tiles_b_;  // by column
  std::vector<int> c_, c_out_;       // by worker; by column
};

}  // namespace

Result<Design> gemm_i8_design(const Device& device, const GemmI8& gemm, const GemmKernels& kernels) {
  return GemmDesign(device, gemm, kernels).build();
}

void pack_a(const Device& device, const GemmI8& gemm, const int8_t* a, int8_t* packed) {
  const int feeders = std::min(device.core_rows, device.columns);
  const int high = device.core_rows / feeders * gemm.tile_m;  // rows of a feeder in a block
  for (int first = 0; first < gemm.m; first += high) {
    for (int step = 0; step < gemm.k; step += gemm.tile_k) {
      for (int row = first; row < first + high; ++row) {
        std::memcpy(packed, a + int64_t{row} * gemm.k + step, static_cast<size_t>(gemm.tile_k));
        packed += gemm.tile_k;
      }
    }
  }
}

void pack_b(const Device& device, const GemmI8& gemm, const int8_t* b, int8_t* packed) {
  const int n_row = device.columns * gemm.tile_n;
  for (int block = 0; block < gemm.n / n_row; ++block) {
    for (int column = 0; column < device.columns; ++column) {
      for (int row = 0; row < gemm.k;
           ++row) {  // tile after tile of tile_k rows: the rows of all of k in a column of tiles
        std::memcpy(packed, b + int64_t{row} * gemm.n + block * n_row + column * gemm.tile_n,
                    static_cast<size_t>(gemm.tile_n));
        packed += gemm.tile_n;
      }
    }
  }
}

}  // namespace shorthand::npu
