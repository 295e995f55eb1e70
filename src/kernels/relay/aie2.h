// SPDX-License-Identifier: Apache-2.0
// What an AIE core does with tiles between the products, attention and LayerNorm: moves them from the object they come
// in to where the next kernel reads them, changes their layout, and quantises what arrives in parts.
//
// A core receives objects of kRelayObject bytes and sends results of kRelayResult. A tile is [64, 64] in blocks of
// 4 x 8: an object of int8, a result of bfloat16. A piece is four of its rows, eight blocks: 256 bytes of int8, 512 of
// bfloat16. Scales travel as pieces too: in an object of scales that of row 4 g + i is the float at byte 256 g + 4 i.
// An object of pieces serves all cores that it passes: piece i is for core i % parts of them (its `part`), and of tile
// i / parts among the object's `tiles`; eight pieces make an object: tiles * parts is that. `width` is the columns of
// the four rows, a multiple of 64; what lies beyond is left out. All buffers stand on 32 bytes; none may overlap.
//
// gather_scales     scales [64] number `index` from an object of them.
// copy_scales       row `row` and tile 0 of attention's object of scales: [4 rows of cores][kRelayTogether tiles][64]
//                   floats.
// keep_query        object to q.
// attention_begin, attention_scores, attention_weights, attention_end   of attention/aie2.h, with work, and what is a
//                   head's own [kRelayHead bytes] but for work and sums. Of `positions` keys in all k is tile
//                   t = first * together + index, 64 t < positions; the rest is padding. factors is attention's object
//                   of tiles first * together on, with factors and exponents in the places of scales; `together` at
//                   most kRelayTogether.
// product_begin     before the tiles of a row of blocks: the rows' maxima, the last 64 floats of rows [kRelayRows
//                   bytes], are zeros.
// product_end       an epilogue of gemm_i8/aie2.h under the rows' scales [64] number `index`, what is its own in rows:
//                   a tile as bfloat16, or with GELU, which the maxima take in; or as a head's, 64 scales and the int8
//                   tile from the result's second half on.
// clear_first       row 0 of a bfloat16 tile and of the maxima = 0 if `index` is 0.
// rows_of           the part's pieces of an object, tiles first + index * tiles on, to their columns of float rows, row
//                   after row.
// copy_parameters   an object of LayerNorm's parameters (rowwise/aie2.h) to its place among them, behind its state
//                   [kNormState] floats.
// add_result        x += result: the stream's pieces (npu::pack_stream() in npu/kernels/layouts.h), which come `down` a
//                   column in halves, half h of all parts before the next one of all, and a result's, which come
//                   `along` a row, so many tiles an object. Of the smaller of both numbers of tiles, from first +
//                   group * the larger + index * the smaller on: the sums as floats to rows, in blocks of 4 x 8, tile
//                   after tile; as the stream's pieces to out, tile t as piece behind + 8 slot + t; their lanes' sums
//                   and largest magnitudes to state, as layer_norm_i8 reads it, tile 0 starting anew. The exponent in
//                   a piece is that of its rows' largest: 2^-16 of it is lost, 2^-15 in the first eight columns.
// layer_norm_pieces layer_norm_i8 of rowwise/aie2.h, parameters behind the state: q to out from byte first +
// kRelayResult / together * s on, the
//                   scales to place batch * together + s of kept, s = group * each + index.
// send_normal       the tiles 8 index on of what that left in rows, as floats in blocks of 4 x 8; nothing beyond the
//                   width.
// keep_quantised    int8 rows q, row after row, to out as pieces, from byte first + kRelayResult / together * index on,
//                   and their four scales to the place of group batch * together + index in kept.
// send_kept         a result's bytes of rows, from byte `first` on, to out.
// keep_pieces       the part's pieces of tiles first + index * tiles on to their places in rows, tile after tile, and
//                   their magnitudes to state [kRelayState]; tile 0 starts it anew. Exact.
// quantise_kept     the 32 tiles of result `result`, or those that there are, of rows to out from piece
//                   behind + slot * apart on: q = round(y * 127 / largest of the row) in -127..127, the factor within
//                   2^-14. A row of zeros stays zeros.
// find_steps        steps [64] of the four rows from state, for
// quantise_pieces   the same of the part's pieces of an object, to pieces 16 half + first + group * apart + index *
//                   tiles on.
// send_maxima       the maxima [64] to the beginning of a result; nothing else is written.
// join_maxima       an object of maxima, sixteen sets of 64 floats, of which `sets` - 16 index are some: maxima [64] of
//                   block `block` take in the largest of each row; index 0 starts anew.
// recall_maxima     state from the maxima of four rows: those of core `part` of `parts` in step `index`, rounded to
//                   bfloat16 as the rows were.
// keep_scales       four scales, largest / 127, to the place of group batch * together + slot in kept.
// send_scales       the scales of 32 groups in kept as pieces; nothing else is written.
#pragma once

#include <aie_api/aie.hpp>
#include <cstdint>

#include "kernels/attention/aie2.h"
#include "kernels/gemm_i8/aie2.h"

inline constexpr int kRelayObject = 4096, kRelayResult = 8192;
inline constexpr int kRelayTogether = 4;  // tiles of keys whose scales come in one object
inline constexpr int kRelayRows = kEpilogueRows * 2 + 64 * 4;
inline constexpr int kRelayHead = (kAttentionRowSums + kAttentionState) * 4;
inline constexpr int kProductPlain = 0, kProductGelu = 1, kProductHead = 2;
inline constexpr int kRelayState = 32;  // int16: the largest bfloat16 magnitude of each lane of a block, as its bits

extern "C" {

void gather_scales(const float* object, float* scales, int32_t index);
void copy_scales(const float* object, float* scales, int32_t row);
void keep_query(const int8_t* object, int8_t* q);
void attention_begin(const float* q_scales, int16_t* work, float* head);
void attention_scores(const int8_t* k, const int16_t* factors, const int8_t* q, int16_t* work, int32_t row,
                      int32_t index, int32_t first, int32_t together, int32_t positions);
void attention_weights(int16_t* work, float* head, int32_t index, int32_t first, int32_t together, int32_t positions);
void attention_end(float* sums, float* head, bfloat16* out);
void product_begin(int16_t* rows);
void product_end(int32_t* sums, const int16_t* columns, const float* scales, int16_t* rows, int8_t* out, int32_t kind,
                 int32_t index);
void clear_first(bfloat16* tile, int16_t* rows, int32_t index);
void rows_of(const bfloat16* object, float* rows, int32_t index, int32_t first, int32_t part, int32_t parts,
             int32_t tiles, int32_t width);
void copy_parameters(const int16_t* object, float* state, int32_t index, int32_t width);
void add_result(const bfloat16* result, const int16_t* x, float* rows, int16_t* out, float* state, int32_t index,
                int32_t group, int32_t first, int32_t slot, int32_t behind, int32_t along_part, int32_t down_part,
                int32_t along, int32_t down, int32_t width);
void layer_norm_pieces(float* rows, float* state, int8_t* out, float* kept, int32_t first, int32_t index, int32_t group,
                       int32_t each, int32_t batch, int32_t together, int32_t width);
void send_normal(const int16_t* rows, const float* state, float* out, int32_t index, int32_t width);
void keep_quantised(const int8_t* q, const float* scales, int8_t* out, float* kept, int32_t first, int32_t index,
                    int32_t batch, int32_t together, int32_t width);
void send_kept(const int8_t* rows, int8_t* out, int32_t first);
void keep_pieces(const bfloat16* object, bfloat16* rows, int16_t* state, int32_t index, int32_t first, int32_t part,
                 int32_t tiles, int32_t width);
void quantise_kept(const bfloat16* rows, const int16_t* state, int8_t* out, int32_t result, int32_t slot, int32_t apart,
                   int32_t behind, int32_t width);
void find_steps(const int16_t* state, bfloat16* steps);
void quantise_pieces(const bfloat16* object, const bfloat16* steps, int8_t* out, int32_t index, int32_t group,
                     int32_t apart, int32_t half, int32_t first, int32_t part, int32_t tiles);
void send_maxima(int16_t* rows, float* out);
void join_maxima(const float* object, float* maxima, int32_t index, int32_t block, int32_t sets);
void recall_maxima(const float* maxima, int16_t* state, int32_t index, int32_t part, int32_t parts);
void keep_scales(const int16_t* state, float* kept, int32_t slot, int32_t batch, int32_t together);
void send_scales(const float* kept, float* out);

}  // extern "C"
