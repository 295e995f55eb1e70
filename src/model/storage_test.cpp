// SPDX-License-Identifier: Apache-2.0
#include "model/storage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "model/half.h"
#include "support/test_data.h"

namespace shorthand {
namespace {

// What the standard says a binary16 means, in exact double arithmetic.
double meaning_of_half(uint16_t h) {
  const int exponent = h >> 10 & 31, fraction = h & 1023;
  const double sign = h & 0x8000 ? -1.0 : 1.0;
  return sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25));
}

TEST(HalfTest, EveryPatternMeansWhatTheStandardSays) {
  for (unsigned h = 0; h < 0x10000; ++h) {
    const float value = half_to_float(static_cast<uint16_t>(h));
    if ((h & 0x7c00) != 0x7c00) {
      ASSERT_EQ(static_cast<double>(value), meaning_of_half(static_cast<uint16_t>(h))) << h;
      ASSERT_EQ(std::signbit(value), (h & 0x8000) != 0) << h;
    } else if ((h & 0x3ff) == 0) {
      ASSERT_EQ(value, h & 0x8000 ? -INFINITY : INFINITY);
    } else {
      ASSERT_TRUE(std::isnan(value)) << h;
    }
  }
}

TEST(HalfTest, RoundsToTheNearestAndTiesToEven) {
  for (unsigned h = 0; h < 0x7bff; ++h) {
    const auto low = static_cast<uint16_t>(h), high = static_cast<uint16_t>(h + 1);
    const float a = half_to_float(low), b = half_to_float(high);
    ASSERT_EQ(float_to_half(a), low);
    ASSERT_EQ(float_to_half(-a), low | 0x8000);
    const auto middle = static_cast<float>((meaning_of_half(low) + meaning_of_half(high)) / 2);  // exact in float32
    ASSERT_EQ(float_to_half(middle), h % 2 == 0 ? low : high) << h;
    ASSERT_EQ(float_to_half(std::nextafter(middle, a)), low) << h;
    ASSERT_EQ(float_to_half(std::nextafter(middle, b)), high) << h;
  }
  EXPECT_EQ(float_to_half(65504.0f), 0x7bff);
  EXPECT_EQ(float_to_half(std::nextafter(65520.0f, 0.0f)), 0x7bff);
  EXPECT_EQ(float_to_half(65520.0f), 0x7c00);
  EXPECT_EQ(float_to_half(-INFINITY), 0xfc00);
  EXPECT_TRUE(std::isnan(half_to_float(float_to_half(NAN))));
  EXPECT_EQ(float_to_half(1e-30f), 0);
}

TEST(Bfloat16Test, IsTheUpperHalfRoundedToEven) {
  EXPECT_EQ(bfloat16_to_float(0x3fc0), 1.5f);
  EXPECT_EQ(float_to_bfloat16(1.5f), 0x3fc0);
  EXPECT_EQ(float_to_bfloat16(0x1.01p0f), 0x3f80);  // halfway to the next; even stays
  EXPECT_EQ(float_to_bfloat16(0x1.03p0f), 0x3f82);
  EXPECT_EQ(float_to_bfloat16(0x1.010002p0f), 0x3f81);
  EXPECT_TRUE(std::isnan(bfloat16_to_float(float_to_bfloat16(NAN))));
}

std::vector<std::byte> from_hex(const std::string& hex) {
  std::vector<std::byte> bytes;
  for (size_t i = 0; i < hex.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}
std::string to_hex(std::span<const std::byte> bytes) {
  std::string hex;
  for (std::byte b : bytes) {
    hex += "0123456789abcdef"[static_cast<int>(b) >> 4];
    hex += "0123456789abcdef"[static_cast<int>(b) & 15];
  }
  return hex;
}

struct Decoded {
  DType dtype;
  const char* hex;
  std::vector<float> values;
};

// Blocks of random bytes and what a NumPy program makes of them.
const std::vector<Decoded> kDecoded = {
    {DType::q8_0,
     "4c224307bb03d3274715d90601f92e9b5ce58e7aad4d131e116e91f5ac3dd718cf25",
     {0x1.a5e4p-1f,  0x1.60ap-4f,   -0x1.b27cp-1f, 0x1.2e4p-5f,   -0x1.1b5cp-1f, 0x1.eb28p-2f,  0x1.bf14p-1f,
      0x1.0878p-2f,  -0x1.eb28p-2f, 0x1.2e4p-4f,   0x1.93p-7f,    -0x1.60ap-4f,  0x1.21a8p-1f,  -0x1.3dfep+0f,
      0x1.21a8p+0f,  -0x1.5408p-2f, -0x1.66ecp+0f, 0x1.801cp+0f,  -0x1.0552p+0f, 0x1.e4dcp-1f,  0x1.de9p-3f,
      0x1.79dp-2f,   0x1.ac3p-3f,   0x1.5a54p+0f,  -0x1.5d7ap+0f, -0x1.151p-3f,  -0x1.0878p+0f, 0x1.801cp-1f,
      -0x1.022cp-1f, 0x1.2e4p-2f,   -0x1.348cp-1f, 0x1.d1f8p-2f}},
    {DType::q5_0,
     "4c226d6c85dbb67961ac966a9f13fa6dc43331215090",
     {0x1.2e4p-4f,  -0x1.60ap-4f, 0x1.93p-7f,  0x1.2e4p-3f,  -0x1.f7cp-4f, 0x1.f7cp-4f,  0x1.79dp-3f,  -0x1.477p-3f,
      -0x1.2e4p-4f, -0x1.2e4p-5f, 0x1.93p-5f,  0x1.2e4p-5f,  -0x1.79dp-3f, 0x1.93p-7f,   0x0p+0f,      -0x1.93p-3f,
      0x1.151p-3f,  -0x1.c56p-4f, 0x1.2e4p-4f, -0x1.2e4p-4f, -0x1.60ap-4f, -0x1.f7cp-4f, -0x1.60ap-4f, 0x1.93p-7f,
      0x1.79dp-3f,  0x1.2e4p-4f,  -0x1.93p-5f, 0x1.2e4p-5f,  0x1.2e4p-5f,  -0x1.60ap-3f, 0x1.f7cp-5f,  0x1.c56p-4f}},
    {DType::q5_1,
     "4c229ab5ea2fc4e641c1f7fe370797375ffc899c2c957708",
     {-0x1.59e8p-2f, -0x1.20dp-3f, -0x1.0e58p-2f, 0x1.35p-6f,    -0x1.0e58p-2f, -0x1.136p-4f, -0x1.136p-4f,
      -0x1.136p-4f,  0x1.fe8p-6f,  -0x1.78p-8f,   -0x1.5d4p-5f,  -0x1.78p-8f,   -0x1.9ecp-3f, -0x1.782p-4f,
      -0x1.0e58p-2f, -0x1.01cp-2f, -0x1.342p-2f,  -0x1.9ecp-3f,  0x1.fe8p-6f,   -0x1.533p-3f, -0x1.40b8p-2f,
      -0x1.668p-2f,  -0x1.5d4p-5f, -0x1.dcep-4f,  -0x1.2788p-2f, 0x1.fe8p-6f,   -0x1.c2p-5f,  -0x1.ea5p-3f,
      -0x1.4d5p-2f,  -0x1.5d4p-5f, -0x1.136p-4f,  -0x1.3ap-3f}},
    {DType::q4_0,
     "4c2205fcaf2c1c986533717a2771c2ee8258",
     {-0x1.2e4p-5f, 0x1.93p-5f,  0x1.60ap-4f,  0x1.93p-5f,   0x1.93p-5f,   0x0p+0f,     -0x1.2e4p-5f, -0x1.f7cp-5f,
      -0x1.60ap-4f, 0x1.93p-6f,  -0x1.93p-7f,  -0x1.60ap-4f, -0x1.2e4p-4f, 0x1.2e4p-4f, -0x1.2e4p-4f, 0x0p+0f,
      -0x1.93p-4f,  0x1.60ap-4f, 0x1.93p-6f,   -0x1.2e4p-4f, -0x1.60ap-4f, 0x1.93p-7f,  -0x1.93p-6f,  -0x1.f7cp-5f,
      -0x1.93p-7f,  -0x1.93p-7f, -0x1.2e4p-4f, -0x1.93p-7f,  0x1.93p-5f,   0x1.2e4p-4f, 0x0p+0f,      -0x1.2e4p-5f}},
    {DType::q4_1,
     "4c229ab5995d1cba8a5d0a78ee99c956876bf8e7",
     {-0x1.ea5p-3f,  -0x1.859p-3f,  -0x1.9ecp-3f,  -0x1.d12p-3f,  -0x1.d12p-3f,  -0x1.859p-3f,  -0x1.d12p-3f,
      -0x1.01cp-2f,  -0x1.6c6p-3f,  -0x1.ea5p-3f,  -0x1.ea5p-3f,  -0x1.1afp-2f,  -0x1.0e58p-2f, -0x1.b7fp-3f,
      -0x1.01cp-2f,  -0x1.0e58p-2f, -0x1.ea5p-3f,  -0x1.2788p-2f, -0x1.59e8p-2f, -0x1.b7fp-3f,  -0x1.01cp-2f,
      -0x1.2788p-2f, -0x1.668p-2f,  -0x1.0e58p-2f, -0x1.6c6p-3f,  -0x1.ea5p-3f,  -0x1.9ecp-3f,  -0x1.2788p-2f,
      -0x1.01cp-2f,  -0x1.1afp-2f,  -0x1.533p-3f,  -0x1.6c6p-3f}},
};

TEST(StorageTest, BlocksDecodeAsAnIndependentProgramDoes) {
  for (const Decoded& d : kDecoded) {
    const auto bytes = from_hex(d.hex);
    ASSERT_EQ(bytes.size(), block_bytes(d.dtype)) << dtype_name(d.dtype);
    ASSERT_EQ(d.values.size(), block_elements(d.dtype));
    std::vector<float> out(d.values.size());
    decode(d.dtype, bytes, out);
    EXPECT_EQ(out, d.values) << dtype_name(d.dtype);
  }
}

// Blocks of random bits and what the gguf package's reader makes of them: tests/oracle/make_fixtures.py.
TEST(StorageTest, KQuantsDecodeAsGgufDoes) {
  const auto cases = testing::repository_json("k_quants.json");
  for (const DType dtype : {DType::q2_K, DType::q3_K, DType::q4_K, DType::q5_K, DType::q6_K}) {
    const std::string name(dtype_name(dtype));
    const auto& expected = cases.at(name);
    const auto bytes = from_hex(expected["block"]);
    ASSERT_EQ(bytes.size(), block_bytes(dtype)) << name;
    ASSERT_EQ(block_elements(dtype), 256u);
    std::vector<float> out(256);
    decode(dtype, bytes, out);
    for (size_t i = 0; i < 256; ++i)
      ASSERT_EQ(out[i], std::strtof(expected["values"][i].get<std::string>().c_str(), nullptr)) << name << " " << i;
  }
}

const std::vector<float> kValues = {0x1.c02be4p-10f, 0x1.1679eep-4f,  0x1.f5a55p-5f,   -0x1.a20b26p-6f, -0x1.e83178p-7f,
                                    -0x1.b0087cp-6f, 0x1.d2b846p-6f,  -0x1.6f6c86p-9f, 0x1.31eca2p-5f,  -0x1.7a5506p-4f,
                                    0x1.40d446p-4f,  -0x1.3bfd28p-8f, 0x1.16aedap-5f,  -0x1.bf8024p-8f, -0x1.368ebcp-6f,
                                    0x1.7b613ep-6f,  0x1.51b882p-5f,  -0x1.4bd33p-7f,  -0x1.f4a656p-8f, 0x1.18dcb6p-5f,
                                    -0x1.647dd4p-5f, -0x1.36255p-4f,  0x1.4391b4p-6f,  -0x1.12a9ecp-5f, -0x1.894928p-4f,
                                    -0x1.4d6fb6p-5f, -0x1.7f0e5p-6f,  -0x1.e8bc5ap-5f, -0x1.31a818p-4f, 0x1.e03826p-10f,
                                    0x1.6f8368p-5f,  -0x1.7df6aep-7f};

// The same numbers as a NumPy program packs them by ggml's rules.
const std::vector<std::pair<DType, const char*>> kEncoded = {
    {DType::q8_0, "3212025a51deecdd26fc318668fa2df7e71f37f3f62dc69c1ad481cae1b19d023bf1"},
    {DType::q5_0, "251ec795496070ebfa6c9e3c35a00691cd6f460f7de4"},
    {DType::q5_1, "c21d25aec7bd4d6081fd0c7d9e4c56b108a1df6047109ef5"},
    {DType::q4_0, "2522b87e7db64726aa580b506f382b87c67a"},
    {DType::q4_1, "f32125aec87e8eb65726ab580b506f382b88c77a"},
};

TEST(StorageTest, BlocksEncodeAsAnIndependentProgramDoes) {
  for (const auto& [dtype, hex] : kEncoded) {
    std::vector<std::byte> out(block_bytes(dtype));
    encode(dtype, kValues, out);
    EXPECT_EQ(to_hex(out), hex) << dtype_name(dtype);
  }
}

TEST(StorageTest, EveryTypeComesBackWithinItsStep) {
  std::vector<float> in(256);
  for (size_t i = 0; i < in.size(); ++i) in[i] = std::sin(static_cast<float>(i) * 1.7f) * static_cast<float>(i % 7 + 1);
  const struct {
    DType dtype;
    float relative;  // to the block's largest magnitude; the min-max formats spread it over twice the range
  } cases[] = {
      {DType::f32, 0},           {DType::f16, 0x1p-11f},    {DType::bf16, 0x1p-8f},   {DType::q8_0, 0.51f / 127},
      {DType::q5_0, 1.02f / 16}, {DType::q5_1, 1.02f / 31}, {DType::q4_0, 1.02f / 8}, {DType::q4_1, 1.02f / 15}};
  for (const auto& c : cases) {
    std::vector<std::byte> bytes(stored_bytes(c.dtype, in.size()));
    std::vector<float> out(in.size());
    encode(c.dtype, in, bytes);
    decode(c.dtype, bytes, out);
    for (size_t block = 0; block < in.size(); block += 32) {
      float most = 0;
      for (size_t i = block; i < block + 32; ++i) most = std::max(most, std::fabs(in[i]));
      for (size_t i = block; i < block + 32; ++i)
        ASSERT_NEAR(out[i], in[i], most * (c.relative + 0x1p-10f * (c.relative > 0)))
            << dtype_name(c.dtype) << " " << i;
    }
  }
}

TEST(StorageTest, AllZerosStayZeros) {
  for (DType dtype : kAllDTypes) {
    const std::vector<float> zeros(32);
    std::vector<std::byte> bytes(stored_bytes(dtype, 32));
    std::vector<float> out(32, 1.0f);
    encode(dtype, zeros, bytes);
    decode(dtype, bytes, out);
    EXPECT_EQ(out, zeros) << dtype_name(dtype);
  }
}

TEST(StorageTest, NamesRoundTrip) {
  for (DType dtype : kAllDTypes) EXPECT_EQ(parse_dtype(dtype_name(dtype)), dtype);
  EXPECT_EQ(parse_dtype("q6_K"), std::nullopt);  // read, but not written
}

}  // namespace
}  // namespace shorthand
