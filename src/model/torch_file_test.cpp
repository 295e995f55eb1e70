// SPDX-License-Identifier: Apache-2.0
#include "model/torch_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "model/openai.h"
#include "model/pickle.h"
#include "model/zip.h"
#include "support/test_data.h"
#include "support/tiny_model.h"
#include "support/torch.h"
#include "text/vocabulary.h"

namespace shorthand {
namespace {

namespace pickle = testing::pickle;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Member;
using ::testing::StartsWith;
using testing::stored_zip;
using testing::TorchWriter;

// Written by PyTorch: tests/oracle/make_fixtures.py.
std::string fixture(const std::string& name) {
  return testing::read_bytes(testing::repository_dir() / "tests/data/torch" / name);
}

std::span<const std::byte> bytes_of(const std::string& file) { return std::as_bytes(std::span(file)); }

Result<TorchFile> read(const std::string& file) { return read_torch_file(bytes_of(file), "f.pt"); }

std::string message(const std::string& file) {
  const auto result = read(file);
  return result.ok() ? "ok" : result.error().message;
}

// The numbers that the fixtures hold, made as the script makes them.
std::vector<float> numbers(size_t from, size_t count) {
  std::vector<float> out;
  for (size_t i = from; i < from + count; ++i) out.push_back((static_cast<float>(i * 37 % 251) - 125) / 64);
  return out;
}

std::vector<float> values(const NamedTensor& tensor) {
  std::vector<float> out(tensor.shape.elements());
  decode(tensor.dtype, tensor.bytes, out);
  return out;
}

TEST(TorchFileTest, StateDictsOfPyTorchAreRead) {
  for (const char* name : {"state_dict.bin", "protocol4.bin", "protocol5.bin"}) {
    const std::string file = fixture(name);
    const auto torch = read(file);
    ASSERT_TRUE(torch.ok()) << name << torch.error().message;
    EXPECT_TRUE(torch->dims.empty());
    ASSERT_EQ(torch->tensors.size(), 4u);
    EXPECT_EQ(torch->tensors[0].name, "query.weight");
    EXPECT_EQ(torch->tensors[0].shape, (Shape{6, 4}));
    EXPECT_EQ(torch->tensors[3].name, "norm.bias");
    for (const NamedTensor& t : torch->tensors) EXPECT_EQ(values(t), numbers(0, t.shape.elements())) << t.name;
  }
}

TEST(TorchFileTest, OpenAisFilesHaveSizesBesideTheTensors) {
  const std::string file = fixture("openai.pt");
  const auto torch = read(file);
  ASSERT_TRUE(torch.ok()) << torch.error().message;
  EXPECT_THAT(torch->dims, ElementsAre(std::pair("large", int64_t{1} << 40), std::pair("n_mels", 80),
                                       std::pair("n_vocab", 51865), std::pair("negative", -300)));
  ASSERT_EQ(torch->tensors.size(), 4u);
  for (const NamedTensor& t : torch->tensors) {
    EXPECT_EQ(t.dtype, DType::f16);
    EXPECT_EQ(values(t), numbers(0, t.shape.elements())) << t.name;
  }
}

TEST(TorchFileTest, EveryKindOfTensorIsRead) {
  const std::string file = fixture("kinds.bin");
  const auto torch = read(file);
  ASSERT_TRUE(torch.ok()) << torch.error().message;
  const struct {
    const char* name;
    DType dtype;
    Shape shape;
    std::vector<float> values;
  } expected[] = {
      {"f32", DType::f32, {2, 3}, numbers(0, 6)},    {"f16", DType::f16, {2, 3}, numbers(0, 6)},
      {"bf16", DType::bf16, {2, 3}, numbers(0, 6)},  {"parameter", DType::f32, {5}, numbers(0, 5)},
      {"whole", DType::f32, {3, 4}, numbers(0, 12)}, {"rows", DType::f32, {2, 4}, numbers(4, 8)},
      {"one", DType::f32, {1, 1}, numbers(0, 1)},
  };
  ASSERT_EQ(torch->tensors.size(), std::size(expected));
  for (size_t i = 0; i < std::size(expected); ++i) {
    const NamedTensor& t = torch->tensors[i];
    EXPECT_EQ(t.name, expected[i].name);
    EXPECT_EQ(t.dtype, expected[i].dtype) << t.name;
    EXPECT_EQ(t.shape, expected[i].shape) << t.name;
    EXPECT_EQ(values(t), expected[i].values) << t.name;
  }
}

TEST(TorchFileTest, WhatIsNoStateDictIsRefusedByName) {
  const std::pair<const char*, const char*> cases[] = {
      {"transposed.bin", "tensor 'turned' is a transposed or strided view"},
      {"strided.bin", "tensor 'columns' is a transposed or strided view"},
      {"double.bin", "asks for torch.DoubleStorage"},
      {"integer.bin", "asks for torch.LongStorage"},
      {"training.bin", "'epoch' is no tensor"},
      {"module.bin", "asks for __main__.Block"},
      {"counter.bin", "asks for collections.Counter"},
      {"list.bin", "holds no state dict"},
      {"script.pt", "is a TorchScript program"},
      {"legacy.bin", "is a PyTorch checkpoint of the form before PyTorch 1.6"},
  };
  for (const auto& [name, says] : cases) EXPECT_THAT(message(fixture(name)), StartsWith("f.pt: ")) << name;
  for (const auto& [name, says] : cases) EXPECT_THAT(message(fixture(name)), HasSubstr(says)) << name;
}

TEST(TorchFileTest, ACompressedArchiveIsRefused) {
  std::string file = fixture("state_dict.bin");
  file[file.find("PK\x01\x02") + 10] = 8;
  EXPECT_THAT(message(file), HasSubstr("'state_dict/data.pkl' in it is compressed"));
  EXPECT_THAT(message(stored_zip({{"word/document.xml", "<?xml"}})), HasSubstr("it holds no data.pkl"));
}

// One line that begins with the file's name.
void expect_reason(const Error& error, const std::string& what) {
  EXPECT_THAT(error.message, StartsWith("f.pt: ")) << what;
  EXPECT_EQ(error.message.find('\n'), std::string::npos) << what;
}

TEST(TorchFileTest, CutAnywhereItIsRefused) {
  const std::string good = fixture("openai.pt");
  for (size_t cut = 0; cut < good.size(); ++cut) {
    const std::string file = good.substr(0, cut);
    const auto result = read(file);
    ASSERT_FALSE(result.ok()) << cut;
    expect_reason(result.error(), std::to_string(cut));
  }
}

TEST(TorchFileTest, AnyByteMayLie) {
  const std::string good = fixture("openai.pt");
  size_t refused = 0;
  for (size_t at = 0; at < good.size(); ++at) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string file = good;
      file[at] = static_cast<char>(file[at] ^ flip);
      const auto result = read(file);
      refused += !result.ok();
      if (!result.ok()) expect_reason(result.error(), std::to_string(at));
    }
  }
  EXPECT_GT(refused, 300u);
}

// The same members where the archive says its sizes in the zip64 record alone, as it does beyond 4 GB.
TEST(ZipTest, Zip64IsRead) {
  std::string file = fixture("openai.pt");
  const auto before = read_stored_zip(bytes_of(file), "f");
  ASSERT_TRUE(before.ok());
  std::vector<std::string> names;
  for (const ZipMember& m : *before) names.emplace_back(m.name);
  ASSERT_EQ(file.substr(file.size() - 42, 4), "PK\x06\x07");
  file.replace(file.size() - 14, 12, std::string(12, '\xff'));
  const auto after = read_stored_zip(bytes_of(file), "f");
  ASSERT_TRUE(after.ok()) << after.error().message;
  ASSERT_EQ(after->size(), names.size());
  for (size_t i = 0; i < names.size(); ++i) EXPECT_EQ((*after)[i].name, names[i]);
  for (const size_t place :
       {file.size() - 42, file.size() - 34, file.size() - 98}) {  // locator, its offset, the record
    std::string bad = file;
    bad[place] = static_cast<char>(bad[place] ^ 0x7f);
    EXPECT_FALSE(read_stored_zip(bytes_of(bad), "f").ok()) << place;
  }
}

TEST(ZipTest, MembersAreWhereTheDirectorySays) {
  const std::string good = stored_zip({{"a", "first"}, {"b/c", ""}, {"d", "last"}});
  const auto members = read_stored_zip(bytes_of(good), "f");
  ASSERT_TRUE(members.ok()) << members.error().message;
  ASSERT_EQ(members->size(), 3u);
  EXPECT_EQ((*members)[2].name, "d");
  EXPECT_EQ(std::memcmp((*members)[2].bytes.data(), "last", 4), 0);
  const auto refused = [&](const std::string& file) {
    const auto result = read_stored_zip(bytes_of(file), "f");
    return result.ok() ? "ok" : result.error().message;
  };
  EXPECT_EQ(refused(good + ""), "ok");
  EXPECT_THAT(refused(good + "x"), HasSubstr("damaged or cut off"));
  EXPECT_THAT(refused(stored_zip({{"a", "1"}, {"a", "2"}})), HasSubstr("'a' is in it twice"));
  const size_t directory = good.find("PK\x01\x02"), second = good.find("PK\x01\x02", directory + 1);
  const auto with = [&](size_t at, char byte) {
    std::string file = good;
    file[at] = byte;
    return refused(file);
  };
  EXPECT_THAT(with(directory + 8, 1), HasSubstr("'a' in it is encrypted"));
  EXPECT_THAT(with(directory + 24, 6), HasSubstr("damaged"));  // its size is not what is stored
  std::string compressed = good;
  compressed[directory + 10] = 8;
  const auto passed_over = read_stored_zip(bytes_of(compressed), "f");
  ASSERT_TRUE(passed_over.ok()) << passed_over.error().message;
  EXPECT_TRUE((*passed_over)[0].compressed && (*passed_over)[0].bytes.empty());
  EXPECT_FALSE((*passed_over)[1].compressed);
  EXPECT_THAT(with(second + 42, 0), HasSubstr("damaged"));  // the first member's header has another name
  std::string overlapping = good;
  overlapping[directory + 20] = overlapping[directory + 24] = 40;
  EXPECT_THAT(refused(overlapping), HasSubstr("overlap"));
}

TEST(PickleTest, OnlyWhatIsAllowedHasAMeaning) {
  const auto parse = [](const std::string& text) {
    static constexpr std::string_view kAllowed[] = {"a.b"};
    const auto result = Pickle::parse(bytes_of(text), kAllowed, "f");
    return result.ok() ? "ok" : result.error().message;
  };
  EXPECT_EQ(parse(pickle::whole("N")), "ok");
  EXPECT_EQ(parse(pickle::whole(pickle::call(pickle::global("a", "b"), pickle::number(1)))), "ok");
  EXPECT_THAT(parse(pickle::whole(pickle::call(pickle::global("os", "system"), pickle::text("true")))),
              HasSubstr("asks for os.system"));
  EXPECT_THAT(parse("\x80\x04\x8c\x02os\x8c\x06system\x93."), HasSubstr("asks for os.system"));
  EXPECT_THAT(parse(pickle::whole("(i__builtin__\neval\n")), HasSubstr("opcode 0x69"));
  for (const char opcode : {'o', 'i', 'P', '\x81', '\x82', '\x92', '\x96', 'p', 'g', 'V', 'I', '0', '2'})
    EXPECT_THAT(parse(pickle::whole(std::string("((") + opcode)), HasSubstr("opcode 0x")) << static_cast<int>(opcode);
  EXPECT_THAT(parse("\x80\x01N."), HasSubstr("protocol 1"));
  EXPECT_THAT(parse("\x80\x06N."), HasSubstr("protocol 6"));
  // Too little on the stack, marks without an end, memory that was never set, values of the wrong kind.
  for (const char* bad : {"",
                          "NN",
                          "(N",
                          "t",
                          "(",
                          "\x85",
                          "\x87NN",
                          "s",
                          "}s",
                          "}(Nu",
                          "NNNs",
                          "]Ns",
                          "}Na",
                          "a",
                          "u",
                          "e",
                          "R",
                          "NNR",
                          "N)R",
                          "Q",
                          "NQ",
                          "b",
                          "}Nb",
                          "N}b",
                          "q",
                          "j\x01",
                          "h\x05",
                          "(q\x01",
                          "X\xff\xff\xff\xff",
                          "\x8a\x09 ",
                          "ca",
                          "ca\nb",
                          "N\x93",
                          "NN\x93"})
    EXPECT_NE(parse(pickle::whole(bad)), "ok") << bad;
  std::string many = "\x80\x02(";
  many.append(kMaxPickleValues + 1, 'N');
  EXPECT_THAT(parse(many + "t."), HasSubstr("more than 524,288 values"));
}

// A list in which every element is the list before, twice: 2^64 elements for whoever unfolds it, and few bytes here.
TEST(PickleTest, ValuesAreSharedAndNeverUnfolded) {
  std::string text = "\x80\x02]q";
  text += std::string(1, '\0');
  for (char i = 0; i < 64; ++i) text += std::string("](h") + i + 'h' + i + "eq" + static_cast<char>(i + 1);
  for (int i = 0; i < 64; ++i) text += "\x86";
  text += '.';
  const auto result = Pickle::parse(bytes_of(text), {}, "f");
  ASSERT_TRUE(result.ok()) << result.error().message;
  const std::string ring =
      pickle::whole("}q" + std::string(1, '\0') + "X\1" + std::string(3, '\0') + "ah" + std::string(1, '\0') + "s");
  const auto itself = Pickle::parse(bytes_of(ring), {}, "f");
  ASSERT_TRUE(itself.ok()) << itself.error().message;
  EXPECT_EQ(itself->find(itself->root(), "a"), &itself->root());
}

// The tiny model with one of OpenAI's vocabularies and so many languages, as its ggml file and as tensors of torch.
struct Micro {
  std::vector<std::byte> bytes;
  Result<Checkpoint> source = not_found("unread");
  TorchWriter writer;

  Micro(OpenAiVocabulary which, int languages) {
    RandomModel model = testing::tiny_model(which == OpenAiVocabulary::english);
    model.pieces = parse_tiktoken(openai_tiktoken(which), "t")->pieces;
    model.config.n_vocab = static_cast<int>(model.pieces.size()) + kSpecialsBesidesLanguages + languages;
    bytes = testing::model_bytes(model);
    source = parse_checkpoint(bytes, "micro");
    for (const auto& [tensor, view] : source->tensors) writer.add(tensor, view);
  }
};

TEST(OpenAiTest, AModelIsWhatItsGgmlFileIs) {
  for (const auto& [which, languages] : {std::pair{OpenAiVocabulary::english, 99},
                                         {OpenAiVocabulary::multilingual, 99},
                                         {OpenAiVocabulary::multilingual, 100}}) {
    const Micro micro(which, languages);
    const std::string file = micro.writer.openai(micro.source->config);
    const auto c = parse_checkpoint(bytes_of(file), "m.pt");
    ASSERT_TRUE(c.ok()) << c.error().message;
    EXPECT_EQ(c->format, "openai f16");
    EXPECT_EQ(c->config, micro.source->config);
    EXPECT_EQ(c->pieces, micro.source->pieces);
    EXPECT_EQ(c->english_only, micro.source->english_only);
    EXPECT_TRUE(c->mel_filters.empty());
    ASSERT_EQ(c->tensors.size(), micro.source->tensors.size());
    for (const auto& [tensor, view] : micro.source->tensors) {
      const TensorView& found = c->tensors.at(tensor);
      EXPECT_EQ(found.dtype, view.dtype) << tensor;
      EXPECT_EQ(found.shape, view.shape) << tensor;
      EXPECT_TRUE(std::ranges::equal(found.bytes, view.bytes)) << tensor;
    }
  }
}

TEST(OpenAiTest, SizesAndTensorsMayLie) {
  Micro micro(OpenAiVocabulary::english, 99);
  const Config good = micro.source->config;
  const auto says = [&](auto&& change) {
    Config config = good;
    change(config);
    const std::string file = micro.writer.openai(config);
    const auto c = parse_openai(bytes_of(file), "m.pt");
    return c.ok() ? "ok" : c.error().message;
  };
  EXPECT_EQ(says([](Config&) {}), "ok");
  EXPECT_THAT(says([](Config& c) { c.n_text_layer = 2; }), HasSubstr("m.pt: tensor 'decoder.blocks.1"));
  EXPECT_THAT(says([](Config& c) { c.n_audio_ctx = 7; }), HasSubstr("[6, 64], but the model's sizes ask for [7, 64]"));
  EXPECT_THAT(says([](Config& c) { c.n_vocab = 51865; }),
              HasSubstr("[51864, 64], but the model's sizes ask for [51865, 64]"));
  EXPECT_THAT(says([](Config& c) { c.n_vocab = 40000; }), HasSubstr("vocabulary and header disagree"));
  EXPECT_THAT(says([](Config& c) { c.n_mels = -1; }), HasSubstr("n_mels is -1"));
  EXPECT_THAT(says([](Config& c) { c.n_audio_head = 7; }), HasSubstr("with 7 heads"));
  const std::string plain = micro.writer.file();
  EXPECT_THAT(parse_openai(bytes_of(plain), "m.pt").error().message, HasSubstr("without OpenAI's \"dims\""));
  const std::string lacking = micro.writer.file(
      pickle::dictionary(pickle::text("dims") + pickle::dictionary(pickle::text("n_vocab") + pickle::number(51864)) +
                         pickle::text("model_state_dict") + pickle::dictionary(micro.writer.state)));
  EXPECT_THAT(parse_openai(bytes_of(lacking), "m.pt").error().message, HasSubstr("\"dims\" lack n_audio_ctx"));
  Micro more(OpenAiVocabulary::english, 99);
  more.writer.add("decoder.blocks.1.attn_ln.bias", more.source->tensors.at("decoder.ln.bias"));
  const std::string larger = more.writer.openai(good);
  EXPECT_THAT(parse_openai(bytes_of(larger), "m.pt").error().message,
              HasSubstr("'decoder.blocks.1.attn_ln.bias' is none of a Whisper model's of these sizes"));
  micro.writer.add("decoder.ln.bias", micro.source->tensors.at("decoder.ln.bias"));
  EXPECT_THAT(says([](Config&) {}), HasSubstr("tensor 'decoder.ln.bias' is there twice"));
}

}  // namespace
}  // namespace shorthand
