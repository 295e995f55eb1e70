// SPDX-License-Identifier: Apache-2.0
#include "kernels/log_mel/log_mel.h"

#include <array>

#include "kernels/choose.h"
#include "kernels/log_mel/variants.h"

namespace shorthand::log_mel {
namespace {

constexpr std::array kVariants = {
    Variant{Isa::scalar, frames_scalar},
    Variant{Isa::avx2, frames_avx2},
    Variant{Isa::avx512vnni, frames_avx512},
};

}  // namespace

std::span<const Variant> variants() { return kVariants; }

const Variant& choose(Isa cap) { return choose_variant(kVariants, cap); }

}  // namespace shorthand::log_mel
