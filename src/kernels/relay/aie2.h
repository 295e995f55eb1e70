// SPDX-License-Identifier: Apache-2.0
// What an AIE core does with tiles between the products, attention and LayerNorm: moves them from the object they come
// in to where the next kernel reads them, changes their layout, and quantises what arrives in parts.
//
// A core receives objects of kRelayObject bytes and sends results of kRelayResult. A tile is [64, 64] in blocks of
// 4 x 8: an object of int8, a result of bfloat16. A piece is four of its rows, eight blocks: 256 bytes of int8, 512 of
// bfloat16; an object holds the pieces of four rows under 512 columns of bfloat16. Scales travel as pieces too: in an
// object of scales that of row 4 g + i is the float at byte 256 g + 4 i. `width` is the columns of the four rows, a
// multiple of 64; `index` counts a row's objects. Rows [4, width] are row-major; all buffers stand on 32 bytes; none
// may overlap.
//
// gather_scales     scales [64] from an object of them.
// copy_scales       row `row` and tile 0 of attention's object of scales: [4 rows of cores][kRelayTogether tiles][64]
//                   floats.
// keep_object       object to objects, an array of them, at first + index.
// attention_begin   of attention/aie2.h; its state lies behind the sums, here and below.
// attention_scores, attention_weights   likewise. Of `positions` keys in all k is tile t = first * together + index,
//                   64 t < positions; the rest is padding. scales is attention's object of tiles first * together on,
//                   `together` at most kRelayTogether.
// clear_first       row 0 of a bfloat16 tile = 0 if `tile` < `across`, the tiles in a row of them.
// product_head      epilogue_head_i8_64x64 of gemm_i8/aie2.h into a result: 64 scales, and the int8 tile from its
// second
//                   half on.
// rows_of           an object of pieces to its columns of float rows.
// add_rows          1,024 floats of rows += object, from 1024 index on; what is beyond the rows is left out.
// copy_parameters   an object of LayerNorm's parameters (rowwise/aie2.h) to its place among them.
// layer_norm_row    layer_norm_i8 of rowwise/aie2.h for row `index` alone.
// send_rows         2,048 floats of rows to out, from 2048 index on; zeros beyond the rows.
// keep_quantised    int8 rows q to out as pieces, from byte first + kRelayResult / together * index on, and their four
// scales
//                   to the place of group batch * together + index in kept.
// send_kept         a result's bytes of rows, from byte `first` on, to out.
// absmax_pieces     state [kRelayState] takes in object first + index of pieces; the first one starts anew. Exact.
// quantise_pieces   an object of pieces to its place in out: q = round(y * 127 / largest of the row) in -127..127, the
//                   factor within 2^-14. A row of zeros stays zeros.
//                   Its place: `index` of the `apart` objects of group `slot`, of which a result may hold several.
// quantise_kept     the same of object 4 result + first + index of rows; its index is first + index, and `behind`
// places
//                   come before all.
// keep_scales       four scales, largest / 127, to the place of group batch * together + slot in kept.
// send_scales       the scales of 32 groups in kept as pieces; nothing else is written.
#pragma once

#include <aie_api/aie.hpp>
#include <cstdint>

inline constexpr int kRelayObject = 4096, kRelayResult = 8192;
inline constexpr int kRelayTogether = 4;  // tiles of keys whose scales come in one object
inline constexpr int kRelayState = 32;    // int16: the largest bfloat16 magnitude of each lane of a block, as its bits

extern "C" {

void gather_scales(const float* object, float* scales);
void copy_scales(const float* object, float* scales, int32_t row);
void keep_object(const int8_t* object, int8_t* objects, int32_t index, int32_t first);
void attention_begin(float* sums);
void attention_scores(const int8_t* q, const float* q_scales, const int8_t* k, const float* scales, float* sums,
                      int16_t* work, int32_t row, int32_t index, int32_t first, int32_t together, int32_t positions);
void attention_weights(float* sums, int16_t* work, int32_t index, int32_t first, int32_t together, int32_t positions);
void clear_first(bfloat16* tile, int32_t index, int32_t across);
void product_head(int32_t* sums, const int16_t* columns, const float* scales, int16_t* work, int8_t* out,
                  int16_t* rows);
void rows_of(const bfloat16* object, float* rows, int32_t index, int32_t width);
void add_rows(const float* object, float* rows, int32_t index, int32_t width);
void copy_parameters(const float* object, float* parameters, int32_t index, int32_t width);
void layer_norm_row(float* rows, const float* parameters, int8_t* q, float* scales, int32_t index, int32_t width);
void send_rows(const float* rows, float* out, int32_t index, int32_t width);
void keep_quantised(const int8_t* q, const float* scales, int8_t* out, float* kept, int32_t first, int32_t index,
                    int32_t batch, int32_t together, int32_t width);
void send_kept(const int8_t* rows, int8_t* out, int32_t first);
void absmax_pieces(const bfloat16* object, int16_t* state, int32_t index, int32_t first, int32_t width);
void quantise_kept(const bfloat16* rows, const int16_t* state, int8_t* out, int32_t index, int32_t first, int32_t slot,
                   int32_t apart, int32_t result, int32_t behind);
void quantise_pieces(const bfloat16* object, const int16_t* state, int8_t* out, int32_t index, int32_t slot,
                     int32_t apart);
void keep_scales(const int16_t* state, float* kept, int32_t slot, int32_t batch, int32_t together);
void send_scales(const float* kept, float* out);

}  // extern "C"
