// SPDX-License-Identifier: Apache-2.0
// The layout is spelled out here as huggingface_hub writes it: blobs, and snapshots of links to them.
#include "model/hub_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "model/library.h"
#include "support/environment.h"
#include "support/temporary_directory.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;
using shorthand::testing::Environment;
using shorthand::testing::TemporaryDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kFirst(40, 'a'), kSecond(40, 'b');
constexpr const char* kCTranslate2 = R"({"alignment_heads":[[3,1]],"lang_ids":[50259],"suppress_ids":[1]})";
constexpr const char* kTransformers =
    R"({"model_type":"whisper","vocab_size":51865,"num_mel_bins":80,"d_model":384,"encoder_layers":4,"decoder_layers":4,)"
    R"("encoder_attention_heads":6,"decoder_attention_heads":6,"max_source_positions":1500,"max_target_positions":448})";

class HubCacheTest : public ::testing::Test {
 protected:
  // A file of a snapshot: its bytes as a blob, its name a link.
  void put(const std::string& repository, const std::string& commit, const std::string& name, const std::string& text) {
    const fs::path root = cache.directory() / ("models--" + repository);
    const std::string blob = commit.substr(0, 4) + name;
    fs::create_directories(root / "blobs");
    fs::create_directories(root / "snapshots" / commit);
    std::ofstream(root / "blobs" / blob) << text;
    fs::create_symlink(fs::path("../../blobs") / blob, root / "snapshots" / commit / name);
  }
  void main_is(const std::string& repository, const std::string& text) {
    const fs::path refs = cache.directory() / ("models--" + repository) / "refs";
    fs::create_directories(refs);
    std::ofstream(refs / "main") << text;
  }
  std::string found(const std::string& name) {
    const auto path = cache.find(name);
    return path ? path->lexically_relative(cache.directory()).string() : "none";
  }
  std::vector<std::string> names() {
    std::vector<std::string> out;
    for (const Installed& m : cache.list()) out.push_back(m.name);
    return out;
  }

  TemporaryDirectory dir;
  HubCache cache{dir.path / "hub"};
};

TEST_F(HubCacheTest, LiesWhereItsVariablesSay) {
  const Environment home("HOME", "/home/someone"), xdg("XDG_CACHE_HOME", nullptr), hf("HF_HOME", nullptr),
      hub("HF_HUB_CACHE", nullptr), old("HUGGINGFACE_HUB_CACHE", nullptr);
  EXPECT_EQ(HubCache::of_user()->directory(), "/home/someone/.cache/huggingface/hub");
  {
    const Environment set("XDG_CACHE_HOME", "/cache");
    EXPECT_EQ(HubCache::of_user()->directory(), "/cache/huggingface/hub");
    const Environment hf_home("HF_HOME", "~/hf");
    EXPECT_EQ(HubCache::of_user()->directory(), "/home/someone/hf/hub");
    const Environment older("HUGGINGFACE_HUB_CACHE", "/older");
    EXPECT_EQ(HubCache::of_user()->directory(), "/older");
    const Environment newer("HF_HUB_CACHE", "/newer");
    EXPECT_EQ(HubCache::of_user()->directory(), "/newer");
  }
  const Environment none("HOME", nullptr);
  EXPECT_FALSE(HubCache::of_user());
}

TEST_F(HubCacheTest, ListsWhisperModelsAndNothingElse) {
  EXPECT_TRUE(names().empty());  // no such directory
  put("Systran--faster-whisper-base", kFirst, "config.json", kCTranslate2);
  put("Systran--faster-whisper-base", kFirst, "model.bin", std::string(1000, 'x'));
  main_is("Systran--faster-whisper-base", kFirst);
  put("openai--whisper-tiny", kFirst, "config.json", kTransformers);
  put("openai--whisper-tiny", kFirst, "model.safetensors", "weights");
  main_is("openai--whisper-tiny", kFirst);
  put("ggerganov--whisper.cpp", kFirst, "ggml-base.en.bin", "ggml");
  main_is("ggerganov--whisper.cpp", kFirst);
  // The tokenizer alone, as many a program fetches it; other architectures; what is no model repository.
  put("openai--whisper-small", kFirst, "config.json", kTransformers);
  put("openai--whisper-small", kFirst, "tokenizer.json", "{}");
  put("meta--llama", kFirst, "config.json", R"({"model_type":"llama"})");
  put("meta--llama", kFirst, "model.safetensors", "weights");
  put("someone--nllb-ct2", kFirst, "config.json", R"({"bos_token":"<s>","unk_token":"<unk>"})");
  put("someone--nllb-ct2", kFirst, "model.bin", "weights");
  put("someone--broken", kFirst, "config.json", "{");
  put("someone--broken", kFirst, "model.bin", "weights");
  fs::create_directories(cache.directory() / "models--empty--one");
  fs::create_directories(cache.directory() / "datasets--a--b/snapshots/x");
  fs::create_directories(cache.directory() / "models--..--b/snapshots/x");
  std::ofstream(cache.directory() / "version.txt") << "1";
  EXPECT_THAT(names(), ElementsAre("Systran/faster-whisper-base", "base.en", "openai/whisper-tiny"));
  for (const Installed& m : cache.list()) EXPECT_EQ(cache.find(m.name), m.path) << m.name;
  EXPECT_EQ(cache.list()[0].bytes, 1000 + std::string(kCTranslate2).size());  // of what the links point to
}

TEST_F(HubCacheTest, MainSaysWhichSnapshot) {
  put("o--r", kFirst, "config.json", kCTranslate2);
  put("o--r", kSecond, "config.json", kCTranslate2);
  const auto snapshot = [](const std::string& commit) { return "models--o--r/snapshots/" + commit; };
  main_is("o--r", kFirst);
  EXPECT_EQ(found("o/r"), snapshot(kFirst));
  main_is("o--r", kSecond + "\n");
  EXPECT_EQ(found("o/r"), snapshot(kSecond));
  // Without a main that is there, the youngest.
  fs::last_write_time(cache.directory() / snapshot(kFirst), fs::file_time_type::clock::now() + std::chrono::hours(1));
  for (const std::string bad : {"", "../../../elsewhere", "nothing-there", "cccc"}) {
    main_is("o--r", bad);
    EXPECT_EQ(found("o/r"), snapshot(kFirst)) << bad;
  }
  fs::remove_all(cache.directory() / "models--o--r/refs");
  EXPECT_EQ(found("o/r"), snapshot(kFirst));
  EXPECT_EQ(found("o/other"), "none");
  EXPECT_EQ(found("../r"), "none");
}

TEST_F(HubCacheTest, ShortNamesFindWhatTheyArePublishedAs) {
  EXPECT_EQ(found("base"), "none");
  put("openai--whisper-base", kFirst, "config.json", kTransformers);  // no weights
  EXPECT_EQ(found("base"), "none");
  put("Systran--faster-whisper-base", kFirst, "config.json", kCTranslate2);
  put("Systran--faster-whisper-base", kFirst, "model.bin", "weights");
  EXPECT_EQ(found("base"), "models--Systran--faster-whisper-base/snapshots/" + kFirst);
  put("ggerganov--whisper.cpp", kSecond, "ggml-base.bin", "ggml");
  EXPECT_EQ(found("base"), "models--ggerganov--whisper.cpp/snapshots/" + kSecond + "/ggml-base.bin");
  put("mobiuslabsgmbh--faster-whisper-large-v3-turbo", kFirst, "config.json", kCTranslate2);
  put("mobiuslabsgmbh--faster-whisper-large-v3-turbo", kFirst, "model.bin", "weights");
  EXPECT_EQ(found("turbo"), "models--mobiuslabsgmbh--faster-whisper-large-v3-turbo/snapshots/" + kFirst);
  EXPECT_EQ(found("base-q5_1"), "none");
  EXPECT_EQ(found("nothing"), "none");
}

TEST_F(HubCacheTest, TheStoreComesFirstAndTheCacheIsNeverDeletedFrom) {
  put("owner--name", kFirst, "config.json", kCTranslate2);
  put("owner--name", kFirst, "model.bin", "weights");
  const Library library{Store(dir.path / "store"), cache};
  const fs::path root = cache.directory() / "models--owner--name", snapshot = root / "snapshots" / kFirst;
  EXPECT_EQ(*library.resolve("owner/name"), snapshot);
  EXPECT_EQ(*library.resolve(root.string()), snapshot);
  EXPECT_EQ(*library.resolve(root.string() + "/"), snapshot);
  EXPECT_EQ(*library.resolve(snapshot.string()), snapshot);
  const auto removed = library.remove("owner/name");
  ASSERT_FALSE(removed.ok());
  EXPECT_EQ(removed.error().kind, Error::Kind::unsupported);
  EXPECT_THAT(removed.error().message, HasSubstr("lies in Hugging Face's cache (" + snapshot.string() + ")"));
  EXPECT_TRUE(fs::exists(snapshot / "model.bin"));
  EXPECT_THAT(library.resolve("owner/nam").error().message, HasSubstr("in Hugging Face's cache: owner/name"));
  fs::create_directories(dir.path / "store/owner--name");
  EXPECT_EQ(*library.resolve("owner/name"), dir.path / "store/owner--name");
  EXPECT_TRUE(library.remove("owner/name").ok());
  EXPECT_TRUE(fs::exists(snapshot / "model.bin"));
}

}  // namespace
}  // namespace shorthand
