// SPDX-License-Identifier: Apache-2.0
#include "kernels/rowwise/rowwise.h"

#include <array>

#include "kernels/choose.h"
#include "kernels/rowwise/variants.h"

namespace shorthand::rowwise {
namespace {

constexpr std::array kVariants = {
    Variant{Isa::scalar, layer_norm_scalar, mix_scalar, quantise_scalar, quantise_fine_scalar, softmax_sums_scalar},
    Variant{Isa::avx2, layer_norm_avx2, mix_avx2, quantise_avx2, quantise_fine_avx2, softmax_sums_avx2},
    Variant{Isa::avx512vnni, layer_norm_avx512, mix_avx512, quantise_avx512, quantise_fine_avx512, softmax_sums_avx512},
};

}  // namespace

std::span<const Variant> variants() { return kVariants; }

const Variant& choose(Isa cap) { return choose_variant(kVariants, cap); }

}  // namespace shorthand::rowwise
