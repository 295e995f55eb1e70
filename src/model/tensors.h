// SPDX-License-Identifier: Apache-2.0
// The tensors of a Whisper model: every name with its shape, once, for all who load, write or compare them.
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "base/thread_pool.h"
#include "model/config.h"
#include "model/storage.h"

namespace shorthand {

// Sizes of a tensor's dimensions, outermost first: [rows, columns] of a row-major matrix.
class Shape {
 public:
  static constexpr size_t kMaxRank = 4;

  Shape() = default;
  Shape(std::initializer_list<size_t> sizes) {
    for (size_t s : sizes) append(s);
  }
  // Precondition: rank() < kMaxRank.
  void append(size_t size) {
    assert(rank_ < kMaxRank);
    sizes_[rank_++] = size;
  }

  size_t rank() const { return rank_; }
  size_t operator[](size_t i) const { return sizes_[i]; }
  size_t inner() const { return rank_ == 0 ? 1 : sizes_[rank_ - 1]; }
  // The product. Only for shapes that for_each_tensor() lists or that equal one of them: it is not checked.
  size_t elements() const {
    size_t n = 1;
    for (size_t i = 0; i < rank_; ++i) n *= sizes_[i];
    return n;
  }
  std::string text() const;  // "[384, 80, 3]"

  bool operator==(const Shape& other) const = default;

 private:
  std::array<size_t, kMaxRank> sizes_{};  // zero beyond the rank
  size_t rank_ = 0;
};

// A tensor where it lies in a file, or in memory that the checkpoint owns.
struct TensorView {
  DType dtype = DType::f32;
  Shape shape;
  std::span<const std::byte> bytes;  // of no particular alignment; stored_bytes(dtype, shape.elements())
  // Of the integer types: float32 divisors, positive and finite, one a row (shape[0] of them) or one for all. A weight
  // is its integer over its divisor. Empty for every other type.
  std::span<const std::byte> scales = {};

  // To float32: out[shape.elements()].
  void read(std::span<float> out) const;
};

// Calls fn for every tensor that a model of these sizes has, in the order of OpenAI's files. Names are OpenAI's. With
// d = n_audio_state and i a layer:
//   encoder.positional_embedding       [n_audio_ctx, d]
//   encoder.conv1.{weight, bias}       [d, n_mels, 3], [d]; conv2: [d, d, 3]
//   encoder.blocks.i.attn_ln.{weight, bias}  [d]; .attn.query.{weight, bias}  [d, d], [d]; .attn.key.weight;
//   .attn.value; .attn.out; .mlp_ln; .mlp.0.{weight, bias}  [4d, d], [4d]; .mlp.2  [d, 4d], [d]
//   encoder.ln_post.{weight, bias}     [d]
//   decoder.positional_embedding       [n_text_ctx, d]
//   decoder.token_embedding.weight     [n_vocab, d], the matrix of the logits too
//   decoder.blocks.i.*                 as the encoder's, and .cross_attn_ln, .cross_attn.*
//   decoder.ln.{weight, bias}          [d]
// Precondition: check_config(config).
void for_each_tensor(const Config& config, FunctionRef<void(const std::string& name, const Shape& shape)> fn);

// Fills out [length, channels] with Whisper's fixed positions: the first half of row t is sin(t w_i), the second
// cos(t w_i), w_i = 10000^(-i / (channels/2 - 1)).
void fill_sinusoids(size_t length, size_t channels, std::span<float> out);

}  // namespace shorthand
