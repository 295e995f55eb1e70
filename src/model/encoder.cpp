// SPDX-License-Identifier: Apache-2.0
// Every row of the network's middle needs the others only through keys and values. So a layer is two parallel passes
// over blocks of rows: one that leaves queries, keys and values, one that does all the rest while the block is in the
// cache.
#include "model/encoder.h"

#include <algorithm>
#include <cassert>

namespace shorthand {
namespace {

// Rows that a thread takes at once: enough to reuse a panel of weights, few enough that [rows, 4 d] stays in the
// second-level cache.
constexpr int kBlockRows = 64;

size_t size(int n) { return static_cast<size_t>(n); }

template <class Body>
void for_blocks(ThreadPool& pool, int rows, Body&& body) {
  const int blocks = (rows + kBlockRows - 1) / kBlockRows;
  pool.run(blocks, [&](int part, int thread) {
    const int first = part * kBlockRows;
    body(first, std::min(kBlockRows, rows - first), size(thread));
  });
}

}  // namespace

Encoder::Encoder(const Weights& weights, const Context& context)
    : weights_(weights),
      context_(context),
      width_(weights.config.n_audio_state),
      positions_(weights.config.n_audio_ctx),
      mel_(size(2 * positions_ + 2) * size(weights.config.n_mels)),
      stem_(size(2 * positions_ + 2) * size(width_)) {
  assert(weights.encoder_rows == EncoderRows::mixed);
  const Config& c = weights.config;
  const int capacity = static_cast<int>(round_up(size(positions_), attention::kKeyAlign));
  cache_memory_ = AlignedBuffer<std::byte>(KeyValueCache::bytes(weights.type, c.n_audio_head, capacity));
  cache_ = KeyValueCache::in(cache_memory_.data(), weights.type, c.n_audio_head, capacity);
  const int widest = std::max(4 * width_, 3 * c.n_mels);
  for (int t = 0; t < context.pool->size(); ++t) {
    threads_.push_back({RowBuffer(weights.type, kBlockRows, widest),
                        AlignedBuffer<float>(size(kBlockRows) * size(width_)),
                        AlignedBuffer<float>(size(kBlockRows) * size(4 * width_)),
                        {}});
  }
}

void Encoder::run(std::span<const float> mel, EncoderOutput& out) {
  positions_ = static_cast<int>(mel.size()) / (2 * weights_.config.n_mels);
  assert(mel.size() == size(2 * positions_) * size(weights_.config.n_mels));
  assert(positions_ <= weights_.config.n_audio_ctx && out.width == width_);
  out.positions = positions_;
  x_ = out.data.data();
  stem(mel);
  for (size_t layer = 0; layer < weights_.encoder.size(); ++layer) {
    keys_and_values(weights_.encoder[layer]);
    attend_and_transform(weights_.encoder[layer]);
    if (after_layer) after_layer(static_cast<int>(layer), {x_, size(positions_) * size(width_)});
  }
  const Norm& ln = weights_.ln_post;
  for_blocks(*context_.pool, positions_, [&](int first, int rows, size_t) {
    float* x = x_ + size(first) * size(width_);
    context_.kernels->rowwise->layer_norm({ln.gamma, ln.beta, width_}, x, size(width_), rows, x, size(width_));
  });
}

// Two convolutions of three taps. With the frames row by row in memory, the inputs of an output are three consecutive
// rows: one long row of a matrix whose rows overlap.
void Encoder::stem(std::span<const float> mel) {
  const Kernels& kernels = *context_.kernels;
  const int n_mels = weights_.config.n_mels;
  // A longer window before this one left frames where the row behind the last is to be zeros, and queries stood in the
  // first row.
  std::fill_n(std::ranges::copy(mel, mel_.data() + n_mels).out, n_mels, 0.0f);
  std::fill_n(stem_.data(), width_, 0.0f);
  std::fill_n(stem_.data() + size(2 * positions_ + 1) * size(width_), width_, 0.0f);
  for_blocks(*context_.pool, 2 * positions_, [&](int first, int rows, size_t t) {
    const PreparedRows in =
        threads_[t].rows.prepare(kernels, mel_.data() + size(first) * size(n_mels), size(n_mels), rows, 3 * n_mels);
    Epilogue e;
    e.c = stem_.data() + size(first + 1) * size(width_);
    e.c_stride = size(width_);
    e.act = Act::gelu;
    linear(kernels, weights_.conv1, in, 0, panels(weights_.conv1), e);
  });
  for_blocks(*context_.pool, positions_, [&](int first, int rows, size_t t) {
    const PreparedRows in = threads_[t].rows.prepare(kernels, stem_.data() + size(2 * first) * size(width_),
                                                     2 * size(width_), rows, 3 * width_);
    Epilogue e;
    e.c = x_ + size(first) * size(width_);
    e.c_stride = size(width_);
    e.act = Act::gelu;
    e.residual = weights_.audio_positions + size(first) * size(width_);
    e.residual_stride = size(width_);
    linear(kernels, weights_.conv2, in, 0, panels(weights_.conv2), e);
  });
}

// What the first layer's attention reads and leaves goes through all layers behind it, and its rows lose most by
// rounding: they are fine (docs/numerics.md).
bool Encoder::has_fine_attention(const EncoderBlock& block) const { return &block == weights_.encoder.data(); }

void Encoder::keys_and_values(const EncoderBlock& block) {
  const bool fine = has_fine_attention(block);
  const Kernels& kernels = *context_.kernels;
  for_blocks(*context_.pool, positions_, [&](int first, int rows, size_t t) {
    Thread& thread = threads_[t];
    const PreparedRows in = thread.rows.normalise(kernels, block.attn_ln, x_ + size(first) * size(width_), size(width_),
                                                  rows, width_, fine);
    Epilogue e;
    e.c = thread.wide.data();
    e.c_stride = size(3 * width_);
    linear(kernels, block.qkv, in, 0, panels(block.qkv), e);
    for (int r = 0; r < rows; ++r) {
      std::copy_n(thread.wide.data() + size(r) * size(3 * width_), width_, query() + size(first + r) * size(width_));
    }
    store(kernels, weights_.type, cache_, first, thread.wide.data() + width_, thread.wide.data() + 2 * width_,
          size(3 * width_), rows);
  });
}

void Encoder::attend_and_transform(const EncoderBlock& block) {
  const bool fine = has_fine_attention(block);
  const Kernels& kernels = *context_.kernels;
  for_blocks(*context_.pool, positions_, [&](int first, int rows, size_t t) {
    Thread& thread = threads_[t];
    float* x = x_ + size(first) * size(width_);
    for (int head = 0; head < weights_.config.n_audio_head; ++head) {
      attention::Rows a;
      a.q = query() + size(first) * size(width_) + head * attention::kHeadDim;
      a.q_stride = size(width_);
      a.out = thread.narrow.data() + head * attention::kHeadDim;
      a.out_stride = size(width_);
      a.rows = rows;
      a.keys = positions_;
      attend(kernels, weights_.type, cache_, head, a, thread.attention);
    }
    Epilogue to_x;
    to_x.c = x;
    to_x.c_stride = size(width_);
    to_x.residual = x;
    to_x.residual_stride = size(width_);
    linear(kernels, block.attn_out,
           thread.rows.prepare(kernels, thread.narrow.data(), size(width_), rows, width_, fine), 0,
           panels(block.attn_out), to_x);

    Epilogue to_wide;
    to_wide.c = thread.wide.data();
    to_wide.c_stride = size(4 * width_);
    to_wide.act = Act::gelu;
    linear(kernels, block.fc1, thread.rows.normalise(kernels, block.mlp_ln, x, size(width_), rows, width_), 0,
           panels(block.fc1), to_wide);
    linear(kernels, block.fc2, thread.rows.prepare(kernels, thread.wide.data(), size(4 * width_), rows, 4 * width_), 0,
           panels(block.fc2), to_x);
  });
}

}  // namespace shorthand
