// SPDX-License-Identifier: Apache-2.0
#include "npu/designs/encoder.h"

#include <fmt/format.h>

#include <array>
#include <deque>
#include <functional>
#include <map>

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
  kTiles,           // of products
  kAttend,          // heads and blocks of queries
  kNorms,           // 1: LayerNorm
  kQuantising,      // 1
  kQuantiseRounds,  // results of scales
  kOperations,
  kSteps = kOperations,  // 64 of the inner dimension
  kPlain,                // 1: the tile leaves as bfloat16
  kGelu,
  kClear,       // 1: the first row of the first tiles is padding
  kTilesN,      // tiles in a row of blocks
  kHead,        // as int8 with its own scales
  kKeyGroups,   // tiles of keys whose scales come together
  kTogether,    // of them
  kNormRounds,  // results of LayerNorm's scales
  kGroups,      // in each, groups of four rows, as many at a time as a result holds
  kBefore,      // objects of x that leave before LayerNorm
  kAfter,       // and after it
  kQuantise,    // groups of four rows to quantise, as many at a time as a result holds
  kSlots,       // of them in a result
  kApart,       // inputs from one to the next there
  kInputs,      // objects of bfloat16 pieces in four rows
  kInputsDown,  // and those that come down the column
  kKept,        // 1: four rows fit the core and are read once
  kAgain,       // 1: they do not, and come again down the column
  kGather,      // 1: groups gather until they fill a result
  kAlone,       // 1: a group fills one or more
  kFirst,       // inputs of the first result, but for those at which one is while others' pass
  kFull,        // further results of four inputs
  kLast,        // 1: and one more
  kRest,        // of so many
  kWidth,
  kParameters,
};

class EncoderDesign {
 public:
  EncoderDesign(const Device& device, const EncoderShape& shape, const EncoderOptions& options)
      : plan_(device, shape), options_(options), rows_(device.core_rows), columns_(device.columns), b_("encoder") {
    feeders_ = std::min(rows_, columns_);
    share_ = rows_ / feeders_;
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
        run_product(p.conv1, kGelu, p.convolved, p.convolved_slots, tap * p.d_tiles(), 1, tap == 0);
      });
    }
    rows("quantise convolved", [this, &p] { run_quantise(p.convolved, p.convolved_slots, p.conv2.k); });
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
      product("first product", l.mlp1, 4 * d,
              [this, &p, &l] { run_product(l.mlp1, kGelu, p.hidden, p.hidden_slots, 0); });
      rows("quantise hidden", [this, &p, d] { run_quantise(p.hidden, p.hidden_slots, 4 * d); });
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
  // Whether cores take turns in LayerNorm. The first of a column are then ahead of the last by most of a step, and no
  // more than three results wait on the way; wider rows have more in a step.
  bool norm_turns() const { return plan_.x_results() == 1 || norm_together() > 1; }
  // Sums; four float rows; four bfloat16 rows that are quantised.
  int big_bytes() const { return std::max((kAttentionSums + kAttentionState) * 4, 16 * plan_.shape.d); }
  int worker(int column, int row) const { return column * rows_ + row; }
  int fifo(std::string name, int words, int depth, std::vector<int> banks = {}) {
    Fifo f;
    f.name = std::move(name), f.element_bytes = 4, f.elements = words, f.depth = depth, f.banks = std::move(banks);
    return b_.fifo(std::move(f));
  }

  // Sums lie in banks 0 and 1. Of two objects that a product reads together each has a bank of its own, and of the two
  // that arrive meanwhile one has a third. Wider rows leave no choice.
  std::vector<int> banks(std::vector<int> of) const {
    return options_.depth == 2 && plan_.shape.d <= 1024 ? std::move(of) : std::vector<int>();
  }

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
      std::vector<int> parts, offsets;
      for (int r = 0; r < rows_; ++r) {
        b_.to_worker(w_.back(), worker(c, r));
        c_.push_back(fifo(fmt::format("c{}_{}", c, r), kResultWords, 1));
        b_.from_worker(c_.back(), worker(c, r));
        parts.push_back(c_.back());
        offsets.push_back(r * kResultWords);
      }
      out_.push_back(fifo(fmt::format("c_out{}", c), rows_ * kResultWords, options_.depth));
      b_.join(parts, offsets, out_.back(), {c, kMemoryRow});
      b_.to_host(out_.back(), c);
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
    core.work = buffer_of("work", std::max(kAttentionWork * 2, (2 * d + 16) * 4));
    core.query = buffer_of("query", std::max(kObjectBytes, 4 * d));  // and four int8 rows; an epilogue's own
    core.query_scales = buffer_of("query_scales", 16 * 32);          // and those of a result of scales
    core.state = buffer_of("state", 320);
    core.scales = buffer_of("scales", 256);
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
    p.loop(parameter(kTiles)).loop(parameter(kSteps)).acquire(k.a).acquire(k.b);
    p.call(named_["matmul_i8_64x64x64"], {object(k.a), object(k.b), k.big}).release(k.a).release(k.b).end();
    p.acquire(k.a).call(kernel(K::gather_scales), {object(k.a), k.scales}).release(k.a).acquire(k.b).acquire(k.c);
    p.call(named_["zero_row_max_64"], {k.row_max});
    const std::vector<Operand> out = {k.big, object(k.b), k.scales, object(k.c), k.row_max, k.query};
    p.loop(parameter(kPlain)).call(named_["epilogue_bf16_64x64"], out).end();
    p.loop(parameter(kGelu)).call(named_["epilogue_gelu_bf16_64x64"], out).end();
    p.loop(parameter(kClear)).call(kernel(K::clear_first), {object(k.c)}, {counter(1), parameter(kTilesN)}).end();
    p.loop(parameter(kHead));
    p.call(kernel(K::product_head), {k.big, object(k.b), k.scales, k.work, object(k.c), k.query}).end();
    p.release(k.b).release(k.c).end();
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

  // Every core sees what comes for the others of its row and of its column, and must not hold them up while it is at
  // its own rows. So all take turns: core (c, r) of C x R has its own of step s at s + c / C + r / R, and what comes
  // along a row for column c, and down a column for row r, at those times too. Each core takes everything in the order
  // of these times, along before down where they are the same, so that none can wait for one that waits for it.
  struct Turn {
    Number along, down;  // objects that each core has of a step
  };
  // 'a' and 'd' for others' objects, in order.
  std::string order(int first_along, int end_along, int first_down, int end_down) const {
    std::string all;
    for (int a = first_along, d = first_down; a < end_along || d < end_down;) {
      const bool along = d >= end_down || (a < end_along && a * rows_ <= d * columns_);
      all += along ? 'a' : 'd';
      ++(along ? a : d);
    }
    return all;
  }
  void pass(Program& p, const Core& k, const std::string& others, const Turn& turn) const {
    for (size_t i = 0; i < others.size();) {
      const size_t end = std::min(others.find_first_not_of(others[i], i), others.size());
      p.loop(static_cast<int>(end - i));
      skip(p, others[i] == 'a' ? k.a : k.b, others[i] == 'a' ? turn.along : turn.down);
      p.end();
      i = end;
    }
  }
  void pass_before(Program& p, const Core& k, const Turn& turn) const {
    pass(p, k, order(-k.column, 0, -k.row, 0), turn);
  }
  void pass_behind(Program& p, const Core& k, const Turn& turn) const {
    pass(p, k, order(0, columns_ - 1 - k.column, 0, rows_ - 1 - k.row), turn);
  }
  // Others' between one's own of a step and of the next, in three parts, each after a part `work(n)` of its own.
  template <class Work>
  void pass_between(Program& p, const Core& k, const Turn& turn, Work work) const {
    const std::string all = order(1, columns_, 1, rows_);
    const size_t part = all.size() / kGaps;
    const bool alike =
        all.substr(0, part) == all.substr(part, part) && all.substr(0, part) == all.substr(2 * part, part);
    for (int i = 0; i < (alike ? 1 : kGaps); ++i) {
      p.loop(alike ? kGaps : 1);
      work(alike ? counter() : literal(i));
      pass(p, k, all.substr(at(i) * part, part), turn);
      p.end();
    }
    pass(p, k, all.substr(kGaps * part), turn);
  }
  static constexpr int kGaps = 3;

  void norm(Program& p, const Core& k) {
    const int along = plan_.pieces_objects(plan_.shape.d), down = 2 * plan_.x_results();
    const Turn turn{literal(along), literal(down)};
    const Number width = literal(plan_.shape.d);
    const int together = norm_together(), kept = 16 * plan_.shape.d;
    const bool alone = together == 1, turns = norm_turns();
    p.loop(parameter(kNorms)).loop(kNormObjects).acquire(k.b);
    p.call(kernel(K::copy_parameters), {object(k.b), k.work}, {counter(), width}).release(k.b).end();
    if (turns) pass_before(p, k, turn);
    p.loop(parameter(kNormRounds)).loop(parameter(kGroups)).loop(together);
    if (!turns) skip(p, k.a, literal(k.column * along));
    p.loop(along).acquire(k.a);
    p.call(kernel(K::rows_of), {object(k.a), k.big}, {counter(), width}).release(k.a).end();
    if (!turns) skip(p, k.a, literal((columns_ - 1 - k.column) * along));
    if (!turns) skip(p, k.b, literal(k.row * down));
    p.loop(down).acquire(k.b).call(kernel(K::add_rows), {object(k.b), k.big}, {counter(), width});
    p.release(k.b).end();
    if (!turns) skip(p, k.b, literal((rows_ - 1 - k.row) * down));
    auto send = [&](int trips) {
      p.loop(parameter(trips)).acquire(k.c);
      p.call(kernel(K::send_rows), {k.big, object(k.c)}, {counter(), width}).release(k.c).end();
    };
    auto one = [&](Number row) { p.call(kernel(K::layer_norm_row), {k.big, k.work, k.query, k.scales}, {row, width}); };
    send(kBefore);
    if (turns) {
      pass_between(p, k, turn, one);
      one(literal(kGaps));
    } else {
      p.loop(4);
      one(counter());
      p.end();
    }
    send(kAfter);
    if (alone) p.acquire(k.c);
    p.call(kernel(K::keep_quantised), {k.query, k.scales, alone ? object(k.c) : k.big, k.query_scales},
           {literal(alone ? 0 : kept), counter(), counter(1), literal(together), width});
    p.end();
    if (!alone) p.acquire(k.c).call(kernel(K::send_kept), {k.big, object(k.c)}, {literal(kept)});
    p.release(k.c).end();
    scales(p, k);
    p.end();
    if (turns) pass_behind(p, k, turn);
    p.end();
  }

  // The scales of a round leave after its rows.
  void scales(Program& p, const Core& k) {
    p.acquire(k.c).call(kernel(K::send_scales), {k.query_scales, object(k.c)}).release(k.c);
  }

  // A group that fits stays between its largest elements and its quantisation, and comes by both ways at once. A wider
  // one comes twice, along the row and then down the column, and there is no work while others' pass.
  void quantise(Program& p, const Core& k) {
    const Number width = parameter(kWidth), inputs = parameter(kInputs), apart = parameter(kApart);
    const Turn turn{inputs, parameter(kInputsDown)};
    auto pass_rows = [&](int fifo, int others) {
      p.loop(parameter(kAgain)).loop(others);
      skip(p, fifo, inputs);
      p.end().end();
    };
    p.loop(parameter(kQuantising)).loop(parameter(kKept));
    pass_before(p, k, turn);
    p.end();
    p.loop(parameter(kQuantiseRounds)).loop(parameter(kQuantise)).loop(parameter(kSlots));
    pass_rows(k.a, k.column);
    p.loop(inputs).acquire(k.a).call(kernel(K::absmax), {object(k.a), k.state}, {counter(), literal(0), width});
    p.loop(parameter(kKept)).call(kernel(K::keep_object), {object(k.a), k.big}, {counter(1), literal(0)}).end();
    p.release(k.a).end();
    p.loop(parameter(kInputsDown)).acquire(k.b);
    p.call(kernel(K::absmax), {object(k.b), k.state}, {counter(), inputs, width});
    p.call(kernel(K::keep_object), {object(k.b), k.big}, {counter(), inputs}).release(k.b).end();
    p.call(kernel(K::keep_scales), {k.state, k.query_scales}, {counter(), counter(1), parameter(kSlots)});
    auto kept = [&](Operand to, Number index, Number first, Number slot, int result, int behind) {
      p.call(kernel(K::quantise_kept), {k.big, k.state, to},
             {index, first, slot, apart, literal(result), literal(behind)});
    };
    auto again = [&](Number trips) {
      p.loop(parameter(kAgain)).loop(trips).acquire(k.b);
      p.call(kernel(K::quantise_pieces), {object(k.b), k.state, object(k.c)}, {counter(), literal(0), apart});
      p.release(k.b).end().end();
    };
    // Several groups gather behind the kept ones, which are two objects at most, until they fill a result.
    constexpr int kGathered = 4;
    p.loop(parameter(kGather));
    pass_between(p, k, turn, [](Number) {});
    p.loop(inputs);
    kept(k.big, counter(), literal(0), counter(2), 0, kGathered);
    p.end().loop(parameter(kInputsDown));
    kept(k.big, counter(), inputs, counter(2), 0, kGathered);
    p.end().end();
    pass_rows(k.a, columns_ - 1 - k.column);
    pass_rows(k.b, k.row);
    p.loop(parameter(kAlone)).acquire(k.c).loop(parameter(kKept));
    pass_between(p, k, turn, [&](Number n) { kept(object(k.c), n, literal(0), literal(0), 0, 0); });
    p.loop(parameter(kFirst));
    kept(object(k.c), counter(), literal(kGaps), literal(0), 0, 0);
    p.end().end();
    again(parameter(kFirst));
    p.release(k.c).loop(parameter(kFull)).acquire(k.c);
    again(literal(4));
    p.release(k.c).end().loop(parameter(kLast)).acquire(k.c);
    p.loop(parameter(kKept)).loop(parameter(kRest));
    kept(object(k.c), counter(), literal(0), literal(0), 1, 0);
    p.end().end();
    again(parameter(kRest));
    p.release(k.c).end().end();
    pass_rows(k.b, rows_ - 1 - k.row);
    p.end().loop(parameter(kGather)).acquire(k.c);
    p.call(kernel(K::send_kept), {k.big, object(k.c)}, {literal(kGathered * kObjectBytes / 2)}).release(k.c).end();
    p.end();
    scales(p, k);
    p.end();
    p.loop(parameter(kKept));
    pass_behind(p, k, turn);
    p.end().end();
  }

  // The runtime sequence. At most four tasks of a FIFO are in flight, so that the shims' descriptors suffice; what a
  // descriptor's iterations do not reach is another task. A step's inputs come before its outputs: awaiting an earlier
  // output must not hold back what the cores could read meanwhile.
  void task(int fifo, int host, int64_t word, Pattern pattern) {
    constexpr int64_t kIterations = 64;
    while (pattern.size() == 4 && pattern[0].stride > 0 && pattern[0].size > kIterations) {
      Pattern part = pattern;
      part[0].size = kIterations;
      task(fifo, host, word, part);
      word += kIterations * pattern[0].stride;
      pattern[0].size -= kIterations;
    }
    std::deque<int>& mine = tasks_[fifo];
    if (mine.size() == 4) {
      b_.await(mine.front());
      mine.pop_front();
    }
    mine.push_back(b_.fill(fifo, host, std::move(pattern), word));
  }
  void finish_tasks() {
    for (auto& [fifo, mine] : tasks_) {
      if (!mine.empty()) b_.await(mine.back());
      mine.clear();
    }
  }

  void begin(const std::map<int, int32_t>& values) {
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
  void run_product(const Linear& l, int epilogue, int64_t to, int slots, int first, int apart = 1, bool clear = false) {
    const int m = options_.tile ? 1 : plan_.blocks / rows_, n = options_.tile ? 1 : l.n_tiles / columns_;
    const int objects = l.k_tiles() + 1;
    const int64_t panel = int64_t{objects} * kTileWords, block = int64_t{plan_.quantised_slots(l.k)} * kTileWords;
    begin({{kTiles, m * n},
           {kSteps, l.k_tiles()},
           {kPlain, epilogue == kPlain},
           {kGelu, epilogue == kGelu},
           {kHead, epilogue == kHead},
           {kClear, clear},
           {kTilesN, n}});
    for (int c = 0; c < columns_; ++c) {
      task(w_in_[at(c)], weights_, l.at + c * panel, {{m, 0}, {n, columns_ * panel}, {2 * objects, 512}, {512, 1}});
    }
    for (int i = 0; i < m; ++i) {
      for (int c = 0; c < columns_; ++c) {
        task(out_[at(c)], state_, to + (int64_t{i} * rows_ * slots + first + c * apart) * kResultWords,
             {{n, int64_t{columns_} * apart * kResultWords},
              {rows_, int64_t{slots} * kResultWords},
              {4, 512},
              {512, 1}});
      }
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
    }
    finish_tasks();
  }

  // Slots of qkv: each head's keys and values side by side, then its queries in every other one. Keys and queries are
  // 64 scales, and int8 in the slot's second half, so that a head's keys and values are one run.
  void run_attention() {
    const int t = plan_.d_tiles(), queries = options_.tile ? 1 : plan_.blocks / columns_;
    const int groups = options_.tile ? 1 : plan_.head_groups, together = plan_.keys_together();
    const int64_t block = int64_t{plan_.qkv_slots} * kResultWords, head = 2 * kResultWords;
    begin({{kAttend, groups * queries}, {kKeyGroups, plan_.key_blocks / together}, {kTogether, together}});
    for (int h = 0; h < groups; ++h) {
      const int64_t keys = plan_.qkv + h * rows_ * head;
      for (int q = 0; q < queries; ++q) {
        for (int c = 0; c < columns_; ++c) {
          const int64_t asked = keys + t * head + (q * columns_ + c) * block;
          task(out_[at(c)], state_,
               plan_.attended + ((int64_t{q} * columns_ + c) * plan_.attended_slots + h * rows_) * kResultWords,
               {{4 * rows_, 512}, {512, 1}});
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
    finish_tasks();
  }

  // Of four rows for each core.
  int steps() const { return options_.tile ? 16 / columns_ : plan_.steps(); }

  // Four rows of bfloat16 tiles for each core of a step, along the rows of cores.
  void send_pieces(int step, int64_t from, int slots, int inputs) {
    const int m = step / (16 / columns_), first = step % (16 / columns_) * columns_;
    const int64_t block = int64_t{slots} * kResultWords;
    for (int c = 0; c < (share_ == 1 ? 1 : columns_); ++c) {
      for (int f = 0; f < feeders_; ++f) {
        const int64_t word = from + (int64_t{m} * rows_ + f * share_) * block + (first + c) * 128;
        if (share_ == 1) {
          task(a_in_[at(f)], state_, word, {{columns_, 128}, {8 * inputs, kResultWords}, {128, 1}});
        } else {
          task(a_in_[at(f)], state_, word, {{inputs, 8 * kResultWords}, {share_, block}, {8, kResultWords}, {128, 1}});
        }
      }
    }
  }

  // A result of quantised pieces for each core, of `together` steps from `step` on, from slot `slot` on.
  void take_pieces(int step, int width, int slot, int together) {
    const int m = step / (16 / columns_), first = step % (16 / columns_) * columns_;
    const int64_t block = int64_t{plan_.quantised_slots(width)} * kTileWords;
    const int64_t to = plan_.quantised + int64_t{m} * rows_ * block + int64_t{slot} * kTileWords + first * 64;
    for (int c = 0; c < columns_; ++c) {
      task(out_[at(c)], state_, to + c * 64,
           {{rows_, block}, {together, columns_ * 64}, {32 / together, kTileWords}, {64, 1}});
    }
  }

  // A result holds those of 32 steps. What a round leaves there is of no meaning, and the next one writes over it.
  void take_scales(int step, int width) {
    const int64_t block = int64_t{plan_.quantised_slots(width)} * kTileWords;
    const int64_t to = plan_.quantised + int64_t{width / 64} * kTileWords;
    for (int c = 0; c < columns_; ++c) {
      task(out_[at(c)], state_, to + int64_t{step / (16 / columns_)} * rows_ * block + c * 64,
           {{rows_, block}, {2 * columns_, rows_ * block}, {16 / columns_, columns_ * 64}, {64, 1}});
    }
  }

  // What lets the first cores pass when the last ones have had their own: any bytes will do.
  void fill_up(int along, int down) {
    auto any = [&](int fifo, int words) {
      if (words > 0) task(fifo, state_, 0, {{words / 512, 512}, {512, 1}});
    };
    for (int f = 0; f < feeders_; ++f) any(a_in_[at(f)], (columns_ - 1) * along * share_ * kTileWords);
    for (int c = 0; c < columns_; ++c) any(w_in_[at(c)], (rows_ - 1) * down * kTileWords);
  }

  void run_norm(int64_t parameters, bool last) {
    const int d = plan_.shape.d, along = plan_.pieces_objects(d), results = plan_.x_results(), down = 2 * results;
    const int together = norm_together(), round = plan_.round(steps());
    begin({{kNorms, 1},
           {kNormRounds, steps() / round},
           {kGroups, round / together},
           {kBefore, last ? 0 : results},
           {kAfter, last ? results : 0}});
    for (int c = 0; c < columns_; ++c) {
      task(w_in_[at(c)], weights_, parameters, {{2 * kNormObjects, 512}, {512, 1}});
    }
    for (int step = 0; step < steps(); ++step) {
      for (int c = 0; c < columns_; ++c) {
        task(w_in_[at(c)], state_, plan_.x_at(step, c, 0, 0),
             {{rows_, kResultWords}, {results, int64_t{rows_} * kResultWords}, {4, 512}, {512, 1}});
      }
      send_pieces(step, plan_.result, plan_.result_slots, along);
      if (norm_turns() && step + 1 == steps()) fill_up(along, down);
      for (int c = 0; c < columns_; ++c) {
        task(out_[at(c)], state_, plan_.x_at(step, c, 0, 0), {{4 * results * rows_, 512}, {512, 1}});
      }
      if ((step + 1) % together == 0) take_pieces(step + 1 - together, d, 0, together);
      if ((step + 1) % round == 0) take_scales(step + 1 - round, d);
    }
    finish_tasks();
  }

  void run_quantise(int64_t from, int slots, int width) {
    const int inputs = plan_.pieces_objects(width), more = std::max(0, inputs - 4), first = std::min(inputs, 4);
    const bool kept = inputs * kObjectBytes <= big_bytes();
    const int down = kept ? inputs * columns_ / (rows_ + columns_) : inputs, along = kept ? inputs - down : inputs;
    const int together = plan_.groups_together(width), round = plan_.round(steps());
    begin({{kQuantising, 1},
           {kQuantiseRounds, steps() / round},
           {kQuantise, round / together},
           {kSlots, together},
           {kApart, 4 / together},
           {kKept, kept},
           {kAgain, !kept},
           {kInputs, along},
           {kInputsDown, kept ? down : 0},
           {kGather, kept && inputs <= 2},
           {kAlone, !kept || inputs > 2},
           {kFirst, kept && inputs > 2 ? first - kGaps : first},
           {kFull, more / 4},
           {kLast, more % 4 > 0},
           {kRest, more % 4},
           {kWidth, width}});
    const int64_t block = int64_t{slots} * kResultWords,
                  downwards = from + int64_t{kept ? 8 * along : 0} * kResultWords;
    for (int step = 0; step < steps(); ++step) {
      send_pieces(step, from, slots, along);
      const int m = step / (16 / columns_), group = step % (16 / columns_) * columns_;
      for (int c = 0; down > 0 && c < columns_; ++c) {
        task(w_in_[at(c)], state_, downwards + int64_t{m} * rows_ * block + (group + c) * 128,
             {{rows_, block}, {8 * down, kResultWords}, {128, 1}});
      }
      if (kept && step + 1 == steps()) fill_up(along, down);
      for (int i = 0; (step + 1) % together == 0 && i < plan_.quantised_results(width); ++i) {
        take_pieces(step + 1 - together, width, 32 * i, together);
      }
      if ((step + 1) % round == 0) take_scales(step + 1 - round, width);
    }
    finish_tasks();
  }

  void make_sequence() {
    weights_ = b_.host("weights", plan_.weight_words * 4);
    state_ = b_.host("state", plan_.state_words * 4);
    const std::vector<Operation> list = operations();
    const int end = options_.count < 0 ? static_cast<int>(list.size()) : options_.first + options_.count;
    for (int i = options_.first; i < end; ++i) list[at(i)].run();
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
  Builder b_;
  std::vector<int> a_in_, a_, w_in_, w_, c_, out_;  // by feeder, row, column, column, worker, column
  std::map<std::string, int> named_;
  std::vector<int> own_;
  int weights_ = -1, state_ = -1;
  std::map<int, std::deque<int>> tasks_;
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
