// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "base/aligned.h"
#include "base/byte_reader.h"
#include "base/cpu.h"
#include "base/file.h"
#include "base/result.h"
#include "base/thread_pool.h"

namespace shorthand {
namespace {

namespace fs = std::filesystem;

struct TemporaryDirectory {
  fs::path path = fs::temp_directory_path() / ("shorthand-base-test-" + std::to_string(getpid()));
  TemporaryDirectory() { fs::create_directories(path); }
  ~TemporaryDirectory() { fs::remove_all(path); }
};

Result<int> half(int n) {
  if (n % 2) return bad_input("odd");
  return n / 2;
}
Result<int> quarter(int n) { return SHORTHAND_TRY(half(SHORTHAND_TRY(half(n)))); }

TEST(ResultTest, TryReturnsTheValueOrTheFirstError) {
  EXPECT_EQ(*quarter(12), 3);
  EXPECT_EQ(quarter(6).error().message, "odd");
}

TEST(ThreadPoolTest, EveryPartRunsOnceAndNoThreadNumberOverlaps) {
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    ASSERT_EQ(pool.size(), threads);
    for (int parts : {0, 1, 2, 3, 64, 1000}) {
      std::vector<std::atomic<int>> calls(static_cast<size_t>(parts));
      std::vector<std::atomic<int>> inside(static_cast<size_t>(threads));
      std::atomic<bool> overlap = false;
      pool.run(parts, [&](int part, int thread) {
        if (inside[static_cast<size_t>(thread)].fetch_add(1) != 0) overlap = true;
        calls[static_cast<size_t>(part)].fetch_add(1);
        inside[static_cast<size_t>(thread)].fetch_sub(1);
      });
      for (const auto& c : calls) EXPECT_EQ(c.load(), 1);
      EXPECT_FALSE(overlap.load());
    }
  }
}

// Jobs so short that most workers come too late: each must find its own job's parts, or none.
TEST(ThreadPoolTest, LateWorkersTakeNoPartOfAnotherJob) {
  ThreadPool pool(5);
  std::mt19937 random(1);
  for (int job = 0; job < 20000; ++job) {
    const int parts = 2 + static_cast<int>(random() % 7);
    std::array<std::atomic<int>, 8> calls{};
    std::atomic<bool> stranger = false;
    pool.run(parts, [&, job](int part, int) {
      if (part >= parts) stranger = true;
      calls[static_cast<size_t>(part)].fetch_add(1 + job);
    });
    ASSERT_FALSE(stranger);
    for (int p = 0; p < parts; ++p) ASSERT_EQ(calls[static_cast<size_t>(p)].load(), 1 + job);
  }
}

TEST(ThreadPoolTest, CallersFromSeveralThreadsTakeTurns) {
  ThreadPool pool(3);
  std::atomic<int> total = 0;
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      for (int i = 0; i < 200; ++i) pool.run(7, [&](int, int) { total.fetch_add(1); });
    });
  }
  for (auto& t : callers) t.join();
  EXPECT_EQ(total.load(), 4 * 200 * 7);
}

// Each share begins when the one before it is done, whatever threads do between: some come late, some very late.
TEST(ThreadPoolTest, ATeamSharesOutOneThingAfterAnother) {
  constexpr int kShares = 40;
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (int pass = 0; pass < 300; ++pass) {
      std::array<std::atomic<int>, kShares * 8> calls{};
      std::array<std::atomic<int>, kShares> done{};
      std::vector<std::atomic<int>> inside(static_cast<size_t>(threads));
      std::atomic<int> early = 0, overlap = 0;
      const auto parts_of = [&](int share) { return (share * 7 + pass) % 9; };
      pool.together([&](Team& team) {
        if (pass % 10 == 0 && team.member() == 1) std::this_thread::sleep_for(std::chrono::microseconds(300));
        for (int share = 0; share < kShares; ++share) {
          team.share(parts_of(share), [&](int part) {
            auto& here = inside[static_cast<size_t>(team.member())];
            if (here.fetch_add(1) != 0) ++overlap;
            for (int before = 0; before < share; ++before) {
              if (done[static_cast<size_t>(before)].load() != parts_of(before)) ++early;
            }
            calls[static_cast<size_t>(share * 8 + part)].fetch_add(1);
            done[static_cast<size_t>(share)].fetch_add(1);
            here.fetch_sub(1);
          });
        }
      });
      EXPECT_EQ(early.load(), 0);
      EXPECT_EQ(overlap.load(), 0);
      for (int share = 0; share < kShares; ++share) {
        for (int part = 0; part < 8; ++part)
          ASSERT_EQ(calls[static_cast<size_t>(share * 8 + part)].load(), part < parts_of(share));
      }
    }
  }
}

// Each part waits until all are at work, so that nobody can take another's.
TEST(ThreadPoolTest, AMemberOfATeamBeginsWithItsOwnParts) {
  constexpr int kMembers = 3;
  ThreadPool pool(kMembers);
  for (int pass = 0; pass < 50; ++pass) {
    std::array<std::atomic<int>, 2> come{};
    std::array<std::array<int, kMembers>, 2> member_of{};
    pool.together([&](Team& team) {
      for (size_t share = 0; share < 2; ++share) {
        team.share(kMembers, [&](int part) {
          member_of[share][static_cast<size_t>(part)] = team.member();
          come[share].fetch_add(1);
          while (come[share].load() < kMembers) std::this_thread::yield();
        });
      }
    });
    EXPECT_THAT(member_of[0], testing::ElementsAre(0, 1, 2));
    EXPECT_THAT(member_of[1], testing::ElementsAre(0, 1, 2));
  }
}

// Plain memory, as a decoder's: each share reads what the one before wrote, and writes over what that one read.
TEST(ThreadPoolTest, ASharesResultsAreTheNextOnesInputs) {
  constexpr int kParts = 7, kShares = 20;
  using Cells = std::array<uint64_t, kParts>;
  const auto cell = [](const Cells& from, int part) {
    return std::accumulate(from.begin(), from.end(), uint64_t{1}) * static_cast<uint64_t>(2 * part + 3);
  };
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (uint64_t pass = 0; pass < 300; ++pass) {
      std::array<Cells, 2> have{}, want{};
      have[0].fill(pass), want[0].fill(pass);
      pool.together([&](Team& team) {
        for (size_t share = 0; share < kShares; ++share)
          team.share(kParts, [&](int p) { have[(share + 1) % 2][static_cast<size_t>(p)] = cell(have[share % 2], p); });
      });
      for (size_t share = 0; share < kShares; ++share) {
        for (int p = 0; p < kParts; ++p) want[(share + 1) % 2][static_cast<size_t>(p)] = cell(want[share % 2], p);
      }
      ASSERT_EQ(have, want);
    }
  }
}

TEST(ThreadPoolTest, TeamsAndRunsOfSeveralCallersTakeTurns) {
  ThreadPool pool(3);
  std::atomic<int> total = 0;
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        pool.run(7, [&](int, int) { total.fetch_add(1); });
        pool.together([&](Team& team) {
          for (int share = 0; share < 3; ++share) team.share(5, [&](int) { total.fetch_add(1); });
        });
      }
    });
  }
  for (auto& t : callers) t.join();
  EXPECT_EQ(total.load(), 4 * 200 * (7 + 15));
}

TEST(ByteReaderTest, NeverReadsPastTheEnd) {
  const std::vector<unsigned char> raw = {0x01, 0x02, 0x03, 0x04, 0xff};
  ByteReader r(std::as_bytes(std::span(raw)));
  EXPECT_EQ(r.read<uint32_t>(), 0x04030201u);
  EXPECT_EQ(r.read<uint16_t>(), 0u);  // one byte is left
  EXPECT_TRUE(r.failed());
  EXPECT_EQ(r.read<uint8_t>(), 0u);  // failure sticks
  EXPECT_TRUE(r.take(SIZE_MAX).empty());
}

TEST(MappedFileTest, RefusesWhatIsNotAFileWithBytes) {
  TemporaryDirectory dir;
  EXPECT_EQ(MappedFile::open(dir.path / "none").error().kind, Error::Kind::not_found);
  EXPECT_THAT(MappedFile::open(dir.path).error().message, testing::HasSubstr("is a directory"));
  std::ofstream(dir.path / "empty");
  EXPECT_THAT(MappedFile::open(dir.path / "empty").error().message, testing::HasSubstr("empty"));
  EXPECT_FALSE(MappedFile::open("/dev/zero").ok());
  std::ofstream(dir.path / "five") << "12345";
  EXPECT_EQ(MappedFile::open(dir.path / "five")->bytes().size(), 5u);
}

TEST(AtomicFileTest, AppearsWholeOrNotAtAll) {
  TemporaryDirectory dir;
  const fs::path target = dir.path / "out.txt";
  std::ofstream(target) << "before";
  {
    auto file = AtomicFile::create(target);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->write("half of it").ok());
  }
  EXPECT_EQ(*read_text_file(target, 100), "before");
  ASSERT_TRUE(write_file(target, "after").ok());
  EXPECT_EQ(*read_text_file(target, 100), "after");
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path), fs::directory_iterator()), 1);
}

TEST(AtomicFileTest, AFullDeviceIsAnError) {
  const auto written = write_file("/dev/full", "text");
  ASSERT_FALSE(written.ok());
  EXPECT_THAT(written.error().message, testing::HasSubstr("no space left"));
}

TEST(CpuTest, TheLadderIsConsistent) {
  std::set<std::string_view> names;
  for (Isa isa : kAllIsas) {
    EXPECT_EQ(*parse_isa(isa_name(isa)), isa);
    names.insert(isa_name(isa));
  }
  EXPECT_EQ(names.size(), kAllIsas.size());
  EXPECT_TRUE(isa_supported(Isa::scalar));
  EXPECT_TRUE(isa_supported(best_isa()));
  EXPECT_EQ(parse_isa("sse9").error().kind, Error::Kind::usage);
  EXPECT_GE(physical_cores(), 1);
}

TEST(AlignedBufferTest, IsAlignedAndZeroed) {
  const AlignedBuffer<int> b(17);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(b.data()) % kAlignment, 0u);
  EXPECT_EQ(std::accumulate(b.span().begin(), b.span().end(), 0), 0);
}

// What nobody has written takes no memory.
TEST(AlignedBufferTest, IsNotResidentWhereItIsLargeAndUntouched) {
  AlignedBuffer<std::byte> b(size_t{16} << 20);
  const auto resident_bytes = [&] {
    std::vector<unsigned char> pages(b.size() / 4096);
    EXPECT_EQ(mincore(b.data(), b.size(), pages.data()), 0);
    return 4096 * static_cast<size_t>(std::ranges::count_if(pages, [](unsigned char page) { return page & 1; }));
  };
  EXPECT_EQ(resident_bytes(), 0u);
  b[size_t{5} << 20] = std::byte{1};
  EXPECT_GE(resident_bytes(), 4096u);
  EXPECT_LE(resident_bytes(), size_t{2} << 20);
}

#if defined(__SANITIZE_ADDRESS__)
// A sanitizer sees who leaves a buffer, in huge pages too.
TEST(AlignedBufferTest, EndsWhereItsLastCacheLineEnds) {
  for (size_t size : {17, (2 << 20) - 1, 2 << 20, (5 << 19) + 1}) {
    const AlignedBuffer<char> b(size);
    EXPECT_FALSE(__asan_address_is_poisoned(b.data() + size - 1)) << size;
    EXPECT_TRUE(__asan_address_is_poisoned(b.data() + round_up(size, kAlignment))) << size;
  }
}
#endif

}  // namespace
}  // namespace shorthand
