// SPDX-License-Identifier: Apache-2.0
// Data against plain loops, and the report's own sums.
#include <gtest/gtest.h>

#include "npu/test_designs.h"

namespace shorthand::npu {
namespace {

const Device kNpu1 = *find_device("npu1");

TEST(Sim, CopiesThroughTheArray) {
  for (bool relays : {false, true}) {
    const Design d = *Copy{.through_relays = relays}.build();
    std::vector<std::vector<std::byte>> host{random_bytes(8 * 1024, 1), std::vector<std::byte>(8 * 1024)};
    const SimReport r = run(d, kNpu1, {}, host);
    EXPECT_EQ(host[0], host[1]);
    EXPECT_EQ(r.bytes_read, 8 * 1024);
    EXPECT_EQ(r.bytes_written, 8 * 1024);
    puts(to_text(r, kNpu1).c_str());
  }
}

}  // namespace
}  // namespace shorthand::npu
