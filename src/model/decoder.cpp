// SPDX-License-Identifier: Apache-2.0
#include "model/decoder.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace shorthand {
namespace {

constexpr int kChunkRows = 256;  // rows that go through the network together; longer prompts go in turns
constexpr int kBlockRows = 32;   // rows that a thread takes at once where rows are shared out
constexpr int kManyRows = 64;    // from here on threads share rows; below, each takes a range of the outputs

size_t size(int n) { return static_cast<size_t>(n); }

Epilogue from_row(Epilogue e, int row) {
  e.c += size(row) * e.c_stride;
  if (e.residual) e.residual += size(row) * e.residual_stride;
  return e;
}

}  // namespace

Decoder::Decoder(const Weights& weights, const Context& context, int max_audios, int max_sequences)
    : weights_(weights),
      context_(context),
      width_(weights.config.n_text_state),
      heads_(weights.config.n_text_head),
      layers_(weights.config.n_text_layer),
      max_sequences_(max_sequences),
      self_capacity_(static_cast<int>(round_up(size(weights.config.n_text_ctx), attention::kKeyAlign))),
      cross_capacity_(static_cast<int>(round_up(size(weights.config.n_audio_ctx), attention::kKeyAlign))),
      self_bytes_(KeyValueCache::bytes(weights.type, heads_, self_capacity_)),
      cross_bytes_(KeyValueCache::bytes(weights.type, heads_, cross_capacity_)),
      self_memory_(size(max_sequences) * size(layers_) * self_bytes_),
      cross_memory_(size(max_audios) * size(layers_) * cross_bytes_),
      x_(size(kChunkRows) * size(width_)),
      qkv_(size(kChunkRows) * size(3 * width_)),
      attended_(size(kChunkRows) * size(width_)),
      wide_(size(kChunkRows) * size(4 * width_)),
      // At most two rows of a sequence want logits: the one at <|startoftranscript|> and the last of its prompt.
      logits_(2 * size(max_sequences) * size(weights.config.n_vocab)),
      shared_rows_(weights.type, kManyRows, 4 * width_) {
  audio_positions_.assign(size(max_audios), weights.config.n_audio_ctx);
  runs_.reserve(kChunkRows);
  for (int t = 0; t < context.pool->size(); ++t) {
    threads_.push_back({RowBuffer(weights.type, kBlockRows, std::max(4 * width_, weights.config.n_audio_state)),
                        AlignedBuffer<float>(size(kBlockRows) * size(2 * width_)),
                        {}});
  }
}

KeyValueCache Decoder::self_cache(int sequence, int layer) {
  return KeyValueCache::in(self_memory_.data() + (size(sequence) * size(layers_) + size(layer)) * self_bytes_,
                           weights_.type, heads_, self_capacity_);
}

KeyValueCache Decoder::cross_cache(int audio, int layer) {
  return KeyValueCache::in(cross_memory_.data() + (size(audio) * size(layers_) + size(layer)) * cross_bytes_,
                           weights_.type, heads_, cross_capacity_);
}

void Decoder::set_audio(int audio, const EncoderOutput& output) {
  const Kernels& kernels = *context_.kernels;
  audio_positions_[size(audio)] = output.positions;
  const int blocks = (output.positions + kBlockRows - 1) / kBlockRows;
  context_.pool->run(blocks, [&](int part, int t) {
    Thread& thread = threads_[size(t)];
    const int first = part * kBlockRows, rows = std::min(kBlockRows, output.positions - first);
    const PreparedRows in = thread.rows.prepare(kernels, output.data.data() + size(first) * size(output.width),
                                                size(output.width), rows, output.width);
    for (int layer = 0; layer < layers_; ++layer) {
      const Linear& kv = weights_.decoder[size(layer)].cross_kv;
      Epilogue e;
      e.c = thread.wide.data();
      e.c_stride = size(2 * width_);
      linear(kernels, kv, in, 0, panels(kv), e);
      store(kernels, weights_.type, cross_cache(audio, layer), first, thread.wide.data(), thread.wide.data() + width_,
            size(2 * width_), rows);
    }
  });
}

std::span<float> Decoder::forward(std::span<const DecoderRow> rows) {
  float* logits = logits_.data();
  while (!rows.empty()) {
    const auto chunk = rows.first(std::min<size_t>(rows.size(), kChunkRows));
    forward_chunk(chunk, logits);
    logits += std::ranges::count_if(chunk, &DecoderRow::wants_logits) * static_cast<ptrdiff_t>(n_vocab());
    rows = rows.subspan(chunk.size());
  }
  return {logits_.data(), logits};
}

// The decoder, one step for all rows.
void Decoder::forward_chunk(std::span<const DecoderRow> rows, float* logits) {
  const Kernels& kernels = *context_.kernels;
  const int m = static_cast<int>(rows.size());
  const size_t d = size(width_);

  runs_.clear();
  for (int r = 0; r < m; ++r) {
    const DecoderRow& row = rows[size(r)];
    assert(row.position < weights_.config.n_text_ctx && row.sequence < max_sequences_);
    if (!runs_.empty() && runs_.back().sequence == row.sequence) {
      ++runs_.back().count;
    } else {
      runs_.push_back({r, 1, row.sequence, row.audio, row.position});
    }
    float* x = x_.data() + size(r) * d;
    weights_.embed(row.token, x);
    const float* position = weights_.text_positions + size(row.position) * d;
    for (size_t i = 0; i < d; ++i) x[i] += position[i];
  }

  Epilogue to_x;
  to_x.c = x_.data();
  to_x.c_stride = d;
  to_x.residual = x_.data();
  to_x.residual_stride = d;
  Epilogue to_qkv;
  to_qkv.c = qkv_.data();
  to_qkv.c_stride = 3 * d;
  Epilogue to_query = to_qkv;
  to_query.c_stride = d;
  Epilogue to_wide;
  to_wide.c = wide_.data();
  to_wide.c_stride = 4 * d;
  to_wide.act = Act::gelu;

  for (int layer = 0; layer < layers_; ++layer) {
    const DecoderBlock& block = weights_.decoder[size(layer)];
    project(block.qkv, &block.attn_ln, x_.data(), d, m, to_qkv);
    for (const Run& run : runs_) {
      const float* first = qkv_.data() + size(run.first) * 3 * d;
      store(kernels, weights_.type, self_cache(run.sequence, layer), run.position, first + d, first + 2 * d, 3 * d,
            run.count);
    }
    attend_runs(false, layer, qkv_.data(), 3 * d);
    project(block.attn_out, nullptr, attended_.data(), d, m, to_x);

    project(block.cross_query, &block.cross_ln, x_.data(), d, m, to_query);
    attend_runs(true, layer, qkv_.data(), d);
    project(block.cross_out, nullptr, attended_.data(), d, m, to_x);

    project(block.fc1, &block.mlp_ln, x_.data(), d, m, to_wide);
    project(block.fc2, nullptr, wide_.data(), 4 * d, m, to_x);
  }

  int wanted = 0;
  for (int r = 0; r < m; ++r) {
    if (rows[size(r)].wants_logits) std::copy_n(x_.data() + size(r) * d, d, attended_.data() + size(wanted++) * d);
  }
  Epilogue to_logits;
  to_logits.c = logits;
  to_logits.c_stride = size(n_vocab());
  project(weights_.token_embedding, &weights_.ln, attended_.data(), d, wanted, to_logits);
}

// e = epilogue(x . W^T), or of LayerNorm(x).
void Decoder::project(const Linear& layer, const Norm* norm, const float* x, size_t stride, int rows,
                      const Epilogue& e) {
  const Kernels& kernels = *context_.kernels;
  const auto prepare = [&](RowBuffer& buffer, int first, int count) {
    const float* from = x + size(first) * stride;
    return norm ? buffer.normalise(kernels, *norm, from, stride, count, layer.in)
                : buffer.prepare(kernels, from, stride, count, layer.in);
  };
  if (rows == 0) return;
  if (rows >= kManyRows) {
    context_.pool->run((rows + kBlockRows - 1) / kBlockRows, [&](int part, int t) {
      const int first = part * kBlockRows;
      const PreparedRows in = prepare(threads_[size(t)].rows, first, std::min(kBlockRows, rows - first));
      linear(kernels, layer, in, 0, panels(layer), from_row(e, first));
    });
    return;
  }
  const PreparedRows in = prepare(shared_rows_, 0, rows);
  // Ranges of whole groups of eight panels, two a thread, so that a late thread costs half a share.
  const int all = panels(layer), parts = 2 * context_.pool->size();
  const int range = static_cast<int>(round_up(div_up(size(all), size(parts)), 8));
  context_.pool->run((all + range - 1) / range, [&](int part, int) {
    linear(kernels, layer, in, part * range, std::min(all, (part + 1) * range), e);
  });
}

void Decoder::attend_runs(bool cross, int layer, const float* q, size_t q_stride) {
  context_.pool->run(static_cast<int>(runs_.size()) * heads_, [&](int part, int t) {
    const Run& run = runs_[size(part / heads_)];
    const int head = part % heads_;
    attention::Rows a;
    a.q = q + size(run.first) * q_stride + size(head) * attention::kHeadDim;
    a.q_stride = q_stride;
    a.out = attended_.data() + size(run.first) * size(width_) + size(head) * attention::kHeadDim;
    a.out_stride = size(width_);
    a.rows = run.count;
    a.keys = cross ? audio_positions_[size(run.audio)] : run.position + run.count;
    a.causal = !cross;
    const KeyValueCache cache = cross ? cross_cache(run.audio, layer) : self_cache(run.sequence, layer);
    attend(*context_.kernels, weights_.type, cache, head, a, threads_[size(t)].attention);
  });
}

void Decoder::copy_sequence(int from, int to) {
  const size_t bytes = size(layers_) * self_bytes_;
  std::memcpy(self_memory_.data() + size(to) * bytes, self_memory_.data() + size(from) * bytes, bytes);
}

}  // namespace shorthand
