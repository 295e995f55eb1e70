// SPDX-License-Identifier: Apache-2.0
// Where the encoder runs. The decoder consumes exactly what a backend returns.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/encoder.h"
#include "npu/xrt/artefacts.h"

namespace shorthand {

// Which hardware did a stage of the work.
struct RanOn {
  std::string device = "cpu";  // "cpu", "npu:npu1", "npu-sim:npu1", ...
  std::string isa;             // the rung of the CPU; empty elsewhere
  bool simulated = false;
  double array_ms = 0;  // of a simulated array: what it would have taken, launches included, for all windows so far
};

class Backend {
 public:
  virtual ~Backend() = default;
  // mel: [2 * n_audio_ctx, n_mels], a row a frame. `out` must have been made for the model.
  virtual Result<void> encode(std::span<const float> mel, EncoderOutput& out) = 0;
  virtual RanOn ran_on() const = 0;
};

// `weights` and what `context` points to outlive the backend. The encoder's rows are not plain.
std::unique_ptr<Backend> make_cpu_backend(const Weights& weights, const Context& context);

// The encoder as one design on the simulated array `array` ("npu1", "npu2"), one window a launch: seconds to
// minutes of work for each. Plain encoder rows go to it as they are; mixed ones are unmixed and rounded a second time,
// and it is less exact (docs/npu.md). Errors: float32 weights, a shape that the array cannot hold. `weights` may go.
Result<std::unique_ptr<Backend>> make_npu_sim_backend(const Weights& weights, std::string_view array);

// What stands between this machine and `--device npu`, but for the artefacts, which are a model's.
struct NpuPresence {
  bool present = false, usable = false;  // the node is there; and it and the plugin can be used
  std::string what;                      // the node and the plugin, or why not
};
NpuPresence look_for_npu();

// The encoder on the array of this machine, from the artefacts of its design (docs/npu.md, "On hardware"). Errors: as
// above; node, plugin or artefacts are missing, or the artefacts are of another design, which the message says.
Result<std::unique_ptr<Backend>> make_npu_backend(const Weights& weights);

// What final.xclbin and insts.bin of a design are made from: what `shorthand npu build` writes and make_npu_backend()
// asks for. `mlir`: the design's text; `shape`: in words.
npu::ArtefactDescription describe_artefacts(const npu::Design& design, const npu::Device& device,
                                            std::string_view shape, std::string_view mlir);

}  // namespace shorthand
