// SPDX-License-Identifier: Apache-2.0
// The encoder's runtime sequence: the operations in their order, and what each sends and takes.
#include <algorithm>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/gemm_i8/aie2.h"
#include "npu/designs/encoder_products.h"

namespace shorthand::npu {
namespace {

using Linear = EncoderPlan::Linear;

class EncoderSequence : EncoderProducts {
 public:
  explicit EncoderSequence(const EncoderArray& array) : EncoderProducts(array) {}

  // Which objects came in an odd number, along the rows and down the columns.
  struct Odd {
    bool along = false, down = false;
  };
  // The last operation lets those pass that make them even: the next launch, too, is to begin with the first of the
  // cores' objects.
  Odd make_sequence(Odd last) {
    weights_ = b_.host("weights", plan_.weight_words * 4);
    state_ = b_.host("state", plan_.state_words * 4);
    const std::vector<Operation> list = operations();
    const int end = options_.count < 0 ? static_cast<int>(list.size()) : options_.first + options_.count;
    for (int i = options_.first; i < end; ++i) {
      if (last.along && i == end - 1) align_along();
      if (last.down && i == end - 1) align_down();
      list[at(i)].run();
    }
    restore_parameters();
    finish_tasks();
    return {odd_along(), odd_down()};
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
        run_product({.linear = p.conv1,
                     .epilogue = kProductGelu,
                     .to = p.convolved,
                     .slots = p.convolved_slots,
                     .first = tap * p.d_tiles(),
                     .clear = tap == 0,
                     .next = {p.conv2.k, tap, 3}});
      });
    }
    rows("quantise convolved", [this, &p] { run_quantise(p.convolved, p.convolved_slots, p.conv2.k, 3); });
    product("second convolution", p.conv2, d, [this, &p] {
      run_product({p.conv2, kProductGelu, p.result, p.result_slots});
    });
    for (const EncoderPlan::Layer& l : p.layers) {
      rows("attention's norm", [this, &l] { run_norm(l.attention_norm, false); });
      auto in_pairs = [this, &p](const Linear& linear, int epilogue, int first) {
        run_product({.linear = linear,
                     .epilogue = epilogue,
                     .to = p.qkv,
                     .slots = p.qkv_slots,
                     .first = first,
                     .apart = 2,
                     .normal = true});
      };
      product("values", l.value, d, [in_pairs, &l] { in_pairs(l.value, kProductPlain, 1); });
      product("keys and queries", l.key_query, 2 * d, [in_pairs, &l] { in_pairs(l.key_query, kProductHead, 0); });
      list.push_back(
          {{"attention", int64_t{p.shape.heads} * p.key_blocks, int64_t{p.head_groups} * (p.blocks / columns_)},
           [this] { run_attention(); }});
      rows("quantise attended", [this, &p, d] { run_quantise(p.attended, p.attended_slots, d); });
      product("output", l.out, d, [this, &p, &l] { run_product({l.out, kProductPlain, p.result, p.result_slots}); });
      rows("feed-forward's norm", [this, &l] { run_norm(l.mlp_norm, false); });
      product("first product", l.mlp1, 4 * d, [this, &p, &l, d] {
        run_product({.linear = l.mlp1,
                     .epilogue = kProductGelu,
                     .to = p.hidden,
                     .slots = p.hidden_slots,
                     .normal = true,
                     .next = {4 * d, 0, 1}});
      });
      rows("quantise hidden", [this, &p, d] { run_quantise(p.hidden, p.hidden_slots, 4 * d, 1); });
      product("second product", l.mlp2, d, [this, &p, &l] {
        run_product({l.mlp2, kProductPlain, p.result, p.result_slots});
      });
    }
    rows("last norm", [this, &p] { run_norm(p.final_norm, true); });
    return list;
  }

 private:
  // Slots of qkv: each head's keys and values side by side, then its queries in every other one. Keys and queries are
  // 64 scales, as floats and as factors, and int8 in the slot's second half, so that a head's keys and values are one
  // run.
  void run_attention() {
    const int t = plan_.d_tiles(), queries = options_.tile ? 1 : plan_.blocks / columns_;
    const int groups = options_.tile ? 1 : plan_.head_groups, together = plan_.keys_together();
    const int64_t block = int64_t{plan_.qkv_slots} * kResultWords, head = 2 * kResultWords;
    begin({{kAttend, 1}, {kHeads, groups * queries}});
    auto asked = [&](int h, int q, int c) {
      return plan_.qkv + (h * rows_ + t) * head + (int64_t{q} * columns_ + c) * block;
    };
    // Of the scales' tiles the first is read; the others fill the object.
    auto send_queries = [&](int h, int q, int rows) {
      for (int c = 0; c < columns_; ++c) {
        task(w_in_[at(c)], state_, asked(h, q, c), {{kScaleRows, head}, {kRelayTogether, block}, {64, 1}});
        tasks(w_in_[at(c)], state_, asked(h, q, c) + kTileWords, {{rows, head}, {2, 512}, {512, 1}});
      }
    };
    // The first head begins with the keys that are there before the last row of blocks is.
    const int rows_of_blocks = plan_.blocks / rows_, all = plan_.key_blocks / together;
    const int there = share_ == 1 && (columns_ - 1) / rows_ < rows_of_blocks - 1
                          ? std::min((rows_of_blocks - 1) * rows_ / together, all)
                          : 0;
    ready(plan_.qkv, 0, there > 0 ? rows_of_blocks - 1 : rows_of_blocks);
    send_queries(0, 0, rows_);
    for (int h = 0; h < groups; ++h) {
      for (int q = 0; q < queries; ++q) {
        const int sent = h == 0 && q == 0 ? there : 0;
        if (sent > 0) {
          send_keys(h, 0, sent);
          ready(plan_.qkv, 0, rows_of_blocks);
        }
        all_read();
        for (int c = 0; c < columns_; ++c) {
          const int m = (q * columns_ + c) / rows_;
          take(c, plan_.attended + ((int64_t{q} * columns_ + c) * plan_.attended_slots + h * rows_) * kResultWords,
               {{rows_, kResultWords}, {4, 512}, {512, 1}}, 0, {plan_.attended, m, m + 1});
        }
        send_keys(h, sent, all - sent);
        // The next head's scales and first queries come before this one ends: after the last, its own again.
        const bool of_group = q + 1 < queries, last = !of_group && h + 1 == groups;
        send_queries(of_group || last ? h : h + 1, of_group ? q + 1 : last ? q : 0, last ? 1 : rows_);
      }
    }
  }

  // Factors, keys and values of `n` groups of tiles of keys, for the heads of group h.
  void send_keys(int h, int first, int n) {
    const int together = plan_.keys_together();
    const int64_t block = int64_t{plan_.qkv_slots} * kResultWords, head = 2 * kResultWords;
    const int64_t keys = plan_.qkv + h * rows_ * head + int64_t{first} * together * block;
    for (int c = 0; n > 0 && c < columns_; ++c) {
      tasks(w_in_[at(c)], state_, keys + kHeadFactors / 2,
            {{n, together * block}, {kScaleRows, head}, {kRelayTogether, block}, {64, 1}});
    }
    for (int f = 0; n > 0 && share_ == 1 && f < feeders_; ++f)
      task(a_in_[at(f)], state_, keys + f * head + kTileWords, {{n * together, block}, {6, 512}, {512, 1}});
    for (int i = 0; share_ > 1 && i < n * together; ++i) {
      for (int f = 0; f < feeders_; ++f) {
        task(a_in_[at(f)], state_, keys + f * share_ * head + i * block + kTileWords,
             {{3, kTileWords}, {share_, head}, {2, 512}, {512, 1}});
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
    if (share_ == 1 && groups == 1 && run < 1024) {  // that a descriptor holds
      send_all_along(m, from, block, first, n);
      return;
    }
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
  // The same of all rows of blocks but the last two at once, and of these: what comes is done long before, but for
  // them.
  void send_all_along(int m, int64_t from, int64_t block, int first, int n) {
    const int all = steps() / steps_together(), rest = std::max(all - 2, 1);
    if (m > 0 && m != rest) return;
    const int64_t run = columns_ * 128, next = rows_ * block;
    ready(from, m, m == 0 ? rest : all);
    for (int f = 0; f < feeders_; ++f) {
      tasks(a_in_[at(f)], state_, from + m * next + f * block + int64_t{first} * kResultWords,
            {{m == 0 ? rest : all - rest, next}, {steps_together(), run}, {n, kResultWords}, {run, 1}});
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

  // A result of 32 pieces of int8 or halves of pieces of x for each core, of `together` steps from `step` on, to slots
  // from `first` on; or two results of one step.
  void take_pieces(int64_t array, int64_t block, int step, int first, int together, int results = 1) {
    const int m = step / (16 / columns_), group = step % (16 / columns_) * columns_;
    const int64_t to = array + int64_t{m} * rows_ * block + int64_t{first} * kTileWords + group * 64;
    for (int c = 0; c < columns_; ++c) {
      if (results > 1) {
        take(c, to + c * 64, {{results, 32 * kTileWords}, {rows_, block}, {32, kTileWords}, {64, 1}}, 1,
             {array, m, m + 1});
      } else {
        take(c, to + c * 64, {{rows_, block}, {together, columns_ * 64}, {32 / together, kTileWords}, {64, 1}}, 0,
             {array, m, m + 1});
      }
    }
  }

  // Of the steps of a round. A result holds those of 32 steps: what a round leaves there is of no meaning, and the next
  // one writes over it.
  void take_scales(int64_t array, int64_t block, int step, int round, int slot) {
    const int64_t to = array + int64_t{slot} * kTileWords;
    const int m = step / steps_together();
    for (int c = 0; c < columns_; ++c) {
      take(c, to + int64_t{m} * rows_ * block + c * 64,
           {{rows_, block}, {2 * columns_, rows_ * block}, {16 / columns_, columns_ * 64}, {64, 1}}, 0,
           {array, m, m + round / steps_together()});
    }
  }

  // Pieces of x in halves, down the columns.
  void send_stream(int step, int tiles) {
    const int64_t block = plan_.norm_block(), to = plan_.x + step / steps_together() * rows_ * block;
    for (int c = 0; c < columns_; ++c) {
      tasks(w_in_[at(c)], state_, to + (step % steps_together() * columns_ + c) * 64,
            {{steps_at_once(), columns_ * 64}, {2 * tiles, kTileWords}, {rows_, block}, {64, 1}});
    }
  }

  // Normal rows as floats.
  void take_normal(int step) {
    const int pieces = 8 * kPieceFloats;
    for (int c = 0; c < columns_; ++c) {
      take(c, plan_.output_at(step, c, 0, 0),
           {{plan_.output_results(), rows_ * pieces}, {rows_, pieces}, {4, pieces / 4}, {pieces / 4, 1}}, 1,
           {plan_.output, 0, 1});
    }
  }

  void run_norm(int64_t parameters, bool last) {
    const int d = plan_.shape.d, tiles = up(plan_.d_tiles(), together_);
    const int together = plan_.groups_together(d), each = plan_.x_together(), round = plan_.round(steps());
    const int64_t block = plan_.norm_block();
    ready(plan_.x, 0, plan_.blocks / rows_);
    begin({{kNorms, 1}, {kNormRounds, steps() / round}, {kGroups, round / together}, {kBefore, !last}, {kLast, last}});
    for (int c = 0; c < columns_; ++c) {
      task(w_in_[at(c)], weights_, parameters, {{2 * norm_objects(), 512}, {512, 1}});
    }
    auto inputs = [&](int step) {
      const int m = step / steps_together();
      ready(plan_.result, m, m + 1);
      send_stream(step, tiles);
      send_along(step, plan_.result, plan_.result_slots, 0, tiles);
    };
    auto outputs = [&](int step, int) {  // in the order of the cores' program
      all_read();
      const int next = step + 1;
      const bool x_at_once = each == 1 && !plan_.x_with_steps();
      if (x_at_once || (!last && each > 1 && next % each == 0)) take_pieces(plan_.x, block, next - each, 0, each);
      if (last) take_normal(step);
      if (last) return;
      if (plan_.x_with_steps()) take_pieces(plan_.x, block, step, 0, 1, 2);
      if (!plan_.x_with_steps() && next % together == 0)
        take_pieces(plan_.x, block, next - together, plan_.normal_slot(), together);
      if (next % round == 0) take_scales(plan_.x, block, next - round, round, plan_.normal_slot() + d / 64);
    };
    each_step(1, inputs, outputs);
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
      const int64_t block = int64_t{plan_.quantised_slots(width)} * kTileWords;
      for (int i = 0; i < plan_.quantised_results(width); ++i) take_pieces(plan_.quantised, block, step, 32 * i, n);
      if ((step + n) % round == 0) take_scales(plan_.quantised, block, step + n - round, round, width / 64);
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
};

}  // namespace

void make_encoder_sequence(const EncoderArray& array, Builder& b) {
  const Builder before = b;
  const auto odd = EncoderSequence(array).make_sequence({});
  if (!odd.along && !odd.down) return;
  b = before;
  EncoderSequence(array).make_sequence(odd);
}

Result<std::vector<EncoderOperation>> encoder_operations(const Device& device, const EncoderShape& shape) {
  SHORTHAND_TRY(check_shape(device, shape, {}));
  std::vector<EncoderOperation> list;
  Builder none("encoder");
  EncoderSequence sequence(EncoderArray(device, shape, {}, none));
  for (const EncoderSequence::Operation& o : sequence.operations()) list.push_back(o.what);
  return list;
}

}  // namespace shorthand::npu
