// SPDX-License-Identifier: Apache-2.0
#include "kernels/relay/aie2.h"

#include "kernels/aie_math.h"
#include "kernels/attention/aie2.h"
#include "kernels/gemm_i8/aie2.h"
#include "kernels/rowwise/aie2.h"

namespace {

using namespace shorthand::aie2;

constexpr int kBlock = 32;                 // elements of 4 x 8
constexpr int kPieces = kRelayObject / 2;  // bfloat16 of an object
constexpr int kObjectFloats = kRelayObject / 4, kResultFloats = kRelayResult / 4;
constexpr int kPiecesInResult = kRelayResult / (4 * 64);  // of int8
constexpr int kPieceFloats = 64;

constexpr int32_t at_most(int32_t x, int32_t most) { return x < most ? x : most; }

// The 64 scales of tile `index` for the core in `row`, in an object of them.
constexpr int32_t scales_of(int32_t row, int32_t index) { return (row * kRelayTogether + index) * 64; }
SHORTHAND_KERNEL_INLINE int32_t* state_of(float* sums) { return reinterpret_cast<int32_t*>(sums + kAttentionSums); }

template <class T>
SHORTHAND_KERNEL_INLINE void copy(const T* from, T* to, int32_t count) {
  constexpr int lanes = 64 / sizeof(T);
  for (int32_t i = 0; i < count; i += lanes) aie::store_v(to + i, aie::load_v<lanes>(from + i));
}

// Columns of object `index` that are not beyond the width, times the four rows.
SHORTHAND_KERNEL_INLINE int32_t elements(int32_t index, int32_t width) {
  return at_most(4 * width - index * kPieces, kPieces);
}

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

SHORTHAND_KERNEL_INLINE void quantise(const bfloat16* in, const int16_t* state, int8_t* out) {
  set_modes();
  const Steps steps = steps_of(state);
  for (int32_t i = 0; i < kPieces; i += kBlock) {
    aie::store_v(out + i, in_steps(aie::load_v<16>(in + i), aie::load_v<16>(in + i + 16), steps.upper, steps.lower));
  }
}

}  // namespace

extern "C" {

void gather_scales(const float* object, float* scales) {
  for (int32_t g = 0; g < 16; g += 4) {
    const float* piece = object + g * 64;
    aie::store_v(scales + g * 4, aie::concat(aie::load_v<4>(piece), aie::load_v<4>(piece + 64),
                                             aie::load_v<4>(piece + 128), aie::load_v<4>(piece + 192)));
  }
}

void copy_scales(const float* object, float* scales, int32_t row) { copy(object + scales_of(row, 0), scales, 64); }

void keep_object(const int8_t* object, int8_t* objects, int32_t index, int32_t first) {
  copy(object, objects + (first + index) * kRelayObject, kRelayObject);
}

void attention_begin(float* sums) { attention_begin_64x64(sums, state_of(sums)); }

void attention_scores(const int8_t* q, const float* q_scales, const int8_t* k, const float* scales, float* sums,
                      int16_t* work, int32_t row, int32_t index, int32_t first, int32_t together, int32_t positions) {
  attention_scores_64x64(q, q_scales, k, scales + scales_of(row, index), state_of(sums), work,
                         at_most(positions - 64 * (first * together + index), 64));
}

void attention_weights(float* sums, int16_t* work, int32_t index, int32_t first, int32_t together, int32_t positions) {
  attention_weights_64x64(sums, state_of(sums), work, at_most(positions - 64 * (first * together + index), 64));
}

void clear_first(bfloat16* tile, int32_t index, int32_t across) {
  if (index >= across) return;
  for (int32_t i = 0; i < 8 * kBlock; i += kBlock) aie::store_v(tile + i, aie::zeros<bfloat16, 8>());
}

void product_head(int32_t* sums, const int16_t* columns, const float* scales, int16_t* work, int8_t* out,
                  int16_t* rows) {
  epilogue_head_i8_64x64(sums, columns, scales, work, out + kRelayObject, reinterpret_cast<float*>(out), rows);
}

void rows_of(const bfloat16* object, float* rows, int32_t index, int32_t width) {
  const int32_t n = elements(index, width);
  float* to = rows + index * (kPieces / 4);
  for (int32_t i = 0; i < n; i += kBlock, to += 8) {
    const Floats upper = to_f32(aie::load_v<16>(object + i)), lower = to_f32(aie::load_v<16>(object + i + 16));
    aie::store_v(to, upper.extract<8>(0));
    aie::store_v(to + width, upper.extract<8>(1));
    aie::store_v(to + 2 * width, lower.extract<8>(0));
    aie::store_v(to + 3 * width, lower.extract<8>(1));
  }
}

void add_rows(const float* object, float* rows, int32_t index, int32_t width) {
  float* to = rows + index * kObjectFloats;
  const int32_t n = at_most(4 * width - index * kObjectFloats, kObjectFloats);
  for (int32_t i = 0; i < n; i += 16)
    aie::store_v(to + i, aie::add(aie::load_v<16>(to + i), aie::load_v<16>(object + i)));
}

void copy_parameters(const float* object, float* parameters, int32_t index, int32_t width) {
  const int32_t first = index * kObjectFloats;
  copy(object, parameters + first, at_most(2 * width + 16 - first, kObjectFloats));
}

void layer_norm_row(float* rows, const float* parameters, int8_t* q, float* scales, int32_t index, int32_t width) {
  layer_norm_i8(rows + index * width, parameters, q + index * width, scales + index, 1, width);
}

void send_rows(const float* rows, float* out, int32_t index, int32_t width) {
  const int32_t first = index * kResultFloats, left = at_most(4 * width - first, kResultFloats);
  const int32_t n = left < 0 ? 0 : left;
  copy(rows + first, out, n);
  for (int32_t i = n; i < kResultFloats; i += 16) aie::store_v(out + i, aie::zeros<float, 16>());
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
void absmax_pieces(const bfloat16* object, int16_t* state, int32_t index, int32_t first, int32_t width) {
  index += first;
  const auto magnitude_bits = aie::broadcast<int16_t, 32>(0x7fff);
  Shorts most = index == 0 ? aie::zeros<int16_t, 32>() : aie::load_v<32>(state);
  const int32_t n = elements(index, width);
  for (int32_t i = 0; i < n; i += kBlock) {
    most = aie::max(most, aie::bit_and(aie::load_v<32>(object + i).cast_to<int16_t>(), magnitude_bits));
  }
  aie::store_v(state, most);
}

void quantise_kept(const bfloat16* rows, const int16_t* state, int8_t* out, int32_t index, int32_t first, int32_t slot,
                   int32_t apart, int32_t result, int32_t behind) {
  index += first;
  quantise(rows + (4 * result + index) * kPieces, state, out + (behind + slot * apart + index) * kPieces);
}

void quantise_pieces(const bfloat16* object, const int16_t* state, int8_t* out, int32_t index, int32_t slot,
                     int32_t apart) {
  quantise(object, state, out + (slot * apart + index) * kPieces);
}

void keep_scales(const int16_t* state, float* kept, int32_t slot, int32_t batch, int32_t together) {
  set_modes();
  const auto largest = row_maxima(aie::load_v<32>(state)).cast_to<bfloat16>();
  const Floats scales = product(split(to_f32(largest.extract<16>(0))), constant(1.0f / 127.0f));
  aie::store_v(kept + 4 * (batch * together + slot), scales.extract<4>(0));
}

void send_scales(const float* kept, float* out) {
  for (int32_t i = 0; i < kPiecesInResult; ++i) aie::store_v(out + i * kPieceFloats, aie::load_v<4>(kept + i * 4));
}

}  // extern "C"
