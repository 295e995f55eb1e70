// SPDX-License-Identifier: Apache-2.0
// The AIE source of relay against what each kernel must do, element by element, on zero-mean data.
#include <gtest/gtest.h>

#include <aie_api/aie.hpp>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/attention/aie2.h"
#include "kernels/gemm_i8/aie2.h"
#include "kernels/relay/aie2.h"
#include "kernels/rowwise/aie2.h"
#include "npu/kernels/call.h"
#include "npu/kernels/layouts.h"
#include "support/arrays.h"

namespace shorthand::npu {
namespace {

using npu::testing::Buffer;
using npu::testing::call;
using shorthand::testing::Random;

size_t at(int n) { return static_cast<size_t>(n); }

std::vector<bfloat16> halves(Random& random, int n, float sigma = 1.0f) {
  std::vector<bfloat16> v;
  for (float x : random.floats(at(n), sigma)) v.push_back(bfloat16(x));
  return v;
}

// A buffer that holds something else everywhere, so that what is not written shows.
Buffer<float> strange_floats(int n) { return Buffer<float>(at(n), -7777.0f); }
Buffer<int8_t> strange_bytes(int n) { return Buffer<int8_t>(at(n), 85); }

constexpr int kWidths[] = {64, 128, 448, 512, 576, 1280};

TEST(RelayAie, KeepsAQuery) {
  Random random(1);
  Buffer<int8_t> object(random.integers<int8_t>(kRelayObject)), q = strange_bytes(kRelayObject);
  call("keep_query", {object.bytes(), q.bytes()});
  EXPECT_EQ(q.values(), object.values());
  EXPECT_TRUE(q.untouched());
}

TEST(RelayAie, FindsScalesTogetherAndInPieces) {
  Random random(2);
  Buffer<float> object(random.floats(kRelayObject / 4));
  for (int index : {0, 1}) {
    Buffer<float> pieces = strange_floats(128);
    call("gather_scales", {object.bytes(), pieces.bytes()}, {index});
    for (int r = 0; r < 64; ++r) {
      EXPECT_EQ(pieces[at(64 * index + r)], object[at(r / 4 * 64 + r % 4)]) << r;
      EXPECT_EQ(pieces[at(64 * (1 - index) + r)], -7777.0f) << r;
    }
    EXPECT_TRUE(pieces.untouched());
  }
  for (int row = 0; row < 4; ++row) {
    Buffer<float> copied = strange_floats(64);
    call("copy_scales", {object.bytes(), copied.bytes()}, {row});
    for (int r = 0; r < 64; ++r) EXPECT_EQ(copied[at(r)], object[at(row * 256 + r)]) << r;
    EXPECT_TRUE(copied.untouched());
  }
}

// What products keep beside their sums: an epilogue's own, and the rows' maxima.
struct Rows : Buffer<int16_t> {
  explicit Rows(const std::vector<float>& maxima) : Buffer<int16_t>(at(kRelayRows / 2), 0x5555) {
    std::copy(maxima.begin(), maxima.end(), this->maxima());
  }
  float* maxima() { return reinterpret_cast<float*>(data() + kEpilogueRows); }
};

TEST(RelayAie, ClearsTheFirstRowOfTheFirstTiles) {
  Random random(3);
  const std::vector<bfloat16> values = halves(random, 64 * 64);
  const std::vector<float> maxima = random.floats(64);
  for (int index : {0, 1, 5}) {
    Buffer<bfloat16> tile(values);
    Rows rows(maxima);
    call("clear_first", {tile.bytes(), rows.bytes()}, {index});
    for (int r = 0; r < 64; ++r) {
      for (int c = 0; c < 64; ++c) {
        const size_t i = block_offset(r, c, 64, 4, 8);
        ASSERT_EQ(tile[i].bits, r == 0 && index == 0 ? 0 : values[i].bits) << index << ": " << r << ", " << c;
      }
      EXPECT_EQ(rows.maxima()[r], r == 0 && index == 0 ? 0.0f : maxima[at(r)]) << index << ": " << r;
    }
    EXPECT_TRUE(tile.untouched() && rows.untouched());
    call("product_begin", {rows.bytes()});
    EXPECT_EQ(std::count(rows.maxima(), rows.maxima() + 64, 0.0f), 64);
    EXPECT_EQ(std::count(rows.data(), rows.data() + kEpilogueRows, 0x5555), kEpilogueRows);
    EXPECT_TRUE(rows.untouched());
  }
}

// Objects of pieces of `parts` cores' rows, of which `part` is the one that is looked at.
struct Part {
  int part, parts;
};
constexpr Part kParts[] = {{0, 1}, {1, 2}, {2, 4}, {3, 4}, {6, 8}};

// Pieces of objects to rows: element [r, c] of a piece stands in block c / 8.
TEST(RelayAie, PiecesBecomeFloatRows) {
  Random random(4);
  for (int width : kWidths) {
    for (const auto [part, parts] : kParts) {
      const int tiles = 8 / parts;
      Buffer<float> rows = strange_floats(4 * width);
      std::vector<std::vector<bfloat16>> objects;
      for (int i = 0; i < (width / 64 + tiles - 1) / tiles; ++i) {
        objects.push_back(halves(random, kRelayObject / 2));
        Buffer<bfloat16> object(objects.back());
        call("rows_of", {object.bytes(), rows.bytes()}, {i % 2, (i - i % 2) * tiles, part, parts, tiles, width});
      }
      for (int r = 0; r < 4; ++r) {
        for (int c = 0; c < width; ++c) {
          const int tile = c / 64, piece = tile % tiles * parts + part;
          const bfloat16 want = objects[at(tile / tiles)][at(piece * 256) + block_offset(r, c % 64, 64, 4, 8)];
          ASSERT_EQ(rows[at(r * width + c)], static_cast<float>(want)) << width << ": " << r << ", " << c;
        }
      }
      EXPECT_TRUE(rows.untouched());
    }
  }
}

// x += result in objects of unlike numbers of tiles; other parts, and what is beyond the width, are larger.
struct Stream {
  int width, along, down, along_part, down_part;
  std::vector<float> x, result;  // [4, width], as the pieces hold them
  std::vector<std::vector<int16_t>> x_objects;
  std::vector<std::vector<bfloat16>> result_objects;

  Stream(Random& random, int w, Part a, Part d)
      : width(w),
        along(8 / a.parts),
        down(8 / d.parts),
        along_part(a.part),
        down_part(d.part),
        x(at(4 * w)),
        result(x) {
    const int tiles = (width / 64 + std::max(along, down) - 1) / std::max(along, down) * std::max(along, down);
    for (int o = 0; o < tiles / along; ++o) result_objects.push_back(halves(random, kRelayObject / 2, 1000.0f));
    x_objects.assign(at(tiles / down), std::vector<int16_t>(kRelayObject / 2, 32767));
    for (int t = 0; t < width / 64; ++t) {
      std::vector<float> tile = random.floats(4 * 64);
      for (int i = 0; i < 256; ++i) tile[at(i)] *= std::ldexp(t == 0 ? 50.0f : 1.0f, 3 * (i / 64));
      if (t % 3 == 1) std::fill_n(tile.begin() + 64, 64, 0.0f);
      int16_t piece[256];
      pack_stream(tile.data(), 64, piece);
      unpack_stream(piece, 64, tile.data());
      for (int h = 0; h < 2; ++h) {
        std::copy_n(piece + 128 * h, 128,
                    x_objects[at(t / down)].data() + ((t % down * 2 + h) * d.parts + d.part) * 128);
      }
      const std::vector<bfloat16> added = halves(random, 256, 0.5f);
      std::copy_n(added.data(), 256, result_objects[at(t / along)].data() + (t % along * a.parts + a.part) * 256);
      for (int r = 0; r < 4; ++r) {
        for (int c = 0; c < 64; ++c) {
          x[at(r * width + t * 64 + c)] = tile[at(r * 64 + c)];
          result[at(r * width + t * 64 + c)] = added[block_offset(r, c, 64, 4, 8)];
        }
      }
    }
  }
  // Tiles [first, end) through the kernel.
  void add(Buffer<float>& rows, Buffer<int16_t>& out, Buffer<float>& state, int first, int end, int slot, int behind) {
    const int few = std::min(along, down), many = std::max(along, down);
    for (int t = first; t < end; t += few) {
      Buffer<bfloat16> r(result_objects[at(t / along)]);
      Buffer<int16_t> stream(x_objects[at(t / down)]);
      call("add_result", {r.bytes(), stream.bytes(), rows.bytes(), out.bytes(), state.bytes()},
           {(t - first) % many / few, (t - first) / many, first, slot, behind, along_part, down_part, along, down,
            width});
    }
  }
};

TEST(RelayAie, ResultsAreAddedToTheStream) {
  Random random(4);
  for (int width : {64, 128, 448, 512, 576, 1280}) {
    for (const auto& [a, d] : {std::pair{Part{3, 4}, Part{2, 4}}, {Part{0, 1}, Part{1, 4}}, {Part{6, 8}, Part{0, 4}}}) {
      Stream s(random, width, a, d);
      constexpr int kSlot = 1, kBehind = 3;
      Buffer<float> rows = strange_floats(4 * width), state = strange_floats(64);
      Buffer<int16_t> out(at((kBehind + 8 * kSlot) * 256 + 4 * width), 85);
      s.add(rows, out, state, 0, std::min(16, width / 64), kSlot, kBehind);
      s.add(rows, out, state, 16, width / 64, kSlot, kBehind);
      std::vector<double> sums(32);
      std::vector<int16_t> most(32);
      for (int r = 0; r < 4; ++r) {
        for (int c = 0; c < width; ++c) {
          const float want = s.x[at(r * width + c)] + s.result[at(r * width + c)];
          const size_t i = at(c / 64 * 256) + block_offset(r, c % 64, 64, 4, 8), lane = at(r * 8 + c % 8);
          ASSERT_EQ(rows[i], want) << width << ": " << r << ", " << c;
          sums[lane] += want;
          most[lane] = std::max(most[lane], static_cast<int16_t>(std::bit_cast<uint32_t>(std::fabs(want)) >> 16));
        }
      }
      const int16_t* kept = reinterpret_cast<int16_t*>(state.data() + 32);
      for (size_t i = 0; i < 32; ++i) {
        ASSERT_NEAR(state[i], sums[i], 1e-6 * std::fabs(sums[i]) + 2e-2) << i;
        ASSERT_EQ(kept[i], most[i]) << i;
      }
      for (int t = 0; t < width / 64; ++t) {
        float tile[4 * 64];
        unpack_stream(out.data() + (kBehind + 8 * kSlot + t) * 256, 64, tile);
        for (int r = 0; r < 4; ++r) {
          const auto want = [&](int c) {
            return s.x[at(r * width + t * 64 + c)] + s.result[at(r * width + t * 64 + c)];
          };
          double largest = 0;
          for (int c = 0; c < 64; ++c) largest = std::max(largest, static_cast<double>(std::fabs(want(c))));
          for (int c = 0; c < 64; ++c)
            ASSERT_NEAR(tile[r * 64 + c], want(c), largest * std::ldexp(1.01, c < 8 ? -14 : -15)) << t << ", " << c;
        }
      }
      for (int i = 0; i < (kBehind + 8 * kSlot) * 256; ++i) ASSERT_EQ(out[at(i)], 85);
      for (size_t i = 48; i < 64; ++i) ASSERT_EQ(state[i], -7777.0f);
      EXPECT_TRUE(rows.untouched() && out.untouched() && state.untouched());
    }
  }
}

// The stream keeps what it holds when nothing is added, and what is added comes back without bias.
TEST(RelayAie, TheStreamKeepsWhatItHolds) {
  Random random(5);
  Stream s(random, 512, {0, 1}, {0, 4});
  for (auto& o : s.result_objects) std::fill(o.begin(), o.end(), bfloat16(0.0f));
  Buffer<float> rows(4 * 512), state(64);
  Buffer<int16_t> out(4 * 512);
  s.add(rows, out, state, 0, 8, 0, 0);
  for (int t = 0; t < 8; ++t) {
    float tile[4 * 64];
    unpack_stream(out.data() + t * 256, 64, tile);
    for (int r = 0; r < 4; ++r) {
      for (int c = 0; c < 64; ++c) ASSERT_EQ(tile[r * 64 + c], s.x[at(r * 512 + t * 64 + c)]) << t << ": " << r;
    }
  }
}

TEST(RelayAie, ParametersLandInTheirPlaces) {
  Random random(6);
  for (int width : kWidths) {
    const std::vector<int16_t> sent = random.integers<int16_t>(2 * 2048);
    Buffer<int16_t> parameters(2 * kNormState + layer_norm_words(width), 85);
    for (int i = 0; i < 2; ++i) {
      Buffer<int16_t> object(std::vector<int16_t>(sent.begin() + i * 2048, sent.begin() + (i + 1) * 2048));
      call("copy_parameters", {object.bytes(), parameters.bytes()}, {i, width});
    }
    for (size_t i = 0; i < parameters.size(); ++i)
      ASSERT_EQ(parameters[i], i < 2 * kNormState ? 85 : sent[i - 2 * kNormState]) << width << ": " << i;
    EXPECT_TRUE(parameters.untouched());
  }
}

TEST(RelayAie, QuantisedRowsGatherAsPiecesAndTheirScalesApart) {
  Random random(7);
  for (int width : kWidths) {
    for (int together : {1, 2, 4}) {
      const int first = 256, index = together - 1, batch = 3;
      if (4 * width > kRelayResult / together) continue;
      Buffer<int8_t> q(random.integers<int8_t>(at(4 * width))), out = strange_bytes(first + kRelayResult);
      Buffer<float> scales(random.floats(64)), kept = strange_floats(64);
      call("keep_quantised", {q.bytes(), scales.bytes(), out.bytes(), kept.bytes()},
           {first, index, batch, together, width});
      std::vector<int8_t> want(at(first + kRelayResult), 85);
      const int begin = first + index * kRelayResult / together;
      for (int r = 0; r < 4; ++r) {
        for (int c = 0; c < width; ++c) want[at(begin) + block_offset(r, c, width, 4, 8)] = q[at(r * width + c)];
      }
      EXPECT_EQ(out.values(), want) << width << ", " << together;
      for (int i = 0; i < 64; ++i) {
        const int from = i - 4 * (batch * together + index);
        EXPECT_EQ(kept[at(i)], from >= 0 && from < 4 ? scales[at(from)] : -7777.0f) << together << ": " << i;
      }
      EXPECT_TRUE(out.untouched() && kept.untouched());
    }
  }
}

TEST(RelayAie, WhatWasGatheredLeaves) {
  Random random(12);
  Buffer<int8_t> rows(random.integers<int8_t>(3 * kRelayResult)), out = strange_bytes(kRelayResult);
  call("send_kept", {rows.bytes(), out.bytes()}, {1024});
  for (int i = 0; i < kRelayResult; ++i) ASSERT_EQ(out[at(i)], rows[at(1024 + i)]) << i;
  Buffer<float> kept(random.floats(32 * 4)), scales = strange_floats(kRelayResult / 4);
  call("send_scales", {kept.bytes(), scales.bytes()});
  for (int i = 0; i < kRelayResult / 4; ++i) {
    ASSERT_EQ(scales[at(i)], i % 64 < 4 ? kept[at(i / 64 * 4 + i % 64)] : -7777.0f) << i;
  }
  EXPECT_TRUE(out.untouched() && scales.untouched());
}

// The bits of layer_norm_i8, which rowwise_test.cpp holds to the formula, in their places; and the rows as floats.
TEST(RelayAie, NormalRowsLandInTheirPlaces) {
  Random random(13);
  for (int width : {64, 512, 1280}) {
    const std::vector<float> x = random.floats(at(4 * width), 3.0f), gamma = random.floats(at(width)),
                             beta = random.floats(at(width)), sums = random.floats(64);
    Buffer<int16_t> parameters(layer_norm_words(width));
    pack_layer_norm(gamma, beta, parameters.data());
    for (int together : {1, 2, 4}) {
      if (4 * width > kRelayResult / together) continue;
      Buffer<float> one(x), other(x), state(sums), same(at(kNormState + layer_norm_words(width) / 2)), scales(4),
          kept = strange_floats(128);
      std::fill_n(reinterpret_cast<int16_t*>(state.data() + 32), 32, int16_t{0x4100});  // below 9
      std::copy_n(state.data(), kNormState, same.data());
      std::memcpy(same.data() + kNormState, parameters.data(), 2 * layer_norm_words(width));
      Buffer<int8_t> q(at(4 * width)), out = strange_bytes(64 + kRelayResult);
      call("layer_norm_i8", {one.bytes(), parameters.bytes(), state.bytes(), q.bytes(), scales.bytes()}, {width});
      const int each = together > 1 ? 2 : 1, slot = together - 1;
      call("layer_norm_pieces", {other.bytes(), same.bytes(), out.bytes(), kept.bytes()},
           {64, slot % each, slot / each, each, 3, together, width});
      EXPECT_EQ(std::memcmp(other.data(), one.data(), at(16 * width)), 0);
      for (size_t i = 0; i < kNormState; ++i) ASSERT_EQ(same[i], state[i]) << i;
      EXPECT_EQ(std::memcmp(same.data() + kNormState, parameters.data(), 2 * layer_norm_words(width)), 0);
      for (int i = 0; i < 64 + kRelayResult; ++i) {
        const int from = i - 64 - slot * kRelayResult / together;
        ASSERT_EQ(out[at(i)], from >= 0 && from < 4 * width ? q[at(from)] : 85) << together << ": " << i;
      }
      for (int i = 0; i < 128; ++i) {
        const int from = i - 4 * (3 * together + slot);
        ASSERT_EQ(kept[at(i)], from >= 0 && from < 4 ? scales[at(from)] : -7777.0f) << together << ": " << i;
      }
      EXPECT_TRUE(other.untouched() && out.untouched() && kept.untouched());
      const auto* y = reinterpret_cast<const int16_t*>(one.data());
      for (int o = 0; o < width / 512 + 2; ++o) {
        Buffer<float> sent = strange_floats(2048);
        call("send_normal", {one.bytes(), state.bytes(), sent.bytes()}, {o, width});
        for (int i = 0; i < 2048; ++i) {
          const float want = o * 2048 + i < 4 * width ? std::ldexp(y[o * 2048 + i] * state[0], -14) : -7777.0f;
          ASSERT_EQ(sent[at(i)], want) << width << ": " << o << ", " << i;
        }
        EXPECT_TRUE(sent.untouched());
      }
    }
  }
}

// Four rows of `width` in objects of `parts` cores' rows; other parts, and what is beyond the width, are larger.
struct Pieces {
  int part, parts, tiles;
  std::vector<std::vector<bfloat16>> objects;
  std::vector<bfloat16> rows;  // of the part alone, tile after tile
  double largest[4] = {};
  Pieces(Random& random, int width, Part p) : part(p.part), parts(p.parts), tiles(8 / p.parts) {
    for (int o = 0; o < (width / 64 + tiles - 1) / tiles; ++o) {
      objects.push_back(halves(random, kRelayObject / 2));
      for (int i = 0; i < 2048; ++i) {
        const int r = i % 32 / 8, piece = i / 256, tile = o * tiles + piece / parts;
        const bool own = piece % parts == part && tile < width / 64;
        bfloat16& v = objects.back()[at(i)];
        if (r == 2) v = bfloat16(0.0f);
        v = bfloat16(static_cast<float>(v) * std::ldexp(1.0f, 5 * r - 9));
        if (!own) v = bfloat16(100 * std::ldexp(1.0f, 5 * r - 9));
        if (piece % parts == part) rows.push_back(v);
        if (own) largest[r] = std::max(largest[r], std::fabs(static_cast<double>(static_cast<float>(v))));
      }
    }
  }
};

// The rows, of which some come by another way than the first, and the state.
void keep(const Pieces& pieces, Buffer<bfloat16>& rows, Buffer<int16_t>& state, int width) {
  for (size_t o = 0; o < pieces.objects.size(); ++o) {
    Buffer<bfloat16> object(pieces.objects[o]);
    const auto index = static_cast<int32_t>(o / 2), first = (static_cast<int32_t>(o) - index) * pieces.tiles;
    call("keep_pieces", {object.bytes(), rows.bytes(), state.bytes()},
         {index, first, pieces.part, pieces.tiles, width});
  }
}

TEST(RelayAie, ScalesAreThoseOfTheLargestOverAllObjects) {
  Random random(8);
  for (int width : {64, 256, 512, 2048, 2112, 5120}) {
    for (const Part p : kParts) {
      const Pieces pieces(random, width, p);
      Buffer<int16_t> state(kRelayState, 0x7f00);
      Buffer<bfloat16> rows(at(4 * width));
      keep(pieces, rows, state, width);
      for (int i = 0; i < 4 * width; ++i) ASSERT_EQ(rows[at(i)].bits, pieces.rows[at(i)].bits) << width << ": " << i;
      Buffer<float> kept = strange_floats(64);
      call("keep_scales", {state.bytes(), kept.bytes()}, {1, 2, 4});
      for (int i = 0; i < 64; ++i) {
        const int r = i - 4 * 9;
        if (r >= 0 && r < 4) {
          const double want = pieces.largest[r] / 127;
          EXPECT_NEAR(kept[at(i)], want, 1e-4 * want) << width << ", row " << r;
        } else {
          ASSERT_EQ(kept[at(i)], -7777.0f) << i;
        }
      }
      EXPECT_TRUE(rows.untouched() && state.untouched() && kept.untouched());
    }
  }
}

// Both forms, against half a step and what the factor errs by.
TEST(RelayAie, PiecesAreQuantisedByTheirRowsLargest) {
  Random random(9);
  for (int width : {64, 512, 576, 2560}) {
    for (const Part p : kParts) {
      const Pieces pieces(random, width, p);
      Buffer<int16_t> state(kRelayState);
      Buffer<bfloat16> rows(at(4 * width));
      keep(pieces, rows, state, width);
      std::vector<int8_t> all;
      for (int result = 0; result < (width + 2047) / 2048; ++result) {
        Buffer<int8_t> out = strange_bytes(2 * kRelayResult);
        call("quantise_kept", {rows.bytes(), state.bytes(), out.bytes()}, {result, 1, 8, 3, width});
        const int n = std::min(4 * width - result * kRelayResult, kRelayResult);
        for (int i = 0; i < 2 * kRelayResult; ++i) {
          const bool own = i >= 11 * 256 && i < 11 * 256 + n;
          ASSERT_TRUE(own || out[at(i)] == 85) << i;
        }
        all.insert(all.end(), out.data() + 11 * 256, out.data() + 11 * 256 + n);
        EXPECT_TRUE(out.untouched());
      }
      int most[4] = {};
      for (int i = 0; i < 4 * width; ++i) {
        const int r = i % 32 / 8;
        const double y = static_cast<float>(pieces.rows[at(i)]);
        const double exact = pieces.largest[r] > 0 ? y * 127 / pieces.largest[r] : 0;
        ASSERT_NEAR(all[at(i)], exact, 0.5 + 127 * std::ldexp(1.0, -13)) << width << ": " << i;
        most[r] = std::max(most[r], std::abs(static_cast<int>(all[at(i)])));
      }
      for (int r = 0; r < 4; ++r) EXPECT_EQ(most[r], r == 2 ? 0 : 127);
      Buffer<bfloat16> steps(64);
      call("find_steps", {state.bytes(), steps.bytes()});
      EXPECT_TRUE(steps.untouched());
      for (size_t o = 0; o < pieces.objects.size(); ++o) {  // two at a time, four apart
        const auto index = static_cast<int32_t>(o % 2);
        Buffer<int8_t> out = strange_bytes(2 * kRelayResult);
        Buffer<bfloat16> object(pieces.objects[o]);
        call("quantise_pieces", {object.bytes(), steps.bytes(), out.bytes()},
             {index, 1, 4, 1, 2, pieces.part, pieces.tiles});
        const int first = (16 + 2 + 4 + index * pieces.tiles) * 256;
        for (int i = 0; i < 2 * kRelayResult; ++i) {
          const int from = i - first, of_row = from + static_cast<int>(o) * pieces.tiles * 256;
          if (from < 0 || from >= pieces.tiles * 256) {
            ASSERT_EQ(out[at(i)], 85) << i;
          } else if (of_row < 4 * width) {
            ASSERT_EQ(out[at(i)], all[at(of_row)]) << width << ": " << o << ", " << i;
          }
        }
        EXPECT_TRUE(out.untouched());
      }
    }
  }
}

// Maxima of tiles, in sets, make the state that the rows themselves make.
TEST(RelayAie, MaximaOfTilesAreThoseOfTheirRows) {
  Random random(15);
  for (int sets : {1, 4, 16, 24}) {
    constexpr int kMaximaBlocks = 3;
    Buffer<float> maxima = strange_floats(64 * kMaximaBlocks);
    std::vector<float> want(64 * kMaximaBlocks);
    for (int block = 0; block < kMaximaBlocks; ++block) {
      for (int index = 0; index < (sets + 15) / 16; ++index) {
        Buffer<float> object(at(kRelayObject / 4), 1e9f);
        for (int s = 0; s < std::min(16, sets - 16 * index); ++s) {
          std::vector<float> row_max = random.floats(64);
          for (float& x : row_max) x = std::fabs(x);
          Buffer<float> out = strange_floats(kRelayResult / 4);
          call("send_maxima", {Rows(row_max).bytes(), out.bytes()});
          for (int i = 0; i < kRelayResult / 4; ++i) ASSERT_EQ(out[at(i)], i < 64 ? row_max[at(i)] : -7777.0f);
          std::copy_n(out.data(), 64, object.data() + 64 * s);
          for (int r = 0; r < 64; ++r) want[at(64 * block + r)] = std::max(want[at(64 * block + r)], row_max[at(r)]);
        }
        call("join_maxima", {object.bytes(), maxima.bytes()}, {index, block, sets});
      }
    }
    EXPECT_EQ(maxima.values(), want) << sets;
    EXPECT_TRUE(maxima.untouched());
    for (const auto [index, part, parts] : {std::array{0, 0, 4}, {11, 3, 4}, {2, 7, 8}, {40, 0, 1}}) {
      Buffer<int16_t> state(kRelayState, 0x7f00);
      call("recall_maxima", {maxima.bytes(), state.bytes()}, {index, part, parts});
      for (int i = 0; i < 32; ++i) {
        const bfloat16 rounded(want[at(4 * (index * parts + part) + i / 8)]);
        ASSERT_EQ(static_cast<uint16_t>(state[at(i)]), rounded.bits) << sets << ": " << i;
      }
      EXPECT_TRUE(state.untouched());
    }
  }
}

// A tile leaves as what the epilogue makes of the same sums; a head as its scales, together, and its int8 tile.
TEST(RelayAie, TilesLeaveAsTheirEpiloguesMakeThem) {
  Random random(10);
  const std::vector<int32_t> values = random.integers<int32_t>(64 * 64, -90000, 90000);
  const std::vector<float> maxima(64, 0.25f);
  Buffer<float> scales(random.floats(128));
  for (size_t r = 0; r < 128; ++r) scales[r] = std::fabs(scales[r]);
  Buffer<std::byte> columns(columns_bytes(64));
  pack_columns(std::vector<float>(64, 1e-4f), random.floats(64), columns.data());
  Buffer<int16_t> own(kEpilogueRows);
  for (int kind : {kProductPlain, kProductGelu, kProductHead}) {
    for (int index : {0, 1}) {
      Buffer<int32_t> sums(values), same(values);
      Rows rows(maxima);
      Buffer<int8_t> out = strange_bytes(kRelayResult), want = strange_bytes(kRelayResult);
      Buffer<float> most(maxima);
      call("product_end", {sums.bytes(), columns.bytes(), scales.bytes(), rows.bytes(), out.bytes()}, {kind, index});
      std::byte* const of_rows = scales.bytes() + 256 * index;
      if (kind == kProductHead) {
        call("epilogue_head_i8_64x64", {same.bytes(), columns.bytes(), of_rows, want.bytes(), own.bytes()});
      } else {
        call(kind == kProductGelu ? "epilogue_gelu_bf16_64x64" : "epilogue_bf16_64x64",
             {same.bytes(), columns.bytes(), of_rows, want.bytes(), most.bytes(), own.bytes()});
      }
      EXPECT_EQ(out.values(), want.values());
      EXPECT_EQ(std::memcmp(rows.maxima(), most.bytes(), 256), 0);
      EXPECT_EQ(std::count(sums.data(), sums.data() + 64 * 64, 0), 64 * 64);
      EXPECT_TRUE(out.untouched() && rows.untouched() && sums.untouched());
    }
  }
}

// 64 queries against tiles of keys of which the last has padding, at most of all but one key.
TEST(RelayAie, AttentionMasksWhatIsBeyondThePositions) {
  Random random(11);
  const std::vector<int8_t> q = random.integers<int8_t>(64 * 64, -127, 127);
  const std::vector<int8_t> k = random.integers<int8_t>(128 * 64, -127, 127);
  const std::vector<float> v = random.floats(128 * 64);
  const float scale = 0.01f;
  struct Case {
    int positions, row, together;
  };
  for (const auto [positions, row, together] : {Case{100, 0, 2}, Case{65, 3, 1}, Case{1, 1, 4}, Case{128, 2, 4}}) {
    Buffer<float> sums(64 * 64), q_scales(64, scale);  // zeros, as the last head or product leaves them
    Buffer<int16_t> work(at(kAttentionWork), 0x4242);
    Buffer<float> head = strange_floats(kRelayHead / 4);
    Buffer<int8_t> kept = strange_bytes(kRelayObject);
    Buffer<int8_t> queries(to_blocks<int8_t>(q, 64, 64, 4, 8));
    call("keep_query", {queries.bytes(), kept.bytes()});
    Buffer<bfloat16> out(64 * 64);
    call("attention_begin", {q_scales.bytes(), work.bytes(), head.bytes()});
    const int tiles = (positions + 63) / 64;
    for (int b = 0; b < tiles; ++b) {
      std::vector<bfloat16> values;
      for (int i = 0; i < 64 * 64; ++i) values.push_back(bfloat16(v[at(b * 4096 + i)]));
      std::vector<int16_t> factors(kRelayObject / 2, 32767);  // those of other rows and tiles, and of what is padding
      pack_key_scales(std::vector<float>(at(std::min(64, positions - 64 * b)), scale),
                      factors.data() + (row * 4 + b % together) * 128);
      Buffer<int8_t> keys(to_blocks<int8_t>({k.data() + b * 4096, 4096}, 64, 64, 4, 8));
      Buffer<bfloat16> tile(to_blocks<bfloat16>(values, 64, 64, 4, 8));
      Buffer<int16_t> k_factors(factors);
      call("attention_scores", {keys.bytes(), k_factors.bytes(), kept.bytes(), work.bytes()},
           {row, b % together, b / together, together, positions});
      call("attention_weights", {work.bytes(), head.bytes()}, {b % together, b / together, together, positions});
      for (int half : {0, 1})
        call("attention_values_64x32", {work.bytes(), tile.bytes() + half * 4096, sums.bytes()}, {half});
    }
    call("attention_end", {sums.bytes(), head.bytes(), out.bytes()});
    EXPECT_TRUE(sums.untouched() && work.untouched() && head.untouched() && kept.untouched());
    EXPECT_EQ(std::count(sums.data(), sums.data() + 64 * 64, 0.0f), 64 * 64);
    double error = 0, power = 0;
    for (int r = 0; r < 64; ++r) {
      std::vector<double> weights;
      double sum = 0;
      for (int j = 0; j < positions; ++j) {
        double dot = 0;
        for (int i = 0; i < 64; ++i) dot += q[at(r * 64 + i)] * k[at(j * 64 + i)];
        weights.push_back(std::exp(dot * scale * scale / 8));
        sum += weights.back();
      }
      for (int c = 0; c < 64; ++c) {
        double want = 0;
        for (int j = 0; j < positions; ++j) want += weights[at(j)] / sum * v[at(j * 64 + c)];
        error += std::pow(static_cast<float>(out[block_offset(r, c, 64, 4, 8)]) - want, 2);
        power += want * want;
      }
    }
    EXPECT_LT(std::sqrt(error / power), 0.01) << positions;
  }
}

}  // namespace
}  // namespace shorthand::npu
