// SPDX-License-Identifier: Apache-2.0
#include "text/english_normalizer.h"

#include <nlohmann/json.hpp>
#include <unordered_map>
#include <vector>

#include "base/embedded.h"
#include "text/english_numbers.h"
#include "text/pattern.h"
#include "text/unicode.h"
#include "text/utf8.h"
#include "text/words.h"

namespace shorthand {

SHORTHAND_EMBEDDED(english_spelling);

namespace {

struct Replacement {
  Pattern pattern;
  std::string_view with;
};

// What is taken out before anything else: words in brackets, hesitations, the space before an apostrophe. A run of
// spaces is looked at once only, from its beginning.
const std::vector<Replacement>& removals() {
  static const std::vector<Replacement> all = [] {
    std::vector<Replacement> list;
    list.push_back({Pattern(R"([<\[][^>\]]*[>\]])"), ""});
    list.push_back({Pattern(R"(\(([^)]+?)\))"), ""});
    list.push_back({Pattern(R"(\b(hmm|mm|mhm|mmm|uh|um)\b)"), ""});
    list.push_back({Pattern("(?<![" SHORTHAND_PYTHON_SPACE "])[" SHORTHAND_PYTHON_SPACE "]++'"), "'"});
    return list;
  }();
  return all;
}

// Contractions and titles, in the order in which they are tried: "won't" before "n't".
const std::vector<Replacement>& expansions() {
  static const std::vector<Replacement> all = [] {
    constexpr std::pair<const char*, std::string_view> table[] = {
        {R"(\bwon't\b)", "will not"},
        {R"(\bcan't\b)", "can not"},
        {R"(\blet's\b)", "let us"},
        {R"(\bain't\b)", "aint"},
        {R"(\by'all\b)", "you all"},
        {R"(\bwanna\b)", "want to"},
        {R"(\bgotta\b)", "got to"},
        {R"(\bgonna\b)", "going to"},
        {R"(\bi'ma\b)", "i am going to"},
        {R"(\bimma\b)", "i am going to"},
        {R"(\bwoulda\b)", "would have"},
        {R"(\bcoulda\b)", "could have"},
        {R"(\bshoulda\b)", "should have"},
        {R"(\bma'am\b)", "madam"},
        {R"(\bmr\b)", "mister "},
        {R"(\bmrs\b)", "missus "},
        {R"(\bst\b)", "saint "},
        {R"(\bdr\b)", "doctor "},
        {R"(\bprof\b)", "professor "},
        {R"(\bcapt\b)", "captain "},
        {R"(\bgov\b)", "governor "},
        {R"(\bald\b)", "alderman "},
        {R"(\bgen\b)", "general "},
        {R"(\bsen\b)", "senator "},
        {R"(\brep\b)", "representative "},
        {R"(\bpres\b)", "president "},
        {R"(\brev\b)", "reverend "},
        {R"(\bhon\b)", "honorable "},
        {R"(\basst\b)", "assistant "},
        {R"(\bassoc\b)", "associate "},
        {R"(\blt\b)", "lieutenant "},
        {R"(\bcol\b)", "colonel "},
        {R"(\bjr\b)", "junior "},
        {R"(\bsr\b)", "senior "},
        {R"(\besq\b)", "esquire "},
        {R"('d been\b)", " had been"},
        {R"('s been\b)", " has been"},
        {R"('d gone\b)", " had gone"},
        {R"('s gone\b)", " has gone"},
        {R"('d done\b)", " had done"},
        {R"('s got\b)", " has got"},
        {R"(n't\b)", " not"},
        {R"('re\b)", " are"},
        {R"('s\b)", " is"},
        {R"('d\b)", " would"},
        {R"('ll\b)", " will"},
        {R"('t\b)", " not"},
        {R"('ve\b)", " have"},
        {R"('m\b)", " am"},
    };
    std::vector<Replacement> list;
    for (const auto& [expression, with] : table) list.push_back({Pattern(expression), with});
    return list;
  }();
  return all;
}

// British to American.
const std::unordered_map<std::string, std::string>& spellings() {
  static const auto all = [] {
    std::unordered_map<std::string, std::string> table;
    const auto json = nlohmann::json::parse(embedded_english_spelling(), nullptr, /*allow_exceptions=*/false);
    for (const auto& [british, american] : json.items())
      if (american.is_string()) table.emplace(british, american.get<std::string>());
    return table;
  }();
  return all;
}

std::string in_american_spelling(std::string_view text) {
  std::string out;
  for (const std::string_view word : words_of(text)) {
    if (!out.empty()) out += ' ';
    const auto it = spellings().find(std::string(word));
    out += it == spellings().end() ? word : std::string_view(it->second);
  }
  return out;
}

}  // namespace

std::string normalize_english(std::string_view text) {
  static const Pattern comma_in_number(R"((\d),(\d))"), full_stop(R"(\.([^0-9]|$))");
  static const Pattern symbol_before_word("[.$¢€£]([^0-9])"), percent_after_word("([^0-9])%");
  static const Pattern spaces("[" SHORTHAND_PYTHON_SPACE "]+");

  std::string s = unicode::lower(utf8::replace_invalid(text));
  for (const Replacement& r : removals()) s = r.pattern.replace(s, r.with);
  for (const Replacement& r : expansions()) s = r.pattern.replace(s, r.with);
  s = full_stop.replace(comma_in_number.replace(s, R"(\1\2)"), R"( \1)");
  s = unicode::without_symbols_and_diacritics(s, ".%$¢€£");
  s = in_american_spelling(english_numbers_to_figures(s));
  // Signs that belong to no number have done their service.
  s = percent_after_word.replace(symbol_before_word.replace(s, R"( \1)"), R"(\1 )");
  return spaces.replace(s, " ");
}

}  // namespace shorthand
