// SPDX-License-Identifier: Apache-2.0
#include "model/model.h"

#include <fmt/format.h>

#include "model/checkpoint.h"
#include "model/facts.h"

namespace shorthand {
namespace {

Result<FilterBank> make_filters(const NativeHeader& h) {
  if (h.mel_filters.empty()) return FilterBank::slaney(h.config.n_mels);
  return FilterBank::from_weights(h.mel_filters, h.config.n_mels);
}

}  // namespace

Result<std::shared_ptr<const Model>> Model::open(const std::filesystem::path& path, ComputeType type, ThreadPool& pool,
                                                 EncoderRows rows) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(path, ignored)) {
    MappedFile file = SHORTHAND_TRY(MappedFile::open(path));
    if (is_native(file.bytes())) return map(std::move(file), type);
  }
  return pack(SHORTHAND_TRY(open_checkpoint(path)), type, rows, pool);
}

Result<std::shared_ptr<const Model>> Model::from_bytes(std::span<const std::byte> bytes, std::string name,
                                                       ComputeType type, ThreadPool& pool, EncoderRows rows) {
  return pack(SHORTHAND_TRY(parse_checkpoint(bytes, name)), type, rows, pool);
}

Result<std::shared_ptr<const Model>> Model::pack(Checkpoint checkpoint, ComputeType type, EncoderRows rows,
                                                 ThreadPool& pool) {
  const std::shared_ptr<Model> model(new Model);
  model->name_ = checkpoint.file;
  model->format_ = checkpoint.format;
  AlignedBuffer<std::byte> memory(arena_bytes(checkpoint.config, type, rows));
  SHORTHAND_TRY(pack_weights(checkpoint, type, rows, memory.data(), pool));
  model->header_ = {type,
                    checkpoint.config,
                    checkpoint.english_only,
                    std::move(checkpoint.pieces),
                    {checkpoint.special_ids.begin(), checkpoint.special_ids.end()},
                    std::move(checkpoint.mel_filters),
                    std::move(checkpoint.generation)};
  SHORTHAND_TRY(model->finish());
  model->weights_ = weights_in(memory.data(), model->header_.config, type, rows);
  model->memory_ = std::move(memory);
  return std::shared_ptr<const Model>(model);
}

Result<std::shared_ptr<const Model>> Model::map(MappedFile file, ComputeType type) {
  const std::shared_ptr<Model> model(new Model);
  model->name_ = file.path().string();
  NativeView view = SHORTHAND_TRY(parse_native(file.bytes(), model->name_));
  if (view.header.type != type) {
    return usage_error(fmt::format("{}: was converted to {}; run with --compute-type {}, or convert the original to {}",
                                   model->name_, compute_type_name(view.header.type),
                                   compute_type_name(view.header.type), compute_type_name(type)));
  }
  model->format_ = fmt::format("native {}", compute_type_name(type));
  model->header_ = std::move(view.header);
  SHORTHAND_TRY(model->finish());
  model->weights_ = weights_in(view.arena.data(), model->header_.config, type);
  model->memory_ = std::move(file);
  return std::shared_ptr<const Model>(model);
}

// What follows from the header, and may fail where the file lies.
Result<void> Model::finish() {
  // Some converters wrote U+FFFD into OpenAI's pieces, and list end of text with either vocabulary: what the pieces are
  // says more.
  header_.english_only = settle_english_only(header_.english_only, header_.generation, header_.pieces);
  Vocabulary vocabulary{header_.pieces, header_.special_ids, header_.english_only};
  tokenizer_.emplace(SHORTHAND_TRY(Tokenizer::create(std::move(vocabulary), header_.config.n_vocab, name_)));
  if (const auto filters = make_filters(header_); !filters)
    return bad_input(fmt::format("{}: {}", name_, filters.error().message));
  return {};
}

Result<void> Model::save(const std::filesystem::path& path) const {
  if (weights_.encoder_rows == EncoderRows::plain) {
    return usage_error(fmt::format(
        "{}: was opened for an array, whose plain rows no native file holds; open it for the CPU to save it", name_));
  }
  return write_native(path, header_, arena());
}

FilterBank Model::filter_bank() const { return *make_filters(header_); }

std::span<const std::byte> Model::arena() const {
  const size_t size = arena_bytes(header_.config, header_.type);
  if (const auto* own = std::get_if<AlignedBuffer<std::byte>>(&memory_)) return own->span().first(size);
  const std::span<const std::byte> file = std::get<MappedFile>(memory_).bytes();
  return file.last(size);
}

}  // namespace shorthand
