// SPDX-License-Identifier: Apache-2.0
// What int8 loses against float32 with real weights: `shorthand bench --phase accuracy --weights` on a few recordings,
// held to bounds. docs/numerics.md has the figures of all.
#include <gtest/gtest.h>

#include "../bench/losses.h"
#include "base/cpu.h"
#include "support/real_models.h"
#include "support/shared_data.h"

namespace shorthand::bench {
namespace {

struct Measured {
  double least_db = 1e9, least_row_db = 1e9, divergence = 0;
  int tokens = 0, flips = 0;
};

Measured measure(const std::string& model, std::initializer_list<std::pair<const char*, const char*>> recordings) {
  Measured all;
  auto meter = LossMeter::open(testing::real_model(model), physical_cores(), best_isa());
  EXPECT_TRUE(meter.ok()) << meter.error().message;
  for (const auto& [name, language] : recordings) {
    const auto loss = meter->measure(testing::shared_data_dir() / "data/speech" / name, language);
    EXPECT_TRUE(loss.ok()) << loss.error().message;
    std::printf("%s, %s: encoder %.1f dB, median position %.1f dB, mean KL %.2fe-3 of %d tokens, %d other choices\n",
                model.c_str(), name, loss->encoder_db, loss->encoder_row_db, 1e3 * loss->divergence / loss->tokens,
                loss->tokens, loss->flips);
    all.least_db = std::min(all.least_db, loss->encoder_db);
    all.least_row_db = std::min(all.least_row_db, loss->encoder_row_db);
    all.divergence += loss->divergence, all.tokens += loss->tokens, all.flips += loss->flips;
  }
  return all;
}

TEST(Int8LossTest, BaseIsNearToFloat) {
  SHORTHAND_NEEDS_SHARED("data/speech/index.tsv");
  SHORTHAND_NEEDS_REAL_MODEL("base");
  const Measured m = measure("base", {{"read-en-01.flac", "en"},
                                      {"read-en-13.flac", "en"},
                                      {"short-en-05.flac", "en"},
                                      {"spont-en-01.flac", "en"},
                                      {"de-03.flac", "de"},
                                      {"ja-02.flac", "ja"}});
  EXPECT_GE(m.least_db, 30);
  EXPECT_GE(m.least_row_db, 35);
  EXPECT_LE(m.divergence / m.tokens, 1e-3);
  EXPECT_LE(m.flips, 0.01 * m.tokens);
}

TEST(Int8LossTest, TinyIsNearToFloat) {
  SHORTHAND_NEEDS_SHARED("data/speech/index.tsv");
  SHORTHAND_NEEDS_REAL_MODEL("tiny.en");
  const Measured m =
      measure("tiny.en", {{"read-en-01.flac", "en"}, {"read-en-13.flac", "en"}, {"short-en-05.flac", "en"}});
  EXPECT_GE(m.least_db, 30);
  EXPECT_GE(m.least_row_db, 34.5);
  EXPECT_LE(m.divergence / m.tokens, 1e-3);
  EXPECT_LE(m.flips, 0.01 * m.tokens);
}

}  // namespace
}  // namespace shorthand::bench
