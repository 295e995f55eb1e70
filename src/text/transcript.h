// SPDX-License-Identifier: Apache-2.0
// Transcript: what was said, when, and how sure the model was. Plain values; text is UTF-8, times are seconds from the
// beginning of the recording.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shorthand {

struct Word {
  std::string text;  // with the space before it, as the model wrote it
  double start = 0, end = 0;
  double probability = 0;  // mean over the word's tokens
};

struct Segment {
  int seek = 0;  // frame of 10 ms at which the window began that this was heard in
  double start = 0, end = 0;
  std::string text;  // with the space before it
  std::vector<int> tokens;
  double temperature = 0;
  double avg_logprob = 0;
  double compression_ratio = 0;
  double no_speech_prob = 0;
  // Word times, where they were asked for. A segment that was heard as blank has none of them, asked for or not: the
  // reference then lists no words rather than leave the list out, and so does whoever fills this.
  std::optional<std::vector<Word>> words;

  // Beyond the reference.
  std::optional<std::string> speaker;
  std::optional<int> channel;                 // of the recording, from 0
  std::optional<std::string> redone_because;  // what was wrong with an earlier attempt at this stretch
};

struct Transcript {
  std::string text;  // of all windows, as the model wrote it
  std::vector<Segment> segments;
  std::string language;  // code
};

// Bytes of UTF-8 over the bytes that zlib makes of them at level 6: text that repeats itself is high. 0 for no text.
double compression_ratio(std::string_view text);

}  // namespace shorthand
