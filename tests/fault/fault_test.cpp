// SPDX-License-Identifier: Apache-2.0
// What goes wrong in the field: one clear line that names the input, exit status 1 or 2, and nothing half-written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "support/process.h"
#include "support/shared_data.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;
using testing::contents;
using ::testing::HasSubstr;
using Json = nlohmann::json;
using testing::Ran;
using testing::run_program;
using testing::run_shorthand;
using ::testing::StartsWith;
using testing::TemporaryFolder;

fs::path speech(const std::string& name) { return testing::repository_dir() / "tests/data/speech" / name; }
fs::path builtin_file() { return testing::repository_dir() / "models/builtin/builtin-ggml-f16.bin"; }

class FaultTest : public ::testing::Test {
 protected:
  // Transcribes into a folder and expects it to fail for `why`, leaving that folder empty.
  void expect_refused(std::vector<std::string> arguments, const std::string& name, const std::string& why) {
    SCOPED_TRACE(name + ": " + why);
    const fs::path out = folder / "out";
    arguments.insert(arguments.begin(), {"transcribe", "-q", "-f", "txt,json", "-o", out.string()});
    const Ran ran = run_shorthand(arguments);
    EXPECT_TRUE(ran.status == 1 || ran.status == 2) << ran.status;
    EXPECT_EQ(ran.out, "");
    EXPECT_THAT(ran.err, HasSubstr(name));
    EXPECT_THAT(ran.err, HasSubstr(why));
    EXPECT_TRUE(ran.err.starts_with("shorthand: ")) << ran.err;
    EXPECT_EQ(std::ranges::count(ran.err, '\n'), 1) << ran.err;
    EXPECT_TRUE(!fs::exists(out) || fs::is_empty(out));
  }

  fs::path write(const std::string& name, std::string_view bytes) {
    std::ofstream(folder / name, std::ios::binary) << bytes;
    return folder / name;
  }

  // A 16-bit WAV file whose header says what it likes.
  std::string wav(uint32_t rate, uint16_t channels, uint32_t samples) {
    std::string w = "RIFF....WAVEfmt ";
    const auto number = [&](auto n) { w.append(reinterpret_cast<const char*>(&n), sizeof n); };
    number(uint32_t{16}), number(uint16_t{1}), number(channels), number(rate), number(rate * channels * 2),
        number(uint16_t(channels * 2)), number(uint16_t{16});
    w += "data";
    number(samples * channels * 2);
    w.append(size_t{samples} * channels * 2, '\x11');
    const uint32_t size = static_cast<uint32_t>(w.size() - 8);
    std::memcpy(w.data() + 4, &size, 4);
    return w;
  }

  TemporaryFolder folder;
};

TEST_F(FaultTest, Inputs) {
  expect_refused({(folder / "nothing.wav").string()}, "nothing.wav", "no such file");
  expect_refused({write("empty.wav", "").string()}, "empty.wav", "empty");
  expect_refused({write("letter.mp3", std::string(5000, 'x') + "\nDear all,\n").string()}, "letter.mp3", "not a");
  expect_refused({folder.path().string()}, folder.path().filename().string(), "directory");
  expect_refused({write("silent.wav", wav(16000, 1, 0)).string()}, "silent.wav", "no");
  expect_refused({write("fast.wav", wav(4'000'000'000u, 1, 1000)).string()}, "fast.wav", "");
  expect_refused({write("slow.wav", wav(1, 1, 1000)).string()}, "slow.wav", "");
  expect_refused({builtin_file().string()}, "builtin-ggml-f16.bin", "");
}

// What is there of a recording is written, in every format; then the error, and the others are done.
TEST_F(FaultTest, ARecordingThatIsCutOff) {
  const fs::path whole = speech("long-1.flac");
  // With and without a picture: the length of a film tells nothing of its sound.
  const std::vector<std::string> picture = {"-f", "lavfi", "-i", "testsrc=size=64x48:rate=5:duration=55"};
  struct Kind {
    const char* name;
    std::vector<std::string> encode;
    bool film = false;
  };
  const Kind kinds[] = {
      {"cut.flac", {}},
      {"cut.wav", {"-c:a", "pcm_s16le"}},
      {"cut.mp3", {"-c:a", "libmp3lame"}},
      {"cut.mp4", {"-c:a", "aac", "-movflags", "frag_keyframe+empty_moov", "-frag_duration", "1000000"}},
      {"cut.m4a", {"-c:a", "aac", "-movflags", "faststart"}},
      {"cut.webm", {"-c:a", "libopus"}},
      {"cut.mka", {"-c:a", "flac"}},
      {"cut.mkv", {"-c:v", "mpeg4", "-c:a", "aac"}, true},
      {"cut.mov", {"-c:v", "mpeg4", "-c:a", "aac", "-movflags", "frag_keyframe+empty_moov"}, true},
      {"cut.avi", {"-c:v", "mpeg4", "-c:a", "ac3"}, true}};
  for (const Kind& kind : kinds) {
    SCOPED_TRACE(kind.name);
    fs::path made = whole;
    if (!kind.encode.empty()) {
      made = folder / (std::string("whole-") + kind.name);
      std::vector<std::string> command = {"ffmpeg", "-v", "error", "-y", "-i", whole.string()};
      if (kind.film) command.insert(command.end(), picture.begin(), picture.end());
      command.insert(command.end(), kind.encode.begin(), kind.encode.end());
      command.push_back(made.string());
      if (run_program(command).status != 0) continue;  // no ffmpeg, or none with this encoder
    }
    const std::string bytes = contents(made);
    const fs::path cut = write(kind.name, bytes.substr(0, bytes.size() / 2));
    const fs::path out = folder / (std::string("out-") + kind.name);
    const Ran ran = run_shorthand({"transcribe", "-q", "-f", "txt,srt,json", "-o", out.string(), "--stats",
                                   (folder / "stats.json").string(), cut.string(), speech("short-02.flac").string()});
    const Json stats = Json::parse(contents(folder / "stats.json"));
    EXPECT_THAT(contents(out / "cut.txt"), StartsWith("the code is oh zero one\n"));
    EXPECT_THAT(contents(out / "cut.srt"), HasSubstr("my number is eight one double four"));
    EXPECT_EQ(Json::parse(contents(out / "cut.json"))["language"], "en");
    EXPECT_TRUE(fs::exists(out / "short-02.txt"));
    EXPECT_GT(stats["inputs"][0]["audio_s"], 10.0);
    EXPECT_LT(stats["inputs"][0]["audio_s"], 50.0);
    EXPECT_EQ(ran.status, 1);
    EXPECT_THAT(ran.err, HasSubstr(kind.name));
    EXPECT_EQ(std::ranges::count(ran.err, '\n'), 1) << ran.err;
    EXPECT_EQ(stats["inputs"][0]["error"].get<std::string>() + "\n", ran.err.substr(std::string("shorthand: ").size()));
    EXPECT_TRUE(stats["inputs"][1]["error"].is_null());
  }
  // On standard output, too.
  const Ran ran = run_shorthand({"transcribe", "-q", "-f", "srt", (folder / "cut.flac").string()});
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.out, HasSubstr("the code is oh zero one"));
  EXPECT_THAT(ran.err, HasSubstr("cut off: its header promises"));
}

TEST_F(FaultTest, NothingThereIsNoText) {
  const std::string flac = contents(speech("long-1.flac"));
  expect_refused({write("stub.flac", flac.substr(0, 30)).string()}, "stub.flac", "");
}

TEST_F(FaultTest, TruncatedMp4) {
  const fs::path whole = folder / "whole.m4a";
  if (run_program({"ffmpeg", "-v", "error", "-i", speech("short-02.flac").string(), "-c:a", "aac", whole.string()})
          .status != 0) {
    GTEST_SKIP() << "needs the ffmpeg program to make an mp4";
  }
  const std::string mp4 = contents(whole);
  EXPECT_EQ(run_shorthand({"transcribe", "-q", whole.string()}).status, 0);
  expect_refused({write("cut.m4a", mp4.substr(0, mp4.size() / 2)).string()}, "cut.m4a",
                 "");  // its index stood at the end
}

TEST_F(FaultTest, AVideoWithoutSound) {
  const fs::path video = folder / "mute.mp4";
  if (run_program({"ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=d=1:s=64x64", video.string()}).status != 0) {
    GTEST_SKIP() << "needs the ffmpeg program to make a video";
  }
  expect_refused({video.string()}, "mute.mp4", "no audio track");
}

TEST_F(FaultTest, Models) {
  const std::string sound = speech("short-03.flac").string(), good = contents(builtin_file());
  const auto with = [&](const std::string& name, const std::string& bytes) {
    return std::vector<std::string>{"-m", write(name, bytes).string(), sound};
  };
  expect_refused({"-m", (folder / "none.bin").string(), sound}, "none.bin", "");
  expect_refused({"-m", "base.em", sound}, "base.em", "base.en");  // and what to do
  expect_refused(with("magic.bin", "XXXX" + good.substr(4)), "magic.bin", "no model");
  expect_refused(with("empty.bin", ""), "empty.bin", "empty");
  expect_refused(with("page.bin", "<!DOCTYPE html><html>Not found</html>"), "page.bin", "");
  for (size_t size : {3u, 30u, 60u, 70000u, 1000000u, 8000000u})
    expect_refused(with("cut.bin", good.substr(0, size)), "cut.bin", "");
  expect_refused(with("cut.bin", good.substr(0, good.size() - 1)), "cut.bin", "");
  expect_refused({"-m", speech("short-02.flac").string(), sound}, "short-02.flac", "recording");
  expect_refused({"-m", folder.path().string(), sound}, folder.path().filename().string(), "");

  // Every field of the header in turn, and the number of pieces after the 80 x 201 filters: negative, zero, huge, off
  // by one.
  constexpr size_t kType = 44, kPieces = 56 + 4 * 80 * 201;
  for (size_t offset :
       {4u, 8u, 12u, 16u, 20u, 24u, 28u, 32u, 36u, 40u, 44u, 48u, 52u, static_cast<unsigned>(kPieces)}) {
    for (int kind = 0; kind < 4; ++kind) {
      std::string lie = good;
      int32_t value = 0;
      std::memcpy(&value, lie.data() + offset, 4);
      value = kind == 0 ? -value - 1 : kind == 1 ? 0 : kind == 2 ? 0x7fffffff : value + 1;
      if (offset == kType && (kind == 1 || kind == 3)) continue;  // other types of matrices: each tensor states its own
      std::memcpy(lie.data() + offset, &value, 4);
      SCOPED_TRACE(::testing::Message() << "the field at " << offset << " is " << value);
      expect_refused(with("lie.bin", lie), "lie.bin", "");
    }
  }
}

TEST_F(FaultTest, OutputsThatCannotBeWritten) {
  const std::string sound = speech("short-03.flac").string();
  const Ran no_folder = run_shorthand({"transcribe", "-q", "-o", "/proc/no-such-folder", sound});
  EXPECT_EQ(no_folder.status, 1);
  EXPECT_THAT(no_folder.err, HasSubstr("/proc/no-such-folder"));
  write("file", "in the way");
  const Ran below_a_file = run_shorthand({"transcribe", "-q", "-o", (folder / "file/out").string(), sound});
  EXPECT_EQ(below_a_file.status, 1);

  const Ran full_stdout = run_shorthand({"transcribe", "-q", sound}, {.stdout_file = "/dev/full"});
  EXPECT_EQ(full_stdout.status, 1);
  EXPECT_THAT(full_stdout.err, HasSubstr("no space left"));
  const Ran full_json = run_shorthand({"transcribe", "-q", "-f", "json", sound}, {.stdout_file = "/dev/full"});
  EXPECT_EQ(full_json.status, 1);
  const Ran full_stats = run_shorthand({"transcribe", "-q", "--stats", "/dev/full", sound});
  EXPECT_EQ(full_stats.status, 1);
  EXPECT_THAT(full_stats.err, HasSubstr("/dev/full"));
}

TEST_F(FaultTest, AFolderWithoutPermission) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write anywhere";
  fs::create_directory(folder / "locked");
  fs::permissions(folder / "locked", fs::perms::owner_read | fs::perms::owner_exec);
  const Ran ran =
      run_shorthand({"transcribe", "-q", "-o", (folder / "locked").string(), speech("short-03.flac").string()});
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.err, HasSubstr("permission denied"));
}

TEST_F(FaultTest, AFullDiskLeavesNothingHalfWritten) {
  fs::create_directory(folder / "disk");
  if (mount("tmpfs", (folder / "disk").c_str(), "tmpfs", 0, "size=8k") != 0)
    GTEST_SKIP() << "may not mount a small disk here";
  std::ofstream(folder / "disk/filler") << std::string(4096, 'x');
  const Ran ran = run_shorthand(
      {"transcribe", "-q", "-f", "json", "-o", (folder / "disk").string(), speech("long-1.flac").string()});
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.err, HasSubstr("no space left"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder / "disk"), fs::directory_iterator()), 1);
  umount((folder / "disk").c_str());
}

}  // namespace
}  // namespace shorthand
