// SPDX-License-Identifier: Apache-2.0
// Numbers and strings as Python's json.dumps spells them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace shorthand {

// repr(float): the shortest digits that read back as the same number, at least one behind the point: 1.0, 0.1, 1e-05,
// 1e+16; NaN, Infinity and -Infinity as json.dumps has them.
std::string python_float(double value);

// round(x * scale): halves go to the even neighbour. What is not a number is 0; the rest is held within 10^15.
int64_t python_round(double value, double scale);

// A JSON string in ASCII alone, quotes included. Bytes that are not UTF-8 are written as U+FFFD.
std::string json_string(std::string_view text);

}  // namespace shorthand
