// SPDX-License-Identifier: Apache-2.0
// Weights: what a model has learnt, packed once for the matrix products, immutable, shared by every session and thread.
//
// All arrays lie in one arena in a fixed order, each on a 64-byte boundary, so that a native file is the arena itself,
// mapped.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/aligned.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "kernels/gemm_f32/gemm_f32.h"
#include "kernels/gemm_i8/gemm_i8.h"
#include "model/config.h"

namespace shorthand {

struct Checkpoint;

// How the matrix products are done. Everything else is float in both (docs/numerics.md).
enum class ComputeType : uint8_t { int8, float32 };
std::string_view compute_type_name(ComputeType type);
Result<ComputeType> parse_compute_type(std::string_view name);  // "auto" is int8

// How the encoder's int8 rows lie: mixed, for the CPU, or plain, for arrays, which mix no rows. The decoder's are the
// CPU's.
enum class EncoderRows : uint8_t { mixed, plain };

// Rows [out, in], one after the other, with a scale each.
struct PlainRows {
  const int8_t* values = nullptr;
  const float* scales = nullptr;
};

// y = x W^T + bias; W is [out, in], in one of three forms. In i8 the rows of W are mixed before they are quantised
// (rowwise.h), as those of x are; the channels' scales take the mix's gain off again. Plain rows are quantised as they
// are; the CPU does not multiply them.
struct Linear {
  int out = 0, in = 0;
  gemm_i8::PackedB i8;
  gemm_f32::PackedB f32;
  PlainRows plain;
  const float* bias = nullptr;  // padded to whole panels; none where the layer has none
};

struct Norm {
  const float* gamma = nullptr;  // [d]
  const float* beta = nullptr;   // [d]
};

// In int8 the 64 outputs of every head's query, key and value are mixed with each other, and the inputs of the layer
// behind the attention likewise: queries times keys and the layer's results are what they were, and no element of a
// head decides the step of the others.
struct EncoderBlock {
  Norm attn_ln;
  Linear qkv;  // [3 d, d]: query, key (bias zero), value
  Linear attn_out;
  Norm mlp_ln;
  Linear fc1, fc2;
};

struct DecoderBlock {
  Norm attn_ln;
  Linear qkv;
  Linear attn_out;
  Norm cross_ln;
  Linear cross_query;
  Linear cross_kv;  // [2 d, d]: key (bias zero), value; of the encoder's output
  Linear cross_out;
  Norm mlp_ln;
  Linear fc1, fc2;
};

struct Weights {
  Config config;
  ComputeType type = ComputeType::int8;
  EncoderRows encoder_rows = EncoderRows::mixed;  // of int8
  Linear conv1, conv2;                            // [d, 3 * inputs]: the three taps side by side, oldest frame first
  const float* audio_positions = nullptr;         // [n_audio_ctx, d]
  std::vector<EncoderBlock> encoder;
  Norm ln_post;
  Linear token_embedding;                 // [n_vocab, d]: looked up by row, and the logit matrix
  const float* text_positions = nullptr;  // [n_text_ctx, d]
  std::vector<DecoderBlock> decoder;
  Norm ln;

  // The embedding of one token, as the compute type stores it: out [d].
  void embed(int token, float* out) const;
};

// Bytes of the arena that a model of these sizes needs.
size_t arena_bytes(const Config& config, ComputeType type, EncoderRows rows = EncoderRows::mixed);

// The view of an arena; the memory must outlive it. A pure function of its arguments.
Weights weights_in(const std::byte* arena, const Config& config, ComputeType type,
                   EncoderRows rows = EncoderRows::mixed);

// Reads, converts and packs every tensor into an arena of arena_bytes(). Errors: a tensor that cannot be read.
Result<void> pack_weights(const Checkpoint& checkpoint, ComputeType type, EncoderRows rows, std::byte* arena,
                          ThreadPool& pool);

}  // namespace shorthand
