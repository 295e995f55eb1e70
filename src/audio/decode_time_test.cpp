// SPDX-License-Identifier: Apache-2.0
// Where sound stands in time: late sound, holes, overlaps and jumps, in files that FFmpeg's command makes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "audio/decode.h"
#include "support/npy.h"
#include "support/shared_data.h"
#include "support/sound_files.h"

namespace shorthand {
namespace {

using testing::file_bytes;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::TempDir;

const std::filesystem::path kData = testing::repository_dir() / "tests/data";
const std::filesystem::path kSpeech = kData / "speech/long-1.flac";  // 16 kHz; speech from 0.5 s on

struct Decoded {
  std::vector<int16_t> samples;
  std::string error;
  SoundInfo info;
  std::optional<Timeline::Jump> jump;
  double seconds() const { return static_cast<double>(samples.size()) / 16000; }
};

Decoded decode(const std::filesystem::path& path, const DecodeOptions& options = {}) {
  Decoded d;
  auto source = ByteSource::open(path);
  if (!source) return d.error = source.error().message, d;
  auto reader = SoundReader::open(*std::move(source), options);
  if (!reader) return d.error = reader.error().message, d;
  d.info = reader->info();
  std::vector<int16_t> block(10007);
  for (;;) {
    const auto n = reader->read(block);
    if (!n) d.error = n.error().message;
    if (!n || *n == 0) break;
    d.samples.insert(d.samples.end(), block.begin(), block.begin() + static_cast<ptrdiff_t>(*n));
  }
  d.jump = reader->clock_jump();
  return d;
}

// Runs ffmpeg with `arguments` in `dir`. False: this build lacks an encoder, say.
bool ffmpeg(const TempDir& dir, const std::string& arguments) {
  const std::string command = "cd '" + (dir / "").string() + "' && ffmpeg -v quiet -y " + arguments + " </dev/null";
  return std::system(command.c_str()) == 0;
}

const std::string kIn = "-i '" + kSpeech.string() + "'";
const std::string kPicture = "-f lavfi -i testsrc=size=64x48:rate=25:duration=12";

std::vector<int16_t> speech() { return decode(kSpeech).samples; }

// By how many seconds `part` of the speech, from `from_s` on, is later in `heard`: the lag within 0.2 s of `expected_s`
// at which they are most alike; 99 where they are not.
double lag(const std::vector<int16_t>& heard, double from_s, double seconds, double expected_s) {
  const std::vector<int16_t> original = speech();
  const auto from = static_cast<ptrdiff_t>(from_s * 16000);
  const auto n = static_cast<ptrdiff_t>(seconds * 16000);
  double best = 0.6;  // of a perfect match
  double found_s = 99;
  for (ptrdiff_t l = -3200; l <= 3200; l += 4) {
    const ptrdiff_t at = from + static_cast<ptrdiff_t>(expected_s * 16000) + l;
    if (at < 0 || at + n > static_cast<ptrdiff_t>(heard.size())) continue;
    double product = 0, a2 = 1, b2 = 1;
    for (ptrdiff_t i = 0; i < n; i += 3) {
      const double a = original[static_cast<size_t>(from + i)], b = heard[static_cast<size_t>(at + i)];
      product += a * b;
      a2 += a * a;
      b2 += b * b;
    }
    const double alike = product / std::sqrt(a2 * b2);
    if (alike > best) {
      best = alike;
      found_s = expected_s + static_cast<double>(l) / 16000;
    }
  }
  return found_s;
}

// An encoder's delay, which not every container tells.
constexpr double kCodec_s = 0.08;

struct Kind {
  const char* name;
  const char* picture;
  const char* sound;
};
constexpr Kind kFilms[] = {{"film.mkv", "-c:v mpeg4", "-c:a aac"},
                           {"flac.mkv", "-c:v mpeg4", "-c:a flac"},
                           {"film.mp4", "-c:v mpeg4", "-c:a aac"},
                           {"fragments.mp4", "-c:v mpeg4", "-c:a aac -movflags frag_keyframe+empty_moov"},
                           {"film.mov", "-c:v mpeg4", "-c:a aac"},
                           {"film.webm", "-c:v libvpx", "-c:a libopus"},
                           {"film.ts", "-c:v mpeg2video", "-c:a aac"},
                           {"dolby.ts", "-c:v mpeg2video", "-c:a ac3"},
                           {"film.ogv", "-c:v libtheora", "-c:a libvorbis"},
                           {"film.flv", "-c:v flv", "-c:a libmp3lame -ar 44100"},
                           {"film.nut", "-c:v mpeg4", "-c:a aac"},
                           {"film.wmv", "-c:v wmv2", "-c:a wmav2 -ar 44100"},
                           {"film.mpg", "-c:v mpeg2video", "-c:a mp2 -f mpeg"}};

TEST(DecodeTime, SoundThatBeginsAfterThePictureComesAfterSilence) {
  SHORTHAND_NEEDS_FFMPEG();
  const TempDir dir;
  int made = 0;
  for (const Kind& kind : kFilms) {
    const std::string codecs = std::string(kind.picture) + " " + kind.sound + " -map 0:v -map 1:a ";
    if (!ffmpeg(dir, kPicture + " -itsoffset 2 -t 6 " + kIn + " " + codecs + kind.name)) continue;
    ++made;
    const Decoded late = decode(dir / kind.name);
    EXPECT_EQ(late.error, "") << kind.name;
    EXPECT_NEAR(lag(late.samples, 2.6, 2, 2), 2, kCodec_s) << kind.name;
    EXPECT_NEAR(late.seconds(), 8, 0.15) << kind.name;
    // In step with the picture there is nothing to add: the samples are those of the command.
    ASSERT_TRUE(ffmpeg(dir, kPicture + " -t 6 " + kIn + " " + codecs + kind.name)) << kind.name;
    EXPECT_EQ(decode(dir / kind.name).samples ==
                  testing::ffmpeg_samples(dir / kind.name, "-cpuflags mmx+mmxext+sse+sse2+sse3+ssse3+sse4.1+sse4.2"),
              true)
        << kind.name;
  }
  EXPECT_GE(made, 10);
}

// The command writes empty chunks for the time before the sound, and counts them in the length; but no player, its own
// reader included, gives them any time: the sound plays at once, and so do we.
TEST(DecodeTime, EmptyChunksOfAnAviFileAreNoSoundAndNoDamage) {
  SHORTHAND_NEEDS_FFMPEG();
  const TempDir dir;
  for (const char* codec : {"libmp3lame", "ac3", "mp2"}) {
    if (!ffmpeg(dir, kPicture + " -itsoffset 2 -t 6 " + kIn + " -c:v mpeg4 -ar 48000 -map 0:v -map 1:a -c:a " + codec +
                         " film.avi")) {
      continue;
    }
    const Decoded d = decode(dir / "film.avi");
    EXPECT_EQ(d.error, "") << codec;
    EXPECT_NEAR(lag(d.samples, 2.6, 2, 0), 0, kCodec_s) << codec;
    const std::string bytes = file_bytes(dir / "film.avi");
    EXPECT_THAT(decode(dir.write("cut.avi", bytes.substr(0, bytes.size() / 4))).error, HasSubstr("cut off")) << codec;
  }
  // A start that the header of the stream tells: 50 chunks of 24 ms.
  if (!ffmpeg(dir, kPicture + " -t 6 " + kIn + " -c:v mpeg4 -ar 48000 -map 0:v -map 1:a -c:a libmp3lame film.avi"))
    return;
  std::string bytes = file_bytes(dir / "film.avi");
  bytes[bytes.find("auds") + 28] = 50;
  EXPECT_NEAR(lag(decode(dir.write("start.avi", bytes)).samples, 2.6, 2, 1.2), 1.2, kCodec_s);
}

TEST(DecodeTime, SoundThatStandsAloneIsNeverLate) {
  SHORTHAND_NEEDS_FFMPEG();
  const TempDir dir;
  const std::pair<const char*, const char*> kinds[] = {{"a.ts", "-c:a aac -output_ts_offset 36000"},
                                                       {"a.mka", "-c:a flac -output_ts_offset 36000"},
                                                       {"a.mp4", "-c:a aac -output_ts_offset 7"},
                                                       {"a.ogg", "-c:a flac -output_ts_offset 100"},
                                                       {"a.flv", "-c:a libmp3lame -ar 44100 -output_ts_offset 5"},
                                                       {"a.mp3", "-c:a libmp3lame"},
                                                       {"wrap.ts", "-c:a aac -output_ts_offset 95440"}};
  for (const auto& [name, arguments] : kinds) {
    if (!ffmpeg(dir, "-t 6 " + kIn + " " + arguments + " " + name)) continue;
    const Decoded d = decode(dir / name);
    EXPECT_EQ(d.error, "") << name;
    EXPECT_NEAR(lag(d.samples, 2.6, 2, 0), 0, kCodec_s) << name;
    EXPECT_NEAR(d.seconds(), 6, 0.15) << name;
    EXPECT_FALSE(d.jump) << name;
  }
}

TEST(DecodeTime, HolesAreSilent) {
  SHORTHAND_NEEDS_FFMPEG();
  const TempDir dir;
  const std::pair<const char*, const char*> kinds[] = {
      {"a.mkv", "-c:a aac"},
      {"flac.mkv", "-c:a flac"},
      {"a.mp4", "-c:a aac"},
      {"fragments.mp4", "-c:a aac -movflags frag_keyframe+empty_moov -frag_duration 500000"},
      {"a.mov", "-c:a aac"},
      {"a.webm", "-c:a libopus"},
      {"a.ts", "-c:a aac"},
      {"dolby.ts", "-c:a ac3"},
      {"a.ogg", "-c:a flac"},
      {"vorbis.ogg", "-c:a libvorbis"},
      {"a.opus", "-c:a libopus"},
      {"a.spx", "-c:a libspeex -f ogg"},
      {"a.flv", "-c:a libmp3lame -ar 44100"},
      {"a.nut", "-c:a aac"},
      {"a.wma", "-c:a wmav2 -ar 44100"},
      {"a.mpg", "-c:a mp2 -f mpeg"}};
  int made = 0;
  for (const auto& [name, arguments] : kinds) {
    if (!ffmpeg(dir, "-t 12 " + kIn + " -af \"aselect='not(between(t,4,7))'\" " + arguments + " " + name)) continue;
    ++made;
    const Decoded d = decode(dir / name);
    EXPECT_EQ(d.error, "") << name;
    EXPECT_NEAR(lag(d.samples, 2.6, 1.2, 0), 0, kCodec_s) << name;
    EXPECT_NEAR(lag(d.samples, 8.8, 1.6, 0), 0, kCodec_s) << name;
    EXPECT_NEAR(d.seconds(), 12, 0.15) << name;
  }
  EXPECT_GE(made, 12);
}

// 4,608 samples a packet at 48 kHz: 96 ms, which Matroska can write.
TEST(DecodeTime, AHoleIsFilledToTheSample) {
  SHORTHAND_NEEDS_FFMPEG();
  const TempDir dir;
  ASSERT_TRUE(ffmpeg(dir, "-t 20 " + kIn + " -ac 2 -ar 48000 -c:a flac -frame_size 4608 whole.flac"));
  ASSERT_TRUE(ffmpeg(dir, "-i whole.flac -c:a pcm_s16le whole.wav"));
  const std::string wav = file_bytes(dir / "whole.wav");
  const size_t data = wav.find("data") + 8;
  for (const auto& [first, last] : {std::pair<size_t, size_t>{30, 35}, {40, 100}, {30, 60}}) {  // 0.6, 5.9 and 3.0 s
    ASSERT_TRUE(ffmpeg(dir, "-i whole.flac -c copy -bsf:a \"noise=drop='between(n," + std::to_string(first) + "," +
                                std::to_string(last) + ")'\" hole.mkv"));
    std::string silenced = wav;
    std::fill_n(silenced.begin() + static_cast<ptrdiff_t>(data + first * 4608 * 4), (last - first + 1) * 4608 * 4,
                '\0');
    const Decoded hole = decode(dir / "hole.mkv"), expected = decode(dir.write("silenced.wav", silenced));
    EXPECT_EQ(hole.samples.size(), expected.samples.size());
    EXPECT_EQ(hole.samples == expected.samples, true) << first << " to " << last;
  }
}

TEST(DecodeTime, SilenceOfUnsignedSamplesIsTheirMiddle) {
  SHORTHAND_NEEDS_FFMPEG();
  const TempDir dir;
  if (!ffmpeg(dir, "-t 12 " + kIn + " -ar 8000 -c:a pcm_u8 -af \"aselect='not(between(t,4,7))'\" a.nut")) GTEST_SKIP();
  const Decoded d = decode(dir / "a.nut");
  EXPECT_NEAR(d.seconds(), 12, 0.1);
  EXPECT_EQ(
      std::all_of(d.samples.begin() + 16000 * 9 / 2, d.samples.begin() + 16000 * 6, [](int16_t s) { return s == 0; }),
      true);
}

TEST(DecodeTime, AnOverlapIsHeardOnce) {
  SHORTHAND_NEEDS_FFMPEG();
  const TempDir dir;
  ASSERT_TRUE(ffmpeg(dir, "-t 12 " + kIn + " -af asetnsamples=n=16000 -c:a pcm_s16le whole.mkv"));
  ASSERT_TRUE(ffmpeg(dir, "-i whole.mkv -c copy -bsf:a \"setts=ts='if(gte(N,5),TS-500,TS)'\" a.mkv"));
  std::vector<int16_t> expected = speech();
  expected.resize(12 * 16000);
  expected.erase(expected.begin() + 5 * 16000, expected.begin() + 5 * 16000 + 8000);
  const Decoded d = decode(dir / "a.mkv");
  EXPECT_EQ(d.samples.size(), expected.size());
  EXPECT_EQ(d.samples == expected, true);
}

TEST(DecodeTime, JoinedRecordingsAreReadToTheEnd) {
  SHORTHAND_NEEDS_FFMPEG();
  const TempDir dir;
  const auto join = [&](const std::string& ending, const std::string& first, const std::string& second) {
    if (!ffmpeg(dir, "-t 6 " + kIn + " " + first + " a." + ending)) return false;
    if (!ffmpeg(dir, "-ss 6 -t 6 " + kIn + " " + second + " b." + ending)) return false;
    dir.write("joined." + ending, file_bytes(dir / ("a." + ending)) + file_bytes(dir / ("b." + ending)));
    return true;
  };
  struct Join {
    const char *ending, *first, *second;
  };
  // Another rate, other channels, both, neither.
  const Join joins[] = {{"ogg", "-c:a libvorbis -ar 48000", "-c:a libvorbis -ar 32000 -ac 2"},
                        {"ogg", "-c:a libvorbis", "-c:a libvorbis"},
                        {"opus", "-c:a libopus", "-c:a libopus -ac 2"},
                        {"oga", "-c:a flac -ar 48000", "-c:a flac -ar 32000 -ac 2"},
                        {"spx", "-c:a libspeex", "-c:a libspeex"},
                        {"mp3", "-c:a libmp3lame -ar 48000", "-c:a libmp3lame -ar 22050 -ac 2"},
                        {"mp3", "-c:a libmp3lame", "-c:a libmp3lame"},
                        {"aac", "-c:a aac -ar 48000", "-c:a aac -ar 32000 -ac 2"},
                        {"flac", "-c:a flac", "-c:a flac"},
                        {"ts", "-c:a aac", "-c:a aac -ar 32000 -ac 2"}};
  for (const Join& j : joins) {
    if (!join(j.ending, j.first, j.second)) continue;
    const Decoded d = decode(dir / (std::string("joined.") + j.ending));
    EXPECT_EQ(d.error, "") << j.ending << " " << j.second;
    EXPECT_NEAR(d.seconds(), 12, 0.25) << j.ending << " " << j.second;
    EXPECT_NEAR(lag(d.samples, 2.6, 2, 0), 0, kCodec_s) << j.ending << " " << j.second;
    EXPECT_NEAR(lag(d.samples, 8.8, 1.6, 0), 0, 0.15) << j.ending << " " << j.second;
    EXPECT_FALSE(d.jump) << j.ending;
  }
  // Ahead by hours: two broadcasts in one file.
  ASSERT_TRUE(join("ts", "-c:a aac", "-c:a aac -output_ts_offset 20000"));
  const Decoded d = decode(dir / "joined.ts");
  EXPECT_NEAR(d.seconds(), 12, 0.25);
  ASSERT_TRUE(d.jump);
  EXPECT_NEAR(d.jump->at_s, 6, 0.1);
  EXPECT_NEAR(d.jump->seconds, 20000 - 6, 0.2);
}

TEST(DecodeTime, AnHourOfSilenceIsNotHeldAtOnce) {
  SHORTHAND_NEEDS_FFMPEG();
  const TempDir dir;
  ASSERT_TRUE(ffmpeg(dir, "-t 4 " + kIn + " -c:a flac whole.mkv"));
  ASSERT_TRUE(ffmpeg(dir, "-i whole.mkv -c copy -bsf:a \"setts=ts='if(gte(N,8),TS+3000000,TS)'\" a.mkv"));
  auto reader = SoundReader::open(*ByteSource::open(dir / "a.mkv"));
  ASSERT_TRUE(reader) << reader.error().message;
  std::vector<int16_t> block(16000);
  int64_t loud_seconds = 0;
  for (;;) {
    const auto n = reader->read(block);
    ASSERT_TRUE(n) << n.error().message;
    if (*n == 0) break;
    loud_seconds += std::ranges::any_of(block, [](int16_t s) { return std::abs(s) > 1000; });
  }
  EXPECT_NEAR(static_cast<double>(reader->position()) / 16000, 3004, 0.1);
  EXPECT_LE(loud_seconds, 5);
  EXPECT_THAT(decode(dir / "a.mkv", {.max_seconds = 60}).error, HasSubstr("longer than the limit of 60 s"));
}

// The most channels first, the default one before them, and what cannot be decoded gives way.
TEST(DecodeTracks, TheFirstDecodableOfTheBest) {
  SHORTHAND_NEEDS_FFMPEG();
  const TempDir dir;
  const std::string tones = "-f lavfi -i sine=300:d=1 -f lavfi -i sine=600:d=1 -f lavfi -i sine=900:d=1 ";
  const std::string tracks =
      tones +
      "-map 0 -map 1 -map 2 -ac:a:0 1 -ac:a:1 2 -ac:a:2 1 -metadata:s:a:0 language=eng -metadata:s:a:1 "
      "language=ger -metadata:s:a:2 language=fra -metadata:s:a:2 title=Director ";
  ASSERT_TRUE(ffmpeg(dir, tracks + "-disposition:a:2 default -disposition:a:0 0 -disposition:a:1 0 -c:a:0 flac -c:a:1 "
                                   "libopus -c:a:2 aac film.mkv"));
  const auto taken = [&](const std::string& name, const std::string& track = "") {
    const Decoded d = decode(dir / name, {.track = track});
    return d.error.empty() ? static_cast<int>(d.info.track) + 1 : -1;
  };
  EXPECT_EQ(taken("film.mkv"), 3);
  EXPECT_EQ(taken("film.mkv", "1"), 1);
  EXPECT_EQ(taken("film.mkv", "de"), 2);
  EXPECT_EQ(taken("film.mkv", "deu"), 2);
  EXPECT_EQ(decode(dir / "film.mkv", {.track = "ita"}).error,
            (dir / "film.mkv").string() +
                ": no sound track is tagged as 'ita'; it has 1 (eng, flac, 1 channel), 2 (ger, opus, 2 channels), 3 "
                "(fra, aac, 1 channel, \"Director\")");
  std::string bytes = file_bytes(dir / "film.mkv");
  const auto patch = [&](const std::string& from, const std::string& to) {
    std::string patched = bytes;
    patched.replace(patched.find(from), from.size(), to);
    return patched;
  };
  dir.write("unknown.mkv", patch("A_AAC", "A_XXX"));  // no decoder for the default track
  EXPECT_EQ(taken("unknown.mkv"), 2);
  EXPECT_EQ(taken("unknown.mkv", "3"), -1);
  dir.write("wrong.mkv", patch("A_AAC", "A_AC3"));  // a decoder that can make nothing of its packets
  EXPECT_EQ(taken("wrong.mkv"), 2);
  EXPECT_EQ(taken("wrong.mkv", "fr"), -1);
  const Decoded d = decode(dir / "wrong.mkv");
  EXPECT_NEAR(d.seconds(), 1, 0.05);
  EXPECT_EQ(d.error, "");
}

std::vector<int16_t> interleaved(int channels, int samples) {
  std::vector<int16_t> all;
  for (int i = 0; i < samples; ++i) {
    for (int c = 0; c < channels; ++c) all.push_back(static_cast<int16_t>((i * (7919 + 2 * c)) % 20011 - 10005));
  }
  return all;
}

TEST(DecodeChannels, WithoutADeclaredLayoutAllAreWorthTheSame) {
  SHORTHAND_NEEDS_FFMPEG();
  const TempDir dir;
  for (int channels : {1, 2, 3, 4, 5, 6, 7, 8, 10, 16}) {
    const std::vector<int16_t> all = interleaved(channels, 3000);
    const auto path = dir.write("a.wav", testing::wav(all, 16000, static_cast<uint16_t>(channels)));
    std::vector<std::filesystem::path> files = {path};
    const std::pair<const char*, const char*> others[] = {
        {"b.aiff", ""}, {"b.au", ""}, {"b.mka", "-c:a pcm_s16le "}, {"b.w64", ""}, {"b.tta", ""}};
    for (const auto& [other, codec] : others) {
      if (channels < 3) break;
      const bool tta = std::string(other) == "b.tta";
      if (tta && channels != 3 && channels != 4 && channels != 6 && channels != 8)
        continue;  // FFmpeg decodes no others
      if (ffmpeg(dir, std::string("-guess_layout_max 0 -i a.wav ") + codec + other)) files.push_back(dir / other);
    }
    for (const auto& file : files) {
      const Decoded d = decode(file);
      EXPECT_EQ(d.error, "") << file;
      ASSERT_EQ(d.samples.size(), 3000u) << file << channels;
      for (size_t i = 0; i < 3000; ++i) {
        double mean = 0;
        for (int c = 0; c < channels; ++c) mean += all[i * static_cast<size_t>(channels) + static_cast<size_t>(c)];
        ASSERT_NEAR(d.samples[i], mean / channels, 1) << file << " of " << channels << " at " << i;
      }
    }
  }
}

TEST(DecodeChannels, ADeclaredLayoutIsMixedByFfmpegsRule) {
  SHORTHAND_NEEDS_FFMPEG();
  const TempDir dir;
  dir.write("a.wav", testing::wav(interleaved(6, 3000), 16000, 6));
  ASSERT_TRUE(ffmpeg(dir, "-channel_layout 5.1 -i a.wav declared.wav"));
  const Decoded d = decode(dir / "declared.wav");
  EXPECT_EQ(d.samples == testing::ffmpeg_samples(dir / "declared.wav"), true);
  EXPECT_EQ(d.samples == decode(dir / "a.wav").samples, false);
}

TEST(DecodeHeaderless, TelephonesSamplesAreToldByTheirNames) {
  SHORTHAND_NEEDS_FFMPEG();
  const TempDir dir;
  const std::pair<const char*, const char*> kinds[] = {
      {"mail.gsm", "-c:a libgsm -ar 8000"}, {"call.g722", "-c:a g722 -ar 16000"}, {"call.sln", "-f s16le -ar 8000"},
      {"call.ul", "-f mulaw -ar 8000"},     {"CALL.ULAW", "-f mulaw -ar 8000"},   {"call.al", "-f alaw -ar 8000"}};
  for (const auto& [name, arguments] : kinds) {
    if (!ffmpeg(dir, "-t 6 " + kIn + " -ac 1 " + arguments + " " + name)) continue;
    const Decoded d = decode(dir / name);
    EXPECT_EQ(d.error, "") << name;
    EXPECT_NEAR(d.seconds(), 6, 0.05) << name;
    EXPECT_NEAR(lag(d.samples, 2.6, 2, 0), 0, 0.02) << name;
    EXPECT_THAT(d.info.assumption, StartsWith("has no header; read as ")) << name;
  }
  EXPECT_THAT(decode(dir.write("text.gsm", std::string(5000, 'x'))).error, HasSubstr("not a sound or video format"));
  const Decoded honest = decode(dir.write("really.gsm", file_bytes(kData / "chirp.wav")));
  EXPECT_EQ(honest.info.container, "wav");
  EXPECT_EQ(honest.info.assumption, "");
}

}  // namespace
}  // namespace shorthand
