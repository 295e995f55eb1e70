// SPDX-License-Identifier: Apache-2.0
#include "roofs.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "base/aligned.h"
#include "base/clock.h"
#include "roof_loops.h"

namespace shorthand::bench {
namespace {

// Wall seconds of body(thread) on `threads` threads that start together, the last to finish counting.
template <class Body>
double seconds_together(int threads, const Body& body) {
  std::atomic<int> ready{0};
  std::atomic<bool> go{false};
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t) {
    all.emplace_back([&, t] {
      ++ready;
      while (!go) std::this_thread::yield();
      body(t);
    });
  }
  while (ready < threads) std::this_thread::yield();
  const Stopwatch watch;
  go = true;
  for (std::thread& t : all) t.join();
  return watch.elapsed_ms() / 1000;
}

// The best of many short runs: a roof is what the machine can do, not what it did while others ran.
template <class Body>
double shortest(int runs, int threads, const Body& body) {
  double best = seconds_together(threads, body);
  for (int i = 1; i < runs; ++i) best = std::min(best, seconds_together(threads, body));
  return best;
}

double register_loop(void (*loop)(int, void*), double macs_a_step, int threads) {
  const int steps = std::max(1, static_cast<int>(2e9 / macs_a_step));  // some milliseconds
  const double seconds = shortest(12, threads, [&](int) {
    alignas(64) std::byte out[kChains * 64] = {};
    loop(steps, out);
    __asm__ volatile("" : : "r"(out) : "memory");
  });
  return macs_a_step * steps * threads / seconds;
}

double measured_macs(Isa isa, bool floats, int threads) {
  if (!isa_supported(isa)) return 0;
  switch (isa) {
    case Isa::amx:
      return floats ? register_loop(fma_zmm, kChains * 16, threads)
                    : register_loop(dot_tiles, 4 * 16 * 16 * 64, threads);
    case Isa::avx512vnni:
      return floats ? register_loop(fma_zmm, kChains * 16, threads) : register_loop(dot_zmm, kChains * 64, threads);
    case Isa::avxvnni:
      return floats ? register_loop(fma_ymm, kNarrowChains * 8, threads)
                    : register_loop(dot_ymm, kNarrowChains * 32, threads);
    case Isa::avx2:
      return floats ? register_loop(fma_ymm, kNarrowChains * 8, threads)
                    : register_loop(madd_ymm, kNarrowChains * 16, threads);
    case Isa::scalar: return 0;
  }
  return 0;
}

}  // namespace

double Roofs::int8_macs(Isa isa, int threads) {
  double& known = macs_[{2 * static_cast<int>(isa), threads}];
  if (known == 0) known = measured_macs(isa, false, threads);
  return known;
}

double Roofs::float_macs(Isa isa, int threads) {
  double& known = macs_[{2 * static_cast<int>(isa) + 1, threads}];
  if (known == 0) known = measured_macs(isa, true, threads);
  return known;
}

double Roofs::read_bytes(size_t buffer_bytes, int threads) {
  double& known = reads_[{buffer_bytes, threads}];
  if (known != 0 || !isa_supported(Isa::avx2)) return known;
  AlignedBuffer<std::byte> buffer(buffer_bytes);
  std::ranges::fill(buffer.span(), std::byte{1});  // pages of zeros may all be one page
  const size_t part = buffer_bytes / static_cast<size_t>(threads) / 128 * 128;
  const int turns = static_cast<int>(std::clamp<size_t>((size_t{64} << 20) / buffer_bytes, 1, 4096));  // start costs
  const int runs = static_cast<int>(std::clamp<size_t>((size_t{2} << 30) / buffer_bytes, 6, 12));
  const double seconds = shortest(runs, threads, [&](int t) {
    alignas(64) std::byte out[4 * 32];
    for (int i = 0; i < turns; ++i) {
      read_ymm(buffer.data() + static_cast<size_t>(t) * part, part, out);
      __asm__ volatile("" : : "r"(out) : "memory");  // the sums are wanted, and the buffer may have changed
    }
  });
  return known = static_cast<double>(part) * threads * turns / seconds;
}

Work work_of(const Config& c) {
  const double d = c.n_audio_state, positions = c.n_audio_ctx, dt = c.n_text_state;
  const double stem = 2 * positions * d * 3 * c.n_mels + positions * d * 3 * d;
  const double layer = 12 * d * d * positions + 2 * positions * positions * d;
  const double cross = 2 * dt * d * positions * c.n_text_layer;
  const double weights = 14 * dt * dt * c.n_text_layer + dt * c.n_vocab;
  const double cross_keys = 2 * positions * dt * c.n_text_layer;
  return {2 * (stem + layer * c.n_audio_layer + cross), 2 * (weights + cross_keys), weights, cross_keys};
}

double roof_ms(const Work& work, int windows, int tokens_a_window, int batch, double int8_macs, double read_bytes) {
  const double ops = windows * (work.encoder_ops + tokens_a_window * work.token_ops);
  const double batches = static_cast<double>((windows + batch - 1) / batch);
  const double bytes = tokens_a_window * (batches * work.weight_bytes + windows * work.cross_bytes);
  return 1000 * (ops / (2 * int8_macs) + bytes / read_bytes);
}

}  // namespace shorthand::bench
