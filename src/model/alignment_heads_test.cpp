// SPDX-License-Identifier: Apache-2.0
#include "model/alignment_heads.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "model/random.h"
#include "support/real_models.h"

namespace shorthand {
namespace {

using Heads = std::vector<std::pair<int, int>>;

TEST(AlignmentHeadsTest, EveryModelOfOpenAisHasItsOwn) {
  // How many each has, by openai/whisper's masks.
  const struct {
    const char* size;
    size_t count;
    std::pair<int, int> first, last;
  } models[] = {
      {"tiny.en", 8, {1, 0}, {3, 4}},       {"tiny", 6, {2, 2}, {3, 5}},           {"base.en", 5, {3, 3}, {5, 7}},
      {"base", 8, {3, 1}, {5, 6}},          {"small.en", 19, {6, 6}, {11, 4}},     {"small", 10, {5, 3}, {10, 5}},
      {"medium.en", 18, {11, 4}, {21, 12}}, {"medium", 6, {13, 15}, {23, 4}},      {"large-v2", 23, {10, 12}, {27, 15}},
      {"large-v3", 10, {7, 0}, {25, 6}},    {"large-v3-turbo", 6, {2, 4}, {3, 14}}};
  for (const auto& m : models) {
    SCOPED_TRACE(m.size);
    const bool english = std::string_view(m.size).ends_with(".en");
    const auto config = random_config(m.size, english ? 50256 : 50257);
    ASSERT_TRUE(config.ok()) << config.error().message;
    EXPECT_EQ(model_name(*config, english), m.size);
    const AlignmentHeads found = alignment_heads_of(*config, english, {});
    EXPECT_EQ(found.source, AlignmentSource::name);
    ASSERT_EQ(found.heads.size(), m.count);
    EXPECT_EQ(found.heads.front(), m.first);
    EXPECT_EQ(found.heads.back(), m.last);
    EXPECT_TRUE(std::ranges::is_sorted(found.heads));
    for (const auto& [layer, head] : found.heads) {
      EXPECT_LT(layer, config->n_text_layer);
      EXPECT_LT(head, config->n_text_head);
    }
  }
}

TEST(AlignmentHeadsTest, TheFilesComeFirstIfTheyCanBe) {
  const Config config = *random_config("tiny", 50257);
  GenerationConfig generation;
  generation.alignment_heads = Heads{{0, 5}, {3, 1}};
  EXPECT_EQ(alignment_heads_of(config, false, generation).heads, (Heads{{0, 5}, {3, 1}}));
  EXPECT_EQ(alignment_heads_of(config, false, generation).source, AlignmentSource::file);
  for (const Heads& bad : {Heads{}, Heads{{0, 5}, {4, 1}}, Heads{{0, 6}}, Heads{{-1, 0}}, Heads{{0, -1}}}) {
    generation.alignment_heads = bad;
    EXPECT_EQ(alignment_heads_of(config, false, generation).source, AlignmentSource::name);
  }
}

TEST(AlignmentHeadsTest, OfAModelThatNobodyKnowsTheUpperHalf) {
  Config config = *random_config("large-v3", 50257);
  config.n_text_layer = 2;  // distil-large-v3
  const AlignmentHeads found = alignment_heads_of(config, false, {});
  EXPECT_EQ(found.source, AlignmentSource::upper_half);
  ASSERT_EQ(found.heads.size(), 20u);
  for (int head = 0; head < 20; ++head) EXPECT_EQ(found.heads[static_cast<size_t>(head)], (std::pair{1, head}));
  config.n_text_layer = 3;  // as the reference counts: layers 1 and 2
  EXPECT_EQ(alignment_heads_of(config, false, {}).heads.size(), 40u);
  config.n_text_layer = 1;
  EXPECT_EQ(alignment_heads_of(config, false, {}).heads.front(), (std::pair{0, 0}));
}

// The converter wrote down what transformers knew of the model; that is another hand's copy of the table.
TEST(AlignmentHeadsTest, RealFoldersNameTheHeadsOfTheTable) {
  for (const char* name : {"base", "tiny.en"}) {
    SHORTHAND_NEEDS_REAL_MODEL(name);
    const auto c = open_checkpoint(testing::real_model(name));
    ASSERT_TRUE(c.ok()) << c.error().message;
    ASSERT_TRUE(c->generation.alignment_heads);
    EXPECT_EQ(model_name(c->config, c->english_only), name);
    EXPECT_EQ(alignment_heads_of(c->config, c->english_only, {}).heads, *c->generation.alignment_heads) << name;
  }
}

}  // namespace
}  // namespace shorthand
