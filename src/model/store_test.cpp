// SPDX-License-Identifier: Apache-2.0
#include "model/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <optional>

#include "model/catalog.h"
#include "support/temporary_directory.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;
using shorthand::testing::TemporaryDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A variable of the environment with another value until the end of the scope.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) before_ = old;
    value ? ::setenv(name, value, 1) : ::unsetenv(name);
  }
  ~Environment() { before_ ? ::setenv(name_, before_->c_str(), 1) : ::unsetenv(name_); }

 private:
  const char* name_;
  std::optional<std::string> before_;
};

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
    const auto path = store.resolve(name);
    return path.ok() ? path->lexically_relative(store.directory()).string() : path.error().message;
  }
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
  EXPECT_THAT(names, ElementsAre("base.en", "distil-whisper/distil-large-v3", "mine", "small"));
  EXPECT_EQ((*list)[0].bytes, 100u);
  EXPECT_EQ((*list)[1].bytes, 57u);
  for (const Installed& m : *list) EXPECT_EQ(*store.resolve(m.name), m.path) << m.name;
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
  // An existing path wins over an installed name.
  std::ofstream(dir.path / "base") << "x";
  EXPECT_EQ(*store.resolve((dir.path / "base").string()), dir.path / "base");
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

TEST(CatalogTest, NamesAndAliases) {
  EXPECT_EQ(known_model("turbo"), "large-v3-turbo");
  EXPECT_EQ(known_model("base-q5_1"), "base-q5_1");
  EXPECT_EQ(known_model("medium-q5_1"), std::nullopt);  // medium comes as q5_0
  EXPECT_EQ(known_model("base.bin"), std::nullopt);
  EXPECT_EQ(nearest("bse", known_models()), "base");
  EXPECT_EQ(nearest("lage-v3", known_models()), "large-v3");
  EXPECT_EQ(nearest("entirely-other", known_models()), "");
  EXPECT_EQ(nearest(std::string(1 << 20, 'x'), known_models()), "");
}

}  // namespace
}  // namespace shorthand
