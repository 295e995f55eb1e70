// SPDX-License-Identifier: Apache-2.0
#include "model/choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "support/temporary_directory.h"
#include "support/tiny_model.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;
using shorthand::testing::TemporaryDirectory;
using ::testing::HasSubstr;
using Language = Wanted::Language;

struct Published {
  const char* name;
  int width, encoder_layers, decoder_layers, n_mels, n_vocab;
};

// The sizes of OpenAI's and Distil-Whisper's models, from their config.json; and one of somebody's.
constexpr Published kPublished[] = {
    {"tiny", 384, 4, 4, 80, 51865},
    {"tiny.en", 384, 4, 4, 80, 51864},
    {"base", 512, 6, 6, 80, 51865},
    {"base.en", 512, 6, 6, 80, 51864},
    {"small", 768, 12, 12, 80, 51865},
    {"small.en", 768, 12, 12, 80, 51864},
    {"distil-small.en", 768, 12, 4, 80, 51864},
    {"pruned-small", 768, 12, 6, 80, 51865},
    {"medium", 1024, 24, 24, 80, 51865},
    {"medium.en", 1024, 24, 24, 80, 51864},
    {"distil-medium.en", 1024, 24, 2, 80, 51864},
    {"large-v2", 1280, 32, 32, 80, 51865},
    {"large-v3", 1280, 32, 32, 128, 51866},
    {"large-v3-turbo", 1280, 32, 4, 128, 51866},
    {"distil-large-v3", 1280, 32, 2, 128, 51866},
};

// A model of that name; after a ':' its form, "f16" (the default), "q5_0" or "int8" and "float32" for native files.
Candidate candidate(const std::string& text) {
  const std::string name = text.substr(0, text.find(':'));
  const std::string form = name.size() < text.size() ? text.substr(name.size() + 1) : "f16";
  const auto& p = *std::ranges::find(kPublished, name, &Published::name);
  ModelFacts facts;
  facts.config.n_audio_state = facts.config.n_text_state = p.width;
  facts.config.n_audio_layer = p.encoder_layers;
  facts.config.n_text_layer = p.decoder_layers;
  facts.config.n_mels = p.n_mels;
  facts.config.n_vocab = p.n_vocab;
  facts.english_only = p.n_vocab == 51864;
  facts.text_tokens = facts.english_only ? 50256 : 50257;
  facts.bytes = form == "q5_0" ? 50 : form == "int8" ? 80 : 160;
  if (form == "int8") facts.packed = ComputeType::int8;
  if (form == "float32") facts.packed = ComputeType::float32;
  return {{text, text, facts.bytes}, facts};
}

// The best in any order of the candidates.
std::string best(std::vector<std::string> names, Language language = Language::unknown,
                 ComputeType type = ComputeType::int8) {
  std::ranges::sort(names);
  std::string first = "none";
  do {
    std::vector<Candidate> candidates;
    for (const std::string& name : names) candidates.push_back(candidate(name));
    const Candidate* found = best_of(candidates, {type, language});
    const std::string now = found ? found->model.name : "none";
    EXPECT_TRUE(first == "none" || now == first) << now << " and " << first << ": it depends on the order";
    first = now;
  } while (std::ranges::next_permutation(names).found);
  return first;
}

TEST(ChoiceTest, TheLargerEncoderHearsBetter) {
  EXPECT_EQ(best({"tiny", "base", "tiny.en"}), "base");
  EXPECT_EQ(best({"small", "large-v3-turbo", "medium"}), "large-v3-turbo");
  EXPECT_EQ(best({"base", "small.en"}), "small.en");
  EXPECT_EQ(best({}), "none");
}

TEST(ChoiceTest, ManyLanguagesBeforeOneUnlessEnglishIsSpoken) {
  EXPECT_EQ(best({"base", "base.en"}), "base");
  EXPECT_EQ(best({"base", "base.en"}, Language::english), "base.en");
  EXPECT_EQ(best({"base", "base.en"}, Language::other), "base");
  EXPECT_EQ(best({"pruned-small", "small.en"}), "pruned-small");
  EXPECT_EQ(best({"pruned-small", "small.en"}, Language::english), "small.en");
  EXPECT_EQ(best({"base", "small.en"}, Language::other), "base");
  EXPECT_EQ(best({"base.en", "small.en"}, Language::other), "none");
  EXPECT_EQ(best({"medium", "distil-medium.en"}), "medium");
  EXPECT_EQ(best({"medium", "distil-medium.en"}, Language::english), "medium");
  EXPECT_EQ(best({"small", "distil-small.en"}, Language::english), "small");
}

TEST(ChoiceTest, MoreDecoderLayersThenTheLaterRelease) {
  EXPECT_EQ(best({"large-v3", "large-v3-turbo", "distil-large-v3"}), "large-v3");
  EXPECT_EQ(best({"large-v3-turbo", "distil-large-v3"}), "large-v3-turbo");
  EXPECT_EQ(best({"large-v3-turbo", "distil-large-v3"}, Language::english), "large-v3-turbo");
  EXPECT_EQ(best({"large-v2", "large-v3"}), "large-v3");
  // A distilled model has the vocabulary of many languages and the habit of one.
  EXPECT_EQ(best({"large-v2", "distil-large-v3"}, Language::other), "large-v2");
}

TEST(ChoiceTest, ANativeFileOfTheTypeThenTheFinerWeights) {
  EXPECT_EQ(best({"base", "base:int8", "base:q5_0"}), "base:int8");
  EXPECT_EQ(best({"base", "base:q5_0"}), "base");
  EXPECT_EQ(best({"base", "base:int8"}, Language::unknown, ComputeType::float32), "base");
  EXPECT_EQ(best({"base:int8", "base:float32", "base"}, Language::unknown, ComputeType::float32), "base:float32");
  // What cannot run in the type is no candidate, however large.
  EXPECT_EQ(best({"tiny", "base:float32"}), "tiny");
}

TEST(ChoiceTest, WhatCannotBeReadIsPassedOver) {
  std::vector<Candidate> candidates{{{"broken", "broken", 1}, bad_input("broken: damaged")}, candidate("tiny")};
  EXPECT_EQ(best_of(candidates, {})->model.name, "tiny");
  candidates.pop_back();
  EXPECT_EQ(best_of(candidates, {}), nullptr);
}

// With files: half a megabyte each, of one size; of ten languages or one.
class ChooseTest : public ::testing::Test {
 protected:
  void put(const fs::path& path, bool english_only = false) {
    fs::create_directories(path.parent_path());
    RandomModel model = testing::tiny_model(english_only);
    if (!english_only) model.config.n_vocab += 9;
    const std::vector<std::byte> bytes = testing::model_bytes(model);
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  fs::path in_store(const std::string& name) const { return library.store.directory() / name; }
  fs::path in_cache(const std::string& name) const {
    return library.cache->directory() / "models--ggerganov--whisper.cpp/snapshots/aa" / name;
  }
  Choice choose(Wanted wanted = {}) {
    const auto choice = choose_model(library, wanted);
    EXPECT_TRUE(choice.ok()) << choice.error().message;
    return choice.ok() ? *choice : Choice();
  }

  TemporaryDirectory dir;
  Library library{Store(dir.path / "store"), HubCache(dir.path / "hub")};
};

TEST_F(ChooseTest, FromTheProgramToTheCacheToTheStoreToTheDefault) {
  Choice choice = choose();
  EXPECT_EQ(choice.why, Choice::Why::none_else);
  EXPECT_EQ(choice.name, "builtin");
  EXPECT_FALSE(choice.path);
  EXPECT_EQ(reason_of(choice), "as no other is installed");

  put(in_cache("ggml-large-v3.bin"));
  choice = choose();
  EXPECT_EQ(choice.why, Choice::Why::best_cached);
  EXPECT_EQ(choice.path, in_cache("ggml-large-v3.bin"));
  EXPECT_EQ(reason_of(choice), "the only model in Hugging Face's cache");

  put(in_store("b.bin"), true);
  put(in_store("a.bin"));
  std::ofstream(in_store("z.bin")) << "no model";
  choice = choose();
  EXPECT_EQ(choice.why, Choice::Why::best_installed);
  EXPECT_EQ(choice.path, in_store("a.bin"));
  EXPECT_FALSE(choice.english_only);
  EXPECT_EQ(choice.unreadable, 1u);
  EXPECT_EQ(reason_of(choice), "the best of 2 models installed");
  choice = choose({ComputeType::int8, Language::english});
  EXPECT_EQ(choice.name, "b");
  EXPECT_TRUE(choice.english_only);

  for (const auto& [name, path] : {std::pair{"b", in_store("b.bin")}, {"large-v3", in_cache("ggml-large-v3.bin")}}) {
    ASSERT_TRUE(library.store.set_default(*check_default(library, name)).ok());
    choice = choose();
    EXPECT_EQ(choice.why, Choice::Why::set_as_default);
    EXPECT_EQ(choice.name, name);
    EXPECT_EQ(choice.path, path);
  }
  ASSERT_TRUE(library.store.set_default(*check_default(library, "builtin")).ok());
  choice = choose();
  EXPECT_EQ(choice.why, Choice::Why::set_as_default);
  EXPECT_FALSE(choice.path);
}

TEST_F(ChooseTest, ADefaultThatIsGoneIsAnErrorAndNotPassedOver) {
  put(in_store("a.bin"));
  ASSERT_TRUE(library.store.set_default("ggml-b.bin").ok());
  const auto gone = choose_model(library, {});
  ASSERT_FALSE(gone.ok());
  EXPECT_EQ(gone.error().kind, Error::Kind::not_found);
  EXPECT_THAT(gone.error().message,
              HasSubstr("'ggml-b.bin', which `shorthand models default` set, is no longer there"));
  EXPECT_THAT(gone.error().message, HasSubstr("--unset"));
  ASSERT_TRUE(library.store.set_default("/no/such/model").ok());
  EXPECT_EQ(choose_model(library, {}).error().kind, Error::Kind::not_found);
}

TEST_F(ChooseTest, WhatSuitsComesFirstWhereverItLies) {
  put(in_store("a.bin"), true);
  EXPECT_EQ(choose({ComputeType::int8, Language::other}).name, "a");  // which says itself that it cannot
  put(in_cache("ggml-tiny.bin"));
  EXPECT_EQ(choose({ComputeType::int8, Language::other}).name, "tiny");
  EXPECT_EQ(choose().name, "a");
}

TEST_F(ChooseTest, OnlyAModelThatCanBeReadBecomesTheDefault) {
  std::ofstream((fs::create_directories(library.store.directory()), in_store("broken.bin"))) << "no model";
  put(dir.path / "elsewhere/model.bin");
  EXPECT_THAT(check_default(library, "broken").error().message, HasSubstr("is a text file, not a model"));
  EXPECT_THAT(check_default(library, "other").error().message, HasSubstr("no model 'other'"));
  EXPECT_FALSE(check_default(library, "").ok());
  EXPECT_FALSE(check_default(library, (dir.path / "nothing").string()).ok());
  EXPECT_EQ(*check_default(library, (dir.path / "elsewhere/../elsewhere/model.bin").string()),
            (dir.path / "elsewhere/model.bin").string());
  ASSERT_TRUE(library.store.set_default((dir.path / "elsewhere/model.bin").string()).ok());
  EXPECT_EQ(choose().path, dir.path / "elsewhere/model.bin");
}

}  // namespace
}  // namespace shorthand
