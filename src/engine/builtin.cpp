// SPDX-License-Identifier: Apache-2.0
#include "engine/builtin.h"

#include "base/embedded.h"

SHORTHAND_EMBEDDED(builtin_model);

namespace shorthand {

std::span<const std::byte> builtin_model_bytes() { return std::as_bytes(std::span(embedded_builtin_model())); }

}  // namespace shorthand
