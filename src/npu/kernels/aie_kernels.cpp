// SPDX-License-Identifier: Apache-2.0
#include "npu/kernels/aie_kernels.h"

#include <vector>

namespace shorthand::npu {

std::span<const KernelType> aie_kernels() {
  static const std::vector<KernelType> all = [] {
    std::vector<KernelType> v;
    for (std::span<const KernelType> family :
         {gemm_i8_kernels(), rowwise_kernels(), attention_kernels(), log_mel_kernels(), relay_kernels()})
      v.insert(v.end(), family.begin(), family.end());
    return v;
  }();
  return all;
}

const KernelType* find_aie_kernel(std::string_view name) {
  for (const KernelType& k : aie_kernels()) {
    if (k.name == name) return &k;
  }
  return nullptr;
}

}  // namespace shorthand::npu
