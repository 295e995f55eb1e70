// SPDX-License-Identifier: Apache-2.0
// CTranslate2's folders: model.bin beside vocabulary.json or vocabulary.txt, and config.json. This is what
// faster-whisper runs, and what ct2-transformers-converter writes. model.bin is little-endian, nothing aligned; a
// string is a u16 length that counts the NUL at its end, and the bytes:
//
//   u32 6, the version of the file; string "WhisperSpec"; u32 revision of it, 1 to 3
//   u32 n, then n times: string name, u8 rank, rank times u32 size, u8 type, u32 bytes, data
//   u32 k, then k times: string alias, string name            the alias stands for the tensor of that name
//
// Types: 0 f32, 1 i8, 2 i16, 3 i32, 4 f16, 5 bf16. Integer weights have a float divisor a row (i8), or one for the
// tensor (i16), in NAME_scale. Query, key and value are one matrix of 3 d rows, key and value of the cross-attention
// one of 2 d; here they are taken apart. Source: the files that CTranslate2 3.0 to 4.8 writes, and its Python package.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string_view>

#include "base/result.h"
#include "model/checkpoint.h"

namespace shorthand {

// "WhisperSpec", or the name of another kind of model that CTranslate2 runs; none if the bytes begin no such file.
std::optional<std::string_view> ctranslate2_spec(std::span<const std::byte> bytes);

bool is_ctranslate2(std::span<const std::byte> bytes);

// Whether a directory holds such a model.bin.
bool is_ctranslate2_directory(const std::filesystem::path& directory);

enum class CTranslate2Type : uint8_t { f32, i8, i16, i32, f16, bf16 };

struct CTranslate2Variable {
  CTranslate2Type type = CTranslate2Type::f32;
  Shape shape;  // of rank 0: a setting
  std::span<const std::byte> bytes;
};

struct CTranslate2File {
  std::map<std::string_view, CTranslate2Variable> variables;  // names lie in the file
  std::map<std::string_view, std::string_view> aliases;       // to a name that is in `variables`
};

// What model.bin holds. Errors: another version, revision or kind of model, sizes that lie, names that occur twice,
// aliases of nothing or of each other, a file shorter or longer than it tells.
Result<CTranslate2File> read_ctranslate2(std::span<const std::byte> bytes, std::string_view file);

// Sizes, format and tensors of model.bin into the checkpoint; `bytes` must outlive it. Errors: those of
// read_ctranslate2(), a tensor that is missing, of another shape, or none of Whisper's, a key with a bias, a logits'
// matrix that is not the token embedding.
Result<void> add_ctranslate2_weights(std::span<const std::byte> bytes, std::string_view file, Checkpoint& checkpoint);

// config.json, all of whose keys may be absent: suppressed tokens and alignment heads.
Result<void> parse_ctranslate2_config(std::string_view text, std::string_view file, const Config& config,
                                      GenerationConfig& generation);

// The directory, or its model.bin.
Result<Checkpoint> open_ctranslate2(const std::filesystem::path& path);

}  // namespace shorthand
