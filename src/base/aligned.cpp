// SPDX-License-Identifier: Apache-2.0
#include "base/aligned.h"

#include <sys/mman.h>

namespace shorthand {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

}  // namespace

void* allocate_zeroed(size_t bytes) {
  // What is read front to back in every step costs a walk of the page table for every 4 KiB otherwise. A wish: a
  // system without huge pages, or with none left, gives small ones. The rest after the last whole one stays small.
  const size_t huge = bytes / kHugePage * kHugePage, size = round_up(bytes, kAlignment);
  // Not aligned_alloc: of whole huge pages, up to 2 MiB behind the end would be nobody's, and no check would miss them.
  void* p = nullptr;
  if (posix_memalign(&p, huge > 0 ? kHugePage : kAlignment, size) != 0) throw std::bad_alloc();
  if (huge > 0) madvise(p, huge, MADV_HUGEPAGE);
  __builtin_memset(p, 0, size);
  return p;
}

}  // namespace shorthand
