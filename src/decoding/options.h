// SPDX-License-Identifier: Apache-2.0
// How a window's tokens are chosen, and what comes of it. The rules are the reference's (openai-whisper, decoding.py).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace shorthand {

struct DecodingOptions {
  bool timestamps = true;
  std::optional<double> max_initial_timestamp_s = 1.0;
  bool suppress_blank = true;
  std::vector<int> suppress_tokens;  // ids that are never sampled
  int max_tokens = 224;              // sampled a window at the most
  int force_tokens = 0;  // for benchmarks: end of text exactly after so many text tokens; 0 = where the model says

  std::vector<double> temperatures = {0.0, 0.2, 0.4, 0.6, 0.8, 1.0};  // tried in order until the thresholds are met
  int best_of = 5;                                                    // samples drawn at a temperature above 0
  std::optional<double>
      length_penalty;  // how samples are ranked: by log-probability / ((5 + length) / 6)^penalty, or / length
  uint64_t seed = 0;
  std::optional<double> compression_ratio_threshold = 2.4;
  std::optional<double> logprob_threshold = -1.0;
  std::optional<double> no_speech_threshold = 0.6;
};

// One window to decode: its audio stands in the decoder's slot of that number.
struct WindowRequest {
  int audio = 0;
  std::vector<int> prompt;  // every token before the first sampled one
  int sot_index = 0;        // where <|startoftranscript|> stands in it
  uint64_t start = 0;       // first sample of the window in its recording: keys the random draws
};

struct DecodedWindow {
  std::vector<int> tokens;  // sampled, without end of text
  std::string text;         // stripped
  double avg_logprob = 0;
  double no_speech_prob = 0;
  double compression_ratio = 0;
  double temperature = 0;
  int attempts = 1;            // temperatures tried
  std::string redone_because;  // the threshold that the first attempt failed: "compression_ratio" or "logprob"
};

}  // namespace shorthand
