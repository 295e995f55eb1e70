// SPDX-License-Identifier: Apache-2.0
#include "model/repository.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "model/huggingface.h"

namespace shorthand {

Result<RepositoryForm> form_of_config(std::string_view config, std::string_view file) {
  const nlohmann::json object = SHORTHAND_TRY(parse_json(config, file));
  if (!object.is_object()) return bad_input(fmt::format("{}: its config.json holds no JSON object", file));
  if (object.contains("model_type")) {
    Config sizes;
    GenerationConfig generation;
    SHORTHAND_TRY(parse_model_config(config, file, sizes, generation));
    return RepositoryForm::transformers;
  }
  // CTranslate2 names no architecture there, but only its Whisper models list these.
  constexpr const char* kOfWhisper[] = {"suppress_ids", "suppress_ids_begin", "alignment_heads", "lang_ids"};
  if (std::ranges::any_of(kOfWhisper, [&](const char* key) { return object.contains(key); }))
    return RepositoryForm::ctranslate2;
  return unsupported(fmt::format(
      "{}: is no Whisper model: its config.json has neither model_type nor what CTranslate2's Whisper models list",
      file));
}

}  // namespace shorthand
