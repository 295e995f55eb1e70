// SPDX-License-Identifier: Apache-2.0
#include "model/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "model/catalog.h"
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

TEST(StoreTest, LiesWhereTheEnvironmentSays) {
  const Environment home("HOME", "/home/someone");
  {
    const Environment data("XDG_DATA_HOME", nullptr), dir("SHORTHAND_MODELS_DIR", nullptr);
    EXPECT_EQ(Store::of_user()->directory(), "/home/someone/.local/share/shorthand/models");
    const Environment relative("XDG_DATA_HOME", "data");
    EXPECT_EQ(Store::of_user()->directory(), "/home/someone/.local/share/shorthand/models");
    const Environment absolute("XDG_DATA_HOME", "/data");
    EXPECT_EQ(Store::of_user()->directory(), "/data/shorthand/models");
    const Environment own("SHORTHAND_MODELS_DIR", "/models");
    EXPECT_EQ(Store::of_user()->directory(), "/models");
  }
  const Environment no_home("HOME", nullptr), data("XDG_DATA_HOME", ""), dir("SHORTHAND_MODELS_DIR", "");
  EXPECT_FALSE(Store::of_user().ok());
}

class StoreFixture : public ::testing::Test {
 protected:
  void put(const std::string& name, size_t bytes = 3) {
    fs::create_directories((store.directory() / name).parent_path());
    std::ofstream(store.directory() / name) << std::string(bytes, 'x');
  }
  std::string resolved(const std::string& name) {
    const auto path = library().resolve(name);
    return path.ok() ? path->lexically_relative(store.directory()).string() : path.error().message;
  }
  Library library() const { return {store, {}}; }
  TemporaryDirectory dir;
  Store store{dir.path / "models"};
};

TEST_F(StoreFixture, AnEmptyStoreListsNothing) {
  EXPECT_TRUE(store.list()->empty());
  EXPECT_THAT(resolved("base"),
              HasSubstr("no model 'base'; none is installed; `shorthand models pull base` downloads it"));
}

TEST_F(StoreFixture, ListsModelsAndNothingElse) {
  put("ggml-base.en.bin", 100);
  put("mine.bin");
  put("small.shorthand");
  put("tuned.pt");
  put("distil-whisper--distil-large-v3/config.json", 7);
  put("distil-whisper--distil-large-v3/model.safetensors", 50);
  put("ggml-tiny.bin.part");
  put("ggml-tiny.bin.part.json");
  put("someone--model.part/config.json");
  put(".hidden.bin");
  put("readme.txt");
  std::vector<std::string> names;
  const auto list = store.list();
  ASSERT_TRUE(list.ok()) << list.error().message;
  for (const Installed& m : *list) names.push_back(m.name);
  EXPECT_THAT(names, ElementsAre("base.en", "distil-whisper/distil-large-v3", "mine", "small", "tuned"));
  EXPECT_EQ((*list)[0].bytes, 100u);
  EXPECT_EQ((*list)[1].bytes, 57u);
  for (const Installed& m : *list) EXPECT_EQ(*store.find(m.name), m.path) << m.name;
}

TEST_F(StoreFixture, EveryNameInTheListFindsItsFile) {
  for (const char* name :
       {"ggml-base.bin", "base.shorthand", "base.bin", "a--b.bin", "a--b/config.json", "ggml-x.shorthand",
        "Systran--faster-whisper-base/config.json", "ggml-large.bin", "ggml-turbo.bin", "ggml-.bin"})
    put(name);
  const auto list = store.list();
  ASSERT_TRUE(list.ok()) << list.error().message;
  std::vector<std::string> names;
  for (const Installed& m : *list) {
    names.push_back(m.name);
    EXPECT_EQ(store.find(m.name), m.path) << m.name;
  }
  EXPECT_EQ(list->size(), 9u) << ::testing::PrintToString(names);
  EXPECT_THAT(names,
              ::testing::IsSupersetOf({"base", "base.shorthand", "ggml-base.bin", "Systran/faster-whisper-base"}));
}

TEST_F(StoreFixture, ResolvesNamesInOrder) {
  put("base.shorthand");
  EXPECT_EQ(resolved("base"), "base.shorthand");
  put("ggml-base.bin");
  EXPECT_EQ(resolved("base"), "ggml-base.bin");
  put("base.bin");
  EXPECT_EQ(resolved("base"), "base.bin");
  EXPECT_EQ(resolved("ggml-base.bin"), "ggml-base.bin");
  put("ggml-large-v3-turbo.bin");
  EXPECT_EQ(resolved("turbo"), "ggml-large-v3-turbo.bin");
  put("folder/config.json");
  EXPECT_EQ(resolved("folder"), "folder");
  put("a--b/config.json");
  EXPECT_EQ(resolved("a/b"), "a--b");
  // A short name means the repositories that it is published as, after the files of that name.
  put("Systran--faster-whisper-small.en/config.json");
  EXPECT_EQ(resolved("small.en"), "Systran--faster-whisper-small.en");
  put("distil-whisper--distil-large-v3/config.json");
  EXPECT_EQ(resolved("distil-large-v3"), "distil-whisper--distil-large-v3");
  put("mobiuslabsgmbh--faster-whisper-large-v3-turbo/config.json");
  EXPECT_EQ(resolved("large-v3-turbo"), "ggml-large-v3-turbo.bin");
  // An existing path wins over an installed name.
  std::ofstream(dir.path / "base") << "x";
  EXPECT_EQ(*library().resolve((dir.path / "base").string()), dir.path / "base");
}

TEST_F(StoreFixture, AMissingModelSaysWhatIsThereAndHowToGetIt) {
  put("ggml-tiny.bin");
  put("ggml-small.en.bin");
  EXPECT_THAT(resolved("base.em"),
              HasSubstr("no model 'base.em'; installed: small.en, tiny; `shorthand models pull base.en` "
                        "downloads 'base.en'"));
  EXPECT_THAT(resolved("base.en"), HasSubstr("`shorthand models pull base.en` downloads it"));
  EXPECT_THAT(resolved("small.em"), HasSubstr("did you mean 'small.en'?"));
  EXPECT_THAT(resolved("something"), HasSubstr("`shorthand models pull NAME` downloads one"));
  EXPECT_THAT(resolved("models/other.bin"), HasSubstr("no such file"));
  EXPECT_THAT(resolved("owner/name"), HasSubstr("`shorthand models pull owner/name` downloads a repository"));
  EXPECT_THAT(resolved("bultin"), HasSubstr("did you mean 'builtin'?"));
  EXPECT_THAT(resolved("distil-large-v3"), HasSubstr("`shorthand models pull distil-large-v3` downloads it"));
}

TEST_F(StoreFixture, RemovesByNameAndNeverOutsideTheStore) {
  put("ggml-base.bin");
  put("a--b/config.json");
  std::ofstream(dir.path / "outside.bin") << "x";
  fs::create_directory(dir.path / "target");
  std::ofstream(dir.path / "target" / "file") << "x";
  fs::create_directory_symlink(dir.path / "target", store.directory() / "link");
  for (const std::string bad :
       {"../outside", "..", ".", "", "/etc", "a/../../outside", "a/b/c", "../", "-rf", "a\\b", "a\nb"}) {
    const auto removed = store.remove(bad);
    ASSERT_FALSE(removed.ok()) << bad;
    EXPECT_EQ(removed.error().kind, Error::Kind::usage) << bad;
  }
  EXPECT_EQ(store.remove((dir.path / "outside.bin").string()).error().kind, Error::Kind::usage);
  EXPECT_TRUE(fs::exists(dir.path / "outside.bin"));
  EXPECT_EQ(store.remove("none").error().kind, Error::Kind::not_found);
  EXPECT_TRUE(store.remove("base").ok());
  EXPECT_TRUE(store.remove("a/b").ok());
  EXPECT_TRUE(store.remove("link").ok());
  EXPECT_TRUE(fs::exists(dir.path / "target" / "file"));  // the link went, not what it points to
  EXPECT_TRUE(store.list()->empty());
}

TEST_F(StoreFixture, TheDefaultIsKeptAndIsNoModel) {
  EXPECT_EQ(*store.default_model(), std::nullopt);
  EXPECT_TRUE(store.unset_default().ok());  // nothing to forget
  ASSERT_TRUE(store.set_default("base.en").ok());
  EXPECT_EQ(*store.default_model(), "base.en");
  ASSERT_TRUE(store.set_default("owner/name").ok());
  EXPECT_EQ(*store.default_model(), "owner/name");
  ASSERT_TRUE(store.set_default("/models/with a space").ok());
  EXPECT_EQ(*store.default_model(), "/models/with a space");
  EXPECT_TRUE(store.list()->empty());
  ASSERT_TRUE(store.unset_default().ok());
  EXPECT_EQ(*store.default_model(), std::nullopt);
  EXPECT_TRUE(fs::is_empty(store.directory()));  // no temporary file either
  for (const std::string& bad : {std::string(), std::string("\n"), std::string("../x"), std::string("a\nb"),
                                 std::string("/a\x1b[2J"), std::string(5000, 'x'), std::string("-rf")}) {
    std::ofstream(store.directory() / ".default", std::ios::binary) << bad;
    const auto read = store.default_model();
    EXPECT_FALSE(read.ok()) << bad;
    EXPECT_TRUE(store.unset_default().ok());
  }
}

TEST_F(StoreFixture, RemovingTheDefaultUnsetsIt) {
  put("ggml-base.bin");
  put("ggml-tiny.bin");
  ASSERT_TRUE(store.set_default("ggml-base.bin").ok());  // another name of the same file
  EXPECT_FALSE(*library().remove("tiny"));
  EXPECT_EQ(*store.default_model(), "ggml-base.bin");
  EXPECT_TRUE(*library().remove("base"));
  EXPECT_EQ(*store.default_model(), std::nullopt);
  put("ggml-base.bin");
  std::ofstream(store.directory() / ".default") << "a\nb";  // damaged: no reason to keep the model
  EXPECT_FALSE(*library().remove("base"));
}

TEST(CatalogTest, NamesAndAliases) {
  EXPECT_EQ(known_model("turbo"), "large-v3-turbo");
  EXPECT_EQ(known_model("base-q5_1"), "base-q5_1");
  EXPECT_EQ(known_model("medium-q5_1"), std::nullopt);  // medium comes as q5_0
  EXPECT_EQ(known_model("base.bin"), std::nullopt);
  EXPECT_EQ(known_model("distil-large-v3.5"), "distil-large-v3.5");
  EXPECT_EQ(nearest("bse", known_models()), "base");
  EXPECT_EQ(nearest("lage-v3", known_models()), "large-v3");
  EXPECT_EQ(nearest("entirely-other", known_models()), "");
  EXPECT_EQ(nearest(std::string(1 << 20, 'x'), known_models()), "");
}

// The repositories of faster-whisper's list, name by name.
TEST(CatalogTest, ShortNamesAreWhatOthersCallThem) {
  const std::pair<const char*, const char*> of_faster_whisper[] = {
      {"tiny.en", "Systran/faster-whisper-tiny.en"},
      {"tiny", "Systran/faster-whisper-tiny"},
      {"base.en", "Systran/faster-whisper-base.en"},
      {"base", "Systran/faster-whisper-base"},
      {"small.en", "Systran/faster-whisper-small.en"},
      {"small", "Systran/faster-whisper-small"},
      {"medium.en", "Systran/faster-whisper-medium.en"},
      {"medium", "Systran/faster-whisper-medium"},
      {"large-v1", "Systran/faster-whisper-large-v1"},
      {"large-v2", "Systran/faster-whisper-large-v2"},
      {"large-v3", "Systran/faster-whisper-large-v3"},
      {"large", "Systran/faster-whisper-large-v3"},
      {"distil-large-v2", "Systran/faster-distil-whisper-large-v2"},
      {"distil-medium.en", "Systran/faster-distil-whisper-medium.en"},
      {"distil-small.en", "Systran/faster-distil-whisper-small.en"},
      {"distil-large-v3", "Systran/faster-distil-whisper-large-v3"},
      {"distil-large-v3.5", "distil-whisper/distil-large-v3.5-ct2"},
      {"large-v3-turbo", "mobiuslabsgmbh/faster-whisper-large-v3-turbo"},
      {"turbo", "mobiuslabsgmbh/faster-whisper-large-v3-turbo"},
  };
  for (const auto& [name, repository] : of_faster_whisper) {
    ASSERT_TRUE(known_model(name)) << name;
    EXPECT_THAT(published_as(*known_model(name)), ::testing::Contains(repository)) << name;
  }
  EXPECT_EQ(repository_of("distil-medium.en"), "distil-whisper/distil-medium.en");
  EXPECT_EQ(repository_of("medium.en"), "");
  EXPECT_THAT(published_as("large-v1"), ::testing::Contains("openai/whisper-large"));
  EXPECT_TRUE(published_as("base-q5_1").empty());
  for (const std::string_view known : known_models()) {
    for (const std::string& repository : published_as(known)) EXPECT_TRUE(is_repository(repository)) << repository;
  }
}

}  // namespace
}  // namespace shorthand
