// SPDX-License-Identifier: Apache-2.0
// Writes a model as Hugging Face's transformers would: names, spelling and layout are spelled out here a second time.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "model/checkpoint.h"
#include "model/storage.h"

namespace shorthand::testing {

// OpenAI's name of a tensor as transformers has it.
inline std::string transformers_name(std::string name) {
  const std::pair<const char*, const char*> words[] = {{"cross_attn_ln", "encoder_attn_layer_norm"},
                                                       {"cross_attn.", "encoder_attn."},
                                                       {".attn_ln", ".self_attn_layer_norm"},
                                                       {".attn.", ".self_attn."},
                                                       {"query", "q_proj"},
                                                       {"key", "k_proj"},
                                                       {".value", ".v_proj"},
                                                       {".out.", ".out_proj."},
                                                       {"mlp_ln", "final_layer_norm"},
                                                       {"mlp.0", "fc1"},
                                                       {"mlp.2", "fc2"},
                                                       {"blocks", "layers"},
                                                       {"ln_post", "layer_norm"},
                                                       {"decoder.ln", "decoder.layer_norm"},
                                                       {"positional_embedding", "embed_positions.weight"},
                                                       {"token_embedding", "embed_tokens"}};
  for (const auto& [ours, word] : words) {
    if (const size_t at = name.find(ours); at != std::string::npos) name.replace(at, std::strlen(ours), word);
  }
  return "model." + name;
}

// GPT-2's alphabet as its own code makes it: 33-126, 161-172, 174-255 are themselves, the others 256, 257, ...
inline std::string gpt2_character(unsigned char byte) {
  unsigned code = 256;
  for (unsigned b = 0; b <= byte; ++b) {
    const bool self = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
    if (b == byte && self) code = b;
    if (b != byte && !self) ++code;
  }
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 63))};
}

inline std::string gpt2_spelling(const std::string& piece) {
  std::string spelled;
  for (const char c : piece) spelled += gpt2_character(static_cast<unsigned char>(c));
  return spelled;
}

// config.json.
inline nlohmann::json transformers_config(const Config& c) {
  return {{"model_type", "whisper"},
          {"vocab_size", c.n_vocab},
          {"num_mel_bins", c.n_mels},
          {"d_model", c.n_audio_state},
          {"encoder_layers", c.n_audio_layer},
          {"decoder_layers", c.n_text_layer},
          {"encoder_attention_heads", c.n_audio_head},
          {"decoder_attention_heads", c.n_text_head},
          {"encoder_ffn_dim", 4 * c.n_audio_state},
          {"decoder_ffn_dim", 4 * c.n_text_state},
          {"max_source_positions", c.n_audio_ctx},
          {"max_target_positions", c.n_text_ctx},
          {"activation_function", "gelu"},
          {"scale_embedding", false}};
}

// A header and the bytes after it as a safetensors file.
inline std::string safetensors_file(const std::string& header, const std::string& data) {
  const uint64_t n = header.size();
  std::string out(8, '\0');
  std::memcpy(out.data(), &n, 8);
  return out + header + data;
}

// Tensors that were added up to a safetensors file.
struct SafetensorsWriter {
  nlohmann::json header;
  std::string data;

  void add(const std::string& name, const Shape& shape, const char* type, std::string_view bytes) {
    std::vector<size_t> sizes;
    for (size_t i = 0; i < shape.rank(); ++i) sizes.push_back(shape[i]);
    header[name] = {{"dtype", type}, {"shape", sizes}, {"data_offsets", {data.size(), data.size() + bytes.size()}}};
    data += bytes;
  }
  // A tensor of the checkpoint, which must be f32 or f16, byte for byte.
  void add(const Checkpoint& checkpoint, const std::string& name) {
    const TensorView& tensor = checkpoint.tensors.at(name);
    add(transformers_name(name), tensor.shape, tensor.dtype == DType::f32 ? "F32" : "F16",
        {reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size()});
  }
  std::string file() const { return safetensors_file(header.dump(), data); }
};

// The whole directory: f32 and f16 tensors as they are, in one file or spread over so many shards.
inline void write_hugging_face(const Checkpoint& checkpoint, const std::filesystem::path& directory, size_t shards) {
  using nlohmann::json;
  std::filesystem::create_directories(directory);
  const auto put = [&](const std::string& name, const std::string& text) {
    std::ofstream(directory / name, std::ios::binary) << text;
  };
  json vocab, added, map;
  for (size_t i = 0; i < checkpoint.pieces.size(); ++i) vocab[gpt2_spelling(checkpoint.pieces[i])] = i;
  added["<|endoftext|>"] = checkpoint.pieces.size();
  put("config.json", transformers_config(checkpoint.config).dump());
  put("generation_config.json", json{{"is_multilingual", !checkpoint.english_only}}.dump());
  put("vocab.json", vocab.dump());
  put("added_tokens.json", added.dump());
  std::vector<SafetensorsWriter> files(shards);
  const auto file_name = [&](size_t i) {
    return shards == 1 ? std::string("model.safetensors")
                       : "model-0000" + std::to_string(i + 1) + "-of-0000" + std::to_string(shards) + ".safetensors";
  };
  size_t next = 0;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    map[transformers_name(name)] = file_name(next % shards);
    files[next++ % shards].add(checkpoint, name);
  }
  for (size_t i = 0; i < shards; ++i) put(file_name(i), files[i].file());
  if (shards > 1) put("model.safetensors.index.json", json{{"weight_map", map}}.dump());
}

}  // namespace shorthand::testing
