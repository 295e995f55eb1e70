// SPDX-License-Identifier: Apache-2.0
// Real models in every kind of folder and file that names no other source of truth than the original: the tensors, the
// tokens and what the tokenizer makes of them are the same. tests/oracle makes the same kinds by the public tools.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "model/checkpoint.h"
#include "support/hugging_face.h"
#include "support/real_models.h"
#include "support/temporary_directory.h"
#include "support/torch.h"
#include "text/tokenizer.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;

void put(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

Result<Tokenizer> tokenizer_of(const Checkpoint& c) {
  return Tokenizer::create({c.pieces, {c.special_ids.begin(), c.special_ids.end()}, c.english_only}, c.config.n_vocab,
                           c.file);
}

void expect_same(const Result<Checkpoint>& found, const Checkpoint& original) {
  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_EQ(found->config, original.config);
  EXPECT_EQ(found->english_only, original.english_only);
  EXPECT_EQ(found->pieces, original.pieces);
  const auto ours = tokenizer_of(*found), theirs = tokenizer_of(original);
  ASSERT_TRUE(ours.ok()) << ours.error().message;
  EXPECT_EQ(ours->special(), theirs->special());
  EXPECT_EQ(ours->encode(" Shalom, שלום"), theirs->encode(" Shalom, שלום"));
  ASSERT_EQ(found->tensors.size(), original.tensors.size());
  for (const auto& [name, tensor] : original.tensors) {
    const TensorView& view = found->tensors.at(name);
    EXPECT_EQ(view.shape, tensor.shape) << name;
    EXPECT_TRUE(std::ranges::equal(view.bytes, tensor.bytes)) << name;
  }
}

// tokenizer.json of tiny.en is an English-only one: Hebrew is <|iw|> in it and no speech <|nocaptions|>. It serves
// alone, as transformers 5 leaves a folder, or with the files of older versions.
TEST(RealFoldersTest, AllKindsHoldTheOriginal) {
  for (const char* name : {"tiny.en", "base"}) {
    SHORTHAND_NEEDS_REAL_MODEL(name);
    const fs::path source = testing::real_model(name);
    const auto original = open_checkpoint(source);
    ASSERT_TRUE(original.ok()) << original.error().message;
    const testing::TemporaryDirectory dir;
    testing::SafetensorsWriter safetensors;
    testing::TorchWriter openai, transformers;
    for (const auto& [tensor, view] : original->tensors) {
      safetensors.add(*original, tensor);
      openai.add(tensor, view);
      transformers.add(testing::transformers_name(tensor), view);
    }
    put(dir.path / "model.pt", openai.openai(original->config));
    expect_same(open_checkpoint(dir.path / "model.pt"), *original);
    fs::remove(dir.path / "model.pt");

    put(dir.path / "config.json", testing::transformers_config(original->config).dump());
    put(dir.path / "generation_config.json", nlohmann::json{{"is_multilingual", !original->english_only}}.dump());
    fs::copy_file(source / "tokenizer.json", dir.path / "tokenizer.json");
    put(dir.path / "pytorch_model.bin", transformers.file());
    expect_same(open_checkpoint(dir.path), *original);
    fs::remove(dir.path / "pytorch_model.bin");
    put(dir.path / "model.safetensors", safetensors.file());
    expect_same(open_checkpoint(dir.path), *original);

    nlohmann::json vocab, added;
    for (size_t i = 0; i < original->pieces.size(); ++i) vocab[testing::gpt2_spelling(original->pieces[i])] = i;
    std::ifstream text(source / "tokenizer.json");
    const nlohmann::json tokenizer = nlohmann::json::parse(text);
    for (const auto& token : tokenizer["added_tokens"]) added[token["content"]] = token["id"];
    put(dir.path / "vocab.json", vocab.dump());
    put(dir.path / "added_tokens.json", added.dump());
    fs::remove(dir.path / "tokenizer.json");
    const auto older = open_checkpoint(dir.path);
    expect_same(older, *original);
    ASSERT_TRUE(older.ok());
    EXPECT_EQ(older->special_ids.contains("<|iw|>"), original->english_only);
  }
}

}  // namespace
}  // namespace shorthand
