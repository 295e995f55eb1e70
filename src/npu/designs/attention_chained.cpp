// SPDX-License-Identifier: Apache-2.0
#include "npu/designs/attention_chained.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>

#include "kernels/gemm_i8/aie2.h"
#include "npu/builder.h"
#include "npu/designs/encoder_kernels.h"
#include "npu/kernels/aie_kernels.h"
#include "npu/kernels/layouts.h"

namespace shorthand::npu {
namespace {

constexpr int kHead = 64;                                                          // width of one
constexpr int64_t kTileWords = kObjectBytes / 4, kResultWords = kResultBytes / 4;  // 64 x 64, int8 and bfloat16
constexpr int kGroups = 16;                                                        // of four rows, in a tile
constexpr int kPieces = kResultBytes / (4 * kHead);  // of int8 in a result: slots of a block of weights

size_t at(int64_t index) { return static_cast<size_t>(index); }
int up(int n, int to) { return (n + to - 1) / to * to; }

// Where everything lies, in words. Blocks are of 64 queries, tiles of 64 keys.
struct Layout {
  int rows, columns, heads, tiles, blocks, slots;
  int64_t keys, values, input_words;  // of "inputs", which begins with the queries
  int64_t weights, state_words;       // of "state", which begins with the scores

  Layout(const Device& device, const ChainedAttention& a)
      : rows(device.core_rows),
        columns(device.columns),
        heads(up(a.heads, device.columns)),
        tiles(up(a.positions, kHead) / kHead),
        blocks(up(tiles, 2 * device.core_rows)),  // the scales of two blocks leave a core together
        slots(up(tiles, 8)) {
    keys = int64_t{heads} * blocks * 2 * kTileWords;
    values = keys + int64_t{heads} * tiles * 2 * kTileWords;
    input_words = values + int64_t{heads} * (tiles + 1) * kTileWords;
    weights = int64_t{heads} * blocks * slots * kResultWords;
    state_words = weights + int64_t{heads} * blocks * kPieces * kTileWords;
  }
  int width() const { return tiles * kHead; }
  int rounds() const { return heads / columns * (blocks / rows); }  // of a block for every core
  int head(int round, int column) const { return round / (blocks / rows) * columns + column; }
  int block(int round) const { return round % (blocks / rows) * rows; }  // the first core's

  // Scales, then the tile; a tile, then its columns' parameters; the tiles, then theirs.
  int64_t query_at(int head, int block) const { return (int64_t{head} * blocks + block) * 2 * kTileWords; }
  int64_t key_at(int head, int tile) const { return keys + (int64_t{head} * tiles + tile) * 2 * kTileWords; }
  int64_t value_at(int head, int tile) const { return values + (int64_t{head} * (tiles + 1) + tile) * kTileWords; }
  int64_t score_at(int head, int block) const { return (int64_t{head} * blocks + block) * slots * kResultWords; }
  int64_t weight_at(int head, int block) const {
    return weights + (int64_t{head} * blocks + block) * kPieces * kTileWords;
  }
  int64_t out_at(int head, int block) const { return (int64_t{head} * blocks + block) * kResultWords; }
};

class ChainedDesign {
 public:
  ChainedDesign(const Device& device, const ChainedAttention& attention)
      : a_(attention), l_(device, attention), b_("attention_chained") {}

  Result<Design> build() {
    b_.allocation(Allocation::sequential);  // 63 of 64 KB are used, and no bank holds four float rows
    for (int c = 0; c < l_.columns; ++c) make_column(c);
    inputs_ = b_.host("inputs", l_.input_words * 4);
    state_ = b_.host("state", l_.state_words * 4);
    out_ = b_.host("out", int64_t{l_.heads} * l_.blocks * kResultBytes);
    if (does(0)) run_scores();
    if (does(1)) run_softmax();
    if (does(2)) run_values();
    return b_.finish();
  }

 private:
  bool does(int pass) const { return pass >= a_.first && pass < a_.first + a_.count; }

  int fifo(std::string name, int64_t words, int depth) {
    Fifo f;
    f.name = std::move(name), f.element_bytes = 4, f.elements = static_cast<int>(words), f.depth = depth;
    return b_.fifo(std::move(f));
  }
  int kernel(const char* name) {
    const auto [known, fresh] = kernels_.try_emplace(name, -1);
    if (fresh) known->second = b_.kernel(*find_aie_kernel(name));
    return known->second;
  }

  // Along: an object for each core. Down: one for all. Up: a result of each.
  void make_column(int c) {
    const Tile memory{c, kMemoryRow};
    const int a_in = fifo(fmt::format("a_in{}", c), l_.rows * kTileWords, a_.depth);
    const int b_in = fifo(fmt::format("b_in{}", c), kTileWords, a_.depth),
              b = fifo(fmt::format("b{}", c), kTileWords, a_.depth);
    const int c_out = fifo(fmt::format("c_out{}", c), l_.rows * kResultWords, a_.depth);
    b_.from_host(a_in, c).from_host(b_in, c).forward(b_in, b, memory);
    std::vector<int> along, results, offsets_in, offsets_out;
    for (int r = 0; r < l_.rows; ++r) {
      const int w = b_.worker(fmt::format("core_{}_{}", c, r), {}, {c, kFirstCoreRow + r});
      along.push_back(fifo(fmt::format("a{}_{}", c, r), kTileWords, a_.depth));
      results.push_back(fifo(fmt::format("c{}_{}", c, r), kResultWords, 1));
      offsets_in.push_back(static_cast<int>(r * kTileWords)), offsets_out.push_back(static_cast<int>(r * kResultWords));
      b_.to_worker(along.back(), w).to_worker(b, w).from_worker(results.back(), w);
      make_program(w, along.back(), b, results.back());
    }
    b_.split(a_in, along, offsets_in, memory);
    b_.join(results, offsets_out, c_out, memory);
    b_.to_host(c_out, c);
    a_in_.push_back(a_in), b_in_.push_back(b_in), c_out_.push_back(c_out);
  }

  void make_program(int w, int a, int b, int c) {
    b_.stack(w, 3328 + 128);
    const auto own = [&](const char* name, int bytes) {
      return buffer(b_.buffer(fmt::format("{}_{}", name, w), w, bytes));
    };
    // Sums; four float rows, which become their int8 when the weights are made. Behind the sums and these the scales of
    // rows: of a tile's, or of the four.
    constexpr int kSums = kHead * kHead * 4, kScales = 4 * kHead;
    const Operand big = own("big", std::max(kSums + kScales, 16 * l_.width())), scales = part(big, kSums, kScales),
                  weights = own("weights", std::max(8 * l_.width(), 2 * kEpilogueRows));
    const Operand kept = own("kept", 2 * kGroups * 16);
    // Rows' maxima are not wanted and lie where scales are kept, an epilogue's own where the weights of rows lie. It
    // leaves its sums as zeros.
    const std::vector<Operand> finish = {big, object(b), scales, object(c), kept, weights};
    const Number width = literal(l_.width()), rows = literal(4), zero = literal(0);
    Program p;
    if (does(0)) {
      p.call(kernel("zero_i32_64x64"), {big}).loop(l_.rounds()).acquire(a);
      p.call(kernel("gather_scales"), {object(a), scales}, {literal(0)})
          .release(a)
          .acquire(a)
          .loop(l_.tiles)
          .acquire(b);
      p.call(kernel("matmul_i8_64x64x64"), {object(a), object(b), big}).release(b).acquire(b).acquire(c);
      p.call(kernel("epilogue_bf16_64x64"), finish).release(b).release(c).end().release(a).end();
    }
    if (does(1)) {
      p.loop(l_.rounds() / 2).loop(2 * kGroups).loop(l_.slots / 8).acquire(a);
      p.call(kernel("rows_of"), {object(a), big}, {counter(), zero, zero, literal(1), literal(8), width})
          .release(a)
          .end();
      p.call(kernel("softmax_bf16"), {big, weights}, {rows, width, literal(a_.positions)});
      p.call(kernel("quantise_rows_bf16"), {weights, big, scales}, {rows, width, width, width}).acquire(c);
      p.call(kernel("keep_quantised"), {big, scales, object(c), kept}, {zero, zero, counter(), literal(1), width});
      p.release(c).end().acquire(c).call(kernel("send_scales"), {kept, object(c)}).release(c).end();
    }
    if (does(2)) {
      p.call(kernel("zero_i32_64x64"), {big}).loop(l_.rounds()).loop(l_.tiles).acquire(a).acquire(b);
      p.call(kernel("matmul_i8_64x64x64"), {object(a), object(b), big}).release(a).release(b).end().acquire(a);
      p.call(kernel("gather_scales"), {object(a), scales}, {literal(0)}).release(a).acquire(b).acquire(c);
      p.call(kernel("epilogue_bf16_64x64"), finish).release(b).release(c).end();
    }
    b_.program(w, p);
  }

  // At most four tasks of a FIFO are in flight, so that the shims' descriptors suffice.
  void task(int fifo, int host, int64_t word, Pattern pattern) {
    std::deque<int>& mine = tasks_[fifo];
    if (mine.size() == 4) {
      b_.await(mine.front());
      mine.pop_front();
    }
    mine.push_back(b_.fill(fifo, host, std::move(pattern), word));
  }
  // What a pass has written is read by the next.
  void finish_tasks() {
    for (auto& [fifo, mine] : tasks_) {
      if (!mine.empty()) b_.await(mine.back());
      mine.clear();
    }
  }
  template <class Body>
  void each(Body body) {
    for (int round = 0; round < l_.rounds(); ++round) {
      for (int c = 0; c < l_.columns; ++c) body(round, c, l_.head(round, c), l_.block(round));
    }
    finish_tasks();
  }

  void run_scores() {
    each([&](int, int c, int head, int block) {
      task(a_in_[at(c)], inputs_, l_.query_at(head, block),
           {{2, kTileWords}, {l_.rows, 2 * kTileWords}, {2, 512}, {512, 1}});
      task(b_in_[at(c)], inputs_, l_.key_at(head, 0), {{4 * l_.tiles, 512}, {512, 1}});
      task(c_out_[at(c)], state_, l_.score_at(head, block),
           {{l_.tiles, kResultWords}, {l_.rows, l_.slots * kResultWords}, {4, 512}, {512, 1}});
    });
  }

  // Four rows of every core at a time: of each tile a run of 512 bytes.
  void run_softmax() {
    const int64_t block_words = kPieces * kTileWords;
    for (int round = 0; round < l_.rounds(); ++round) {
      const int block = l_.block(round);
      for (int group = 0; group < kGroups; ++group) {
        for (int c = 0; c < l_.columns; ++c) {
          task(a_in_[at(c)], state_, l_.score_at(l_.head(round, c), block) + group * (kResultWords / kGroups),
               {{l_.slots / 8, 8 * kResultWords},
                {l_.rows, l_.slots * kResultWords},
                {8, kResultWords},
                {kResultWords / kGroups, 1}});
          if (group > 0) continue;
          task(c_out_[at(c)], state_, l_.weight_at(l_.head(round, c), block),
               {{kGroups, kTileWords / kGroups},
                {l_.rows, block_words},
                {kPieces, kTileWords},
                {kTileWords / kGroups, 1}});
        }
      }
      // What a result has beyond a block's tiles is of no meaning, and the scales take the first slot of it.
      for (int c = 0; round % 2 == 1 && c < l_.columns; ++c) {
        task(c_out_[at(c)], state_, l_.weight_at(l_.head(round, c), block - l_.rows) + l_.tiles * kTileWords,
             {{l_.rows, block_words}, {2, l_.rows * block_words}, {2, 512}, {512, 1}});
      }
    }
    finish_tasks();
  }

  void run_values() {
    each([&](int, int c, int head, int block) {
      task(a_in_[at(c)], state_, l_.weight_at(head, block),
           {{l_.tiles + 1, kTileWords}, {l_.rows, kPieces * kTileWords}, {2, 512}, {512, 1}});
      task(b_in_[at(c)], inputs_, l_.value_at(head, 0), {{2 * (l_.tiles + 1), 512}, {512, 1}});
      task(c_out_[at(c)], out_, l_.out_at(head, block), {{4 * l_.rows, 512}, {512, 1}});
    });
  }

  const ChainedAttention a_;
  const Layout l_;
  Builder b_;
  std::map<std::string, int> kernels_;
  std::vector<int> a_in_, b_in_, c_out_;  // by column
  int inputs_ = -1, state_ = -1, out_ = -1;
  std::map<int, std::deque<int>> tasks_;  // in flight, by FIFO
};

}  // namespace

Result<Design> chained_attention_design(const Device& device, const ChainedAttention& a) {
  if (a.positions < 1 || a.positions > 1536 || a.heads < 1 || a.first < 0 || a.count < 1 || a.first + a.count > 3 ||
      a.depth < 1 || a.depth > 2) {
    return usage_error(
        fmt::format("attention-chained: {} positions, {} heads, passes {} to {}, depth {}; at most 1536 positions, "
                    "passes 0 to 2, depth 1 or 2",
                    a.positions, a.heads, a.first, a.first + a.count - 1, a.depth));
  }
  return ChainedDesign(device, a).build();
}

std::vector<std::byte> pack_chained(const Device& device, const ChainedAttention& a, const AttentionInputs& in) {
  const Layout l(device, a);
  std::vector<std::byte> out(at(l.input_words) * 4);
  const int width = a.heads * kHead;
  for (int head = 0; head < a.heads; ++head) {
    std::vector<float> scales(kHead), bias(kHead);
    for (int tile = 0; tile < l.tiles; ++tile) {
      std::byte *const query = out.data() + l.query_at(head, tile) * 4,
                       *const key = out.data() + l.key_at(head, tile) * 4,
                       *const value = out.data() + l.value_at(head, tile) * 4;
      std::fill(scales.begin(), scales.end(), 0.0f);
      for (int i = 0; i < std::min(kHead, a.positions - tile * kHead); ++i) {
        const int64_t row = tile * kHead + i;
        std::memcpy(query + i / 4 * 256 + i % 4 * 4, &in.query_scales[at(row * a.heads + head)], 4);
        scales[at(i)] = in.key_scales[at(row * a.heads + head)] / 8;  // scores are divided by the root of the width
        for (int j = 0; j < kHead; ++j) {
          const size_t from = at(row * width + head * kHead + j);
          query[at(kObjectBytes) + block_offset(i, j, kHead, 4, 8)] = std::byte(in.queries[from]);
          key[block_offset(j, i, kHead, 8, 8)] = std::byte(in.keys[from]);
          value[block_offset(i, j, kHead, 8, 8)] = std::byte(in.values[from]);
        }
      }
      pack_columns(scales, bias, key + kObjectBytes);
    }
    pack_columns(in.value_scales.subspan(at(head * kHead), kHead), bias, out.data() + l.value_at(head, l.tiles) * 4);
  }
  // Heads that are there for the columns alone: zeros under the exponents of zeros, which are not 0.
  const std::vector<float> none(kHead);
  for (int head = a.heads; head < l.heads; ++head) {
    for (int tile = 0; tile < l.tiles; ++tile)
      pack_columns(none, none, out.data() + l.key_at(head, tile) * 4 + kObjectBytes);
    pack_columns(none, none, out.data() + l.value_at(head, l.tiles) * 4);
  }
  return out;
}

std::vector<float> unpack_chained(const Device& device, const ChainedAttention& a, std::span<const std::byte> out) {
  const Layout l(device, a);
  std::vector<float> rows(at(a.positions) * at(a.heads * kHead));
  for (size_t i = 0; i < rows.size(); ++i) {
    const int row = static_cast<int>(i) / (a.heads * kHead), column = static_cast<int>(i) % (a.heads * kHead);
    bfloat16 v;
    std::memcpy(&v,
                out.data() + l.out_at(column / kHead, row / kHead) * 4 +
                    2 * block_offset(row % kHead, column % kHead, kHead, 4, 8),
                2);
    rows[i] = static_cast<float>(v);
  }
  return rows;
}

}  // namespace shorthand::npu
