// SPDX-License-Identifier: Apache-2.0
#include "npu/designs/encoder_kernels.h"

#include <aie_api/types.hpp>
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/attention/aie2.h"
#include "kernels/gemm_i8/aie2.h"
#include "npu/kernels/aie_kernels.h"

namespace shorthand::npu {
namespace {

using Numbers = std::span<const int32_t>;

template <class T>
T* as(const KernelCall& c, size_t i) {
  return reinterpret_cast<T*>(c.buffers[i]);
}

template <int bytes>
int64_t copying(Generation, Numbers) {
  return 20 + bytes / 32;
}
int64_t cycles_of(std::string_view name, Generation g, Numbers n = {}) { return find_aie_kernel(name)->cycles(g, n); }

void gather_scales(const KernelCall& c) {
  for (int r = 0; r < 64; ++r) as<float>(c, 1)[r] = as<float>(c, 0)[r / 4 * 64 + r % 4];
}

void copy_query(const KernelCall& c) {
  const bool scales = c.numbers[0] == 0;
  std::memcpy(c.buffers[scales ? 2 : 1], c.buffers[0], scales ? 256 : kObjectBytes);
}
int64_t query_cycles(Generation, Numbers n) { return 20 + (n[0] == 0 ? 256 : kObjectBytes) / 32; }
void copy_scales(const KernelCall& c) { std::memcpy(c.buffers[1], c.buffers[0], 256); }

void copy_value(const KernelCall& c) {
  std::memcpy(c.buffers[1] + c.numbers[0] * kObjectBytes, c.buffers[0], kObjectBytes);
}

// Where the state of an online softmax lies: behind its sums.
int32_t* state_of(const KernelCall& c, int buffer) { return as<int32_t>(c, buffer) + kAttentionSums; }
void begin(const KernelCall& c) { attention_begin_64x64(as<float>(c, 0), state_of(c, 0)); }
int64_t begin_cycles(Generation g, Numbers) { return 10 + cycles_of("attention_begin_64x64", g); }

int32_t valid_of(Numbers n) { return std::clamp(n[1] - 64 * n[0], 1, 64); }
void step(const KernelCall& c) {
  attention_step_64x64(as<int8_t>(c, 0), as<float>(c, 1), as<int8_t>(c, 2), as<float>(c, 3), as<bfloat16>(c, 4),
                       as<float>(c, 5), state_of(c, 5), as<int16_t>(c, 6), valid_of(c.numbers));
}
int64_t step_cycles(Generation g, Numbers n) {
  const int32_t valid = valid_of(n);
  return 10 + cycles_of("attention_step_64x64", g, {&valid, 1});
}

void clear_first(const KernelCall& c) {
  for (int block = 0; block < 8 && c.numbers[0] < c.numbers[1]; ++block) std::memset(c.buffers[0] + block * 64, 0, 16);
}

void quantise_head(const KernelCall& c) {
  quantise_bf16_64x64(as<bfloat16>(c, 0), as<float>(c, 1), reinterpret_cast<int8_t*>(c.buffers[2] + kObjectBytes),
                      as<float>(c, 2));
}
int64_t head_cycles(Generation g, Numbers) { return 10 + cycles_of("quantise_bf16_64x64", g); }

void rows_of(const KernelCall& c) {
  const auto* in = as<bfloat16>(c, 0);
  const int width = c.numbers[1];
  for (int i = 0; i < 2048; ++i) {  // 64 blocks of 4 x 8
    const int column = c.numbers[0] * 512 + i / 32 * 8 + i % 8;
    if (column < width) as<float>(c, 1)[i % 32 / 8 * width + column] = static_cast<float>(in[i]);
  }
}

void add_rows(const KernelCall& c) {
  const int first = c.numbers[0] * 1024;
  for (int i = 0; i < std::min(1024, 4 * c.numbers[1] - first); ++i) as<float>(c, 1)[first + i] += as<float>(c, 0)[i];
}

// Two vectors and the reciprocal of the width; what is beyond is not copied.
void copy_parameters(const KernelCall& c) {
  const int first = c.numbers[0] * kObjectBytes;
  std::memcpy(c.buffers[1] + first, c.buffers[0],
              static_cast<size_t>(std::clamp((2 * c.numbers[1] + 16) * 4 - first, 0, kObjectBytes)));
}

void send_rows(const KernelCall& c) {
  const int first = c.numbers[0] * 2048;
  const int n = std::clamp(4 * c.numbers[1] - first, 0, 2048);
  std::copy_n(as<float>(c, 0) + first, n, as<float>(c, 1));
  std::fill_n(as<float>(c, 1) + n, 2048 - n, 0.0f);
}

void send_quantised(const KernelCall& c) {
  const auto* q = as<int8_t>(c, 0);
  const int width = c.numbers[0];
  for (int i = 0; i < 4 * width; ++i) as<int8_t>(c, 2)[i] = q[i % 32 / 8 * width + i / 32 * 8 + i % 8];
  std::memcpy(c.buffers[2] + 4 * width, c.buffers[1], 16);
}
int64_t send_quantised_cycles(Generation, Numbers n) { return 30 + 4 * n[0] / 32 * 3; }  // two shuffles a vector

void absmax(const KernelCall& c) {
  auto* most = as<float>(c, 1);
  if (c.numbers[0] == 0) std::fill_n(most, 4, 0.0f);
  const int n = std::min(2048, 4 * (c.numbers[1] - 512 * c.numbers[0]));
  for (int i = 0; i < n; ++i) {
    float& m = most[i % 32 / 8];
    m = std::max(m, std::fabs(static_cast<float>(as<bfloat16>(c, 0)[i])));
  }
}
void keep_pieces(const KernelCall& c) {
  std::memcpy(c.buffers[1] + c.numbers[0] * kObjectBytes, c.buffers[0], kObjectBytes);
}
void to_pieces(const KernelCall& c, const bfloat16* in) {
  const auto* most = as<float>(c, 1);
  float inverse[4];
  for (int r = 0; r < 4; ++r) inverse[r] = most[r] > 0 ? 127.0f / most[r] : 0.0f;
  int8_t* out = as<int8_t>(c, 2) + c.numbers[0] * 2048;
  for (int i = 0; i < 2048; ++i) {
    const float q = std::nearbyint(static_cast<float>(in[i]) * inverse[i % 32 / 8]);
    out[i] = static_cast<int8_t>(std::clamp(q, -127.0f, 127.0f));
  }
}
void quantise_pieces(const KernelCall& c) { to_pieces(c, as<bfloat16>(c, 0)); }
void quantise_kept(const KernelCall& c) { to_pieces(c, as<bfloat16>(c, 0) + (4 * c.numbers[1] + c.numbers[0]) * 2048); }
// Thirty-two elements: two loads, an absolute value and a maximum each; a product, a shift-round and half a store.
int64_t absmax_cycles(Generation, Numbers) { return 40 + 64 * 4; }
int64_t pieces_cycles(Generation, Numbers) { return 140 + 64 * 8; }

void send_scales(const KernelCall& c) {
  const int piece = c.numbers[0] / 64 % 32;
  auto* out = reinterpret_cast<float*>(c.buffers[1] + piece * 256);
  for (int r = 0; r < 4; ++r) out[r] = as<float>(c, 0)[r] / 127.0f;
}

constexpr std::string_view kObject = "encoder.o";
constexpr KernelType kKernels[] = {
    {"gather_scales", kObject, gather_scales, copying<16 * 32 * 4>, 256},
    {"copy_query", kObject, copy_query, query_cycles, 256},
    {"copy_scales", kObject, copy_scales, copying<256>, 256},
    {"copy_value", kObject, copy_value, copying<kObjectBytes>, 256},
    {"attention_begin", kObject, begin, begin_cycles, 256},
    {"attention_step", kObject, step, step_cycles, 3328},
    {"clear_first", kObject, clear_first, copying<512>, 256},
    {"quantise_head", kObject, quantise_head, head_cycles, 2048},
    {"rows_of", kObject, rows_of, copying<2048 * 4 * 2>, 256},
    {"add_rows", kObject, add_rows, copying<kObjectBytes * 2>, 256},
    {"copy_parameters", kObject, copy_parameters, copying<kObjectBytes>, 256},
    {"send_rows", kObject, send_rows, copying<kResultBytes>, 256},
    {"send_quantised", kObject, send_quantised, send_quantised_cycles, 256},
    {"absmax_pieces", kObject, absmax, absmax_cycles, 256},
    {"keep_pieces", kObject, keep_pieces, copying<kObjectBytes>, 256},
    {"quantise_kept", kObject, quantise_kept, pieces_cycles, 256},
    {"quantise_pieces", kObject, quantise_pieces, pieces_cycles, 256},
    {"send_scales", kObject, send_scales, copying<128>, 256},
};

}  // namespace

const KernelType& encoder_kernel(EncoderKernel kernel) { return kKernels[static_cast<size_t>(kernel)]; }

}  // namespace shorthand::npu
