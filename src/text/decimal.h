// SPDX-License-Identifier: Apache-2.0
// Whole numbers of any size as decimal digits: "nine hundred decillion" fits no integer type.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace shorthand::decimal {

// A number is its digits without zeros before them; zero is "0".
using Number = std::string;

Number from_digits(std::string_view digits);  // drops zeros in front; "" is zero
Number add(std::string_view a, std::string_view b);
Number times_power_of_ten(std::string_view number, int exponent);

// number % 10^digits and number - number % 10^digits.
Number low_part(std::string_view number, size_t digits);
Number high_part(std::string_view number, size_t digits);

// text * 10^exponent, where text is "12", "12.5", "12." or ".5" and the product is whole.
std::optional<Number> whole_product(std::string_view text, int exponent);

}  // namespace shorthand::decimal
