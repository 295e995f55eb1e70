// SPDX-License-Identifier: Apache-2.0
// Sound files that tests make for themselves, and other programs' view of them.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

namespace shorthand::testing {

// A folder that is gone when the test is.
class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "shorthand-test-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("cannot make " + name);
    path_ = name;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

  std::filesystem::path write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path_ / name, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

template <class T>
void append_little(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// A WAV header for `data_bytes` of 16-bit samples.
inline std::string wav_header(uint32_t rate, uint16_t channels, uint32_t data_bytes) {
  std::string h = "RIFF";
  append_little<uint32_t>(h, 36 + data_bytes);
  h += "WAVEfmt ";
  append_little<uint32_t>(h, 16);
  append_little<uint16_t>(h, 1);
  append_little<uint16_t>(h, channels);
  append_little<uint32_t>(h, rate);
  append_little<uint32_t>(h, rate * channels * 2);
  append_little<uint16_t>(h, static_cast<uint16_t>(channels * 2));
  append_little<uint16_t>(h, 16);
  h += "data";
  append_little<uint32_t>(h, data_bytes);
  return h;
}

// A WAV file of interleaved samples.
inline std::string wav(std::span<const int16_t> samples, uint32_t rate = 16000, uint16_t channels = 1) {
  return wav_header(rate, channels, static_cast<uint32_t>(samples.size_bytes()))
      .append(reinterpret_cast<const char*>(samples.data()), samples.size_bytes());
}

inline bool have_ffmpeg() {
  static const bool have = std::system("ffmpeg -version >/dev/null 2>&1 </dev/null") == 0;
  return have;
}

// What FFmpeg's own command makes of a file: mono, 16 kHz, 16 bits. `options` stand before the input.
inline std::vector<int16_t> ffmpeg_samples(const std::filesystem::path& file, const std::string& options = "",
                                           const std::string& filter = "-ac 1") {
  const std::string command = "ffmpeg -v quiet " + options + " -i '" + file.string() + "' " + filter +
                              " -f s16le -acodec pcm_s16le -ar 16000 - </dev/null";
  std::vector<int16_t> samples;
  FILE* pipe = popen(command.c_str(), "r");
  if (!pipe) return samples;
  int16_t block[4096];
  for (size_t n; (n = fread(block, sizeof *block, 4096, pipe)) > 0;) samples.insert(samples.end(), block, block + n);
  pclose(pipe);
  return samples;
}

}  // namespace shorthand::testing

#define SHORTHAND_NEEDS_FFMPEG() \
  if (!::shorthand::testing::have_ffmpeg()) GTEST_SKIP() << "needs the ffmpeg command, which is not in PATH"
