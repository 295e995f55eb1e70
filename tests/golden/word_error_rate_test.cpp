// SPDX-License-Identifier: Apache-2.0
// The built-in model against the true texts of recordings it has not been trained on. Bounds are what was measured plus
// a little room; models/builtin/README.md has the whole table.
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "audio/recording.h"
#include "engine/builtin.h"
#include "engine/transcriber.h"
#include "support/shared_data.h"
#include "text/words.h"

namespace shorthand {
namespace {

struct Utterance {
  std::string file, text, kind;
};

std::vector<Utterance> utterances() {
  std::ifstream in(testing::repository_dir() / "tests/data/speech/texts.tsv");
  std::vector<Utterance> all;
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    const size_t a = line.find('\t'), b = line.find('\t', a + 1), c = line.find('\t', b + 1);
    all.push_back({line.substr(0, a), line.substr(a + 1, b - a - 1), line.substr(c + 1)});
  }
  return all;
}

// Wrong words over true words, for each kind of recording.
std::map<std::string, double> measure(ComputeType type, const TranscribeOptions& options) {
  const Kernels kernels = choose_kernels(best_isa());
  ThreadPool pool(physical_cores());
  const auto model = *Model::from_bytes(builtin_model_bytes(), "builtin", type, pool);
  const Context context{&kernels, &pool};
  Transcriber transcriber(model, true, context, make_cpu_backend(model->weights(), context));
  std::map<std::string, WordErrors> by_kind;
  for (const Utterance& u : utterances()) {
    Recording recording = *open_recording(testing::repository_dir() / "tests/data/speech" / u.file, {});
    const auto transcript = transcriber.run(recording, options, {});
    EXPECT_TRUE(transcript.ok()) << u.file;
    by_kind[u.kind] += word_errors(u.text, transcript->text);
  }
  std::map<std::string, double> rates;
  for (const auto& [kind, errors] : by_kind) {
    rates[kind] = errors.rate();
    std::printf("%s %s: %zu of %zu words wrong, %.1f %%\n", std::string(compute_type_name(type)).c_str(), kind.c_str(),
                errors.total(), errors.reference_words, 100 * errors.rate());
  }
  return rates;
}

class WordErrorRateTest : public ::testing::TestWithParam<ComputeType> {};

TEST_P(WordErrorRateTest, CutAtPausesAsTheProgramDoes) {
  const auto rates = measure(GetParam(), {});
  EXPECT_LE(rates.at("short"), 0.21);
  EXPECT_LE(rates.at("noisy"), 0.08);
  EXPECT_LE(rates.at("long"), 0.15);
}

// --skip-padding may change words, and hardly make more of them wrong.
TEST_P(WordErrorRateTest, WithoutPadding) {
  TranscribeOptions options;
  options.skip_padding = true;
  const auto rates = measure(GetParam(), options);
  EXPECT_LE(rates.at("short"), 0.21);
  EXPECT_LE(rates.at("noisy"), 0.08);
  EXPECT_LE(rates.at("long"), 0.16);
}

INSTANTIATE_TEST_SUITE_P(Types, WordErrorRateTest, ::testing::Values(ComputeType::int8, ComputeType::float32),
                         [](const auto& test) { return std::string(compute_type_name(test.param)); });

}  // namespace
}  // namespace shorthand
