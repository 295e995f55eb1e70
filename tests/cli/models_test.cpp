// SPDX-License-Identifier: Apache-2.0
// `shorthand models` as scripts use it, and transcription with every form of a model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "model/checkpoint.h"
#include "support/ctranslate2.h"
#include "support/fault_server.h"
#include "support/hugging_face.h"
#include "support/process.h"
#include "support/real_models.h"
#include "support/shared_data.h"
#include "text/english_normalizer.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using testing::contents;
using ::testing::ElementsAre;
using testing::FaultServer;
using ::testing::HasSubstr;
using testing::Ran;
using testing::Routes;
using testing::TemporaryFolder;

const std::string& speech() {
  static const std::string path = (testing::repository_dir() / "tests/data/speech/short-02.flac").string();
  return path;
}

class ModelsTest : public ::testing::Test {
 protected:
  Ran run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "models");
    return shorthand(std::move(arguments));
  }
  Ran shorthand(std::vector<std::string> arguments) {
    return testing::run_shorthand(arguments, {.environment = environment_});
  }

  // A random model in a file of the folder.
  std::string random(const std::string& like, const std::string& type = "f16") {
    const std::string path = (folder_ / (like + "-" + type + ".bin")).string();
    const Ran ran = run({"random", "--like", like, "--type", type, "--seed", "7", path});
    EXPECT_EQ(ran.status, 0) << ran.err;
    return path;
  }
  std::string convert(const std::string& in, const std::string& type) {
    const std::string path = in + "." + type;
    const Ran ran = run({"convert", in, path, "--compute-type", type});
    EXPECT_EQ(ran.status, 0) << ran.err;
    EXPECT_EQ(ran.err, "");
    return path;
  }
  Json info(const std::string& model) {
    const Ran ran = run({"info", "--format", "json", model});
    EXPECT_EQ(ran.status, 0) << ran.err;
    return Json::parse(ran.out, nullptr, false);
  }
  // What random weights make of the speech: nonsense, but always the same.
  std::string text(const std::string& model, const std::string& type = "int8") {
    const Ran ran = shorthand({"transcribe", "-q", "-m", model, "--compute-type", type, "--no-fallback",
                               "--without-timestamps", "--max-tokens", "16", speech()});
    EXPECT_EQ(ran.status, 0) << ran.err;
    EXPECT_EQ(ran.err, "");
    EXPECT_GT(ran.out.size(), 10u);
    return ran.out;
  }
  // One line that holds `fact`, and status 1.
  static void expect_failure(const Ran& ran, const std::string& fact) {
    EXPECT_EQ(ran.status, 1);
    EXPECT_EQ(ran.out, "");
    EXPECT_TRUE(ran.err.starts_with("shorthand: ")) << ran.err;
    EXPECT_THAT(ran.err, HasSubstr(fact));
    EXPECT_EQ(std::ranges::count(ran.err, '\n'), 1) << ran.err;
  }
  std::vector<std::string> store_entries() const {
    std::vector<std::string> names;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder_ / "store", ignored))
      names.push_back(entry.path().filename().string());
    std::ranges::sort(names);
    return names;
  }

  TemporaryFolder folder_;
  std::map<std::string, std::string> environment_ = {
      {"SHORTHAND_MODELS_DIR", (folder_ / "store").string()}, {"no_proxy", "127.0.0.1"}, {"HF_TOKEN", ""}};
};

TEST_F(ModelsTest, ANativeFileSaysWhatItsOriginalSays) {
  const std::string ggml = random("micro.en");
  const Json facts = info(ggml);
  EXPECT_EQ(facts["format"], "ggml f16");
  EXPECT_EQ(facts["path"], ggml);
  EXPECT_EQ(facts["bytes"], fs::file_size(ggml));
  EXPECT_EQ(facts["n_vocab"], 51864);  // OpenAI's English-only vocabulary
  EXPECT_EQ(facts["text_tokens"], 50256);
  EXPECT_EQ(facts["english_only"], true);
  EXPECT_EQ(facts["languages"], 1);
  EXPECT_EQ(facts["float_weights"], true);
  const Ran shown = run({"info", ggml});
  EXPECT_EQ(shown.status, 0);
  EXPECT_THAT(shown.out, HasSubstr("English only"));
  EXPECT_THAT(shown.out, HasSubstr("ggml f16"));

  for (const std::string type : {"int8", "float32"}) {
    const std::string native = convert(ggml, type);
    Json of_native = info(native);
    EXPECT_EQ(of_native["format"], "native " + type);
    EXPECT_EQ(of_native["bytes"], fs::file_size(native));
    EXPECT_EQ(of_native["float_weights"], type == "float32");
    for (const char* field : {"path", "bytes", "format", "float_weights"}) of_native[field] = facts[field];
    EXPECT_EQ(of_native, facts);
    EXPECT_EQ(text(native, type), text(ggml, type)) << type;
    const std::string other = type == "int8" ? "float32" : "int8";
    const Ran refused = shorthand({"transcribe", "-q", "-m", native, "--compute-type", other, speech()});
    EXPECT_NE(refused.status, 0);
    EXPECT_THAT(refused.err, HasSubstr("was converted to " + type));
  }
  // The same seed makes the same bytes, another seed others.
  const std::string again = (folder_ / "again").string();
  EXPECT_EQ(run({"random", "--like", "micro.en", "--seed", "7", again}).status, 0);
  EXPECT_EQ(contents(again), contents(ggml));
  EXPECT_EQ(run({"random", "--like", "micro.en", "--seed", "8", again}).status, 0);
  EXPECT_NE(contents(again), contents(ggml));
}

TEST_F(ModelsTest, ACTranslate2FolderIsAModelLikeAnother) {
  const fs::path folder = folder_ / "store/Systran--faster-whisper-none";
  testing::write_ctranslate2_folder(folder, "int8_float16");
  const Json list = Json::parse(run({"list", "--format", "json"}).out);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[1]["name"], "Systran/faster-whisper-none");
  const Json facts = info("Systran/faster-whisper-none");
  EXPECT_EQ(facts["format"], "ctranslate2 int8_float16");
  EXPECT_EQ(facts["bytes"], fs::file_size(folder / "model.bin"));
  EXPECT_EQ(facts["float_weights"], false);
  EXPECT_EQ(facts["n_mels"], 4);
  EXPECT_EQ(facts["text_tokens"], 259);
  EXPECT_EQ(facts["languages"], 2);
  EXPECT_EQ(facts["alignment_heads"], Json::parse("[[1, 0]]"));
  EXPECT_EQ(facts["alignment_heads_from"], "file");
  const Ran shown = run({"info", folder.string()});
  EXPECT_THAT(shown.out, HasSubstr("ctranslate2 int8_float16, 0.3 MB; the float weights are not there"));
  EXPECT_THAT(shown.out, HasSubstr("1 heads, named by the model's files"));
  // The native file keeps the heads that the folder names, and is the same from the folder and from the file in it.
  const std::string native = (folder_ / "a.int8").string(), again = (folder_ / "b.int8").string();
  EXPECT_EQ(run({"convert", folder.string(), native}).status, 0);
  EXPECT_EQ(run({"convert", (folder / "model.bin").string(), again}).status, 0);
  EXPECT_EQ(contents(native), contents(again));
  EXPECT_EQ(info(native)["alignment_heads"], facts["alignment_heads"]);
  EXPECT_EQ(info(native)["alignment_heads_from"], "file");
  fs::remove(folder / "vocabulary.json");
  expect_failure(run({"info", folder.string()}), "no vocabulary.json or vocabulary.txt in");
}

TEST_F(ModelsTest, AModelPackedWithoutAFileIsInstalled) {
  const std::string ggml = random("micro.en");
  const fs::path folder = folder_ / "folders/somewhere";
  testing::write_ctranslate2_folder(folder, "float16");
  fs::copy_file(ggml, folder_ / "ggml-mine.bin");
  const Ran by_file = run({"convert", (folder_ / "ggml-mine.bin").string()});
  EXPECT_EQ(by_file.status, 0) << by_file.err;
  EXPECT_THAT(by_file.err, HasSubstr((folder_ / "store/mine.shorthand").string()));
  EXPECT_EQ(text("mine", "int8"), text(ggml, "int8"));
  EXPECT_EQ(run({"convert", folder.string() + "/"}).status, 0);
  EXPECT_EQ(info("somewhere")["format"], "native int8");
  fs::rename(folder, folder_ / "store/owner--repo");
  EXPECT_EQ(run({"convert", "owner/repo"}).status, 0);
  EXPECT_TRUE(fs::exists(folder_ / "store/owner--repo.shorthand"));
}

TEST_F(ModelsTest, AFileIsConvertedInPlace) {
  const std::string model = random("micro.en"), expected = text(model);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(run({"convert", model, model}).status, 0);
    EXPECT_EQ(info(model)["format"], "native int8");
    EXPECT_EQ(text(model), expected);
  }
}

TEST_F(ModelsTest, TheBuiltInModelConvertsToo) {
  const std::string native = (folder_ / "builtin.shorthand").string();
  ASSERT_EQ(run({"convert", "builtin", native}).status, 0);
  const Ran ran = shorthand({"transcribe", "-q", "-m", native, speech()});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.out, shorthand({"transcribe", "-q", speech()}).out);
  EXPECT_EQ(info("builtin")["n_vocab"], info(native)["n_vocab"]);
}

// Bytes that 32 weights take, from the definitions of the block formats.
TEST_F(ModelsTest, EveryTypeOfAGgmlFileRuns) {
  const std::pair<const char*, double> types[] = {{"f32", 128}, {"f16", 64},  {"q8_0", 34}, {"q5_1", 24},
                                                  {"q5_0", 22}, {"q4_1", 20}, {"q4_0", 18}};
  const double embedding = 51864.0 * 64 / 32;  // the most of micro.en
  double last = 1e9;
  for (const auto& [type, bytes] : types) {
    SCOPED_TRACE(type);
    const std::string model = random("micro.en", type);
    EXPECT_EQ(info(model)["format"], std::string("ggml ") + type);
    const auto size = static_cast<double>(fs::file_size(model));
    EXPECT_LT(size, last);
    EXPECT_GT(size, embedding * bytes);
    last = size;
    EXPECT_EQ(text(model), text(convert(model, "int8")));
  }
}

TEST_F(ModelsTest, AHuggingFaceDirectoryGivesTheTextOfItsGgmlFile) {
  for (const char* like : {"micro.en", "micro-v3"}) {
    SCOPED_TRACE(like);
    const std::string ggml = random(like);
    const auto checkpoint = open_checkpoint(ggml);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().message;
    const std::string expected = text(ggml), whole = (folder_ / (std::string(like) + "-hf")).string(),
                      sharded = whole + "-sharded";
    testing::write_hugging_face(*checkpoint, whole, 1);
    testing::write_hugging_face(*checkpoint, sharded, 3);
    for (const std::string& directory : {whole, sharded}) {
      EXPECT_EQ(text(directory), expected);
      EXPECT_EQ(info(directory)["format"], "safetensors");
      EXPECT_EQ(info(directory)["parameters"], info(ggml)["parameters"]);
    }
    EXPECT_EQ(text(whole + "/model.safetensors"), expected);
    EXPECT_EQ(text(convert(sharded, "int8")), expected);
    fs::remove(fs::path(sharded) / "model-00002-of-00003.safetensors");
    expect_failure(shorthand({"transcribe", "-q", "-m", sharded, speech()}), "model-00002-of-00003.safetensors");
    fs::remove(fs::path(whole) / "vocab.json");
    expect_failure(shorthand({"transcribe", "-q", "-m", whole, speech()}), "neither vocab.json nor tokenizer.json");
  }
}

// Fewer decoder layers than encoder layers, 128 mels, 100 languages: large-v3-turbo and the distilled models.
TEST_F(ModelsTest, TheShapeOfTurboRuns) {
  const std::string model = random("micro-v3");
  const Json facts = info(model);
  EXPECT_EQ(facts["n_mels"], 128);
  EXPECT_EQ(facts["languages"], 100);
  EXPECT_EQ(facts["n_vocab"], 51866);
  EXPECT_GT(facts["n_audio_layer"].get<int>(), facts["n_text_layer"].get<int>());
  for (const std::string type : {"int8", "float32"}) EXPECT_EQ(text(model, type), text(convert(model, type), type));
}

TEST_F(ModelsTest, TheNpuIsNotPretended) {
  const Ran ran = shorthand({"transcribe", "-q", "-m", random("micro.en"), "--device", "npu", speech()});
  expect_failure(ran, "--device npu: ");
}

TEST_F(ModelsTest, WhatIsNoModelIsNamed) {
  const std::string good = random("micro.en");
  const std::string bytes = contents(good);
  const auto put = [&](const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return (folder_ / name).string();
  };
  const std::string native = contents(convert(good, "int8"));
  const std::string speech_folder = fs::path(speech()).parent_path().string();
  const std::pair<std::string, const char*> bad[] = {
      {put("magic", "LMGG" + bytes.substr(4)), "magic: "},
      {put("empty", ""), "empty"},
      {put("header", bytes.substr(0, 30)), "truncated inside the header"},
      {put("filters", bytes.substr(0, 30'000)), "truncated inside the mel filters"},
      {put("vocabulary", bytes.substr(0, 100'000)), "truncated inside the vocabulary"},
      {put("tensors", bytes.substr(0, bytes.size() - 1)), "truncated: header promises"},
      {put("native", native.substr(0, native.size() - 1)), "native: "},
      {speech(), "is a recording (FLAC)"},
      {(folder_ / "none.bin").string(), "none.bin: no such file"},
      {folder_.path().string(), "is a directory; give the file itself"},
      {speech_folder, "is a directory without config.json"},
      {"no-such-name", "no model 'no-such-name'"},
  };
  for (const auto& [path, fact] : bad) {
    SCOPED_TRACE(path);
    expect_failure(shorthand({"transcribe", "-q", "-m", path, speech()}), fact);
    expect_failure(run({"info", path}), fact);
    const std::string out = (folder_ / "converted").string();
    expect_failure(run({"convert", path, out}), fact);
    EXPECT_FALSE(fs::exists(out));
  }
}

TEST_F(ModelsTest, ListAndRemove) {
  EXPECT_THAT(run({"list"}).out, HasSubstr("none installed in " + environment_["SHORTHAND_MODELS_DIR"]));
  fs::create_directories(folder_ / "store");
  fs::copy_file(random("micro.en"), folder_ / "store/ggml-mine.en.bin");
  const Json list = Json::parse(run({"list", "--format", "json"}).out);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0]["name"], "builtin");
  EXPECT_EQ(list[1]["name"], "mine.en");
  EXPECT_EQ(list[1]["bytes"], fs::file_size(folder_ / "store/ggml-mine.en.bin"));
  EXPECT_THAT(run({"list"}).out, HasSubstr("mine.en"));
  EXPECT_EQ(info("mine.en")["english_only"], true);
  text("mine.en");
  expect_failure(run({"rm", "mine"}), "'mine'");
  expect_failure(run({"rm", "builtin"}), "builtin: is part of the program");
  EXPECT_EQ(run({"rm", (folder_ / "store/ggml-mine.en.bin").string()}).status, 2);  // names alone, no paths
  EXPECT_THAT(store_entries(), ElementsAre("ggml-mine.en.bin"));
  EXPECT_EQ(run({"rm", "mine.en"}).status, 0);
  EXPECT_TRUE(store_entries().empty());
}

TEST_F(ModelsTest, WrongCommandLines) {
  for (const std::vector<std::string>& wrong : std::vector<std::vector<std::string>>{
           {},
           {"lost"},
           {"info"},
           {"info", "builtin", "--format", "xml"},
           {"convert", "builtin"},
           {"convert", "builtin", "x", "--compute-type", "int4"},
           {"convert", "builtin", "-"},
           {"random", "--like", "micro", "-"},
           {"random", "x"},
           {"random", "--like", "giant", "x"},
           {"random", "--like", "micro", "--type", "q9_9", "x"},
           {"random", "--like", "micro", "--eot-after", "-1", "x"},
           {"pull"},
           {"pull", "bse.en"},
           {"pull", "../../etc"},
           {"rm"},
           {"default", "builtin", "--unset"},
           {"default", "--format", "xml"},
       }) {
    SCOPED_TRACE(::testing::PrintToString(wrong));
    const Ran ran = run(wrong);
    EXPECT_EQ(ran.status, 2);
    EXPECT_EQ(ran.out, "");
    EXPECT_TRUE(ran.err.starts_with("shorthand: ")) << ran.err;
    EXPECT_EQ(std::ranges::count(ran.err, '\n'), 1) << ran.err;
  }
}

// Which model runs where -m names none. The models are told apart by what they make of the same speech.
class ChosenModelTest : public ModelsTest {
 protected:
  void SetUp() override {
    small_ = random("micro.en");
    large_ = random("micro");
    of_small_ = text(small_);
    of_large_ = text(large_);
    ASSERT_NE(of_small_, of_large_);
  }
  void install(const std::string& model, const std::string& name) {
    fs::create_directories(folder_ / "store");
    fs::copy_file(model, folder_ / "store" / ("ggml-" + name + ".bin"));
  }
  // A snapshot of Hugging Face's cache: a file of whisper.cpp's repository, as a link to a blob.
  void cache(const std::string& model, const std::string& name) {
    environment_["HF_HUB_CACHE"] = (folder_ / "hub").string();
    const fs::path root = folder_ / "hub/models--ggerganov--whisper.cpp", commit = std::string(40, 'c');
    fs::create_directories(root / "blobs");
    fs::create_directories(root / "refs");
    fs::create_directories(root / "snapshots" / commit);
    std::ofstream(root / "refs/main") << commit.string();
    fs::copy_file(model, root / "blobs" / name);
    fs::create_symlink("../../blobs/" + name, root / "snapshots" / commit / ("ggml-" + name + ".bin"));
  }
  Ran transcribe(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"transcribe", "--no-fallback", "--without-timestamps", "--max-tokens", "16", speech()});
    return shorthand(more);
  }
  // The line on standard error, and the text of that model.
  void expect_choice(const std::string& line, const std::string& expected) {
    const Ran ran = transcribe();
    EXPECT_EQ(ran.status, 0);
    EXPECT_THAT(ran.err, ::testing::StartsWith("shorthand: using " + line));
    EXPECT_EQ(std::ranges::count(ran.err, '\n'), 1) << ran.err;
    EXPECT_EQ(ran.out, expected);
    const Ran quiet = transcribe({"-q"});
    EXPECT_EQ(quiet.out, expected);
    EXPECT_EQ(quiet.err, "");
  }
  // The name that the list marks.
  std::string marked() {
    std::vector<std::string> names;
    for (const Json& model : Json::parse(run({"list", "--format", "json"}).out)) {
      if (model["used_without_model_option"] == true) names.push_back(model["name"]);
    }
    const std::string shown = run({"list"}).out;
    EXPECT_EQ(names.size(), 1u) << shown;
    if (names.size() != 1) return "";
    EXPECT_THAT(shown, HasSubstr("* " + names[0] + " ")) << shown;
    return names[0];
  }

  std::string small_, large_, of_small_, of_large_;
};

TEST_F(ChosenModelTest, TheBestInstalledElseTheBuiltIn) {
  const Ran builtin = shorthand({"transcribe", speech()});
  EXPECT_THAT(builtin.err, HasSubstr("using the built-in model, as no other is installed"));
  EXPECT_EQ(builtin.out, shorthand({"transcribe", "-q", "-m", "builtin", speech()}).out);
  EXPECT_EQ(marked(), "builtin");
  install(small_, "one");
  expect_choice("one (English only), the only model installed; ", of_small_);
  install(large_, "two");
  std::ofstream(folder_ / "store/broken.bin") << "nothing";
  expect_choice("two, the best of 2 models installed; ", of_large_);
  EXPECT_EQ(marked(), "two");
  EXPECT_THAT(run({"list"}).out, HasSubstr("cannot be read: "));
  const Json stats = Json::parse(transcribe({"-q", "--stats", "-"}).err);
  EXPECT_EQ(stats["model"]["name"], (folder_ / "store/ggml-two.bin").string());
  EXPECT_EQ(stats["model"]["chosen_by"], "best installed");
  EXPECT_EQ(stats["model"]["bytes"], fs::file_size(large_));
  EXPECT_EQ(stats["model"]["builtin"], false);
  const Ran dumped = shorthand({"dump", speech(), "-o", (folder_ / "dump").string()});
  EXPECT_EQ(dumped.status, 0) << dumped.err;
  EXPECT_THAT(dumped.err, HasSubstr("using two, "));
}

// What `make demo` does where the hub does not answer. The words are those of the address as it was published.
TEST_F(ChosenModelTest, APackedGeneralModelWritesWhatWasSaid) {
  for (const char* name : {"base", "tiny.en"}) {
    SHORTHAND_NEEDS_REAL_MODEL(name);
    const Ran packed = run({"convert", testing::real_model(name).string()});
    ASSERT_EQ(packed.status, 0) << packed.err;
    const Ran heard = shorthand({"transcribe", (testing::repository_dir() / "tests/data/general/moon.flac").string()});
    EXPECT_EQ(heard.status, 0) << heard.err;
    EXPECT_THAT(heard.err, HasSubstr(std::string("using ") + name));
    EXPECT_EQ(
        normalize_english(heard.out),
        normalize_english(
            "I believe that this nation should commit itself to achieving the goal, before this decade is out, of "
            "landing a man on the moon and returning him safely to the earth. No single space project in this "
            "period will be more impressive to mankind, or more important for the long-range exploration of "
            "space."));
    ASSERT_EQ(run({"rm", name}).status, 0);
  }
}

TEST_F(ChosenModelTest, WithoutAHomeThereIsTheBuiltInModelAndThereArePaths) {
  for (const char* name : {"HOME", "XDG_DATA_HOME", "SHORTHAND_MODELS_DIR", "HF_HUB_CACHE"}) environment_[name] = "";
  const Ran builtin = shorthand({"transcribe", speech()});
  EXPECT_EQ(builtin.status, 0);
  EXPECT_THAT(builtin.err, HasSubstr("using the built-in model, as no other is installed"));
  EXPECT_EQ(text(small_), of_small_);
  expect_failure(transcribe({"-m", "base"}), "no directory for models");
}

TEST_F(ChosenModelTest, TheDefaultAndTheEnvironmentSayWhich) {
  install(small_, "one");
  install(large_, "two");
  const Ran set = run({"default", "one"});
  EXPECT_EQ(set.status, 0) << set.err;
  EXPECT_THAT(set.out, HasSubstr("using one (English only), set by `shorthand models default`"));
  EXPECT_EQ(run({"default"}).out, set.out);
  const Json shown = Json::parse(run({"default", "--format", "json"}).out);
  EXPECT_EQ(shown["name"], "one");
  EXPECT_EQ(shown["chosen_by"], "default");
  EXPECT_EQ(shown["path"], (folder_ / "store/ggml-one.bin").string());
  expect_choice("one (English only), set by `shorthand models default`; ", of_small_);
  EXPECT_EQ(marked(), "one");

  environment_["SHORTHAND_MODEL"] = "two";
  expect_choice("two, as SHORTHAND_MODEL says", of_large_);
  EXPECT_EQ(transcribe({"-q", "-m", "one"}).out, of_small_);
  EXPECT_EQ(transcribe({"-m", "one"}).err, "");  // who names a model knows it
  environment_["SHORTHAND_MODEL"] = "three";
  expect_failure(transcribe(), "SHORTHAND_MODEL: no model 'three'");
  environment_.erase("SHORTHAND_MODEL");

  EXPECT_EQ(run({"default", "builtin"}).status, 0);
  EXPECT_EQ(marked(), "builtin");
  expect_failure(run({"default", "three"}), "no model 'three'");
  EXPECT_EQ(marked(), "builtin");
  EXPECT_THAT(run({"default", "--unset"}).out, HasSubstr("using two, the best of 2 models installed"));
  EXPECT_EQ(marked(), "two");
}

TEST_F(ChosenModelTest, ADefaultThatGoes) {
  install(small_, "one");
  install(large_, "two");
  ASSERT_EQ(run({"default", "two"}).status, 0);
  fs::remove(folder_ / "store/ggml-two.bin");
  expect_failure(transcribe(), "'two', which `shorthand models default` set, is no longer there");
  expect_failure(run({"default"}), "is no longer there");
  const Ran list = run({"list"});
  EXPECT_EQ(list.status, 0);
  EXPECT_THAT(list.out, HasSubstr("is no longer there"));
  EXPECT_EQ(transcribe({"-q", "-m", "one"}).out, of_small_);
  ASSERT_EQ(run({"default", "one"}).status, 0);
  install(large_, "two");
  const Ran removed = run({"rm", "one"});
  EXPECT_EQ(removed.status, 0);
  EXPECT_EQ(removed.err, "one was the default, which is now unset; without -m runs two\n");
  expect_choice("two, the only model installed; ", of_large_);
}

TEST_F(ChosenModelTest, HuggingFacesCacheComesAfterTheStore) {
  cache(large_, "small");
  expect_choice("small, the only model in Hugging Face's cache; ", of_large_);
  EXPECT_EQ(transcribe({"-q", "-m", "small"}).out, of_large_);
  EXPECT_EQ(transcribe({"-q", "-m",
                        (folder_ / "hub/models--ggerganov--whisper.cpp/snapshots").string() + "/" +
                            std::string(40, 'c') + "/ggml-small.bin"})
                .out,
            of_large_);
  EXPECT_THAT(run({"list"}).out,
              HasSubstr("\nin Hugging Face's cache, " + environment_["HF_HUB_CACHE"] + ":\n* small "));
  expect_failure(run({"rm", "small"}), "lies in Hugging Face's cache");
  install(small_, "one");
  expect_choice("one (English only), the only model installed; ", of_small_);
  EXPECT_EQ(transcribe({"-q", "-l", "de"}).out, transcribe({"-q", "-l", "de", "-m", "small"}).out);
  EXPECT_THAT(run({"default", "small"}).out, HasSubstr("using small, set by"));
  expect_choice("small, set by `shorthand models default`; ", of_large_);
}

class PullCommandTest : public ModelsTest {
 protected:
  static constexpr const char* kPath = "/ggerganov/whisper.cpp/resolve/main/ggml-tiny.en.bin";

  void SetUp() override { model_ = random("micro.en"); }

  // An answer as Hugging Face's, which announces the checksum. sha256sum says which that is.
  Json answer(Json more = Json::object()) {
    if (digest_.empty()) digest_ = testing::run_program({"sha256sum", model_}).out.substr(0, 64);
    Json answer = {{"file", model_},
                   {"headers",
                    {{"ETag", "\"tag\""},
                     {"X-Linked-Etag", '"' + digest_ + '"'},
                     {"X-Linked-Size", std::to_string(fs::file_size(model_))}}}};
    answer.update(more);
    return answer;
  }
  Ran pull(const FaultServer& server, std::vector<std::string> more = {"tiny.en"}) {
    environment_["HF_ENDPOINT"] = server.url();
    more.insert(more.begin(), "pull");
    return run(more);
  }

  std::string model_, digest_;
};

TEST_F(PullCommandTest, AModelThatWasPulledIsUsedByItsName) {
  FaultServer server(Routes{{kPath, {answer()}}});
  ASSERT_TRUE(server.running()) << "python3 is needed to serve";
  const Ran ran = pull(server);
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.out, "");
  EXPECT_THAT(ran.err, HasSubstr("tiny.en is installed, checksum verified: "));
  EXPECT_THAT(ran.err, HasSubstr("\nwithout -m it is what runs now (best installed): shorthand transcribe talk.mp3\n"));
  EXPECT_THAT(store_entries(), ElementsAre("ggml-tiny.en.bin"));
  EXPECT_EQ(text("tiny.en"), text(model_));
  EXPECT_THAT(pull(server).err, HasSubstr("is installed already"));
  EXPECT_EQ(server.requests().size(), 1u);
  EXPECT_EQ(pull(server, {"tiny.en", "--again", "--quiet"}).err, "");
  EXPECT_EQ(server.requests().size(), 2u);
  EXPECT_EQ(run({"rm", "tiny.en"}).status, 0);
  EXPECT_TRUE(store_entries().empty());
}

TEST_F(PullCommandTest, GoesOnAfterACut) {
  FaultServer server(Routes{{kPath, {answer({{"drop_after", 3'000'000}}), answer()}}});
  const Ran ran = pull(server);
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("checksum verified"));
  EXPECT_EQ(contents(folder_ / "store/ggml-tiny.en.bin"), contents(model_));
  ASSERT_EQ(server.requests().size(), 2u);
  EXPECT_EQ(server.requests()[1]["range"], "bytes=3000000-");
}

TEST_F(PullCommandTest, AWrongChecksumInstallsNothing) {
  digest_ = std::string(64, 'a');
  FaultServer server(Routes{{kPath, {answer()}}});
  expect_failure(pull(server), "the server announced " + digest_);
  EXPECT_TRUE(store_entries().empty());
  EXPECT_EQ(Json::parse(run({"list", "--format", "json"}).out).size(), 1u);
}

TEST_F(PullCommandTest, MissingAndUnreachable) {
  std::string gone;
  {
    FaultServer server(Routes{});
    expect_failure(pull(server), "ggml-tiny.en.bin");
    expect_failure(pull(server, {"owner/name"}), "owner/name: no such model");
    gone = server.url();
  }
  environment_["HF_ENDPOINT"] = gone;
  expect_failure(run({"pull", "tiny.en"}), "couldn't connect");
  environment_["HF_ENDPOINT"] = "nonsense";
  const Ran ran = run({"pull", "tiny.en"});
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, HasSubstr("check HF_ENDPOINT"));
  EXPECT_TRUE(store_entries().empty());
}

// One that fails does not keep the others from being fetched.
TEST_F(PullCommandTest, SeveralNames) {
  FaultServer server(Routes{{kPath, {answer()}}});
  const Ran ran = pull(server, {"-q", "base", "tiny.en"});
  expect_failure(ran, "ggml-base.bin");
  EXPECT_THAT(store_entries(), ElementsAre("ggml-tiny.en.bin"));
}

TEST_F(PullCommandTest, ARepositoryArrivesWholeAndRuns) {
  const auto checkpoint = open_checkpoint(model_);
  ASSERT_TRUE(checkpoint.ok());
  testing::write_hugging_face(*checkpoint, folder_ / "hf", 2);
  const std::string commit(40, 'c');
  Routes routes;
  for (const auto& entry : fs::directory_iterator(folder_ / "hf")) {
    const std::string name = entry.path().filename().string();
    routes["/owner/name/resolve/" + (name == "config.json" ? "main" : commit) + "/" + name] = {
        {{"file", entry.path().string()}, {"headers", {{"ETag", "\"t\""}, {"X-Repo-Commit", commit}}}}};
  }
  FaultServer server(routes);
  const Ran ran = pull(server, {"owner/name"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("announced no checksum"));
  EXPECT_THAT(store_entries(), ElementsAre("owner--name"));
  EXPECT_EQ(text("owner/name"), text(model_));
  EXPECT_EQ(run({"rm", "owner/name"}).status, 0);
  EXPECT_TRUE(store_entries().empty());
}

// A repository as faster-whisper's are: the real thing, served from this machine.
TEST_F(PullCommandTest, AFasterWhisperRepositoryRuns) {
  SHORTHAND_NEEDS_REAL_MODEL("tiny.en");
  const fs::path real = testing::real_model("tiny.en");
  const std::string commit(40, 'c');
  Routes routes;
  for (const auto& entry : fs::directory_iterator(real)) {
    const std::string name = entry.path().filename().string();
    routes["/Systran/faster-whisper-tiny.en/resolve/" + (name == "config.json" ? "main" : commit) + "/" + name] = {
        {{"file", entry.path().string()}, {"headers", {{"ETag", "\"t\""}, {"X-Repo-Commit", commit}}}}};
  }
  FaultServer server(routes);
  const Ran ran = pull(server, {"Systran/faster-whisper-tiny.en"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(store_entries(), ElementsAre("Systran--faster-whisper-tiny.en"));
  const std::string expected = text(real.string());
  EXPECT_EQ(text("Systran/faster-whisper-tiny.en"), expected);
  EXPECT_EQ(text("tiny.en"), expected);  // the short name finds what it is published as
}

// Weights that came well and are no model: the one who fetched them is told, not the one who uses them.
TEST_F(PullCommandTest, WhatCannotBeReadIsSaid) {
  std::ofstream(folder_ / "text") << "not a model";
  FaultServer server(Routes{{kPath, {{{"file", (folder_ / "text").string()}}}}});
  expect_failure(pull(server), "ggml-tiny.en.bin: is a text file, not a model");
}

}  // namespace
}  // namespace shorthand
