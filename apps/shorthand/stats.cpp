// SPDX-License-Identifier: Apache-2.0
#include "stats.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/file.h"
#include "engine/builtin.h"
#include "model/sha256.h"
#include "version.h"

namespace shorthand::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

Json stage(const RanOn& ran_on, double ms) {
  Json out{{"device", ran_on.device}, {"isa", ran_on.isa}, {"simulated", ran_on.simulated}, {"ms", ms}};
  if (ran_on.simulated) out["array_ms"] = ran_on.array_ms;  // simulated, not measured
  return out;
}

// The files of a model's weights: itself, or of a directory those that hold some.
std::vector<fs::path> weights_files(const fs::path& model) {
  std::error_code error;
  if (!fs::is_directory(model, error)) return {model};
  for (const char* name : {"model.safetensors", "model.bin", "pytorch_model.bin"}) {
    if (fs::is_regular_file(model / name, error)) return {model / name};
  }
  std::vector<fs::path> shards;
  for (fs::directory_iterator entry(model, error), end; !error && entry != end; entry.increment(error)) {
    const std::string ending = entry->path().extension().string();
    if (ending == ".safetensors" || ending == ".bin") shards.push_back(entry->path());
  }
  std::ranges::sort(shards);
  return shards;
}

Result<Json> model_facts(const Compute& compute) {
  Json model{
      {"name", compute.model->name()}, {"format", compute.model->format()}, {"chosen_by", compute.chosen.chosen_by}};
  if (compute.builtin()) {
    model["sha256"] = sha256(builtin_model_bytes());
    model["bytes"] = builtin_model_bytes().size();
  } else {
    const std::vector<fs::path> files = weights_files(*compute.chosen.path);
    uint64_t bytes = 0;
    Json digests = Json::array();
    for (const fs::path& file : files) {
      digests.push_back(SHORTHAND_TRY(sha256_file(file)));
      std::error_code ignored;
      bytes += fs::file_size(file, ignored);
    }
    // Of several files each has its own.
    model["sha256"] = digests.size() == 1 ? digests[0] : digests;
    model["bytes"] = bytes;
  }
  model["builtin"] = compute.builtin();
  return model;
}

// Of this program alone: getrusage() would count what the program that started it held at that moment, too.
uint64_t peak_rss_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::strtoull(line.c_str() + 6, nullptr, 10) * 1024;
  }
  return 0;
}

}  // namespace

void RunStats::add(const RunFacts& facts, double started_ms) {
  if (sum.windows == 0) sum.first_text_ms = started_ms + facts.first_text_ms;
  sum.audio_s += facts.audio_s;
  sum.windows += facts.windows;
  sum.tokens += facts.tokens;
  sum.fallbacks += facts.fallbacks;
  sum.batch_size = std::max(sum.batch_size, facts.batch_size);
  sum.layout = facts.layout;
  sum.skip_padding = facts.skip_padding;
  sum.times.decode_audio_ms += facts.times.decode_audio_ms;
  sum.times.log_mel_ms += facts.times.log_mel_ms;
  sum.times.encode_ms += facts.times.encode_ms;
  sum.times.decode_text_ms += facts.times.decode_text_ms;
  sum.encoded_on = facts.encoded_on;
  sum.decoded_on = facts.decoded_on;
}

Result<void> write_stats(const std::string& target, const RunStats& stats, const Compute& compute) {
  const RunFacts& sum = stats.sum;
  const RanOn cpu{"cpu", "", false};  // FFmpeg's code picks its own instructions
  const RanOn log_mel_on{"cpu", std::string(isa_name(compute.kernels.log_mel->isa)), false};
  Json out;
  out["version"] = SHORTHAND_VERSION;
  out["commit"] = SHORTHAND_COMMIT;
  const Stopwatch hashing;  // after the last byte of the results: no part of total_ms
  out["model"] = SHORTHAND_TRY(model_facts(compute));
  out["model"]["hash_ms"] = hashing.elapsed_ms();
  out["compute_type"] = compute_type_name(compute.model->weights().type);
  out["stages"] = {{"decode_audio", stage(cpu, sum.times.decode_audio_ms)},
                   {"log_mel", stage(log_mel_on, sum.times.log_mel_ms)},
                   {"encode", stage(sum.encoded_on, sum.times.encode_ms)},
                   {"decode_text", stage(sum.decoded_on, sum.times.decode_text_ms)}};
  out["threads"] = compute.pool.size();
  out["batch_size"] = sum.batch_size;
  out["layout"] = sum.layout == Layout::sequential ? "sequential" : sum.layout == Layout::pauses ? "pauses" : "fixed";
  out["skip_padding"] = sum.skip_padding;
  out["audio_s"] = sum.audio_s;
  out["windows"] = sum.windows;
  out["tokens"] = sum.tokens;
  out["load_ms"] = compute.load_ms;
  out["total_ms"] = stats.total_ms;
  out["realtime_factor"] = stats.total_ms > 0 ? sum.audio_s / (stats.total_ms / 1000) : 0.0;
  out["first_text_ms"] = sum.first_text_ms;
  out["peak_rss_bytes"] = peak_rss_bytes();
  out["fallbacks"] = sum.fallbacks;
  out["inputs"] = Json::array();
  for (const InputFacts& i : stats.inputs) {
    Json input{{"input", i.input}, {"audio_s", i.audio_s}, {"ms", i.ms}};
    input["error"] = i.error ? Json(*i.error) : Json();
    out["inputs"].push_back(std::move(input));
  }
  const std::string text = out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  if (target == "-") {
    fmt::print(stderr, "{}", text);
    return {};
  }
  return write_file(target, text);
}

}  // namespace shorthand::cli
