// SPDX-License-Identifier: Apache-2.0
// Kernels as the benchmark sees them: shapes from text files, each made ready, verified and run.
#pragma once

#include <functional>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/cpu.h"
#include "base/result.h"

namespace shorthand::bench {

// A line of bench/shapes/*.txt. Sizes by family:
//   gemm_i8, gemm_f32         m n k     flags: bias gelu residual streamed (weights come from memory, not from a cache)
//   attention, attention_f32  rows keys heads
//   attention_store           rows heads
//   layer_norm, quantise      rows n
//   softmax_sums              n
//   gelu                      rows n    the epilogue of gemm_i8 with GELU and nothing else
//   log_mel                   frames n_mels
struct Shape {
  std::string family, what;
  std::vector<int> sizes;
  bool bias = false, gelu = false, residual = false, streamed = false;

  std::string text() const;  // "gemm_i8 qkv 1500x1536x512"
};

// Errors: a family or a flag that does not exist, sizes missing or not positive; they name file and line.
Result<std::vector<Shape>> parse_shapes(std::string_view text, std::string_view name);

// The shapes that are part of the program: "base", ..., "report". Error: no such file.
Result<std::vector<Shape>> shapes_of(std::string_view name);

// A shape made ready for one variant.
struct KernelCase {
  double macs = 0;      // 0 where bytes are what counts
  double bytes = 0;     // read and written at the least; 0 where operations are what counts
  bool floats = false;  // judged against the float roof
  bool exact = true;    // verify() compares with scalar bit for bit; else within rounding
  std::function<bool()> verify;
  std::function<void()> run;
};

// None where the family has no variant of that rung.
std::vector<Isa> rungs_of(std::string_view family);
KernelCase make_case(const Shape& shape, Isa isa);

// A family's file makes its cases.
KernelCase make_gemm_i8(const Shape& shape, Isa isa);
KernelCase make_gelu(const Shape& shape, Isa isa);
KernelCase make_gemm_f32(const Shape& shape, Isa isa);
KernelCase make_attention(const Shape& shape, Isa isa);
KernelCase make_attention_f32(const Shape& shape, Isa isa);
KernelCase make_attention_store(const Shape& shape, Isa isa);
KernelCase make_layer_norm(const Shape& shape, Isa isa);
KernelCase make_quantise(const Shape& shape, Isa isa);
KernelCase make_softmax_sums(const Shape& shape, Isa isa);
KernelCase make_log_mel(const Shape& shape, Isa isa);

inline void fill(std::span<float> out, uint32_t seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  for (float& x : out) x = normal(engine);
}
template <class T>
void fill_integers(std::span<T> out, int lowest, int highest, uint32_t seed) {
  std::mt19937 engine(seed);
  std::uniform_int_distribution<int> uniform(lowest, highest);
  for (T& x : out) x = static_cast<T>(uniform(engine));
}

}  // namespace shorthand::bench
