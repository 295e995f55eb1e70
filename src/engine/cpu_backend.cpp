// SPDX-License-Identifier: Apache-2.0
#include "engine/backend.h"

namespace shorthand {
namespace {

class CpuBackend : public Backend {
 public:
  CpuBackend(const Weights& weights, const Context& context) : encoder_(weights, context), isa_(context.kernels->isa) {}

  Result<void> encode(std::span<const float> mel, EncoderOutput& out) override {
    encoder_.run(mel, out);
    return {};
  }
  RanOn ran_on() const override { return {"cpu", std::string(isa_name(isa_)), false}; }

 private:
  Encoder encoder_;
  Isa isa_;
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend(const Weights& weights, const Context& context) {
  return std::make_unique<CpuBackend>(weights, context);
}

}  // namespace shorthand
