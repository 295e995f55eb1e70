// SPDX-License-Identifier: Apache-2.0
#include "text/decimal.h"

#include <algorithm>

namespace shorthand::decimal {

Number from_digits(std::string_view digits) {
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
  return digits.empty() ? "0" : std::string(digits);
}

Number add(std::string_view a, std::string_view b) {
  std::string reversed;
  int carry = 0;
  for (size_t i = 0; i < std::max(a.size(), b.size()) || carry > 0; ++i) {
    const int digit_a = i < a.size() ? a[a.size() - 1 - i] - '0' : 0;
    const int digit_b = i < b.size() ? b[b.size() - 1 - i] - '0' : 0;
    const int sum = digit_a + digit_b + carry;
    reversed.push_back(static_cast<char>('0' + sum % 10));
    carry = sum / 10;
  }
  std::reverse(reversed.begin(), reversed.end());
  return from_digits(reversed);
}

Number times_power_of_ten(std::string_view number, int exponent) {
  return from_digits(std::string(number).append(static_cast<size_t>(exponent), '0'));
}

Number low_part(std::string_view number, size_t digits) {
  return from_digits(number.substr(number.size() - std::min(digits, number.size())));
}

Number high_part(std::string_view number, size_t digits) {
  if (number.size() <= digits) return "0";
  return std::string(number.substr(0, number.size() - digits)).append(digits, '0');
}

std::optional<Number> whole_product(std::string_view text, int exponent) {
  const size_t point = std::min(text.find('.'), text.size());
  const std::string_view whole = text.substr(0, point);
  std::string_view fraction = point < text.size() ? text.substr(point + 1) : "";
  const auto is_digits = [](std::string_view s) { return s.find_first_not_of("0123456789") == std::string_view::npos; };
  if (!is_digits(whole) || !is_digits(fraction) || (whole.empty() && fraction.empty())) return std::nullopt;
  while (fraction.ends_with('0')) fraction.remove_suffix(1);
  if (fraction.size() > static_cast<size_t>(exponent)) return std::nullopt;
  return times_power_of_ten(std::string(whole).append(fraction), exponent - static_cast<int>(fraction.size()));
}

}  // namespace shorthand::decimal
