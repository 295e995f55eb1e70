// SPDX-License-Identifier: Apache-2.0
#include "model/random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>

#include "base/philox.h"
#include "model/arithmetic.h"
#include "model/checkpoint.h"
#include "model/ggml.h"
#include "model/sha256.h"
#include "support/shared_data.h"
#include "support/temporary_directory.h"
#include "support/tiny_model.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;
using shorthand::testing::model_bytes;
using shorthand::testing::shared_data_dir;
using shorthand::testing::TemporaryDirectory;
using shorthand::testing::tiny_model;
using ::testing::HasSubstr;

// The known answers of the Random123 library (kat_vectors, "philox4x32 10").
TEST(PhiloxTest, GivesThePublishedNumbers) {
  constexpr uint32_t kAll = 0xffffffff;
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({kAll, kAll, kAll, kAll}, {kAll, kAll}),
            (std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (std::array<uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(ExactTest, AgreesWithTheCLibrary) {
  for (double x = 1e-10; x < 1e10; x *= 1.0137) {
    ASSERT_NEAR(exact::log(x), std::log(x), 4e-16 * std::max(1.0, std::fabs(std::log(x)))) << x;
  }
  for (double x = 0.9; x < 1.1; x += 1.7e-4)
    ASSERT_NEAR(exact::log(x), std::log(x), 1e-15 * std::fabs(std::log(x)) + 1e-30);
  EXPECT_EQ(exact::log(1.0), 0.0);
  for (double x = -700; x < 700; x += 0.37) ASSERT_NEAR(exact::exp(x) / std::exp(x), 1.0, 1e-15) << x;
  for (double x = -3000; x < 10000; x += 0.71) {
    ASSERT_NEAR(exact::sin_cos(x).sin, std::sin(x), 1e-15) << x;
    ASSERT_NEAR(exact::sin_cos(x).cos, std::cos(x), 1e-15) << x;
  }
}

TEST(NormalsTest, AreNormal) {
  // Counts in 40 slices against the normal distribution's; chi-square with 39 degrees exceeds 80 once in 10,000.
  constexpr int kCount = 400'000, kSlices = 40;
  std::vector<int> slices(kSlices);
  double sum = 0, squares = 0, products = 0, before = 0;
  for (uint32_t row = 0; row < 400; ++row) {
    exact::Normals n(99, 5, 0, row);
    for (int i = 0; i < kCount / 400; ++i) {
      const double x = n.next();
      const double below = 0.5 * std::erfc(-x / std::sqrt(2.0));
      ++slices[static_cast<size_t>(std::min(below * kSlices, kSlices - 1.0))];
      sum += x;
      squares += x * x;
      products += x * before;
      before = x;
    }
  }
  double chi = 0;
  for (int s : slices) chi += std::pow(s - kCount / kSlices, 2) / (kCount / kSlices);
  EXPECT_LT(chi, 80.0);
  const double sigma = 1 / std::sqrt(kCount);
  EXPECT_NEAR(sum / kCount, 0, 4 * sigma);
  EXPECT_NEAR(squares / kCount, 1, 4 * std::sqrt(2.0) * sigma);
  EXPECT_NEAR(products / kCount, 0, 4 * sigma);
}

TEST(NormalsTest, StreamsAreTheirOwn) {
  std::map<double, int> first;
  for (const auto& [seed, tensor, purpose, row] :
       {std::array<uint32_t, 4>{1, 0, 0, 0}, {2, 0, 0, 0}, {1, 1, 0, 0}, {1, 0, 1, 0}, {1, 0, 0, 1}})
    ++first[exact::Normals(seed, tensor, purpose, row).next()];
  EXPECT_EQ(first.size(), 5u);
  EXPECT_EQ(exact::Normals(1, 0, 0, 0).next(), exact::Normals(1, 0, 0, 0).next());
  EXPECT_NE(exact::Normals(1, 0, 0, 0).next(), exact::Normals(1ull << 32 | 1, 0, 0, 0).next());
}

std::vector<float> read(const Checkpoint& c, const std::string& name) {
  const Shape shape = c.tensors.at(name).shape;
  std::vector<float> out(shape.elements());
  EXPECT_TRUE(c.read_tensor(name, shape, out).ok()) << name;
  return out;
}
double deviation(const std::vector<float>& v) {
  double sum = 0, squares = 0;
  for (float x : v) sum += x, squares += double(x) * x;
  const double mean = sum / double(v.size());
  return std::sqrt(squares / double(v.size()) - mean * mean);
}

TEST(RandomModelTest, SpreadsAreThoseOfTheScheme) {
  RandomModel m = tiny_model();
  m.eot_after = 0;
  m.matrices = DType::f32;
  const auto bytes = model_bytes(m);
  const auto c = parse_ggml(bytes, "r");
  ASSERT_TRUE(c.ok()) << c.error().message;
  // N * gain / sqrt(fan_in) * exp(0.25 N): the root mean square of the last factor is exp(0.0625).
  const double spread = std::exp(0.0625);
  const auto expect = [&](const char* name, double gain, double fan_in) {
    EXPECT_NEAR(deviation(read(*c, name)) / (gain / std::sqrt(fan_in) * spread), 1.0, 0.15) << name;
  };
  expect("encoder.conv2.weight", 3, 3 * 64);
  expect("encoder.blocks.0.attn.key.weight", 2, 64);
  expect("encoder.blocks.0.attn.value.weight", 1, 64);
  expect("encoder.blocks.0.attn.out.weight", 0.5, 64);
  expect("encoder.blocks.0.mlp.0.weight", 1.5, 64);
  expect("encoder.blocks.0.mlp.2.weight", 1, 256);
  expect("decoder.blocks.0.attn.query.weight", 2, 64);
  expect("decoder.blocks.0.attn.out.weight", 0.7, 64);
  expect("decoder.blocks.0.cross_attn.query.weight", 2.5, 64);
  expect("decoder.blocks.0.cross_attn.out.weight", 0.7, 64);
  expect("decoder.blocks.0.mlp.0.weight", 1.5, 64);
  expect("decoder.blocks.0.mlp.2.weight", 2, 256);
  EXPECT_NEAR(deviation(read(*c, "decoder.positional_embedding")), 0.15, 0.02);
  EXPECT_NEAR(deviation(read(*c, "encoder.blocks.0.mlp.0.bias")), 0.05, 0.02);
  auto embedding = read(*c, "decoder.token_embedding.weight");
  const std::vector<float> special(embedding.begin() + long(m.pieces.size() * 64), embedding.end());
  embedding.resize(m.pieces.size() * 64);
  EXPECT_NEAR(deviation(embedding), 0.05, 0.002);
  EXPECT_NEAR(deviation(special), 0.0125, 0.0005);
}

TEST(RandomModelTest, OutliersAreAShareOfTheChannels) {
  RandomModel m = tiny_model();
  m.outliers = 0.25;
  const auto bytes = model_bytes(m);
  const auto c = parse_ggml(bytes, "r");
  int large = 0;
  for (float g : read(*c, "decoder.ln.weight")) {
    EXPECT_GE(g, 0.3f);
    large += g > 2.0f;  // 1 + 0.15 N reaches 2 at 6.7 standard deviations; times 4 it falls below at -3.3
  }
  EXPECT_EQ(large, 16);
}

TEST(RandomModelTest, EncoderPositionsAreTheSinusoids) {
  const auto bytes = model_bytes(tiny_model());
  const auto c = parse_ggml(bytes, "r");
  const auto positions = read(*c, "encoder.positional_embedding");
  for (size_t t = 0; t < 6; ++t) {
    for (size_t i = 0; i < 32; ++i) {
      const double angle = double(t) * std::pow(10000.0, -double(i) / 31.0);
      ASSERT_NEAR(positions[t * 64 + i], std::sin(angle), 1e-7);
      ASSERT_NEAR(positions[t * 64 + 32 + i], std::cos(angle), 1e-7);
    }
  }
}

TEST(RandomModelTest, EndOfTextIsForcedFromThePromptAndTheCountOn) {
  for (const bool english : {false, true}) {
    RandomModel m = tiny_model(english);
    const auto bytes = model_bytes(m);
    const auto c = parse_ggml(bytes, "r");
    const auto positions = read(*c, "decoder.positional_embedding");
    const auto embedding = read(*c, "decoder.token_embedding.weight");
    const size_t eot = m.pieces.size(), forced = (english ? 2 : 4) + 5 - 1;
    for (size_t row = 0; row < 16; ++row) {
      double dot = 0, length = 0, own = 0;
      for (size_t i = 0; i < 64; ++i) {
        dot += double(positions[row * 64 + i]) * embedding[eot * 64 + i];
        length += double(positions[row * 64 + i]) * positions[row * 64 + i];
        own += double(embedding[eot * 64 + i]) * embedding[eot * 64 + i];
      }
      const double cosine = dot / std::sqrt(length * own);
      if (row >= forced) {
        EXPECT_GT(cosine, 0.999) << row;
        EXPECT_NEAR(std::sqrt(length), 100 * 8, 5) << row;
      } else {
        EXPECT_LT(std::fabs(cosine), 0.6) << row;
        EXPECT_LT(std::sqrt(length), 3) << row;
      }
    }
  }
}

TEST(RandomModelTest, TheSameArgumentsGiveTheSameBytesOnEveryMachine) {
  RandomModel m = tiny_model();
  const auto one = model_bytes(m);
  std::vector<std::byte> three;
  ThreadPool pool(3);
  ASSERT_TRUE(write_random_model(m, pool, [&](std::span<const std::byte> b) -> Result<void> {
                three.insert(three.end(), b.begin(), b.end());
                return {};
              }).ok());
  EXPECT_EQ(one, three);
  // A change of this number is a change of every model that was ever made by seed.
  EXPECT_EQ(sha256(one), "9ba23781938ecfafbb50f0422f401f238ab4bc0fa2ef997234c3c4223d3465b3");
  m.seed = 4;
  EXPECT_NE(model_bytes(m), one);
}

TEST(RandomModelTest, WhatCannotBeIsRefused) {
  const auto message = [](const RandomModel& m) {
    ThreadPool pool(1);
    const auto r = write_random_model(m, pool, [](std::span<const std::byte>) { return Result<void>(); });
    return r.ok() ? std::string() : r.error().message;
  };
  RandomModel m = tiny_model();
  m.eot_after = 13;
  EXPECT_THAT(message(m), HasSubstr("0 to 12"));
  m.eot_after = 12;
  EXPECT_EQ(message(m), "");
  m.mel_filters.pop_back();
  EXPECT_THAT(message(m), HasSubstr("[4, 201]"));
  m = tiny_model();
  m.matrices = DType::bf16;
  EXPECT_THAT(message(m), HasSubstr("bf16"));
  m = tiny_model();
  m.pieces.resize(m.pieces.size() + 1);
  EXPECT_THAT(message(m), HasSubstr("0 languages"));
  EXPECT_THAT(random_config("giant", 100).error().message, HasSubstr("large-v3-turbo"));
}

TEST(RandomModelTest, AWriterThatFailsIsHeard) {
  ThreadPool pool(1);
  const auto r = write_random_model(fs::path("/dev/full"), tiny_model(), pool);
  ASSERT_FALSE(r.ok());
  EXPECT_THAT(r.error().message, HasSubstr("no space left"));
}

TEST(RandomModelTest, NamedSizesAreOpenAis) {
  EXPECT_EQ(random_config("base", 50257)->n_vocab, 51865);
  EXPECT_EQ(random_config("base.en", 50256)->n_vocab, 51864);
  EXPECT_EQ(random_config("large-v3", 50257)->n_vocab, 51866);
  EXPECT_EQ(size_name(*random_config("large-v3-turbo", 50257)), "turbo");
  EXPECT_EQ(random_config("distil-large-v3", 50257)->n_text_layer, 2);
  for (const auto name : random_sizes()) EXPECT_TRUE(check_config(*random_config(name, 50257), name).ok()) << name;
}

// An independent program decodes with the file: greedy search gives the tokens asked for, and then end of text.
TEST(RandomModelTest, TheNumPyReferenceStopsAfterTheTokensAskedFor) {
  SHORTHAND_NEEDS_SHARED("tools/reference_whisper.py");
  SHORTHAND_NEEDS_SHARED("data/models/vocab-multilingual.ggml.bin");
  if (std::system("/usr/bin/python3 -c 'import numpy' 2>/dev/null") != 0)
    GTEST_SKIP() << "needs /usr/bin/python3 with numpy";
  const auto file = MappedFile::open(shared_data_dir() / "data/models/vocab-multilingual.ggml.bin");
  auto header = read_ggml_header(file->bytes(), "vocabulary");
  ASSERT_TRUE(header.ok());
  RandomModel m;
  m.config = *random_config("micro", header->pieces.size());
  m.pieces = header->pieces;
  m.mel_filters = header->mel_filters;
  m.eot_after = 7;
  TemporaryDirectory dir;
  ThreadPool pool(2);
  ASSERT_TRUE(write_random_model(dir.path / "m.bin", m, pool).ok());
  const std::string command = "/usr/bin/python3 '" + (shared_data_dir() / "tools/reference_whisper.py").string() +
                              "' '" + (dir.path / "m.bin").string() + "' '" +
                              (shared_data_dir() / "data/audio/jfk.wav").string() + "' '" +
                              (dir.path / "out").string() + "' --greedy 8 > /dev/null";
  ASSERT_EQ(std::system(command.c_str()), 0);
  std::ifstream in(dir.path / "out.logits.npy", std::ios::binary);
  const std::string npy((std::istreambuf_iterator<char>(in)), {});
  const size_t columns = static_cast<size_t>(m.config.n_vocab), rows = 9;
  ASSERT_GT(npy.size(), rows * columns * 4);
  const char* data = npy.data() + npy.size() - rows * columns * 4;  // .npy: a header, then the array
  for (size_t row = 0; row < rows; ++row) {
    std::vector<float> logits(columns);
    std::memcpy(logits.data(), data + row * columns * 4, columns * 4);
    const auto best = static_cast<size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    EXPECT_EQ(best == m.pieces.size(), row >= 7) << row << ": " << best;
    EXPECT_LE(best, m.pieces.size()) << row;
  }
}

}  // namespace
}  // namespace shorthand
