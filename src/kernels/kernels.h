// SPDX-License-Identifier: Apache-2.0
// The variant of every family that one engine uses, chosen once.
#pragma once

#include "base/cpu.h"
#include "kernels/attention/attention.h"
#include "kernels/gemm_f32/gemm_f32.h"
#include "kernels/gemm_i8/gemm_i8.h"
#include "kernels/log_mel/log_mel.h"
#include "kernels/rowwise/rowwise.h"

namespace shorthand {

struct Kernels {
  Isa isa;  // the highest rung that any of them uses
  const gemm_i8::Variant* gemm_i8;
  const gemm_f32::Variant* gemm_f32;
  const attention::Variant* attention;
  const rowwise::Variant* rowwise;
  const log_mel::Variant* log_mel;

  attention::Int8Kernels int8_attention() const { return {gemm_i8, rowwise, attention}; }
  attention::FloatKernels float_attention() const { return {gemm_f32, attention}; }
};

inline Kernels choose_kernels(Isa cap) {
  const gemm_i8::Variant& top = gemm_i8::choose(cap);  // the one family with a variant on every rung
  return {top.isa, &top, &gemm_f32::choose(cap), &attention::choose(cap), &rowwise::choose(cap), &log_mel::choose(cap)};
}

}  // namespace shorthand
