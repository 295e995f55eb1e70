// SPDX-License-Identifier: Apache-2.0
#include "npu/designs/ladder.h"

#include <fmt/format.h>

#include "npu/kernels/aie_kernels.h"
#include "npu/sim/simulate.h"

namespace shorthand::npu {
namespace {

// A part of a device as wide and as high as given: the cores that a rung uses.
Device part(const Device& device, int columns, int core_rows) {
  Device d = device;
  d.columns = columns, d.core_rows = core_rows;
  return d;
}

struct Rung {
  const char* group;
  std::string step;
  int columns, core_rows;
  GemmI8 gemm;
  int64_t launches = 1;
  bool in_list = false;
};

Result<LadderRow> climb(const Device& whole, const Rung& rung, double operations, double clock_ghz) {
  const Device device = part(whole, rung.columns, rung.core_rows);
  const GemmKernels kernels = SHORTHAND_TRY(table_kernels(rung.gemm.tile_m));
  const Design design = SHORTHAND_TRY(gemm_i8_design(device, rung.gemm, kernels));
  SimOptions options;
  options.timing_only = true;
  options.clock_ghz = clock_ghz;
  options.in_list = rung.in_list;
  const SimReport r = SHORTHAND_TRY(simulate(design, device, options, {}));
  LadderRow row;
  row.group = rung.group, row.step = rung.step;
  row.cores = device.cores(), row.launches = rung.launches;
  const auto launches = static_cast<double>(rung.launches);
  row.array_ms = launches * r.array_us() / 1e3;
  row.launch_ms = launches * r.launch_us / 1e3;
  row.gops = operations / (row.total_ms() * 1e6);
  row.percent_of_peak = 100 * operations / (row.array_ms * 1e6) / peak_gops_i8(whole, r.clock_ghz);
  return row;
}

}  // namespace

Result<GemmKernels> table_kernels(int tile, bool stock_loop) {
  const std::string shape = fmt::format("{0}x{0}", tile);
  const KernelType* zero = find_aie_kernel("zero_i32_" + shape);
  const KernelType* multiply =
      find_aie_kernel(fmt::format("matmul_i8_{}{}x{}", stock_loop ? "stock_" : "", shape, tile));
  if (zero == nullptr || multiply == nullptr) {
    return not_found(fmt::format("{}: no kernels for tiles of this size; use 16, 32 or 64", shape));
  }
  GemmKernels kernels;
  kernels.zero = *zero, kernels.multiply = *multiply;
  kernels.shaped = true;
  return kernels;
}

Result<std::vector<LadderRow>> product_ladder(const Device& device, int m, int n, int k, double clock_ghz) {
  // C is added to in its FIFO, so that all rungs call the same kernels.
  const GemmI8 base{.m = m, .n = n, .k = k, .stock = true};
  auto with = [&](auto change) {
    GemmI8 g = base;
    change(g);
    return g;
  };
  auto tiles_of = [&](int tile) { return with([=](GemmI8& g) { g.tile_m = g.tile_n = g.tile_k = tile; }); };
  const GemmI8 packed = with([](GemmI8& g) { g.packed_a = g.packed_b = true; });
  const int columns = device.columns, rows = device.core_rows;
  std::vector<Rung> rungs;
  for (int tile : {16, 32, 64}) rungs.push_back({"tile", std::to_string(tile), columns, rows, tiles_of(tile)});
  // From here on DDR is read in long runs: else they, not what a rung changes, are what all rungs wait for.
  rungs.push_back({"runs", "row by row", columns, rows, base});
  rungs.push_back({"runs", "weights in tiles", columns, rows, with([](GemmI8& g) { g.packed_b = true; })});
  rungs.push_back({"runs", "both in tiles", columns, rows, packed});
  rungs.push_back({"cores", "one core", 1, 1, packed});
  rungs.push_back({"cores", "one column", 1, rows, packed});
  for (int c = 2; c <= columns; c *= 2) rungs.push_back({"cores", fmt::format("{} columns", c), c, rows, packed});
  GemmI8 single = packed;
  single.depth = single.depth_c = 1;
  rungs.push_back({"buffers", "single", columns, rows, single});
  rungs.push_back({"buffers", "double", columns, rows, packed});
  // A launch a tile: one tile of C over the whole of k, on one core, again and again.
  GemmI8 tile = packed;
  tile.m = tile.n = 64;
  const int64_t tiles = int64_t{m / 64} * (n / 64);
  rungs.push_back({"launches", "one a tile", 1, 1, tile, tiles});
  rungs.push_back({"launches", "one a tile, in a list", 1, 1, tile, tiles, true});
  rungs.push_back({"launches", "one for the product", columns, rows, packed});

  const double operations = 2.0 * m * n * k;
  std::vector<LadderRow> out;
  for (const Rung& r : rungs) out.push_back(SHORTHAND_TRY(climb(device, r, operations, clock_ghz)));
  return out;
}

namespace {

struct Launches {
  int64_t count = 0;
  Cycle cycles = 0;
};

// Simulates encoders of one shape at one clock.
class EncoderLadder {
 public:
  EncoderLadder(const Device& device, const EncoderShape& shape, double clock_ghz)
      : whole_(device), shape_(shape), clock_ghz_(clock_ghz > 0 ? clock_ghz : device.clock_ghz) {}

  Result<Cycle> cycles(const Device& device, const EncoderShape& shape, const EncoderOptions& options) const {
    const Design design = SHORTHAND_TRY(encoder_design(device, shape, options));
    SimOptions sim;
    sim.timing_only = true;
    sim.clock_ghz = clock_ghz_;
    return SHORTHAND_TRY(simulate(design, device, sim, {})).cycles;
  }

  // Every operation by itself; with `tile`, in launches of a tile for each core of the device.
  Result<Launches> by_operation(const Device& device, bool tile) const {
    EncoderShape one = shape_;  // layers are alike
    one.layers = 1;
    const std::vector<EncoderOperation> operations = SHORTHAND_TRY(encoder_operations(device, one));
    Launches sum;
    for (int i = 0; i < static_cast<int>(operations.size()); ++i) {
      const EncoderOperation& o = operations[static_cast<size_t>(i)];
      const bool of_layer = i >= kStemOperations && i < kStemOperations + kLayerOperations;
      const int64_t parts = !tile ? 1 : device.cores() == 1 ? o.tiles : o.rounds;
      const int64_t launches = parts * (of_layer ? shape_.layers : 1);
      EncoderOptions options;
      options.first = i, options.count = 1, options.tile = tile;
      sum.count += launches;
      sum.cycles += launches * SHORTHAND_TRY(cycles(device, one, options));
    }
    return sum;
  }

  Result<Launches> by_layer() const {
    EncoderShape one = shape_;
    one.layers = 1;
    auto part = [&](int first, int count) {
      EncoderOptions options;
      options.first = first, options.count = count;
      return cycles(whole_, one, options);
    };
    const Cycle stem = SHORTHAND_TRY(part(0, kStemOperations));
    const Cycle layer = SHORTHAND_TRY(part(kStemOperations, kLayerOperations));
    const Cycle last = SHORTHAND_TRY(part(kStemOperations, kLayerOperations + 1));
    return Launches{1 + shape_.layers, stem + (shape_.layers - 1) * layer + last};
  }

  Result<Launches> at_once(const Device& device, int depth = 2) const {
    EncoderOptions options;
    options.depth = depth;
    return Launches{1, SHORTHAND_TRY(cycles(device, shape_, options))};
  }

  LadderRow row(const char* group, std::string step, int cores, const Launches& l, bool in_list = false) const {
    LadderRow r;
    r.group = group, r.step = std::move(step), r.cores = cores, r.launches = l.count;
    const Dispatch& d = whole_.dispatch;
    r.array_ms = static_cast<double>(l.cycles) / (clock_ghz_ * 1e6);
    r.launch_ms = static_cast<double>(l.count) * (in_list ? d.launch_in_list_us : d.launch_us) / 1e3;
    const double work = encoder_work(shape_);
    r.gops = work / (r.total_ms() * 1e6);
    r.percent_of_peak = 100 * work / (r.array_ms * 1e6) / peak_gops_i8(whole_, clock_ghz_);
    return r;
  }

 private:
  const Device& whole_;
  const EncoderShape& shape_;
  const double clock_ghz_;
};

}  // namespace

Result<std::vector<LadderRow>> encoder_ladder(const Device& device, const EncoderShape& shape, double clock_ghz) {
  const EncoderLadder ladder(device, shape, clock_ghz);
  const Device core = part(device, 1, 1);
  std::vector<LadderRow> rows;
  auto both = [&](const std::string& step, int cores, const Launches& l) {
    rows.push_back(ladder.row("launches", step, cores, l));
    rows.push_back(ladder.row("launches", step + ", in a list", cores, l, true));
  };
  both("one a tile", 1, SHORTHAND_TRY(ladder.by_operation(core, true)));
  both("one a tile a core", device.cores(), SHORTHAND_TRY(ladder.by_operation(device, true)));
  both("one an operation", device.cores(), SHORTHAND_TRY(ladder.by_operation(device, false)));
  both("one a layer", device.cores(), SHORTHAND_TRY(ladder.by_layer()));
  const Launches whole = SHORTHAND_TRY(ladder.at_once(device));
  rows.push_back(ladder.row("launches", "one for the encoder", device.cores(), whole));
  for (int c = 0; c <= device.columns; c = c == 0 ? 1 : 2 * c) {
    const Device cores = c == 0 ? core : part(device, c, device.core_rows);
    const Launches l = c == device.columns ? whole : SHORTHAND_TRY(ladder.at_once(cores));
    const std::string step = c == 0 ? "one core" : c == 1 ? "one column" : fmt::format("{} columns", c);
    rows.push_back(ladder.row("cores", step, cores.cores(), l));
  }
  rows.push_back(ladder.row("buffers", "single", device.cores(), SHORTHAND_TRY(ladder.at_once(device, 1))));
  rows.push_back(ladder.row("buffers", "double", device.cores(), whole));
  return rows;
}

std::string to_text(const std::vector<LadderRow>& rows, const Device& device, double clock_ghz) {
  SimReport head;
  head.device = device.name;
  head.clock_ghz = clock_ghz > 0 ? clock_ghz : device.clock_ghz;
  head.launch_us = device.dispatch.launch_us;
  const std::string constants = constants_line(head, device);
  std::string text;
  for (const LadderRow& r : rows) {
    text += fmt::format(
        "{}: {:9} {:28} {:2} cores, {:6} launches: array {:9.3f} ms, launches {:9.3f} ms, {:8.1f} GOPS, "
        "{:4.1f} % of the array's peak\n",
        constants, r.group, r.step, r.cores, r.launches, r.array_ms, r.launch_ms, r.gops, r.percent_of_peak);
  }
  return text;
}

}  // namespace shorthand::npu
