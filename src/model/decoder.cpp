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

// Rows before the logits, and before the end of each layer, are where rounding moves a token's probability most
// (docs/numerics.md).
constexpr bool kFineRows = true;

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
      audio_positions_(size(max_audios), weights.config.n_audio_ctx) {
  runs_.reserve(kChunkRows);
  wanted_.reserve(kChunkRows);
  for (int t = 0; t < context.pool->size(); ++t) {
    threads_.push_back({RowBuffer(weights.type, kManyRows, std::max(4 * width_, weights.config.n_audio_state)),
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
    plan(chunk);
    assert(logits + wanted_.size() * size(n_vocab()) <= logits_.data() + logits_.size());
    context_.pool->together([&](Team& team) {
      step(team, chunk);
      write_logits(team, logits);
    });
    logits += wanted_.size() * size(n_vocab());
    rows = rows.subspan(chunk.size());
  }
  return {logits_.data(), logits};
}

void Decoder::forward_sums(std::span<const DecoderRow> rows, std::span<const Selection> selections,
                           std::span<LogitSums> sums) {
  while (!rows.empty()) {
    const auto chunk = rows.first(std::min<size_t>(rows.size(), kChunkRows));
    plan(chunk);
    context_.pool->together([&](Team& team) {
      step(team, chunk);
      sum_logits(team, selections, sums);
    });
    selections = selections.subspan(wanted_.size());
    sums = sums.subspan(wanted_.size());
    rows = rows.subspan(chunk.size());
  }
}

void Decoder::plan(std::span<const DecoderRow> rows) {
  runs_.clear();
  wanted_.clear();
  for (int r = 0; r < static_cast<int>(rows.size()); ++r) {
    const DecoderRow& row = rows[size(r)];
    assert(row.position < weights_.config.n_text_ctx && row.sequence < max_sequences_);
    if (!runs_.empty() && runs_.back().sequence == row.sequence) {
      ++runs_.back().count;
    } else {
      runs_.push_back({r, 1, row.sequence, row.audio, row.position});
    }
    if (row.wants_logits) wanted_.push_back(r);
  }
}

// The decoder, one step for all rows, up to the last residual: x_ [rows, d].
void Decoder::step(Team& team, std::span<const DecoderRow> rows) {
  const int m = static_cast<int>(rows.size());
  const size_t d = size(width_);
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

  embed(team, rows);
  for (int layer = 0; layer < layers_; ++layer) {
    const DecoderBlock& block = weights_.decoder[size(layer)];
    project(team, block.qkv, &block.attn_ln, x_.data(), d, m, to_qkv);
    attend_to_text(team, layer);
    project(team, block.attn_out, nullptr, attended_.data(), d, m, to_x);

    project(team, block.cross_query, &block.cross_ln, x_.data(), d, m, to_query);
    attend_to_audio(team, layer);
    project(team, block.cross_out, nullptr, attended_.data(), d, m, to_x);

    project(team, block.fc1, &block.mlp_ln, x_.data(), d, m, to_wide);
    project(team, block.fc2, nullptr, wide_.data(), 4 * d, m, to_x, kFineRows);
  }
}

void Decoder::embed(Team& team, std::span<const DecoderRow> rows) {
  const size_t d = size(width_);
  team.share(static_cast<int>(rows.size()), [&](int r) {
    float* x = x_.data() + size(r) * d;
    weights_.embed(rows[size(r)].token, x);
    const float* position = weights_.text_positions + size(rows[size(r)].position) * d;
    for (size_t i = 0; i < d; ++i) x[i] += position[i];
  });
}

// e = epilogue(x . W^T), or of LayerNorm(x).
void Decoder::project(Team& team, const Linear& layer, const Norm* norm, const float* x, size_t stride, int rows,
                      const Epilogue& e, bool fine) {
  const Kernels& kernels = *context_.kernels;
  RowBuffer& buffer = threads_[size(team.member())].rows;
  const auto prepare = [&](int first, int count) {
    const float* from = x + size(first) * stride;
    return norm ? buffer.normalise(kernels, *norm, from, stride, count, layer.in, fine)
                : buffer.prepare(kernels, from, stride, count, layer.in, fine);
  };
  if (rows >= kManyRows) {
    team.share((rows + kBlockRows - 1) / kBlockRows, [&](int part) {
      const int first = part * kBlockRows;
      linear(kernels, layer, prepare(first, std::min(kBlockRows, rows - first)), from_row(e, first));
    });
    return;
  }
  // Each member prepares all rows for itself: cheaper than to wait for one that does it for all.
  PreparedRows in;
  // Ranges of whole groups of eight panels, two a member, so that a late one costs half a share.
  const int all = panels(layer), parts = 2 * context_.pool->size();
  const int range = static_cast<int>(round_up(div_up(size(all), size(parts)), 8));
  team.share((all + range - 1) / range, [&](int part) {
    if (in.m == 0) in = prepare(0, rows);
    linear(kernels, layer, in, part * range, std::min(all, (part + 1) * range), e);
  });
}

// Stores the rows' keys and values, and attends to all of their sequence so far.
void Decoder::attend_to_text(Team& team, int layer) {
  const size_t d = size(width_);
  team.share(static_cast<int>(runs_.size()) * heads_, [&](int part) {
    const Run& run = runs_[size(part / heads_)];
    const int head = part % heads_;
    const float* q = qkv_.data() + size(run.first) * 3 * d + size(head) * attention::kHeadDim;
    const KeyValueCache cache = self_cache(run.sequence, layer).of_head(head);
    store(*context_.kernels, weights_.type, cache, run.position, q + d, q + 2 * d, 3 * d, run.count);
    attention::Rows a = rows_of(run, head, q, 3 * d);
    a.keys = run.position + run.count;
    a.causal = true;
    attend(*context_.kernels, weights_.type, cache, 0, a, threads_[size(team.member())].attention);
  });
}

void Decoder::attend_to_audio(Team& team, int layer) {
  const size_t d = size(width_);
  team.share(static_cast<int>(runs_.size()) * heads_, [&](int part) {
    const Run& run = runs_[size(part / heads_)];
    const int head = part % heads_;
    const float* q = qkv_.data() + size(run.first) * d + size(head) * attention::kHeadDim;
    attention::Rows a = rows_of(run, head, q, d);
    a.keys = audio_positions_[size(run.audio)];
    attend(*context_.kernels, weights_.type, cross_cache(run.audio, layer), head, a,
           threads_[size(team.member())].attention);
  });
}

attention::Rows Decoder::rows_of(const Run& run, int head, const float* q, size_t q_stride) {
  attention::Rows a;
  a.q = q;
  a.q_stride = q_stride;
  a.out = attended_.data() + size(run.first) * size(width_) + size(head) * attention::kHeadDim;
  a.out_stride = size(width_);
  a.rows = run.count;
  return a;
}

// The rows that want logits, one after another in attended_.
void Decoder::gather_wanted(Team& team) {
  const size_t d = size(width_);
  team.share(static_cast<int>(wanted_.size()),
             [&](int i) { std::copy_n(x_.data() + size(wanted_[size(i)]) * d, d, attended_.data() + size(i) * d); });
}

void Decoder::write_logits(Team& team, float* logits) {
  if (wanted_.empty()) return;
  gather_wanted(team);
  Epilogue e;
  e.c = logits;
  e.c_stride = size(n_vocab());
  project(team, weights_.token_embedding, &weights_.ln, attended_.data(), size(width_),
          static_cast<int>(wanted_.size()), e, kFineRows);
}

// The logits a block of the vocabulary at a time, summed up while they are in the cache.
void Decoder::sum_logits(Team& team, std::span<const Selection> selections, std::span<LogitSums> sums) {
  const Kernels& kernels = *context_.kernels;
  Thread& thread = threads_[size(team.member())];
  const int blocks = logit_blocks(n_vocab());
  const int range = static_cast<int>(div_up(size(blocks), size(2 * context_.pool->size())));
  gather_wanted(team);
  for (size_t done = 0; done < wanted_.size(); done += kManyRows) {
    const size_t m = std::min<size_t>(wanted_.size() - done, kManyRows);
    PreparedRows in;
    team.share((blocks + range - 1) / range, [&](int part) {
      if (in.m == 0) {
        in = thread.rows.normalise(kernels, weights_.ln, attended_.data() + done * size(width_), size(width_),
                                   static_cast<int>(m), width_, kFineRows);
      }
      Epilogue e;
      e.c = thread.logits.data();
      e.c_stride = kLogitBlock;
      for (int block = part * range; block < std::min(blocks, (part + 1) * range); ++block) {
        const int first = block * kLogitBlock, n = std::min(kLogitBlock, n_vocab() - first);
        linear(kernels, outputs(weights_.token_embedding, first, n), in, e);
        for (size_t r = 0; r < m; ++r) {
          block_sums_[size(block) * m + r] =
              sum_block(*kernels.rowwise, {e.c + r * kLogitBlock, size(n)}, first, selections[done + r]);
        }
      }
    });
    team.share(static_cast<int>(m), [&](int row) {
      const size_t r = size(row);
      LogitSums& all = sums[done + r] = block_sums_[r];
      for (int block = 1; block < blocks; ++block) all = join(all, block_sums_[size(block) * m + r]);
    });
  }
}

void Decoder::copy_sequence(int from, int to) {
  const size_t bytes = size(layers_) * self_bytes_;
  std::memcpy(self_memory_.data() + size(to) * bytes, self_memory_.data() + size(from) * bytes, bytes);
}

}  // namespace shorthand
