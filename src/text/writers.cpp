// SPDX-License-Identifier: Apache-2.0
#include "text/writers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "text/python_text.h"
#include "text/subtitles.h"
#include "text/utf8.h"

namespace shorthand {
namespace {

// The text of a segment on one line: without the space around it, `breaks` and line breaks in it made spaces.
std::string one_line(std::string_view text, std::string_view breaks = "") {
  std::string line = utf8::replace_invalid(utf8::strip(text));
  for (char& c : line) {
    if (c == '\n' || c == '\r' || breaks.find(c) != std::string_view::npos) c = ' ';
  }
  return line;
}

// "[anna]: " before the text of a segment with a speaker.
std::string speaker_label(const Segment& segment) {
  return segment.speaker ? fmt::format("[{}]: ", one_line(*segment.speaker)) : std::string();
}

// A time of day in milliseconds, cut into its fields. Times before the recording are its beginning.
struct Clock {
  int64_t hours, minutes, seconds, milliseconds;
  explicit Clock(double at) {
    const int64_t ms = std::max<int64_t>(0, python_round(at, 1000));
    hours = ms / 3'600'000;
    minutes = ms / 60'000 % 60;
    seconds = ms / 1000 % 60;
    milliseconds = ms % 1000;
  }
};

std::string srt_time(double at) {
  const Clock c(at);
  return fmt::format("{:02}:{:02}:{:02},{:03}", c.hours, c.minutes, c.seconds, c.milliseconds);
}

std::string vtt_time(double at) {
  const Clock c(at);
  const std::string hours = c.hours > 0 ? fmt::format("{:02}:", c.hours) : "";
  return fmt::format("{}{:02}:{:02}.{:03}", hours, c.minutes, c.seconds, c.milliseconds);
}

std::string write_txt(const Transcript& transcript, const WriterOptions&) {
  std::string out;
  for (const Segment& segment : transcript.segments)
    out += fmt::format("{}{}\n", speaker_label(segment), utf8::replace_invalid(utf8::strip(segment.text)));
  return out;
}

std::string write_srt(const Transcript& transcript, const WriterOptions& options) {
  std::string out;
  int number = 0;
  for (const Cue& cue : make_cues(transcript, options)) {
    out += fmt::format("{}\n{} --> {}\n{}\n\n", ++number, srt_time(cue.start), srt_time(cue.end),
                       cue_body(speaker_label(*cue.segment) + cue.text));
  }
  return out;
}

std::string write_vtt(const Transcript& transcript, const WriterOptions& options) {
  std::string out = "WEBVTT\n\n";
  for (const Cue& cue : make_cues(transcript, options)) {
    // WebVTT's own way to say who speaks; ">" would end the tag.
    const auto& speaker = cue.segment->speaker;
    const std::string voice = speaker ? fmt::format("<v {}>", one_line(*speaker, ">")) : "";
    out += fmt::format("{} --> {}\n{}\n\n", vtt_time(cue.start), vtt_time(cue.end), cue_body(voice + cue.text));
  }
  return out;
}

std::string write_tsv(const Transcript& transcript, const WriterOptions&) {
  std::string out = "start\tend\ttext\n";
  for (const Segment& segment : transcript.segments) {
    out += fmt::format("{}\t{}\t{}\n", python_round(segment.start, 1000), python_round(segment.end, 1000),
                       one_line(segment.text, "\t"));
  }
  return out;
}

// RFC 4180, with whisper.cpp's columns and line ends.
std::string csv_field(std::string_view text) {
  std::string out = "\"";
  for (const char c : utf8::replace_invalid(text)) out.append(c == '"' ? 2 : 1, c);
  return out += '"';
}

std::string write_csv(const Transcript& transcript, const WriterOptions&) {
  const auto& segments = transcript.segments;
  const bool speakers = std::any_of(segments.begin(), segments.end(), [](const Segment& s) { return s.speaker; });
  std::string out = speakers ? "start,end,speaker,text\n" : "start,end,text\n";
  for (const Segment& segment : segments) {
    out += fmt::format("{},{},{}{}\n", python_round(segment.start, 1000), python_round(segment.end, 1000),
                       speakers ? csv_field(segment.speaker.value_or("")) + "," : "",
                       csv_field(utf8::strip(segment.text)));
  }
  return out;
}

std::string write_lrc(const Transcript& transcript, const WriterOptions&) {
  std::string out = "[by:shorthand]\n";
  for (const Segment& segment : transcript.segments) {
    const int64_t hundredths = std::max<int64_t>(0, python_round(segment.start, 100));
    out += fmt::format("[{:02}:{:02}.{:02}]{}{}\n", hundredths / 6000, hundredths / 100 % 60, hundredths % 100,
                       speaker_label(segment), one_line(segment.text));
  }
  return out;
}

std::string json_words(const std::vector<Word>& words) {
  std::string out;
  for (const Word& word : words) {
    out += fmt::format("{}{{\"word\": {}, \"start\": {}, \"end\": {}, \"probability\": {}}}", out.empty() ? "" : ", ",
                       json_string(word.text), python_float(word.start), python_float(word.end),
                       python_float(word.probability));
  }
  return out;
}

// The keys of the reference in its order, then those that it does not have.
std::string json_segment(size_t id, const Segment& segment) {
  std::string out =
      fmt::format("{{\"id\": {}, \"seek\": {}, \"start\": {}, \"end\": {}, \"text\": {}", id, segment.seek,
                  python_float(segment.start), python_float(segment.end), json_string(segment.text));
  out += fmt::format(", \"tokens\": [{}], \"temperature\": {}, \"avg_logprob\": {}", fmt::join(segment.tokens, ", "),
                     python_float(segment.temperature), python_float(segment.avg_logprob));
  out += fmt::format(", \"compression_ratio\": {}, \"no_speech_prob\": {}", python_float(segment.compression_ratio),
                     python_float(segment.no_speech_prob));
  if (segment.words) out += fmt::format(", \"words\": [{}]", json_words(*segment.words));
  if (segment.speaker) out += fmt::format(", \"speaker\": {}", json_string(*segment.speaker));
  if (segment.channel) out += fmt::format(", \"channel\": {}", *segment.channel);
  if (segment.redone_because) out += fmt::format(", \"redone_because\": {}", json_string(*segment.redone_because));
  return out += '}';
}

std::string write_json(const Transcript& transcript, const WriterOptions&) {
  std::string out = fmt::format("{{\"text\": {}, \"segments\": [", json_string(transcript.text));
  for (size_t i = 0; i < transcript.segments.size(); ++i) {
    if (i > 0) out += ", ";
    out += json_segment(i, transcript.segments[i]);
  }
  return out += fmt::format("], \"language\": {}}}", json_string(transcript.language));
}

constexpr std::array kWriters = {
    Writer{"txt", "text/plain; charset=utf-8", write_txt},
    Writer{"srt", "application/x-subrip; charset=utf-8", write_srt},
    Writer{"vtt", "text/vtt; charset=utf-8", write_vtt},
    Writer{"tsv", "text/tab-separated-values; charset=utf-8", write_tsv},
    Writer{"json", "application/json", write_json},
    Writer{"csv", "text/csv; charset=utf-8", write_csv},
    Writer{"lrc", "text/plain; charset=utf-8", write_lrc},
};

}  // namespace

std::span<const Writer> writers() { return kWriters; }

Result<const Writer*> find_writer(std::string_view name) {
  std::string names;
  for (const Writer& writer : kWriters) {
    if (writer.name == name) return &writer;
    names += fmt::format("{}{}", names.empty() ? "" : " ", writer.name);
  }
  return usage_error(
      fmt::format("unknown format '{}'; the formats are {}", utf8::replace_invalid(name.substr(0, 40)), names));
}

}  // namespace shorthand
