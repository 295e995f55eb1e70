// SPDX-License-Identifier: Apache-2.0
// The model that is part of the program: models/builtin.
#pragma once

#include <cstddef>
#include <span>

#include "model/store.h"  // kBuiltinName

namespace shorthand {

// Its ggml file, in the program's read-only data.
std::span<const std::byte> builtin_model_bytes();

}  // namespace shorthand
