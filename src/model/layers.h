// SPDX-License-Identifier: Apache-2.0
// The few operations that encoder and decoder are made of, in either compute type.
#pragma once

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "model/weights.h"

namespace shorthand {

// What computing needs besides weights. Borrowed; outlives every session made with it.
struct Context {
  const Kernels* kernels;
  ThreadPool* pool;
};

// Rows in the form that a linear layer multiplies: floats where they lie, or mixed bytes with a scale a row.
struct PreparedRows {
  int m = 0;
  const float* rows = nullptr;
  size_t stride = 0;
  gemm_i8::RowsA i8;
};

// Where prepared rows are put: memory of one thread.
class RowBuffer {
 public:
  RowBuffer(ComputeType type, int max_rows, int max_width);

  // Rows x [m, k] as they are; in int8 with 15 bits an element if `fine`.
  PreparedRows prepare(const Kernels& kernels, const float* x, size_t stride, int m, int k, bool fine = false);
  // LayerNorm of rows x [m, k].
  PreparedRows normalise(const Kernels& kernels, const Norm& norm, const float* x, size_t stride, int m, int k,
                         bool fine = false);

 private:
  ComputeType type_;
  AlignedBuffer<float> rows_;
  AlignedBuffer<float> mixed_;  // one row
  AlignedBuffer<uint8_t> bytes_, rest_bytes_;
  AlignedBuffer<float> scales_, rest_scales_;
};

// e.c [m, out] = epilogue(rows . W^T) for the panels of 16 outputs [first, last); the bias is the layer's.
void linear(const Kernels& kernels, const Linear& layer, const PreparedRows& rows, int first, int last, Epilogue e);
// ... for all of them.
void linear(const Kernels& kernels, const Linear& layer, const PreparedRows& rows, const Epilogue& e);
// The layer's outputs [first, first + n) as a layer of their own; `first` is a multiple of 16.
Linear outputs(const Linear& layer, int first, int n);
inline int panels(const Linear& layer) { return gemm_i8::panel_count(layer.out); }

// Keys and values of one layer, in the compute type's form.
struct KeyValueCache {
  attention::Int8Cache i8;
  attention::FloatCache f32;

  static size_t bytes(ComputeType type, int heads, int capacity);
  static KeyValueCache in(std::byte* memory, ComputeType type, int heads, int capacity);
  KeyValueCache of_head(int head) const;  // a view of that head alone
};
void store(const Kernels& kernels, ComputeType type, const KeyValueCache& cache, int first, const float* k,
           const float* v, size_t stride, int rows);
void attend(const Kernels& kernels, ComputeType type, const KeyValueCache& cache, int head, const attention::Rows& rows,
            attention::Scratch& scratch);

}  // namespace shorthand
