// SPDX-License-Identifier: Apache-2.0
#include "base/thread_pool.h"

#include <immintrin.h>

#include <algorithm>

namespace shorthand {
namespace {

// A decoder step forks dozens of times within a millisecond; a sleeping thread would take longer to wake than to work.
// Spinning is bounded, so that an idle engine uses no processor time: about 50 us, then the kernel's futex.
constexpr int kSpins = 2000;

template <class T>
void wait_while_equal(const std::atomic<T>& word, T old) {
  for (int i = 0; i < kSpins; ++i) {
    if (word.load(std::memory_order_acquire) != old) return;
    _mm_pause();
  }
  word.wait(old, std::memory_order_acquire);
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  for (int i = 1; i < std::max(threads, 1); ++i) workers_.emplace_back([this, i] { work(i); });
}

ThreadPool::~ThreadPool() {
  stopping_.store(true, std::memory_order_relaxed);
  job_.fetch_add(1, std::memory_order_release);
  job_.notify_all();
  for (std::thread& t : workers_) t.join();
}

void ThreadPool::run(int parts, FunctionRef<void(int, int)> body) {
  const std::lock_guard lock(turn_);
  if (workers_.empty() || parts <= 1) {
    for (int p = 0; p < parts; ++p) body(p, 0);
    return;
  }
  body_ = &body;
  parts_ = parts;
  next_part_.store(0, std::memory_order_relaxed);
  running_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  job_.fetch_add(1, std::memory_order_release);
  job_.notify_all();
  take_parts(0);
  // Every worker has to leave the job before its description may be written again.
  for (int left = running_.load(std::memory_order_acquire); left != 0;
       left = running_.load(std::memory_order_acquire)) {
    wait_while_equal(running_, left);
  }
}

void ThreadPool::take_parts(int thread) {
  for (int p = next_part_.fetch_add(1, std::memory_order_relaxed); p < parts_;
       p = next_part_.fetch_add(1, std::memory_order_relaxed)) {
    (*body_)(p, thread);
  }
}

void ThreadPool::work(int thread) {
  uint32_t seen = 0;
  for (;;) {
    wait_while_equal(job_, seen);
    seen = job_.load(std::memory_order_acquire);
    if (stopping_.load(std::memory_order_relaxed)) return;
    take_parts(thread);
    if (running_.fetch_sub(1, std::memory_order_acq_rel) == 1) running_.notify_all();
  }
}

}  // namespace shorthand
