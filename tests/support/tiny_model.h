// SPDX-License-Identifier: Apache-2.0
// A model small enough to be made anew in every test: half a megabyte, one head of 64, one layer on each side.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "model/random.h"

namespace shorthand::testing {

inline RandomModel tiny_model(bool english_only = false) {
  RandomModel m;
  for (int b = 0; b < 256; ++b) m.pieces.emplace_back(1, static_cast<char>(b));
  m.pieces.insert(m.pieces.end(), {" the", "ing", ""});
  m.english_only = english_only;
  m.config = {.n_vocab = static_cast<int>(m.pieces.size()) + kSpecialsBesidesLanguages + 1,
              .n_audio_ctx = 6,
              .n_audio_state = 64,
              .n_audio_head = 1,
              .n_audio_layer = 1,
              .n_text_ctx = 16,
              .n_text_state = 64,
              .n_text_head = 1,
              .n_text_layer = 1,
              .n_mels = 4};
  m.mel_filters.resize(4 * 201);
  for (size_t i = 0; i < m.mel_filters.size(); ++i) m.mel_filters[i] = static_cast<float>(i % 17) / 64.0f;
  m.eot_after = 5;
  m.seed = 3;
  return m;
}

// The bytes of its ggml file; empty where it could not be written.
inline std::vector<std::byte> model_bytes(const RandomModel& m) {
  std::vector<std::byte> out;
  ThreadPool pool(1);
  const auto written = write_random_model(m, pool, [&](std::span<const std::byte> bytes) -> Result<void> {
    out.insert(out.end(), bytes.begin(), bytes.end());
    return {};
  });
  return written.ok() ? out : std::vector<std::byte>();
}

}  // namespace shorthand::testing
