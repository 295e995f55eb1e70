// SPDX-License-Identifier: Apache-2.0
// What the cores of the encoder call between the kernels of kernels/*/aie2.h: copies and changes of layout, with the
// kernels they call. Costs are those of one 32-byte load and store a cycle beside the calls.
//
// A piece is four rows of 64 columns in blocks of 4 x 8: 256 bytes of int8, 512 of bfloat16. Pieces of 64-row tiles lie
// one after the other. An object that a core receives has 4,096 bytes, one that it sends 8,192. Scales travel as
// pieces: that of row 4 g + i is the float at byte 256 g + 4 i of its object.
#pragma once

#include <span>

#include "npu/kernel.h"

namespace shorthand::npu {

enum class EncoderKernel : uint8_t {
  gather_scales,    // object, scales [64]
  copy_query,       // object, tile, scales, index (0: scales, 1: tile)
  copy_scales,      // object, scales [64]
  copy_value,       // object, value, index (halves)
  attention_begin,  // sums and, behind them, the state
  attention_step,   // query, its scales, key, its scales, value, sums and state, work; block, positions: 64 keys,
                    // padding masked
  clear_first,      // bf16 tile; tile number, tiles in a row of blocks: its first row = 0 in the first row of blocks
  quantise_head,    // bf16 tile, row_max, out: 64 scales, and its int8 tile from the second object on
  rows_of,          // bf16 pieces, rows, index, width: eight pieces to four float rows
  add_rows,         // float object, rows, index, width: rows += object
  copy_parameters,  // object, parameters, index, width: LayerNorm's
  send_rows,        // rows, out, index, width
  send_quantised,   // q rows, scales, out, width: pieces, then the piece of scales
  absmax,           // bf16 pieces, state, index, width: the largest of each row over all objects
  keep_pieces,      // bf16 pieces, rows, index
  quantise_kept,    // rows, state, out, index, result: eight pieces of int8 of those that were kept
  quantise_pieces,  // bf16 pieces, state, out, index: eight pieces of int8
  send_scales,      // state, out, width: the piece of scales, at its place in the last of the objects
};
const KernelType& encoder_kernel(EncoderKernel kernel);

constexpr int kObjectBytes = 4096, kResultBytes = 8192;

}  // namespace shorthand::npu
