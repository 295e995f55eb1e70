// SPDX-License-Identifier: Apache-2.0
// Model: everything that is read of a model file, ready to run. Immutable; any number of threads and sessions may share
// one.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "audio/log_mel.h"
#include "base/aligned.h"
#include "base/file.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "model/native.h"
#include "model/weights.h"
#include "text/tokenizer.h"

namespace shorthand {

class Model {
 public:
  // Opens a model file or directory of any format this program reads. A native file is mapped and ready; any other is
  // packed for `type` and, in int8, for what the encoder will run on, by all threads of `pool`. The rows of a native
  // int8 file are mixed, whatever is asked: weights().encoder_rows says what they are. Errors: not a model, damaged, or
  // a native file of the other compute type.
  static Result<std::shared_ptr<const Model>> open(const std::filesystem::path& path, ComputeType type,
                                                   ThreadPool& pool, EncoderRows rows = EncoderRows::mixed);

  // The same from the bytes of a ggml file, read before this returns. `name` stands for it in messages.
  static Result<std::shared_ptr<const Model>> from_bytes(std::span<const std::byte> bytes, std::string name,
                                                         ComputeType type, ThreadPool& pool,
                                                         EncoderRows rows = EncoderRows::mixed);

  // Writes the native file: what open() maps. Errors: plain rows, which no file holds.
  Result<void> save(const std::filesystem::path& path) const;

  const Config& config() const { return header_.config; }
  const Weights& weights() const { return weights_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  FilterBank filter_bank() const;  // the file's, or Slaney's where it had none
  const GenerationConfig& generation() const { return header_.generation; }
  const std::string& name() const { return name_; }      // the path, or what from_bytes() was told
  const std::string& format() const { return format_; }  // "ggml f16", "safetensors", "native int8"

 private:
  Model() = default;
  static Result<std::shared_ptr<const Model>> pack(Checkpoint checkpoint, ComputeType type, EncoderRows rows,
                                                   ThreadPool& pool);
  static Result<std::shared_ptr<const Model>> map(MappedFile file, ComputeType type);
  Result<void> finish();
  std::span<const std::byte> arena() const;

  std::string name_, format_;
  NativeHeader header_;
  // Behind the arena's views: memory of our own, or the native file.
  std::variant<AlignedBuffer<std::byte>, MappedFile> memory_;
  Weights weights_;
  std::optional<Tokenizer> tokenizer_;
};

}  // namespace shorthand
