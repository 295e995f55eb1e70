// SPDX-License-Identifier: Apache-2.0
// A small encoder with random weights and windows, and the folder that the toolchain would have made of it, with the
// stand-in's file in the place of the xclbin.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <fstream>
#include <string>
#include <vector>

#include "npu/check.h"
#include "npu/designs/encoder.h"
#include "npu/mlir/insts.h"
#include "npu/xrt/artefacts.h"
#include "support/arrays.h"
#include "support/process.h"

namespace shorthand::npu {

struct SmallEncoder {
  EncoderShape shape{.n_mels = 16, .n_ctx = 70, .d = 64, .heads = 1, .layers = 1};
  Device device = *find_device("npu1");
  PreparedEncoder prepared;
  testing::Random random{7};
  std::deque<std::vector<int8_t>> matrices;
  std::deque<std::vector<float>> floats;

  std::span<const float> some(int n, float low, float high) {
    std::vector<float>& v = floats.emplace_back();
    for (int i = 0; i < n; ++i) v.push_back(random.uniform(low, high));
    return v;
  }
  LinearWeights linear(int n, int k) {
    const float scale = 1 / 73.0f / std::sqrt(static_cast<float>(k));
    return {matrices.emplace_back(random.integers<int8_t>(static_cast<size_t>(n * k), -127, 127)),
            some(n, 0.5f * scale, 1.5f * scale), some(n, -0.1f, 0.1f)};
  }
  NormWeights norm(int d) { return {some(d, 0.5f, 1.5f), some(d, -0.2f, 0.2f)}; }

  SmallEncoder() {
    const int d = shape.d;
    const std::vector<LayerWeights> layers = {
        {norm(d), norm(d), linear(d, d), linear(d, d), linear(d, d), linear(d, d), linear(4 * d, d), linear(d, 4 * d)}};
    const EncoderWeights weights{linear(d, 3 * shape.n_mels), linear(d, 3 * d), some(shape.n_ctx * d, -1, 1), layers,
                                 norm(d)};
    prepared = *prepare_encoder(device, shape, {}, weights);
  }

  std::vector<float> mel() {
    const std::span<const float> m = some(2 * shape.n_ctx * shape.n_mels, -1, 1);
    return {m.begin(), m.end()};
  }
  Workload work() const {
    const auto [inputs, outputs] = encoder_transfers(device, shape);
    return {prepared.design, device, {{kEncoderWeights, prepared.weights}}, inputs, outputs};
  }
  std::vector<uint32_t> words() const {
    return *instructions(prepared.design, device, *check(prepared.design, device));
  }
  ArtefactDescription description() const {
    return {"encoder", "npu1", to_text(shape), "d1", std::string(kernel_sources_digest()), prepared.design.host};
  }
  void write_artefacts(const std::filesystem::path& folder) const {
    std::ofstream(folder / "artefacts.txt") << to_text(description());
    std::ofstream(folder / "final.xclbin") << fmt::format("xclbin2 MLIR_AIE npu1 {} {} {} {} {} 2\n", shape.n_mels,
                                                          shape.n_ctx, shape.d, shape.heads, shape.layers);
    const std::vector<uint32_t> all = words();
    std::ofstream(folder / "insts.bin", std::ios::binary)
        .write(reinterpret_cast<const char*>(all.data()), static_cast<std::streamsize>(all.size() * 4));
  }
};

}  // namespace shorthand::npu
