// SPDX-License-Identifier: Apache-2.0
#include "text/writers.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <random>

#include "support/test_data.h"
#include "text/utf8.h"

namespace shorthand {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

// A result of the reference as a value of ours.
Transcript from_json(const json& result) {
  Transcript t{result["text"], {}, result["language"]};
  for (const json& s : result["segments"]) {
    Segment segment{.seek = s["seek"],
                    .start = s["start"],
                    .end = s["end"],
                    .text = s["text"],
                    .tokens = s["tokens"],
                    .temperature = s["temperature"],
                    .avg_logprob = s["avg_logprob"],
                    .compression_ratio = s["compression_ratio"],
                    .no_speech_prob = s["no_speech_prob"],
                    .words = {},
                    .speaker = {},
                    .channel = {},
                    .redone_because = {}};
    if (s.contains("words")) {
      segment.words.emplace();
      for (const json& w : s["words"]) segment.words->push_back({w["word"], w["start"], w["end"], w["probability"]});
    }
    t.segments.push_back(std::move(segment));
  }
  return t;
}

std::string write(std::string_view format, const Transcript& t, const WriterOptions& options = {}) {
  return (*find_writer(format))->write(t, options);
}

TEST(WritersTest, WriteWhatTheReferenceWrote) {
  const auto cases = testing::repository_json("writer_cases.json");
  ASSERT_GT(cases.size(), 30u);
  for (const json& c : cases) {
    const json& layout = c["layout"];
    const WriterOptions options{.max_line_width = layout.value("max_line_width", 0),
                                .max_line_count = layout.value("max_line_count", 0),
                                .max_words_per_line = layout.value("max_words_per_line", 0),
                                .highlight_words = layout.value("highlight_words", false)};
    const Transcript t = from_json(c["result"]);
    for (const auto& [format, written] : c["written"].items())
      EXPECT_EQ(write(format, t, options), written.get<std::string>()) << format << " " << layout;
  }
}

TEST(WritersTest, WriteTheGoldenFiles) {
  SHORTHAND_NEEDS_SHARED("data/golden/reference/index.json");
  const auto dir = testing::shared_data_dir() / "data/golden/reference";
  const std::map<std::string, WriterOptions> layouts = {{"written", {}},
                                                        {"width42x2", {.max_line_width = 42, .max_line_count = 2}},
                                                        {"words3", {.max_words_per_line = 3}},
                                                        {"highlight", {.highlight_words = true}}};
  std::map<std::string, int> compared;
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    // a.jfk.words.width42x2.srt: the result a.jfk.words.json, written as srt with that layout.
    const std::filesystem::path name = entry.path().filename(), stem = name.stem();
    const auto layout = layouts.find(stem.extension().string().substr(stem.has_extension() ? 1 : 0));
    if (layout == layouts.end()) continue;
    const json result = json::parse(testing::read_bytes(dir / (stem.stem().string() + ".json")));
    const std::string format = name.extension().string().substr(1);
    EXPECT_EQ(write(format, from_json(result), layout->second), testing::read_bytes(entry.path())) << name;
    ++compared[layout->first + "." + format];
  }
  for (const char* kind : {"written.txt", "written.srt", "written.vtt", "written.tsv", "written.json", "width42x2.srt",
                           "width42x2.vtt", "words3.srt", "words3.vtt", "highlight.srt", "highlight.vtt"})
    EXPECT_GE(compared[kind], 2) << kind;
}

TEST(WritersTest, JsonOfEveryGoldenResult) {
  SHORTHAND_NEEDS_SHARED("data/golden/reference/index.json");
  int compared = 0;
  for (const auto& entry : std::filesystem::directory_iterator(testing::shared_data_dir() / "data/golden/reference")) {
    if (entry.path().extension() != ".json" || entry.path().filename().string().starts_with("index")) continue;
    const std::string text = testing::read_bytes(entry.path());
    EXPECT_EQ(write("json", from_json(json::parse(text))), text) << entry.path();
    ++compared;
  }
  EXPECT_GT(compared, 50);
}

Transcript one_segment(std::string text, double start = 0, double end = 1) {
  Transcript t;
  t.text = text;
  t.language = "en";
  t.segments.push_back({});
  t.segments[0].text = std::move(text);
  t.segments[0].start = start;
  t.segments[0].end = end;
  return t;
}

TEST(WritersTest, TheExamplesOfTheDocumentAreTrue) {
  Transcript t;
  t.text = " Ask not what \"they\" can do, ask.";
  t.language = "en";
  t.segments.resize(2);
  Segment& first = t.segments[0];
  first.end = 2.5;
  first.text = " Ask not what \"they\" can do,";
  first.tokens = {50364, 12320, 406};
  first.avg_logprob = -0.25;
  first.compression_ratio = 1.1;
  first.no_speech_prob = 1e-5;
  first.words = {{" Ask", 0, 0.5, 0.9}};
  Segment& second = t.segments[1];
  second.seek = 250;
  second.start = 3600;
  second.end = 3601.0006;
  second.text = " ask.";
  second.tokens = {1029};
  second.temperature = 0.2;
  second.avg_logprob = -0.5;
  second.compression_ratio = 0.5;
  second.no_speech_prob = 0.125;
  const std::string document = testing::read_bytes(testing::repository_dir() / "docs/formats.md");
  for (const Writer& writer : writers()) {
    std::string written = writer.write(t, {});
    if (!written.ends_with('\n')) written += '\n';
    EXPECT_THAT(document, HasSubstr("```\n" + written + "```\n")) << writer.name;
  }
}

TEST(WritersTest, TimesAtTheEdges) {
  EXPECT_EQ(write("srt", one_segment(" a", 3599.9996, 360000)), "1\n01:00:00,000 --> 100:00:00,000\na\n\n");
  EXPECT_EQ(write("vtt", one_segment(" a", 59.9994, 3600)), "WEBVTT\n\n00:59.999 --> 01:00:00.000\na\n\n");
  EXPECT_EQ(write("srt", one_segment(" a", -1, 0.0005)), "1\n00:00:00,000 --> 00:00:00,000\na\n\n");
  EXPECT_EQ(write("tsv", one_segment(" a\tb ", 0.0015, 2.5)), "start\tend\ttext\n2\t2500\ta b\n");
  EXPECT_EQ(write("lrc", one_segment(" a\nb", 6001.239, 7000)), "[by:shorthand]\n[100:01.24]a b\n");
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  for (const Writer& writer : writers()) EXPECT_FALSE(writer.write(one_segment(" a", nan, inf), {}).empty());
}

TEST(WritersTest, CsvAsWhisperCppLaysItOut) {
  EXPECT_EQ(write("csv", one_segment(" say \"hi\", she\nsaid", 1, 2.25)),
            "start,end,text\n1000,2250,\"say \"\"hi\"\", she\nsaid\"\n");
  Transcript t = one_segment(" one");
  t.segments.push_back(t.segments[0]);
  t.segments[1].speaker = "Anna \"A\"";
  EXPECT_EQ(write("csv", t), "start,end,speaker,text\n0,1000,\"\",\"one\"\n0,1000,\"Anna \"\"A\"\"\",\"one\"\n");
}

TEST(WritersTest, WhatTheReferenceLacksAppearsOnlyWhenSet) {
  Transcript t = one_segment(" hello");
  EXPECT_THAT(write("json", t), ::testing::EndsWith("\"no_speech_prob\": 0.0}], \"language\": \"en\"}"));
  t.segments[0].speaker = "An>na\n";
  t.segments[0].channel = 1;
  t.segments[0].redone_because = "avg_logprob";
  EXPECT_THAT(write("json", t), HasSubstr("\"no_speech_prob\": 0.0, \"speaker\": \"An>na\\n\", \"channel\": 1, "
                                          "\"redone_because\": \"avg_logprob\"}"));
  EXPECT_EQ(write("txt", t), "[An>na]: hello\n");
  EXPECT_EQ(write("lrc", t), "[by:shorthand]\n[00:00.00][An>na]: hello\n");
  EXPECT_EQ(write("srt", t), "1\n00:00:00,000 --> 00:00:01,000\n[An>na]: hello\n\n");
  EXPECT_EQ(write("vtt", t), "WEBVTT\n\n00:00.000 --> 00:01.000\n<v An na>hello\n\n");
}

TEST(WritersTest, WordsOfBlankSegmentsAloneAreNoWordTimes) {
  // What the reference's result looks like where word times were not asked for and one segment was blank.
  Transcript t = one_segment("");
  t.segments[0].words.emplace();
  t.segments.push_back(one_segment(" said", 1, 2).segments[0]);
  EXPECT_EQ(write("srt", t), "1\n00:00:00,000 --> 00:00:01,000\n\n\n2\n00:00:01,000 --> 00:00:02,000\nsaid\n\n");
}

TEST(WritersTest, AnUnknownFormatNamesTheKnown) {
  const auto result = find_writer("docx");
  EXPECT_EQ(result.error().kind, Error::Kind::usage);
  EXPECT_EQ(result.error().message, "unknown format 'docx'; the formats are txt srt vtt tsv json csv lrc");
  for (const Writer& writer : writers()) EXPECT_EQ(*find_writer(writer.name), &writer);
}

// Subtitles read back by their grammar: blocks of lines ended by a blank one, the line with the arrow giving the times.
struct ReadCue {
  std::string times, text;
};
std::vector<ReadCue> read_cues(const std::string& file, bool numbered) {
  std::vector<std::string> lines;
  std::istringstream in(file);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  std::vector<ReadCue> cues;
  size_t i = 0;
  if (!numbered) {
    EXPECT_EQ(lines.at(0), "WEBVTT");
    i = 2;
  }
  while (i < lines.size()) {
    if (lines[i].empty()) {
      ++i;
      continue;
    }
    if (numbered) {
      EXPECT_EQ(lines.at(i++), std::to_string(cues.size() + 1));
    }
    ReadCue cue{lines.at(i++), ""};
    EXPECT_NE(cue.times.find(" --> "), std::string::npos) << cue.times;
    for (; i < lines.size() && !lines[i].empty(); ++i) {
      EXPECT_EQ(lines[i].find("-->"), std::string::npos) << lines[i];
      cue.text += lines[i] + "\n";
    }
    cues.push_back(cue);
  }
  return cues;
}

// One record of quoted CSV after another: the last field of each.
std::vector<std::string> read_csv_texts(const std::string& file) {
  std::vector<std::string> texts;
  std::string field;
  bool quoted = false;
  for (size_t i = 0; i < file.size(); ++i) {
    const char c = file[i];
    if (quoted && c == '"' && i + 1 < file.size() && file[i + 1] == '"') {
      field += '"', ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && c == ',') {
      field.clear();
    } else if (!quoted && c == '\n') {
      texts.push_back(std::exchange(field, ""));
    } else {
      field += c;
    }
  }
  EXPECT_FALSE(quoted);
  return texts;
}

std::string hostile_text(std::mt19937& random) {
  static const std::vector<std::string> parts = {" word",
                                                 "\"",
                                                 "\\",
                                                 "-->",
                                                 "--->",
                                                 "--",
                                                 ">",
                                                 "\n",
                                                 "\n\n",
                                                 "\r\n",
                                                 "\r",
                                                 std::string(1, '\0'),
                                                 "\x1b",
                                                 "\x7f",
                                                 "\t",
                                                 ",",
                                                 ";",
                                                 "\u2028",
                                                 "\u2029",
                                                 "\u0085",
                                                 "\ufeff",
                                                 "<u>",
                                                 "</u>",
                                                 "&amp;",
                                                 "👍🏽",
                                                 "é",
                                                 "00:00:00,000 --> 00:00:01,000",
                                                 "WEBVTT",
                                                 "NOTE",
                                                 "\xff",
                                                 "\xf0\x9f",
                                                 "\xed\xa0\x80",
                                                 "1",
                                                 " ",
                                                 "   ",
                                                 "[by:x]",
                                                 "${x}",
                                                 "{}",
                                                 "%s"};
  std::string text;
  for (size_t n = random() % 8; n > 0; --n) text += parts[random() % parts.size()];
  return text;
}

Transcript hostile_transcript(std::mt19937& random, bool words) {
  Transcript t;
  double clock = 0;
  for (size_t n = random() % 5; n > 0; --n) {
    Segment segment = one_segment(hostile_text(random), clock, clock + 1).segments[0];
    if (words) {
      segment.words.emplace();
      for (size_t m = random() % 6; m > 0; --m, clock += 0.25)
        segment.words->push_back({hostile_text(random), clock, clock + 0.2, 0.5});
    }
    if (random() % 4 == 0) segment.speaker = hostile_text(random);
    t.text += segment.text;
    t.segments.push_back(std::move(segment));
    clock += 1;
  }
  return t;
}

TEST(WritersTest, HostileTextCanBeReadBack) {
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    const Transcript t = hostile_transcript(random, round % 2 == 0);
    const WriterOptions options{.max_line_width = static_cast<int>(random() % 20),
                                .max_line_count = static_cast<int>(random() % 3),
                                .max_words_per_line = static_cast<int>(random() % 4),
                                .highlight_words = random() % 2 == 0};
    for (const Writer& writer : writers()) ASSERT_TRUE(utf8::is_valid(writer.write(t, options))) << writer.name;

    const json parsed = json::parse(write("json", t));
    ASSERT_EQ(parsed["text"].get<std::string>(), utf8::replace_invalid(t.text));
    for (size_t i = 0; i < t.segments.size(); ++i) {
      ASSERT_EQ(parsed["segments"][i]["text"].get<std::string>(), utf8::replace_invalid(t.segments[i].text));
      ASSERT_EQ(parsed["segments"][i]["id"], i);
    }
    const size_t n = t.segments.size();
    const auto srt = read_cues(write("srt", t, options), true), vtt = read_cues(write("vtt", t, options), false);
    ASSERT_EQ(srt.size(), vtt.size());
    if (n > 0 && !t.segments[0].words) {
      ASSERT_EQ(srt.size(), n);
    }
    const auto texts = read_csv_texts(write("csv", t));
    ASSERT_EQ(texts.size(), n + 1);
    for (size_t i = 0; i < n; ++i) ASSERT_EQ(texts[i + 1], utf8::replace_invalid(utf8::strip(t.segments[i].text)));
    const auto lines = [](const std::string& file) { return std::count(file.begin(), file.end(), '\n'); };
    ASSERT_EQ(lines(write("tsv", t)), static_cast<long>(n) + 1);
    ASSERT_EQ(lines(write("lrc", t)), static_cast<long>(n) + 1);
    const std::string tsv = write("tsv", t);
    ASSERT_EQ(std::count(tsv.begin(), tsv.end(), '\t'), 2 * static_cast<long>(n) + 2);
  }
}

TEST(CompressionRatioTest, IsZlibsAtItsDefaultLevel) {
  EXPECT_EQ(compression_ratio(""), 0);
  // len(b) / len(zlib.compress(b)) in Python 3.11, zlib 1.2.13.
  EXPECT_DOUBLE_EQ(compression_ratio("a"), 1 / 9.0);
  EXPECT_DOUBLE_EQ(compression_ratio(" nine nine nine nine nine nine nine nine"), 40 / 16.0);
  EXPECT_DOUBLE_EQ(compression_ratio("ask not what your country can do for you, ask what you can do for your country"),
                   78 / 57.0);
}

TEST(CompressionRatioTest, TellsTheLevelsApart) {
  constexpr const char* words[] = {"the", "cat", "sat", "on", "a", "mat", "and", "then", "another", "one"};
  std::string text;
  uint32_t x = 1;
  for (int i = 0; i < 1600; ++i) {
    x = (x * 1103515245u + 12345u) & 0x7fffffffu;
    text.append(" ").append(words[(x >> 16) % 10]);
  }
  // 6,685 bytes; Python's zlib makes 1,315 of them at level 5, 1,279 at 6, 1,275 at 7 and 1,280 at 9.
  EXPECT_DOUBLE_EQ(compression_ratio(text), 6685 / 1279.0);
}

TEST(CompressionRatioTest, OfTheGoldenSegments) {
  SHORTHAND_NEEDS_SHARED("data/golden/reference/builtin.short-02.default.json");
  // The ratio is that of the whole window, which here gave one segment.
  const json result = json::parse(
      testing::read_bytes(testing::shared_data_dir() / "data/golden/reference/builtin.short-02.default.json"));
  const std::string text = result["segments"][0]["text"];
  EXPECT_EQ(compression_ratio(utf8::strip(text)), result["segments"][0]["compression_ratio"].get<double>());
}

}  // namespace
}  // namespace shorthand
