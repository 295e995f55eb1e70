// SPDX-License-Identifier: Apache-2.0
#include "audio/decode.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <algorithm>
#include <thread>

#include "support/npy.h"
#include "support/shared_data.h"
#include "support/sound_files.h"

namespace shorthand {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using testing::file_bytes;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::TempDir;

const std::filesystem::path kData = testing::repository_dir() / "tests/data";

// The processor that every decoder of ours is told it has.
const std::string kBaseline = "-cpuflags mmx+mmxext+sse+sse2+sse3+ssse3+sse4.1+sse4.2";

struct Decoded {
  std::vector<int16_t> samples;
  std::string error;  // empty: read to the end
  SoundInfo info;
  int skipped = 0;
};

Decoded decode(Result<ByteSource> source, const DecodeOptions& options = {}, size_t step = 10007) {
  Decoded d;
  if (!source) return d.error = source.error().message, d;
  auto reader = SoundReader::open(*std::move(source), options);
  if (!reader) return d.error = reader.error().message, d;
  d.info = reader->info();
  std::vector<int16_t> block(step);
  for (;;) {
    const auto n = reader->read(block);
    if (!n) d.error = n.error().message;
    if (!n || *n == 0) break;
    d.samples.insert(d.samples.end(), block.begin(), block.begin() + static_cast<ptrdiff_t>(*n));
  }
  EXPECT_EQ(reader->position(), static_cast<int64_t>(d.samples.size()));
  d.skipped = reader->skipped_packets();
  return d;
}

Decoded decode_bytes(const std::string& bytes, const DecodeOptions& options = {}) {
  return decode(ByteSource::from_memory(std::as_bytes(std::span(bytes)), "upload"), options);
}

std::vector<int16_t> chirp() {
  const std::string bytes = file_bytes(kData / "chirp.wav");
  std::vector<int16_t> samples((bytes.size() - 44) / 2);
  std::memcpy(samples.data(), bytes.data() + 44, samples.size() * 2);
  return samples;
}

bool starts_with(const std::vector<int16_t>& all, const std::vector<int16_t>& part) {
  return part.size() <= all.size() && std::equal(part.begin(), part.end(), all.begin());
}

TEST(Decode, LosslessFilesAreTheirSamples) {
  const std::vector<int16_t> expected = chirp();
  for (const char* name : {"chirp.wav", "chirp.flac"}) {
    const Decoded d = decode(ByteSource::open(kData / name));
    EXPECT_EQ(d.error, "");
    EXPECT_EQ(d.samples == expected, true) << name;
    EXPECT_EQ(d.info.sample_rate, 16000);
    EXPECT_EQ(d.info.channels, 1);
    EXPECT_NEAR(d.info.declared_seconds, 0.75, 1e-6);
    EXPECT_EQ(d.skipped, 0);
  }
  EXPECT_EQ(decode(ByteSource::open(kData / "chirp.flac")).info.codec, "flac");
  EXPECT_EQ(decode(ByteSource::open(kData / "chirp.m4a")).info.container, "mov,mp4,m4a,3gp,3g2,mj2");
}

TEST(Decode, SampleValuesAreThirtyTwoThousandths) {
  EXPECT_EQ(sample_value(-32768), -1.0f);
  EXPECT_EQ(sample_value(1), 1.0f / 32768.0f);
}

TEST(Decode, EverySharedFileIsWhatTheCommandMakesOfIt) {
  SHORTHAND_NEEDS_SHARED("data/audio");
  SHORTHAND_NEEDS_FFMPEG();
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(testing::shared_data_dir() / "data/audio")) {
    const Decoded d = decode(ByteSource::open(entry.path()));
    EXPECT_EQ(d.error, "");
    EXPECT_EQ(d.samples == testing::ffmpeg_samples(entry.path(), kBaseline), true) << entry.path();
    // With the instructions of this machine the command may round a sample the other way.
    const std::vector<int16_t> wide = testing::ffmpeg_samples(entry.path());
    ASSERT_EQ(d.samples.size(), wide.size()) << entry.path();
    size_t differ = 0;
    for (size_t i = 0; i < wide.size(); ++i) {
      ASSERT_LE(std::abs(d.samples[i] - wide[i]), 1) << entry.path() << " at " << i;
      differ += d.samples[i] != wide[i];
    }
    EXPECT_LT(differ, wide.size() / 1000) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 16);
}

// Delay and padding of encoders, edit lists, layouts, odd rates, changes in the middle, several tracks.
TEST(Decode, EveryFormatIsWhatTheCommandMakesOfIt) {
  SHORTHAND_NEEDS_FFMPEG();
  const TempDir dir;
  std::filesystem::path sound = kData / "chirp.wav";
  const auto speech = testing::shared_data_dir() / "data/audio/jfk.flac";
  if (std::filesystem::exists(speech)) sound = speech;
  const auto make = [&](const std::string& name, const std::string& arguments) {
    const std::string command = "cd '" + (dir / "").string() + "' && ffmpeg -v quiet -y -i '" + sound.string() + "' " +
                                arguments + " " + name + " </dev/null";
    return std::system(command.c_str()) == 0;
  };
  const std::pair<const char*, const char*> formats[] = {
      {"vorbis.ogg", "-c:a libvorbis"},
      {"opus.opus", "-c:a libopus"},
      {"lame.mp3", "-c:a libmp3lame -ar 44100 -q:a 4"},
      {"no_header.mp3", "-c:a libmp3lame -write_xing 0 -b:a 64k"},
      {"low.mp3", "-c:a libmp3lame -ar 22050"},
      {"adts.aac", "-c:a aac"},
      {"index_last.m4a", "-c:a aac"},
      {"index_first.m4a", "-c:a aac -movflags +faststart"},
      {"fragments.mp4", "-c:a aac -movflags frag_keyframe+empty_moov"},
      {"alac.m4a", "-c:a alac"},
      {"opus.webm", "-c:a libopus"},
      {"vorbis.mkv", "-c:a libvorbis"},
      {"film.ts", "-c:a aac"},
      {"film.avi", "-c:a libmp3lame"},
      {"film.flv", "-c:a libmp3lame -ar 44100"},
      {"film.mpg", "-c:a mp2 -f mpeg"},
      {"windows.wma", "-c:a wmav2 -ar 44100"},
      {"dolby.ac3", "-c:a ac3 -ar 48000"},
      {"wide.wav", "-c:a pcm_s24le -ar 96000"},
      {"float.wav", "-c:a pcm_f32le"},
      {"bytes.wav", "-c:a pcm_u8 -ar 11025"},
      {"telephone.wav", "-c:a pcm_alaw -ar 8000 -ac 1"},
      {"telephone.au", "-c:a pcm_mulaw"},
      {"apple.aiff", "-c:a pcm_s16be"},
      {"adpcm.wav", "-c:a adpcm_ima_wav"},
      {"wavpack.wv", "-c:a wavpack"},
      {"six.flac", "-af pan=5.1|FL=c0|FR=0.5*c0|FC=0.3*c0|BL=0.1*c0 -c:a flac"},
      {"edit.m4a", "-ss 0.2 -t 0.4 -c:a aac"},
      {"two_tracks.m4a",
       "-filter_complex [0:a]asplit[a][b] -map [a] -map [b] -ac:a:0 1 -ac:a:1 6 -disposition:a 0 -c:a aac"},
  };
  std::vector<std::string> made;
  for (const auto& [name, arguments] : formats) {
    std::string quoted = arguments;
    if (const size_t bar = quoted.find("pan="); bar != std::string::npos) {
      quoted.insert(bar, "'").insert(quoted.find(" -c:a"), "'");
    }
    if (const size_t bracket = quoted.find("[0:a]"); bracket != std::string::npos) {
      quoted.insert(bracket, "'").insert(quoted.find(" -map"), "'");
    }
    if (make(name, quoted)) made.emplace_back(name);  // a build of ffmpeg may lack an encoder
  }
  // The rate changes in the middle of the file.
  dir.write("changes.mp3", file_bytes(dir / "lame.mp3") + file_bytes(dir / "low.mp3"));
  made.emplace_back("changes.mp3");
  EXPECT_GT(made.size(), 15u);
  for (const std::string& name : made) {
    const Decoded d = decode(ByteSource::open(dir / name));
    EXPECT_EQ(d.error, "") << name;
    const std::vector<int16_t> expected = testing::ffmpeg_samples(dir / name, kBaseline);
    EXPECT_GT(expected.size(), 1000u) << name;
    EXPECT_EQ(d.samples.size(), expected.size()) << name;
    EXPECT_EQ(d.samples == expected, true) << name;
  }
}

TEST(Decode, OneChannelInsteadOfTheMix) {
  std::vector<int16_t> both, left, right;
  for (int i = 0; i < 4000; ++i) {
    left.push_back(static_cast<int16_t>((i * 7919) % 20011 - 10005));
    right.push_back(static_cast<int16_t>((i * 104729) % 30011 - 15005));
    both.push_back(left.back());
    both.push_back(right.back());
  }
  const std::string file = testing::wav(both, 16000, 2);
  EXPECT_EQ(decode_bytes(file, {.channel = 0}).samples == left, true);
  EXPECT_EQ(decode_bytes(file, {.channel = 1}).samples == right, true);
  const std::vector<int16_t> mix = decode_bytes(file).samples;
  ASSERT_EQ(mix.size(), left.size());
  for (size_t i = 0; i < mix.size(); ++i) EXPECT_NEAR(mix[i], (left[i] + right[i]) / 2.0, 1.0) << i;
  EXPECT_EQ(decode_bytes(file, {.channel = 2}).error, "upload: has no channel 2; it has 2, counted from 0");
  EXPECT_EQ(decode_bytes(testing::wav(left), {.channel = 0}).samples == left, true);
}

TEST(Decode, OneChannelIsWhatTheCommandMakesOfIt) {
  SHORTHAND_NEEDS_SHARED("data/audio/8_Channel_ID.m4a");
  SHORTHAND_NEEDS_FFMPEG();
  const auto path = testing::shared_data_dir() / "data/audio/8_Channel_ID.m4a";
  for (int channel : {0, 3, 7}) {
    const Decoded d = decode(ByteSource::open(path), {.channel = channel});
    const auto expected =
        testing::ffmpeg_samples(path, kBaseline, "-af 'pan=mono|c0=c" + std::to_string(channel) + "'");
    EXPECT_EQ(d.samples == expected, true) << channel;
  }
}

TEST(Decode, ChannelsWithoutALayoutAreAveraged) {
  std::vector<int16_t> samples;
  for (int i = 0; i < 1000; ++i) {
    for (int c = 0; c < 10; ++c) samples.push_back(static_cast<int16_t>(c == 9 ? (i % 200 - 100) * 100 : 0));
  }
  const Decoded d = decode_bytes(testing::wav(samples, 16000, 10));
  EXPECT_EQ(d.error, "");
  ASSERT_EQ(d.samples.size(), 1000u);
  for (int i = 0; i < 1000; ++i) EXPECT_NEAR(d.samples[static_cast<size_t>(i)], (i % 200 - 100) * 10, 1);
}

TEST(Decode, TheWayTheBytesComeDoesNotMatter) {
  const TempDir dir;
  const std::string bytes = file_bytes(kData / "chirp.m4a");  // its index is at the end: a pipe must be spooled
  const Decoded file = decode(ByteSource::open(kData / "chirp.m4a"));
  ASSERT_EQ(file.error, "");
  ASSERT_GT(file.samples.size(), 11000u);
  EXPECT_EQ(decode_bytes(bytes).samples == file.samples, true);
  for (size_t step : {1, 159, 4096, 100000}) {
    EXPECT_EQ(decode(ByteSource::open(kData / "chirp.m4a"), {}, step).samples == file.samples, true) << step;
  }
  const auto fifo = dir / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  std::thread writer([&] { dir.write("fifo", bytes); });
  EXPECT_EQ(decode(ByteSource::open(fifo)).samples == file.samples, true);
  writer.join();
}

// Puts a descriptor in the place of standard input while it lives.
class StandardInput {
 public:
  explicit StandardInput(int fd) : saved_(dup(STDIN_FILENO)) {
    dup2(fd, STDIN_FILENO);
    close(fd);
  }
  ~StandardInput() {
    dup2(saved_, STDIN_FILENO);
    close(saved_);
  }

 private:
  int saved_;
};

TEST(Decode, StandardInputMayBeAPipeOrAFile) {
  const std::string bytes = file_bytes(kData / "chirp.m4a");
  const Decoded file = decode(ByteSource::open(kData / "chirp.m4a"));
  {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    ASSERT_LT(bytes.size(), 65536u);  // fits the pipe: no writer thread is needed
    ASSERT_EQ(write(ends[1], bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    close(ends[1]);
    const StandardInput input(ends[0]);
    const Decoded d = decode(ByteSource::open("-"));
    EXPECT_EQ(d.samples == file.samples, true) << d.error;
  }
  {
    const StandardInput input(open((kData / "chirp.m4a").c_str(), O_RDONLY));
    const Decoded d = decode(ByteSource::open("-"));
    EXPECT_EQ(d.samples == file.samples, true) << d.error;
    EXPECT_EQ(lseek(STDIN_FILENO, 0, SEEK_CUR), 0) << "the caller's position moved";
  }
  {
    const StandardInput input(open("/dev/null", O_RDONLY));
    EXPECT_EQ(decode(ByteSource::open("-")).error, "-: nothing came through the pipe");
  }
  {
    const StandardInput input(open("/dev/zero", O_RDONLY));
    EXPECT_EQ(decode(ByteSource::open("-", 1 << 20)).error,
              "-: more than 1048576 bytes came through the pipe; give a file");
  }
}

TEST(Decode, RewindingGivesTheSameSamples) {
  auto reader = SoundReader::open(*ByteSource::open(kData / "chirp.m4a"));
  ASSERT_TRUE(reader) << reader.error().message;
  std::vector<int16_t> first(20000), second(20000);
  const size_t n = *reader->read(first);
  EXPECT_GT(n, 11000u);
  EXPECT_EQ(*reader->read(second), 0u);
  ASSERT_TRUE(reader->rewind());
  EXPECT_EQ(reader->position(), 0);
  ASSERT_EQ(*reader->read(std::span(second).first(500)), 500u);
  ASSERT_TRUE(reader->rewind());
  EXPECT_EQ(*reader->read(second), n);
  EXPECT_EQ(first == second, true);
}

TEST(DecodeLimits, SecondsAreCountedWhileDecoding) {
  const Decoded d = decode(ByteSource::open(kData / "chirp.flac"), {.max_seconds = 0.5});
  EXPECT_EQ(d.samples.size(), 8000u);
  EXPECT_EQ(starts_with(chirp(), d.samples), true);
  EXPECT_THAT(d.error, EndsWith("chirp.flac: longer than the limit of 0.5 s"));
  EXPECT_EQ(decode(ByteSource::open(kData / "chirp.flac"), {.max_seconds = 0.75}).error, "");
}

TEST(DecodeLimits, BytesAreCountedAsTheFileHasThem) {
  const std::vector<int16_t> stereo(8000);
  EXPECT_EQ(decode_bytes(testing::wav(stereo, 16000, 2), {.max_bytes = 16000}).error, "");
  const Decoded d = decode_bytes(testing::wav(stereo, 16000, 2), {.max_bytes = 15999});
  EXPECT_THAT(d.error, StartsWith("upload: more than 15999 bytes of decoded sound, after 0."));
  EXPECT_LT(d.samples.size(), 4000u);
}

TEST(DecodeLimits, AbsurdRatesAndChannelsAreRefused) {
  const std::vector<int16_t> some(9600);
  EXPECT_EQ(decode_bytes(testing::wav(some, 3000000)).error,
            "upload: claims 3000000 samples a second; 4000 to 384000 are read");
  EXPECT_EQ(decode_bytes(testing::wav(some, 100)).error,
            "upload: claims 100 samples a second; 4000 to 384000 are read");
  EXPECT_EQ(decode_bytes(testing::wav(some, 16000, 96)).error, "upload: claims 96 channels; 1 to 64 are read");
  EXPECT_EQ(decode_bytes(testing::wav(some, 16000, 64)).error, "");
  EXPECT_NE(decode_bytes(testing::wav(some, 0)).error, "");
  EXPECT_NE(decode_bytes(testing::wav(some, 16000, 0)).error, "");
}

// A FLAC file of `frames` x 65,535 samples of silence: 8 bytes of header and 3 a channel each (RFC 9639).
std::string flac_of_silence(uint32_t rate, uint32_t channels, uint32_t frames) {
  const auto crc = [](const std::string& bytes, int width, uint32_t polynomial) {
    uint32_t sum = 0;
    for (unsigned char byte : bytes) {
      sum ^= uint32_t{byte} << (width - 8);
      for (int i = 0; i < 8; ++i) sum = (sum << 1 ^ (sum >> (width - 1) & 1 ? polynomial : 0)) & ((1u << width) - 1);
    }
    return sum;
  };
  const uint64_t total = uint64_t{frames} * 65535;
  const uint64_t packed = uint64_t{rate} << 44 | uint64_t{channels - 1} << 41 | uint64_t{15} << 36 | total;
  std::string file = "fLaC" + std::string("\x80\0\0\x22\xff\xff\xff\xff\0\0\0\0\0\0", 14);
  for (int shift = 56; shift >= 0; shift -= 8) file += static_cast<char>(packed >> shift & 0xff);
  file += std::string(16, '\0');  // no MD5 sum
  for (uint32_t f = 0; f < frames; ++f) {
    std::string frame = "\xff\xf8";
    frame += '\x70';  // 16 bits of block size follow; the rate is the one of the header
    frame += static_cast<char>((channels - 1) << 4 | 4 << 1);
    if (f < 0x80) {
      frame += static_cast<char>(f);
    } else {
      frame += static_cast<char>(0xc0 | f >> 6);
      frame += static_cast<char>(0x80 | (f & 0x3f));
    }
    frame += "\xff\xfe";
    frame += static_cast<char>(crc(frame, 8, 0x07));
    for (uint32_t c = 0; c < channels; ++c) frame += std::string(3, '\0');  // constant, 0
    const uint32_t sum = crc(frame, 16, 0x8005);
    file += frame + static_cast<char>(sum >> 8) + static_cast<char>(sum & 0xff);
  }
  return file;
}

TEST(DecodeLimits, AnUploadThatSwellsIsStopped) {
  const std::string bomb = flac_of_silence(48000, 8, 1000);
  ASSERT_LT(bomb.size(), 40000u);  // 23 minutes, a gigabyte of samples
  const Decoded seconds = decode_bytes(bomb, {.max_seconds = 600});
  EXPECT_EQ(seconds.samples.size(), 600u * 16000);
  EXPECT_EQ(seconds.error, "upload: longer than the limit of 600 s");
  const Decoded bytes = decode_bytes(bomb, {.max_bytes = 64 << 20});
  EXPECT_LT(bytes.samples.size(), (64u << 20) / 8 / 2 / 3);
  EXPECT_THAT(bytes.error, StartsWith("upload: more than 67108864 bytes of decoded sound, after "));
  EXPECT_EQ(decode_bytes(flac_of_silence(48000, 8, 3)).error, "");
  // The rate makes a limit in seconds worthless.
  EXPECT_EQ(decode_bytes(flac_of_silence(655350, 8, 100), {.max_seconds = 600}).error,
            "upload: claims 655350 samples a second; 4000 to 384000 are read");
}

// The last 36 bits of the eight bytes from byte 18 on are the number of samples.
TEST(DecodeLimits, AForgedLengthIsNotBelieved) {
  std::string bytes = file_bytes(kData / "chirp.flac");
  ASSERT_EQ(bytes.substr(0, 4), "fLaC");
  bytes[21] = static_cast<char>(bytes[21] | 0xf);
  const Decoded d = decode_bytes(bytes);
  EXPECT_EQ(d.samples == chirp(), true);
  EXPECT_GT(d.info.declared_seconds, 4e6);
  EXPECT_THAT(d.error, AllOf(StartsWith("upload: cut off: its header promises"), EndsWith("0.8 s are there")));
}

TEST(DecodeErrors, SayWhatIsWrong) {
  const TempDir dir;
  const auto error = [](const std::filesystem::path& path) { return decode(ByteSource::open(path)).error; };
  EXPECT_EQ(error("no/such.wav"), "no/such.wav: no such file");
  EXPECT_EQ(error(dir / ""), (dir / "").string() + ": is a directory; give a sound file");
  EXPECT_EQ(error("/dev/zero"), "/dev/zero: is a device; give a sound file");
  EXPECT_THAT(error(dir.write("empty.wav", "")), EndsWith("empty.wav: the file is empty"));
  const std::string unknown = ": not a sound or video format that FFmpeg knows; give a sound or video file";
  for (const char* name : {"notes.txt", "notes.wav", "notes.mp3"}) {
    EXPECT_THAT(error(dir.write(name, "To be, or not to be.\nThat is the question.\n")), EndsWith(name + unknown));
  }
  EXPECT_THAT(error(dir.write("film.srt", "1\n00:00:01,000 --> 00:00:02,000\nhello\n\n")), EndsWith(unknown));
  EXPECT_THAT(error(kData / "chirp_mel80.npy"), EndsWith(unknown));
  EXPECT_THAT(error(dir.write("picture.wav", "GIF89a" + std::string(300, '\1'))),
              EndsWith("picture.wav: a picture (gif); give a file with sound"));
  EXPECT_THAT(error(kData / "silent_film.mp4"),
              EndsWith("silent_film.mp4: no audio track; it holds one video stream (mpeg4). Give a file with sound"));
  EXPECT_THAT(error(dir.write("nothing.wav", testing::wav({}))),
              EndsWith("nothing.wav: no sound: the audio track is empty (0 samples)"));
  if (geteuid() != 0) {  // nothing is forbidden to root
    const auto secret = dir.write("secret.wav", testing::wav({}));
    chmod(secret.c_str(), 0);
    EXPECT_THAT(error(secret), EndsWith("secret.wav: cannot open: permission denied"));
  }
}

TEST(DecodeErrors, AModelIsNotASound) {
  SHORTHAND_NEEDS_SHARED("data/builtin/builtin-ggml-f16.bin");
  for (const char* name : {"builtin-ggml-f16.bin", "model.safetensors", "vocab.json"}) {
    EXPECT_THAT(decode(ByteSource::open(testing::shared_data_dir() / "data/builtin" / name)).error,
                HasSubstr("not a sound or video format that FFmpeg knows"));
  }
}

TEST(DecodeErrors, ACutOffFlacGivesWhatIsThereThenSaysSo) {
  const std::string bytes = file_bytes(kData / "chirp.flac").substr(0, 8000);
  const Decoded d = decode_bytes(bytes);
  EXPECT_GT(d.samples.size(), 4000u);
  EXPECT_LT(d.samples.size(), 9000u);
  EXPECT_EQ(starts_with(chirp(), d.samples), true);
  char expected[120];
  std::snprintf(expected, sizeof expected, "upload: cut off: its header promises 0.8 s of sound, %.1f s are there",
                static_cast<double>(d.samples.size()) / 16000);
  EXPECT_EQ(d.error, expected);
}

TEST(DecodeErrors, ACutOffWavGivesWhatIsThereThenSaysSo) {
  const Decoded d = decode_bytes(file_bytes(kData / "chirp.wav").substr(0, 44 + 2 * 5000));
  EXPECT_EQ(d.samples.size(), 5000u);
  EXPECT_EQ(starts_with(chirp(), d.samples), true);
  EXPECT_EQ(d.error, "upload: cut off: its header promises 0.8 s of sound, 0.3 s are there");
  // Written to a pipe, a header cannot know the length.
  std::string piped = file_bytes(kData / "chirp.wav");
  for (uint32_t unknown : {0xffffffffu, 0x7ffff000u}) {
    std::memcpy(piped.data() + 4, &unknown, 4);
    std::memcpy(piped.data() + 40, &unknown, 4);
    const Decoded p = decode_bytes(piped);
    EXPECT_EQ(p.error, "");
    EXPECT_EQ(p.samples == chirp(), true);
  }
}

TEST(DecodeErrors, ACutOffMp4HasNoIndex) {
  const std::string bytes = file_bytes(kData / "chirp.m4a");
  EXPECT_EQ(decode_bytes(bytes.substr(0, bytes.size() / 2)).error,
            "upload: broken or cut off: moov atom not found (mov,mp4,m4a,3gp,3g2,mj2)");
}

TEST(DecodeErrors, ACutOffMp4WithItsIndexInFrontGivesWhatIsThere) {
  SHORTHAND_NEEDS_SHARED("data/audio/jfk.wav");
  SHORTHAND_NEEDS_FFMPEG();
  const TempDir dir;
  const std::string command = "ffmpeg -v quiet -i '" + (testing::shared_data_dir() / "data/audio/jfk.wav").string() +
                              "' -movflags +faststart '" + (dir / "speech.m4a").string() + "' </dev/null";
  ASSERT_EQ(std::system(command.c_str()), 0);
  const std::vector<int16_t> whole = decode(ByteSource::open(dir / "speech.m4a")).samples;
  const std::string bytes = file_bytes(dir / "speech.m4a");
  const Decoded d = decode_bytes(bytes.substr(0, bytes.size() / 2));
  EXPECT_GT(d.samples.size(), 4 * 16000u);
  EXPECT_EQ(starts_with(whole, {d.samples.begin(), d.samples.end() - 2000}), true);
  EXPECT_THAT(d.error, StartsWith("upload: cut off: its header promises 11.0 s of sound, "));
}

TEST(DecodeErrors, DamageInTheMiddleIsLeftOutAndCounted) {
  std::string bytes = file_bytes(kData / "chirp.flac");
  std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(bytes.size() / 2), 1500, '\x5a');
  const Decoded d = decode_bytes(bytes);
  EXPECT_GT(d.skipped, 0);
  EXPECT_EQ(d.error, "") << "the end is there";
  const std::vector<int16_t> whole = chirp();
  ASSERT_EQ(d.samples.size(), whole.size()) << "FLAC's frames are numbered: what is lost is silent";
  EXPECT_EQ(starts_with(whole, {d.samples.begin(), d.samples.begin() + 3000}), true);
  EXPECT_EQ(std::equal(d.samples.end() - 3000, d.samples.end(), whole.end() - 3000), true);
  EXPECT_EQ(std::ranges::count(d.samples, 0) > 1000, true);
}

// Tells whether somebody opens a file.
class OpenWatch {
 public:
  explicit OpenWatch(const std::filesystem::path& path) : fd_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
    EXPECT_GE(inotify_add_watch(fd_, path.c_str(), IN_OPEN | IN_ACCESS), 0);
  }
  ~OpenWatch() { close(fd_); }
  bool opened() const {
    pollfd event{fd_, POLLIN, 0};
    return poll(&event, 1, 0) > 0;
  }

 private:
  int fd_;
};

std::string box(const std::string& type, const std::string& content) {
  std::string b;
  const uint32_t size = __builtin_bswap32(static_cast<uint32_t>(8 + content.size()));
  testing::append_little(b, size);
  return b + type + content;
}
std::string big32(uint32_t v) {
  std::string b;
  testing::append_little(b, __builtin_bswap32(v));
  return b;
}
std::string big16(uint16_t v) { return big32(v).substr(2); }

// A QuickTime film of 1,000 16-bit samples at `offset` of the file that `reference`, a data reference, names.
std::string film(const std::string& reference, uint32_t offset) {
  const std::string zeros(64, '\0');
  const std::string sound =
      zeros.substr(0, 6) + big16(1) + zeros.substr(0, 8) + big16(1) + big16(16) + big32(0) + big32(16000u << 16);
  const std::string table = box("stsd", big32(0) + big32(1) + box("sowt", sound)) +
                            box("stts", big32(0) + big32(1) + big32(1000) + big32(1)) +
                            box("stsc", big32(0) + big32(1) + big32(1) + big32(1000) + big32(1)) +
                            box("stsz", big32(0) + big32(2) + big32(1000)) +
                            box("stco", big32(0) + big32(1) + big32(offset));
  const std::string handler = box("hdlr", big32(0) + "mhlrsoun" + zeros.substr(0, 13));
  const std::string media =
      box("mdhd", big32(0) + zeros.substr(0, 8) + big32(16000) + big32(1000) + big32(0)) + handler +
      box("minf", box("smhd", zeros.substr(0, 8)) + box("dinf", box("dref", big32(0) + big32(1) + reference)) +
                      box("stbl", table));
  const std::string track =
      box("tkhd", big32(7) + zeros.substr(0, 8) + big32(1) + big32(0) + big32(1000) + zeros.substr(0, 60)) +
      box("mdia", media);
  return box("ftyp", "qt  " + big32(0) + "qt  ") +
         box("moov", box("mvhd", big32(0) + zeros.substr(0, 8) + big32(16000) + big32(1000) + std::string(80, '\0')) +
                         box("trak", track));
}

// A Macintosh alias record that holds an absolute path (type 2), as QuickTime files refer to their media.
std::string alias_to(const std::string& path) {
  const std::string zeros(64, '\0');
  const std::string even = path.size() % 2 ? path + '\0' : path;
  return box("alis", big32(0) + zeros.substr(0, 10) + '\0' + zeros.substr(0, 27) + zeros.substr(0, 12) + '\1' + "x" +
                         zeros.substr(0, 62) + zeros.substr(0, 16) + big16(0xffff) + big16(1) + zeros.substr(0, 16) +
                         big16(2) + big16(static_cast<uint16_t>(path.size())) + even + big16(0xffff) + big16(0));
}

TEST(DecodeSafety, NoOtherFileIsOpened) {
  const TempDir dir;
  const auto secret = dir.write("secret.wav", file_bytes(kData / "chirp.wav"));
  const OpenWatch watch(secret);
  const std::string name = secret.string();
  const std::string hls =
      "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n" + name + "\n#EXT-X-ENDLIST\n";
  const std::string concat = "ffconcat version 1.0\nfile '" + name + "'\n";
  const std::string sdp = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n";
  for (const char* ending : {".wav", ".mp3", ".m3u8", ".ffconcat", ".sdp", ""}) {
    const auto error = [&](const std::string& bytes) {
      return decode(ByteSource::open(dir.write(std::string("list") + ending, bytes))).error;
    };
    EXPECT_THAT(error(hls), EndsWith(": a playlist (hls): what it names is not opened; give the sound itself"));
    EXPECT_THAT(error(concat), EndsWith(": a playlist (concat): what it names is not opened; give the sound itself"));
    EXPECT_THAT(error(sdp), EndsWith(": a playlist (sdp): what it names is not opened; give the sound itself"));
  }
  const Decoded outside = decode(ByteSource::open(dir.write("alias.mov", film(alias_to(name), 44))));
  EXPECT_THAT(outside.error, HasSubstr("alias.mov: "));
  EXPECT_TRUE(outside.samples.empty());
  EXPECT_FALSE(watch.opened());

  // The same film with its samples in itself is read: it is the reference that was refused.
  const std::string within = box("url ", big32(1));
  const uint32_t start = static_cast<uint32_t>(film(within, 0).size()) + 8;
  const std::string bytes = film(within, start) + box("mdat", file_bytes(secret).substr(44, 2000));
  EXPECT_TRUE(watch.opened()) << "the watch sees what this test itself has just read";
  const Decoded inside = decode(ByteSource::open(dir.write("inside.mov", bytes)));
  EXPECT_EQ(inside.error, "");
  EXPECT_EQ(inside.samples.size(), 1000u);
  EXPECT_EQ(starts_with(chirp(), inside.samples), true);
}

// The first and last bytes of files lie most often.
TEST(DecodeSafety, BrokenFilesNeverCrash) {
  for (const char* name : {"chirp.flac", "chirp.m4a", "chirp.wav", "silent_film.mp4"}) {
    const std::string good = file_bytes(kData / name);
    for (size_t n : {1, 4, 11, 12, 20, 43, 44, 45, 100, 500}) decode_bytes(good.substr(0, n));
    for (size_t at = 0; at < 120; ++at) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (at % 2 ? 0xff : 0x80));
      decode_bytes(bad, {.max_seconds = 10});
      bad = good;
      bad[bad.size() - 1 - at * 7 % bad.size()] ^= '\x41';
      decode_bytes(bad, {.max_seconds = 10});
    }
  }
}

}  // namespace
}  // namespace shorthand
