// SPDX-License-Identifier: Apache-2.0
// Tokens and the encoder's output to logits, with a key-value cache.
#pragma once

#include <span>
#include <vector>

#include "model/encoder.h"
#include "model/layers.h"
#include "model/logit_sums.h"
#include "model/weights.h"

namespace shorthand {

// One token of one sequence. A sequence has its own cache of self-attention; several may attend to one audio.
struct DecoderRow {
  int sequence = 0;
  int audio = 0;
  int position = 0;  // tokens of this sequence before this one
  int token = 0;
  bool wants_logits = false;
};

// What decoding asks of a network. The product has one; tests script their own.
class TextDecoder {
 public:
  virtual ~TextDecoder() = default;
  virtual int n_vocab() const = 0;
  virtual int n_text_ctx() const = 0;
  virtual int max_sequences() const = 0;
  // Runs the rows, in order; rows of one sequence stand together with rising positions, each of them below n_text_ctx.
  // Positions may be run again: what followed them is forgotten. Returns [rows that want logits, n_vocab], the caller's
  // to overwrite until the next call; no more rows than 2 * max_sequences() may want them.
  virtual std::span<float> forward(std::span<const DecoderRow> rows) = 0;
  // As forward(), for those who need the sums of the logits alone: of row i of those that want logits, over what
  // selections[i] allows, into sums[i]. This is the meaning; a network need not hold a whole row for it.
  virtual void forward_sums(std::span<const DecoderRow> rows, std::span<const Selection> selections,
                            std::span<LogitSums> sums);
  // Makes the cache of `to` what that of `from` is.
  virtual void copy_sequence(int from, int to) = 0;
};

// Every byte that changes while a batch is decoded, planned once: forward() allocates nothing. The threads fork and
// join once for all layers (ThreadPool::together) and share out one operation after another.
class Decoder : public TextDecoder {
 public:
  // `weights` and what `context` points to outlive the decoder.
  Decoder(const Weights& weights, const Context& context, int max_audios, int max_sequences);

  // Computes the cross-attention's keys and values of every layer for one audio.
  void set_audio(int audio, const EncoderOutput& output);

  int n_vocab() const override { return weights_.config.n_vocab; }
  int n_text_ctx() const override { return weights_.config.n_text_ctx; }
  int max_sequences() const override { return max_sequences_; }
  std::span<float> forward(std::span<const DecoderRow> rows) override;
  void forward_sums(std::span<const DecoderRow> rows, std::span<const Selection> selections,
                    std::span<LogitSums> sums) override;
  void copy_sequence(int from, int to) override;

 private:
  struct Thread {
    RowBuffer rows;
    AlignedBuffer<float> wide;    // [block, 2 d]: keys and values of an audio
    AlignedBuffer<float> logits;  // [many rows, kLogitBlock]
    attention::Scratch attention;
  };
  // Consecutive rows of one sequence.
  struct Run {
    int first, count, sequence, audio, position;
  };

  void plan(std::span<const DecoderRow> rows);
  void step(Team& team, std::span<const DecoderRow> rows);
  void embed(Team& team, std::span<const DecoderRow> rows);
  void project(Team& team, const Linear& layer, const Norm* norm, const float* x, size_t stride, int rows,
               const Epilogue& e, bool fine = false);
  void attend_to_text(Team& team, int layer);
  void attend_to_audio(Team& team, int layer);
  attention::Rows rows_of(const Run& run, int head, const float* q, size_t q_stride);
  void gather_wanted(Team& team);
  void write_logits(Team& team, float* logits);
  void sum_logits(Team& team, std::span<const Selection> selections, std::span<LogitSums> sums);
  KeyValueCache self_cache(int sequence, int layer);
  KeyValueCache cross_cache(int audio, int layer);

  const Weights& weights_;
  Context context_;
  int width_, heads_, layers_, max_sequences_;
  int self_capacity_, cross_capacity_;
  size_t self_bytes_, cross_bytes_;                 // of one layer's cache
  AlignedBuffer<std::byte> self_memory_;            // [sequences][layers] caches
  AlignedBuffer<std::byte> cross_memory_;           // [audios][layers] caches
  AlignedBuffer<float> x_, qkv_, attended_, wide_;  // [chunk, d], [chunk, 3 d], [chunk, d], [chunk, 4 d]
  AlignedBuffer<float> logits_;
  AlignedBuffer<LogitSums> block_sums_;  // [blocks of the vocabulary, many rows]
  std::vector<int> audio_positions_;     // of each audio: keys of its cross-attention
  std::vector<Run> runs_;                // of the rows on their way
  std::vector<int> wanted_;              // those that want logits
  std::vector<Thread> threads_;
};

}  // namespace shorthand
