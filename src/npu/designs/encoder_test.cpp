// SPDX-License-Identifier: Apache-2.0
// The encoder on the simulated array against the formulas in double precision, with weights as they are after their
// quantisation and activations as they are before it.
#include "npu/designs/encoder.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "npu/check.h"
#include "support/arrays.h"

namespace shorthand::npu {
namespace {

using shorthand::testing::Random;
using Matrix = std::vector<double>;  // rows one after the other

size_t at(int n) { return static_cast<size_t>(n); }

struct Linear {
  std::vector<int8_t> weights;
  std::vector<float> scales, bias;
  int in;
  Linear(Random& random, int n, int k) : in(k) {
    weights = random.integers<int8_t>(at(n * k), -127, 127);
    for (int i = 0; i < n; ++i) scales.push_back(random.uniform(0.5f, 1.5f) / 73 / std::sqrt(static_cast<float>(k)));
    bias = random.floats(at(n));
    for (float& b : bias) b *= 0.1f;
  }
  LinearWeights view() const { return {weights, scales, bias}; }
  Matrix of(const Matrix& x) const {
    Matrix y;
    for (size_t r = 0; r < x.size() / at(in); ++r) {
      for (size_t o = 0; o < scales.size(); ++o) {
        double sum = 0;
        for (size_t i = 0; i < at(in); ++i) sum += x[r * at(in) + i] * weights[o * at(in) + i];
        y.push_back(sum * scales[o] + bias[o]);
      }
    }
    return y;
  }
};

struct Norm {
  std::vector<float> gamma, beta;
  Norm(Random& random, int d) {
    for (int i = 0; i < d; ++i)
      gamma.push_back(random.uniform(0.5f, 1.5f)), beta.push_back(random.uniform(-0.2f, 0.2f));
  }
  NormWeights view() const { return {gamma, beta}; }
  Matrix of(const Matrix& x) const {
    const size_t d = gamma.size();
    Matrix y(x.size());
    for (size_t r = 0; r < x.size() / d; ++r) {
      double mean = 0, variance = 0;
      for (size_t i = 0; i < d; ++i) mean += x[r * d + i] / static_cast<double>(d);
      for (size_t i = 0; i < d; ++i) variance += std::pow(x[r * d + i] - mean, 2) / static_cast<double>(d);
      for (size_t i = 0; i < d; ++i)
        y[r * d + i] = (x[r * d + i] - mean) / std::sqrt(variance + 1e-5) * gamma[i] + beta[i];
    }
    return y;
  }
};

struct Layer {
  Norm first, second;
  Linear query, key, value, out, mlp1, mlp2;
  Layer(Random& r, int d)
      : first(r, d),
        second(r, d),
        query(r, d, d),
        key(r, d, d),
        value(r, d, d),
        out(r, d, d),
        mlp1(r, 4 * d, d),
        mlp2(r, d, 4 * d) {}
};

Matrix attend(const Matrix& q, const Matrix& k, const Matrix& v, size_t d) {
  Matrix out(q.size());
  const size_t n = q.size() / d;
  for (size_t h = 0; h < d; h += 64) {
    for (size_t r = 0; r < n; ++r) {
      Matrix w(n);
      double sum = 0;
      for (size_t j = 0; j < n; ++j) {
        double dot = 0;
        for (size_t i = h; i < h + 64; ++i) dot += q[r * d + i] * k[j * d + i];
        sum += w[j] = std::exp(dot / 8);
      }
      for (size_t j = 0; j < n; ++j) {
        for (size_t i = h; i < h + 64; ++i) out[r * d + i] += w[j] / sum * v[j * d + i];
      }
    }
  }
  return out;
}

Matrix gelu(Matrix x) {
  for (double& v : x) v *= 0.5 * (1 + std::erf(v / std::sqrt(2.0)));
  return x;
}

// Rows of three rows each: those before, at and after every `stride`-th, zeros beyond the ends.
Matrix around(const Matrix& x, int width, int stride) {
  const int n = static_cast<int>(x.size()) / width;
  Matrix out;
  for (int r = 0; r < n; r += stride) {
    for (int i = r - 1; i <= r + 1; ++i) {
      for (int c = 0; c < width; ++c) out.push_back(i < 0 || i >= n ? 0 : x[at(i * width + c)]);
    }
  }
  return out;
}

// Weights and a window, drawn in one order.
struct RandomEncoder {
  Random random{17};
  std::vector<Layer> layers;
  Norm last;
  Linear conv1, conv2;
  std::vector<float> mel, positions;
  std::vector<LayerWeights> views;

  explicit RandomEncoder(const EncoderShape& s)
      : layers(draw_layers(random, s)),
        last(random, s.d),
        conv1(random, s.d, 3 * s.n_mels),
        conv2(random, s.d, 3 * s.d),
        mel(random.floats(at(s.n_mels * 2 * s.n_ctx))),
        positions(random.floats(at(s.n_ctx * s.d))) {
    for (const Layer& l : layers) {
      views.push_back({l.first.view(), l.second.view(), l.query.view(), l.key.view(), l.value.view(), l.out.view(),
                       l.mlp1.view(), l.mlp2.view()});
    }
  }
  EncoderWeights weights() const { return {conv1.view(), conv2.view(), positions, views, last.view()}; }

 private:
  static std::vector<Layer> draw_layers(Random& random, const EncoderShape& s) {
    std::vector<Layer> out;
    for (int i = 0; i < s.layers; ++i) out.emplace_back(random, s.d);
    return out;
  }
};

struct Case {
  const char* device;
  EncoderShape shape;
};
class EncoderTest : public ::testing::TestWithParam<Case> {};

TEST_P(EncoderTest, IsTheFormulas) {
  const Device device = *find_device(GetParam().device);
  const EncoderShape s = GetParam().shape;
  const RandomEncoder r(s);
  const std::vector<Layer>& layers = r.layers;
  const Norm& last = r.last;
  const Linear &conv1 = r.conv1, &conv2 = r.conv2;
  const std::vector<float>&mel = r.mel, &positions = r.positions;
  const EncoderWeights weights = r.weights();
  const Result<PreparedEncoder> encoder = prepare_encoder(device, s, {}, weights);
  ASSERT_TRUE(encoder.ok()) << encoder.error().message;
  const Result<EncoderRun> got = run_encoder(*encoder, mel, {});
  ASSERT_TRUE(got.ok()) << got.error().message;

  Matrix frames;
  for (int f = 0; f < 2 * s.n_ctx; ++f) {
    for (int c = 0; c < s.n_mels; ++c) frames.push_back(mel[at(f * s.n_mels + c)]);
  }
  Matrix x = gelu(conv2.of(around(gelu(conv1.of(around(frames, s.n_mels, 1))), s.d, 2)));
  for (size_t i = 0; i < x.size(); ++i) x[i] += positions[i];
  for (const Layer& l : layers) {
    const Matrix n = l.first.of(x);
    const Matrix o = l.out.of(attend(l.query.of(n), l.key.of(n), l.value.of(n), at(s.d)));
    for (size_t i = 0; i < x.size(); ++i) x[i] += o[i];
    const Matrix h = l.mlp1.of(l.second.of(x));
    const Matrix f = l.mlp2.of(gelu(h));
    for (size_t i = 0; i < x.size(); ++i) x[i] += f[i];
  }
  const Matrix want = last.of(x);
  double error = 0, power = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    error += std::pow(got->output[i] - want[i], 2);
    power += want[i] * want[i];
  }
  fmt::print("simulated: {} encoder, relative L2 {:.4f}, {} cycles\n", device.name, std::sqrt(error / power),
             got->report.cycles);
  EXPECT_LT(std::sqrt(error / power), 0.02);

  SimOptions timing;
  timing.timing_only = true;
  const Result<EncoderRun> again = run_encoder(*encoder, {}, timing);
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(again->report.cycles, got->report.cycles);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, EncoderTest,
    ::testing::Values(Case{"npu1", {.n_mels = 80, .n_ctx = 150, .d = 128, .heads = 2, .layers = 2}},
                      Case{"npu1_1col", {.n_mels = 80, .n_ctx = 70, .d = 64, .heads = 1, .layers = 1}},
                      Case{"npu1_2col", {.n_mels = 128, .n_ctx = 192, .d = 128, .heads = 2, .layers = 1}},
                      // Three tiles a column: the third is one of two rows of blocks at once.
                      Case{"npu1_2col", {.n_mels = 80, .n_ctx = 300, .d = 384, .heads = 6, .layers = 1}},
                      Case{"npu1", {.n_mels = 128, .n_ctx = 260, .d = 768, .heads = 12, .layers = 1}},
                      // Rows of the second product are quantised as they come.
                      Case{"npu1", {.n_mels = 80, .n_ctx = 70, .d = 704, .heads = 11, .layers = 1}},
                      Case{"npu1_2col", {.n_mels = 80, .n_ctx = 150, .d = 320, .heads = 5, .layers = 1}},
                      Case{"npu2", {.n_mels = 80, .n_ctx = 70, .d = 320, .heads = 5, .layers = 1}},
                      // Pieces of x are more than a result holds.
                      Case{"npu1", {.n_mels = 80, .n_ctx = 70, .d = 1088, .heads = 17, .layers = 1}},
                      Case{"npu2", {.n_mels = 80, .n_ctx = 150, .d = 128, .heads = 2, .layers = 1}}));

TEST(Encoder, FitsOnEveryArray) {
  const EncoderShape shapes[] = {{80, 1500, 384, 6, 4},
                                 {80, 1500, 512, 8, 6},
                                 {80, 1500, 768, 12, 12},
                                 {80, 1500, 1024, 16, 24},
                                 {128, 1500, 1280, 20, 32}};
  for (const char* name : {"npu1", "npu2", "npu1_1col", "npu1_2col"}) {
    const Device device = *find_device(name);
    for (const EncoderShape& s : shapes) {
      const Result<Design> design = encoder_design(device, s, {});
      ASSERT_TRUE(design.ok()) << design.error().message;
      const Result<Placement> placement = check(*design, device);
      EXPECT_TRUE(placement.ok()) << name << ", width " << s.d << ": " << placement.error().message;
    }
  }
}

// At full width the sequence's tasks are others than at a test's: none may wait for one that it holds back.
TEST(Encoder, EndsOnEveryArrayAtFullWidth) {
  SimOptions timing;
  timing.timing_only = true;
  struct Full {
    const char* device;
    int d, depth;
  };
  for (const auto& [name, d, depth] : {Full{"npu1", 512, 1},
                                       {"npu1", 768, 1},
                                       {"npu1_1col", 384, 2},
                                       {"npu1_2col", 512, 2},
                                       {"npu1_2col", 768, 2},
                                       {"npu2", 512, 2},
                                       {"npu2", 1280, 2}}) {
    const Device device = *find_device(name);
    const Result<Design> design = encoder_design(device, {80, 1500, d, d / 64, 1}, {.depth = depth});
    ASSERT_TRUE(design.ok()) << design.error().message;
    const Result<SimReport> report = simulate(*design, device, timing, {});
    EXPECT_TRUE(report.ok()) << name << ", width " << d << ": " << (report.ok() ? "" : report.error().message);
  }
}

// However it is cut into launches, and with one object a FIFO, the same bits come out.
TEST(Encoder, LaunchesAndBuffersChangeNoBit) {
  const Device device = *find_device("npu1_2col");
  const EncoderShape s{.n_mels = 80, .n_ctx = 300, .d = 384, .heads = 6, .layers = 2};
  const RandomEncoder r(s);
  const PreparedEncoder encoder = *prepare_encoder(device, s, {}, r.weights());
  const Result<EncoderRun> whole_run = run_encoder(encoder, r.mel, {});
  ASSERT_TRUE(whole_run.ok()) << whole_run.error().message;
  const EncoderRun& whole = *whole_run;
  const int all = static_cast<int>(encoder_operations(device, s)->size());
  ASSERT_EQ(all, kStemOperations + 2 * kLayerOperations + 1);
  const std::vector<int> by_layer{0, kStemOperations, kStemOperations + kLayerOperations, all};
  std::vector<int> by_operation;
  for (int i = 0; i <= all; ++i) by_operation.push_back(i);
  for (const auto& [cuts, depth] : {std::pair{by_operation, 2}, {by_layer, 2}, {by_layer, 1}, {{0, all}, 1}}) {
    SCOPED_TRACE(fmt::format("{} launches, depth {}", cuts.size() - 1, depth));
    std::vector<Design> launches;
    for (size_t i = 0; i + 1 < cuts.size(); ++i) {
      launches.push_back(
          *encoder_design(device, s, {.depth = depth, .first = cuts[i], .count = cuts[i + 1] - cuts[i]}));
    }
    const Result<EncoderRun> got = run_encoder(encoder, r.mel, {}, launches);
    ASSERT_TRUE(got.ok()) << got.error().message;
    EXPECT_EQ(got->output, whole.output);
    EXPECT_GT(got->report.cycles, whole.report.cycles);
    SimOptions timing;
    timing.timing_only = true;
    EXPECT_EQ(run_encoder(encoder, {}, timing, launches)->report.cycles, got->report.cycles);
  }
}

// Products take turns between banks with the objects that come along the rows and down the columns: each knows in which
// of two buffers it begins, and the next launch begins with the first.
TEST(Encoder, ObjectsAreAnEvenNumber) {
  for (const auto& [name, d] :
       {std::pair{"npu1", 320}, {"npu1", 768}, {"npu1_2col", 320}, {"npu1_2col", 384}, {"npu2", 320}}) {
    const Device device = *find_device(name);
    const EncoderShape s{.n_mels = 80, .n_ctx = 300, .d = d, .heads = d / 64, .layers = 1};
    const int all = static_cast<int>(encoder_operations(device, s)->size());
    for (int first = 0; first < all; ++first) {
      const Design design = *encoder_design(device, s, {.first = first});
      std::map<int, int64_t> words;
      for (const Action& a : design.sequence) {
        if (a.op != Action::Op::start || design.fifos[at(a.fifo)].name.starts_with("c_out")) continue;
        int64_t n = 1;
        for (const Dim& dim : a.pattern) n *= dim.size;
        words[a.fifo] += n;
      }
      for (const auto& [fifo, n] : words)
        EXPECT_EQ(n % (2 * design.fifos[at(fifo)].elements), 0) << name << ", width " << d << ": " << first;
    }
  }
}

// A launch of one tile leaves what the whole operation leaves there: its work is a part of the whole's.
TEST(Encoder, TilesAreAPartOfTheWork) {
  const EncoderShape s{.n_mels = 80, .n_ctx = 150, .d = 128, .heads = 2, .layers = 1};
  const Device npu1 = *find_device("npu1");
  Device core = npu1;
  core.columns = core.core_rows = 1;
  SimOptions timing;
  timing.timing_only = true;
  for (const Device& device : {npu1, core}) {
    const std::vector<EncoderOperation> operations = *encoder_operations(device, s);
    for (int i = 0; i < static_cast<int>(operations.size()); ++i) {
      const EncoderOperation& o = operations[at(i)];
      SCOPED_TRACE(fmt::format("{} of {} cores", o.name, device.cores()));
      auto calls = [&](bool tile) {
        const Result<Design> design = encoder_design(device, s, {.first = i, .count = 1, .tile = tile});
        EXPECT_TRUE(design.ok());
        const Result<SimReport> report = simulate(*design, device, timing, {});
        EXPECT_TRUE(report.ok()) << report.error().message;
        if (!report.ok()) return int64_t{-1};
        int64_t n = 0;
        for (const UnitReport& u : report->units) n += u.core ? u.calls : 0;
        return n;
      };
      const int64_t one = calls(true), whole = calls(false);
      EXPECT_NEAR(static_cast<double>(whole), static_cast<double>(one * o.rounds),
                  static_cast<double>(4 * (o.rounds - 1) * device.cores()));  // LayerNorm's parameters, zeros: once
      EXPECT_GE(o.rounds * device.cores(), o.tiles);
    }
  }
}

TEST(Encoder, RefusesWhatItCannotHold) {
  const Device device = *find_device("npu1");
  EXPECT_FALSE(encoder_design(device, {.n_mels = 80, .n_ctx = 1500, .d = 512, .heads = 6, .layers = 1}, {}).ok());
  EXPECT_FALSE(encoder_design(device, {.n_mels = 80, .n_ctx = 1500, .d = 1344, .heads = 21, .layers = 1}, {}).ok());
  EXPECT_FALSE(encoder_design(device, {}, {.depth = 0}).ok());
  EXPECT_FALSE(encoder_design(device, {}, {.depth = 3}).ok());
  EXPECT_FALSE(encoder_design(device, {}, {.first = 69, .count = 1}).ok());  // 8 + 6 * 10 + 1 operations
  EXPECT_TRUE(encoder_design(device, {}, {.first = 68, .count = 1}).ok());
  EXPECT_FALSE(encoder_design(device, {}, {.first = 68, .count = 2}).ok());
  EXPECT_FALSE(encoder_design(device, {}, {.first = 0, .count = 0}).ok());
}

}  // namespace
}  // namespace shorthand::npu
