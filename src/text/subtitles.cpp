// SPDX-License-Identifier: Apache-2.0
#include "text/subtitles.h"

#include <algorithm>
#include <utility>

#include "text/python_text.h"
#include "text/utf8.h"

namespace shorthand {
namespace {

constexpr double kLongPause = 3;  // seconds from word to word that end a subtitle of several lines
constexpr int kNoLimit = 1000;    // the reference's

// A word in a subtitle: its text may begin with the line break before it.
struct Placed {
  std::string text;
  const Word* word;
  const Segment* segment;
};
using Subtitle = std::vector<Placed>;

bool has_word_times(const Transcript& transcript) {
  return !transcript.segments.empty() &&
         std::all_of(transcript.segments.begin(), transcript.segments.end(), [](const Segment& s) { return s.words; });
}

// The state of the walk over all words that puts each on the present line, a new line or a new subtitle.
class Layout {
 public:
  Layout(const WriterOptions& options, double first_start)
      : options_(options),
        keep_segments_(options.max_line_count <= 0 || options.max_line_width <= 0),
        max_width_(static_cast<size_t>(options.max_line_width > 0 ? options.max_line_width : kNoLimit)),
        last_start_(first_start) {}

  void add(const Word& word, const Segment& segment, bool first_of_group) {
    const size_t length = utf8::length(word.text);
    const bool long_pause = !keep_segments_ && word.start - last_start_ > kLongPause;
    const bool group_break = first_of_group && !subtitle_.empty() && keep_segments_;
    std::string text;
    if (line_length_ > 0 && line_length_ + length <= max_width_ && !long_pause && !group_break) {
      line_length_ += length;
      text = word.text;
    } else {
      text = utf8::strip(word.text);
      const size_t stripped = utf8::length(text);
      const bool full = options_.max_line_count > 0 && (long_pause || lines_ >= options_.max_line_count);
      if ((!subtitle_.empty() && full) || group_break) {
        finish_subtitle();
      } else if (line_length_ > 0) {
        ++lines_;
        text.insert(text.begin(), '\n');
      }
      line_length_ = stripped;
    }
    subtitle_.push_back({std::move(text), &word, &segment});
    last_start_ = word.start;
  }

  std::vector<Subtitle> finish() {
    if (!subtitle_.empty()) finish_subtitle();
    return std::move(done_);
  }

 private:
  void finish_subtitle() {
    done_.push_back(std::exchange(subtitle_, {}));
    lines_ = 1;
  }

  const WriterOptions& options_;
  const bool keep_segments_;  // a segment, or a group of max_words_per_line of its words, begins a subtitle
  const size_t max_width_;
  double last_start_;
  size_t line_length_ = 0;
  int lines_ = 1;
  Subtitle subtitle_;
  std::vector<Subtitle> done_;
};

std::vector<Subtitle> lay_out(const Transcript& transcript, const WriterOptions& options) {
  double first_start = transcript.segments.front().start;
  for (const Segment& segment : transcript.segments) {
    if (segment.words->empty()) continue;
    first_start = segment.words->front().start;
    break;
  }
  Layout layout(options, first_start);
  const auto group = static_cast<size_t>(options.max_words_per_line > 0 ? options.max_words_per_line : kNoLimit);
  for (const Segment& segment : transcript.segments) {
    for (size_t i = 0; i < segment.words->size(); ++i) layout.add((*segment.words)[i], segment, i % group == 0);
  }
  return layout.finish();
}

// The word between <u> and </u>, the space before it outside. A word that holds a line break is left as it is, as in
// the reference, whose pattern does not match it.
std::string underlined(std::string_view word) {
  size_t space = 0;
  while (space < word.size()) {
    const utf8::Character c = utf8::first_character(word.substr(space));
    if (!utf8::is_space(c.code_point)) break;
    space += c.bytes;
  }
  std::string_view rest = word.substr(space), line_end;
  if (rest.ends_with('\n')) line_end = "\n", rest.remove_suffix(1);
  if (rest.find('\n') != std::string_view::npos) return std::string(word);
  return std::string(word.substr(0, space)).append("<u>").append(rest).append("</u>").append(line_end);
}

std::string joined(const Subtitle& subtitle, size_t underline = SIZE_MAX) {
  std::string text;
  for (size_t i = 0; i < subtitle.size(); ++i) text += i == underline ? underlined(subtitle[i].text) : subtitle[i].text;
  return text;
}

void add_cue(double start, double end, std::string text, const Segment* segment, std::vector<Cue>* cues) {
  cues->push_back({start, end, std::move(text), segment});
}

// One cue a word with that word underlined, and one without for the time between two words.
void add_highlighted(const Subtitle& subtitle, std::vector<Cue>* cues) {
  double last = subtitle.front().word->start;
  for (size_t i = 0; i < subtitle.size(); ++i) {
    const Word& word = *subtitle[i].word;
    const Segment* const segment = subtitle[i].segment;
    if (python_round(last, 1000) != python_round(word.start, 1000))
      add_cue(last, word.start, joined(subtitle), segment, cues);
    add_cue(word.start, word.end, joined(subtitle, i), segment, cues);
    last = word.end;
  }
}

}  // namespace

std::string cue_body(std::string_view raw) {
  const std::string text = utf8::replace_invalid(raw);
  std::string out;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find_first_of("\r\n", at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    if (!utf8::strip(line).empty()) {
      if (!out.empty()) out += '\n';
      out += line;
    }
    at = end + 1;
  }
  // Again and again: taking a dash from "--->" leaves an arrow.
  for (size_t arrow = 0; (arrow = out.find("-->", arrow)) != std::string::npos; arrow = arrow == 0 ? 0 : arrow - 1)
    out.erase(arrow, 1);
  return out;
}

std::vector<Cue> make_cues(const Transcript& transcript, const WriterOptions& options) {
  std::vector<Cue> cues;
  if (!has_word_times(transcript)) {
    for (const Segment& segment : transcript.segments)
      add_cue(segment.start, segment.end, std::string(utf8::strip(segment.text)), &segment, &cues);
    return cues;
  }
  for (const Subtitle& subtitle : lay_out(transcript, options)) {
    if (options.highlight_words) {
      add_highlighted(subtitle, &cues);
    } else {
      add_cue(subtitle.front().word->start, subtitle.back().word->end, joined(subtitle), subtitle.front().segment,
              &cues);
    }
  }
  return cues;
}

}  // namespace shorthand
