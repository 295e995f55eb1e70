// SPDX-License-Identifier: Apache-2.0
#include "model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "model/tensors.h"

namespace shorthand {
namespace {

using ::testing::HasSubstr;

constexpr Config kTiny = {.n_vocab = 51865,
                          .n_audio_ctx = 1500,
                          .n_audio_state = 384,
                          .n_audio_head = 6,
                          .n_audio_layer = 4,
                          .n_text_ctx = 448,
                          .n_text_state = 384,
                          .n_text_head = 6,
                          .n_text_layer = 4,
                          .n_mels = 80};

TEST(ConfigTest, TheModelsThatExistPass) {
  EXPECT_TRUE(check_config(kTiny, "f").ok());
  Config large = kTiny;
  large.n_audio_state = large.n_text_state = 1280;
  large.n_audio_head = large.n_text_head = 20;
  large.n_audio_layer = 32;
  large.n_text_layer = 4;
  large.n_mels = 128;
  EXPECT_TRUE(check_config(large, "f").ok());
  EXPECT_EQ(size_name(large), "turbo");
  large.n_text_layer = 32;
  EXPECT_EQ(size_name(large), "large");
  EXPECT_EQ(size_name(kTiny), "tiny");
  large.n_text_layer = 2;
  EXPECT_EQ(size_name(large), "d 1280, 32+2 layers");
}

TEST(ConfigTest, EveryFieldIsBoundedOnBothSides) {
  const struct {
    const char* name;
    int Config::*field;
    int most;
  } fields[] = {{"n_vocab", &Config::n_vocab, 1'000'000},        {"n_audio_ctx", &Config::n_audio_ctx, 2048},
                {"n_audio_state", &Config::n_audio_state, 8192}, {"n_audio_head", &Config::n_audio_head, 128},
                {"n_audio_layer", &Config::n_audio_layer, 128},  {"n_text_ctx", &Config::n_text_ctx, 2048},
                {"n_text_state", &Config::n_text_state, 8192},   {"n_text_head", &Config::n_text_head, 128},
                {"n_text_layer", &Config::n_text_layer, 128},    {"n_mels", &Config::n_mels, 256}};
  for (const auto& f : fields) {
    for (const int bad : {0, -1, INT_MIN, INT_MAX, f.most + 1}) {
      Config c = kTiny;
      c.*f.field = bad;
      const auto result = check_config(c, "a.bin");
      ASSERT_FALSE(result.ok()) << f.name << " " << bad;
      EXPECT_THAT(result.error().message, HasSubstr("a.bin: " + std::string(f.name)));
    }
  }
}

TEST(ConfigTest, HeadsHaveSixtyFour) {
  Config c = kTiny;
  c.n_audio_head = 8;
  ASSERT_FALSE(check_config(c, "f").ok());
  EXPECT_EQ(check_config(c, "f").error().kind, Error::Kind::unsupported);
  EXPECT_THAT(check_config(c, "f").error().message, HasSubstr("heads of 64"));
  c = kTiny;
  c.n_text_state = 448;
  c.n_text_head = 7;
  EXPECT_THAT(check_config(c, "f").error().message, HasSubstr("384 wide and the decoder 448"));
  c = kTiny;
  c.n_mels = 81;
  EXPECT_FALSE(check_config(c, "f").ok());
  c = kTiny;
  c.n_audio_state = c.n_text_state = 416;  // 6.5 heads
  EXPECT_FALSE(check_config(c, "f").ok());
}

TEST(TensorsTest, TinyHasOpenAisTensorsAndParameters) {
  std::set<std::string> names;
  size_t parameters = 0;
  for_each_tensor(kTiny, [&](const std::string& name, const Shape& shape) {
    EXPECT_TRUE(names.insert(name).second) << name;
    parameters += shape.elements();
    if (name == "encoder.conv1.weight") {
      EXPECT_EQ(shape.text(), "[384, 80, 3]");
    }
    if (name == "decoder.blocks.3.mlp.2.weight") {
      EXPECT_EQ(shape.text(), "[384, 1536]");
    }
  });
  EXPECT_EQ(names.size(), 167u);       // the tensors of openai-whisper's tiny
  EXPECT_EQ(parameters, 37'760'640u);  // 37,184,640 trained ones and the encoder's 1500 x 384 sinusoids
  EXPECT_TRUE(names.contains("decoder.blocks.0.cross_attn.value.bias"));
  EXPECT_FALSE(names.contains("decoder.blocks.0.cross_attn.key.bias"));
  EXPECT_FALSE(names.contains("encoder.blocks.0.cross_attn.query.weight"));
}

}  // namespace
}  // namespace shorthand
