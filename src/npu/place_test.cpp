// SPDX-License-Identifier: Apache-2.0
#include "npu/place.h"

#include <gtest/gtest.h>

namespace shorthand::npu {
namespace {
TEST(Device, Placeholder) { EXPECT_TRUE(find_device("npu1").ok()); }
}  // namespace
}  // namespace shorthand::npu
