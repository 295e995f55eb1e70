// SPDX-License-Identifier: Apache-2.0
#include "npu/designs/encoder.h"

#include <fmt/format.h>

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <utility>

#include "kernels/attention/aie2.h"
#include "npu/builder.h"
#include "npu/designs/encoder_plan.h"
#include "npu/kernels/aie_kernels.h"

namespace shorthand::npu {
namespace {

using Linear = EncoderPlan::Linear;
using K = EncoderKernel;

size_t at(int index) { return static_cast<size_t>(index); }

// Run-time parameters of a core: trip counts, of which zero skips a part. An operation sets its own; those of the first
// group are zero in all others, and the rest stay as they were, because a word for each core takes its time.
enum Parameter : int {
  kTiles,       // rows of blocks of a product
  kAttend,      // heads and blocks of queries
  kNorms,       // 1: LayerNorm
  kQuantising,  // 1
  kOperations,
  kSteps = kOperations,  // 64 of the inner dimension
  kPlain,                // 1: the tile leaves as bfloat16
  kGelu,
  kClear,           // 1: the first row of the first tiles is padding
  kTilesN,          // tiles in a row of blocks
  kHead,            // as int8 with its own scales
  kMaxima,          // 1: what the rows' largest elements were leaves after a row of blocks
  kKeyGroups,       // tiles of keys whose scales come together
  kTogether,        // of them
  kNormRounds,      // results of LayerNorm's scales
  kGroups,          // in each, groups of four rows, as many at a time as a result holds
  kBefore,          // 1: x leaves before LayerNorm
  kAfter,           // or after it
  kQuantiseRounds,  // results of the scales of what is quantised
  kQuantise,        // groups of four rows in each, as many at a time as a result holds
  kSlots,           // of them in a result
  kApart,           // pieces from one to the next there
  kInputs,          // objects of pieces that come both along the row and down the column, and stay
  kFirstDown,       // the first tile of those that come down
  kMoreAlong,       // and more that come along the row
  kFirstMore,       // the first tile of these
  kGather,          // 1: groups gather until they fill a result
  kAlone,           // or the results that one fills
  kBlocks,          // rows of blocks of a round, whose maxima come first
  kBlockObjects,    // objects of maxima in each
  kSets,            // of maxima in each
  kPassing,         // 1: rows do not stay
  kFull,            // results of two halves
  kHalf,            // 1: and one of one
  kWidth,
  kParameters,
};

// How what a product leaves will be quantised: the rows' width, of `parts` products' results; this one's is number
// `part`. 0: not.
struct Quantised {
  int width = 0, part = 0, parts = 1;
};

// Which array a task writes, by its first word, and which of its rows of blocks.
struct Made {
  int64_t array = -1;
  int first = 0, end = 0;
};
struct Written {
  int first, end, fifo, task;
};

class EncoderDesign {
 public:
  EncoderDesign(const Device& device, const EncoderShape& shape, const EncoderOptions& options)
      : plan_(device, shape), options_(options), rows_(device.core_rows), columns_(device.columns), b_("encoder") {
    feeders_ = std::min(rows_, columns_);
    share_ = rows_ / feeders_;
    out_rows_ = rows_ == columns_ && rows_ % 2 == 0 ? rows_ / 2 : rows_;
    along_ = 8 / columns_, down_ = 8 / rows_, together_ = std::max(along_, down_);
  }

  Result<Design> build() {
    for (int c = 0; c < columns_; ++c) {
      for (int r = 0; r < rows_; ++r) {
        const int w =
            b_.worker(fmt::format("core_{}_{}", c, r), {}, {c, kFirstCoreRow + r}, std::vector<int32_t>(kParameters));
        b_.stack(w, 3328);
      }
    }
    written_.assign(at(rows_ * columns_), std::vector<int32_t>(kParameters));
    make_fifos();
    make_kernels();
    for (int c = 0; c < columns_; ++c) {
      for (int r = 0; r < rows_; ++r) make_program(c, r);
    }
    make_sequence();
    return b_.finish();
  }

  struct Operation {
    EncoderOperation what;
    std::function<void()> run;
  };

  // The sequence, in order. Valid as long as this is.
  std::vector<Operation> operations() {
    std::vector<Operation> list;
    const EncoderPlan& p = plan_;
    const int d = p.shape.d;
    auto rows = [&](std::string_view name, std::function<void()> run) {
      list.push_back({{name, p.key_blocks, p.blocks / rows_}, std::move(run)});
    };
    auto product = [&](std::string_view name, const Linear& l, int n, std::function<void()> run) {
      const int64_t rounds = int64_t{p.blocks} / rows_ * (l.n_tiles / columns_);
      list.push_back({{name, int64_t{p.key_blocks} * (n / 64), rounds}, std::move(run)});
    };
    for (int tap = 0; tap < 3; ++tap) {  // frame -1 of the first convolution's results is padding of the second
      rows("quantise frames", [this, &p, tap] {
        run_quantise(p.frames + int64_t{tap} * p.blocks * p.frames_slots * kResultWords, p.frames_slots, p.conv1.k);
      });
      product("first convolution", p.conv1, d, [this, &p, tap] {
        run_product(p.conv1, kGelu, p.convolved, p.convolved_slots, tap * p.d_tiles(), 1, tap == 0,
                    {p.conv2.k, tap, 3});
      });
    }
    rows("quantise convolved", [this, &p] { run_quantise(p.convolved, p.convolved_slots, p.conv2.k, 3); });
    product("second convolution", p.conv2, d, [this, &p] { run_product(p.conv2, kGelu, p.result, p.result_slots, 0); });
    for (const EncoderPlan::Layer& l : p.layers) {
      rows("attention's norm", [this, &l] { run_norm(l.attention_norm, false); });
      product("values", l.value, d, [this, &p, &l] { run_product(l.value, kPlain, p.qkv, p.qkv_slots, 1, 2); });
      product("keys and queries", l.key_query, 2 * d,
              [this, &p, &l] { run_product(l.key_query, kHead, p.qkv, p.qkv_slots, 0, 2); });
      list.push_back(
          {{"attention", int64_t{p.shape.heads} * p.key_blocks, int64_t{p.head_groups} * (p.blocks / columns_)},
           [this] { run_attention(); }});
      rows("quantise attended", [this, &p, d] { run_quantise(p.attended, p.attended_slots, d); });
      product("output", l.out, d, [this, &p, &l] { run_product(l.out, kPlain, p.result, p.result_slots, 0); });
      rows("feed-forward's norm", [this, &l] { run_norm(l.mlp_norm, false); });
      product("first product", l.mlp1, 4 * d, [this, &p, &l, d] {
        run_product(l.mlp1, kGelu, p.hidden, p.hidden_slots, 0, 1, false, {4 * d, 0, 1});
      });
      rows("quantise hidden", [this, &p, d] { run_quantise(p.hidden, p.hidden_slots, 4 * d, 1); });
      product("second product", l.mlp2, d,
              [this, &p, &l] { run_product(l.mlp2, kPlain, p.result, p.result_slots, 0); });
    }
    rows("last norm", [this, &p] { run_norm(p.final_norm, true); });
    return list;
  }

 private:
  // Quantised rows that wait beside the four float ones until they fill a result.
  int norm_together() const {
    const int d = plan_.shape.d;
    return 16 * d + kResultBytes <= big_bytes() ? plan_.groups_together(d) : 1;
  }
  int big_bytes() const { return plan_.big_bytes(); }
  int worker(int column, int row) const { return column * rows_ + row; }
  int fifo(std::string name, int words, int depth, std::vector<int> banks = {}) {
    Fifo f;
    f.name = std::move(name), f.element_bytes = 4, f.elements = words, f.depth = depth, f.banks = std::move(banks);
    return b_.fifo(std::move(f));
  }

  // Sums lie in banks 0 and 1. Of two objects that a product reads together each has a bank of its own, and of the two
  // that arrive meanwhile one has a third.
  std::vector<int> banks(std::vector<int> of) const { return options_.depth == 2 ? std::move(of) : std::vector<int>(); }

  // Objects of a memory tile on their way to the cores.
  int relayed() const { return options_.depth == 1 ? 1 : share_ > 1 ? 2 : 4; }

  void make_fifos() {
    for (int f = 0; f < feeders_; ++f) {
      const int column = f * columns_ / feeders_;
      a_in_.push_back(fifo(fmt::format("a_in{}", f), share_ * kTileWords, relayed()));
      b_.from_host(a_in_.back(), column);
      std::vector<int> parts, offsets;
      for (int i = 0; i < share_; ++i) {
        a_.push_back(fifo(fmt::format("a{}", f * share_ + i), kTileWords, options_.depth, banks({1, 3})));
        for (int c = 0; c < columns_; ++c) b_.to_worker(a_.back(), worker(c, f * share_ + i));
        parts.push_back(a_.back());
        offsets.push_back(i * kTileWords);
      }
      b_.split(a_in_.back(), parts, offsets, {column, kMemoryRow});
    }
    for (int c = 0; c < columns_; ++c) {
      w_in_.push_back(fifo(fmt::format("b_in{}", c), kTileWords, relayed()));
      w_.push_back(fifo(fmt::format("b{}", c), kTileWords, options_.depth, banks({2, 1})));
      b_.from_host(w_in_.back(), c).forward(w_in_.back(), w_.back(), {c, kMemoryRow});
      for (int r = 0; r < rows_; ++r) {
        b_.to_worker(w_.back(), worker(c, r));
        c_.push_back(fifo(fmt::format("c{}_{}", c, r), kResultWords, 1));
        b_.from_worker(c_.back(), worker(c, r));
      }
      for (int first = 0; first < rows_; first += out_rows_) {
        std::vector<int> parts, offsets;
        for (int r = 0; r < out_rows_; ++r) {
          parts.push_back(c_[at(worker(c, first + r))]);
          offsets.push_back(r * kResultWords);
        }
        out_.push_back(fifo(fmt::format("c_out{}_{}", c, first / out_rows_), out_rows_ * kResultWords, options_.depth));
        b_.join(parts, offsets, out_.back(), {c, kMemoryRow});
        b_.to_host(out_.back(), c);
      }
    }
  }

  void make_kernels() {
    for (const char* name : {"zero_i32_64x64", "matmul_i8_64x64x64", "zero_row_max_64", "epilogue_bf16_64x64",
                             "epilogue_gelu_bf16_64x64", "attention_values_64x64", "attention_end_64x64"}) {
      named_[name] = b_.kernel(*find_aie_kernel(name));
    }
    for (int k = 0; k <= static_cast<int>(K::send_scales); ++k) {
      own_.push_back(b_.kernel(encoder_kernel(static_cast<K>(k))));
    }
  }
  int kernel(K k) const { return own_[static_cast<size_t>(k)]; }

  struct Core {
    int a, b, c;                                                     // FIFOs
    Operand big, work, query, query_scales, state, scales, row_max;  // buffers
    int column, row;
  };

  void make_program(int column, int row) {
    const int w = worker(column, row);
    auto buffer_of = [&](const char* name, int bytes) {
      return buffer(b_.buffer(fmt::format("{}_{}_{}", name, column, row), w, bytes));
    };
    Core core{};
    core.a = a_[at(row)], core.b = w_[at(column)], core.c = c_[at(w)], core.column = column, core.row = row;
    const int d = plan_.shape.d;
    core.big = buffer_of("big", big_bytes());
    // Attention's; a tile before it is quantised; LayerNorm's parameters.
    core.work = buffer_of("work", work_bytes());
    core.query = buffer_of("query", std::max(kObjectBytes, 4 * d));  // and four int8 rows; an epilogue's own
    core.query_scales = buffer_of("query_scales", 16 * 32);          // and those of a result of scales
    core.state = buffer_of("state", 320);
    core.scales = buffer_of("scales", 256);  // of a tile's rows; the steps of four
    core.row_max = buffer_of("row_max", 256);
    Program p;
    p.barrier();
    product(p, core);
    attention(p, core);
    norm(p, core);
    quantise(p, core);
    b_.program(w, p);
  }

  static void skip(Program& p, int fifo, Number trips) { p.loop(trips).acquire(fifo).release(fifo).end(); }

  void product(Program& p, const Core& k) {
    p.call(named_["zero_i32_64x64"], {k.big});  // epilogues and attention_end leave zeros for the next tile or head
    p.loop(parameter(kTiles)).call(named_["zero_row_max_64"], {k.row_max}).loop(parameter(kTilesN));
    p.loop(parameter(kSteps)).acquire(k.a).acquire(k.b);
    p.call(named_["matmul_i8_64x64x64"], {object(k.a), object(k.b), k.big}).release(k.a).release(k.b).end();
    p.acquire(k.a).call(kernel(K::gather_scales), {object(k.a), k.scales}).release(k.a).acquire(k.b).acquire(k.c);
    const std::vector<Operand> out = {k.big, object(k.b), k.scales, object(k.c), k.row_max, k.query};
    p.loop(parameter(kPlain)).call(named_["epilogue_bf16_64x64"], out).end();
    p.loop(parameter(kGelu)).call(named_["epilogue_gelu_bf16_64x64"], out).end();
    p.loop(parameter(kClear)).call(kernel(K::clear_first), {object(k.c), k.row_max}, {counter(2)}).end();
    p.loop(parameter(kHead));
    p.call(kernel(K::product_head), {k.big, object(k.b), k.scales, k.work, object(k.c), k.query}).end();
    p.release(k.b).release(k.c).end().loop(parameter(kMaxima)).acquire(k.c);
    p.call(kernel(K::send_maxima), {k.row_max, object(k.c)}).release(k.c).end().end();
  }

  // Down the column come the scales of all rows' queries, their tiles and the scales of keys; along the row a tile of
  // keys and one of values, in halves. Values pass through two objects while the core is at the keys: their first half
  // then waits in the object that the result will leave in, and the next keys come while the second is at work.
  void attention(Program& p, const Core& k) {
    p.loop(parameter(kAttend)).acquire(k.b);
    p.call(kernel(K::copy_scales), {object(k.b), k.query_scales}, {literal(k.row)}).release(k.b);
    skip(p, k.b, literal(k.row));
    p.acquire(k.b).call(kernel(K::keep_object), {object(k.b), k.query}, {literal(0), literal(0)}).release(k.b);
    skip(p, k.b, literal(rows_ - 1 - k.row));
    p.call(kernel(K::attention_begin), {k.big}).acquire(k.c);
    const Number index = counter(), group = counter(1), together = parameter(kTogether);
    const Number positions = literal(plan_.shape.n_ctx);
    p.loop(parameter(kKeyGroups)).acquire(k.b).loop(together).acquire(k.a);
    p.call(kernel(K::attention_scores), {k.query, k.query_scales, object(k.a), object(k.b), k.big, k.work},
           {literal(k.row), index, group, together, positions});
    p.release(k.a).call(kernel(K::attention_weights), {k.big, k.work}, {index, group, together, positions});
    p.acquire(k.a)
        .call(kernel(K::keep_object), {object(k.a), object(k.c)}, {literal(0), literal(0)})
        .release(k.a)
        .acquire(k.a);
    p.call(named_["attention_values_64x64"], {k.work, object(k.c), object(k.a), k.big}).release(k.a).end();
    p.release(k.b).end();
    p.call(named_["zero_row_max_64"], {k.row_max});
    p.call(named_["attention_end_64x64"], {k.big, k.work, object(k.c), k.row_max}).release(k.c).end();
  }

  // What comes along a row or down a column serves all its cores at once: an object has a part for each. So none waits
  // while others have theirs, and all are at the same rows. Of the four rows of a core here come the result's tiles
  // along the row, and x down the column.
  void norm(Program& p, const Core& k) {
    const int d = plan_.shape.d;
    const Number width = literal(d);
    const int together = norm_together(), kept = 16 * d;
    const bool alone = together == 1;
    p.loop(parameter(kNorms)).loop(kNormObjects).acquire(k.b);
    p.call(kernel(K::copy_parameters), {object(k.b), k.work}, {counter(), width}).release(k.b).end();
    const int early = early_objects();
    if (early > 0) {
      p.loop(early);
      keep_early(p, k, counter(), literal(0));
      p.end();
    }
    p.loop(parameter(kNormRounds)).loop(parameter(kGroups)).loop(together);
    if (early > 0) {
      p.call(kernel(K::rows_of), {early_place(k), k.big},
             {literal(0), literal(0), literal(early_behind()), literal(1), literal(early * along_), width});
    }
    if (plan_.by_rows()) {
      from_objects(p, k, early * along_, norm_objects() - early);
      p.end();
      norm_by_rows(p, k);
    } else {
      norm_at_once(p, k);
    }
    if (alone) p.acquire(k.c);
    p.call(kernel(K::keep_quantised), {k.query, k.scales, alone ? object(k.c) : k.big, k.query_scales},
           {literal(alone ? 0 : kept), counter(), counter(1), literal(together), width});
    p.end();
    if (!alone) p.acquire(k.c).call(kernel(K::send_kept), {k.big, object(k.c)}, {literal(kept)});
    p.release(k.c).end();
    scales(p, k);
    p.end().end();
  }
  // Objects of the result's tiles of four rows, and those of them that come while the rows before are at work, one a
  // row, since a core's memory has room for two of those to come.
  int norm_objects() const {
    const int objects = up(plan_.shape.d / 64, along_) / along_;
    return early() && objects > 2 ? std::max(objects, 4) : objects;
  }
  int early_objects() const { return early() && norm_objects() >= 4 ? 4 : 0; }
  bool early() const { return plan_.by_rows() && columns_ >= 4; }
  // They wait behind the rows and what gathers there, or behind LayerNorm's parameters; in pieces.
  int early_bytes() const { return early_objects() * along_ * 2 * kPieceFloats; }
  int behind_rows() const { return 16 * plan_.shape.d + (norm_together() > 1 ? kResultBytes : 0); }
  bool early_in_big() const { return up(behind_rows(), 2 * kPieceFloats) + early_bytes() <= big_bytes(); }
  int early_behind() const {
    const int bytes = early_in_big() ? behind_rows() : (2 * plan_.shape.d + 16) * 4;
    return up(bytes, 2 * kPieceFloats) / (2 * kPieceFloats);
  }
  int work_bytes() const {
    const int parameters = (2 * plan_.shape.d + 16) * 4;
    const int early = early_in_big() ? 0 : early_behind() * 2 * kPieceFloats + early_bytes();
    return std::max({kAttentionWork * 2, parameters, early});
  }
  Operand early_place(const Core& k) const { return early_in_big() ? k.big : k.work; }
  void keep_early(Program& p, const Core& k, Number index, Number group) {
    p.acquire(k.a);
    p.call(kernel(K::keep_part), {object(k.a), early_place(k)},
           {index, group, literal(plan_.rows_together()), literal(early_behind()), literal(k.column), literal(along_)});
    p.release(k.a);
  }
  // While a row is at work the next one's x comes. A result leaves before the last of its rows is at work, so that
  // there is room for the next one when it is wanted.
  void norm_by_rows(Program& p, const Core& k) {
    const Number width = literal(plan_.shape.d), together = literal(plan_.rows_together());
    const int most = plan_.rows_together() - 1;
    auto add = [&](Number row, Number group) {
      p.loop(plan_.row_pieces()).acquire(k.b);
      p.call(kernel(K::add_row), {object(k.b), k.big}, {counter(), row, group, together, literal(k.row), width});
      p.release(k.b).end();
    };
    auto send = [&](Number row, Number group) {
      p.call(kernel(K::send_row), {k.big, object(k.c)},
             {row, group, together, literal(plan_.row_pieces() * kPieceFloats), width});
    };
    auto norm = [&](Number row, Number group) {
      p.call(kernel(K::layer_norm_row), {k.big, k.work, k.query, k.scales}, {row, group, together, width});
    };
    auto early = [&](Number row, Number group) {
      if (early_objects() > 0) keep_early(p, k, row, group);
    };
    p.loop(plan_.x_results()).acquire(k.c).loop(most);
    add(counter(1), counter(2));
    p.loop(parameter(kBefore));
    send(counter(1), counter(2));
    p.end();
    norm(counter(), counter(1));
    p.loop(parameter(kAfter));
    send(counter(1), counter(2));
    p.end();
    early(counter(), counter(1));
    p.end();
    add(literal(most), counter(1));
    p.loop(parameter(kAfter));
    norm(literal(most), counter(1));
    p.end();
    send(literal(most), counter());
    p.release(k.c).loop(parameter(kBefore));
    norm(literal(most), counter(1));
    p.end();
    early(literal(most), counter());
    p.end();
  }
  // A result leaves as soon as its tiles have come.
  void norm_at_once(Program& p, const Core& k) {
    const Number width = literal(plan_.shape.d);
    const int down = x_tiles_down(), objects = 8 / along_;
    auto send = [&](Number result) {
      p.acquire(k.c).call(kernel(K::send_rows), {k.big, object(k.c)}, {result, width}).release(k.c);
    };
    for (int o = 0; o < plan_.x_results(); ++o) {
      from_objects(p, k, 8 * o, std::min(objects, norm_objects() - o * objects));
      p.loop(along_ / down).acquire(k.b);
      p.call(kernel(K::add_rows), {object(k.b), k.big},
             {counter(), counter(1), literal(8 * o), literal(along_), literal(k.row), literal(down), width});
      p.release(k.b).end().end().loop(parameter(kBefore));
      send(literal(o));
      p.end();
    }
    p.loop(4).call(kernel(K::layer_norm_row), {k.big, k.work, k.query, k.scales},
                   {counter(), literal(0), literal(4), width});
    p.end().loop(parameter(kAfter)).loop(plan_.x_results());
    send(counter());
    p.end().end();
  }
  // Leaves the loop open.
  void from_objects(Program& p, const Core& k, int first, int objects) {
    p.loop(objects).acquire(k.a);
    p.call(kernel(K::rows_of), {object(k.a), k.big},
           {counter(), literal(first), literal(k.column), literal(columns_), literal(along_), literal(plan_.shape.d)});
    p.release(k.a);
  }

  // The scales of a round leave after its rows.
  void scales(Program& p, const Core& k) {
    p.acquire(k.c).call(kernel(K::send_scales), {k.query_scales, object(k.c)}).release(k.c);
  }

  // A group that fits stays between its largest elements and its quantisation: its first tiles come along the row, the
  // others down the column. Of a wider one the largest elements are known, and each half of a result is quantised as
  // it comes, half of that along and half down.
  void quantise(Program& p, const Core& k) {
    const Number width = parameter(kWidth);
    p.loop(parameter(kQuantising)).loop(parameter(kQuantiseRounds));
    p.loop(parameter(kBlocks)).loop(parameter(kBlockObjects)).acquire(k.a);
    p.call(kernel(K::join_maxima), {object(k.a), k.big}, {counter(), counter(1), parameter(kSets)});
    p.release(k.a).end().end().loop(parameter(kQuantise)).loop(parameter(kSlots));
    auto keep = [&](int fifo, Number index, Number first, int part, int tiles) {
      p.acquire(fifo).call(kernel(K::keep_pieces), {object(fifo), k.big, k.state},
                           {index, first, literal(part), literal(tiles), width});
      p.release(fifo);
    };
    p.loop(parameter(kInputs));
    keep(k.a, counter(), literal(0), k.column, along_);
    keep(k.b, counter(), parameter(kFirstDown), k.row, down_);
    p.end().loop(parameter(kMoreAlong));
    keep(k.a, counter(), parameter(kFirstMore), k.column, along_);
    p.end().loop(parameter(kPassing));
    p.call(kernel(K::recall_maxima), {k.big, k.state}, {counter(2), literal(k.column), literal(columns_)});
    p.call(kernel(K::find_steps), {k.state, k.scales}).end();
    p.call(kernel(K::keep_scales), {k.state, k.query_scales}, {counter(), counter(1), parameter(kSlots)});
    // Several groups gather behind the kept ones, which are a result's size at most, until they fill a result.
    constexpr int kGathered = kResultBytes / kPieceFloats;
    p.loop(parameter(kGather))
        .call(kernel(K::quantise_kept), {k.big, k.state, k.big},
              {literal(0), counter(1), parameter(kApart), literal(kGathered), width});
    p.end().loop(parameter(kAlone)).acquire(k.c);
    p.call(kernel(K::quantise_kept), {k.big, k.state, object(k.c)},
           {counter(), literal(0), literal(0), literal(0), width});
    p.release(k.c).end().loop(parameter(kFull)).acquire(k.c).loop(2);
    half(p, k, counter(2));
    p.end().release(k.c).end().loop(parameter(kHalf)).acquire(k.c);
    half(p, k, literal(0));
    p.release(k.c).end().end().loop(parameter(kGather)).acquire(k.c);
    p.call(kernel(K::send_kept), {k.big, object(k.c)}, {literal(kResultBytes)}).release(k.c).end().end();
    scales(p, k);
    p.end().end();
  }
  // Sixteen tiles, as many along as down.
  void half(Program& p, const Core& k, Number which) {
    auto some = [&](int fifo, int tiles, int first, int part) {
      p.loop(together_ / tiles).acquire(fifo);
      p.call(kernel(K::quantise_pieces), {object(fifo), k.scales, object(k.c)},
             {counter(), counter(1), literal(together_), which, literal(first), literal(part), literal(tiles)});
      p.release(fifo).end();
    };
    p.loop(8 / together_);
    some(k.a, along_, 0, k.column);
    some(k.b, down_, 8, k.row);
    p.end();
  }

  // The runtime sequence. At most four tasks of a FIFO are in flight, so that the shims' descriptors suffice; what a
  // descriptor's iterations do not reach is another task. A step's inputs come before its outputs: awaiting an earlier
  // output must not hold back what the cores could read meanwhile.
  void task(int fifo, int host, int64_t word, Pattern pattern, Made made = {}) {
    constexpr int64_t kIterations = 64;
    while (pattern.size() == 4 && pattern[0].stride > 0 && pattern[0].size > kIterations) {
      Pattern part = pattern;
      part[0].size = kIterations;
      task(fifo, host, word, part, made);
      word += kIterations * pattern[0].stride;
      pattern[0].size -= kIterations;
    }
    std::deque<int>& mine = tasks_[fifo];
    if (mine.size() == 4) {
      b_.await(mine.front());
      mine.pop_front();
    }
    mine.push_back(b_.fill(fifo, host, std::move(pattern), word));
    if (made.array >= 0) made_[made.array].push_back({made.first, made.end, fifo, mine.back()});
    if (made.array >= 0) first_out_.try_emplace(fifo, mine.back());
    if (made.array < 0) last_in_[fifo] = mine.back();
  }
  void await_until(int fifo, int task) {
    std::deque<int>& mine = tasks_[fifo];
    if (mine.empty() || mine.front() > task) return;  // awaited already
    while (!mine.empty() && mine.front() <= task) mine.pop_front();
    b_.await(task);
  }
  // Before what reads rows of blocks [first, end) of an array: what writes there is done.
  void ready(int64_t array, int first, int end) {
    std::map<int, int> last;  // by FIFO
    std::erase_if(made_[array], [&](const Written& w) {
      if (w.first < end && w.end > first) last[w.fifo] = w.task;
      return w.first >= first && w.end <= end;
    });
    for (const auto& [fifo, task] : last) await_until(fifo, task);
  }
  // Before the first that an operation writes: what the one before it reads is read.
  void all_read() {
    for (const auto& [fifo, task] : read_before_) await_until(fifo, task);
    read_before_.clear();
  }
  // The same of any number of dimensions: what a descriptor does not hold are tasks of their own.
  void tasks(int fifo, int host, int64_t word, Pattern pattern, Made made = {}) {
    constexpr int64_t kWrap = 1023;
    std::erase_if(pattern, [](const Dim& d) { return d.size == 1; });
    if (pattern.back().size > kWrap) {
      pattern.back().size /= 2;
      pattern.insert(pattern.end() - 1, {2, pattern.back().size});
    }
    if (pattern.size() <= 4) {
      task(fifo, host, word, pattern, made);
      return;
    }
    const Dim outer = pattern.front();
    pattern.erase(pattern.begin());
    for (int64_t i = 0; i < outer.size; ++i) tasks(fifo, host, word + i * outer.stride, pattern, made);
  }
  // What the cores of a column send: dimension `of_rows` of the walk is theirs.
  void take(int column, int64_t word, const Pattern& pattern, size_t of_rows, Made made) {
    const int halves = rows_ / out_rows_;
    for (int h = 0; h < halves; ++h) {
      Pattern half = pattern;
      half[of_rows].size = out_rows_;
      tasks(out_[at(column * halves + h)], state_, word + h * out_rows_ * pattern[of_rows].stride, std::move(half),
            made);
    }
  }
  void finish_tasks() {
    for (auto& [fifo, mine] : tasks_) {
      if (!mine.empty()) b_.await(mine.back());
      mine.clear();
    }
  }

  // A core takes its parameters as it passes the barrier, when it is done with the operation before: they and the
  // signal come while that one is at work, once it has begun everywhere, as its first results show.
  void begin(const std::map<int, int32_t>& values) {
    for (const auto& [fifo, task] : first_out_) await_until(fifo, task);
    first_out_.clear();
    read_before_ = std::exchange(last_in_, {});
    for (int c = 0; c < columns_; ++c) {
      for (int r = 0; r < rows_; ++r) {
        const int w = worker(c, r);
        std::vector<int32_t> now = written_[at(w)];
        std::fill_n(now.begin(), static_cast<int>(kOperations), 0);
        for (const auto& [index, value] : values) now[at(index)] = value;
        if (r > 0) now[kClear] = 0;
        for (int i = 0; i < kParameters; ++i) {
          if (now[at(i)] != written_[at(w)][at(i)]) b_.write(w, i, now[at(i)]);
        }
        written_[at(w)] = now;
      }
    }
    for (int w = 0; w < rows_ * columns_; ++w) b_.signal(w);
  }

  // int8 rows of width l.k, quantised -> tiles of 64 x 64 in `to`: in slot `first` of `slots`, and every `apart`-th on.
  void run_product(const Linear& l, int epilogue, int64_t to, int slots, int first, int apart = 1, bool clear = false,
                   Quantised next = {}) {
    const int m = options_.tile ? 1 : plan_.blocks / rows_, n = options_.tile ? 1 : l.n_tiles / columns_;
    const int objects = l.k_tiles() + 1;
    const int64_t panel = int64_t{objects} * kTileWords, block = int64_t{plan_.quantised_slots(l.k)} * kTileWords;
    const bool maxima = plan_.known(next.width);
    begin({{kTiles, m},
           {kSteps, l.k_tiles()},
           {kPlain, epilogue == kPlain},
           {kGelu, epilogue == kGelu},
           {kHead, epilogue == kHead},
           {kClear, clear},
           {kMaxima, maxima},
           {kTilesN, n}});
    for (int c = 0; c < columns_; ++c) {
      task(w_in_[at(c)], weights_, l.at + c * panel, {{m, 0}, {n, columns_ * panel}, {2 * objects, 512}, {512, 1}});
    }
    auto send = [&](int i) {
      for (int f = 0; share_ == 1 && f < feeders_; ++f) {
        task(a_in_[at(f)], state_, plan_.quantised + (int64_t{i} * rows_ + f) * block,
             {{n, 0}, {2 * objects, 512}, {512, 1}});
      }
      for (int j = 0; share_ > 1 && j < n; ++j) {
        for (int f = 0; f < feeders_; ++f) {
          task(a_in_[at(f)], state_, plan_.quantised + (int64_t{i} * rows_ + f * share_) * block,
               {{objects, kTileWords}, {share_, block}, {2, 512}, {512, 1}});
        }
      }
    };
    for (int i = 0; i < m; ++i) {
      ready(plan_.quantised, i, i + 1);
      if (share_ == 1) send(i);
      all_read();
      for (int c = 0; c < columns_; ++c) {
        take(
            c, to + (int64_t{i} * rows_ * slots + first + c * apart) * kResultWords,
            {{n, int64_t{columns_} * apart * kResultWords}, {rows_, int64_t{slots} * kResultWords}, {4, 512}, {512, 1}},
            1, {to, i, i + 1});
        if (maxima) {
          take(c, plan_.maxima_at(i, next.parts * columns_, next.part * columns_ + c),
               {{rows_, kResultWords}, {4, 512}, {512, 1}}, 0, {plan_.maxima, i, i + 1});
        }
      }
      if (share_ > 1) send(i);  // in tasks so many that results must leave meanwhile
    }
  }

  // Slots of qkv: each head's keys and values side by side, then its queries in every other one. Keys and queries are
  // 64 scales, and int8 in the slot's second half, so that a head's keys and values are one run.
  void run_attention() {
    const int t = plan_.d_tiles(), queries = options_.tile ? 1 : plan_.blocks / columns_;
    const int groups = options_.tile ? 1 : plan_.head_groups, together = plan_.keys_together();
    const int64_t block = int64_t{plan_.qkv_slots} * kResultWords, head = 2 * kResultWords;
    begin({{kAttend, groups * queries}, {kKeyGroups, plan_.key_blocks / together}, {kTogether, together}});
    ready(plan_.qkv, 0, plan_.blocks / rows_);
    for (int h = 0; h < groups; ++h) {
      const int64_t keys = plan_.qkv + h * rows_ * head;
      for (int q = 0; q < queries; ++q) {
        all_read();
        for (int c = 0; c < columns_; ++c) {
          const int64_t asked = keys + t * head + (q * columns_ + c) * block;
          const int m = (q * columns_ + c) / rows_;
          take(c, plan_.attended + ((int64_t{q} * columns_ + c) * plan_.attended_slots + h * rows_) * kResultWords,
               {{rows_, kResultWords}, {4, 512}, {512, 1}}, 0, {plan_.attended, m, m + 1});
          // Of the scales' tiles the first is read; the others fill the object.
          task(w_in_[at(c)], state_, asked, {{kScaleRows, head}, {kRelayTogether, block}, {64, 1}});
          task(w_in_[at(c)], state_, asked + kTileWords, {{rows_, head}, {2, 512}, {512, 1}});
          task(w_in_[at(c)], state_, keys,
               {{plan_.key_blocks / together, together * block}, {kScaleRows, head}, {kRelayTogether, block}, {64, 1}});
        }
        for (int f = 0; share_ == 1 && f < feeders_; ++f) {
          task(a_in_[at(f)], state_, keys + f * head + kTileWords, {{plan_.key_blocks, block}, {6, 512}, {512, 1}});
        }
        for (int i = 0; share_ > 1 && i < plan_.key_blocks; ++i) {
          for (int f = 0; f < feeders_; ++f) {
            task(a_in_[at(f)], state_, keys + f * share_ * head + i * block + kTileWords,
                 {{3, kTileWords}, {share_, head}, {2, 512}, {512, 1}});
          }
        }
      }
    }
  }

  // Of four rows for each core.
  int steps() const { return options_.tile ? 16 / columns_ : plan_.steps(); }

  static constexpr int kBlockRows = 16;  // groups of four
  // Steps of a row of blocks of tiles.
  int steps_together() const { return kBlockRows / columns_; }

  // Steps whose inputs are few tasks. Else a step's results are asked for before its inputs, whose tasks are awaited.
  int steps_at_once() const { return share_ == 1 ? steps_together() : 1; }

  // Tiles [first, first + n) of four rows for each core, `groups` times n of them `apart` from each other, for the
  // steps from `step` on: along the rows of cores, and down the columns.
  void send_along(int step, int64_t from, int slots, int first, int n, int groups = 1, int apart = 0) {
    const int64_t block = int64_t{slots} * kResultWords, run = columns_ * 128;
    const int m = step / steps_together();
    for (int f = 0; f < feeders_; ++f) {
      const int64_t word = from + (int64_t{m} * rows_ + f * share_) * block + int64_t{first} * kResultWords +
                           step % steps_together() * run;
      const Dim steps{steps_at_once(), run}, repeats{groups, int64_t{apart} * kResultWords};
      if (share_ == 1) {
        tasks(a_in_[at(f)], state_, word, {steps, repeats, {n, kResultWords}, {run, 1}});
      } else {
        tasks(a_in_[at(f)], state_, word,
              {repeats, {n / along_, along_ * kResultWords}, {share_, block}, {along_, kResultWords}, {run, 1}});
      }
    }
  }
  void send_down(int step, int64_t from, int slots, int first, int n, int groups = 1, int apart = 0) {
    const int64_t block = int64_t{slots} * kResultWords, run = columns_ * 128;
    const int m = step / steps_together();
    for (int c = 0; c < columns_; ++c) {
      tasks(w_in_[at(c)], state_,
            from + int64_t{m} * rows_ * block + int64_t{first} * kResultWords + step % steps_together() * run + c * 128,
            {{steps_at_once(), run},
             {groups, int64_t{apart} * kResultWords},
             {n, kResultWords},
             {rows_, block},
             {128, 1}});
    }
  }
  // Calls inputs(step) and outputs(step) of all steps, in the order that the sequence needs.
  template <class Inputs, class Outputs>
  void each_step(int together, Inputs inputs, Outputs outputs) {
    for (int step = 0; step < steps(); ++step) {
      const bool results_first = share_ > 1;
      if (results_first && step % together == 0) outputs(step, together);
      if (step % steps_at_once() == 0) inputs(step);
      if (!results_first && (step + 1) % together == 0) outputs(step + 1 - together, together);
    }
  }

  // A result of quantised pieces for each core, of `together` steps from `step` on, from slot `slot` on.
  void take_pieces(int step, int width, int slot, int together) {
    const int m = step / (16 / columns_), first = step % (16 / columns_) * columns_;
    const int64_t block = int64_t{plan_.quantised_slots(width)} * kTileWords;
    const int64_t to = plan_.quantised + int64_t{m} * rows_ * block + int64_t{slot} * kTileWords + first * 64;
    for (int c = 0; c < columns_; ++c) {
      take(c, to + c * 64, {{rows_, block}, {together, columns_ * 64}, {32 / together, kTileWords}, {64, 1}}, 0,
           {plan_.quantised, m, m + 1});
    }
  }

  // Of the steps of a round. A result holds those of 32 steps: what a round leaves there is of no meaning, and the next
  // one writes over it.
  void take_scales(int step, int round, int width) {
    const int64_t block = int64_t{plan_.quantised_slots(width)} * kTileWords;
    const int64_t to = plan_.quantised + int64_t{width / 64} * kTileWords;
    const int m = step / steps_together();
    for (int c = 0; c < columns_; ++c) {
      take(c, to + int64_t{m} * rows_ * block + c * 64,
           {{rows_, block}, {2 * columns_, rows_ * block}, {16 / columns_, columns_ * 64}, {64, 1}}, 0,
           {plan_.quantised, m, m + round / steps_together()});
    }
  }

  int x_tiles_down() const { return 4 / rows_; }  // of an object of x

  // Float rows of `steps` steps.
  void take_rows(int step, int steps) {
    const int64_t next = plan_.x_at(1, 0, 0, 0) - plan_.x;
    for (int c = 0; c < columns_; ++c) {
      take(c, plan_.x_at(step, c, 0, 0),
           {{steps, next},
            {plan_.x_results(), rows_ * kResultWords},
            {rows_, kPieceFloats},
            {8, rows_ * kPieceFloats},
            {kPieceFloats, 1}},
           2, {plan_.x, step / steps_together(), step / steps_together() + 1});
    }
  }
  void send_rows(int step) {
    const int tiles = up(plan_.shape.d / 64, along_);
    const Dim steps{steps_at_once(), plan_.x_at(1, 0, 0, 0) - plan_.x};
    for (int c = 0; c < columns_; ++c) {
      const int64_t word = plan_.x_at(step, c, 0, 0);
      if (plan_.by_rows()) {
        const int pieces = plan_.rows_together() * plan_.row_pieces();
        tasks(w_in_[at(c)], state_, word,
              {steps, {plan_.x_results(), rows_ * kResultWords}, {pieces * rows_, kPieceFloats}, {kPieceFloats, 1}});
      } else {
        tasks(w_in_[at(c)], state_, word, {steps, {tiles * rows_, kPieceFloats}, {kPieceFloats, 1}});
      }
    }
  }

  // What comes early for a step that is not there: any bytes will do.
  void send_any(int objects) {
    for (int f = 0; objects > 0 && f < feeders_; ++f)
      task(a_in_[at(f)], state_, plan_.x, {{2 * objects * share_, 512}, {512, 1}});
  }

  void run_norm(int64_t parameters, bool last) {
    const int d = plan_.shape.d, tiles = norm_objects() * along_;
    const int together = norm_together(), round = plan_.round(steps());
    made_.erase(plan_.quantised);  // all has been read
    ready(plan_.x, 0, plan_.blocks / rows_);
    begin({{kNorms, 1}, {kNormRounds, steps() / round}, {kGroups, round / together}, {kBefore, !last}, {kAfter, last}});
    for (int c = 0; c < columns_; ++c) {
      task(w_in_[at(c)], weights_, parameters, {{2 * kNormObjects, 512}, {512, 1}});
    }
    auto inputs = [&](int step) {
      const int m = step / steps_together();
      ready(plan_.result, m, m + 1);
      send_rows(step);
      send_along(step, plan_.result, plan_.result_slots, 0, tiles);
      if (step + steps_at_once() == steps()) send_any(early_objects());
    };
    auto outputs = [&](int step, int n) {
      all_read();
      take_rows(step, n);
      take_pieces(step, d, 0, n);
      if ((step + n) % round == 0) take_scales(step + n - round, round, d);
    };
    each_step(together, inputs, outputs);
  }

  // Objects of four rows' tiles that come down the column: as many come along the row, or some more.
  int objects_down(int tiles) const {
    auto along = [&](int down) { return up(tiles - down * down_, along_) / along_; };
    int best = 0;
    for (int down = 1; down * down_ < tiles && along(down) >= down; ++down) {
      if (along(down) < along(best)) best = down;
    }
    return best;
  }

  // `parts`: products that the rows are of.
  void run_quantise(int64_t from, int slots, int width, int parts = 0) {
    const int tiles = width / 64, halves = up(tiles, 16) / 16, sets = parts * columns_;
    const bool kept = parts == 0 || !plan_.known(width);
    const int down = kept ? objects_down(tiles) : 0, along = kept ? up(tiles - down * down_, along_) : 0;
    const int together = plan_.groups_together(width), round = plan_.round(steps());
    const bool gather = kept && width <= 1024;
    const int blocks = kept ? 0 : round / steps_together();
    made_.erase(plan_.quantised);  // all has been read
    begin({{kQuantising, 1},
           {kQuantiseRounds, steps() / round},
           {kQuantise, round / together},
           {kSlots, together},
           {kApart, 32 / together},
           {kInputs, down},
           {kFirstDown, along},
           {kMoreAlong, along / along_ - down},
           {kFirstMore, down * along_},
           {kGather, gather},
           {kAlone, kept && !gather ? plan_.quantised_results(width) : 0},
           {kBlocks, blocks},
           {kBlockObjects, plan_.sets_up(sets) / 16},
           {kSets, sets},
           {kPassing, !kept},
           {kFull, kept ? 0 : halves / 2},
           {kHalf, kept ? 0 : halves % 2},
           {kWidth, width}});
    auto inputs = [&](int step) {
      const int m = step / steps_together();
      if (!kept && step % round == 0) {
        ready(plan_.maxima, m, m + blocks);
        send_maxima(m, blocks, sets);
      }
      ready(from, m, m + 1);
      if (kept) {
        if (share_ == 1) send_along(step, from, slots, 0, along);
        if (down > 0) send_down(step, from, slots, along, down * down_);
        if (share_ > 1) send_along(step, from, slots, 0, along);
      } else {
        if (share_ == 1) send_along(step, from, slots, 0, 8, halves, 16);
        send_down(step, from, slots, 8, 8, halves, 16);
        if (share_ > 1) send_along(step, from, slots, 0, 8, halves, 16);
      }
    };
    auto outputs = [&](int step, int n) {
      all_read();
      for (int i = 0; i < plan_.quantised_results(width); ++i) take_pieces(step, width, 32 * i, n);
      if ((step + n) % round == 0) take_scales(step + n - round, round, width);
    };
    each_step(together, inputs, outputs);
  }
  void send_maxima(int m, int blocks, int sets) {
    const int64_t apart = rows_ * kResultWords, all = plan_.sets_up(sets);
    for (int f = 0; f < feeders_; ++f) {
      tasks(a_in_[at(f)], state_, plan_.maxima_at(m, sets, 0) + f * share_ * kResultWords,
            {{blocks, all * apart}, {all / 16, 16 * apart}, {share_, kResultWords}, {16, apart}, {64, 1}});
    }
  }

  void make_sequence() {
    weights_ = b_.host("weights", plan_.weight_words * 4);
    state_ = b_.host("state", plan_.state_words * 4);
    const std::vector<Operation> list = operations();
    const int end = options_.count < 0 ? static_cast<int>(list.size()) : options_.first + options_.count;
    for (int i = options_.first; i < end; ++i) list[at(i)].run();
    finish_tasks();
    restore_parameters();
  }

  // The next launch, of the next window or of another part, begins with what a loaded configuration begins with.
  void restore_parameters() {
    for (int w = 0; w < rows_ * columns_; ++w) {
      for (int i = 0; i < kParameters; ++i) {
        if (written_[at(w)][at(i)] != 0) b_.write(w, i, 0);
      }
    }
  }

  const EncoderPlan plan_;
  const EncoderOptions options_;
  const int rows_, columns_;
  int feeders_ = 1, share_ = 1;  // rows of cores that a feeder serves
  // Rows of cores whose results leave by one channel of a shim. Two channels where that is what writing waits for; with
  // more columns it is the sequence's tasks, with fewer the memory tiles have no channels left.
  int out_rows_ = 1;
  int along_ = 1, down_ = 1, together_ = 1;  // tiles of an object of pieces along a row and down a column; the larger
  Builder b_;
  std::vector<int> a_in_, a_, w_in_, w_, c_,
      out_;  // by feeder, row, column, column, worker, column and half of its rows
  std::map<std::string, int> named_;
  std::vector<int> own_;
  int weights_ = -1, state_ = -1;
  std::map<int, std::deque<int>> tasks_;
  std::map<int64_t, std::vector<Written>> made_;          // by array
  std::map<int, int> first_out_, last_in_, read_before_;  // tasks of the present operation and the one before, by FIFO
  std::vector<std::vector<int32_t>> written_;
};

}  // namespace

Result<std::vector<EncoderOperation>> encoder_operations(const Device& device, const EncoderShape& shape) {
  SHORTHAND_TRY(check_shape(device, shape, {}));
  std::vector<EncoderOperation> list;
  EncoderDesign design(device, shape, {});
  for (const EncoderDesign::Operation& o : design.operations()) list.push_back(o.what);
  return list;
}

double attention_work(const EncoderShape& s) { return 4.0 * s.n_ctx * s.n_ctx * s.d; }

double encoder_work(const EncoderShape& s) {
  const double d = s.d, t = s.n_ctx;
  return 2 * (2 * t * 3 * s.n_mels * d + t * 3 * d * d) + s.layers * (24 * d * d * t + attention_work(s));
}

Result<Design> encoder_design(const Device& device, const EncoderShape& shape, const EncoderOptions& options) {
  SHORTHAND_TRY(check_shape(device, shape, options));
  const int all = kStemOperations + shape.layers * kLayerOperations + 1;
  if (options.first < 0 || options.first >= all || options.count == 0 || options.count > all - options.first) {
    return usage_error(fmt::format("encoder: {} operations from {} on; it has {}, give a part of them", options.count,
                                   options.first, all));
  }
  return EncoderDesign(device, shape, options).build();
}

}  // namespace shorthand::npu
