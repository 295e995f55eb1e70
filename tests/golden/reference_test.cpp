// SPDX-License-Identifier: Apache-2.0
// What the reference's own transcribe() returned, set by set: the same segments, times and tokens; numbers to a
// tolerance.
//
// Every set was kept only because its result survives noise of 2e-5 on the encoder's output, so that a float32 engine
// owes the same ids. Beam search and word times are not part of this test.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "audio/recording.h"
#include "engine/builtin.h"
#include "engine/transcriber.h"
#include "support/models.h"
#include "support/real_models.h"

namespace shorthand {
namespace {

using Json = nlohmann::json;

// One model and all that runs it; sets of one model share it.
struct Engine {
  Kernels kernels = choose_kernels(best_isa());
  ThreadPool pool{physical_cores()};
  std::shared_ptr<const Model> model;
  std::unique_ptr<Transcriber> transcriber;

  explicit Engine(const Json& which) {
    if (which == "builtin") {
      model = *Model::from_bytes(builtin_model_bytes(), "builtin", ComputeType::float32, pool);
    } else if (which.is_string()) {
      auto real = Model::open(testing::real_model(which.get<std::string>()), ComputeType::float32, pool);
      if (!real) {
        ADD_FAILURE() << real.error().message;
        return;
      }
      model = *std::move(real);
    } else {
      const std::string arguments = which["size"].get<std::string>() + " --seed " + which["seed"].dump() +
                                    " --eot-after " + which["eot_after"].dump() + " --embed-std " +
                                    which["embed_std"].dump() + " --special-gain " + which["special_gain"].dump();
      const auto path = testing::random_model(arguments);
      if (path.empty()) return;
      model = *Model::open(path, ComputeType::float32, pool);
    }
    const Context context{&kernels, &pool};
    transcriber = std::make_unique<Transcriber>(model, false, context, make_cpu_backend(model->weights(), context));
  }
};

Engine& engine_for(const Json& model) {
  static std::map<std::string, std::unique_ptr<Engine>> engines;
  auto& engine = engines[model.dump()];
  if (!engine) engine = std::make_unique<Engine>(model);
  return *engine;
}

std::vector<double> numbers(const Json& value) {  // [0.5, 4.0] or "1.5,6,8"
  if (value.is_array()) return value.get<std::vector<double>>();
  std::vector<double> out;
  std::stringstream parts(value.get<std::string>());
  for (std::string part; std::getline(parts, part, ',');) out.push_back(std::stod(part));
  return out;
}

std::optional<double> threshold(const Json& value) {
  return value.is_null() ? std::nullopt : std::optional(value.get<double>());
}

// The reference's names to ours. An option that is not known fails the test rather than be ignored.
TranscribeOptions options_from(const Json& given) {
  TranscribeOptions o;
  o.layout = Layout::sequential;
  o.end_as_reference = true;
  for (const auto& [name, value] : given.items()) {
    if (name == "temperature")
      o.decoding.temperatures = {value.get<double>()};
    else if (name == "language")
      o.language = value;
    else if (name == "task")
      o.task = value == "translate" ? Task::translate : Task::transcribe;
    else if (name == "condition_on_previous_text")
      o.condition_on_previous_text = value;
    else if (name == "without_timestamps")
      o.decoding.timestamps = !value.get<bool>();
    else if (name == "initial_prompt")
      o.initial_prompt = value;
    else if (name == "carry_initial_prompt")
      o.carry_initial_prompt = value;
    else if (name == "prefix")
      o.prefix = value;
    else if (name == "clip_timestamps")
      o.clips_s = numbers(value);
    else if (name == "suppress_blank")
      o.decoding.suppress_blank = value;
    else if (name == "max_initial_timestamp")
      o.decoding.max_initial_timestamp_s = threshold(value);
    else if (name == "sample_len")
      o.max_tokens = value;
    else if (name == "logprob_threshold")
      o.decoding.logprob_threshold = threshold(value);
    else if (name == "no_speech_threshold")
      o.decoding.no_speech_threshold = threshold(value);
    else if (name == "compression_ratio_threshold")
      o.decoding.compression_ratio_threshold = threshold(value);
    else if (name == "suppress_tokens") {
      o.suppress.clear();
      for (double id : numbers(value)) o.suppress.push_back(static_cast<int>(id));
    } else {
      ADD_FAILURE() << "option " << name << " is not translated";
    }
  }
  return o;
}

bool is_greedy(const Json& set) {
  return !set["options"].contains("beam_size") && !set["options"].contains("word_timestamps");
}

void compare(const Json& expected, const Transcript& got) {
  EXPECT_EQ(got.language, expected["language"].get<std::string>());
  EXPECT_EQ(got.text, expected["text"].get<std::string>());
  ASSERT_EQ(got.segments.size(), expected["segments"].size());
  for (size_t i = 0; i < got.segments.size(); ++i) {
    const Json& want = expected["segments"][i];
    const Segment& s = got.segments[i];
    SCOPED_TRACE("segment " + std::to_string(i));
    EXPECT_EQ(s.seek, want["seek"].get<int>());
    EXPECT_EQ(s.start, want["start"].get<double>());
    EXPECT_EQ(s.end, want["end"].get<double>());
    EXPECT_EQ(s.text, want["text"].get<std::string>());
    EXPECT_EQ(s.tokens, want["tokens"].get<std::vector<int>>());
    EXPECT_EQ(s.temperature, want["temperature"].get<double>());
    EXPECT_NEAR(s.avg_logprob, want["avg_logprob"].get<double>(), 1e-3);
    EXPECT_NEAR(s.compression_ratio, want["compression_ratio"].get<double>(), 1e-12);
    EXPECT_NEAR(s.no_speech_prob, want["no_speech_prob"].get<double>(),
                1e-3 * (1e-3 + want["no_speech_prob"].get<double>()));
    EXPECT_EQ(s.words.has_value(), want.contains("words"));
  }
}

// Every greedy set of data/golden/INDEX, whose files lie beside it.
void run_index(const std::string& index, const std::filesystem::path& audio_dir, int expected_sets) {
  const auto path = testing::shared_data_dir() / "data/golden" / index, folder = path.parent_path();
  const Json sets = Json::parse(std::ifstream(path));
  int done = 0;
  for (const Json& set : sets) {
    if (!is_greedy(set)) continue;
    SCOPED_TRACE(set["file"].get<std::string>());
    Engine& engine = engine_for(set["model"]);
    ASSERT_TRUE(engine.transcriber) << "cannot make " << set["model"].dump();
    Recording recording = *open_recording(audio_dir / set["audio"].get<std::string>(), {});
    const auto got = engine.transcriber->run(recording, options_from(set["options"]), {});
    ASSERT_TRUE(got.ok()) << got.error().message;
    compare(Json::parse(std::ifstream(folder / set["file"].get<std::string>())), *got);
    ++done;
  }
  EXPECT_EQ(done, expected_sets);
}

TEST(ReferenceTest, RandomModelsGiveEveryGreedySet) {
  SHORTHAND_NEEDS_SHARED("data/golden/reference/index.json");
  if (!testing::python_with_numpy()) GTEST_SKIP() << "needs python3 with NumPy to make the models";
  run_index("reference/index.json", testing::shared_data_dir() / "data/audio", 39);
}

TEST(ReferenceTest, TheBuiltinModelGivesEveryGreedySet) {
  SHORTHAND_NEEDS_SHARED("data/golden/reference/index-builtin.json");
  run_index("reference/index-builtin.json", testing::shared_data_dir() / "data", 24);
}

// OpenAI's weights as a CTranslate2 folder holds them, against OpenAI's program on the same weights.
TEST(ReferenceTest, RealBaseGivesEveryGreedySet) {
  SHORTHAND_NEEDS_SHARED("data/golden/real/index.json");
  SHORTHAND_NEEDS_REAL_MODEL("base");
  run_index("real/index.json", testing::shared_data_dir() / "data/audio", 5);
}

}  // namespace
}  // namespace shorthand
