// SPDX-License-Identifier: Apache-2.0
#include "decoding/decode.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "decoding/rules.h"
#include "decoding/sampling.h"
#include "text/languages.h"
#include "text/transcript.h"
#include "text/utf8.h"

namespace shorthand {
namespace {

// One sample of one window on its way.
struct Sequence {
  size_t window;  // index into the requests
  int sample;
  std::vector<int> tokens;
  double sum_logprob = 0;
  bool done = false;
};

class Attempt {
 public:
  Attempt(TextDecoder& decoder, const Tokenizer& tokenizer, const rowwise::Variant& rowwise, ThreadPool& pool,
          std::span<const WindowRequest> requests, const DecodingOptions& options, double temperature)
      : decoder_(decoder),
        tokenizer_(tokenizer),
        rowwise_(rowwise),
        pool_(pool),
        requests_(requests),
        options_(options),
        temperature_(temperature),
        samples_(temperature > 0 ? std::clamp(options.best_of, 1, decoder.max_sequences()) : 1),
        blank_(tokenizer.encode(" ")),
        rules_(tokenizer.special(), options, blank_, decoder.n_vocab()) {}

  // Results for the windows named, in their order; as many at once as the decoder has sequences for.
  std::vector<DecodedWindow> run(std::span<const size_t> windows) {
    std::vector<DecodedWindow> results;
    const size_t group = static_cast<size_t>(decoder_.max_sequences() / samples_);
    for (size_t first = 0; first < windows.size(); first += group) {
      const auto here = windows.subspan(first, std::min(group, windows.size() - first));
      start(here);
      while (std::ranges::any_of(sequences_, [](const Sequence& s) { return !s.done; })) step();
      for (size_t i = 0; i < here.size(); ++i) results.push_back(best_of(i));
    }
    return results;
  }

 private:
  // Prompts of all windows through the network, once each; then every sample draws its first token from the same
  // logits.
  void start(std::span<const size_t> windows) {
    sequences_.clear();
    no_speech_.clear();
    rows_.clear();
    for (size_t i = 0; i < windows.size(); ++i) {
      const WindowRequest& request = requests_[windows[i]];
      for (size_t p = 0; p < request.prompt.size(); ++p) {
        const bool wanted = p + 1 == request.prompt.size() || static_cast<int>(p) == request.sot_index;
        rows_.push_back(
            {static_cast<int>(i) * samples_, request.audio, static_cast<int>(p), request.prompt[p], wanted});
      }
    }
    const std::span<float> all = decoder_.forward(rows_);
    const size_t n_vocab = static_cast<size_t>(decoder_.n_vocab());
    std::vector<float> logits(n_vocab);
    size_t row = 0;
    for (size_t i = 0; i < windows.size(); ++i) {
      const WindowRequest& request = requests_[windows[i]];
      no_speech_.push_back(probability(rowwise_, all.subspan(row * n_vocab, n_vocab), tokenizer_.special().nospeech));
      if (static_cast<size_t>(request.sot_index) + 1 != request.prompt.size()) ++row;
      for (int s = 0; s < samples_; ++s) {
        const int number = static_cast<int>(i) * samples_;
        if (s > 0) decoder_.copy_sequence(number, number + s);
        sequences_.push_back({windows[i], s, {}, 0, false});
        std::ranges::copy(all.subspan(row * n_vocab, n_vocab), logits.begin());
        choose_from(logits, sequences_.back(), ranges_of(0));
      }
      ++row;
    }
  }

  // One more token for every sequence that has not ended.
  void step() {
    rows_.clear();
    open_.clear();
    for (size_t i = 0; i < sequences_.size(); ++i) {
      const Sequence& s = sequences_[i];
      if (s.done) continue;
      open_.push_back(i);
      const WindowRequest& request = requests_[s.window];
      const int position = static_cast<int>(request.prompt.size() + s.tokens.size()) - 1;
      rows_.push_back({static_cast<int>(i), request.audio, position, s.tokens.back(), true});
    }
    if (temperature_ > 0) {
      const std::span<float> logits = decoder_.forward(rows_);
      const size_t n_vocab = static_cast<size_t>(decoder_.n_vocab());
      ranges_of(open_.size() - 1);
      pool_.run(static_cast<int>(open_.size()), [&](int row, int) {
        const size_t r = static_cast<size_t>(row);
        choose_from(logits.subspan(n_vocab * r, n_vocab), sequences_[open_[r]], ranges_of(r));
      });
      return;
    }
    // The largest is known from the sums: no row of logits is written.
    selections_.clear();
    for (size_t r = 0; r < open_.size(); ++r)
      selections_.push_back(rules_.select(sequences_[open_[r]].tokens, ranges_of(r)));
    sums_.resize(open_.size());
    decoder_.forward_sums(rows_, selections_, sums_);
    for (size_t r = 0; r < open_.size(); ++r)
      take_token(sequences_[open_[r]], choose_largest(rules_.allowed(sums_[r])));
  }

  // The next token out of a whole row, in which what may not follow becomes -inf.
  void choose_from(std::span<float> logits, Sequence& s, std::vector<IdRange>& ranges) {
    const LogitSums sums = sum_row(rowwise_, logits, rules_.select(s.tokens, ranges));
    const rowwise::SoftmaxSums allowed = rules_.allowed(sums);
    if (temperature_ <= 0) return take_token(s, choose_largest(allowed));
    if (rules_.forces_times(sums)) {
      std::fill_n(logits.begin(), tokenizer_.special().timestamp_begin, -std::numeric_limits<float>::infinity());
    }
    const Draw draw{options_.seed, requests_[s.window].start, temperature_, static_cast<uint64_t>(s.sample),
                    s.tokens.size()};
    take_token(s, draw_token(logits, allowed, draw));
  }

  void take_token(Sequence& s, const Choice& choice) {
    const WindowRequest& request = requests_[s.window];
    s.sum_logprob += choice.logprob;
    if (choice.token == tokenizer_.special().eot) {
      s.done = true;
      return;
    }
    s.tokens.push_back(choice.token);
    const int total = static_cast<int>(request.prompt.size() + s.tokens.size());
    s.done = static_cast<int>(s.tokens.size()) >= options_.max_tokens || total > decoder_.n_text_ctx();
  }

  // Memory for what row r may not choose.
  std::vector<IdRange>& ranges_of(size_t r) {
    if (r >= ranges_.size()) ranges_.resize(r + 1);
    return ranges_[r];
  }

  // The sample with the highest log-probability a token.
  DecodedWindow best_of(size_t window) const {
    const Sequence* best = nullptr;
    double best_score = -std::numeric_limits<double>::infinity();
    for (int s = 0; s < samples_; ++s) {
      const Sequence& candidate = sequences_[window * static_cast<size_t>(samples_) + static_cast<size_t>(s)];
      const double score = candidate.sum_logprob / length_penalty(candidate.tokens.size());
      if (!best || score > best_score) {
        best = &candidate;
        best_score = score;
      }
    }
    DecodedWindow result;
    result.tokens = best->tokens;
    result.text = std::string(utf8::strip(tokenizer_.decode(best->tokens)));
    result.avg_logprob = best->sum_logprob / static_cast<double>(best->tokens.size() + 1);
    result.no_speech_prob = no_speech_[window];
    result.compression_ratio = compression_ratio(result.text);
    result.temperature = temperature_;
    return result;
  }

  // Google's NMT (Wu et al. 2016, equation 14), or the mean.
  double length_penalty(size_t length) const {
    const double n = static_cast<double>(std::max<size_t>(length, 1));
    return options_.length_penalty ? std::pow((5 + n) / 6, *options_.length_penalty) : n;
  }

  TextDecoder& decoder_;
  const Tokenizer& tokenizer_;
  const rowwise::Variant& rowwise_;
  ThreadPool& pool_;
  std::span<const WindowRequest> requests_;
  const DecodingOptions& options_;
  double temperature_;
  int samples_;
  std::vector<int> blank_;
  Rules rules_;
  std::vector<Sequence> sequences_;  // sample by sample, window by window
  std::vector<double> no_speech_;
  std::vector<DecoderRow> rows_;
  std::vector<size_t> open_;  // the sequence of each row
  std::vector<std::vector<IdRange>> ranges_;
  std::vector<Selection> selections_;
  std::vector<LogitSums> sums_;
};

bool repeats(const DecodedWindow& window, const DecodingOptions& options) {
  return options.compression_ratio_threshold && window.compression_ratio > *options.compression_ratio_threshold;
}

}  // namespace

bool needs_fallback(const DecodedWindow& window, const DecodingOptions& options) {
  const bool repeating = repeats(window, options);
  const bool unlikely = options.logprob_threshold && window.avg_logprob < *options.logprob_threshold;
  const bool silent = options.no_speech_threshold && window.no_speech_prob > *options.no_speech_threshold && unlikely;
  return (unlikely || repeating) && !silent;
}

std::vector<DecodedWindow> decode_windows(TextDecoder& decoder, const Tokenizer& tokenizer,
                                          const rowwise::Variant& rowwise, ThreadPool& pool,
                                          std::span<const WindowRequest> requests, const DecodingOptions& options) {
  std::vector<DecodedWindow> results(requests.size());
  std::vector<std::string> reasons(requests.size());
  std::vector<size_t> open(requests.size());
  for (size_t i = 0; i < open.size(); ++i) open[i] = i;
  for (size_t t = 0; t < options.temperatures.size() && !open.empty(); ++t) {
    Attempt attempt(decoder, tokenizer, rowwise, pool, requests, options, options.temperatures[t]);
    std::vector<DecodedWindow> decoded = attempt.run(open);
    std::vector<size_t> failed;
    for (size_t i = 0; i < open.size(); ++i) {
      decoded[i].attempts = static_cast<int>(t) + 1;
      if (t > 0) decoded[i].redone_because = reasons[open[i]];
      if (needs_fallback(decoded[i], options)) {
        failed.push_back(open[i]);
        if (t == 0) reasons[open[i]] = repeats(decoded[i], options) ? "compression_ratio" : "logprob";
      }
      results[open[i]] = std::move(decoded[i]);
    }
    open = std::move(failed);
  }
  return results;
}

LanguageGuess detect_language(TextDecoder& decoder, const Tokenizer& tokenizer, const rowwise::Variant& rowwise,
                              int audio, std::span<const std::string> allowed) {
  const SpecialTokens& special = tokenizer.special();
  const DecoderRow row{0, audio, 0, special.sot, true};
  const std::span<float> logits = decoder.forward({&row, 1});
  std::vector<float> languages;
  std::vector<std::string> codes;
  for (int i = 0; i < special.n_languages; ++i) {
    const std::string code(kLanguages[static_cast<size_t>(i)].code);
    if (!allowed.empty() && std::ranges::find(allowed, code) == allowed.end()) continue;
    codes.push_back(code);
    languages.push_back(logits[static_cast<size_t>(special.first_language + i)]);
  }
  LanguageGuess guess;
  const rowwise::SoftmaxSums sums = rowwise.softmax_sums(languages.data(), static_cast<int>(languages.size()));
  for (size_t i = 0; i < codes.size(); ++i) {
    guess.probabilities.emplace_back(codes[i], probability(rowwise, languages, static_cast<int>(i)));
  }
  if (!codes.empty()) guess.code = codes[static_cast<size_t>(sums.argmax)];
  return guess;
}

}  // namespace shorthand
