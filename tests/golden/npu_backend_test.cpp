// SPDX-License-Identifier: Apache-2.0
// The engine with its encoder on the simulated array: the same words as on the CPU, from the array's bytes alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "audio/log_mel.h"
#include "audio/recording.h"
#include "engine/builtin.h"
#include "engine/transcriber.h"
#include "support/shared_data.h"

namespace shorthand {
namespace {

struct Loaded {
  Kernels kernels = choose_kernels(best_isa());
  ThreadPool pool{2};
  std::shared_ptr<const Model> model;
  explicit Loaded(ComputeType type, EncoderRows rows = EncoderRows::mixed)
      : model(*Model::from_bytes(builtin_model_bytes(), "builtin", type, pool, rows)) {}
  Context context() { return {&kernels, &pool}; }
};

// Keeps what went in and what came out of one window, or hands back what it was given instead of computing.
class Recorder : public Backend {
 public:
  explicit Recorder(std::unique_ptr<Backend> real) : real_(std::move(real)) {}
  Result<void> encode(std::span<const float> mel, EncoderOutput& out) override {
    if (real_) {
      SHORTHAND_TRY(real_->encode(mel, out));
      kept.emplace_back(out.data.span().begin(), out.data.span().end());
    } else {
      std::ranges::copy(kept[next_++], out.data.data());
    }
    return {};
  }
  RanOn ran_on() const override { return real_ ? real_->ran_on() : RanOn{}; }

  std::vector<std::vector<float>> kept;

 private:
  std::unique_ptr<Backend> real_;
  size_t next_ = 0;
};

struct Heard {
  std::string text;
  RanOn on;
  std::vector<std::vector<float>> windows;
};

Heard hear(Loaded& loaded, std::unique_ptr<Backend> real, std::vector<std::vector<float>> windows = {}) {
  auto recorder = std::make_unique<Recorder>(std::move(real));
  Recorder* kept = recorder.get();
  kept->kept = std::move(windows);
  Transcriber transcriber(loaded.model, true, loaded.context(), std::move(recorder));
  Recording recording = *open_recording(testing::repository_dir() / "tests/data/speech/short-02.flac", {});
  const Result<Transcript> transcript = transcriber.run(recording, {}, {});
  EXPECT_TRUE(transcript.ok());
  return {transcript->text, transcriber.facts().encoded_on, kept->kept};
}

double relative(const std::vector<float>& got, const std::vector<float>& want) {
  double error = 0, power = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    error += std::pow(double{got[i]} - double{want[i]}, 2);
    power += std::pow(double{want[i]}, 2);
  }
  return std::sqrt(error / power);
}

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double aa = 0, bb = 0, ab = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    aa += double{a[i]} * double{a[i]}, bb += double{b[i]} * double{b[i]}, ab += double{a[i]} * double{b[i]};
  }
  return ab / std::sqrt(aa * bb);
}

TEST(NpuSimTest, HearsTheSameWordsAsTheCpu) {
  Loaded int8(ComputeType::int8), plain(ComputeType::int8, EncoderRows::plain), float32(ComputeType::float32);
  auto array = make_npu_sim_backend(plain.model->weights(), "npu1");
  ASSERT_TRUE(array.ok()) << array.error().message;
  const Heard npu = hear(plain, std::move(*array));
  const Heard cpu = hear(int8, make_cpu_backend(int8.model->weights(), int8.context()));
  const Heard exact = hear(float32, make_cpu_backend(float32.model->weights(), float32.context()));

  EXPECT_EQ(npu.text, cpu.text);
  EXPECT_FALSE(npu.text.empty());
  EXPECT_EQ(npu.on.device, "npu-sim:npu1");
  EXPECT_TRUE(npu.on.simulated);
  EXPECT_GT(npu.on.array_ms, 0);
  ASSERT_EQ(npu.windows.size(), exact.windows.size());
  const double from_array = relative(npu.windows[0], exact.windows[0]);
  const double from_cpu = relative(cpu.windows[0], exact.windows[0]);
  std::printf("array against CPU int8: %.4f\n", relative(npu.windows[0], cpu.windows[0]));
  std::printf(
      "encoder output against float32, relative L2: simulated npu1 %.4f, CPU int8 %.4f; %zu window(s), %.1f ms\n",
      from_array, from_cpu, npu.windows.size(), npu.on.array_ms);
  EXPECT_LT(from_array, 0.03);

  // The decoder has nothing but what the array left: other bytes, other words.
  std::vector<std::vector<float>> lost = npu.windows;
  EXPECT_EQ(hear(plain, nullptr, npu.windows).text, npu.text);
  std::fill_n(lost[0].begin(), 192 * 100, 0.0f);  // the first two seconds
  EXPECT_NE(hear(plain, nullptr, lost).text, npu.text);
}

// The built-in model for the array, for the CPU and in float32.
struct Models {
  Loaded plain{ComputeType::int8, EncoderRows::plain}, int8{ComputeType::int8}, float32{ComputeType::float32};
};

// Encoders of a model's first layers, against the whole arithmetic in float32: of the array, `given` one of the int8
// models, and of the CPU's int8.
struct Losses {
  double array, cpu, array_cosine, cpu_cosine;
};
Losses losses_of(Models& models, const Loaded& given, size_t layers, std::span<const float> mel) {
  const auto first = [layers](const Loaded& loaded) {
    Weights w = loaded.model->weights();
    w.encoder.resize(layers);
    w.config.n_audio_layer = static_cast<int>(layers);
    return w;
  };
  const auto encoded = [&](Backend& backend) {
    EncoderOutput out(models.int8.model->config());
    EXPECT_TRUE(backend.encode(mel, out));
    return std::vector<float>(out.data.span().begin(), out.data.span().end());
  };
  const Weights i8 = first(models.int8), f32 = first(models.float32);
  const std::vector<float> exact = encoded(*make_cpu_backend(f32, models.float32.context()));
  const std::vector<float> cpu = encoded(*make_cpu_backend(i8, models.int8.context()));
  const std::vector<float> npu = encoded(**make_npu_sim_backend(first(given), "npu1"));
  return {relative(npu, exact), relative(cpu, exact), cosine(npu, exact), cosine(cpu, exact)};
}

// The first 30 s of a recording, as loud as `gain` makes them.
Mel mel_of(Loaded& loaded, const std::string& name, float gain) {
  const LogMel log_mel(*loaded.kernels.log_mel, loaded.model->filter_bank());
  Recording recording = *open_recording(testing::repository_dir() / "tests/data/speech" / name, {});
  std::vector<float> pcm(30 * 16000);
  pcm.resize(*recording.read(0, pcm));
  for (float& v : pcm) v *= gain;
  return log_mel.piece(pcm, 0, 2 * loaded.model->config().n_audio_ctx, &loaded.pool);
}

// The stream after each layer, through the last LayerNorm: encoders of one layer, of two, ... of the model's weights.
// Its rows are not mixed, as the CPU's are: the bounds are what the array has reached, and a little more.
TEST(NpuSimTest, StaysNearToFloatAfterEachLayer) {
  Models models;
  const Mel mel = mel_of(models.int8, "long-1.flac", 1);
  for (size_t layers = 1; layers <= models.int8.model->weights().encoder.size(); ++layers) {
    const Losses l = losses_of(models, models.plain, layers, mel.values.span());
    std::printf("after layer %zu, against float32: array relative L2 %.4f, cosine %.6f; CPU int8 %.4f, %.6f\n", layers,
                l.array, l.array_cosine, l.cpu, l.cpu_cosine);
    EXPECT_LT(l.array, 0.0140 + 0.0017 * static_cast<double>(layers));
    EXPECT_GT(l.array_cosine, 0.99978);
    EXPECT_LT(l.cpu, 0.6 * l.array);
  }
}

// One recording tells little: 1 % softer, and other values round up, which moves its loss by several percent. So the
// mean over recordings and loudnesses.
TEST(NpuSimTest, StaysNearToFloatOnTheWhole) {
  Models models;
  double array = 0, cpu = 0;
  int samples = 0;
  for (const char* name :
       {"long-1.flac", "long-2.flac", "long-3.flac", "short-02.flac", "noisy-28.flac", "noisy-33.flac"}) {
    for (float gain : {1.0f, 0.96f, 0.92f}) {
      const Losses l = losses_of(models, models.plain, 1, mel_of(models.int8, name, gain).values.span());
      array += l.array, cpu += l.cpu, ++samples;
    }
  }
  std::printf("after layer 1, mean of %d: array relative L2 %.5f, CPU int8 %.5f, ratio %.4f\n", samples,
              array / samples, cpu / samples, array / cpu);
  EXPECT_LT(array / samples, 0.0124);
}

// Mixed weights, which are all that a native file holds, are rounded twice: they serve, and lose more.
TEST(NpuSimTest, TakesMixedWeightsAtALoss) {
  Models models;
  const Mel mel = mel_of(models.int8, "short-02.flac", 1);
  const size_t layers = models.int8.model->weights().encoder.size();
  const double mixed = losses_of(models, models.int8, layers, mel.values.span()).array;
  const double plain = losses_of(models, models.plain, layers, mel.values.span()).array;
  std::printf("against float32, relative L2: of mixed weights %.4f, of plain ones %.4f\n", mixed, plain);
  EXPECT_GT(mixed, 1.02 * plain);
  EXPECT_LT(mixed, 0.0132);
}

TEST(NpuSimTest, RefusesWhatTheArrayDoesNotCompute) {
  Loaded float32(ComputeType::float32);
  const auto refused = make_npu_sim_backend(float32.model->weights(), "npu1");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, Error::Kind::usage);
  Loaded int8(ComputeType::int8);
  EXPECT_FALSE(make_npu_sim_backend(int8.model->weights(), "npu9").ok());
}

}  // namespace
}  // namespace shorthand
