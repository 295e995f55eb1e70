// SPDX-License-Identifier: Apache-2.0
#include "audio/recording.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <random>

#include "audio/pauses.h"
#include "support/shared_data.h"
#include "support/sound_files.h"

namespace shorthand {
namespace {

using testing::TempDir;

std::vector<int16_t> noise(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<int16_t> pcm(n);
  for (size_t i = 0; i < n; ++i) pcm[i] = static_cast<int16_t>(static_cast<int>(random() % 20001) - 10000);
  return pcm;
}

std::vector<float> values(const std::vector<int16_t>& pcm) {
  std::vector<float> v;
  for (int16_t s : pcm) v.push_back(static_cast<float>(s) / 32768.0f);
  return v;
}

// `file` must outlive the recording.
Recording recording_of(const std::string& file, int64_t keep = Recording::kKeepSamples) {
  auto source = ByteSource::from_memory(std::as_bytes(std::span(file)), "memory");
  return Recording(SoundReader::open(*std::move(source)).value(), keep);
}

LogMel log_mel() { return {log_mel::choose(best_isa()), FilterBank::slaney(80)}; }

TEST(Recording, GivesAnyPartInAnyOrder) {
  const std::vector<int16_t> pcm = noise(700000, 1);
  const std::vector<float> expected = values(pcm);
  const std::string file = testing::wav(pcm);
  for (int64_t keep : {Recording::kKeepSamples, int64_t{1}}) {  // all of it; the two chunks that are the least
    Recording recording = recording_of(file, keep);
    std::mt19937 random(2);
    for (int i = 0; i < 40; ++i) {
      const size_t from = random() % 720000, n = random() % 5 == 0 ? random() % 300000 : random() % 1000;
      std::vector<float> got(n, 7.0f);
      const auto read = recording.read(static_cast<int64_t>(from), got);
      ASSERT_TRUE(read) << read.error().message;
      const size_t there = from >= expected.size() ? 0 : std::min(n, expected.size() - from);
      ASSERT_EQ(*read, there);
      ASSERT_TRUE(std::equal(got.begin(), got.begin() + static_cast<ptrdiff_t>(there),
                             expected.begin() + static_cast<ptrdiff_t>(std::min(from, expected.size()))))
          << from << " + " << n;
      if (keep == 1) {
        ASSERT_LE(recording.buffered_bytes(), 2 * 2 * static_cast<size_t>(Recording::kChunk));
      }
    }
    EXPECT_FALSE(recording.damage());
  }
}

TEST(Recording, ScanTellsLengthEnergiesAndTheLoudestFrame) {
  for (size_t n : {1u, 319u, 320u, 12345u, 163839u, 163840u, 163841u, 327680u, 500000u}) {
    std::vector<int16_t> pcm = noise(n, static_cast<uint32_t>(n));
    for (size_t i = 0; i < n; ++i) pcm[i] = static_cast<int16_t>(pcm[i] / (1 + static_cast<int>(i / 3200) % 7));
    const std::string file = testing::wav(pcm);
    Recording recording = recording_of(file);
    const LogMel mel = log_mel();
    const auto scan = recording.scan(&mel);
    ASSERT_TRUE(scan) << scan.error().message;
    EXPECT_EQ(scan->samples, static_cast<int64_t>(n));
    EXPECT_FALSE(scan->damage);
    ASSERT_EQ(scan->energies.size(), n / 320);
    for (size_t i = 0; i < scan->energies.size(); ++i) {
      double sum = 0;
      for (size_t j = 0; j < 320; ++j) sum += std::pow(pcm[i * 320 + j] / 32768.0, 2);
      ASSERT_FLOAT_EQ(scan->energies[i], static_cast<float>(std::sqrt(sum / 320)));
    }
    // piece() finds the loudest frame for itself: the least of its values is that less 8.
    const std::vector<float> v = values(pcm);
    const int frames = static_cast<int>(padded_frames(static_cast<int64_t>(n)));
    const Mel whole = mel.piece(v, 0, frames);
    const float most = *std::max_element(whole.values.span().begin(), whole.values.span().end());
    EXPECT_EQ((scan->loudest + 4) / 4, most) << n;
    EXPECT_EQ(recording.scan()->loudest, kSilence) << "nobody asked";
  }
}

TEST(Recording, DamageEndsTheSoundAndIsTold) {
  const std::vector<int16_t> pcm = noise(48000, 4);
  const std::string file = testing::wav(pcm).substr(0, 44 + 2 * 20000);
  Recording recording = recording_of(file, 1);
  const auto scan = recording.scan();
  ASSERT_TRUE(scan) << scan.error().message;
  EXPECT_EQ(scan->samples, 20000);
  ASSERT_TRUE(scan->damage);
  EXPECT_EQ(scan->damage->message, "memory: cut off: its header promises 3.0 s of sound, 1.2 s are there");
  std::vector<float> got(30000);
  EXPECT_EQ(*recording.read(10000, got), 10000u);
  EXPECT_TRUE(recording.damage());
  EXPECT_EQ(*recording.read(30000, got), 0u);
}

// A sanitizer keeps freed memory for a while, hundreds of megabytes of it.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
constexpr bool kSanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
constexpr bool kSanitized = false;
#endif

// VmHWM of this process, in bytes: the most memory it ever had.
size_t peak_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
  }
  return 0;
}

// An hour of silence with a mark of noise here and there, as a file of holes: 115 MB of samples.
TEST(Recording, HoursAreReadInBoundedMemory) {
  constexpr int64_t kSamples = int64_t{1} * 3600 * 16000;
  const TempDir dir;
  const auto path = dir.write("long.wav", testing::wav_header(16000, 1, static_cast<uint32_t>(kSamples * 2)));
  std::filesystem::resize_file(path, 44 + kSamples * 2);
  const std::vector<int16_t> mark = noise(16000, 5);
  const std::vector<float> mark_values = values(mark);
  const int64_t places[] = {0, int64_t{1} << 24, kSamples / 2 + 12345, kSamples - 16000};
  for (int64_t at : places) {
    std::fstream out(path, std::ios::binary | std::ios::in | std::ios::out);
    out.seekp(44 + at * 2);
    out.write(reinterpret_cast<const char*>(mark.data()), static_cast<std::streamsize>(mark.size() * 2));
  }
  const LogMel mel = log_mel();
  Recording recording(SoundReader::open(*ByteSource::open(path)).value(), 1 << 20);
  const size_t before = peak_bytes();
  const auto scan = recording.scan(&mel);
  ASSERT_TRUE(scan) << scan.error().message;
  EXPECT_EQ(scan->samples, kSamples);
  EXPECT_EQ(scan->energies.size(), static_cast<size_t>(kSamples / 320));
  EXPECT_GT(scan->loudest, -1.0f);
  EXPECT_EQ(recording.buffered_bytes(), size_t{2} << 20);

  const std::vector<Stretch> stretches = cut_at_pauses(scan->energies, scan->samples, {.loudness = 0.0});
  ASSERT_EQ(stretches.size(), std::size(places));
  for (size_t i = 0; i < stretches.size(); ++i) {
    EXPECT_LE(stretches[i].first, places[i]);
    EXPECT_GE(stretches[i].last, places[i] + 16000);
    std::vector<float> got(16000);
    ASSERT_EQ(*recording.read(places[i], got), got.size());
    EXPECT_EQ(got == mark_values, true);
  }
  if (!kSanitized) {
    EXPECT_LT(peak_bytes() - before, size_t{32} << 20);
  }
}

}  // namespace
}  // namespace shorthand
