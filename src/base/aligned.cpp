// SPDX-License-Identifier: Apache-2.0
#include "base/aligned.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, bytes) ((void)(p), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(p, bytes) ((void)(p), (void)(bytes))
#endif

namespace shorthand {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kPage = size_t{4} << 10;
#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kGuard = kPage;  // poisoned, behind the end
#else
constexpr size_t kGuard = 0;
#endif

// From the system itself, which gives zeros page by page as they are touched: a session is planned for the most that
// may come, and what never comes takes no memory.
void* map_zeroed(size_t bytes) {
  const size_t size = round_up(bytes, kPage) + kGuard, all = size + kHugePage;
  void* mapped = mmap(nullptr, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  auto* begin = static_cast<std::byte*>(mapped);
  const size_t before = round_up(reinterpret_cast<uintptr_t>(begin), kHugePage) - reinterpret_cast<uintptr_t>(begin);
  if (before > 0) munmap(begin, before);
  std::byte* p = begin + before;
  munmap(p + size, all - before - size);
  // What is read front to back in every step costs a walk of the page table for every 4 KiB otherwise. A wish: a
  // system without huge pages, or with none left, gives small ones. The rest after the last whole one stays small.
  madvise(p, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
  const size_t used = round_up(bytes, kAlignment);
  ASAN_POISON_MEMORY_REGION(p + used, size - used);
  return p;
}

}  // namespace

void* allocate_zeroed(size_t bytes) {
  if (bytes >= kHugePage) return map_zeroed(bytes);
  const size_t size = round_up(bytes, kAlignment);
  void* p = std::aligned_alloc(kAlignment, size);
  if (p == nullptr) throw std::bad_alloc();
  return std::memset(p, 0, size);
}

void free_zeroed(void* p, size_t bytes) {
  if (bytes < kHugePage) return std::free(p);
  const size_t size = round_up(bytes, kPage) + kGuard;
  ASAN_UNPOISON_MEMORY_REGION(p, size);
  munmap(p, size);
}

}  // namespace shorthand
