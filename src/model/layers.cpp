// SPDX-License-Identifier: Apache-2.0
#include "model/layers.h"

#include <algorithm>
#include <cassert>

namespace shorthand {

static_assert(rowwise::mixed_width(1) == gemm_i8::padded_depth(1));

RowBuffer::RowBuffer(ComputeType type, int max_rows, int max_width)
    : type_(type), rows_(static_cast<size_t>(max_rows) * static_cast<size_t>(max_width)) {
  if (type != ComputeType::int8) return;
  const size_t depth = static_cast<size_t>(gemm_i8::padded_depth(max_width));
  mixed_ = AlignedBuffer<float>(depth);
  bytes_ = AlignedBuffer<uint8_t>(static_cast<size_t>(max_rows) * depth);
  scales_ = AlignedBuffer<float>(static_cast<size_t>(max_rows));
  rest_bytes_ = AlignedBuffer<uint8_t>(static_cast<size_t>(max_rows) * depth);
  rest_scales_ = AlignedBuffer<float>(static_cast<size_t>(max_rows));
}

PreparedRows RowBuffer::prepare(const Kernels& kernels, const float* x, size_t stride, int m, int k, bool fine) {
  PreparedRows p;
  p.m = m;
  if (type_ == ComputeType::float32) {
    p.rows = x;
    p.stride = stride;
    return p;
  }
  const int width = gemm_i8::padded_depth(k);
  const size_t depth = static_cast<size_t>(width);
  assert(static_cast<size_t>(m) <= scales_.size() && static_cast<size_t>(m) * depth <= bytes_.size());
  for (size_t r = 0; r < static_cast<size_t>(m); ++r) {
    kernels.rowwise->mix(x + r * stride, k, mixed_.data());
    uint8_t* const q = bytes_.data() + r * depth;
    if (fine) {
      kernels.rowwise->quantise_fine(mixed_.data(), width, {q, 0, scales_.data() + r, 0},
                                     {rest_bytes_.data() + r * depth, 0, rest_scales_.data() + r, 0});
    } else {
      kernels.rowwise->quantise(mixed_.data(), 0, 1, width, width, {q, 0, scales_.data() + r, 0});
    }
  }
  p.i8 = {bytes_.data(), depth, scales_.data(), 1, m};
  if (fine) p.i8.rest = rest_bytes_.data(), p.i8.rest_scales = rest_scales_.data();
  return p;
}

PreparedRows RowBuffer::normalise(const Kernels& kernels, const Norm& norm, const float* x, size_t stride, int m, int k,
                                  bool fine) {
  const size_t width = static_cast<size_t>(k);
  assert(static_cast<size_t>(m) * width <= rows_.size());
  kernels.rowwise->layer_norm({norm.gamma, norm.beta, k}, x, stride, m, rows_.data(), width);
  return prepare(kernels, rows_.data(), width, m, k, fine);
}

void linear(const Kernels& kernels, const Linear& layer, const PreparedRows& rows, int first, int last, Epilogue e) {
  e.bias = layer.bias;
  if (layer.i8.panels) {
    gemm_i8::multiply(*kernels.gemm_i8, rows.i8, layer.i8, first, last, e);
  } else {
    gemm_f32::multiply(*kernels.gemm_f32, rows.rows, rows.stride, rows.m, layer.f32, first, last, e);
  }
}

void linear(const Kernels& kernels, const Linear& layer, const PreparedRows& rows, const Epilogue& e) {
  linear(kernels, layer, rows, 0, panels(layer), e);
}

Linear outputs(const Linear& layer, int first, int n) {
  assert(first % gemm_i8::kPanelColumns == 0 && first + n <= layer.out);
  const size_t column = static_cast<size_t>(first);
  Linear part = layer;
  part.out = n;
  if (layer.bias) part.bias += column;
  if (layer.i8.panels) {
    part.i8.panels += gemm_i8::panel_offset(first, 0, gemm_i8::padded_depth(layer.in));
    part.i8.scales += column;
    part.i8.bias_sums += column;
    part.i8.n = n;
  } else {
    part.f32.panels += gemm_f32::panel_offset(first, 0, layer.in);
    part.f32.n = n;
  }
  return part;
}

size_t KeyValueCache::bytes(ComputeType type, int heads, int capacity) {
  return type == ComputeType::int8 ? attention::int8_cache_bytes(heads, capacity)
                                   : attention::float_cache_bytes(heads, capacity);
}

KeyValueCache KeyValueCache::in(std::byte* memory, ComputeType type, int heads, int capacity) {
  KeyValueCache c;
  if (type == ComputeType::int8) {
    c.i8 = attention::int8_cache_in(memory, heads, capacity);
  } else {
    c.f32 = attention::float_cache_in(memory, heads, capacity);
  }
  return c;
}

KeyValueCache KeyValueCache::of_head(int head) const {
  KeyValueCache c = *this;
  const size_t keys = static_cast<size_t>(head) * static_cast<size_t>(std::max(i8.capacity, f32.capacity));
  const size_t elements = keys * attention::kHeadDim;
  if (i8.keys) {
    c.i8 = {1,
            i8.capacity,
            i8.keys + elements,
            i8.values + elements,
            i8.key_scales + keys,
            i8.key_bias + keys,
            i8.value_scales + keys};
  } else {
    c.f32 = {1, f32.capacity, f32.keys + elements, f32.values + elements};
  }
  return c;
}

void store(const Kernels& kernels, ComputeType type, const KeyValueCache& cache, int first, const float* k,
           const float* v, size_t stride, int rows) {
  if (type == ComputeType::int8) {
    attention::store(*kernels.rowwise, cache.i8, first, k, stride, v, stride, rows);
  } else {
    attention::store(cache.f32, first, k, stride, v, stride, rows);
  }
}

void attend(const Kernels& kernels, ComputeType type, const KeyValueCache& cache, int head, const attention::Rows& rows,
            attention::Scratch& scratch) {
  if (type == ComputeType::int8) {
    attention::attend(kernels.int8_attention(), cache.i8, head, rows, scratch);
  } else {
    attention::attend(kernels.float_attention(), cache.f32, head, rows, scratch);
  }
}

}  // namespace shorthand
