// SPDX-License-Identifier: Apache-2.0
// FFmpeg's objects as owners that free themselves, and its errors as words. For decode.cpp and container.cpp only.
#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/channel_layout.h>
#include <libswresample/swresample.h>
}

#include <memory>
#include <string>

namespace shorthand::ffmpeg {

template <auto free_by_address>
struct FreeByAddress {
  template <class T>
  void operator()(T* p) const {
    free_by_address(&p);
  }
};
using FormatPtr = std::unique_ptr<AVFormatContext, FreeByAddress<avformat_close_input>>;
using DecoderPtr = std::unique_ptr<AVCodecContext, FreeByAddress<avcodec_free_context>>;
using PacketPtr = std::unique_ptr<AVPacket, FreeByAddress<av_packet_free>>;
using FramePtr = std::unique_ptr<AVFrame, FreeByAddress<av_frame_free>>;
using ResamplerPtr = std::unique_ptr<SwrContext, FreeByAddress<swr_free>>;

struct FreeIo {
  void operator()(AVIOContext* io) const {
    av_freep(&io->buffer);  // the demuxer may have replaced the one that we gave it
    avio_context_free(&io);
  }
};
using IoPtr = std::unique_ptr<AVIOContext, FreeIo>;

// Sets what holds for the whole process, once: instructions of x86-64-v2 only, no allocation above 512 MiB, and a log
// that prints nothing.
void set_up_process();

// What FFmpeg said last on this thread about something that failed, made printable; empty if nothing since forget().
std::string last_words();
void forget();

// last_words(), else what the code means.
std::string reason(int code);

}  // namespace shorthand::ffmpeg
