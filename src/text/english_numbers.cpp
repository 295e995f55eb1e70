// SPDX-License-Identifier: Apache-2.0
#include "text/english_numbers.h"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text/decimal.h"
#include "text/pattern.h"
#include "text/unicode.h"
#include "text/utf8.h"
#include "text/words.h"

namespace shorthand {
namespace {

enum class Kind : uint8_t {
  plain,                // no word of a number
  zero,                 // oh
  ones,                 // one to nineteen
  ones_suffixed,        // sixes, fourth
  tens,                 // twenty
  tens_suffixed,        // twenties, twentieth
  multiplier,           // hundred and up: `amount` is the power of ten
  multiplier_suffixed,  // millions, millionth
  sign_before,          // minus
  unit_after,           // dollars
  per,                  // per cent
  percent,
  and_,
  repeat,  // double, triple: `amount` times
  point,
};

struct NumberWord {
  Kind kind = Kind::plain;
  int amount = 0;
  std::string_view mark = {};  // the suffix, sign or unit
};
using Lexicon = std::unordered_map<std::string, NumberWord>;

void add_ones(Lexicon* words) {
  constexpr std::array names = {"one",     "two",     "three",     "four",     "five",    "six",      "seven",
                                "eight",   "nine",    "ten",       "eleven",   "twelve",  "thirteen", "fourteen",
                                "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string name = names[i];
    const int value = static_cast<int>(i) + 1;
    words->insert_or_assign(name, NumberWord{Kind::ones, value});
    words->insert_or_assign(name == "six" ? "sixes" : name + "s", NumberWord{Kind::ones_suffixed, value, "s"});
    if (value > 3 && value != 5 && value != 12)
      words->insert_or_assign(name + (name.ends_with('t') ? "h" : "th"), NumberWord{Kind::ones_suffixed, value, "th"});
  }
  const NumberWord irregular[] = {{Kind::ones_suffixed, 0, "th"}, {Kind::ones_suffixed, 1, "st"},
                                  {Kind::ones_suffixed, 2, "nd"}, {Kind::ones_suffixed, 3, "rd"},
                                  {Kind::ones_suffixed, 5, "th"}, {Kind::ones_suffixed, 12, "th"}};
  constexpr std::array irregular_names = {"zeroth", "first", "second", "third", "fifth", "twelfth"};
  for (size_t i = 0; i < irregular_names.size(); ++i) words->insert_or_assign(irregular_names[i], irregular[i]);
}

void add_tens_and_multipliers(Lexicon* words) {
  constexpr std::array tens = {"twent", "thirt", "fort", "fift", "sixt", "sevent", "eight", "ninet"};
  for (size_t i = 0; i < tens.size(); ++i) {
    const std::string stem = tens[i];
    const int value = 10 * (static_cast<int>(i) + 2);
    words->insert_or_assign(stem + "y", NumberWord{Kind::tens, value});
    words->insert_or_assign(stem + "ies", NumberWord{Kind::tens_suffixed, value, "s"});
    words->insert_or_assign(stem + "ieth", NumberWord{Kind::tens_suffixed, value, "th"});
  }
  constexpr std::array multipliers = {"hundred",    "thousand",    "million",     "billion",
                                      "trillion",   "quadrillion", "quintillion", "sextillion",
                                      "septillion", "octillion",   "nonillion",   "decillion"};
  for (size_t i = 0; i < multipliers.size(); ++i) {
    const std::string name = multipliers[i];
    const int power = i == 0 ? 2 : 3 * static_cast<int>(i);
    words->insert_or_assign(name, NumberWord{Kind::multiplier, power});
    words->insert_or_assign(name + "s", NumberWord{Kind::multiplier_suffixed, power, "s"});
    words->insert_or_assign(name + "th", NumberWord{Kind::multiplier_suffixed, power, "th"});
  }
}

const Lexicon& lexicon() {
  static const Lexicon all = [] {
    Lexicon words = {
        {"o", {Kind::zero}},
        {"oh", {Kind::zero}},
        {"zero", {Kind::zero}},
        {"minus", {Kind::sign_before, 0, "-"}},
        {"negative", {Kind::sign_before, 0, "-"}},
        {"plus", {Kind::sign_before, 0, "+"}},
        {"positive", {Kind::sign_before, 0, "+"}},
        {"pound", {Kind::unit_after, 0, "£"}},
        {"pounds", {Kind::unit_after, 0, "£"}},
        {"euro", {Kind::unit_after, 0, "€"}},
        {"euros", {Kind::unit_after, 0, "€"}},
        {"dollar", {Kind::unit_after, 0, "$"}},
        {"dollars", {Kind::unit_after, 0, "$"}},
        {"cent", {Kind::unit_after, 0, "¢"}},
        {"cents", {Kind::unit_after, 0, "¢"}},
        {"per", {Kind::per}},
        {"percent", {Kind::percent, 0, "%"}},
        {"and", {Kind::and_}},
        {"double", {Kind::repeat, 2}},
        {"triple", {Kind::repeat, 3}},
        {"point", {Kind::point}},
    };
    add_ones(&words);
    add_tens_and_multipliers(&words);
    return words;
  }();
  return all;
}

NumberWord look_up(std::string_view word) {
  const auto it = lexicon().find(std::string(word));
  return it == lexicon().end() ? NumberWord{} : it->second;
}

// The text with the decimal digits of any script as those of ASCII.
std::string in_ascii_digits(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const utf8::Character c = utf8::first_character(text);
    if (const auto digit = unicode::decimal_digit(c.code_point)) {
      out += static_cast<char>('0' + *digit);
    } else {
      out += text.substr(0, c.bytes);
    }
    text.remove_prefix(c.bytes);
  }
  return out;
}

// Figures in ASCII for "12", "3.50" and the like; nothing for anything else.
std::optional<std::string> as_figures(std::string_view word) {
  static const Pattern figures(R"(^[0-9]+(\.[0-9]+)?$)");
  std::string ascii = in_ascii_digits(word);
  return figures.find(ascii) ? std::optional(std::move(ascii)) : std::nullopt;
}

// A sign or unit before figures, as "$" in "$20", or empty.
std::string_view prefix_of(std::string_view word) {
  for (const std::string_view prefix : {"-", "+", "£", "€", "$", "¢"})
    if (word.starts_with(prefix)) return prefix;
  return {};
}

// A word and what stands on both sides of it.
struct Place {
  std::string_view word;
  NumberWord is, before, after;
  bool after_is_figures = false;
  std::string_view next;

  bool number_follows() const { return after.kind != Kind::plain || after_is_figures; }
};

// The number heard so far. `quantity` can be added to and multiplied; `figures` only grows at its end: it is what
// digits heard one by one and decimals make.
struct Heard {
  enum class As : uint8_t { nothing, quantity, figures } as = As::nothing;
  std::string digits;

  bool any() const { return as != As::nothing; }
  bool is_figures() const { return as == As::figures; }
  bool is_zero() const { return as == As::quantity && digits == "0"; }
  // The digits that further ones are written after: a quantity of zero gives none.
  std::string written() const { return is_zero() ? "" : digits; }
};
Heard quantity(decimal::Number n) { return {Heard::As::quantity, std::move(n)}; }
Heard figures(std::string digits) { return {Heard::As::figures, std::move(digits)}; }

class Reader {
 public:
  std::string read(const std::vector<std::string_view>& words);

 private:
  void say(std::string_view text);  // writes a word, or a number with the sign or unit heard for it
  void say_heard() {
    if (heard_.any()) say(heard_.digits);
  }
  void word(std::string_view text) { say_heard(), say(text); }  // a word that is no number here

  void read_one(const Place& at);
  void read_figures(std::string_view text, std::string_view prefix, const std::string& value);
  Heard with_ones(const Place& at) const;
  Heard with_tens(int tens) const;
  void multiply(int power);
  void multiply_suffixed(int power, std::string_view suffix);
  void read_unit(const Place& at);
  void read_per(const Place& at);
  void read_special(const Place& at);
  void finish(const Heard& number, std::string_view suffix) { say(number.digits + std::string(suffix)); }

  std::string out_;
  Heard heard_;
  std::string prefix_;
  bool skip_next_ = false;
};

void Reader::say(std::string_view text) {
  if (!out_.empty()) out_ += ' ';
  out_ += std::exchange(prefix_, {});
  out_ += text;
  heard_ = {};
}

void Reader::read_figures(std::string_view text, std::string_view prefix, const std::string& value) {
  if (heard_.is_figures() && heard_.digits.ends_with('.')) {
    heard_.digits += text;  // "one point" 5
    return;
  }
  say_heard();
  if (!prefix.empty()) prefix_ = prefix;
  if (auto whole = decimal::whole_product(value, 0)) {
    heard_ = quantity(std::move(*whole));
  } else {
    heard_ = figures(std::string(text.substr(prefix.size())));
  }
}

// "twenty" and "five" to 25; "twenty" and "fifteen" to 2015; "one" and "two" to 12.
Heard Reader::with_ones(const Place& at) const {
  const int ones = at.is.amount;
  const std::string digits = std::to_string(ones);
  if (!heard_.any()) return quantity(digits);
  if (heard_.is_figures() || at.before.kind == Kind::ones) {
    const bool completes_tens = at.before.kind == Kind::tens && ones < 10;
    return figures(heard_.digits.substr(0, heard_.digits.size() - completes_tens) + digits);
  }
  const bool fits = decimal::low_part(heard_.digits, ones < 10 ? 1 : 2) == "0";
  return fits ? quantity(decimal::add(heard_.digits, digits)) : figures(heard_.digits + digits);
}

Heard Reader::with_tens(int tens) const {
  const std::string digits = std::to_string(tens);
  if (!heard_.any()) return quantity(digits);
  if (heard_.is_figures() || decimal::low_part(heard_.digits, 2) != "0") return figures(heard_.digits + digits);
  return quantity(decimal::add(heard_.digits, digits));
}

// "two hundred thousand five": a multiplier takes what has been heard below a thousand.
decimal::Number multiplied(const decimal::Number& number, int power) {
  return decimal::add(decimal::high_part(number, 3), decimal::times_power_of_ten(decimal::low_part(number, 3), power));
}

void Reader::multiply(int power) {
  const decimal::Number multiplier = decimal::times_power_of_ten("1", power);
  if (!heard_.any()) {
    heard_ = quantity(multiplier);
  } else if (heard_.is_figures() || heard_.is_zero()) {
    const auto product = decimal::whole_product(in_ascii_digits(heard_.digits), power);
    if (!product) say_heard();
    heard_ = quantity(product.value_or(multiplier));
  } else {
    heard_ = quantity(multiplied(heard_.digits, power));
  }
}

void Reader::multiply_suffixed(int power, std::string_view suffix) {
  const decimal::Number multiplier = decimal::times_power_of_ten("1", power);
  if (!heard_.any()) {
    finish(quantity(multiplier), suffix);
  } else if (heard_.is_figures()) {
    const auto product = decimal::whole_product(in_ascii_digits(heard_.digits), power);
    if (!product) say_heard();
    finish(quantity(product.value_or(multiplier)), suffix);
  } else {
    finish(quantity(multiplied(heard_.digits, power)), suffix);
  }
}

// "five dollars" to $5, but "dollars" alone stays.
void Reader::read_unit(const Place& at) {
  if (!heard_.any()) return say(at.word);
  prefix_ = at.is.mark;
  say_heard();
}

void Reader::read_per(const Place& at) {
  if (!heard_.any()) return say(at.word);
  if (at.next != "cent") return word(at.word);
  finish(heard_, "%");
  skip_next_ = true;
}

// "and", "point" and "double" mean something only where a number follows.
void Reader::read_special(const Place& at) {
  if (!at.number_follows()) return word(at.word);
  const Kind next = at.after.kind;
  if (at.is.kind == Kind::and_) {
    if (at.before.kind != Kind::multiplier) word(at.word);  // "two hundred and five"
  } else if (at.is.kind == Kind::repeat) {
    if (next != Kind::ones && next != Kind::zero) return word(at.word);
    std::string digits = heard_.written();
    for (int i = 0; i < at.is.amount; ++i) digits += std::to_string(at.after.amount);
    heard_ = figures(std::move(digits));
    skip_next_ = true;
  } else if (next == Kind::ones || next == Kind::tens || next == Kind::zero || at.after_is_figures) {
    heard_ = figures(heard_.written() + ".");
  }
}

void Reader::read_one(const Place& at) {
  const std::string_view prefix = prefix_of(at.word);
  if (const auto value = as_figures(at.word.substr(prefix.size()))) return read_figures(at.word, prefix, *value);
  switch (at.is.kind) {
    case Kind::plain: return word(at.word);
    case Kind::zero: heard_ = figures(heard_.written() + "0"); return;
    case Kind::ones: heard_ = with_ones(at); return;
    case Kind::ones_suffixed: return finish(with_ones(at), at.is.mark);
    case Kind::tens: heard_ = with_tens(at.is.amount); return;
    case Kind::tens_suffixed: return finish(with_tens(at.is.amount), at.is.mark);
    case Kind::multiplier: return multiply(at.is.amount);
    case Kind::multiplier_suffixed: return multiply_suffixed(at.is.amount, at.is.mark);
    case Kind::sign_before:
      say_heard();
      if (!at.number_follows()) return say(at.word);
      prefix_ = at.is.mark;
      return;
    case Kind::unit_after: return read_unit(at);
    case Kind::per: return read_per(at);
    case Kind::percent: return heard_.any() ? finish(heard_, at.is.mark) : say(at.word);
    case Kind::and_:
    case Kind::repeat:
    case Kind::point: return read_special(at);
  }
}

std::string Reader::read(const std::vector<std::string_view>& words) {
  for (size_t i = 0; i < words.size(); ++i) {
    if (std::exchange(skip_next_, false)) continue;
    Place at{words[i], look_up(words[i]), {}, {}, false, {}};
    if (i > 0) at.before = look_up(words[i - 1]);
    if (i + 1 < words.size()) {
      at.next = words[i + 1];
      at.after = look_up(at.next);
      at.after_is_figures = as_figures(at.next).has_value();
    }
    read_one(at);
  }
  say_heard();
  return std::move(out_);
}

bool is_decimal_or_multiplier(std::string_view word) {
  const Kind kind = look_up(word).kind;
  return kind == Kind::zero || kind == Kind::ones || kind == Kind::tens || kind == Kind::multiplier;
}

// "two and a half" to "two point five", and a space between figures and letters but for endings such as 1st and 60s.
std::string prepared(std::string_view text) {
  static const Pattern and_a_half(R"(\band[)" SHORTHAND_PYTHON_SPACE R"(]+a[)" SHORTHAND_PYTHON_SPACE R"(]+half\b)");
  static const Pattern letter_figure("([a-z])([0-9])"), figure_letter("([0-9])([a-z])");
  static const Pattern ending("([0-9])[" SHORTHAND_PYTHON_SPACE "]+(st|nd|rd|th|s)\\b");
  std::string joined;
  const auto append = [&](std::string_view part) {
    if (!joined.empty()) joined += ' ';
    joined += part;
  };
  for (size_t from = 0;;) {
    const auto match = and_a_half.find(text, from);
    const std::string_view part = text.substr(from, match ? match->begin - from : std::string_view::npos);
    if (!utf8::strip(part).empty()) {
      append(part);
      if (match) append(is_decimal_or_multiplier(words_of(part).back()) ? "point five" : "and a half");
    }
    if (!match) break;
    from = match->end;
  }
  return ending.replace(figure_letter.replace(letter_figure.replace(joined, R"(\1 \2)"), R"(\1 \2)"), R"(\1\2)");
}

// "$2 and ¢7" to "$2.07", "$0.07" to "¢7", and a lone "1" back to "one".
std::string finished(const std::string& text) {
  static const Pattern units_and_cents(R"(([€£$])([0-9]+) (?:and )?¢([0-9]{1,2})\b)");
  static const Pattern cents_alone(R"([€£$]0.([0-9]{1,2})\b)");
  static const Pattern lone_one(R"(\b1(s?)\b)");
  std::string s = units_and_cents.replace(
      text, [](const Pattern::Match& m) { return fmt::format("{}{}.{:0>2}", *m.group[1], *m.group[2], *m.group[3]); });
  s = cents_alone.replace(s, [](const Pattern::Match& m) { return "¢" + decimal::from_digits(*m.group[1]); });
  return lone_one.replace(s, R"(one\1)");
}

}  // namespace

std::string english_numbers_to_figures(std::string_view text) {
  const std::string ready = prepared(text);
  return finished(Reader().read(words_of(ready)));
}

}  // namespace shorthand
