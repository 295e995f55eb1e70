// SPDX-License-Identifier: Apache-2.0
#include "npu/designs/encoder.h"

#include <fmt/format.h>

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

// Run-time parameters of a core. Trip counts of zero skip a part.
enum Parameter : int {
  kTiles,  // of products
  kSteps,  // 64 of the inner dimension
  kPlain,  // 1: the tile leaves as bfloat16
  kGelu,
  kClear,   // 1: the first row of the first tiles is padding
  kTilesN,  // tiles in a row of blocks
  kHead,    // as int8 with its own scales
  kAttend,  // heads and blocks of queries
  kKeyBlocks,
  kNorms,       // 1: LayerNorm's parameters come first
  kGroups,      // of four rows to normalise
  kBefore,      // objects of x that leave before LayerNorm
  kAfter,       // and after it
  kQuantise,    // groups of four rows to quantise
  kInputs,      // objects of bfloat16 pieces in four rows
  kSkipBefore,  // those of the cores to the west
  kSkipAfter,   // and to the east
  kKept,        // 1: four rows fit the core and are read once
  kAgain,       // 1: they do not, and come again down the column
  kFull,        // results of four inputs
  kRest,        // inputs of the last result
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
        run_product(p.conv1, kGelu, p.convolved, p.convolved_slots, tap * p.d_tiles(), tap == 0);
      });
    }
    rows("quantise convolved", [this, &p] { run_quantise(p.convolved, p.convolved_slots, p.conv2.k); });
    product("second convolution", p.conv2, d, [this, &p] { run_product(p.conv2, kGelu, p.result, p.result_slots, 0); });
    for (const EncoderPlan::Layer& l : p.layers) {
      rows("attention's norm", [this, &l] { run_norm(l.attention_norm, false); });
      product("values", l.value, d, [this, &p, &l] { run_product(l.value, kPlain, p.qkv, p.qkv_slots, 0); });
      product("keys and queries", l.key_query, 2 * d,
              [this, &p, &l] { run_product(l.key_query, kHead, p.qkv, p.qkv_slots, p.d_tiles()); });
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
  // Sums; four float rows; four bfloat16 rows that are quantised.
  int big_bytes() const { return std::max((kAttentionSums + kAttentionState) * 4, 16 * plan_.shape.d); }
  int worker(int column, int row) const { return column * rows_ + row; }
  int fifo(std::string name, int words, int depth) {
    Fifo f;
    f.name = std::move(name), f.element_bytes = 4, f.elements = words, f.depth = depth;
    return b_.fifo(std::move(f));
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
        a_.push_back(fifo(fmt::format("a{}", f * share_ + i), kTileWords, options_.depth));
        for (int c = 0; c < columns_; ++c) b_.to_worker(a_.back(), worker(c, f * share_ + i));
        parts.push_back(a_.back());
        offsets.push_back(i * kTileWords);
      }
      b_.split(a_in_.back(), parts, offsets, {column, kMemoryRow});
    }
    for (int c = 0; c < columns_; ++c) {
      w_in_.push_back(fifo(fmt::format("b_in{}", c), kTileWords, relayed()));
      w_.push_back(fifo(fmt::format("b{}", c), kTileWords, options_.depth));
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
                             "epilogue_gelu_bf16_64x64", "attention_end_64x64", "layer_norm_i8"}) {
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
    core.query = buffer_of("query", std::max(kObjectBytes, 4 * d));  // and four int8 rows
    core.query_scales = buffer_of("query_scales", 256);
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
    p.loop(parameter(kTiles)).call(named_["zero_i32_64x64"], {k.big}).loop(parameter(kSteps)).acquire(k.a).acquire(k.b);
    p.call(named_["matmul_i8_64x64x64"], {object(k.a), object(k.b), k.big}).release(k.a).release(k.b).end();
    p.acquire(k.a).call(kernel(K::gather_scales), {object(k.a), k.scales}).release(k.a).acquire(k.b).acquire(k.c);
    p.call(named_["zero_row_max_64"], {k.row_max});
    const std::vector<Operand> out = {k.big, object(k.b), k.scales, object(k.c), k.row_max};
    p.loop(parameter(kPlain)).call(named_["epilogue_bf16_64x64"], out).end();
    p.loop(parameter(kGelu)).call(named_["epilogue_gelu_bf16_64x64"], out).end();
    p.loop(parameter(kClear)).call(kernel(K::clear_first), {object(k.c)}, {counter(1), parameter(kTilesN)}).end();
    p.loop(parameter(kHead)).call(named_["epilogue_bf16_64x64"], {k.big, object(k.b), k.scales, k.work, k.row_max});
    p.call(kernel(K::quantise_head), {k.work, k.row_max, object(k.c)}).end();
    p.release(k.b).release(k.c).end();
  }

  // The values' tile lies in the object that the result will leave in.
  void attention(Program& p, const Core& k) {
    p.loop(parameter(kAttend));
    skip(p, k.b, literal(2 * k.row));
    p.loop(2)
        .acquire(k.b)
        .call(kernel(K::copy_query), {object(k.b), k.query, k.query_scales}, {counter()})
        .release(k.b)
        .end();
    skip(p, k.b, literal(2 * (rows_ - 1 - k.row)));
    p.call(kernel(K::attention_begin), {k.big}).acquire(k.c);
    p.loop(parameter(kKeyBlocks));
    p.loop(2).acquire(k.a).call(kernel(K::copy_value), {object(k.a), object(k.c)}, {counter()}).release(k.a).end();
    p.acquire(k.a).call(kernel(K::copy_scales), {object(k.a), k.scales}).release(k.a).acquire(k.a);
    p.call(kernel(K::attention_step), {k.query, k.query_scales, object(k.a), k.scales, object(k.c), k.big, k.work},
           {counter(), literal(plan_.shape.n_ctx)});
    p.release(k.a).end();
    p.call(named_["zero_row_max_64"], {k.row_max});
    p.call(named_["attention_end_64x64"], {k.big, object(k.c), k.row_max}).release(k.c).end();
  }

  void norm(Program& p, const Core& k) {
    p.loop(parameter(kNorms)).loop(kNormObjects).acquire(k.b);
    p.call(kernel(K::copy_parameters), {object(k.b), k.work}, {counter(), literal(plan_.shape.d)})
        .release(k.b)
        .end()
        .end();
    const int objects = 2 * plan_.x_results();
    const Number width = parameter(kWidth);
    p.loop(parameter(kGroups));
    skip(p, k.a, parameter(kSkipBefore));
    p.loop(parameter(kInputs)).acquire(k.a);
    p.call(kernel(K::rows_of), {object(k.a), k.big}, {counter(), width}).release(k.a).end();
    skip(p, k.a, parameter(kSkipAfter));
    skip(p, k.b, literal(objects * k.row));
    p.loop(objects).acquire(k.b).call(kernel(K::add_rows), {object(k.b), k.big}, {counter(), width});
    p.release(k.b).end();
    skip(p, k.b, literal(objects * (rows_ - 1 - k.row)));
    auto send = [&](int trips) {
      p.loop(parameter(trips)).acquire(k.c);
      p.call(kernel(K::send_rows), {k.big, object(k.c)}, {counter(), width}).release(k.c).end();
    };
    send(kBefore);
    p.call(named_["layer_norm_i8"], {k.big, k.work, k.query, k.scales}, {literal(4), width});
    send(kAfter);
    p.acquire(k.c).call(kernel(K::send_quantised), {k.query, k.scales, object(k.c)}, {width}).release(k.c).end();
  }

  // A group that fits stays between its largest elements and its quantisation; a wider one comes twice, along the row
  // and down the column.
  void quantise(Program& p, const Core& k) {
    const Number inputs = parameter(kInputs);
    p.loop(parameter(kQuantise));
    skip(p, k.a, parameter(kSkipBefore));
    p.loop(inputs).acquire(k.a);
    p.call(kernel(K::absmax), {object(k.a), k.state}, {counter(), parameter(kWidth)});
    p.loop(parameter(kKept)).call(kernel(K::keep_pieces), {object(k.a), k.big}, {counter(1)}).end();
    p.release(k.a).end();
    skip(p, k.a, parameter(kSkipAfter));
    auto kept = [&](Number trips, Number result) {
      p.loop(trips).call(kernel(K::quantise_kept), {k.big, k.state, object(k.c)}, {counter(), result}).end();
    };
    p.loop(parameter(kKept)).loop(parameter(kFull)).acquire(k.c);
    kept(literal(4), counter(1));
    p.release(k.c).end().acquire(k.c);
    kept(parameter(kRest), parameter(kFull));
    p.call(kernel(K::send_scales), {k.state, object(k.c)}, {parameter(kWidth)}).release(k.c).end();
    p.loop(parameter(kAgain));
    auto skip_rows = [&](int rows) {
      p.loop(rows);
      skip(p, k.b, inputs);
      p.end();
    };
    auto pieces = [&](Number trips) {
      p.loop(trips).acquire(k.b);
      p.call(kernel(K::quantise_pieces), {object(k.b), k.state, object(k.c)}, {counter()}).release(k.b).end();
    };
    skip_rows(k.row);
    p.loop(parameter(kFull)).acquire(k.c);
    pieces(literal(4));
    p.release(k.c).end().acquire(k.c);
    pieces(parameter(kRest));
    p.call(kernel(K::send_scales), {k.state, object(k.c)}, {parameter(kWidth)}).release(k.c);
    skip_rows(rows_ - 1 - k.row);
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

  void begin(const std::map<int, int32_t>& values, int skip_objects = 0) {
    for (int c = 0; c < columns_; ++c) {
      for (int r = 0; r < rows_; ++r) {
        const int w = worker(c, r);
        std::vector<int32_t> now(kParameters);
        for (const auto& [index, value] : values) now[at(index)] = value;
        if (r > 0) now[kClear] = 0;
        now[kSkipBefore] = c * skip_objects, now[kSkipAfter] = (columns_ - 1 - c) * skip_objects;
        for (int i = 0; i < kParameters; ++i) {
          if (now[at(i)] != written_[at(w)][at(i)]) b_.write(w, i, now[at(i)]);
        }
        written_[at(w)] = now;
      }
    }
    for (int w = 0; w < rows_ * columns_; ++w) b_.signal(w);
  }

  // int8 rows of width l.k, quantised -> tiles of 64 x 64 in `to`, from slot `first` of `slots` on.
  void run_product(const Linear& l, int epilogue, int64_t to, int slots, int first, bool clear = false) {
    const int m = options_.tile ? 1 : plan_.blocks / rows_, n = options_.tile ? 1 : l.n_tiles / columns_;
    const int objects = l.k_tiles() + 1;
    const int64_t panel = int64_t{objects} * kTileWords, block = int64_t{plan_.quantised_slots(l.k)} * kTileWords;
    begin({{kTiles, m * n}, {kSteps, l.k_tiles()}, {epilogue, 1}, {kClear, clear}, {kTilesN, n}});
    for (int c = 0; c < columns_; ++c) {
      task(w_in_[at(c)], weights_, l.at + c * panel, {{m, 0}, {n, columns_ * panel}, {2 * objects, 512}, {512, 1}});
    }
    for (int i = 0; i < m; ++i) {
      for (int c = 0; c < columns_; ++c) {
        task(out_[at(c)], state_, to + (int64_t{i} * rows_ * slots + first + c) * kResultWords,
             {{n, int64_t{columns_} * kResultWords}, {rows_, int64_t{slots} * kResultWords}, {4, 512}, {512, 1}});
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

  // Slots of qkv: values, keys, queries.
  void run_attention() {
    const int t = plan_.d_tiles(), queries = options_.tile ? 1 : plan_.blocks / columns_;
    const int groups = options_.tile ? 1 : plan_.head_groups;
    const int64_t block = int64_t{plan_.qkv_slots} * kResultWords;
    begin({{kAttend, groups * queries}, {kKeyBlocks, plan_.key_blocks}});
    for (int h = 0; h < groups; ++h) {
      for (int q = 0; q < queries; ++q) {
        for (int c = 0; c < columns_; ++c) {
          task(out_[at(c)], state_,
               plan_.attended + ((int64_t{q} * columns_ + c) * plan_.attended_slots + h * rows_) * kResultWords,
               {{4 * rows_, 512}, {512, 1}});
          task(w_in_[at(c)], state_, plan_.qkv + (q * columns_ + c) * block + int64_t{2 * t + h * rows_} * kResultWords,
               {{4 * rows_, 512}, {512, 1}});
        }
        const int64_t first = plan_.qkv + int64_t{h} * rows_ * kResultWords;
        const int64_t keys = int64_t{t} * kResultWords;
        for (int f = 0; share_ == 1 && f < feeders_; ++f) {
          task(a_in_[at(f)], state_, first + f * kResultWords,
               {{plan_.key_blocks, block}, {2, keys}, {4, 512}, {512, 1}});
        }
        for (int i = 0; share_ > 1 && i < 2 * plan_.key_blocks; ++i) {
          for (int f = 0; f < feeders_; ++f) {
            task(a_in_[at(f)], state_, first + f * share_ * kResultWords + i / 2 * block + i % 2 * keys,
                 {{2, kTileWords}, {share_, kResultWords}, {2, 512}, {512, 1}});
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

  // A result of quantised pieces for each core of a step, from slot `slot` on.
  void take_pieces(int step, int width, int slot) {
    const int m = step / (16 / columns_), first = step % (16 / columns_) * columns_;
    const int64_t block = int64_t{plan_.quantised_slots(width)} * kTileWords;
    for (int c = 0; c < columns_; ++c) {
      task(out_[at(c)], state_,
           plan_.quantised + int64_t{m} * rows_ * block + int64_t{slot} * kTileWords + (first + c) * 64,
           {{rows_, block}, {32, kTileWords}, {64, 1}});
    }
  }

  void run_norm(int64_t parameters, bool last) {
    const int d = plan_.shape.d, inputs = plan_.pieces_objects(d), results = plan_.x_results();
    begin({{kNorms, 1},
           {kGroups, steps()},
           {kBefore, last ? 0 : results},
           {kAfter, last ? results : 0},
           {kInputs, inputs},
           {kWidth, d}},
          inputs);
    for (int c = 0; c < columns_; ++c) {
      task(w_in_[at(c)], weights_, parameters, {{2 * kNormObjects, 512}, {512, 1}});
    }
    for (int step = 0; step < steps(); ++step) {
      for (int c = 0; c < columns_; ++c) {
        task(w_in_[at(c)], state_, plan_.x_at(step, c, 0, 0),
             {{rows_, kResultWords}, {results, int64_t{rows_} * kResultWords}, {4, 512}, {512, 1}});
      }
      send_pieces(step, plan_.result, plan_.result_slots, inputs);
      for (int c = 0; c < columns_; ++c) {
        task(out_[at(c)], state_, plan_.x_at(step, c, 0, 0), {{4 * results * rows_, 512}, {512, 1}});
      }
      take_pieces(step, d, 0);
    }
    finish_tasks();
  }

  void run_quantise(int64_t from, int slots, int width) {
    const int inputs = plan_.pieces_objects(width);
    const bool kept = inputs * kObjectBytes <= big_bytes();
    begin({{kQuantise, steps()},
           {kKept, kept},
           {kAgain, !kept},
           {kInputs, inputs},
           {kFull, inputs / 4},
           {kRest, inputs % 4},
           {kWidth, width}},
          inputs);
    for (int step = 0; step < steps(); ++step) {
      send_pieces(step, from, slots, inputs);
      const int m = step / (16 / columns_), first = step % (16 / columns_) * columns_;
      const int64_t block = int64_t{slots} * kResultWords;
      for (int c = 0; !kept && c < columns_; ++c) {
        task(w_in_[at(c)], state_, from + int64_t{m} * rows_ * block + (first + c) * 128,
             {{rows_, block}, {8 * inputs, kResultWords}, {128, 1}});
      }
      for (int i = 0; i < plan_.quantised_results(width); ++i) take_pieces(step, width, 32 * i);
    }
    finish_tasks();
  }

  void make_sequence() {
    weights_ = b_.host("weights", plan_.weight_words * 4);
    state_ = b_.host("state", plan_.state_words * 4);
    const std::vector<Operation> list = operations();
    const int end = options_.count < 0 ? static_cast<int>(list.size()) : options_.first + options_.count;
    for (int i = options_.first; i < end; ++i) list[at(i)].run();
    if (options_.first > 0 || at(end) < list.size()) restore_parameters();
  }

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
