// SPDX-License-Identifier: Apache-2.0
// Cues: the subtitles that srt and vtt write, before either gives them its spelling.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/transcript.h"
#include "text/writers.h"

namespace shorthand {

struct Cue {
  double start = 0, end = 0;  // seconds
  std::string text;           // as it was said: not yet fit for a file
  const Segment* segment;     // that it begins in
};

// One cue a segment, or, where the segments have word times, cues laid out as the options say: the reference's rules
// (openai/whisper utils.py, iterate_result).
std::vector<Cue> make_cues(const Transcript& transcript, const WriterOptions& options);

// A text as it may stand in a cue: UTF-8, no blank line, which would end the cue, and no arrow, which would be taken
// for times.
std::string cue_body(std::string_view text);

}  // namespace shorthand
