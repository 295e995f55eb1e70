// SPDX-License-Identifier: Apache-2.0
// ThreadPool: one fork and join over numbered parts, or over a whole pass that the threads walk through together.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace shorthand {

// A borrowed callable: two pointers, no allocation. The callable must outlive the call it is passed to.
template <class Signature>
class FunctionRef;
template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef>) FunctionRef(F&& f)  // NOLINT: implicit on purpose
      : object_(const_cast<void*>(static_cast<const void*>(&f))), call_([](void* object, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(static_cast<Args>(args)...);
        }) {}
  R operator()(Args... args) const { return call_(object_, static_cast<Args>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

class Team;

class ThreadPool {
 public:
  // `threads` in all, the caller of run() included; at least one.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(part, thread) for every part in [0, parts), each once, on whichever thread is free, and returns when all
  // are done. `thread` is in [0, size()) and no two calls with one number overlap: it names scratch memory. The body
  // must not throw and must not call run(). Calls from several threads take turns.
  void run(int parts, FunctionRef<void(int part, int thread)> body);

  // Calls body for every thread, and returns when all are done. All that it does, it does inside Team::share(), where
  // the threads meet for a fraction of what a fork and join costs. Same rules as run(); with shares, in the same order,
  // of the same numbers of parts, whoever calls it: a body that comes late, or after all others, finds its shares done.
  void together(FunctionRef<void(Team& team)> body);

 private:
  friend class Team;
  void fork(int parts, FunctionRef<void(int part, int thread)> body);
  void work(int thread);
  void take_parts(int thread);
  void open_share(uint32_t share);

  std::mutex turn_;  // one run() at a time
  std::vector<std::thread> workers_;
  // The present job. A part is claimed by raising the ticket from (job, part) to (job, part + 1); whoever succeeds has
  // read the parts and the body of that very job, and run() does not return before the claimed parts are done. So
  // nobody waits for a worker that comes too late to find any.
  std::atomic<uint64_t> ticket_{0};  // job << 32 | next part
  std::atomic<uint32_t> parts_{0};
  std::atomic<const FunctionRef<void(int, int)>*> body_{nullptr};
  std::atomic<uint32_t> done_{0};  // parts
  std::atomic<uint32_t> job_{0};   // counts jobs; workers wait for it to change
  std::atomic<bool> stopping_{false};
  // Of the present team. Each member has a range of the share's parts, claimed as tickets are, and goes to the others'
  // when its own is empty. Who does the last part of a share opens the next share.
  struct alignas(64) Range {
    std::atomic<uint64_t> ticket{0};  // share << 32 | parts claimed
  };
  std::vector<Range> ranges_;  // [size()]
  alignas(64) std::atomic<uint32_t> share_{0};
  alignas(64) std::atomic<uint32_t> shared_done_{0};
};

// The threads of a pool inside together(), as one of them sees them.
class Team {
 public:
  int member() const { return member_; }  // in [0, pool.size()): names scratch memory
  // Calls body(part) for every part in [0, parts), each once, and returns when all are done. A member begins with a
  // range of its own, the same in every share of as many parts, so that what it read before may still be in its caches;
  // then it takes what is left of the others'. Nobody waits for a member that has not come yet.
  void share(int parts, FunctionRef<void(int part)> body);

 private:
  friend class ThreadPool;
  Team(ThreadPool& pool, int member) : pool_(pool), member_(member) {}
  ThreadPool& pool_;
  int member_;
  uint32_t share_ = 0;
};

}  // namespace shorthand
