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

void TextDecoder::forward_sums(std::span<const DecoderRow> rows, std::span<const Selection> selections,
                               std::span<LogitSums> sums) {
  const std::span<float> logits = forward(rows);
  const size_t n = size(n_vocab());
  for (size_t r = 0; r < sums.size(); ++r)
    sums[r] = sum_row(rowwise::variants().front(), logits.subspan(r * n, n), selections[r]);
}

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
      block_sums_(size(logit_blocks(weights.config.n_vocab)) * kManyRows),
      shared_rows_(weights.type, kManyRows, 4 * width_) {
  runs_.reserve(kChunkRows);
  for (int t = 0; t < context.pool->size(); ++t) {
    threads_.push_back({RowBuffer(weights.type, kBlockRows, std::max(4 * width_, weights.config.n_audio_state)),
                        AlignedBuffer<float>(size(kBlockRows) * size(2 * width_)),
                        AlignedBuffer<float>(size(kManyRows) * kLogitBlock),
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
    const int wanted = forward_chunk(chunk);
    Epilogue to_logits;
    to_logits.c = logits;
    to_logits.c_stride = size(n_vocab());
    project(weights_.token_embedding, &weights_.ln, attended_.data(), size(width_), wanted, to_logits);
    logits += size(wanted) * size(n_vocab());
    rows = rows.subspan(chunk.size());
  }
  return {logits_.data(), logits};
}

void Decoder::forward_sums(std::span<const DecoderRow> rows, std::span<const Selection> selections,
                           std::span<LogitSums> sums) {
  while (!rows.empty()) {
    const auto chunk = rows.first(std::min<size_t>(rows.size(), kChunkRows));
    const size_t wanted = size(forward_chunk(chunk));
    sum_logits(attended_.data(), selections.first(wanted), sums.first(wanted));
    selections = selections.subspan(wanted);
    sums = sums.subspan(wanted);
    rows = rows.subspan(chunk.size());
  }
}

// The decoder, one step for all rows. Those that want logits stand in attended_ then; returns how many.
int Decoder::forward_chunk(std::span<const DecoderRow> rows) {
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
  return wanted;
}

// The logits of rows x [sums, d], a block of the vocabulary at a time: summed while they are in the cache.
void Decoder::sum_logits(const float* x, std::span<const Selection> selections, std::span<LogitSums> sums) {
  const Kernels& kernels = *context_.kernels;
  const int blocks = logit_blocks(n_vocab());
  const int range = static_cast<int>(div_up(size(blocks), size(2 * context_.pool->size())));
  while (!sums.empty()) {
    const size_t m = std::min<size_t>(sums.size(), kManyRows);
    const PreparedRows in = shared_rows_.normalise(kernels, weights_.ln, x, size(width_), static_cast<int>(m), width_);
    context_.pool->run((blocks + range - 1) / range, [&](int part, int t) {
      Epilogue e;
      e.c = threads_[size(t)].logits.data();
      e.c_stride = kLogitBlock;
      for (int block = part * range; block < std::min(blocks, (part + 1) * range); ++block) {
        const int first = block * kLogitBlock, n = std::min(kLogitBlock, n_vocab() - first);
        linear(kernels, outputs(weights_.token_embedding, first, n), in, e);
        for (size_t r = 0; r < m; ++r) {
          block_sums_[size(block) * m + r] =
              sum_block(*kernels.rowwise, {e.c + r * kLogitBlock, size(n)}, first, selections[r]);
        }
      }
    });
    for (size_t r = 0; r < m; ++r) {
      sums[r] = block_sums_[r];
      for (int block = 1; block < blocks; ++block) sums[r] = join(sums[r], block_sums_[size(block) * m + r]);
    }
    x += m * size(width_);
    selections = selections.subspan(m);
    sums = sums.subspan(m);
  }
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
    a.keys = cross ? weights_.config.n_audio_ctx : run.position + run.count;
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
