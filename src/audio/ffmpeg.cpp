// SPDX-License-Identifier: Apache-2.0
#include "audio/ffmpeg.h"

extern "C" {
#include <libavutil/cpu.h>
#include <libavutil/log.h>
#include <libavutil/mem.h>
}

#include <cstdarg>
#include <cstdio>
#include <mutex>

namespace shorthand::ffmpeg {
namespace {

thread_local std::string words;

void keep_words(void*, int level, const char* format, va_list arguments) {
  if (level > AV_LOG_ERROR) return;
  char line[160];
  const int n = std::vsnprintf(line, sizeof line, format, arguments);
  if (n <= 0) return;
  // The text may quote the file: bytes that a terminal would obey must not pass.
  std::string text;
  for (const char* p = line; *p; ++p) text += *p >= ' ' && *p <= '~' ? *p : ' ';
  while (!text.empty() && (text.back() == ' ' || text.back() == '.')) text.pop_back();
  if (!text.empty()) words = text;
}

}  // namespace

void set_up_process() {
  static std::once_flag once;
  std::call_once(once, [] {
    av_log_set_callback(keep_words);
    av_max_alloc(size_t{512} << 20);  // one table or packet, by the word of a header; FFmpeg's own bound is 2 GiB
#if defined(__x86_64__)
    // FFmpeg's float transforms and resampler add in another order for every width of register. One set of
    // instructions, that of the oldest machine we run on, makes the samples the same everywhere.
    av_force_cpu_flags(AV_CPU_FLAG_CMOV | AV_CPU_FLAG_MMX | AV_CPU_FLAG_MMXEXT | AV_CPU_FLAG_SSE | AV_CPU_FLAG_SSE2 |
                       AV_CPU_FLAG_SSE3 | AV_CPU_FLAG_SSSE3 | AV_CPU_FLAG_SSE4 | AV_CPU_FLAG_SSE42);
#endif
  });
}

std::string last_words() { return words; }

void forget() { words.clear(); }

std::string reason(int code) {
  if (!words.empty()) return words;
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(code, text, sizeof text);
  return text;
}

}  // namespace shorthand::ffmpeg
