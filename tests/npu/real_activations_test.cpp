// SPDX-License-Identifier: Apache-2.0
// The array's kernels on what they will see: the built-in model's residual streams under speech, and speech itself. One
// encoder layer for 64 positions, kernel by kernel, against the same layer in double precision from the file's weights.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <aie_api/types.hpp>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "audio/decode.h"
#include "audio/log_mel.h"
#include "audio/recording.h"
#include "engine/builtin.h"
#include "engine/transcriber.h"
#include "kernels/attention/aie2.h"
#include "kernels/gemm_i8/aie2.h"
#include "kernels/kernels.h"
#include "kernels/log_mel/aie2.h"
#include "model/checkpoint.h"
#include "model/encoder.h"
#include "model/model.h"
#include "npu/kernels/call.h"
#include "npu/kernels/layouts.h"
#include "support/shared_data.h"

namespace shorthand {
namespace {

using npu::testing::Buffer;
using npu::testing::call;
using Doubles = std::vector<double>;

constexpr int kTile = 64;
size_t size(int n) { return static_cast<size_t>(n); }

std::vector<int16_t> recording(const char* name) {
  auto source = ByteSource::open(testing::repository_dir() / "tests/data/speech" / name);
  EXPECT_TRUE(source) << name;
  auto reader = SoundReader::open(std::move(*source));
  EXPECT_TRUE(reader) << name;
  std::vector<int16_t> samples(30 * 16000);
  const auto read = reader->read(samples);
  EXPECT_TRUE(read) << name;
  samples.resize(*read);
  return samples;
}

struct Error {
  double relative = 0, cosine = 0;
};
template <class T>
Error error_of(const std::vector<T>& got, const Doubles& want) {
  double error = 0, gg = 0, ww = 0, gw = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const double g = static_cast<double>(got[i]), w = want[i];
    error += (g - w) * (g - w), gg += g * g, ww += w * w, gw += g * w;
  }
  return {std::sqrt(error / ww), gw / std::sqrt(gg * ww)};
}
void expect_near(const std::string& what, const Error& e, double most) {
  std::printf("%s: relative L2 %.5f, cosine %.6f\n", what.c_str(), e.relative, e.cosine);
  EXPECT_LT(e.relative, most) << what;
  EXPECT_GT(e.cosine, 1 - most * most) << what;
}

// A linear layer as the file has it, and as the array takes it: int8 with a scale for each output.
struct Layer {
  int out, in;
  std::vector<float> weight, bias;  // [out, in], [out]
  std::vector<int8_t> steps;
  std::vector<float> scales;

  Layer(const Checkpoint& c, const std::string& name, int outputs, int inputs)
      : out(outputs), in(inputs), weight(size(out * in)), bias(size(out)), steps(weight.size()), scales(size(out)) {
    EXPECT_TRUE(c.read_tensor(name + ".weight", {size(out), size(in)}, weight)) << name;
    if (!name.ends_with(".key")) {
      EXPECT_TRUE(c.read_tensor(name + ".bias", {size(out)}, bias)) << name;
    }
    for (int o = 0; o < out; ++o) {
      const float* row = weight.data() + o * in;
      float most = 0;
      for (int i = 0; i < in; ++i) most = std::max(most, std::fabs(row[i]));
      scales[size(o)] = most / 127;
      for (int i = 0; i < in; ++i)
        steps[size(o * in + i)] = static_cast<int8_t>(std::lround(most > 0 ? row[i] * 127 / most : 0));
    }
  }

  Doubles exact(const Doubles& x) const {  // [rows, in] -> [rows, out]
    Doubles y;
    for (size_t r = 0; r * size(in) < x.size(); ++r) {
      for (int o = 0; o < out; ++o) {
        double sum = bias[size(o)];
        for (int i = 0; i < in; ++i) sum += x[r * size(in) + size(i)] * weight[size(o * in + i)];
        y.push_back(sum);
      }
    }
    return y;
  }
};

struct LayerNorm {
  std::vector<float> gamma, beta;

  LayerNorm(const Checkpoint& c, const std::string& name, int width) : gamma(size(width)), beta(size(width)) {
    EXPECT_TRUE(c.read_tensor(name + ".weight", {size(width)}, gamma));
    EXPECT_TRUE(c.read_tensor(name + ".bias", {size(width)}, beta));
  }
  Doubles exact(const Doubles& x) const {
    const size_t d = gamma.size();
    Doubles y(x.size());
    for (size_t r = 0; r < x.size(); r += d) {
      double mean = 0, variance = 0;
      for (size_t i = 0; i < d; ++i) mean += x[r + i] / static_cast<double>(d);
      for (size_t i = 0; i < d; ++i) variance += (x[r + i] - mean) * (x[r + i] - mean) / static_cast<double>(d);
      for (size_t i = 0; i < d; ++i) y[r + i] = (x[r + i] - mean) / std::sqrt(variance + 1e-5) * gamma[i] + beta[i];
    }
    return y;
  }
};

// Rows as the products read them: int8 and a scale a row.
struct Quantised {
  std::vector<int8_t> steps;  // [rows, width], in order
  std::vector<float> scales;

  std::vector<float> values(int width) const {
    std::vector<float> v;
    for (size_t i = 0; i < steps.size(); ++i) v.push_back(steps[i] * scales[i / size(width)]);
    return v;
  }
};

// The stream's rows, four at a time: as its pieces, to which add_result adds nothing, and through layer_norm_i8.
Quantised normalised(const LayerNorm& norm, const std::vector<float>& x) {
  const int width = static_cast<int>(norm.gamma.size());
  Buffer<int16_t> parameters(npu::layer_norm_words(width));
  npu::pack_layer_norm(norm.gamma, norm.beta, parameters.data());
  Quantised q;
  Buffer<bfloat16> nothing(2048);
  for (size_t at = 0; at < x.size(); at += size(4 * width)) {
    Buffer<float> rows(size(4 * width)), scales(8), state(64);
    for (int c = 0; c < width; c += kTile) {
      Buffer<int16_t> object(2048), kept(size(4 * width));
      int16_t piece[256];  // one of eight cores', in halves
      npu::pack_stream(x.data() + at + size(c), size(width), piece);
      std::copy_n(piece, 128, object.data());
      std::copy_n(piece + 128, 128, object.data() + 8 * 128);
      call("add_result", {nothing.bytes(), object.bytes(), rows.bytes(), kept.bytes(), state.bytes()},
           {0, c / kTile, 0, 0, 0, 0, 0, 1, 1, width});
    }
    Buffer<int8_t> steps(size(4 * width));
    call("layer_norm_i8", {rows.bytes(), parameters.bytes(), state.bytes(), steps.bytes(), scales.bytes()}, {width});
    const auto in_order = npu::from_blocks<int8_t>(steps.span(), 4, width, 4, 8);
    q.steps.insert(q.steps.end(), in_order.begin(), in_order.end());
    q.scales.insert(q.scales.end(), scales.data(), scales.data() + 4);
  }
  return q;
}

// Columns [first, first + 64) of a layer for 64 rows: sums over the whole of its inputs, left for an epilogue.
struct Product {
  Buffer<int32_t> sums{size(kTile * kTile)};
  Buffer<std::byte> columns{npu::columns_bytes(kTile)};
  Buffer<float> row_scales{kTile};

  Product(const Layer& layer, const Quantised& x, int row, int first) {
    call("zero_i32_64x64", {sums.bytes()});
    for (int k = 0; k < layer.in; k += kTile) {
      std::vector<int8_t> a, b(size(kTile * kTile));
      for (int r = row; r < row + kTile; ++r) {
        const int8_t* from = x.steps.data() + r * layer.in + k;
        a.insert(a.end(), from, from + kTile);
      }
      for (int o = 0; o < kTile; ++o) {
        for (int i = 0; i < kTile; ++i) b[size(i * kTile + o)] = layer.steps[size((first + o) * layer.in + k + i)];
      }
      Buffer<int8_t> at(npu::to_blocks<int8_t>(a, kTile, kTile, 4, 8)),
          bt(npu::to_blocks<int8_t>(b, kTile, kTile, 8, 8));
      call("matmul_i8_64x64x64", {at.bytes(), bt.bytes(), sums.bytes()});
    }
    npu::pack_columns({layer.scales.data() + first, kTile}, {layer.bias.data() + first, kTile}, columns.data());
    std::copy_n(x.scales.begin() + row, kTile, row_scales.data());
  }
};

// A layer for 64 rows through an epilogue to bfloat16, [64, out / 64 tiles], still in blocks, and the rows' maxima.
struct Tiles {
  std::vector<std::vector<bfloat16>> tiles;
  std::vector<float> row_max;

  Tiles(const Layer& layer, const Quantised& x, int row, const char* epilogue, int first, int columns)
      : row_max(kTile) {
    Buffer<float> most(kTile);
    call("zero_row_max_64", {most.bytes()});
    for (int c = first; c < first + columns; c += kTile) {
      Product p(layer, x, row, c);
      Buffer<bfloat16> out(size(kTile * kTile));
      Buffer<int16_t> own(kEpilogueRows);
      call(epilogue, {p.sums.bytes(), p.columns.bytes(), p.row_scales.bytes(), out.bytes(), most.bytes(), own.bytes()});
      tiles.push_back(out.values());
    }
    row_max = most.values();
  }
  explicit Tiles(std::vector<std::vector<bfloat16>> t) : tiles(std::move(t)), row_max(kTile) {
    const std::vector<float> v = values();
    for (size_t i = 0; i < v.size(); ++i) {
      float& most = row_max[i / (kTile * tiles.size())];
      most = std::max(most, std::fabs(v[i]));
    }
  }

  std::vector<float> values() const {  // [64, 64 tiles]
    std::vector<float> v(size(kTile * kTile) * tiles.size());
    for (size_t t = 0; t < tiles.size(); ++t) {
      const auto rows = npu::from_blocks<bfloat16>(tiles[t], kTile, kTile, 4, 8);
      for (size_t i = 0; i < rows.size(); ++i) v[(i / kTile * tiles.size() + t) * kTile + i % kTile] = rows[i];
    }
    return v;
  }
  Quantised quantised() const {
    const int width = kTile * static_cast<int>(tiles.size());
    Quantised q{std::vector<int8_t>(size(kTile * width)), {}};
    for (size_t t = 0; t < tiles.size(); ++t) {
      Buffer<bfloat16> in(tiles[t]);
      Buffer<float> most(row_max), scales(kTile);
      Buffer<int8_t> out(size(kTile * kTile));
      call("quantise_bf16_64x64", {in.bytes(), most.bytes(), out.bytes(), scales.bytes()});
      const auto rows = npu::from_blocks<int8_t>(out.span(), kTile, kTile, 4, 8);
      for (int r = 0; r < kTile; ++r)
        std::copy_n(rows.data() + r * kTile, kTile, q.steps.data() + r * width + static_cast<int>(t) * kTile);
      q.scales = scales.values();
    }
    return q;
  }
};

// One head's keys or values for all positions: tiles of 64 rows.
struct Head {
  std::vector<Quantised> keys;
  std::vector<std::vector<bfloat16>> values;
};

std::vector<bfloat16> attend(const Quantised& q, const Head& head, int positions) {
  Buffer<int8_t> qs(npu::to_blocks<int8_t>(q.steps, kTile, kTile, 4, 8));
  Buffer<float> q_scales(q.scales), sums(size(kTile * kTile)), row_sums(kAttentionRowSums);
  Buffer<int32_t> state(kAttentionState);
  Buffer<int16_t> work(kAttentionWork);
  Buffer<bfloat16> out(size(kTile * kTile));
  call("attention_begin_64x64", {q_scales.bytes(), row_sums.bytes(), state.bytes(), work.bytes()});
  for (size_t t = 0; t < head.keys.size(); ++t) {
    Buffer<int8_t> k(npu::to_blocks<int8_t>(head.keys[t].steps, kTile, kTile, 4, 8));
    Buffer<int16_t> k_factors(96);
    npu::pack_key_scales(head.keys[t].scales, k_factors.data());
    Buffer<bfloat16> v(head.values[t]);
    const int valid = std::min(kTile, positions - static_cast<int>(t) * kTile);
    call("attention_scores_64x64", {qs.bytes(), k.bytes(), k_factors.bytes(), work.bytes()}, {valid});
    call("attention_weights_64x64", {row_sums.bytes(), state.bytes(), work.bytes()}, {valid});
    for (int half : {0, 1})
      call("attention_values_64x32", {work.bytes(), v.bytes() + half * 4096, sums.bytes()}, {half});
  }
  call("attention_end_64x64", {sums.bytes(), row_sums.bytes(), out.bytes()});
  return out.values();
}

// softmax(q k^T / 8) v for one head of 64 rows.
Doubles exact_attention(const Doubles& q, const Doubles& k, const Doubles& v, int width, int head, int positions) {
  Doubles out;
  for (int r = 0; r < kTile; ++r) {
    Doubles weights;
    double most = -1e300, sum = 0;
    for (int j = 0; j < positions; ++j) {
      double dot = 0;
      for (int i = 64 * head; i < 64 * head + 64; ++i) dot += q[size(r * width + i)] * k[size(j * width + i)];
      weights.push_back(dot / 8);
      most = std::max(most, dot / 8);
    }
    for (double& w : weights) sum += w = std::exp(w - most);
    for (int i = 64 * head; i < 64 * head + 64; ++i) {
      double y = 0;
      for (int j = 0; j < positions; ++j) y += weights[size(j)] / sum * v[size(j * width + i)];
      out.push_back(y);
    }
  }
  return out;
}

// The residual stream before a layer, of a recording of speech, in float32.
std::vector<float> stream_before(int layer, Config& config) {
  const Kernels kernels = choose_kernels(best_isa());
  ThreadPool pool(2);
  const auto model = *Model::from_bytes(builtin_model_bytes(), "builtin", ComputeType::float32, pool);
  config = model->config();
  std::vector<float> pcm;
  for (int16_t s : recording("long-1.flac")) pcm.push_back(sample_value(s));
  const LogMel log_mel(*kernels.log_mel, model->filter_bank());
  Mel mel = log_mel.piece(pcm, 0, 2 * config.n_audio_ctx, &pool);
  Encoder encoder(model->weights(), {&kernels, &pool});
  std::vector<float> stream;
  encoder.after_layer = [&](int done, std::span<const float> x) {
    if (done == layer - 1) stream.assign(x.begin(), x.end());
  };
  EncoderOutput out(config);
  encoder.run(mel.values.span(), out);
  return stream;
}

class RealActivations : public ::testing::TestWithParam<int> {};

TEST_P(RealActivations, OneEncoderLayerIsThatOfDoublePrecision) {
  Config config;
  const int index = GetParam();
  const std::vector<float> stream = stream_before(index, config);
  const int d = config.n_audio_state, positions = config.n_audio_ctx, first = 5 * kTile;
  const Checkpoint file = *parse_checkpoint(builtin_model_bytes(), "builtin");
  const std::string block = "encoder.blocks." + std::to_string(index) + ".";
  const std::string label = "layer " + std::to_string(index) + ", ";
  const LayerNorm norm1(file, block + "attn_ln", d), norm2(file, block + "mlp_ln", d);
  const Layer query(file, block + "attn.query", d, d), key(file, block + "attn.key", d, d),
      value(file, block + "attn.value", d, d), attn_out(file, block + "attn.out", d, d),
      fc1(file, block + "mlp.0", 4 * d, d), fc2(file, block + "mlp.2", d, 4 * d);

  std::vector<float> padded = stream;  // as a design pads: what is there does not matter
  padded.resize(size((positions + kTile - 1) / kTile * kTile * d), 0.25f);
  const Quantised y = normalised(norm1, padded);
  const Doubles exact_x(stream.begin(), stream.end()), exact_y = norm1.exact(exact_x);
  expect_near(label + "LayerNorm, quantised", error_of(y.values(d), exact_y), 0.015);

  const auto rows_of = [&](const Doubles& all) {
    return Doubles(all.begin() + first * d, all.begin() + (first + kTile) * d);
  };
  const Doubles exact_q = query.exact(rows_of(exact_y)), exact_k = key.exact(exact_y), exact_v = value.exact(exact_y);
  std::vector<std::vector<bfloat16>> heads;
  Doubles exact_heads(size(kTile * d));
  for (int h = 0; h < config.n_audio_head; ++h) {
    Head head;
    for (int r = 0; r < positions; r += kTile) {
      head.keys.push_back(Tiles(key, y, r, "epilogue_bf16_64x64", 64 * h, 64).quantised());
      head.values.push_back(Tiles(value, y, r, "epilogue_bf16_64x64", 64 * h, 64).tiles[0]);
    }
    const Quantised q = Tiles(query, y, first, "epilogue_bf16_64x64", 64 * h, 64).quantised();
    heads.push_back(attend(q, head, positions));
    const Doubles want = exact_attention(exact_q, exact_k, exact_v, d, h, positions);
    for (int i = 0; i < kTile * kTile; ++i) exact_heads[size(i / kTile * d + 64 * h + i % kTile)] = want[size(i)];
  }
  const Tiles attended(heads);
  expect_near(label + "attention", error_of(attended.values(), exact_heads), 0.02);

  // The residual stream of the 64 rows, after attention.
  const auto add_to = [&](const Layer& layer, const Quantised& in, std::vector<float> x) {
    for (int c = 0; c < d; c += kTile) {
      std::vector<float> tile;
      for (int r = 0; r < kTile; ++r) tile.insert(tile.end(), x.begin() + r * d + c, x.begin() + r * d + c + kTile);
      Product p(layer, in, 0, c);
      Buffer<float> residual(npu::to_blocks<float>(tile, kTile, kTile, 4, 8)), out(size(kTile * kTile));
      Buffer<int16_t> own(kEpilogueRows);
      call("epilogue_residual_f32_64x64",
           {p.sums.bytes(), p.columns.bytes(), p.row_scales.bytes(), residual.bytes(), out.bytes(), own.bytes()});
      tile = npu::from_blocks<float>(out.span(), kTile, kTile, 4, 8);
      for (int r = 0; r < kTile; ++r) std::copy_n(tile.begin() + r * kTile, kTile, x.begin() + r * d + c);
    }
    return x;
  };
  const auto exact_add = [](Doubles a, const Doubles& b) {
    for (size_t i = 0; i < a.size(); ++i) a[i] += b[i];
    return a;
  };
  std::vector<float> x(stream.begin() + first * d, stream.begin() + (first + kTile) * d);
  x = add_to(attn_out, attended.quantised(), x);
  const Doubles exact_x2 = exact_add(rows_of(exact_x), attn_out.exact(exact_heads));
  expect_near(label + "residual after attention", error_of(x, exact_x2), 0.008);

  const Quantised z = normalised(norm2, x);
  const Tiles inner(fc1, z, 0, "epilogue_gelu_bf16_64x64", 0, 4 * d);
  Doubles exact_inner = fc1.exact(norm2.exact(exact_x2));
  for (double& v : exact_inner) v = 0.5 * v * std::erfc(-v / std::sqrt(2.0));
  expect_near(label + "product and GELU", error_of(inner.values(), exact_inner), 0.025);
  x = add_to(fc2, inner.quantised(), x);
  expect_near(label + "its output", error_of(x, exact_add(exact_x2, fc2.exact(exact_inner))), 0.01);
}

INSTANTIATE_TEST_SUITE_P(Layers, RealActivations, ::testing::Values(1, 3));

// The frames of recordings, in groups of sixteen, against the engine's own log-mel.
TEST(RealSound, LogMelOfRecordingsIsTheEngines) {
  const Kernels kernels = choose_kernels(best_isa());
  for (int n_mels : {80, 128}) {
    const LogMel exact(*kernels.log_mel, FilterBank::slaney(n_mels));
    Buffer<int16_t> filters(npu::pack_mel_filters(exact.filters().bands())), frames(200 * 32), work(kLogMelWork);
    for (const char* name : {"short-01.flac", "short-20.flac", "noisy-28.flac", "noisy-33.flac", "long-1.flac"}) {
      const std::vector<int16_t> samples = recording(name);
      const int count = static_cast<int>((samples.size() - 400) / 160 + 1) / 16 * 16;
      std::vector<float> pcm, want(size(count * n_mels)), got;
      for (int16_t s : samples) pcm.push_back(sample_value(s));
      exact.raw(pcm, count, want);
      Buffer<float> largest(16, -1e30f), out(size(16 * n_mels));
      for (int t = 0; t < count; t += 16) {
        npu::pack_mel_frames(std::span(samples).subspan(size(160 * t), 160 * 15 + 400), frames.data());
        call("log_mel_frames_16", {frames.bytes(), filters.bytes(), work.bytes(), out.bytes(), largest.bytes()},
             {n_mels});
        for (int lane = 0; lane < 16; ++lane) {
          for (int m = 0; m < n_mels; ++m) got.push_back(out[size(m * 16 + lane)]);
        }
      }
      const float most = *std::max_element(want.begin(), want.end()), found = *std::max_element(got.begin(), got.end());
      normalise(want, most);
      normalise(got, found);
      double worst = 0, a = 0, b = 0, aa = 0, bb = 0, ab = 0;
      const double n = static_cast<double>(got.size());
      for (size_t i = 0; i < got.size(); ++i) {
        const double g = got[i], w = want[i];
        worst = std::max(worst, std::fabs(g - w));
        a += g, b += w, aa += g * g, bb += w * w, ab += g * w;
      }
      const double correlation = (ab - a * b / n) / std::sqrt((aa - a * a / n) * (bb - b * b / n));
      std::printf("%s, %d filters: largest error %.5f, correlation %.8f\n", name, n_mels, worst, correlation);
      EXPECT_LT(worst, 0.1) << name;  // where a frame has a filter 75 dB below its loudest
      EXPECT_GT(correlation, 0.9999) << name;
    }
  }
}

// The log-mel [3000, 80] of up to 30 s as the array's kernels have it, frames centred as Whisper centres them.
std::vector<float> fixed_point_mel(const std::vector<int16_t>& samples, const FilterBank& bank) {
  constexpr int kFrames = 3000, kHalf = 200;
  const int n_mels = bank.n_mels();
  std::vector<int16_t> padded(samples.rend() - kHalf - 1, samples.rend() - 1);  // mirrored at sample 0
  padded.insert(padded.end(), samples.begin(), samples.end());
  padded.resize(size(160 * (kFrames + 16) + 2 * kHalf));
  Buffer<int16_t> filters(npu::pack_mel_filters(bank.bands())), frames(200 * 32), work(kLogMelWork);
  Buffer<float> largest(16, -1e30f), out(size(16 * n_mels));
  std::vector<float> mel;
  for (int t = 0; t < kFrames; t += 16) {
    npu::pack_mel_frames(std::span(padded).subspan(size(160 * t), 160 * 15 + 400), frames.data());
    call("log_mel_frames_16", {frames.bytes(), filters.bytes(), work.bytes(), out.bytes(), largest.bytes()}, {n_mels});
    for (int lane = 0; lane < 16; ++lane) {
      for (int m = 0; m < n_mels; ++m) mel.push_back(out[size(m * 16 + lane)]);
    }
  }
  mel.resize(size(kFrames * n_mels));
  normalise(mel, *std::max_element(mel.begin(), mel.end()));
  return mel;
}

// The CPU's encoder on another log-mel than it is given.
class OtherMel : public Backend {
 public:
  OtherMel(std::unique_ptr<Backend> real, std::vector<float> mel, double* correlation)
      : real_(std::move(real)), mel_(std::move(mel)), correlation_(correlation) {}
  Result<void> encode(std::span<const float> mel, EncoderOutput& out) override {
    EXPECT_EQ(mel.size(), mel_.size());
    const size_t n_mels = mel.size() / 3000;
    for (size_t f = 0; f < mel.size(); f += n_mels) {  // what follows a sound is zeros, not silence
      const auto frame = mel.subspan(f, n_mels);
      if (std::ranges::count(frame, 0.0f) == std::ssize(frame)) std::fill_n(mel_.data() + f, n_mels, 0.0f);
    }
    Doubles given(mel.begin(), mel.end());  // of one sound, or its windows were cut
    double mean = 0;
    for (double v : given) mean += v / static_cast<double>(given.size());
    std::vector<double> mine(mel_.begin(), mel_.end());
    for (double& v : given) v -= mean;
    for (double& v : mine) v -= mean;
    *correlation_ = error_of(mine, given).cosine;
    return real_->encode(mel_, out);
  }
  RanOn ran_on() const override { return real_->ran_on(); }

 private:
  std::unique_ptr<Backend> real_;
  std::vector<float> mel_;
  double* correlation_;
};

// What the sixteen-bit log-mel leads to, in words.
TEST(RealSound, LogMelOfTheArrayIsHeardAsTheEngines) {
  const Kernels kernels = choose_kernels(best_isa());
  ThreadPool pool(2);
  const std::shared_ptr<const Model> model =
      *Model::from_bytes(builtin_model_bytes(), "builtin", ComputeType::int8, pool);
  const Context context{&kernels, &pool};
  int heard = 0, same = 0;
  for (int i = 1; i <= 35; ++i) {
    const std::string name = fmt::format("{}-{:02}.flac", i <= 27 ? "short" : "noisy", i);
    double correlation = 0;
    const auto hear = [&](std::unique_ptr<Backend> backend) {
      Transcriber transcriber(model, false, context, std::move(backend));  // one window, from the beginning
      Recording sound = *open_recording(testing::repository_dir() / "tests/data/speech" / name, {});
      return transcriber.run(sound, {}, {})->text;
    };
    const std::string want = hear(make_cpu_backend(model->weights(), context));
    const std::string got =
        hear(std::make_unique<OtherMel>(make_cpu_backend(model->weights(), context),
                                        fixed_point_mel(recording(name.c_str()), model->filter_bank()), &correlation));
    EXPECT_FALSE(want.empty()) << name;
    EXPECT_GT(correlation, 0.999) << name;
    ++heard;
    if (got == want) {
      ++same;
    } else {
      std::printf("%s: \"%s\" from the array's log-mel, \"%s\" from the engine's\n", name.c_str(), got.c_str(),
                  want.c_str());
    }
  }
  std::printf("%d of %d recordings are heard word for word as from the engine's log-mel\n", same, heard);
  EXPECT_EQ(same, heard);
}

}  // namespace
}  // namespace shorthand
