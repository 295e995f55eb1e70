// SPDX-License-Identifier: Apache-2.0
#include "kernels/relay/aie2.h"

#include "kernels/aie_math.h"
#include "kernels/rowwise/aie2.h"

namespace {

using namespace shorthand::aie2;

constexpr int kBlock = 32;                              // elements of 4 x 8
constexpr int kPiece = 8 * kBlock, kHalf = kPiece / 2;  // elements
constexpr int kPiecesInResult = kRelayResult / kPiece;  // of int8
constexpr int kObjectShorts = kRelayObject / 2;
constexpr int kScalePiece = 64;  // floats, of which four are scales
constexpr int kSets = 16;        // of maxima in an object

constexpr int32_t at_most(int32_t x, int32_t most) { return x < most ? x : most; }

// The 64 scales of tile `index` for the core in `row`, in an object of them.
constexpr int32_t scales_of(int32_t row, int32_t index) { return (row * kRelayTogether + index) * 64; }

// The rows' largest elements lie behind what is an epilogue's own.
SHORTHAND_KERNEL_INLINE float* row_max_behind(int16_t* rows) { return reinterpret_cast<float*>(rows + kEpilogueRows); }

// A head's: the sums of weights, then its state.
SHORTHAND_KERNEL_INLINE int32_t* state_in(float* head) { return reinterpret_cast<int32_t*>(head + kAttentionRowSums); }

template <class T>
SHORTHAND_KERNEL_INLINE void copy(const T* from, T* to, int32_t count) {
  constexpr int lanes = 64 / sizeof(T);
  for (int32_t i = 0; i < count; i += lanes) aie::store_v(to + i, aie::load_v<lanes>(from + i));
}

// An object of `tiles` tiles has `pieces` pieces in all: as many parts, one a core.
constexpr int32_t parts_of(int32_t tiles, int32_t pieces) {
  return tiles == 1 ? pieces : tiles == 2 ? pieces >> 1 : tiles == 4 ? pieces >> 2 : pieces >> 3;
}
// Of `tiles` tiles from `first` on those that are not beyond the width.
constexpr int32_t there(int32_t first, int32_t tiles, int32_t width) { return at_most((width >> 6) - first, tiles); }

struct Steps {  // from values to steps of the scale, for the upper and the lower two rows of a block
  Parts upper, lower;
};

// The rows' largest magnitudes as floats, eight lanes a row. A row of zeros has the divisor 1, so that zeros stay
// zeros.
SHORTHAND_KERNEL_INLINE Steps steps_of(const int16_t* state) {
  const auto largest = spread_maxima(aie::load_v<32>(state)).cast_to<bfloat16>();
  const auto steps = [](const Halves& rows) {
    const Floats x = to_f32(rows);
    const Floats divisor = aie::select(x, splat(1.0f), aie::lt(x, splat(1e-30f)));
    return split(product(split(reciprocal(divisor)), constant(127.0f)));
  };
  return {steps(largest.extract<16>(0)), steps(largest.extract<16>(1))};
}

SHORTHAND_KERNEL_INLINE void quantise(const bfloat16* in, const Steps& steps, int8_t* out, int32_t count) {
  for (int32_t i = 0; i < count; i += kBlock) {
    aie::store_v(out + i, in_steps(aie::load_v<16>(in + i), aie::load_v<16>(in + i + 16), steps.upper, steps.lower));
  }
}

// 16-bit numbers beside the powers of two of their rows, and so as floats.
struct Beside {
  Block magic;
  Wide start;

  SHORTHAND_KERNEL_INLINE explicit Beside(const Block& m)
      : magic(m), start(aie::concat(m.upper, m.lower).cast_to<int32_t>()) {}
  SHORTHAND_KERNEL_INLINE FloatSum floats(const Shorts& steps, unsigned half) const {
    const auto sum = aie::mac(start, steps, splat16(1)).extract<16>(half).to_vector<int32_t>().cast_to<float>();
    return aie::sub(FloatSum(sum), FloatSum(half == 0 ? magic.upper : magic.lower));
  }
};
// Of rows under the powers whose upper sixteen bits are given in turn over the lanes.
SHORTHAND_KERNEL_INLINE Block magic_of(const Shorts& powers) {
  return spread(aie::add(upper_bits(powers), beside_16_bits()).cast_to<float>());
}

// Where in an exponent's sixteen bits those are that the last bits of eight columns hold.
SHORTHAND_KERNEL_INLINE Shorts places() {
  constexpr int16_t eight[32] = {1 << 7, 1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14,
                                 1 << 7, 1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14,
                                 1 << 7, 1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14,
                                 1 << 7, 1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14};
  return aie::load_unaligned_v<32>(eight);
}

// A piece of the stream, its halves `apart` from each other, and a result's: their sums to rows, what these add up to
// in state, and their largest magnitudes.
SHORTHAND_KERNEL_INLINE Shorts add_piece(const bfloat16* result, const int16_t* x, int32_t apart, float* rows,
                                         float* state) {
  const Shorts last_bits = aie::bit_and(aie::load_v<32>(x), splat16(1));
  const auto joined = [](const Shorts& v, unsigned run) {
    const auto halves = aie::interleave_unzip(v, v, run);
    return aie::add(halves.first, halves.second);
  };
  const Shorts placed = aie::bit_and(aie::sub(splat16(0), last_bits), places());
  const Beside beside(magic_of(joined(joined(joined(placed, 4), 2), 1)));
  const Halves one = to_bf16(splat(1.0f));
  Block sums{aie::load_v<16>(state), aie::load_v<16>(state + 16)};
  Shorts most = aie::zeros<int16_t, 32>();
  for (int32_t i = 0; i < kPiece; i += 2 * kBlock) {
    SHORTHAND_UNROLL
    for (int32_t at = i; at < i + 2 * kBlock; at += kBlock) {
      const int16_t* const from = at < kHalf ? x + at : x + apart + at - kHalf;
      const Shorts steps = aie::bit_and(aie::load_v<32>(from), splat16(at == 0 ? -2 : -1));
      const Block v = {aie::mac(beside.floats(steps, 0), aie::load_v<16>(result + at), one).to_vector<float>(),
                       aie::mac(beside.floats(steps, 1), aie::load_v<16>(result + at + 16), one).to_vector<float>()};
      aie::store_v(rows + at, v.upper);
      aie::store_v(rows + at + 16, v.lower);
      sums = {aie::add(sums.upper, v.upper), aie::add(sums.lower, v.lower)};
      most = aie::max(most, aie::bit_and(bits_of(v).second, splat16(0x7fff)));
    }
  }
  aie::store_v(state, sums.upper);
  aie::store_v(state + 16, sums.lower);
  return most;
}

// Rows as a piece of the stream again.
SHORTHAND_KERNEL_INLINE void keep_piece(const float* rows, const Shorts& most, int16_t* out) {
  const Shorts powers = aie::bit_and(aie::add(row_maxima(most), splat16(1)), splat16(0x7f80));
  const Block magic = magic_of(powers);
  const auto steps_beside = [rows](int32_t at, const Block& m) {
    return bits_of({aie::add(aie::load_v<16>(rows + at), m.upper), aie::add(aie::load_v<16>(rows + at + 16), m.lower)})
        .first;
  };
  const auto twice = [](const Floats& m) {
    return aie::add(m.cast_to<int32_t>(), aie::broadcast<int32_t, 16>(1 << 23)).cast_to<float>();
  };
  const Shorts half = steps_beside(0, {twice(magic.upper), twice(magic.lower)});
  const auto none = aie::eq(aie::bit_and(spread(powers), places()), splat16(0));
  aie::store_v(out, aie::add(aie::add(half, half), aie::select(splat16(1), splat16(0), none)));
  for (int32_t at = kBlock; at < kPiece; at += kBlock) aie::store_v(out + at, steps_beside(at, magic));
}

int16_t* parameters_behind(float* state) { return reinterpret_cast<int16_t*>(state + kNormState); }

}  // namespace

extern "C" {

void gather_scales(const float* object, float* scales, int32_t index) {
  for (int32_t g = 0; g < 16; g += 4) {
    const float* piece = object + g * 64;
    aie::store_v(scales + 64 * index + g * 4, aie::concat(aie::load_v<4>(piece), aie::load_v<4>(piece + 64),
                                                          aie::load_v<4>(piece + 128), aie::load_v<4>(piece + 192)));
  }
}

void copy_scales(const float* object, float* scales, int32_t row) { copy(object + scales_of(row, 0), scales, 64); }

void keep_query(const int8_t* object, int8_t* q) { copy(object, q, kRelayObject); }

void attention_begin(const float* q_scales, int16_t* work, float* head) {
  attention_begin_64x64(q_scales, head, state_in(head), work);
}

void attention_scores(const int8_t* k, const int16_t* factors, const int8_t* q, int16_t* work, int32_t row,
                      int32_t index, int32_t first, int32_t together, int32_t positions) {
  attention_scores_64x64(q, k, factors + 2 * scales_of(row, index), work,
                         at_most(positions - 64 * (first * together + index), 64));
}

void attention_weights(int16_t* work, float* head, int32_t index, int32_t first, int32_t together, int32_t positions) {
  attention_weights_64x64(head, state_in(head), work, at_most(positions - 64 * (first * together + index), 64));
}

void attention_end(float* sums, float* head, bfloat16* out) { attention_end_64x64(sums, head, out); }

void product_begin(int16_t* rows) { zero_row_max_64(row_max_behind(rows)); }

void product_end(int32_t* sums, const int16_t* columns, const float* scales, int16_t* rows, int8_t* out, int32_t kind,
                 int32_t index) {
  scales += 64 * index;
  auto* tile = reinterpret_cast<bfloat16*>(out);
  if (kind == kProductHead) {
    epilogue_head_i8_64x64(sums, columns, scales, out, rows);
  } else if (kind == kProductGelu) {
    epilogue_gelu_bf16_64x64(sums, columns, scales, tile, row_max_behind(rows), rows);
  } else {
    epilogue_bf16_64x64(sums, columns, scales, tile, row_max_behind(rows), rows);
  }
}

void clear_first(bfloat16* tile, int16_t* rows, int32_t index) {
  if (index > 0) return;
  for (int32_t i = 0; i < 8 * kBlock; i += kBlock) aie::store_v(tile + i, aie::zeros<bfloat16, 8>());
  const int32_t none = 0;
  __builtin_memcpy(row_max_behind(rows), &none, sizeof none);
}

void rows_of(const bfloat16* object, float* rows, int32_t index, int32_t first, int32_t part, int32_t parts,
             int32_t tiles, int32_t width) {
  first += index * tiles;
  const int32_t n = there(first, tiles, width);
  for (int32_t k = 0; k < n; ++k) {
    const bfloat16* from = object + (k * parts + part) * kPiece;
    float* to = rows + (first + k) * 64;
    for (int32_t i = 0; i < kPiece; i += kBlock, to += 8) {
      const Floats upper = to_f32(aie::load_v<16>(from + i)), lower = to_f32(aie::load_v<16>(from + i + 16));
      aie::store_v(to, upper.extract<8>(0));
      aie::store_v(to + width, upper.extract<8>(1));
      aie::store_v(to + 2 * width, lower.extract<8>(0));
      aie::store_v(to + 3 * width, lower.extract<8>(1));
    }
  }
}

void copy_parameters(const int16_t* object, float* state, int32_t index, int32_t width) {
  const int32_t first = index * kObjectShorts;
  copy(object, parameters_behind(state) + first, at_most(2 * width + 32 - first, kObjectShorts));
}

void add_result(const bfloat16* result, const int16_t* x, float* rows, int16_t* out, float* state, int32_t index,
                int32_t group, int32_t first, int32_t slot, int32_t behind, int32_t along_part, int32_t down_part,
                int32_t along, int32_t down, int32_t width) {
  set_modes();
  const int32_t tiles = at_most(along, down), all = along + down - tiles;
  first += group * all + index * tiles;
  result += ((along > tiles ? index * tiles : 0) * parts_of(along, 8) + along_part) * kPiece;
  const int32_t apart = parts_of(down, 8) * kHalf;
  x += (down > tiles ? index * tiles : 0) * 2 * apart + down_part * kHalf;
  rows += first * kPiece;
  out += (behind + 8 * slot + first) * kPiece;
  auto* const maxima = reinterpret_cast<int16_t*>(state + 32);
  if (first == 0) {
    for (int32_t i = 0; i < 48; i += 16) aie::store_v(state + i, splat(0.0f));
  }
  const int32_t n = there(first, tiles, width);
  for (int32_t k = 0; k < n; ++k, rows += kPiece, out += kPiece) {
    const Shorts most = add_piece(result, x, apart, rows, state);
    aie::store_v(maxima, aie::max(most, aie::load_v<32>(maxima)));
    keep_piece(rows, most, out);
    result += parts_of(along, 8) * kPiece;
    x += 2 * apart;
  }
}

void layer_norm_pieces(float* rows, float* state, int8_t* out, float* kept, int32_t first, int32_t index, int32_t group,
                       int32_t each, int32_t batch, int32_t together, int32_t width) {
  const int32_t slot = group * each + index;
  const int32_t apart = together == 4 ? kRelayResult / 4 : together == 2 ? kRelayResult / 2 : kRelayResult;
  layer_norm_i8(rows, parameters_behind(state), state, out + first + slot * apart, kept + 4 * (batch * together + slot),
                width);
}

void send_normal(const int16_t* rows, const float* state, float* out, int32_t index, int32_t width) {
  const Ints power = aie::load_v<16>(state).cast_to<int32_t>();
  const Floats magic = aie::add(power, beside_16_bits()).cast_to<float>();
  const Beside beside({magic, magic});
  const int32_t n = there(8 * index, 8, width);
  rows += 8 * index * kPiece;
  for (int32_t i = 0; i < n * kPiece; i += kBlock) {
    const Shorts y = aie::load_v<32>(rows + i);
    aie::store_v(out + i, beside.floats(y, 0).to_vector<float>());
    aie::store_v(out + i + 16, beside.floats(y, 1).to_vector<float>());
  }
}

// Sixty-four columns of four rows at a time: runs of eight bytes, each row's in turn.
void keep_quantised(const int8_t* q, const float* scales, int8_t* out, float* kept, int32_t first, int32_t index,
                    int32_t batch, int32_t together, int32_t width) {
  const int32_t apart = together == 4 ? kRelayResult / 4 : together == 2 ? kRelayResult / 2 : kRelayResult;
  int8_t* to = out + first + index * apart;
  for (int32_t i = 0; i < width; i += 64, to += 256) {
    const auto even = [&](int32_t row) {
      return aie::interleave_zip(aie::load_v<64>(q + row * width + i), aie::load_v<64>(q + (row + 2) * width + i), 8);
    };
    const auto rows_02 = even(0), rows_13 = even(1);
    const auto left = aie::interleave_zip(rows_02.first, rows_13.first, 8);
    const auto right = aie::interleave_zip(rows_02.second, rows_13.second, 8);
    aie::store_v(to, left.first);
    aie::store_v(to + 64, left.second);
    aie::store_v(to + 128, right.first);
    aie::store_v(to + 192, right.second);
  }
  aie::store_v(kept + 4 * (batch * together + index), aie::load_v<4>(scales));
}

void send_kept(const int8_t* rows, int8_t* out, int32_t first) { copy(rows + first, out, kRelayResult); }

// Magnitudes as bits, whose order is that of the numbers.
void keep_pieces(const bfloat16* object, bfloat16* rows, int16_t* state, int32_t index, int32_t first, int32_t part,
                 int32_t tiles, int32_t width) {
  first += index * tiles;
  const auto magnitude_bits = aie::broadcast<int16_t, 32>(0x7fff);
  Shorts most = first == 0 ? aie::zeros<int16_t, 32>() : aie::load_v<32>(state);
  const int32_t n = there(first, tiles, width), parts = parts_of(tiles, 8);
  for (int32_t k = 0; k < n; ++k) {
    const bfloat16* from = object + (k * parts + part) * kPiece;
    bfloat16* to = rows + (first + k) * kPiece;
    for (int32_t i = 0; i < kPiece; i += kBlock) {
      const auto block = aie::load_v<32>(from + i);
      aie::store_v(to + i, block);
      most = aie::max(most, aie::bit_and(block.cast_to<int16_t>(), magnitude_bits));
    }
  }
  aie::store_v(state, most);
}

void quantise_kept(const bfloat16* rows, const int16_t* state, int8_t* out, int32_t result, int32_t slot, int32_t apart,
                   int32_t behind, int32_t width) {
  set_modes();
  const int32_t first = result * kPiecesInResult;
  quantise(rows + first * kPiece, steps_of(state), out + (behind + slot * apart) * kPiece,
           there(first, kPiecesInResult, width) * kPiece);
}

void find_steps(const int16_t* state, bfloat16* steps) {
  set_modes();
  const Steps found = steps_of(state);
  aie::store_v(steps, found.upper.high);
  aie::store_v(steps + 16, found.upper.low);
  aie::store_v(steps + 32, found.lower.high);
  aie::store_v(steps + 48, found.lower.low);
}

void quantise_pieces(const bfloat16* object, const bfloat16* steps, int8_t* out, int32_t index, int32_t group,
                     int32_t apart, int32_t half, int32_t first, int32_t part, int32_t tiles) {
  set_modes();
  const Steps found = {{aie::load_v<16>(steps), aie::load_v<16>(steps + 16)},
                       {aie::load_v<16>(steps + 32), aie::load_v<16>(steps + 48)}};
  first += half * 16 + group * apart + index * tiles;
  const int32_t parts = parts_of(tiles, 8);
  for (int32_t k = 0; k < tiles; ++k)
    quantise(object + (k * parts + part) * kPiece, found, out + (first + k) * kPiece, kPiece);
}

void send_maxima(int16_t* rows, float* out) { copy(row_max_behind(rows), out, 64); }

void join_maxima(const float* object, float* maxima, int32_t index, int32_t block, int32_t sets) {
  const int32_t n = at_most(sets - index * kSets, kSets);
  for (int32_t i = 0; i < 64; i += 16) {
    float* to = maxima + block * 64 + i;
    Ints most = index == 0 ? aie::zeros<int32_t, 16>() : aie::load_v<16>(to).cast_to<int32_t>();
    for (int32_t s = 0; s < n; ++s) most = aie::max(most, aie::load_v<16>(object + s * 64 + i).cast_to<int32_t>());
    aie::store_v(to, most.cast_to<float>());
  }
}

void recall_maxima(const float* maxima, int16_t* state, int32_t index, int32_t part, int32_t parts) {
  set_modes();
  const auto four = aie::load_v<4>(maxima + 4 * (index * parts + part));
  const Halves rows = to_bf16(aie::concat(four, four, four, four));
  const Shorts all = aie::concat(rows, rows).cast_to<int16_t>();
  aie::store_v(state, doubled<4>(doubled<2>(doubled<1>(all))));
}

void keep_scales(const int16_t* state, float* kept, int32_t slot, int32_t batch, int32_t together) {
  set_modes();
  const auto largest = row_maxima(aie::load_v<32>(state)).cast_to<bfloat16>();
  const Floats scales = product(split(to_f32(largest.extract<16>(0))), constant(1.0f / 127.0f));
  aie::store_v(kept + 4 * (batch * together + slot), scales.extract<4>(0));
}

void send_scales(const float* kept, float* out) {
  for (int32_t i = 0; i < kPiecesInResult; ++i) aie::store_v(out + i * kScalePiece, aie::load_v<4>(kept + i * 4));
}

}  // extern "C"
