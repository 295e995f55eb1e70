// SPDX-License-Identifier: Apache-2.0
#include "model/ctranslate2.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/thread_pool.h"
#include "model/model.h"
#include "support/ctranslate2.h"
#include "support/hugging_face.h"
#include "support/temporary_directory.h"
#include "support/test_data.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using shorthand::testing::CTranslate2Parts;
using shorthand::testing::TemporaryDirectory;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr size_t kVocabulary = 1770;

std::string fixture(const std::string& name) { return shorthand::testing::ctranslate2_fixture(name); }

// A directory as CTranslate2 leaves it.
struct Folder {
  TemporaryDirectory dir;
  Folder() { shorthand::testing::write_ctranslate2_folder(dir.path, "int8_float16"); }
  explicit Folder(const std::string& model) : Folder() { put("model.bin", model); }
  void put(const std::string& name, const std::string& text) const {
    std::ofstream(dir.path / name, std::ios::binary) << text;
  }
  void remove(const std::string& name) const { fs::remove(dir.path / name); }
  Result<Checkpoint> open(const std::string& name = "") const {
    return open_checkpoint(name.empty() ? dir.path : dir.path / name);
  }
};

std::vector<float> read(const Checkpoint& c, const std::string& name) {
  const auto found = c.tensors.find(name);
  if (found == c.tensors.end()) return {};
  std::vector<float> out(found->second.shape.elements());
  const auto result = c.read_tensor(name, found->second.shape, out);
  EXPECT_TRUE(result.ok()) << result.error().message;
  return out;
}

uint32_t crc(std::string_view text) {
  return static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())));
}

// What make_ctranslate2_cases.py gave the library for this tensor.
std::vector<float> weight(const std::string& name, const Shape& shape) {
  std::string seeded = name;
  if (name == "decoder.ln.weight") seeded = "encoder.ln_post.weight";
  if (name == "decoder.blocks.0.mlp_ln.bias") seeded = "encoder.blocks.0.attn.out.bias";
  if (name == "decoder.blocks.1.attn.out.weight") seeded = "decoder.blocks.0.attn.out.weight";
  const size_t columns = shape.elements() / shape[0];
  std::vector<float> out(shape.elements());
  for (size_t i = 0; i < out.size(); ++i) {
    const auto step = static_cast<float>(static_cast<int>((i * 17 + crc(seeded)) % 61) - 30);
    out[i] = step / 96 * (1 + static_cast<float>(i / columns / 16 % 5) / 4);
  }
  return out;
}

// How far a value may lie from the one it came from, as a part of its row's or tensor's largest.
double tolerance(const TensorView& tensor) {
  switch (tensor.dtype) {
    case DType::f32: return 0;
    case DType::f16: return 0x1p-11;
    case DType::bf16: return 0x1p-8;
    case DType::i8: return 0.501 / 127;
    case DType::i16: return 0.501 / 1024;
    default: return -1;
  }
}

TEST(CTranslate2Test, EveryKindOfEveryVersionHoldsWhatTheLibraryPutIn) {
  const json cases = shorthand::testing::repository_json("ctranslate2/cases.json");
  const std::map<std::string, std::pair<const char*, DType>> kinds = {
      {"3.0.0-float32", {"float32", DType::f32}},
      {"3.0.0-int8", {"int8_float32", DType::i8}},
      {"3.4.0-float16", {"float16", DType::f16}},
      {"3.4.0-int8_float16", {"int8_float16", DType::i8}},
      {"3.13.0-int16", {"int16", DType::i16}},
      {"4.8.5-float32", {"float32", DType::f32}},
      {"4.8.5-float16", {"float16", DType::f16}},
      {"4.8.5-none-float16", {"float16", DType::f16}},
      {"4.8.5-bfloat16", {"bfloat16", DType::bf16}},
      {"4.8.5-int16", {"int16", DType::i16}},
      {"4.8.5-int8", {"int8_float32", DType::i8}},
      {"4.8.5-int8_float16", {"int8_float16", DType::i8}},
      {"4.8.5-int8_bfloat16", {"int8_bfloat16", DType::i8}},
  };
  ASSERT_EQ(cases.size(), kinds.size() + 1);  // and the names
  const std::vector<std::string> names = cases["tensors"];
  for (const auto& [name, kind] : kinds) {
    SCOPED_TRACE(name);
    const std::string version = name.substr(0, name.find('-'));
    Folder folder(fixture(name + ".bin"));
    folder.put("config.json", fixture(version + "-config.json"));
    if (version != "4.8.5") {
      folder.remove("vocabulary.json");
      folder.put("vocabulary.txt", fixture(version + "-vocabulary.txt"));
    }
    const auto c = folder.open();
    ASSERT_TRUE(c.ok()) << c.error().message;
    EXPECT_EQ(c->format, std::string("ctranslate2 ") + kind.first);
    EXPECT_EQ(c->tensors.at("decoder.token_embedding.weight").dtype, kind.second);
    EXPECT_EQ(c->config, (Config{1770, 6, 64, 1, 1, 16, 64, 1, 2, 4}));
    EXPECT_EQ(c->generation.suppress_tokens, (std::vector<int>{1, 2, 220}));
    EXPECT_EQ(c->generation.begin_suppress_tokens, (std::vector<int>{220, 259}));
    EXPECT_EQ(c->generation.alignment_heads.has_value(), version == "4.8.5" || version == "3.13.0");
    ASSERT_EQ(c->tensors.size(), names.size());
    for (size_t i = 0; i < names.size(); ++i) {
      const std::vector<float> values = read(*c, names[i]);
      ASSERT_FALSE(values.empty()) << names[i];
      const std::string_view raw(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
      EXPECT_EQ(crc(raw), cases[name][i].get<uint32_t>()) << names[i];
      const TensorView& tensor = c->tensors.at(names[i]);
      const std::vector<float> original = weight(names[i], tensor.shape);
      const double most = tolerance(tensor) * 30 / 96 * 2;  // the largest weight
      for (size_t k = 0; k < values.size(); ++k)
        ASSERT_NEAR(values[k], original[k], most * 1.0001) << names[i] << " " << k;
    }
  }
}

TEST(CTranslate2Test, TheFileInADirectoryStandsForTheDirectory) {
  const Folder folder;
  const auto c = folder.open("model.bin");
  ASSERT_TRUE(c.ok()) << c.error().message;
  EXPECT_EQ(c->file, (folder.dir.path / "model.bin").string());
  EXPECT_EQ(c->pieces.size(), 259u);
  EXPECT_EQ(c->files.size(), 1u);
  // Nothing is copied: the tensors lie in the file.
  const auto bytes = c->files[0].bytes();
  for (const auto& [name, tensor] : c->tensors) {
    EXPECT_GE(tensor.bytes.data(), bytes.data()) << name;
    EXPECT_LE(tensor.bytes.data() + tensor.bytes.size(), bytes.data() + bytes.size()) << name;
  }
  EXPECT_TRUE(c->computed.empty());
  fs::rename(folder.dir.path / "model.bin", folder.dir.path / "whisper");
  EXPECT_TRUE(folder.open("whisper").ok()) << "told by its bytes";
}

TEST(CTranslate2Test, FloatWeightsBesideItGoFirst) {
  const Folder folder, floats(fixture("4.8.5-float32.bin"));
  const auto original = floats.open();
  ASSERT_TRUE(original.ok()) << original.error().message;
  shorthand::testing::write_hugging_face(*original, folder.dir.path, 1);
  EXPECT_EQ(folder.open()->format, "safetensors");
  EXPECT_EQ(folder.open("model.bin")->format, "ctranslate2 int8_float16");
}

TEST(CTranslate2Test, TheModelRuns) {
  const Folder folder;
  ThreadPool pool(1);
  for (const ComputeType type : {ComputeType::float32, ComputeType::int8}) {
    const auto model = Model::open(folder.dir.path, type, pool);
    ASSERT_TRUE(model.ok()) << model.error().message;
    const SpecialTokens& special = (*model)->tokenizer().special();
    EXPECT_EQ(special.eot, 259);
    EXPECT_EQ(special.sot, 260);
    EXPECT_EQ(special.n_languages, 2);
    EXPECT_EQ(special.nospeech, 267);
    EXPECT_EQ(special.timestamp_begin, 269);
    EXPECT_TRUE(special.is_multilingual());
    EXPECT_EQ((*model)->tokenizer().decode(std::vector<int>{256, 257, 258, 0x41}), " theingA");
  }
}

TEST(CTranslate2Test, VocabulariesMayBeOdd) {
  const Folder folder;
  const json tokens = json::parse(fixture("4.8.5-vocabulary.json"));
  ASSERT_EQ(tokens.size(), kVocabulary);
  const auto says = [&] {
    const auto c = folder.open();
    return c.ok() ? std::string("read") : c.error().message;
  };
  const std::string array = (folder.dir.path / "vocabulary.json").string();
  const auto with = [&](size_t i, const json& token) {
    json changed = tokens;
    changed[i] = token;
    folder.put("vocabulary.json", changed.dump());
    return says();
  };
  EXPECT_EQ(with(3, "x"), "read");  // a piece may come twice
  EXPECT_EQ(with(258, "\u010a"), "read");
  EXPECT_THAT(with(3, "a b"), StartsWith(array + ": \"a b\" (id 3) does not spell bytes"));
  EXPECT_THAT(with(3, 3), StartsWith(array + ": token 3 is no string"));
  EXPECT_THAT(with(259, "end"), HasSubstr("lists no <|endoftext|>"));
  EXPECT_THAT(with(263, "<|en|>"), HasSubstr("lists \"<|en|>\" twice"));
  EXPECT_EQ(with(263, "<|translation|>"), "read");
  ThreadPool pool(1);
  EXPECT_THAT(Model::open(folder.dir.path, ComputeType::int8, pool).error().message,
              HasSubstr("names no <|translate|>"));
  for (const char* text : {"{", "{}", "[]", "[1]", "", "7"}) {
    folder.put("vocabulary.json", text);
    EXPECT_THAT(says(), StartsWith(array + ": ")) << text;
  }
  // The array comes before the lines, and the lines serve where it is not there.
  folder.put("vocabulary.txt", "nonsense\n");
  folder.put("vocabulary.json", tokens.dump());
  EXPECT_EQ(says(), "read");
  folder.remove("vocabulary.json");
  const std::string lines = (folder.dir.path / "vocabulary.txt").string();
  EXPECT_EQ(says(), lines + ": lists 1 tokens, and the model has 1770; the two files do not belong together");
  const std::string good = fixture("3.0.0-vocabulary.txt");
  folder.put("vocabulary.txt", good);
  EXPECT_EQ(says(), "read");
  folder.put("vocabulary.txt", good.substr(0, good.size() - 1));  // no line end at the end
  EXPECT_EQ(says(), "read");
  folder.put("vocabulary.txt", good + "\n");
  EXPECT_THAT(says(), HasSubstr("lists 1771 tokens"));
  std::string windows;
  for (const char c : good) windows += c == '\n' ? std::string("\r\n") : std::string(1, c);
  folder.put("vocabulary.txt", windows);
  EXPECT_EQ(says(), "read");
  folder.put("vocabulary.txt", std::string(1 << 20, '\n'));
  EXPECT_THAT(says(), HasSubstr("lists 1048576 tokens"));
  folder.remove("vocabulary.txt");
  EXPECT_THAT(says(), HasSubstr("no vocabulary.json or vocabulary.txt in "));
}

TEST(CTranslate2Test, ConfigurationsMayBeOdd) {
  const Folder folder;
  const auto with = [&](const char* text) {
    folder.put("config.json", text);
    return folder.open();
  };
  using Heads = std::vector<std::pair<int, int>>;
  EXPECT_EQ(with(R"({"alignment_heads": [[1, 0], [0, 0]]})")->generation.alignment_heads, (Heads{{1, 0}, {0, 0}}));
  for (const char* text :
       {"{}", R"({"alignment_heads": null})", R"({"alignment_heads": []})", R"({"alignment_heads": [[0, 0], [2, 0]]})",
        R"({"alignment_heads": [[1, 1]]})", R"({"lang_ids": [], "suppress_ids": null})"}) {
    const auto c = with(text);
    ASSERT_TRUE(c.ok()) << text << c.error().message;
    EXPECT_FALSE(c->generation.alignment_heads) << text;
    EXPECT_FALSE(c->generation.suppress_tokens) << text;
  }
  for (const char* text :
       {"{", "[]", "", R"({"alignment_heads": [[1]]})", R"({"alignment_heads": 3})", R"({"suppress_ids": [-1]})",
        R"({"suppress_ids": [1770]})", R"({"suppress_ids_begin": 1})"}) {
    const auto c = with(text);
    ASSERT_FALSE(c.ok()) << text;
    EXPECT_THAT(c.error().message, StartsWith((folder.dir.path / "config.json").string() + ": ")) << text;
  }
  folder.remove("config.json");
  EXPECT_TRUE(folder.open().ok());
  folder.put("preprocessor_config.json", R"({"feature_size": 80})");
  EXPECT_THAT(folder.open().error().message, HasSubstr("feature_size is 80; this model needs 4"));
  folder.put("preprocessor_config.json", R"({"feature_size": 4})");
  EXPECT_TRUE(folder.open().ok());
}

// A good file that was changed, in memory.
struct Changed {
  std::string file;
  Checkpoint checkpoint;
  Result<void> result = {};

  explicit Changed(std::string changed) : file(std::move(changed)) {
    result = add_ctranslate2_weights(std::as_bytes(std::span(file)), "m.bin", checkpoint);
  }
  explicit Changed(const CTranslate2Parts& parts) : Changed(parts.file()) {}
  std::string says() const { return result.ok() ? "read" : result.error().message; }
};

CTranslate2Parts parts_of(const std::string& name) { return CTranslate2Parts::of(fixture(name + ".bin")); }

template <class T>
std::string raw(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

TEST(CTranslate2Test, TheTestsTakeAFileApartAndPutItTogether) {
  const std::string file = fixture("4.8.5-int8_float16.bin");
  ASSERT_EQ(CTranslate2Parts::of(file).file(), file);
  EXPECT_EQ(Changed(file).says(), "read");
}

TEST(CTranslate2Test, HeadsAreTheFilesOrOf64) {
  for (const char* side : {"encoder", "decoder"}) {
    const std::string heads = std::string(side) + "/num_heads";
    CTranslate2Parts parts = parts_of("4.8.5-float16");
    parts.erase(heads);
    EXPECT_EQ(Changed(parts).says(), "read") << "absent";
    parts.at(heads) = {heads, {}, 3, raw<int32_t>(1)};
    EXPECT_EQ(Changed(parts).says(), "read") << "of another width";
    parts.at(heads) = {heads, {}, 2, raw<int16_t>(2)};
    EXPECT_THAT(Changed(parts).says(), HasSubstr("64 with 2 heads of 32; every Whisper model has heads of 64"));
    parts.at(heads) = {heads, {}, 2, raw<int16_t>(-1)};
    EXPECT_THAT(Changed(parts).says(), HasSubstr("_head is -1"));
    parts.at(heads) = {heads, {}, 2, raw<int16_t>(0)};
    EXPECT_THAT(Changed(parts).says(), HasSubstr("_head is 0"));
  }
}

TEST(CTranslate2Test, SettingsOfRankZeroAreIgnoredUnlessTheyChangeTheComputation) {
  CTranslate2Parts parts = parts_of("4.8.5-float16");
  parts.at("decoder/activation") = {"decoder/activation", {}, 1, "\x07"};
  parts.at("decoder/alignment_layer") = {"decoder/alignment_layer", {}, 2, raw<int16_t>(77)};
  parts.at("encoder/something_new") = {"encoder/something_new", {}, 0, raw(2.5f)};
  EXPECT_EQ(Changed(parts).says(), "read");
  for (const char* name : {"decoder/pre_norm", "decoder/scale_embeddings", "decoder/alibi"}) {
    CTranslate2Parts other = parts;
    std::string& value = other.at(name).data;
    ASSERT_EQ(value.size(), 1u) << name;
    value[0] ^= 1;
    EXPECT_THAT(Changed(other).says(), StartsWith(std::string("m.bin: ") + name + " is ")) << name;
  }
}

TEST(CTranslate2Test, AliasesStandForTensorsAndTheirScales) {
  CTranslate2Parts parts = parts_of("4.8.5-int8_float16");
  const auto has = [&](const char* alias) {
    return std::ranges::any_of(parts.aliases, [&](const auto& a) { return a.first == alias; });
  };
  // The library made them all; the scales of equal matrices it leaves to the loader.
  EXPECT_TRUE(has("decoder/projection/weight"));
  EXPECT_TRUE(has("decoder/layer_1/self_attention/linear_1/weight"));
  EXPECT_FALSE(has("decoder/layer_1/self_attention/linear_1/weight_scale"));
  EXPECT_TRUE(has("encoder/layer_norm/gamma"));
  EXPECT_TRUE(has("encoder/layer_0/self_attention/linear_1/bias"));

  CTranslate2Parts own = parts;  // an alias with a scale of its own
  auto& scale = own.at("decoder/layer_0/self_attention/linear_1/weight_scale");
  std::string doubled = scale.data;
  for (size_t i = 0; i < 64; ++i) {
    float value;
    std::memcpy(&value, &doubled[4 * i], 4);
    value *= 2;
    std::memcpy(&doubled[4 * i], &value, 4);
  }
  const std::string name = "decoder/layer_1/self_attention/linear_1/weight_scale";
  const auto shape = scale.shape;
  own.at(name) = {name, shape, 0, doubled};
  Changed changed(own);
  ASSERT_EQ(changed.says(), "read");
  const auto first = read(changed.checkpoint, "decoder.blocks.0.attn.out.weight");
  const auto second = read(changed.checkpoint, "decoder.blocks.1.attn.out.weight");
  for (size_t i = 0; i < first.size(); ++i) ASSERT_EQ(second[i] * 2, first[i]) << i;

  const std::string embedding = "decoder/embeddings/weight", projection = "decoder/projection/weight";
  const auto with_alias = [&](const std::string& alias, const std::string& target) {
    CTranslate2Parts other = parts;
    other.aliases.emplace_back(alias, target);
    return Changed(other).says();
  };
  EXPECT_THAT(with_alias(projection, embedding), HasSubstr("'decoder/projection/weight' is there twice"));
  EXPECT_THAT(with_alias(embedding, embedding), HasSubstr("'decoder/embeddings/weight' is there twice"));
  EXPECT_THAT(with_alias("a", "b"), HasSubstr("'a' stands for the tensor 'b', which is not there"));
  EXPECT_THAT(with_alias("a", "a"), HasSubstr("which is not there"));
  EXPECT_THAT(with_alias("a", projection), HasSubstr("which is not there"));  // an alias of an alias
  EXPECT_THAT(with_alias("a", embedding), HasSubstr("'a' is none of a Whisper model's"));
  CTranslate2Parts loop = parts;
  loop.erase("encoder/conv1/bias");
  loop.erase("encoder/conv2/bias");
  loop.aliases.insert(loop.aliases.end(),
                      {{"encoder/conv1/bias", "encoder/conv2/bias"}, {"encoder/conv2/bias", "encoder/conv1/bias"}});
  EXPECT_THAT(Changed(loop).says(), HasSubstr("which is not there"));
}

TEST(CTranslate2Test, TheLogitsMatrixIsTheEmbedding) {
  for (const char* kind : {"4.8.5-float32", "4.8.5-int8"}) {
    CTranslate2Parts parts = parts_of(kind);
    parts.erase("decoder/projection/weight");
    EXPECT_EQ(Changed(parts).says(), "read") << "absent";
    auto copy = parts.at("decoder/embeddings/weight");
    copy.name = "decoder/projection/weight";
    parts.variables.push_back(copy);
    if (copy.type == 1) {
      EXPECT_THAT(Changed(parts).says(), HasSubstr("'decoder/projection/weight_scale' is missing"));
      auto scale = parts.at("decoder/embeddings/weight_scale");
      scale.name = "decoder/projection/weight_scale";
      parts.variables.push_back(scale);
    }
    EXPECT_EQ(Changed(parts).says(), "read") << "a copy";
    parts.at("decoder/projection/weight").data[5000] ^= 1;
    EXPECT_THAT(Changed(parts).says(), HasSubstr("'decoder/projection/weight' differs from the token embedding"));
  }
}

TEST(CTranslate2Test, WeightsThatAreNotWhispersAreRefused) {
  const auto changed = [](const char* kind, auto change) {
    CTranslate2Parts parts = parts_of(kind);
    change(parts);
    return Changed(parts).says();
  };
  const char* f32 = "4.8.5-float32";
  const char* i8 = "4.8.5-int8";
  // In the middle of the fused bias, where the keys' part lies; the cross-attention's comes first.
  EXPECT_THAT(changed(f32, [](auto& p) { p.at("encoder/layer_0/self_attention/linear_0/bias").data[4 * 64 + 3] = 1; }),
              HasSubstr("'encoder/layer_0/self_attention/linear_0/bias' gives the keys a bias"));
  EXPECT_THAT(changed(f32, [](auto& p) { p.at("decoder/layer_1/attention/linear_1/bias").data[2] = 1; }),
              HasSubstr("gives the keys a bias"));
  EXPECT_EQ(
      changed(f32, [](auto& p) { p.at("encoder/layer_0/self_attention/linear_0/bias").data[4 * 64 + 3] = '\x80'; }),
      "read")
      << "-0 is a zero";
  EXPECT_THAT(changed(f32,
                      [](auto& p) {
                        auto& v = p.at("encoder/layer_0/self_attention/linear_0/weight");
                        v.shape[0] += 1;
                        v.data.append(256, '\1');
                      }),
              HasSubstr("is [193, 64], which is no 3 matrices of equal size"));
  EXPECT_THAT(changed(f32,
                      [](auto& p) {
                        auto& v = p.at("encoder/layer_0/ffn/linear_0/weight");
                        std::swap(v.shape[0], v.shape[1]);
                      }),
              HasSubstr("is [64, 256], but the model's sizes ask for [256, 64]"));
  EXPECT_THAT(changed(f32,
                      [](auto& p) {
                        auto v = p.at("encoder/layer_0/ffn/linear_0/weight");
                        v.name = "encoder/layer_0/ffn/linear_2/weight";
                        p.variables.push_back(v);
                      }),
              HasSubstr("'encoder/layer_0/ffn/linear_2/weight' is none of a Whisper model's"));
  EXPECT_THAT(changed(i8, [](auto& p) { p.erase("encoder/layer_0/ffn/linear_0/weight_scale"); }),
              HasSubstr("is of integers, and 'encoder/layer_0/ffn/linear_0/weight_scale' is missing"));
  for (const float bad :
       {0.0f, -1.0f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    EXPECT_THAT(
        changed(i8,
                [&](auto& p) { std::memcpy(&p.at("encoder/layer_0/ffn/linear_0/weight_scale").data[40], &bad, 4); }),
        HasSubstr("holds a scale that is no positive number"));
  }
  EXPECT_EQ(changed("4.8.5-int16",
                    [](auto& p) {
                      auto& weight = p.at("encoder/layer_0/ffn/linear_0/weight").data;
                      weight.assign(weight.size(), '\0');
                      const float infinity = std::numeric_limits<float>::infinity();
                      std::memcpy(p.at("encoder/layer_0/ffn/linear_0/weight_scale").data.data(), &infinity, 4);
                    }),
            "read")
      << "what CTranslate2 writes of zeros in int16";
  EXPECT_THAT(changed(i8,
                      [](auto& p) {
                        p.at("encoder/layer_0/ffn/linear_0/weight_scale").shape = {16, 16};
                      }),
              HasSubstr("is float32 [16, 16]; it must be float32, one or [256]"));
  EXPECT_THAT(changed(f32, [](auto& p) { p.at("encoder/layer_0/ffn/linear_0/weight").type = 3; }),
              HasSubstr("is int32 [256, 64], which no weights of Whisper's are"));
  EXPECT_THAT(changed(f32,
                      [](auto& p) {
                        p.at("encoder/layer_norm/beta") = {"encoder/layer_norm/beta", {}, 0, "abcd"};
                      }),
              HasSubstr("is float32 [], which no weights of Whisper's are"));

  // A number that is none is found when it is read.
  CTranslate2Parts parts = parts_of(f32);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(&parts.at("encoder/conv1/bias").data[8], &nan, 4);
  const Folder folder(parts.file());
  ThreadPool pool(1);
  const auto model = Model::open(folder.dir.path, ComputeType::int8, pool);
  ASSERT_FALSE(model.ok());
  EXPECT_THAT(model.error().message, HasSubstr("'encoder.conv1.bias' holds a value that is not a finite number"));
}

TEST(CTranslate2Test, OtherModelsAreNamedForWhatTheyAre) {
  CTranslate2Parts parts = parts_of("4.8.5-float16");
  parts.spec = "TransformerSpec";
  const Folder folder(parts.file());
  EXPECT_EQ(folder.open().error().message, (folder.dir.path / "model.bin").string() +
                                               ": is a CTranslate2 model of another kind (TransformerSpec); give a "
                                               "Whisper model");
  const auto in_memory = [](const std::string& file) {
    return parse_checkpoint(std::as_bytes(std::span(file)), "m").error().message;
  };
  EXPECT_THAT(in_memory(parts.file()), HasSubstr("another kind (TransformerSpec)"));
  EXPECT_EQ(in_memory(fixture("4.8.5-float16.bin")),
            "m: is CTranslate2's model.bin; give the directory that it lies in");
  folder.put("model.bin", "PK\3\4 a zip");
  EXPECT_THAT(folder.open().error().message, HasSubstr("its model.bin is a PyTorch checkpoint"));
  parts.spec = "WhisperSpec";
  for (const auto& [version, revision] : {std::pair{5u, 3u}, {7u, 3u}, {6u, 0u}, {6u, 4u}}) {
    parts.version = version;
    parts.revision = revision;
    const std::string expected =
        "m.bin: is a CTranslate2 file of version " + std::to_string(version) + ", revision " + std::to_string(revision);
    EXPECT_THAT(Changed(parts).says(), StartsWith(expected));
  }
}

// Every variant of a good file must be refused, with one line that names the file.
class Damage {
 public:
  void refused(const std::string& file, const std::string& what) {
    const Changed changed(file);
    ++count_;
    ASSERT_FALSE(changed.result.ok()) << what;
    EXPECT_THAT(changed.says(), StartsWith("m.bin: ")) << what;
    EXPECT_EQ(changed.says().find('\n'), std::string::npos) << what;
    EXPECT_GT(changed.says().size(), 20u) << what;
  }
  int count() const { return count_; }

 private:
  int count_ = 0;
};

TEST(CTranslate2Test, ATruncatedFileIsRefusedWhereverItEnds) {
  Damage damage;
  for (const char* kind : {"4.8.5-int8_float16", "3.0.0-float32"}) {
    std::vector<size_t> boundaries = {0};
    const std::string file = parts_of(kind).file(&boundaries);
    for (size_t i = 0; i + 1 < boundaries.size(); ++i) {
      for (const size_t end : {boundaries[i], std::midpoint(boundaries[i], boundaries[i + 1]), boundaries[i + 1] - 1})
        damage.refused(file.substr(0, end), "cut at " + std::to_string(end));
    }
    for (const size_t more : {1u, 4u, 4096u}) damage.refused(file + std::string(more, '\0'), "bytes at the end");
  }
  EXPECT_GT(damage.count(), 3000);
}

TEST(CTranslate2Test, FieldsThatLieAreRefused) {
  Damage damage;
  const CTranslate2Parts good = parts_of("4.8.5-int8_float16");
  // Numbers of a variable's header, one at a time.
  for (size_t i = 0; i < good.variables.size(); ++i) {
    const std::string& name = good.variables[i].name;
    const auto changed = [&](const std::string& how, auto change) {
      CTranslate2Parts parts = good;
      change(parts.variables[i]);
      damage.refused(parts.file(), name + " " + how);
    };
    for (size_t k = 0; k < good.variables[i].shape.size(); ++k) {
      changed("size + 1", [&](auto& v) { v.shape[k] += 1; });
      changed("size - 1", [&](auto& v) { v.shape[k] -= 1; });
      changed("size 0", [&](auto& v) { v.shape[k] = 0; });
      changed("size 2^32 - 1", [&](auto& v) { v.shape[k] = UINT32_MAX; });
      changed("size * 2^16", [&](auto& v) { v.shape[k] <<= 16; });
    }
    changed("two dimensions more", [](auto& v) { v.shape.insert(v.shape.end(), {65536, 65536}); });
    changed("five dimensions", [](auto& v) { v.shape.resize(5, 1); });
    changed("255 dimensions", [](auto& v) { v.shape.resize(255, 1); });
    changed("type 6", [](auto& v) { v.type = 6; });
    changed("type 255", [](auto& v) { v.type = 255; });
    changed("a byte less", [](auto& v) { v.data.pop_back(); });
    changed("a byte more", [](auto& v) { v.data.push_back('\0'); });
    changed("no name", [](auto& v) { v.name.clear(); });
    changed("a NUL in its name", [](auto& v) { v.name[2] = '\0'; });
    CTranslate2Parts twice = good;
    twice.variables.push_back(twice.variables[i]);
    damage.refused(twice.file(), name + " twice");
    if (good.variables[i].shape.empty()) continue;
    changed("another name", [](auto& v) { v.name += "x"; });
    CTranslate2Parts fewer = good;
    fewer.variables.erase(fewer.variables.begin() + static_cast<ptrdiff_t>(i));
    damage.refused(fewer.file(), name + " missing");
  }
  for (size_t i = 0; i < good.aliases.size(); ++i) {
    CTranslate2Parts parts = good;
    parts.aliases[i].second = parts.aliases[i].first;
    damage.refused(parts.file(), "an alias of itself");
    parts.aliases[i].second = "nothing";
    damage.refused(parts.file(), "an alias of nothing");
    parts.aliases[i].second.clear();
    damage.refused(parts.file(), "an alias of no name");
  }
  EXPECT_GT(damage.count(), 1000);
}

// Counts and lengths that promise more than the file has: refused before anything is made of that size.
TEST(CTranslate2Test, HostileNumbersAreRefused) {
  Damage damage;
  const CTranslate2Parts good = parts_of("4.8.5-int8_float16");
  std::vector<size_t> boundaries;
  const std::string file = good.file(&boundaries);
  for (size_t i = 0; i + 1 < boundaries.size(); ++i) {
    const size_t begin = boundaries[i], bytes = boundaries[i + 1] - begin;
    if (bytes != 2 && bytes != 4) continue;  // numbers, and settings of that size
    const bool setting = i > 0 && bytes == 2 && boundaries[i] - boundaries[i - 1] == 4;
    if (setting) continue;
    std::string changed = file;
    for (size_t k = 0; k < bytes; ++k) changed[begin + k] = '\xff';
    damage.refused(changed, "2^n - 1 at byte " + std::to_string(begin));
  }
  EXPECT_GT(damage.count(), 200);
}

}  // namespace
}  // namespace shorthand
