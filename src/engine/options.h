// SPDX-License-Identifier: Apache-2.0
// What a caller may ask of a transcription, and what it is told on the way.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "decoding/options.h"
#include "text/transcript.h"

namespace shorthand {

enum class Task : uint8_t { transcribe, translate };

// How a recording is laid out in windows.
enum class Layout : uint8_t {
  automatic,   // pauses for the built-in model, sequential for any other
  sequential,  // the reference's: window after window, each starting where the last one's text ended, shown what was
               // said before
  pauses,      // cut where nobody speaks, the pieces decoded together
  fixed,       // cut every 30 s exactly, the pieces decoded together
};

struct TranscribeOptions {
  std::string language = "auto";       // or a code
  std::vector<std::string> languages;  // what "auto" may choose from; empty = all
  Task task = Task::transcribe;
  Layout layout = Layout::automatic;
  int batch_size = 0;  // pieces decoded together at the most; 0 = what suits the layout
  // The encoder is not given what fills a short window up to 30 s: much faster, and words of which a model is unsure
  // may change, since it was trained with the padding. CPU only.
  bool skip_padding = false;

  std::string initial_prompt;
  bool carry_initial_prompt = false;
  bool condition_on_previous_text = true;
  std::string prefix;
  std::vector<double> clips_s;  // start, end, start, ...; the last end may be left out. Empty = everything
  // At the end of the sound, exactly what the reference gives: text from windows of a few hundredths of a second, and
  // times that lie behind the end. For comparisons with it; nobody wants to read that.
  bool end_as_reference = false;
  int max_tokens = 0;  // 0 = half of what the decoder can see
  std::vector<int> suppress{
      -1};                   // ids; -1 stands for the non-speech set; empty = nothing is suppressed, not even specials
  DecodingOptions decoding;  // suppress_tokens and max_tokens are filled in from the above
};

// Called from the thread that transcribes.
struct Progress {
  std::function<void(std::span<const Segment>)> segments;  // new ones, in order, as soon as they stand
  std::function<void(double done_s, double total_s)> position;
  std::function<bool()> cancelled;  // true = stop, with an Error of kind cancelled
};

}  // namespace shorthand
