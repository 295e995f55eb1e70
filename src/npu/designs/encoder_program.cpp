// SPDX-License-Identifier: Apache-2.0
// The programs of the encoder's cores, with their buffers and kernels. All have the same parts, one an operation.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "kernels/attention/aie2.h"
#include "kernels/rowwise/aie2.h"
#include "npu/designs/encoder_array.h"
#include "npu/kernels/aie_kernels.h"

namespace shorthand::npu {
namespace {

using K = EncoderKernel;

class EncoderPrograms : EncoderArray {
 public:
  explicit EncoderPrograms(const EncoderArray& array) : EncoderArray(array) {}

  void make() {
    make_kernels();
    for (int c = 0; c < columns_; ++c) {
      for (int r = 0; r < rows_; ++r) make_program(c, r);
    }
  }

 private:
  void make_kernels() {
    for (const char* name : {"zero_i32_64x64", "matmul_i8_64x64x64", "attention_values_64x32"}) {
      named_[name] = b_.kernel(*find_aie_kernel(name));
    }
    for (int k = 0; k <= static_cast<int>(K::send_scales); ++k) {
      own_.push_back(b_.kernel(encoder_kernel(static_cast<K>(k))));
    }
  }
  int kernel(K k) const { return own_[static_cast<size_t>(k)]; }

  struct Core {
    int a, b, c;                                          // FIFOs
    Operand big, work, scales;                            // buffers
    Operand sums, rows, query, head, scores, row_scales;  // of big
    Operand norm_scales;                                  // of work
    int column, row;
  };

  void make_program(int column, int row) {
    const int w = worker(column, row);
    auto buffer_of = [&](const char* name, int bytes) {
      return buffer(b_.buffer(fmt::format("{}_{}_{}", name, column, row), w, bytes));
    };
    auto placed = [&](const char* name, int bytes, int address) {
      return buffer(b_.buffer(fmt::format("{}_{}_{}", name, column, row), w, bytes, -1, address));
    };
    Core core{};
    core.a = a_[at(row)], core.b = w_[at(column)], core.c = c_[at(w)], core.column = column, core.row = row;
    // Each of a product's sums in two banks, of which the other's steps need neither: there the next objects arrive.
    core.big = placed("big", big_bytes(), kBigAt), core.work = placed("work", EncoderPlan::kWorkBytes, kWorkAt);
    core.sums = part(core.big, 0, kSumsBytes), core.rows = part(core.big, kSumsBytes, kRelayRows);
    core.row_scales = part(core.big, kScalesIn, kScalesBytes),
    core.norm_scales = part(core.work, kNormScalesIn, kScalesBytes);
    core.query = part(core.big, 0, kObjectBytes);
    core.head = part(core.big, kHeadIn, kRelayHead), core.scores = part(core.big, kScoresIn, kAttentionWork * 2);
    core.scales = buffer_of("scales", 2 * kRelayState);  // of four rows; their largest elements
    Program p;
    p.barrier();
    skip(p, core.a, parameter(kAlignAlong));
    skip(p, core.b, parameter(kAlignDown));
    product(p, core);
    attention(p, core);
    norm(p, core);
    quantise(p, core);
    b_.program(w, p);
  }

  static void skip(Program& p, int fifo, Number trips) { p.loop(trips).acquire(fifo).release(fifo).end(); }

  // The tiles of a row of blocks: in pairs, then one that is over or all that are alone; a stacked one serves both rows
  // of a group, after them. Epilogues leave zeros for the next tile.
  void product(Program& p, const Core& k) {
    p.loop(parameter(kProduct)).call(named_["zero_i32_64x64"], {k.sums}).call(named_["zero_i32_64x64"], {k.work});
    p.loop(parameter(kGroupsOfRows)).loop(parameter(kRows)).call(kernel(K::product_begin), {k.rows});
    p.acquire(k.a).call(kernel(K::gather_scales), {object(k.a), k.row_scales}, {counter()});
    if (options_.depth == 1) p.release(k.a);
    if (options_.depth > 1) pairs(p, k);
    p.loop(parameter(kSingles)).loop(parameter(kSteps)).acquire(k.a);
    multiply(p, k, 0, k.sums);
    p.release(k.a).end();
    end_tile(p, k, k.sums, 1);
    p.end();
    if (options_.depth > 1) {  // with pairs, what comes is made an even number
      p.loop(any(parameter(kSingles)));
      skip(p, k.b, any(parameter(kPairs)));
      p.end();
    }
    p.loop(parameter(kMaxima)).acquire(k.c);
    p.call(kernel(K::send_maxima), {k.rows, object(k.c)}).release(k.c).end().end();
    if (options_.depth > 1) stacked(p, k);
    p.end().end();
  }

  // A tile of activations serves two of weights, each with its own sums: first those in work, then those in big. The
  // activations' lies in bank 0 or 2, where the next but one arrives: in 0 while sums in banks 2 and 3 are at work, in
  // 2 while those in 0 and 1 are. So one of bank 2 is let go a step late; before the first it is the rows' scales. A
  // step of the next pair stands between the last of this one and its second epilogue, so that the first one's result
  // has left.
  void pairs(Program& p, const Core& k) {
    p.loop(parameter(kPairs)).acquire(k.a, 2);
    multiply(p, k, 1, k.work);
    p.release(k.a).loop(any(counter()));
    end_tile(p, k, k.sums, 2);
    p.end().loop(parameter(kDeep));
    multiply(p, k, 0, k.sums);
    p.release(k.a).acquire(k.a);
    multiply(p, k, 0, k.work);
    multiply(p, k, 0, k.sums);
    p.acquire(k.a, 2);
    multiply(p, k, 1, k.work);
    p.release(k.a).end();
    multiply(p, k, 0, k.sums);
    p.release(k.a).acquire(k.a);
    multiply(p, k, 0, k.work);
    end_tile(p, k, k.work, 1);
    multiply(p, k, 0, k.sums);
    p.end().release(k.a);
    skip(p, k.a, any(parameter(kPairs)));
    p.loop(any(parameter(kPairs)));
    end_tile(p, k, k.sums, 1);
    p.end();
  }
  void multiply(Program& p, const Core& k, int slot, Operand sums) {
    p.acquire(k.b).call(named_["matmul_i8_64x64x64"], {object(k.a, slot), object(k.b), sums}).release(k.b);
  }

  // A tile of weights serves one of activations of either row; of two, the second lies where the second row's sums are.
  void stacked(Program& p, const Core& k) {
    auto step = [&](int slot, Operand sums) {
      p.acquire(k.a).call(named_["matmul_i8_64x64x64"], {object(k.a), object(k.b, slot), sums}).release(k.a);
    };
    p.loop(parameter(kStacked)).acquire(k.b);
    step(0, k.work);
    step(0, k.sums);
    p.acquire(k.b, 2);
    step(1, k.work);
    p.release(k.b);
    step(0, k.sums);
    p.release(k.b).end().loop(any(parameter(kStacked)));
    for (int row = 0; row < 2; ++row) {
      leave(p, k, row == 0 ? k.work : k.sums, literal(row));
      p.release(k.b).release(k.c);
    }
    p.end();
  }

  // A tile's result, `loops` loops into a row of blocks.
  void end_tile(Program& p, const Core& k, Operand sums, int loops) {
    leave(p, k, sums, counter(loops));
    p.loop(parameter(kClear)).call(kernel(K::clear_first), {object(k.c), k.rows}, {counter(loops + 2)}).end();
    p.release(k.b).release(k.c);
  }
  void leave(Program& p, const Core& k, Operand sums, Number row) {
    p.acquire(k.b).acquire(k.c);
    p.call(kernel(K::product_end), {sums, object(k.b), k.row_scales, k.rows, object(k.c)}, {parameter(kEpilogue), row});
  }

  // Down the column come the scales of all rows' queries, their tiles and the scales of keys; along the row a tile of
  // keys and one of values, in halves: the second comes where the keys were while the first is at work, and the next
  // keys where the first was.
  void attention(Program& p, const Core& k) {
    auto scales = [&] {
      p.acquire(k.b).call(kernel(K::copy_scales), {object(k.b), k.row_scales}, {literal(k.row)}).release(k.b);
    };
    auto query = [&](int row) {
      p.acquire(k.b);
      if (row == k.row) p.call(kernel(K::keep_query), {object(k.b), k.query});
      p.release(k.b);
    };
    p.loop(parameter(kAttend)).call(named_["zero_i32_64x64"], {k.work});
    auto step = [&](Number tile, Number group, bool last) {
      const Number together = literal(plan_.keys_together()), positions = literal(plan_.shape.n_ctx);
      p.acquire(k.a).call(kernel(K::attention_scores), {object(k.a), object(k.b), k.query, k.scores},
                          {literal(k.row), tile, group, together, positions});
      p.release(k.a);
      if (last) p.release(k.b);
      p.call(kernel(K::attention_weights), {k.scores, k.head}, {tile, group, together, positions});
      p.loop(2).acquire(k.a).call(named_["attention_values_64x32"], {k.scores, object(k.a), k.work}, {counter()});
      p.release(k.a).end();
    };
    scales();
    query(0);
    p.loop(parameter(kHeads));
    for (int row = 1; row < rows_ - 1; ++row) query(row);
    p.call(kernel(K::attention_begin), {k.row_scales, k.scores, k.head});
    if (rows_ > 1) query(rows_ - 1);
    const int leading = plan_.keys_together() - 1;
    p.loop(plan_.key_blocks / plan_.keys_together()).acquire(k.b).loop(leading);
    step(counter(), counter(1), false);
    p.end();
    step(literal(leading), counter(), true);
    p.end();
    // Of the next head, whose other queries come while this one ends.
    scales();
    query(0);
    p.acquire(k.c).call(kernel(K::attention_end), {k.work, k.head, object(k.c)}).release(k.c).end().end();
  }

  // What comes along a row or down a column serves all its cores at once: an object has a part for each. So none waits
  // while others have theirs, and all are at the same rows. Of the four rows of a core here come the result's tiles
  // along the row, and x down the column.
  void norm(Program& p, const Core& k) {
    const int together = plan_.groups_together(plan_.shape.d), each = plan_.x_together(), d = plan_.shape.d;
    const Number width = literal(d);
    const int first = work_at() + (plan_.x_with_steps() ? (plan_.d_tiles() - 16) * 2 * kPieceFloats : 0);
    p.loop(parameter(kNorms)).loop(norm_objects()).acquire(k.b);
    p.call(kernel(K::copy_parameters), {object(k.b), k.work}, {counter(), width}).release(k.b).end();
    auto four_rows = [&](Number index, Number group, Number batch) {
      p.call(kernel(K::layer_norm_pieces), {k.big, k.work, k.work, k.norm_scales},
             {literal(first), index, group, literal(each), batch, literal(together), width});
      p.loop(parameter(kLast)).loop(plan_.output_results()).acquire(k.c);
      p.call(kernel(K::send_normal), {k.big, k.work, object(k.c)}, {counter(), width}).release(k.c).end().end();
    };
    p.loop(parameter(kNormRounds)).loop(parameter(kGroups)).loop(together / each);
    if (each > 1) {
      p.loop(each - 1);
      add_result(p, k, counter(2));
      four_rows(counter(), counter(1), counter(2));
      p.end();
    }
    add_result(p, k, literal(each - 1));
    // Before the last rows are at work, so that there is room for what these leave.
    if (each > 1) send_kept(p, k, k.big, 16 * d);
    four_rows(literal(each - 1), counter(), counter(1));
    p.end();
    send_kept(p, k, k.work, work_at());
    p.end().loop(parameter(kBefore));
    send_scales(p, k, k.norm_scales);
    p.end().end().end();
  }
  static int pieces(int bytes) { return bytes / (2 * kPieceFloats); }
  // What waits in work to leave, behind LayerNorm's state and parameters.
  int work_at() const { return up(4 * kNormState + norm_bytes(), 2 * kPieceFloats); }
  void send_kept(Program& p, const Core& k, Operand from, int first) {
    p.loop(parameter(kBefore)).acquire(k.c);
    p.call(kernel(K::send_kept), {from, object(k.c)}, {literal(first)}).release(k.c).end();
  }
  // Narrow rows' pieces of x wait behind the rows until they fill a result; wider ones leave at once, or wait before
  // their steps.
  void add_result(Program& p, const Core& k, Number slot) {
    const int d = plan_.shape.d, groups = up(plan_.d_tiles(), together_) / together_, of_result = 16 / together_;
    const bool behind_rows = plan_.x_together() > 1, before_steps = plan_.x_with_steps(), along_first = along_ >= down_;
    const bool at_once = !behind_rows && !before_steps;
    const int few = along_first ? k.b : k.a, many = along_first ? k.a : k.b;
    for (int first = 0; first < groups; first += of_result) {
      if (at_once) p.acquire(k.c);
      p.loop(std::min(of_result, groups - first)).acquire(many).loop(together_ / std::min(along_, down_)).acquire(few);
      const int tile = first * together_;
      p.call(kernel(K::add_result),
             {object(k.a), object(k.b), k.big,
              behind_rows    ? k.big
              : before_steps ? k.work
                             : object(k.c),
              k.work},
             {counter(), counter(1), literal(tile), slot,
              literal(behind_rows ? pieces(16 * d) : (before_steps ? pieces(work_at()) : 0) - tile), literal(k.column),
              literal(k.row), literal(along_), literal(down_), literal(d)});
      p.release(few).end().release(many).end();
      if (at_once) p.release(k.c);
      if (before_steps && first == 0) send_kept(p, k, k.work, work_at());
    }
  }

  // The scales of a round leave after its rows.
  void send_scales(Program& p, const Core& k, Operand scales) {
    p.acquire(k.c).call(kernel(K::send_scales), {scales, object(k.c)}).release(k.c);
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
      p.acquire(fifo).call(kernel(K::keep_pieces), {object(fifo), k.big, k.scales},
                           {index, first, literal(part), literal(tiles), width});
      p.release(fifo);
    };
    p.loop(parameter(kInputs));
    keep(k.a, counter(), literal(0), k.column, along_);
    keep(k.b, counter(), parameter(kFirstDown), k.row, down_);
    p.end().loop(parameter(kMoreAlong));
    keep(k.a, counter(), parameter(kFirstMore), k.column, along_);
    p.end().loop(parameter(kPassing));
    p.call(kernel(K::recall_maxima), {k.big, k.scales}, {counter(2), literal(k.column), literal(columns_)});
    p.call(kernel(K::find_steps), {k.scales, k.work}).end();
    p.call(kernel(K::keep_scales), {k.scales, k.row_scales}, {counter(), counter(1), parameter(kSlots)});
    // Several groups gather behind the kept ones, which are a result's size at most, until they fill a result.
    constexpr int kGathered = kResultBytes / kPieceFloats;
    p.loop(parameter(kGather))
        .call(kernel(K::quantise_kept), {k.big, k.scales, k.big},
              {literal(0), counter(1), parameter(kApart), literal(kGathered), width});
    p.end().loop(parameter(kAlone)).acquire(k.c);
    p.call(kernel(K::quantise_kept), {k.big, k.scales, object(k.c)},
           {counter(), literal(0), literal(0), literal(0), width});
    p.release(k.c).end().loop(parameter(kFull)).acquire(k.c).loop(2);
    half(p, k, counter(2));
    p.end().release(k.c).end().loop(parameter(kHalf)).acquire(k.c);
    half(p, k, literal(0));
    p.release(k.c).end().end().loop(parameter(kGather)).acquire(k.c);
    p.call(kernel(K::send_kept), {k.big, object(k.c)}, {literal(kResultBytes)}).release(k.c).end().end();
    send_scales(p, k, k.row_scales);
    p.end().end();
  }
  // Sixteen tiles, as many along as down.
  void half(Program& p, const Core& k, Number which) {
    auto some = [&](int fifo, int tiles, int first, int part) {
      p.loop(together_ / tiles).acquire(fifo);
      p.call(kernel(K::quantise_pieces), {object(fifo), k.work, object(k.c)},
             {counter(), counter(1), literal(together_), which, literal(first), literal(part), literal(tiles)});
      p.release(fifo).end();
    };
    p.loop(8 / together_);
    some(k.a, along_, 0, k.column);
    some(k.b, down_, 8, k.row);
    p.end();
  }

  std::map<std::string, int> named_;  // kernels
  std::vector<int> own_;              // by EncoderKernel
};

}  // namespace

void make_encoder_programs(const EncoderArray& array) { EncoderPrograms(array).make(); }

}  // namespace shorthand::npu
