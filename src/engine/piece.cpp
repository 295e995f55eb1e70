// SPDX-License-Identifier: Apache-2.0
#include "engine/piece.h"

#include <algorithm>

#include "text/utf8.h"

namespace shorthand {
namespace {

// Seconds at a frame, computed as the reference does, so that printed times agree to the last digit.
double seconds_at_frame(int64_t frame) { return static_cast<double>(frame * kHop) / kSampleRate; }

}  // namespace

std::span<const int> python_tail(std::span<const int> list, int n) {
  if (n > 0) return list.last(std::min(list.size(), static_cast<size_t>(n)));
  return list.subspan(std::min(list.size(), static_cast<size_t>(-n)));
}

Piece::Piece(const PieceOptions& options, int64_t start_sample, int frames, std::vector<Clip> clips)
    : options_(&options),
      start_sample_(start_sample),
      frames_(frames),
      clips_(std::move(clips)),
      history_(options.initial_prompt) {
  if (!clips_.empty()) seek_ = clips_.front().first;
}

std::optional<Piece::Window> Piece::next() {
  while (clip_ < clips_.size()) {
    seek_ = std::max(seek_, clips_[clip_].first);
    const int end = std::min(clips_[clip_].last, frames_);
    const int least = options_->end_as_reference ? 1 : kLeastFrames;
    if (end - seek_ >= least) {
      window_frames_ = std::min(options_->window_frames, end - seek_);
      Window window{seek_, window_frames_, prompt_tokens(), 0};
      const auto sot = std::ranges::find(window.prompt, options_->sot_sequence.front());
      window.sot_index = static_cast<int>(sot - window.prompt.begin());
      return window;
    }
    if (++clip_ < clips_.size()) seek_ = clips_[clip_].first;  // clips may go back
  }
  return std::nullopt;
}

std::vector<int> Piece::prompt_tokens() const {
  const std::span<const int> history(history_);
  const std::span<const int> initial(options_->initial_prompt);
  std::vector<int> previous;
  if (options_->carry_initial_prompt) {
    const int room = options_->n_text_ctx / 2 - 1 - static_cast<int>(initial.size());
    previous.assign(initial.begin(), initial.end());
    const auto rest = python_tail(history.subspan(std::max(initial.size(), prompt_reset_since_)), room);
    previous.insert(previous.end(), rest.begin(), rest.end());
  } else {
    const auto rest = history.subspan(prompt_reset_since_);
    previous.assign(rest.begin(), rest.end());
  }

  std::vector<int> prompt;
  if (!previous.empty()) {
    const auto recent = python_tail(previous, options_->n_text_ctx / 2 - 1);
    prompt.push_back(options_->tokenizer->special().startofprev);
    prompt.insert(prompt.end(), recent.begin(), recent.end());
  }
  prompt.insert(prompt.end(), options_->sot_sequence.begin(), options_->sot_sequence.end());
  const auto prefix = python_tail(options_->prefix, options_->n_text_ctx / 2 - options_->max_tokens);
  prompt.insert(prompt.end(), prefix.begin(), prefix.end());
  return prompt;
}

Segment Piece::segment(const DecodedWindow& decoded, double start_s, double end_s, std::span<const int> tokens) const {
  std::vector<int> text;
  std::ranges::copy_if(tokens, std::back_inserter(text), [&](int t) { return t < options_->tokenizer->special().eot; });
  Segment s;
  s.seek = static_cast<int>(start_sample_ / kHop) + seek_;
  s.start = start_s;
  s.end = end_s;
  s.text = options_->tokenizer->decode(text);
  s.tokens.assign(tokens.begin(), tokens.end());
  s.temperature = decoded.temperature;
  s.avg_logprob = decoded.avg_logprob;
  s.compression_ratio = decoded.compression_ratio;
  s.no_speech_prob = decoded.no_speech_prob;
  if (!decoded.redone_because.empty()) s.redone_because = decoded.redone_because;
  return s;
}

// Cuts the window's tokens where an end and a start stand side by side. Returns how many frames the text covers: what
// comes after the last complete segment is heard again at the start of the next window.
int Piece::cut_segments(const DecodedWindow& decoded, std::vector<Segment>& segments) const {
  const std::vector<int>& tokens = decoded.tokens;
  const int begin = options_->tokenizer->special().timestamp_begin;
  const double offset_s = static_cast<double>(start_sample_) / kSampleRate + seconds_at_frame(seek_);
  const auto is_timestamp = [&](size_t i) { return tokens[i] >= begin; };
  const size_t n = tokens.size();
  const bool single_end = n >= 2 && is_timestamp(n - 1) && !is_timestamp(n - 2);

  std::vector<size_t> cuts;
  for (size_t i = 1; i < n; ++i) {
    if (is_timestamp(i) && is_timestamp(i - 1)) cuts.push_back(i);
  }
  if (cuts.empty()) {
    double duration_s = seconds_at_frame(window_frames_);
    const auto last = std::find_if(tokens.rbegin(), tokens.rend(), [&](int t) { return t >= begin; });
    if (last != tokens.rend() && *last != begin) duration_s = (*last - begin) * kSecondsPerPosition;
    segments.push_back(segment(decoded, offset_s, offset_s + duration_s, tokens));
    return window_frames_;
  }
  if (single_end) cuts.push_back(n);
  size_t first = 0;
  for (size_t cut : cuts) {
    const auto part = std::span(tokens).subspan(first, cut - first);
    segments.push_back(segment(decoded, offset_s + (part.front() - begin) * kSecondsPerPosition,
                               offset_s + (part.back() - begin) * kSecondsPerPosition, part));
    first = cut;
  }
  if (single_end) return window_frames_;
  // Never zero, lest the same window come for ever: without timestamp rules a model may say that it ended where it
  // began.
  const int covered = (tokens[first - 1] - begin) * kFramesPerPosition;
  return covered > 0 ? covered : window_frames_;
}

// Times say where in a window of 30 s a text lies, and the model does not know how much of it is sound: what begins
// behind the sound was never said, and what ends behind it ends with it.
void Piece::keep_within(std::vector<Segment>& segments) const {
  const double end_s =
      static_cast<double>(start_sample_) / kSampleRate + seconds_at_frame(seek_) + seconds_at_frame(window_frames_);
  std::erase_if(segments, [&](const Segment& s) { return s.start >= end_s; });
  for (Segment& s : segments) s.end = std::min(s.end, end_s);
}

void Piece::accept(const DecodedWindow& decoded) {
  if (options_->no_speech_threshold && decoded.no_speech_prob > *options_->no_speech_threshold) {
    const bool short_rest = !options_->end_as_reference && window_frames_ < kShortFrames && seek_ > clips_[clip_].first;
    const bool likely_text = options_->logprob_threshold && decoded.avg_logprob > *options_->logprob_threshold;
    if (short_rest || !likely_text) {
      seek_ += window_frames_;
      return;
    }
  }
  std::vector<Segment> found;
  const int covered = cut_segments(decoded, found);
  if (!options_->end_as_reference) keep_within(found);
  seek_ += covered;
  for (Segment& s : found) {
    if (s.start == s.end || utf8::strip(s.text).empty()) {  // keeps its place, says nothing
      s.text.clear();
      s.tokens.clear();
      s.words.emplace();
    }
    history_.insert(history_.end(), s.tokens.begin(), s.tokens.end());
    segments_.push_back(std::move(s));
  }
  if (!options_->condition_on_previous_text || decoded.temperature > 0.5) prompt_reset_since_ = history_.size();
}

}  // namespace shorthand
