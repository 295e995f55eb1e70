// SPDX-License-Identifier: Apache-2.0
#include "model/ggml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <numeric>

#include "base/phrase.h"
#include "model/foreign.h"
#include "support/shared_data.h"
#include "support/temporary_directory.h"
#include "support/test_data.h"
#include "support/tiny_model.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;
using shorthand::testing::model_bytes;
using shorthand::testing::shared_data_dir;
using shorthand::testing::TemporaryDirectory;
using shorthand::testing::tiny_model;
using ::testing::HasSubstr;

using Bytes = std::vector<std::byte>;

int32_t int_at(const Bytes& bytes, size_t at) {
  int32_t value;
  std::memcpy(&value, &bytes[at], 4);
  return value;
}
void set_int(Bytes& bytes, size_t at, int32_t value) { std::memcpy(&bytes[at], &value, 4); }

std::vector<float> read(const Checkpoint& c, const std::string& name) {
  const Shape shape = c.tensors.at(name).shape;
  std::vector<float> out(shape.elements());
  const auto result = c.read_tensor(name, shape, out);
  EXPECT_TRUE(result.ok()) << result.error().message;
  return out;
}

// Places in a ggml file, found by walking it as its description says.
struct Layout {
  size_t filters = 48, vocabulary = 0;
  std::vector<size_t> pieces;  // where each length field is
  struct Tensor {
    size_t begin, name, data, end;
    std::string text;
  };
  std::vector<Tensor> tensors;
};
Layout layout_of(const Bytes& b) {
  Layout l;
  l.vocabulary = l.filters + 8 + 4 * static_cast<size_t>(int_at(b, 48) * int_at(b, 52));
  size_t at = l.vocabulary + 4;
  for (int i = 0; i < int_at(b, l.vocabulary); ++i) {
    l.pieces.push_back(at);
    at += 4 + static_cast<size_t>(int_at(b, at));
  }
  while (at < b.size()) {
    Layout::Tensor t{at, at + 12 + 4 * static_cast<size_t>(int_at(b, at)), 0, 0, ""};
    t.data = t.name + static_cast<size_t>(int_at(b, at + 4));
    t.text.assign(reinterpret_cast<const char*>(&b[t.name]), t.data - t.name);
    t.end = t.data + (int_at(b, at + 8) == 0 ? 4 : 2);
    size_t bytes = int_at(b, at + 8) == 0 ? 4 : 2;
    for (int d = 0; d < int_at(b, at); ++d)
      bytes *= static_cast<size_t>(int_at(b, at + 12 + 4 * static_cast<size_t>(d)));
    t.end = t.data + bytes;
    l.tensors.push_back(t);
    at = t.end;
  }
  return l;
}

struct Entry {
  const char* name;
  size_t flat;  // index in row-major order
  float value;
};

// What NumPy reads from the same files.
TEST(GgmlTest, GoldenModelsHoldWhatNumPyReads) {
  SHORTHAND_NEEDS_SHARED("data/golden/micro.ggml.bin");
  const struct {
    const char* file;
    int n_vocab, state, mels;
    size_t pieces;
    bool english;
    std::vector<Entry> entries;
    double conv2_sum, embedding_sum, filter_sum;
  } cases[] = {
      {"micro",
       51865,
       128,
       80,
       50257,
       false,
       {{"encoder.conv1.weight", (5 * 80 + 7) * 3 + 2, -0x1.31cp-5f},
        {"encoder.conv1.bias", 9, -0x1.1854dp-6f},
        {"encoder.blocks.1.mlp.0.weight", 100 * 128 + 33, -0x1.3acp-4f},
        {"decoder.token_embedding.weight", 50000 * 128 + 17, 0x1.bf8p-7f},
        {"decoder.blocks.0.cross_attn.key.weight", 3 * 128 + 60, 0x1.094p-5f},
        {"decoder.positional_embedding", 447 * 128 + 1, 0x1.a8b1d2p+4f},
        {"decoder.ln.weight", 11, 0x1.07dcp+0f}},
       -90.52905458211899,
       137.31350833177567,
       1.9990241527557373},
      {"micro.en",
       51864,
       64,
       80,
       50256,
       true,
       {{"encoder.conv1.weight", (5 * 80 + 7) * 3 + 2, 0x1.56cp-2f},
        {"encoder.conv1.bias", 9, -0x1.301266p-5f},
        {"encoder.blocks.1.mlp.0.weight", 100 * 64 + 33, 0x1.e24p-3f},
        {"decoder.token_embedding.weight", 50000 * 64 + 17, 0x1.648p-5f},
        {"decoder.blocks.0.cross_attn.key.weight", 3 * 64 + 60, -0x1.44p-2f},
        {"decoder.positional_embedding", 447 * 64 + 1, 0x1.26bce4p+5f},
        {"decoder.ln.weight", 11, 0x1.fa89fep-1f}},
       -4.494634628295898,
       -114.38375389575958,
       1.9990241527557373},
      {"micro-v3",
       51866,
       64,
       128,
       50257,
       false,
       {{"encoder.conv1.weight", (5 * 128 + 7) * 3 + 2, -0x1.2fp-3f},
        {"encoder.conv1.bias", 9, -0x1.3372fap-5f},
        {"encoder.blocks.1.mlp.0.weight", 100 * 64 + 33, -0x1.65cp-4f},
        {"decoder.token_embedding.weight", 50000 * 64 + 17, -0x1.ed8p-5f},
        {"decoder.blocks.0.cross_attn.key.weight", 3 * 64 + 60, 0x1.2ecp-2f},
        {"decoder.positional_embedding", 447 * 64 + 1, -0x1.2f3ad8p+7f},
        {"decoder.ln.weight", 11, 0x1.d531cep-1f}},
       25.99302166700363,
       0.11093229055404663,
       3.1909854412078857},
  };
  for (const auto& c : cases) {
    const auto opened = open_checkpoint(shared_data_dir() / "data/golden" / (std::string(c.file) + ".ggml.bin"));
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    EXPECT_EQ(opened->format, "ggml f16");
    EXPECT_EQ(opened->config.n_vocab, c.n_vocab);
    EXPECT_EQ(opened->config.n_text_state, c.state);
    EXPECT_EQ(opened->config.n_mels, c.mels);
    EXPECT_EQ(opened->pieces.size(), c.pieces);
    EXPECT_EQ(opened->pieces[220], " ");  // 220 is the space in both of OpenAI's vocabularies
    EXPECT_EQ(opened->english_only, c.english);
    for (const Entry& e : c.entries) EXPECT_EQ(read(*opened, e.name)[e.flat], e.value) << c.file << " " << e.name;
    const auto sum = [](const std::vector<float>& v) { return std::accumulate(v.begin(), v.end(), 0.0); };
    EXPECT_NEAR(sum(read(*opened, "encoder.conv2.weight")), c.conv2_sum, 1e-6);
    EXPECT_NEAR(sum(read(*opened, "decoder.token_embedding.weight")), c.embedding_sum, 1e-6);
    EXPECT_EQ(opened->mel_filters.size(), static_cast<size_t>(c.mels) * 201);
    EXPECT_NEAR(sum(opened->mel_filters), c.filter_sum, 1e-4);
  }
}

TEST(GgmlTest, TheProjectsOwnModelSaysItsOwnIds) {
  SHORTHAND_NEEDS_SHARED("data/builtin/builtin-ggml-f16.bin");
  const auto opened = open_checkpoint(shared_data_dir() / "data/builtin/builtin-ggml-f16.bin");
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  EXPECT_EQ(opened->pieces.size(), 896u);
  EXPECT_FALSE(opened->english_only);
  EXPECT_EQ(size_name(opened->config), "d 192, 4+2 layers");
  EXPECT_EQ(opened->tensors.at("encoder.conv1.bias").shape, (Shape{192}));
}

TEST(GgmlTest, AVocabularyIsNoModel) {
  SHORTHAND_NEEDS_SHARED("data/models/vocab-english.ggml.bin");
  const auto path = shared_data_dir() / "data/models/vocab-english.ggml.bin";
  EXPECT_THAT(open_checkpoint(path).error().message, HasSubstr("holds a vocabulary and no weights"));
  const auto file = MappedFile::open(path);
  const auto header = read_ggml_header(file->bytes(), "v");
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->bytes, file->bytes().size());
  EXPECT_TRUE(header->english_only);
  EXPECT_EQ(header->pieces.back(), " gazed");
}

TEST(GgmlTest, EveryTypeLoadsFromAFile) {
  for (const DType dtype : {DType::f32, DType::f16, DType::q8_0, DType::q5_0, DType::q5_1, DType::q4_0, DType::q4_1}) {
    for (const bool english : {false, true}) {
      RandomModel m = tiny_model(english);
      m.matrices = dtype;
      const Bytes bytes = model_bytes(m);
      const auto parsed = parse_checkpoint(bytes, "tiny");
      ASSERT_TRUE(parsed.ok()) << parsed.error().message;
      EXPECT_EQ(parsed->format, "ggml " + std::string(dtype_name(dtype)));
      EXPECT_EQ(parsed->config, m.config);
      EXPECT_EQ(parsed->pieces, m.pieces);
      EXPECT_EQ(parsed->english_only, english);
      EXPECT_EQ(parsed->mel_filters, m.mel_filters);
      for (const auto& [name, tensor] : parsed->tensors) read(*parsed, name);
    }
  }
}

TEST(GgmlTest, ReadingChecksNameShapeAndValues) {
  Bytes bytes = model_bytes(tiny_model());
  const Layout layout = layout_of(bytes);
  const float infinite = INFINITY;
  for (const auto& t : layout.tensors) {
    if (t.text == "decoder.ln.bias") std::memcpy(&bytes[t.data + 8], &infinite, 4);
  }
  const auto parsed = parse_checkpoint(bytes, "tiny");
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  std::vector<float> out(64);
  EXPECT_TRUE(parsed->read_tensor("decoder.ln.weight", {64}, out).ok());
  EXPECT_THAT(parsed->read_tensor("decoder.ln.bias", {64}, out).error().message, HasSubstr("not a finite number"));
  EXPECT_THAT(parsed->read_tensor("decoder.ln.gain", {64}, out).error().message, HasSubstr("no tensor"));
  EXPECT_THAT(parsed->read_tensor("decoder.ln.weight", {64, 1}, out).error().message, HasSubstr("[64], not [64, 1]"));
  EXPECT_FALSE(parsed->read_tensor("decoder.ln.weight", {64}, std::span(out).first(63)).ok());
}

TEST(GgmlTest, EveryHeaderFieldMayLie) {
  const Bytes good = model_bytes(tiny_model());
  ASSERT_TRUE(parse_ggml(good, "g").ok());
  for (size_t field = 0; field < 10; ++field) {
    const int32_t value = int_at(good, 4 + 4 * field);
    for (const int32_t bad : {0, -1, value - 1, value + 1, value * 2, INT_MAX, INT_MIN, 1 << 20, 1 << 30}) {
      Bytes b = good;
      set_int(b, 4 + 4 * field, bad);
      const auto parsed = parse_ggml(b, "bad.bin");
      ASSERT_FALSE(parsed.ok()) << "field " << field << " = " << bad;
      EXPECT_THAT(parsed.error().message, ::testing::StartsWith("bad.bin: "));
      EXPECT_EQ(parsed.error().message.find('\n'), std::string::npos);
    }
  }
  for (const int32_t bad : {-1, 4, 6, 10'000, INT_MAX, INT_MIN}) {  // ftype
    Bytes b = good;
    set_int(b, 44, bad);
    EXPECT_FALSE(parse_ggml(b, "g").ok()) << bad;
  }
}

TEST(GgmlTest, FiltersAndVocabularyMayLie) {
  const Bytes good = model_bytes(tiny_model());
  const Layout layout = layout_of(good);
  const std::vector<size_t> places = {layout.filters, layout.filters + 4, layout.vocabulary};
  for (const size_t at : places) {
    for (const int32_t bad : {0, -1, int_at(good, at) - 1, int_at(good, at) + 1, 1 << 16, INT_MAX, INT_MIN}) {
      Bytes b = good;
      set_int(b, at, bad);
      EXPECT_FALSE(parse_ggml(b, "g").ok()) << at << " = " << bad;
    }
  }
  for (const size_t piece : {size_t{0}, size_t{100}, layout.pieces.size() - 1}) {
    for (const int32_t bad : {-1, INT_MAX, INT_MIN, 1 << 24, 5000}) {
      Bytes b = good;
      set_int(b, layout.pieces[piece], bad);
      EXPECT_FALSE(parse_ggml(b, "g").ok()) << piece << " = " << bad;
    }
  }
  Bytes b = good;
  const float infinite = INFINITY;
  std::memcpy(&b[layout.filters + 8], &infinite, 4);
  EXPECT_THAT(parse_ggml(b, "g").error().message, HasSubstr("mel filter"));
}

TEST(GgmlTest, TensorHeadersMayLie) {
  const Bytes good = model_bytes(tiny_model());
  const Layout layout = layout_of(good);
  for (const size_t i : {size_t{0}, size_t{1}, size_t{2}, layout.tensors.size() - 1}) {
    const auto& t = layout.tensors[i];
    for (size_t at = t.begin; at < t.name; at += 4) {
      for (const int32_t bad : {0, -1, 2, 3, 5, 64, int_at(good, at) + 1, 1 << 16, INT_MAX, INT_MIN}) {
        if (bad == int_at(good, at)) continue;
        Bytes b = good;
        set_int(b, at, bad);
        EXPECT_FALSE(parse_ggml(b, "g").ok()) << t.text << " byte " << at - t.begin << " = " << bad;
      }
    }
    Bytes b = good;
    b[t.name] = std::byte{7};
    EXPECT_THAT(parse_ggml(b, "g").error().message, HasSubstr("tensor '?")) << t.text;
  }
}

TEST(GgmlTest, ATensorTwiceOrOneTooManyIsRefused) {
  const Bytes good = model_bytes(tiny_model());
  const auto last = layout_of(good).tensors.back();
  Bytes twice = good;
  twice.insert(twice.end(), good.begin() + static_cast<long>(last.begin), good.begin() + static_cast<long>(last.end));
  EXPECT_THAT(parse_ggml(twice, "g").error().message, HasSubstr("twice"));
  Bytes longer = good;
  longer.push_back(std::byte{1});
  EXPECT_FALSE(parse_ggml(longer, "g").ok());
}

TEST(GgmlTest, CutAnywhereItSaysSo) {
  const Bytes good = model_bytes(tiny_model());
  const Layout layout = layout_of(good);
  std::vector<size_t> cuts = {5, 20, 47, 48, 50, 56, 60, layout.vocabulary, layout.vocabulary + 4};
  for (const size_t p : {layout.pieces[0], layout.pieces[9], layout.pieces.back()})
    cuts.insert(cuts.end(), {p, p + 2, p + 4});
  size_t first_tensor = layout.tensors[0].begin;
  for (const auto& t : layout.tensors) {
    for (const size_t at :
         {t.begin, t.begin + 1, t.begin + 11, t.name - 1, t.name, t.data - 1, t.data, t.data + 1, t.end - 1})
      cuts.push_back(at);
  }
  for (const size_t cut : cuts) {
    const Bytes b(good.begin(), good.begin() + static_cast<long>(cut));
    const auto parsed = parse_ggml(b, "cut.bin");
    ASSERT_FALSE(parsed.ok()) << cut;
    if (cut == first_tensor) continue;  // a vocabulary alone
    EXPECT_THAT(parsed.error().message, HasSubstr("cut.bin: truncated")) << cut;
    if (cut > first_tensor) {
      EXPECT_THAT(parsed.error().message,
                  HasSubstr("header promises " + grouped(good.size()) + " bytes, the file has " + grouped(cut)));
    }
  }
}

TEST(GgmlTest, ACutModelNamesTheCommandThatFetchesIt) {
  SHORTHAND_NEEDS_SHARED("data/models/vocab-english.ggml.bin");
  const auto file = MappedFile::open(shared_data_dir() / "data/models/vocab-english.ggml.bin");
  Bytes b(file->bytes().begin(), file->bytes().end());
  b.push_back(std::byte{2});
  EXPECT_THAT(parse_ggml(b, "m.bin").error().message, HasSubstr("(shorthand models pull tiny.en)"));
}

TEST(GgmlTest, BlocksOfAnOldVersionAreRefused) {
  RandomModel m = tiny_model();
  m.matrices = DType::q8_0;
  Bytes b = model_bytes(m);
  EXPECT_EQ(int_at(b, 44), 2007);
  set_int(b, 44, 7);
  EXPECT_THAT(parse_ggml(b, "g").error().message, HasSubstr("before May 2023"));
}

TEST(GgmlTest, BlocksThatAreNotReadAreNamed) {
  Bytes b = model_bytes(tiny_model());
  const auto t = layout_of(b).tensors.back();
  set_int(b, t.begin + 8, 20);
  const auto parsed = parse_ggml(b, "g");
  EXPECT_EQ(parsed.error().kind, Error::Kind::unsupported);
  EXPECT_THAT(parsed.error().message, HasSubstr("has type 20 (iq4_nl); this engine reads f32"));
  set_int(b, 44, 2025);
  EXPECT_THAT(parse_ggml(b, "g").error().message, HasSubstr("ftype 25, mxfp4 (version 2) is none this engine reads"));
}

// One matrix of a model 256 wide in k-quants, as whisper.cpp's quantize leaves it.
TEST(GgmlTest, KQuantsAreRead) {
  RandomModel m = tiny_model();
  m.config.n_audio_state = m.config.n_text_state = 256;
  m.config.n_audio_head = m.config.n_text_head = 4;
  const Bytes good = model_bytes(m);
  const auto tensors = layout_of(good).tensors;
  const auto t = *std::find_if(tensors.begin(), tensors.end(),
                               [](const auto& tensor) { return tensor.text == "encoder.blocks.0.attn.query.weight"; });
  const auto cases = testing::repository_json("k_quants.json");
  for (const auto& [code, name] : {std::pair{10, "q2_K"}, {11, "q3_K"}, {12, "q4_K"}, {13, "q5_K"}, {14, "q6_K"}}) {
    Bytes b(good.begin(), good.begin() + static_cast<long>(t.data));
    set_int(b, 44, 2000 + code);
    set_int(b, t.begin + 8, code);
    const std::string hex = cases[name]["block"];
    for (int row = 0; row < 256; ++row) {
      for (size_t i = 0; i < hex.size(); i += 2)
        b.push_back(static_cast<std::byte>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    }
    b.insert(b.end(), good.begin() + static_cast<long>(t.end), good.end());
    const auto parsed = parse_ggml(b, "g");
    ASSERT_TRUE(parsed.ok()) << parsed.error().message;
    EXPECT_EQ(parsed->format, "ggml " + std::string(name));
    const auto values = read(*parsed, t.text);
    EXPECT_EQ(values[255 * 256 + 7], std::strtof(cases[name]["values"][7].get<std::string>().c_str(), nullptr)) << name;
    EXPECT_EQ(read(*parsed, "decoder.ln.bias"), read(*parse_ggml(good, "g"), "decoder.ln.bias"));
    for (size_t cut = t.begin + 1; cut < b.size(); cut += b.size() / 300) {
      const Bytes part(b.begin(), b.begin() + static_cast<long>(cut));
      EXPECT_THAT(parse_ggml(part, "cut.bin").error().message, HasSubstr("cut.bin: truncated")) << name << " " << cut;
    }
  }
}

// Rows of the smallest models are no whole number of blocks; whisper.cpp's quantize writes such files, and its own
// loader refuses them.
TEST(GgmlTest, KQuantsOfNarrowRowsAreRefused) {
  Bytes b = model_bytes(tiny_model());
  const auto tensors = layout_of(b).tensors;
  const auto t = *std::find_if(tensors.begin(), tensors.end(),
                               [](const auto& tensor) { return tensor.text == "encoder.blocks.0.attn.query.weight"; });
  set_int(b, 44, 2012);
  set_int(b, t.begin + 8, 12);
  EXPECT_THAT(parse_ggml(b, "g.bin").error().message,
              HasSubstr("g.bin: tensor 'encoder.blocks.0.attn.query.weight' is q4_K in rows of 64"));
}

TEST(GgmlTest, PositionsMayBeHalfFloats) {
  // Some converters store them as f16; the type of each tensor is its own.
  RandomModel m = tiny_model();
  const Bytes good = model_bytes(m);
  const auto t = layout_of(good).tensors[0];
  ASSERT_EQ(t.text, "encoder.positional_embedding");
  Bytes b(good.begin(), good.begin() + static_cast<long>(t.data));
  set_int(b, t.begin + 8, 1);
  for (size_t i = 0; i < 6 * 64; ++i) b.insert(b.end(), {std::byte{0x00}, std::byte{0x3c}});  // 1.0
  b.insert(b.end(), good.begin() + static_cast<long>(t.end), good.end());
  const auto parsed = parse_ggml(b, "g");
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  EXPECT_EQ(read(*parsed, t.text), std::vector<float>(6 * 64, 1.0f));
}

TEST(ForeignTest, OtherFilesAreCalledByTheirNames) {
  const struct {
    std::string bytes;
    const char* says;
  } cases[] = {
      {"RIFF....WAVEfmt ", "is a recording (RIFF/WAVE); give it as INPUT"},
      {std::string("\0\0\0\x20", 4) + "ftypM4A ", "is a recording (MP4)"},
      {"fLaC", "is a recording (FLAC)"},
      {"OggS", "is a recording (Ogg)"},
      {"ID3\x04", "is a recording (MP3)"},
      {"GGUF\x03", "is a GGUF file"},
      {"PK\x03\x04", "its zip directory is damaged or cut off"},
      {"\x80\x04\x95", "is a Python pickle"},
      {"<!DOCTYPE html><html>", "is a web page"},
      {"\n <HTML>", "is a web page"},
      {"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"},
      {"{\"a\": 1}", "is JSON"},
      {"Entry not found", "is a text file"},
      {std::string("\x01\x02\x03\x04\x05\x06\x07\x08\x09"), "is no model this engine reads"},
  };
  TemporaryDirectory dir;
  for (const auto& c : cases) {
    std::ofstream(dir.path / "x.bin", std::ios::binary) << c.bytes;
    EXPECT_THAT(open_checkpoint(dir.path / "x.bin").error().message, HasSubstr("x.bin: " + std::string(c.says)));
    EXPECT_FALSE(parse_checkpoint(std::as_bytes(std::span(c.bytes)), "m").ok());
    EXPECT_FALSE(parse_ggml(std::as_bytes(std::span(c.bytes)), "m").ok());
  }
  EXPECT_THAT(parse_ggml(std::as_bytes(std::span("PK\x03\x04 and more")), "m").error().message,
              HasSubstr("another zip archive"));
  EXPECT_EQ(open_checkpoint(dir.path / "none.bin").error().kind, Error::Kind::not_found);
}

TEST(ForeignTest, AVoiceActivityModelSharesTheMagicNumber) {
  std::string bytes("lmgg\x0a\0\0\0silero-16k", 18);
  EXPECT_THAT(parse_ggml(std::as_bytes(std::span(bytes)), "v").error().message, HasSubstr("voice activity model"));
}

TEST(ForeignTest, DirectoriesAreLookedInto) {
  const struct {
    std::vector<const char*> files;
    const char* says;
  } cases[] = {
      {{}, "is a directory without config.json"},
      {{"model.bin", "config.json", "vocabulary.json"}, "its model.bin is JSON, not a model"},
      {{"pytorch_model.bin"}, "has weights (pytorch_model.bin) and no config.json"},
      {{"tiny.pt"}, "give the file itself"},
      {{"ggml-base.bin"}, "give the file itself"},
      {{"model.safetensors"}, "no config.json"},
  };
  for (const auto& c : cases) {
    TemporaryDirectory dir;
    for (const char* f : c.files) std::ofstream(dir.path / f) << "{}";
    EXPECT_THAT(open_checkpoint(dir.path).error().message, HasSubstr(c.says));
  }
}

}  // namespace
}  // namespace shorthand
