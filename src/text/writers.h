// SPDX-License-Identifier: Apache-2.0
// Writers: a transcript as a file of one of the formats of docs/formats.md.
//
// txt, srt, vtt, tsv and json are, byte for byte, what the reference's writers make of the same result; csv and lrc
// follow whisper.cpp. Whatever the text holds, the output is UTF-8 and can be parsed again: invalid bytes become
// U+FFFD, and where a format gives a line break or an arrow a meaning, the text's own do not keep theirs.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/transcript.h"

namespace shorthand {

// How subtitles (srt, vtt) with word times are laid out; 0 = no limit. Lines are cut at a width in code points only
// together with max_line_count; then segments no longer begin a new subtitle. Without word times nothing applies.
struct WriterOptions {
  int max_line_width = 0;
  int max_line_count = 0;
  int max_words_per_line = 0;
  bool highlight_words = false;  // one subtitle a word, the word spoken underlined
};

struct Writer {
  std::string_view name;        // and the file's extension
  std::string_view media_type;  // for HTTP
  std::string (*write)(const Transcript&, const WriterOptions&);
};

std::span<const Writer> writers();

// The writer of that name, or a usage error that lists the names.
Result<const Writer*> find_writer(std::string_view name);

}  // namespace shorthand
