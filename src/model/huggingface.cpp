// SPDX-License-Identifier: Apache-2.0
#include "model/huggingface.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/phrase.h"

namespace shorthand {
namespace {

using nlohmann::json;

// The integer of that key; none where it is absent or null. Anything else is an error.
Result<std::optional<int>> integer(const json& object, const char* key, std::string_view file) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return std::optional<int>();
  if (found->is_number_integer()) {
    const bool large =
        found->is_number_unsigned() && found->get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int>::max());
    const int64_t value = large ? 0 : found->get<int64_t>();
    if (!large && value >= std::numeric_limits<int>::min() && value <= std::numeric_limits<int>::max())
      return std::optional<int>(static_cast<int>(value));
  }
  return bad_input(fmt::format("{}: '{}' is no whole number of 32 bits", file, key));
}

Result<void> read_suppression(const json& object, std::string_view file, const Config& config,
                              GenerationConfig& generation) {
  if (auto list = SHORTHAND_TRY(token_ids(object, "suppress_tokens", file, config.n_vocab)))
    generation.suppress_tokens = std::move(list);
  if (auto list = SHORTHAND_TRY(token_ids(object, "begin_suppress_tokens", file, config.n_vocab)))
    generation.begin_suppress_tokens = std::move(list);
  // The prompt that generation forces: [position, id] pairs. English-only models have notimestamps alone, the others
  // language and task too.
  const auto forced = object.find("forced_decoder_ids");
  if (forced != object.end() && forced->is_array() && !forced->empty() && !generation.is_multilingual)
    generation.is_multilingual = forced->size() > 1;
  return {};
}

Result<json> parse_object(std::string_view text, std::string_view file) {
  json object = SHORTHAND_TRY(parse_json(text, file));
  if (!object.is_object()) return bad_input(fmt::format("{}: holds no JSON object", file));
  return object;
}

Result<void> check_architecture(const json& object, std::string_view file, int d_model) {
  const auto found = object.find("model_type");
  const std::string type = found != object.end() && found->is_string() ? found->get<std::string>() : "";
  if (type != "whisper")
    return unsupported(fmt::format("{}: is a model of type '{}', not whisper", file, printable(type)));
  if (object.contains("quantization_config"))
    return unsupported(fmt::format("{}: its weights are quantised; give the model with plain float weights", file));
  for (const char* key : {"encoder_ffn_dim", "decoder_ffn_dim"}) {
    const auto width = SHORTHAND_TRY(integer(object, key, file));
    if (width && *width != 4 * d_model)
      return unsupported(
          fmt::format("{}: {} is {}; Whisper's is four times d_model, {}", file, key, *width, 4 * d_model));
  }
  const auto activation = object.find("activation_function");
  if (activation != object.end() && *activation != "gelu")
    return unsupported(fmt::format("{}: activation_function is {}; Whisper's is gelu", file,
                                   printable(activation->dump(-1, ' ', true))));
  const auto scaled = object.find("scale_embedding");
  if (scaled != object.end() && *scaled != false)
    return unsupported(fmt::format("{}: scale_embedding is set; Whisper does not scale its embedding", file));
  return {};
}

}  // namespace

Result<json> parse_json(std::string_view text, std::string_view file) {
  json value = json::parse(text.begin(), text.end(), nullptr, false);
  if (value.is_discarded()) return bad_input(fmt::format("{}: is not valid JSON; download it again", file));
  return value;
}

Result<std::optional<std::vector<int>>> token_ids(const json& object, const char* key, std::string_view file,
                                                  int n_vocab) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return std::optional<std::vector<int>>();
  const auto good = [&](const json& id) {
    return id.is_number_unsigned() && id.get<uint64_t>() < static_cast<uint64_t>(n_vocab);
  };
  if (!found->is_array() || !std::all_of(found->begin(), found->end(), good))
    return bad_input(fmt::format("{}: '{}' is no list of token ids below {}", file, key, n_vocab));
  std::vector<int> list;
  for (const json& id : *found) list.push_back(id.get<int>());
  return std::optional(std::move(list));
}

Result<void> parse_model_config(std::string_view text, std::string_view file, Config& config,
                                GenerationConfig& generation) {
  const json object = SHORTHAND_TRY(parse_object(text, file));
  const struct {
    const char* key;
    int Config::*field;
  } fields[] = {
      {"vocab_size", &Config::n_vocab},           {"max_source_positions", &Config::n_audio_ctx},
      {"d_model", &Config::n_audio_state},        {"encoder_attention_heads", &Config::n_audio_head},
      {"encoder_layers", &Config::n_audio_layer}, {"max_target_positions", &Config::n_text_ctx},
      {"d_model", &Config::n_text_state},         {"decoder_attention_heads", &Config::n_text_head},
      {"decoder_layers", &Config::n_text_layer},  {"num_mel_bins", &Config::n_mels},
  };
  for (const auto& f : fields) config.*f.field = SHORTHAND_TRY(integer(object, f.key, file)).value_or(0);
  // The type first: another kind of model lacks these keys, and says best itself what it is.
  SHORTHAND_TRY(check_architecture(object, file, std::clamp(config.n_audio_state, 0, 1 << 20)));
  for (const auto& f : fields) {
    if (!object.contains(f.key)) return bad_input(fmt::format("{}: '{}' is missing", file, f.key));
  }
  SHORTHAND_TRY(check_config(config, file));
  return read_suppression(object, file, config, generation);
}

Result<void> read_alignment_heads(const json& object, std::string_view file, const Config& config,
                                  GenerationConfig& generation) {
  const auto heads = object.find("alignment_heads");
  if (heads == object.end() || heads->is_null()) return {};
  std::vector<std::pair<int, int>> list;
  bool exist = true;
  for (const json& pair : *heads) {
    if (!heads->is_array() || !pair.is_array() || pair.size() != 2 || !pair[0].is_number_unsigned() ||
        !pair[1].is_number_unsigned())
      return bad_input(fmt::format("{}: 'alignment_heads' is no list of [layer, head]", file));
    const uint64_t layer = pair[0].get<uint64_t>(), head = pair[1].get<uint64_t>();
    exist &= layer < static_cast<uint64_t>(config.n_text_layer) && head < static_cast<uint64_t>(config.n_text_head);
    if (exist) list.emplace_back(static_cast<int>(layer), static_cast<int>(head));
  }
  if (exist && !list.empty()) generation.alignment_heads = std::move(list);
  return {};
}

Result<void> parse_generation_config(std::string_view text, std::string_view file, const Config& config,
                                     GenerationConfig& generation) {
  const json object = SHORTHAND_TRY(parse_object(text, file));
  SHORTHAND_TRY(read_suppression(object, file, config, generation));
  const auto multilingual = object.find("is_multilingual");
  if (multilingual != object.end() && multilingual->is_boolean())
    generation.is_multilingual = multilingual->get<bool>();
  return read_alignment_heads(object, file, config, generation);
}

Result<void> check_preprocessor(std::string_view text, std::string_view file, const Config& config) {
  const json object = SHORTHAND_TRY(parse_object(text, file));
  const struct {
    const char* key;
    int expected;
  } values[] = {{"feature_size", config.n_mels}, {"sampling_rate", 16000}, {"n_fft", 400}, {"hop_length", 160}};
  for (const auto& v : values) {
    const auto value = SHORTHAND_TRY(integer(object, v.key, file));
    if (value && *value != v.expected)
      return unsupported(fmt::format("{}: {} is {}; this model needs {}", file, v.key, *value, v.expected));
  }
  return {};
}

}  // namespace shorthand
