// SPDX-License-Identifier: Apache-2.0
#include "base/thread_pool.h"

#include <immintrin.h>

#include <algorithm>

namespace shorthand {
namespace {

// A decoder step forks dozens of times within a millisecond; a sleeping thread would take longer to wake than to work.
// Spinning is bounded, so that an idle engine uses no processor time: about 50 us, then the kernel's futex.
constexpr int kSpins = 2000;

constexpr uint32_t kClosed = 0xffffffff;  // a part that no job has

template <class T>
void wait_while_equal(const std::atomic<T>& word, T old) {
  for (int i = 0; i < kSpins; ++i) {
    if (word.load(std::memory_order_acquire) != old) return;
    _mm_pause();
  }
  word.wait(old, std::memory_order_acquire);
}

}  // namespace

ThreadPool::ThreadPool(int threads) : ranges_(static_cast<size_t>(std::max(threads, 1))) {
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
  fork(parts, body);
}

void ThreadPool::fork(int parts, FunctionRef<void(int, int)> body) {
  if (workers_.empty() || parts <= 1) {
    for (int p = 0; p < parts; ++p) body(p, 0);
    return;
  }
  const uint64_t job = job_.load(std::memory_order_relaxed) + 1;  // written under turn_ only
  const auto count = static_cast<uint32_t>(parts);
  ticket_.store(job << 32 | kClosed);              // nothing may be claimed while the job is described
  parts_.store(count, std::memory_order_release);  // who reads it also sees the closed ticket
  body_.store(&body, std::memory_order_relaxed);
  done_.store(0, std::memory_order_relaxed);
  ticket_.store(job << 32, std::memory_order_release);
  job_.store(static_cast<uint32_t>(job), std::memory_order_release);
  job_.notify_all();
  take_parts(0);
  for (uint32_t done = done_.load(std::memory_order_acquire); done != count;
       done = done_.load(std::memory_order_acquire)) {
    wait_while_equal(done_, done);
  }
}

void ThreadPool::together(FunctionRef<void(Team&)> body) {
  const std::lock_guard lock(turn_);
  open_share(0);
  fork(size(), [&](int, int thread) {
    Team team(*this, thread);
    body(team);
  });
}

// Nothing of the share before is on its way.
void ThreadPool::open_share(uint32_t share) {
  shared_done_.store(0, std::memory_order_relaxed);
  for (Range& range : ranges_) range.ticket.store(uint64_t{share} << 32, std::memory_order_release);
  share_.store(share, std::memory_order_release);
}

void Team::share(int parts, FunctionRef<void(int)> body) {
  if (parts <= 0) return;
  const uint32_t share = share_++;
  const auto members = static_cast<uint64_t>(pool_.size()), count = static_cast<uint64_t>(parts);
  // Its own range, then what others have not come to yet.
  for (uint64_t i = 0; i < members; ++i) {
    const uint64_t r = (static_cast<uint64_t>(member_) + i) % members;
    const uint64_t first = r * count / members, n = (r + 1) * count / members - first;
    std::atomic<uint64_t>& next = pool_.ranges_[r].ticket;
    uint64_t ticket = next.load(std::memory_order_acquire);
    while (ticket >> 32 == share && (ticket & 0xffffffff) < n) {
      if (!next.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel)) continue;
      body(static_cast<int>(first + (ticket & 0xffffffff)));
      if (pool_.shared_done_.fetch_add(1, std::memory_order_acq_rel) + 1 == count) {
        pool_.open_share(share + 1);
        pool_.share_.notify_all();
        return;
      }
      ticket = next.load(std::memory_order_acquire);
    }
  }
  wait_while_equal(pool_.share_, share);
}

void ThreadPool::take_parts(int thread) {
  for (;;) {
    uint64_t ticket = ticket_.load(std::memory_order_acquire);
    const auto part = static_cast<uint32_t>(ticket);
    const uint32_t parts = parts_.load(std::memory_order_acquire);
    const auto* body = body_.load(std::memory_order_relaxed);
    if (part >= parts) return;
    if (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel)) continue;
    (*body)(static_cast<int>(part), thread);
    if (done_.fetch_add(1, std::memory_order_acq_rel) + 1 == parts) done_.notify_all();
  }
}

void ThreadPool::work(int thread) {
  uint32_t seen = 0;
  for (;;) {
    wait_while_equal(job_, seen);
    seen = job_.load(std::memory_order_acquire);
    if (stopping_.load(std::memory_order_relaxed)) return;
    take_parts(thread);
  }
}

}  // namespace shorthand
