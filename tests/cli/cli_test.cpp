// SPDX-License-Identifier: Apache-2.0
// The program as scripts use it: what it prints where, which files it leaves, how it ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/cpu.h"
#include "support/process.h"
#include "support/shared_data.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using testing::contents;
using ::testing::HasSubstr;
using testing::Ran;
using testing::run_shorthand;
using testing::TemporaryFolder;

fs::path speech(const std::string& name) { return testing::repository_dir() / "tests/data/speech" / name; }

const char* const kText = "smart mirror brew a triple shot iced mocha with a little bit of milk\n";  // of short-02.flac

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

TEST(TranscribeTest, PrintsTheTextAloneOnStandardOutput) {
  const Ran ran = run_shorthand({"transcribe", speech("short-02.flac").string()});
  EXPECT_EQ(ran.status, 0);
  EXPECT_EQ(ran.out, kText);
  EXPECT_THAT(ran.err, HasSubstr("built-in model"));
  EXPECT_THAT(ran.err, HasSubstr("shorthand models pull"));
  EXPECT_EQ(std::ranges::count(ran.err, '\n'), 1);
  EXPECT_EQ(run_shorthand({"transcribe", "-q", speech("short-02.flac").string()}).err, "");
}

TEST(TranscribeTest, ReadsStandardInput) {
  for (const char* name : {"short-02.flac"}) {
    const Ran ran = run_shorthand({"transcribe", "-"}, {.stdin_file = speech(name)});
    EXPECT_EQ(ran.status, 0) << ran.err;
    EXPECT_EQ(ran.out, kText);
  }
}

TEST(TranscribeTest, OneInputInOneFormatGoesToStandardOutput) {
  const Ran srt = run_shorthand({"transcribe", "-f", "srt", speech("short-02.flac").string()});
  EXPECT_THAT(srt.out, HasSubstr("1\n00:00:00,"));
  const Ran json = run_shorthand({"transcribe", "-f", "json", speech("short-02.flac").string()});
  EXPECT_EQ(Json::parse(json.out)["language"], "en");
}

TEST(TranscribeTest, SeveralFormatsLieBesideTheInput) {
  const TemporaryFolder folder;
  fs::copy_file(speech("short-02.flac"), folder / "a.b.flac");
  const Ran ran = run_shorthand({"transcribe", "-f", "txt,srt,vtt,tsv,json,csv,lrc", (folder / "a.b.flac").string()});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(names_in(folder.path()), (std::vector<std::string>{"a.b.csv", "a.b.flac", "a.b.json", "a.b.lrc", "a.b.srt",
                                                               "a.b.tsv", "a.b.txt", "a.b.vtt"}));
  EXPECT_EQ(contents(folder / "a.b.txt"), kText);
}

TEST(TranscribeTest, OneBadInputDoesNotStopTheOthers) {
  const TemporaryFolder folder;
  const Ran ran = run_shorthand({"transcribe", "-q", "-o", (folder / "out").string(), "--stats",
                                 (folder / "stats.json").string(), speech("short-03.flac").string(),
                                 (folder / "none.wav").string(), speech("short-02.flac").string()});
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.err, HasSubstr("none.wav: no such file"));
  EXPECT_EQ(std::ranges::count(ran.err, '\n'), 1);
  EXPECT_EQ(names_in(folder / "out"), (std::vector<std::string>{"short-02.txt", "short-03.txt"}));
  const Json stats = Json::parse(contents(folder / "stats.json"));
  ASSERT_EQ(stats["inputs"].size(), 3u);
  EXPECT_TRUE(stats["inputs"][0]["error"].is_null());
  EXPECT_THAT(stats["inputs"][1]["error"].get<std::string>(), HasSubstr("no such file"));
}

// A second of zeros: nothing on standard output, a word on standard error unless none is wanted.
TEST(TranscribeTest, SaysThatThereIsNoSpeech) {
  const TemporaryFolder folder;
  const std::string silent = (folder / "silent.wav").string();
  const unsigned char head[44] = {'R', 'I', 'F', 'F', 0x24, 0x7d, 0,   0,   'W', 'A',  'V',  'E',  'f', 'm', 't',
                                  ' ', 16,  0,   0,   0,    1,    0,   1,   0,   0x80, 0x3e, 0,    0,   0,   0x7d,
                                  0,   0,   2,   0,   16,   0,    'd', 'a', 't', 'a',  0,    0x7d, 0,   0};
  std::ofstream(silent, std::ios::binary)
      << std::string(reinterpret_cast<const char*>(head), sizeof head) << std::string(32000, '\0');
  for (const bool quiet : {false, true}) {
    std::vector<std::string> arguments{"transcribe", silent};
    if (quiet) arguments.push_back("-q");
    const Ran ran = run_shorthand(arguments);
    EXPECT_EQ(ran.status, 0) << ran.err;
    EXPECT_EQ(ran.out, "");
    EXPECT_EQ(ran.err.find("silent.wav: no speech found\n") != std::string::npos, !quiet) << ran.err;
  }
}

TEST(CommandLineTest, AnUnknownCommandIsNamed) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"transcibe", "a.wav"}, {"npu", "simulte"}}) {
    const Ran ran = run_shorthand(words);
    EXPECT_EQ(ran.status, 2);
    EXPECT_THAT(ran.err, HasSubstr("'" + (words[0] == "npu" ? words[1] : words[0]) + "'"));
  }
  EXPECT_THAT(run_shorthand({}).err, HasSubstr("subcommand is required"));
}

TEST(TranscribeTest, FoldersAreWalkedOnlyWhenAsked) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "deep/er");
  fs::copy_file(speech("short-02.flac"), folder / "deep/er/one.flac");
  std::ofstream(folder / "deep/notes.txt") << "not sound";
  const Ran refused = run_shorthand({"transcribe", "-q", folder.path().string()});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("is a directory; -r transcribes"));
  const Ran ran = run_shorthand({"transcribe", "-q", "-r", "-o", (folder / "out").string(), folder.path().string()});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(contents(folder / "out/one.txt"), kText);
}

TEST(TranscribeTest, TwoInputsNeverWriteOneFile) {
  const TemporaryFolder folder;
  for (const char* name : {"a", "b"}) {
    fs::create_directory(folder / name);
    fs::copy_file(speech("short-03.flac"), folder / name / "same.flac");
  }
  const Ran ran = run_shorthand({"transcribe", "-q", "-o", (folder / "out").string(), (folder / "a/same.flac").string(),
                                 (folder / "b/same.flac").string()});
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, HasSubstr("would both be written"));
}

TEST(TranscribeTest, StatsAreFactsOfTheRun) {
  const TemporaryFolder folder;
  const Ran ran = run_shorthand(
      {"transcribe", "-q", "-t", "2", "--stats", (folder / "s.json").string(), speech("long-1.flac").string()});
  ASSERT_EQ(ran.status, 0) << ran.err;
  const Json s = Json::parse(contents(folder / "s.json"));
  EXPECT_NEAR(s["audio_s"].get<double>(), 42.439, 0.001);  // 679,022 samples
  EXPECT_EQ(s["model"]["name"], "builtin");
  EXPECT_TRUE(s["model"]["builtin"].get<bool>());
  EXPECT_EQ(s["model"]["sha256"].get<std::string>().size(), 64u);
  EXPECT_EQ(s["compute_type"], "int8");
  EXPECT_EQ(s["threads"], 2);
  for (const char* stage : {"decode_audio", "log_mel", "encode", "decode_text"}) {
    EXPECT_EQ(s["stages"][stage]["device"], "cpu");
    EXPECT_FALSE(s["stages"][stage]["simulated"].get<bool>());
    EXPECT_GT(s["stages"][stage]["ms"].get<double>(), 0);
  }
  EXPECT_GT(s["windows"].get<int>(), 3);
  EXPECT_GT(s["tokens"].get<int>(), 50);
  EXPECT_NEAR(s["realtime_factor"].get<double>(), s["audio_s"].get<double>() / s["total_ms"].get<double>() * 1000,
              1e-6);
  EXPECT_LE(s["first_text_ms"].get<double>(), s["total_ms"].get<double>());
  EXPECT_GT(s["peak_rss_bytes"].get<int64_t>(), 10'000'000);
}

// What was decoded together, not what was allowed: each piece between pauses is a window.
TEST(TranscribeTest, StatsSayTheBatchThatRan) {
  const TemporaryFolder folder;
  const auto stats = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"transcribe", "-q", "-o", folder.path().string(), "--stats", "-"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Ran ran = run_shorthand(arguments);
    EXPECT_EQ(ran.status, 0) << ran.err;
    return Json::parse(ran.err);
  };
  const std::string longer = speech("long-1.flac").string(), shorter = speech("short-03.flac").string();
  const Json all = stats({"-b", "256", longer});
  EXPECT_GT(all["windows"], 3);
  EXPECT_EQ(all["batch_size"], all["windows"]);
  EXPECT_EQ(stats({"-b", "3", longer})["batch_size"], 3);
  EXPECT_EQ(stats({"--sequential", longer})["batch_size"], 1);
  const Json both = stats({"-b", "256", longer, shorter});
  EXPECT_GT(both["windows"], all["windows"]);
  EXPECT_EQ(both["batch_size"], all["windows"]);  // the inputs do not share one
}

// Every rung that this machine has is really the one that ran.
TEST(TranscribeTest, TheForcedInstructionSetRuns) {
  const TemporaryFolder folder;
  for (Isa isa : kAllIsas) {
    const std::string name(isa_name(isa));
    const Ran ran = run_shorthand(
        {"transcribe", "-q", "--isa", name, "--stats", (folder / "s.json").string(), speech("short-03.flac").string()});
    if (!isa_supported(isa)) {
      EXPECT_EQ(ran.status, 1);
      EXPECT_THAT(ran.err, HasSubstr("this machine cannot run it"));
      continue;
    }
    ASSERT_EQ(ran.status, 0) << ran.err;
    EXPECT_EQ(Json::parse(contents(folder / "s.json"))["stages"]["encode"]["isa"], name);
  }
  const Ran by_environment =
      run_shorthand({"transcribe", "-q", "--stats", (folder / "s.json").string(), speech("short-03.flac").string()},
                    {.environment = {{"SHORTHAND_ISA", "scalar"}}});
  EXPECT_EQ(by_environment.status, 0);
  EXPECT_EQ(Json::parse(contents(folder / "s.json"))["stages"]["log_mel"]["isa"], "scalar");
}

TEST(TranscribeTest, ClipsOffsetAndDuration) {
  const auto segments = [](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"transcribe", "-q", "-f", "json", speech("long-1.flac").string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Ran ran = run_shorthand(arguments);
    EXPECT_EQ(ran.status, 0) << ran.err;
    return Json::parse(ran.out)["segments"];
  };
  const Json some = segments({"--offset", "0:12", "--duration", "8"});
  ASSERT_FALSE(some.empty());
  for (const Json& s : some) {
    EXPECT_GE(s["start"].get<double>(), 12.0);
    EXPECT_LE(s["end"].get<double>(), 20.5);
  }
  EXPECT_EQ(segments({"--clip-timestamps", "12,20"}), some);
}

// In a shell, because that is where its users type it.
bool ffmpeg(const TemporaryFolder& folder, const std::string& arguments) {
  const std::string command = "cd '" + folder.path().string() + "' && ffmpeg -v quiet -y " + arguments + " </dev/null";
  return std::system(command.c_str()) == 0;
}

TEST(TranscribeTest, TimesFitThePicture) {
  const TemporaryFolder folder;
  const std::string picture = "-f lavfi -i testsrc=size=64x48:rate=25:duration=10 ";
  const std::string sound = "-i '" + speech("short-02.flac").string() + "' ";
  if (!ffmpeg(folder, picture + sound + "-c:v mpeg4 -c:a flac at-once.mkv")) GTEST_SKIP() << "needs the ffmpeg program";
  const auto first_cue = [&](const std::string& name) {
    const Ran ran = run_shorthand({"transcribe", "-q", "-f", "json", (folder / name).string()});
    EXPECT_EQ(ran.err, "") << name;
    const Json json = Json::parse(ran.out);
    EXPECT_THAT(json["text"].get<std::string>(), HasSubstr("brew a triple shot iced mocha")) << name;
    return json["segments"][0]["start"].get<double>();
  };
  const double at_once = first_cue("at-once.mkv");
  EXPECT_LT(at_once, 0.5);
  for (const char* name : {"late.mkv", "late.mp4", "late.ts", "late.webm"}) {
    const std::string codecs = std::string(name) == "late.webm" ? "-c:v libvpx -c:a libopus " : "-c:v mpeg4 -c:a aac ";
    ASSERT_TRUE(ffmpeg(folder, picture + "-itsoffset 3 " + sound + codecs + name)) << name;
    EXPECT_NEAR(first_cue(name), at_once + 3, 0.1) << name;
  }
  // The clock of a broadcast that was joined from two jumps by hours: said, and no hours of silence.
  ASSERT_TRUE(ffmpeg(folder, sound + "-c:a aac a.ts") &&
              ffmpeg(folder, sound + "-c:a aac -output_ts_offset 20000 b.ts"));
  std::ofstream(folder / "joined.ts", std::ios::binary) << contents(folder / "a.ts") << contents(folder / "b.ts");
  const Ran joined = run_shorthand({"transcribe", (folder / "joined.ts").string()});
  EXPECT_EQ(joined.status, 0);
  EXPECT_THAT(joined.err, HasSubstr("joined.ts: its clock jumps ahead by 5:33:1"));
  EXPECT_EQ(std::ranges::count(joined.out, '\n'), 2);
}

TEST(TranscribeTest, OneOfSeveralSoundTracks) {
  const TemporaryFolder folder;
  const std::string inputs =
      "-i '" + speech("short-02.flac").string() + "' -i '" + speech("short-03.flac").string() + "' ";
  if (!ffmpeg(folder, inputs +
                          "-map 0 -map 1 -metadata:s:a:0 language=ger -metadata:s:a:1 language=eng -disposition:a:0 0 "
                          "-disposition:a:1 default -c:a flac film.mkv")) {
    GTEST_SKIP() << "needs the ffmpeg program";
  }
  const std::string film = (folder / "film.mkv").string();
  const Ran ran = run_shorthand({"transcribe", film});
  EXPECT_EQ(ran.out, "two\n");
  EXPECT_THAT(ran.err,
              HasSubstr("film.mkv: sound track 2 (eng, flac, 1 channel); --track takes another: 1 (ger, flac, 1 "
                        "channel)\n"));
  for (const char* track : {"1", "de", "ger", "deu", "German"}) {
    EXPECT_EQ(run_shorthand({"transcribe", "-q", "--track", track, film}).out, kText) << track;
  }
  const Ran none = run_shorthand({"transcribe", "-q", "--track", "fr", film});
  EXPECT_EQ(none.status, 2);
  EXPECT_EQ(none.err, "shorthand: " + film +
                          ": no sound track is tagged as 'fr'; it has 1 (ger, flac, 1 channel), 2 (eng, flac, 1 "
                          "channel)\n");
  EXPECT_THAT(run_shorthand({"transcribe", "-q", "--track", "0", film}).err,
              HasSubstr("no sound track 0, counted from 1"));
  EXPECT_EQ(run_shorthand({"transcribe", "-q", film}).err, "");
}

TEST(TranscribeTest, VoiceMailWithoutAHeader) {
  const TemporaryFolder folder;
  if (!ffmpeg(folder, "-i '" + speech("short-02.flac").string() + "' -ar 8000 -f mulaw call.ul")) {
    GTEST_SKIP() << "needs the ffmpeg program";
  }
  const Ran ran = run_shorthand({"transcribe", (folder / "call.ul").string()});
  EXPECT_EQ(ran.status, 0);
  EXPECT_THAT(ran.out, HasSubstr("triple shot iced mocha"));
  EXPECT_THAT(ran.err,
              HasSubstr("call.ul: has no header; read as mulaw, 8000 samples a second, because of its name\n"));
}

TEST(TranscribeTest, ForcedTokensAreCounted) {
  const TemporaryFolder folder;
  const Ran ran = run_shorthand({"transcribe", "-q", "--vad", "none", "--without-timestamps", "--no-fallback",
                                 "--no-speech-threshold", "none", "--force-tokens", "37", "--stats",
                                 (folder / "s.json").string(), speech("long-1.flac").string()});
  ASSERT_EQ(ran.status, 0) << ran.err;
  const Json s = Json::parse(contents(folder / "s.json"));
  EXPECT_EQ(s["windows"], 2);
  EXPECT_EQ(s["tokens"], 74);
}

TEST(TranscribeTest, SkippedPaddingIsSaidAndRefusedByTheArray) {
  const TemporaryFolder folder;
  const std::string input = speech("short-03.flac").string(), stats = (folder / "stats.json").string();
  for (const bool skip : {false, true}) {
    std::vector<std::string> arguments = {"transcribe", input, "--stats", stats};
    if (skip) arguments.push_back("--skip-padding");
    const Ran ran = run_shorthand(arguments);
    ASSERT_EQ(ran.status, 0) << ran.err;
    EXPECT_NE(ran.out, "");
    EXPECT_EQ(Json::parse(std::ifstream(stats))["skip_padding"], skip);
  }
  const Ran refused = run_shorthand({"transcribe", input, "--skip-padding", "--device", "npu-sim", "-q"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_EQ(refused.out, "");
  EXPECT_NE(refused.err.find("whole windows"), std::string::npos) << refused.err;
}

TEST(TranscribeTest, AConfigurationFileSetsOptions) {
  const TemporaryFolder folder;
  std::ofstream(folder / "c.toml") << "[transcribe]\nformat = \"tsv\"\nquiet = true\n";
  const Ran ran =
      run_shorthand({"--config", (folder / "c.toml").string(), "transcribe", speech("short-02.flac").string()});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("start\tend\ttext\n"));
  EXPECT_EQ(ran.err, "");
}

TEST(CommandLineTest, WrongOnesExitWithTwoAndOneLine) {
  const std::string input = speech("short-03.flac").string();
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"transcrib", input},
      {"transcribe"},
      {"transcribe", "--no-such-option", input},
      {"transcribe", "-l", "klingon", input},
      {"transcribe", "-l", "de", input},
      {"transcribe", "--isa", "sse9", input},
      {"transcribe", "--device", "tpu", input},
      {"transcribe", "--compute-type", "int4", input},
      {"transcribe", "-f", "docx", input},
      {"transcribe", "--task", "summarise", input},
      {"transcribe", "--temperature", "warm", input},
      {"transcribe", "--offset", "1:75", input},
      {"transcribe", "--offset", "-3", input},
      {"transcribe", "--clip-timestamps", "1,2", "--duration", "3", input},
      {"transcribe", "--batch-size", "0", input},
      {"transcribe", "--sequential", "-b", "4", input},
      {"transcribe", "--logprob-threshold", "low", input},
      {"transcribe", "--suppress-tokens", "a,b", input},
      {"transcribe", "--max-tokens", "4000", input},
      {"transcribe", "--channels", "left", input},
      {"transcribe", "-t", "0", input},
      {"devices", "--format", "xml"},
  };
  for (const auto& arguments : wrong) {
    const Ran ran = run_shorthand(arguments);
    SCOPED_TRACE(::testing::PrintToString(arguments));
    EXPECT_EQ(ran.status, 2);
    EXPECT_EQ(ran.out, "");
    std::string complaint = ran.err;
    if (const size_t hint = complaint.find("shorthand: using the built-in"); hint != std::string::npos)
      complaint.erase(hint, complaint.find('\n', hint) - hint + 1);
    EXPECT_EQ(std::ranges::count(complaint, '\n'), 1) << complaint;
    EXPECT_TRUE(complaint.starts_with("shorthand: ")) << complaint;
  }
}

TEST(CommandLineTest, HelpTeaches) {
  const Ran top = run_shorthand({"--help"});
  EXPECT_EQ(top.status, 0);
  EXPECT_THAT(top.out, HasSubstr("shorthand transcribe talk.mp3"));
  const Ran daily = run_shorthand({"transcribe", "--help"}), all = run_shorthand({"transcribe", "--help-all"});
  EXPECT_EQ(daily.status, 0);
  EXPECT_THAT(daily.out, HasSubstr("--language"));
  EXPECT_THAT(daily.out, ::testing::Not(HasSubstr("--no-suppress-blank")));
  EXPECT_THAT(all.out, HasSubstr("--no-suppress-blank"));
}

TEST(CommandLineTest, VersionSaysWhatWasBuilt) {
  const Ran ran = run_shorthand({"--version"});
  EXPECT_EQ(ran.status, 0);
  for (const char* word : {"shorthand ", "compiler", "avx512vnni", "built-in model"})
    EXPECT_THAT(ran.out, HasSubstr(word));
}

TEST(DevicesTest, ListsEveryRung) {
  const Ran ran = run_shorthand({"devices", "--format", "json"});
  const Json devices = Json::parse(ran.out);
  ASSERT_EQ(devices["isas"].size(), kAllIsas.size());
  for (size_t i = 0; i < kAllIsas.size(); ++i)
    EXPECT_EQ(devices["isas"][i]["usable"].get<bool>(), isa_supported(kAllIsas[i]));
  EXPECT_EQ(run_shorthand({"devices"}).status, 0);
}

}  // namespace
}  // namespace shorthand
