// SPDX-License-Identifier: Apache-2.0
#include "model/safetensors.h"
#include "model/hf_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/phrase.h"
#include "model/ggml.h"
#include "model/half.h"
#include "model/huggingface.h"
#include "support/hugging_face.h"
#include "support/shared_data.h"
#include "support/temporary_directory.h"
#include "support/test_data.h"
#include "support/tiny_model.h"
#include "support/torch.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using shorthand::testing::gpt2_spelling;
using shorthand::testing::model_bytes;
using shorthand::testing::safetensors_file;
using shorthand::testing::SafetensorsWriter;
using shorthand::testing::shared_data_dir;
using shorthand::testing::TemporaryDirectory;
using shorthand::testing::tiny_model;
using shorthand::testing::transformers_config;
using shorthand::testing::transformers_name;
using ::testing::HasSubstr;

std::vector<float> read(const Checkpoint& c, const std::string& name) {
  const auto found = c.tensors.find(name);
  if (found == c.tensors.end()) return {};
  std::vector<float> out(found->second.shape.elements());
  const auto result = c.read_tensor(name, found->second.shape, out);
  EXPECT_TRUE(result.ok()) << result.error().message;
  return out;
}

// A safetensors file of this header and as many zeros.
std::string file_of(const std::string& header, size_t data) {
  return safetensors_file(header, std::string(data, '\0'));
}
Result<std::vector<NamedTensor>> parse(const std::string& file) {
  return read_safetensors(std::as_bytes(std::span(file)), "s");
}

// The file was written by the format's own library (safetensors 0.4.5 for Python).
TEST(SafetensorsTest, ReadsWhatTheFormatsLibraryWrote) {
  const auto file = MappedFile::open(shorthand::testing::repository_dir() / "tests/data/model/three_types.safetensors");
  ASSERT_TRUE(file.ok()) << file.error().message;
  const auto entries = read_safetensors(file->bytes(), "three");
  ASSERT_TRUE(entries.ok()) << entries.error().message;
  ASSERT_EQ(entries->size(), 3u);
  const auto values = [](const NamedTensor& e) {
    std::vector<float> out(e.shape.elements());
    decode(e.dtype, e.bytes, out);
    return out;
  };
  EXPECT_EQ((*entries)[0].name, "single");
  EXPECT_EQ((*entries)[0].shape, (Shape{2, 3}));
  EXPECT_EQ(values((*entries)[0]), (std::vector<float>{1.5f, -2.25f, 3.0f, 0.1f, 65504.0f, -0.0f}));
  EXPECT_EQ((*entries)[1].name, "brain");
  EXPECT_EQ((*entries)[1].shape, (Shape{6}));
  EXPECT_EQ(values((*entries)[1]), (std::vector<float>{1.5f, -2.25f, 3.0f, 0x1.98p-4f, 0x1.fep15f, -0.0f}));
  EXPECT_EQ((*entries)[2].name, "half");
  EXPECT_EQ(values((*entries)[2]), (std::vector<float>{1.5f, -2.25f, 3.0f, 0x1.998p-4f, 65504.0f, -0.0f}));
}

TEST(SafetensorsTest, HeadersMayLie) {
  const std::string a = R"("a":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]})";
  const std::string b = R"("b":{"dtype":"F32","shape":[2],"data_offsets":[12,20]})";
  ASSERT_TRUE(parse(file_of("{" + a + "," + b + "}", 20)).ok());
  ASSERT_TRUE(parse(file_of("{" + b + "," + a + "}", 20)).ok());  // any order in the header
  const struct {
    std::string header;
    size_t data;
    const char* says;
  } cases[] = {
      {"{" + a + "}", 11, "header promises "},
      {"{" + a + "}", 13, "1 bytes follow the last tensor"},
      {"{" + a + "," + a + "}", 12, "'a' is there twice"},
      {"{" + b + "}", 20, "begins at byte 12"},
      {R"({"a":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})",
       16, "begins at byte 8"},
      {R"({"a":{"dtype":"F16","shape":[2,3],"data_offsets":[0,10]}})", 10,
       "12 bytes, but its data_offsets are [0, 10]"},
      {R"({"a":{"dtype":"F16","shape":[2,3],"data_offsets":[12,0]}})", 12, "data_offsets"},
      {R"({"a":{"dtype":"F16","shape":[2,3],"data_offsets":[-12,0]}})", 12, "no data_offsets"},
      {R"({"a":{"dtype":"F16","shape":[2,3],"data_offsets":[0]}})", 12, "no data_offsets"},
      {R"({"a":{"dtype":"F16","shape":[-2,3],"data_offsets":[0,12]}})", 12, "a shape that cannot be"},
      {R"({"a":{"dtype":"F16","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,12]}})", 12,
       "a shape that cannot be"},
      {R"({"a":{"dtype":"F16","shape":[2.5],"data_offsets":[0,12]}})", 12, "a shape that cannot be"},
      {R"({"a":{"dtype":"F16","shape":[1,1,1,1,6],"data_offsets":[0,12]}})", 12, "5 dimensions"},
      {R"({"a":{"dtype":"I8","shape":[12],"data_offsets":[0,12]}})", 12, "has type I8"},
      {R"({"a":{"dtype":"F8_E4M3\n","shape":[12],"data_offsets":[0,12]}})", 12, "has type F8_E4M3?"},
      {R"({"a":{"shape":[12],"data_offsets":[0,12]}})", 12, "lacks its dtype"},
      {R"({"a":7})", 12, "lacks its dtype"},
      {"{", 0, "no valid JSON"},
      {R"({"a":{"dtype":"F16","shape":[9223372036854775807],"data_offsets":[0,18446744073709551614]}})", 12,
       "truncated"},
  };
  for (const auto& c : cases) {
    const std::string file = file_of(c.header, c.data);
    const auto result = parse(file);
    ASSERT_FALSE(result.ok()) << c.header;
    EXPECT_THAT(result.error().message, HasSubstr(c.says)) << c.header;
    EXPECT_EQ(result.error().message.find('\n'), std::string::npos);
  }
}

TEST(SafetensorsTest, TheHeadersLengthMayLie) {
  std::string file = file_of(R"({"a":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]}})", 12);
  for (const uint64_t bad : {uint64_t{0}, uint64_t{1}, uint64_t{file.size()}, uint64_t{1} << 20, uint64_t{1} << 40,
                             UINT64_MAX, UINT64_MAX - 8}) {
    std::memcpy(file.data(), &bad, 8);
    EXPECT_FALSE(parse(file).ok()) << bad;
  }
  for (size_t cut = 0; cut < file.size(); ++cut) EXPECT_FALSE(parse(file.substr(0, cut)).ok()) << cut;
}

TEST(SafetensorsTest, NamesAreTransformersOnes) {
  EXPECT_EQ(openai_name("model.encoder.layers.11.self_attn.q_proj.weight"), "encoder.blocks.11.attn.query.weight");
  EXPECT_EQ(openai_name("decoder.layers.0.encoder_attn_layer_norm.bias"), "decoder.blocks.0.cross_attn_ln.bias");
  EXPECT_EQ(openai_name("model.decoder.embed_tokens.weight"), "decoder.token_embedding.weight");
  EXPECT_EQ(openai_name("model.encoder.layer_norm.weight"), "encoder.ln_post.weight");
  EXPECT_EQ(openai_name("model.decoder.layer_norm.weight"), "decoder.ln.weight");
  EXPECT_EQ(openai_name("model.decoder.layers.fc1.weight"), std::nullopt);
  EXPECT_EQ(openai_name("classifier.weight"), std::nullopt);
  EXPECT_EQ(openai_name("model.encoder.layers.0.lora_A.weight"), std::nullopt);
}

// The project's model as two writers laid it down: the ggml file keeps vectors and positions in float32, the directory
// has all in float16.
TEST(SafetensorsTest, TheDirectoryHoldsTheGgmlFilesNumbers) {
  SHORTHAND_NEEDS_SHARED("data/builtin/model.safetensors");
  const auto hf = open_checkpoint(shared_data_dir() / "data/builtin");
  const auto ggml = open_checkpoint(shared_data_dir() / "data/builtin/builtin-ggml-f16.bin");
  ASSERT_TRUE(hf.ok()) << hf.error().message;
  ASSERT_TRUE(ggml.ok()) << ggml.error().message;
  EXPECT_EQ(hf->format, "safetensors");
  EXPECT_EQ(hf->config, ggml->config);
  EXPECT_EQ(hf->pieces, ggml->pieces);
  EXPECT_FALSE(hf->english_only);
  EXPECT_EQ(hf->special_ids.at("<|endoftext|>"), 896);
  EXPECT_EQ(hf->special_ids.at("<|en|>"), 898);
  EXPECT_EQ(hf->special_ids.at("<|30.00|>"), 2405);
  EXPECT_EQ(hf->generation.begin_suppress_tokens, (std::vector<int>{896}));
  EXPECT_EQ(hf->generation.suppress_tokens, std::vector<int>());
  EXPECT_TRUE(hf->mel_filters.empty());
  for_each_tensor(ggml->config, [&](const std::string& name, const Shape&) {
    auto expected = read(*ggml, name);
    for (float& v : expected) v = half_to_float(float_to_half(v));
    EXPECT_EQ(read(*hf, name), expected) << name;
  });
  const auto single = open_checkpoint(shared_data_dir() / "data/builtin/model.safetensors");
  EXPECT_TRUE(single.ok()) << single.error().message;
}

// A Hugging Face directory with the numbers of the tiny model.
struct Directory {
  TemporaryDirectory dir;
  std::vector<std::byte> bytes = model_bytes(tiny_model());
  Result<Checkpoint> source = parse_checkpoint(bytes, "tiny");
  json config, vocab, added;
  std::map<std::string, std::vector<std::string>> shards;  // file to OpenAI's names
  std::vector<DType> dtypes = {DType::f32};                // of the tensors, in turn
  bool prefixed = true;
  bool pytorch = false;                             // as torch.save writes the weights
  std::map<std::string, std::vector<float>> extra;  // more tensors, by transformers' names, as vectors or [n_vocab, 64]

  Directory() {
    const Config& c = source->config;
    config = transformers_config(c);
    for (size_t i = 0; i < source->pieces.size(); ++i) vocab[gpt2_spelling(source->pieces[i])] = i;
    added["<|endoftext|>"] = source->pieces.size();
    added["<|startoftranscript|>"] = source->pieces.size() + 1;
    for_each_tensor(c, [&](const std::string& name, const Shape&) { shards["model.safetensors"].push_back(name); });
  }

  void put(const std::string& name, const std::string& text) const {
    std::ofstream(dir.path / name, std::ios::binary) << text;
  }

  void write_shard(const std::string& file, const std::vector<std::string>& names) const {
    SafetensorsWriter writer;
    testing::TorchWriter torch;
    size_t count = 0;
    const auto tensor = [&](const std::string& name, const Shape& shape, const std::vector<float>& values) {
      const DType dtype = dtypes[count++ % dtypes.size()];
      std::string raw(stored_bytes(dtype, values.size()), '\0');
      encode(dtype, values, std::as_writable_bytes(std::span(raw)));
      writer.add(name, shape, dtype == DType::f32 ? "F32" : dtype == DType::f16 ? "F16" : "BF16", raw);
      torch.add(name, {dtype, shape, std::as_bytes(std::span(raw))});
    };
    for (const std::string& name : names) {
      const std::string spelled = prefixed ? transformers_name(name) : transformers_name(name).substr(6);
      tensor(spelled, source->tensors.at(name).shape, read(*source, name));
    }
    for (const auto& [name, values] : extra) {
      if (file == shards.rbegin()->first)
        tensor(name, values.size() == 64 ? Shape{64} : Shape{values.size() / 64, 64}, values);
    }
    put(file, pytorch ? torch.file() : writer.file());
  }

  Result<Checkpoint> open(const std::string& path = "") const {
    put("config.json", config.dump());
    if (!vocab.is_null()) put("vocab.json", vocab.dump());
    if (!added.is_null()) put("added_tokens.json", added.dump());
    for (const auto& [file, names] : shards) write_shard(file, names);
    return open_checkpoint(dir.path / path);
  }

  void drop(const std::string& name) {
    for (auto& [file, names] : shards) std::erase(names, name);
  }
};

void expect_same(const Checkpoint& found, const Checkpoint& source, float relative) {
  for (const auto& [name, tensor] : source.tensors) {
    const auto a = read(found, name), b = read(source, name);
    ASSERT_EQ(a.size(), b.size()) << name;
    for (size_t i = 0; i < a.size(); ++i)
      ASSERT_NEAR(a[i], b[i], std::fabs(b[i]) * relative + (relative > 0 ? 1e-7f : 0)) << name << " " << i;
  }
}

TEST(HuggingFaceTest, AllTypesLoad) {
  for (const auto& [dtype, relative] : {std::pair{DType::f32, 0.0f}, {DType::f16, 0x1p-11f}, {DType::bf16, 0x1p-8f}}) {
    Directory d;
    d.dtypes = {dtype};
    d.prefixed = dtype != DType::f32;
    const auto c = d.open();
    ASSERT_TRUE(c.ok()) << c.error().message;
    EXPECT_EQ(c->pieces, d.source->pieces);
    EXPECT_EQ(c->config, d.source->config);
    expect_same(*c, *d.source, relative);
  }
}

TEST(HuggingFaceTest, TypesMayBeMixed) {
  Directory d;
  d.dtypes = {DType::f32, DType::bf16, DType::f16};
  for (const bool pytorch : {false, true}) {
    d.pytorch = pytorch;
    if (pytorch) d.shards = {{"pytorch_model.bin", d.shards["model.safetensors"]}};
    const auto c = d.open();
    ASSERT_TRUE(c.ok()) << c.error().message;
    expect_same(*c, *d.source, 0x1p-8f);
    EXPECT_EQ(c->tensors.at("encoder.positional_embedding").dtype, DType::f32);
    EXPECT_EQ(c->tensors.at("encoder.conv1.weight").dtype, DType::bf16);
    fs::remove(d.dir.path / "model.safetensors");
  }
}

TEST(HuggingFaceTest, PyTorchsWeightsServeWhereNoOthersAre) {
  Directory d;
  const auto all = d.shards["model.safetensors"];
  d.pytorch = true;
  d.shards = {{"pytorch_model.bin", all}};
  d.extra["proj_out.weight"] = read(*d.source, "decoder.token_embedding.weight");
  for (const char* path : {"", "pytorch_model.bin"}) {
    const auto c = d.open(path);
    ASSERT_TRUE(c.ok()) << c.error().message;
    EXPECT_EQ(c->format, "pytorch");
    expect_same(*c, *d.source, 0);
  }
  d.extra["proj_out.weight"][64] += 0.25f;
  EXPECT_THAT(d.open().error().message, HasSubstr("'proj_out.weight' differs"));
  d.extra.clear();

  d.shards.clear();
  json map;
  for (size_t i = 0; i < all.size(); ++i) {
    const std::string file = "pytorch_model-0000" + std::to_string(i % 2 + 1) + "-of-00002.bin";
    d.shards[file].push_back(all[i]);
    map[transformers_name(all[i])] = file;
  }
  fs::remove(d.dir.path / "pytorch_model.bin");
  d.put("pytorch_model.bin.index.json", json{{"weight_map", map}}.dump());
  for (const char* path : {"", "pytorch_model-00002-of-00002.bin"}) {
    const auto c = d.open(path);
    ASSERT_TRUE(c.ok()) << c.error().message;
    EXPECT_EQ(c->files.size(), 2u);
    expect_same(*c, *d.source, 0);
  }
  d.put("pytorch_model.bin.index.json", json{{"weight_map", {{"a", "model.safetensors"}}}}.dump());
  EXPECT_THAT(d.open().error().message, HasSubstr("is no name of a file beside it"));

  // safetensors go first.
  d.pytorch = false;
  d.shards = {{"model.safetensors", all}};
  EXPECT_EQ(d.open()->format, "safetensors");
}

// The files of the weights named in messages.
TEST(HuggingFaceTest, ATorchFileAloneNeedsItsDirectory) {
  Directory d;
  d.pytorch = true;
  d.shards = {{"pytorch_model.bin", d.shards["model.safetensors"]}};
  ASSERT_TRUE(d.open().ok());
  fs::remove(d.dir.path / "config.json");
  EXPECT_THAT(open_checkpoint(d.dir.path / "pytorch_model.bin").error().message,
              HasSubstr("pytorch_model.bin: is a PyTorch checkpoint without OpenAI's \"dims\""));
  EXPECT_THAT(open_checkpoint(d.dir.path).error().message, HasSubstr("(pytorch_model.bin) and no config.json"));
}

TEST(HuggingFaceTest, ShardsAreJoined) {
  Directory d;
  const auto all = d.shards["model.safetensors"];
  d.shards.clear();
  json map;
  for (size_t i = 0; i < all.size(); ++i) {
    const std::string file = "model-0000" + std::to_string(i % 3 + 1) + "-of-00003.safetensors";
    d.shards[file].push_back(all[i]);
    map[transformers_name(all[i])] = file;
  }
  d.put("model.safetensors.index.json", json{{"metadata", {{"total_size", 1}}}, {"weight_map", map}}.dump());
  const auto c = d.open();
  ASSERT_TRUE(c.ok()) << c.error().message;
  EXPECT_EQ(c->files.size(), 3u);
  expect_same(*c, *d.source, 0);
  EXPECT_TRUE(d.open("model-00002-of-00003.safetensors").ok());  // one shard stands for all of them
  fs::remove(d.dir.path / "model-00003-of-00003.safetensors");
  EXPECT_EQ(open_checkpoint(d.dir.path).error().kind, Error::Kind::not_found);
  for (const char* bad : {"../x.safetensors", "/etc/passwd", "a/b.safetensors", ".x.safetensors", "x.bin", ""}) {
    d.put("model.safetensors.index.json", json{{"weight_map", {{"a", bad}}}}.dump());
    EXPECT_THAT(open_checkpoint(d.dir.path).error().message, HasSubstr("is no name of a file beside it")) << bad;
  }
  for (const char* bad :
       {"[]", "{}", R"({"weight_map":{}})", R"({"weight_map":[1]})", R"({"weight_map":{"a":1}})", "{"}) {
    d.put("model.safetensors.index.json", bad);
    EXPECT_FALSE(open_checkpoint(d.dir.path).ok()) << bad;
  }
}

TEST(HuggingFaceTest, PositionsThatAreLeftOutAreComputed) {
  Directory d;
  d.drop("encoder.positional_embedding");
  const auto c = d.open();
  ASSERT_TRUE(c.ok()) << c.error().message;
  expect_same(*c, *d.source, 0);
  const auto moved = std::move(*const_cast<Result<Checkpoint>&>(c));
  EXPECT_EQ(read(moved, "encoder.positional_embedding").size(), 6u * 64);
}

TEST(HuggingFaceTest, TheLogitsMatrixIsTheEmbedding) {
  Directory d;
  d.extra["proj_out.weight"] = read(*d.source, "decoder.token_embedding.weight");
  EXPECT_TRUE(d.open().ok());
  d.dtypes = {DType::f16};
  EXPECT_TRUE(d.open().ok());
  d.extra["proj_out.weight"][100] += 1;
  EXPECT_THAT(d.open().error().message, HasSubstr("'proj_out.weight' differs"));
}

TEST(HuggingFaceTest, WeightsThatAreNotWhispersAreRefused) {
  Directory missing;
  missing.drop("decoder.blocks.0.mlp.0.bias");
  EXPECT_THAT(missing.open().error().message, HasSubstr("'decoder.blocks.0.mlp.0.bias' is missing"));
  Directory more;
  more.extra["model.decoder.layers.0.adapter.weight"] = std::vector<float>(64);
  EXPECT_THAT(more.open().error().message, HasSubstr("none of a Whisper model's"));
  Directory another;
  another.extra["model.decoder.layers.1.fc2.bias"] = std::vector<float>(64);
  EXPECT_THAT(another.open().error().message, HasSubstr("none of a Whisper model's of these sizes"));
  Directory wide;
  wide.config["max_target_positions"] = 17;
  EXPECT_THAT(wide.open().error().message, HasSubstr("[16, 64], but the model's sizes ask for [17, 64]"));
}

TEST(HuggingFaceTest, ConfigurationsMayLie) {
  const std::pair<const char*, json> bad[] = {
      {"model_type", "wav2vec2"},
      {"model_type", 5},
      {"vocab_size", -1},
      {"vocab_size", 5.5},
      {"vocab_size", "x"},
      {"vocab_size", 18446744073709551615ull},
      {"vocab_size", nullptr},
      {"d_model", 65},
      {"d_model", 1 << 30},
      {"encoder_layers", 0},
      {"decoder_attention_heads", 2},
      {"encoder_ffn_dim", 128},
      {"activation_function", "relu"},
      {"activation_function", 3},
      {"scale_embedding", true},
      {"quantization_config", json::object()},
      {"num_mel_bins", 80},
      {"suppress_tokens", {1, -1}},
      {"suppress_tokens", "all"},
      {"begin_suppress_tokens", {1 << 20}},
  };
  for (const auto& [key, value] : bad) {
    Directory d;
    d.config[key] = value;
    const auto c = d.open();
    EXPECT_FALSE(c.ok()) << key << " " << value;
    d.config.erase(key);
  }
  for (const char* key : {"model_type", "vocab_size", "d_model", "encoder_layers", "max_source_positions"}) {
    Directory d;
    d.config.erase(key);
    EXPECT_FALSE(d.open().ok()) << key;
  }
  Directory d;
  d.put("preprocessor_config.json", R"({"feature_size": 80})");
  EXPECT_THAT(d.open().error().message, HasSubstr("feature_size is 80"));
  d.put("preprocessor_config.json", R"({"feature_size": 4, "sampling_rate": 16000, "n_fft": 400, "hop_length": 160})");
  EXPECT_TRUE(d.open().ok());
  // transformers 5 keeps the same settings as a part of another file.
  fs::remove(d.dir.path / "preprocessor_config.json");
  d.put("processor_config.json",
        R"({"processor_class": "WhisperProcessor", "feature_extractor": {"feature_size": 80}})");
  EXPECT_THAT(d.open().error().message, HasSubstr("processor_config.json: feature_size is 80"));
  d.put("processor_config.json",
        R"({"processor_class": "WhisperProcessor", "feature_extractor": {"feature_size": 4}})");
  d.config["dtype"] = "float32";
  d.config["quantization_config"] = nullptr;
  EXPECT_TRUE(d.open().ok());
}

TEST(HuggingFaceTest, GenerationSettingsAreRead) {
  Directory d;
  d.config["suppress_tokens"] = {1, 2};
  d.config["begin_suppress_tokens"] = nullptr;
  d.config["forced_decoder_ids"] = json::array({{1, 5}});
  auto c = d.open();
  ASSERT_TRUE(c.ok()) << c.error().message;
  EXPECT_EQ(c->generation.suppress_tokens, (std::vector<int>{1, 2}));
  EXPECT_FALSE(c->generation.begin_suppress_tokens);
  EXPECT_TRUE(c->english_only);  // only notimestamps is forced
  d.put(
      "generation_config.json",
      R"({"is_multilingual": true, "suppress_tokens": [7], "begin_suppress_tokens": [220], "alignment_heads": [[0, 0]]})");
  c = d.open();
  ASSERT_TRUE(c.ok()) << c.error().message;
  EXPECT_EQ(c->generation.suppress_tokens, (std::vector<int>{7}));
  EXPECT_EQ(c->generation.begin_suppress_tokens, (std::vector<int>{220}));
  EXPECT_EQ(c->generation.alignment_heads, (std::vector<std::pair<int, int>>{{0, 0}}));
  EXPECT_FALSE(c->english_only);
  // Its lists stand for config.json's even where it has none; the languages it says nothing of stay known.
  d.put("generation_config.json", "{}");
  c = d.open();
  ASSERT_TRUE(c.ok()) << c.error().message;
  EXPECT_FALSE(c->generation.suppress_tokens);
  EXPECT_TRUE(c->english_only);
  // A distilled model names heads of its teacher.
  d.put("generation_config.json", R"({"is_multilingual": false, "alignment_heads": [[0, 0], [25, 6]]})");
  c = d.open();
  ASSERT_TRUE(c.ok()) << c.error().message;
  EXPECT_FALSE(c->generation.alignment_heads);
  EXPECT_TRUE(c->english_only);
  for (const char* bad : {"[]", R"({"alignment_heads": [[0]]})", R"({"alignment_heads": {"a": 1}})",
                          R"({"alignment_heads": 3})", R"({"alignment_heads": [[0, -1]]})", "{,}"}) {
    d.put("generation_config.json", bad);
    EXPECT_FALSE(d.open().ok()) << bad;
  }
}

TEST(HuggingFaceTest, TokenizerJsonServesAlone) {
  Directory d;
  json tokenizer = {{"model", {{"type", "BPE"}, {"vocab", d.vocab}}}, {"added_tokens", json::array()}};
  for (const auto& [spelling, id] : d.added.items())
    tokenizer["added_tokens"].push_back({{"id", id}, {"content", spelling}});
  d.vocab = d.added = nullptr;
  d.put("tokenizer.json", tokenizer.dump());
  auto c = d.open();
  ASSERT_TRUE(c.ok()) << c.error().message;
  EXPECT_EQ(c->pieces, d.source->pieces);
  EXPECT_EQ(c->special_ids.at("<|startoftranscript|>"), static_cast<int>(c->pieces.size()) + 1);
  // vocab.json with end of text in it and no added_tokens.json, as OpenAI's English-only directories have it
  d.vocab = tokenizer["model"]["vocab"];
  d.vocab["<|endoftext|>"] = c->pieces.size();
  fs::remove(d.dir.path / "tokenizer.json");
  c = d.open();
  ASSERT_TRUE(c.ok()) << c.error().message;
  EXPECT_EQ(c->pieces, d.source->pieces);
  // ... and with all the others
  d.vocab["<|startoftranscript|>"] = c->pieces.size() + 1;
  c = d.open();
  ASSERT_TRUE(c.ok()) << c.error().message;
  EXPECT_EQ(c->pieces, d.source->pieces);
  EXPECT_EQ(c->special_ids.at("<|startoftranscript|>"), static_cast<int>(c->pieces.size()) + 1);
}

// Some seventy cuts of each file; the message names the file, or the directory where two of them disagree.
TEST(HuggingFaceTest, AnyFileThatIsCutOffIsRefusedByName) {
  Directory d;
  json tokenizer = {{"model", {{"type", "BPE"}, {"vocab", d.vocab}}}, {"added_tokens", json::array()}};
  for (const auto& [spelling, id] : d.added.items())
    tokenizer["added_tokens"].push_back({{"id", id}, {"content", spelling}});
  d.vocab = d.added = nullptr;
  d.put("tokenizer.json", tokenizer.dump());
  d.put("generation_config.json", R"({"is_multilingual": true, "suppress_tokens": [7], "alignment_heads": [[0, 0]]})");
  d.put("processor_config.json",
        R"({"processor_class": "WhisperProcessor", "feature_extractor": {"feature_size": 4}})");
  for (const bool pytorch : {false, true}) {
    d.pytorch = pytorch;
    const std::string weights = pytorch ? "pytorch_model.bin" : "model.safetensors";
    d.shards = {{weights, d.shards.begin()->second}};
    ASSERT_TRUE(d.open().ok());
    for (const std::string& name : {std::string("config.json"), std::string("generation_config.json"),
                                    std::string("processor_config.json"), std::string("tokenizer.json"), weights}) {
      const std::string good = testing::read_bytes(d.dir.path / name);
      const size_t step = std::max<size_t>(1, good.size() / 70);
      for (size_t cut = good.size() % step; cut < good.size(); cut += step) {
        d.put(name, good.substr(0, cut));
        const auto c = open_checkpoint(d.dir.path);
        ASSERT_FALSE(c.ok()) << name << " " << cut;
        EXPECT_THAT(c.error().message, ::testing::StartsWith((d.dir.path / name).string() + ": ")) << cut;
      }
      d.put(name, good);
    }
    fs::remove(d.dir.path / weights);
  }
}

TEST(HuggingFaceTest, VocabulariesMayLie) {
  const auto message = [](auto&& change) {
    Directory d;
    change(d);
    const auto c = d.open();
    return c.ok() ? std::string("ok") : c.error().message;
  };
  EXPECT_EQ(message([](Directory&) {}), "ok");
  EXPECT_THAT(message([](Directory& d) { d.vocab.erase("ing"); }), HasSubstr("has the id 258"));
  EXPECT_THAT(message([](Directory& d) { d.vocab["ing"] = 3; }), HasSubstr("has the id 3"));
  EXPECT_THAT(message([](Directory& d) { d.vocab.erase("ing"), d.vocab["x y"] = 257; }),
              HasSubstr("does not spell bytes"));
  EXPECT_THAT(message([](Directory& d) { d.vocab.erase("ing"), d.vocab["\xe2\x82\xac"] = 257; }),
              HasSubstr("does not spell bytes"));
  EXPECT_THAT(message([](Directory& d) { d.vocab["ing"] = -3; }), HasSubstr("is not a number from 0"));
  EXPECT_THAT(message([](Directory& d) { d.vocab["ing"] = 1 << 20; }), HasSubstr("has the id 1048576"));
  EXPECT_THAT(message([](Directory& d) { d.vocab["ing"] = "a"; }), HasSubstr("is not a number from 0"));
  EXPECT_THAT(message([](Directory& d) { d.vocab = json::array(); }), HasSubstr("not an object of tokens"));
  EXPECT_THAT(message([](Directory& d) { d.vocab = nullptr; }), HasSubstr("neither vocab.json nor tokenizer.json"));
  EXPECT_THAT(message([](Directory& d) { d.added = nullptr; }), HasSubstr("has no <|endoftext|>"));
  EXPECT_THAT(message([](Directory& d) { d.added["<|endoftext|>"] = 0; }), HasSubstr("do not belong together"));
  EXPECT_THAT(message([](Directory& d) { d.vocab["<|endoftext|>"] = 259, d.added["<|endoftext|>"] = 260; }),
              HasSubstr("has the id 260, and 259 in the vocabulary"));
  EXPECT_THAT(message([](Directory& d) { d.added["<|de|>"] = 1769; }), HasSubstr("'<|de|>' has the id 1769"));
  EXPECT_THAT(message([](Directory& d) { d.added["<|de|>"] = 258; }), HasSubstr("'<|de|>' has the id 258"));
}

}  // namespace
}  // namespace shorthand
