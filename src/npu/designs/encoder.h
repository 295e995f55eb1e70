// SPDX-License-Identifier: Apache-2.0
// Whisper's encoder as one configuration of the array: the same FIFOs, relays, workers and kernels for
// every operation. What differs is in run-time parameters, the trip counts of the loops of a core's program, and in the
// runtime sequence over two host buffers, "weights" and "state".
//
// Operations of a layer, each over the whole sequence of positions:
//   rows       x += result; x -> state; LayerNorm(x) as int8 with a scale a row             (attention's, FFN's)
//   product    int8 [positions, k] x int8 [k, n] -> bfloat16, or GELU, or int8 heads          (V; K and Q; out; 1; 2)
//   attention  one head and 64 queries a core, all keys under an online softmax, padding masked
//   quantise   bfloat16 rows -> int8 with a scale a row                                      (before out and FFN 2)
// Of rows above 1,024 columns the product before leaves the maxima, so that they are quantised as they come.
// Rows' scales travel as one more tile of the activations, columns' scales and biases as one more tile of the weights.
//
// The convolutions are products over three frames side by side. The host lays the frames out (as bfloat16, no other
// arithmetic) in the order that the second convolution, of stride 2, wants the first one's results: for each position
// those before, at and after frame 2 t. x, the residual stream, is 16 bits with an exponent for a row's 64 columns
// (npu/kernels/layouts.h); it starts as the positions' embedding. Positions are padded to a whole number of blocks on
// every side.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "npu/design.h"
#include "npu/device.h"
#include "npu/executor.h"
#include "npu/sim/simulate.h"

namespace shorthand::npu {

struct EncoderShape {
  int n_mels = 80;
  int n_ctx = 1500;
  int d = 512, heads = 8, layers = 6;  // d = 64 heads
};

struct EncoderOptions {
  int depth = 2;  // objects that a FIFO holds at each end: 1 or 2
  // What one launch does: `count` of encoder_operations() from number `first` on; -1: all that follow. A launch that
  // does not do everything leaves the cores' parameters as it found them, so that launches may follow each other.
  int first = 0, count = -1;
  bool tile = false;  // of each of them a tile a core alone
};

// int8 [out, in], rows one after the other, and a scale and a bias a row. An empty bias is zeros.
struct LinearWeights {
  std::span<const int8_t> weights;
  std::span<const float> scales, bias;
};
struct NormWeights {
  std::span<const float> gamma, beta;
};
struct LayerWeights {
  NormWeights attention_norm, mlp_norm;
  LinearWeights query, key, value, out, mlp1, mlp2;
};
struct EncoderWeights {
  LinearWeights conv1, conv2;        // [d, 3 n_mels] and [d, 3 d], each row tap by tap: element [out, tap, in]
  std::span<const float> positions;  // [n_ctx, d]
  std::span<const LayerWeights> layers;
  NormWeights final_norm;
};

// One step of the sequence. A tile is what a core does alone: 64 x 64 of a product, a head's 64 queries, 64 rows.
struct EncoderOperation {
  std::string_view name;
  int64_t tiles;   // without the positions' padding
  int64_t rounds;  // of a tile for every core
};
constexpr int kStemOperations = 8, kLayerOperations = 10;  // in the order: stem, layers, the last LayerNorm
constexpr int kAttentionOperation = 3;                     // of a layer's
Result<std::vector<EncoderOperation>> encoder_operations(const Device& device, const EncoderShape& shape);

// "6 layers of 512, 8 heads, 1500 positions, 80 mels".
std::string to_text(const EncoderShape& shape);

// Two a multiply-accumulate: the convolutions over three frames, a layer's six products and its attention.
double encoder_work(const EncoderShape& shape);
double attention_work(const EncoderShape& shape);  // of one layer's

// Refuses shapes that are no whole number of heads or too wide for a core's memory (d above 1,280). With a device of
// fewer columns (npu1_2col) it is the design of that partition.
Result<Design> encoder_design(const Device& device, const EncoderShape& shape, const EncoderOptions& options);

// The contents of host buffer "weights". Refuses spans of the wrong length.
Result<std::vector<std::byte>> pack_encoder(const Device& device, const EncoderShape& shape,
                                            const EncoderWeights& weights);

// The design's host buffers.
constexpr int kEncoderWeights = 0, kEncoderState = 1;

struct EncoderRun {
  std::vector<float> output;  // [n_ctx, d], after the last LayerNorm
  SimReport report;
};

// Everything that does not change from one window to the next.
struct PreparedEncoder {
  Device device;
  EncoderShape shape;
  Design design;
  std::vector<std::byte> weights;  // of pack_encoder(); empty for times alone
  std::vector<float> positions;
};
Result<PreparedEncoder> prepare_encoder(const Device& device, const EncoderShape& shape, const EncoderOptions& options,
                                        const EncoderWeights& weights);

// The bytes of "state" that a window's host writes and reads.
struct EncoderTransfers {
  std::vector<HostRange> inputs, outputs;
};
EncoderTransfers encoder_transfers(const Device& device, const EncoderShape& shape);

// `mel` float [2 n_ctx, n_mels], a row a frame, into the inputs of a state that was zeros or has seen a window, however
// that ended. Refuses spans of the wrong length.
Result<void> write_window(const PreparedEncoder& encoder, std::span<const float> mel, std::span<std::byte> state);
// The outputs, after the launch, as [n_ctx, d].
void read_window(const PreparedEncoder& encoder, std::span<const std::byte> state, std::span<float> output);

// One window: `mel` float [2 n_ctx, n_mels], a row a frame. With SimOptions::timing_only it is not read, and output is
// empty. `launches`: designs of the same shape, run one after the other instead of the whole; the report is the last
// one's with the cycles, bytes and launches of all.
Result<EncoderRun> run_encoder(const PreparedEncoder& encoder, std::span<const float> mel, const SimOptions& sim,
                               std::span<const Design> launches = {});

}  // namespace shorthand::npu
