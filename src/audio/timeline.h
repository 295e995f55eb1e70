// SPDX-License-Identifier: Apache-2.0
// Timeline: where on a recording's clock each decoded frame of sound belongs.
//
// Containers stamp their packets with times. As long as the stamps agree with the lengths of the frames, the frames
// stand one behind the other and nothing is done. Where they disagree by a tenth of a second or more, and the next
// frame's stamp bears it out, the sound has a hole, which becomes silence, or an overlap, which is heard once. Smaller
// differences are the rounding of stamps (1 ms in Matroska, whole packets in others) and are left alone until they add
// up.
#pragma once

#include <cstdint>
#include <optional>

namespace shorthand {

struct StampedFrame {
  std::optional<double> at_s;  // on the container's clock
  int64_t samples = 0;
  int rate = 0;
  double seconds() const { return static_cast<double>(samples) / rate; }
};

class Timeline {
 public:
  // FFmpeg's own bound for the same question (aresample's min_hard_comp). No subtitle looks wrong by less.
  static constexpr double kJitter_s = 0.1;
  // A stamp further back than this is no overlap: two recordings were joined, or the clock was set anew.
  static constexpr double kLongestOverlap_s = 1;
  static constexpr double kGuessed_s = 3;
  // A stamp further ahead is no hole but a jump of the clock, or a lie.
  static constexpr double kLongestHole_s = 3600;

  enum class Clock {
    none,    // stamps are the reader's own count: they tell nothing
    starts,  // the first stamp is the file's, those after it are not
    runs
  };

  struct Setup {
    Clock clock = Clock::runs;
    // The first stamps are 0 for want of knowledge: the first that disagrees within some seconds sets the clock.
    bool start_guessed = false;
    // Where the recording starts: its earliest other stream. Sound that begins later is silent until then. None: the
    // sound's own first stamp is the start.
    std::optional<double> start_s = std::nullopt;
    // The clock's ticks in a second, 0 if that is no whole number. Where the clock counts the samples themselves, its
    // stamps mean nothing once the rate has changed.
    int ticks_per_s = 0;
    // Silence in all; what is beyond is taken for a jump of the clock.
    double most_silence_s = kLongestHole_s;
  };

  Timeline() : Timeline(Setup()) {}
  explicit Timeline(const Setup& setup) : setup_(setup) {}

  // In samples of the frame's rate.
  struct Place {
    int64_t silence = 0;  // before the frame
    int64_t cut = 0;      // from its start, heard already
  };

  // Whether the frame stands where the one before it ended. Where it does not, the frame after it must be known before
  // it can be placed.
  bool follows(const StampedFrame& frame) const;

  // Frames come in their order, each once. `next`: the frame after this one, none at the end.
  Place place(const StampedFrame& frame, const StampedFrame* next);

  // Jumps ahead that were taken for no hole: what follows them is early by so much.
  struct Jump {
    double at_s = 0, seconds = 0;  // of the sound so far; of the first jump
  };
  const std::optional<Jump>& jump() const { return jump_; }

 private:
  std::optional<double> stamp(const StampedFrame& frame) const;
  double expected(double at_s) const;

  Setup setup_;
  bool begun_ = false;
  int counted_rate_ = 0;        // the rate whose samples the clock counts, 0 if it does not
  std::optional<double> next_;  // where the next frame is expected
  int64_t cut_left_ = 0;
  double heard_s_ = 0, silence_s_ = 0;
  std::optional<Jump> jump_;
};

}  // namespace shorthand
