// SPDX-License-Identifier: Apache-2.0
// The languages of sound tracks, as containers tag them.
#pragma once

#include <string>
#include <string_view>

namespace shorthand {

// A tag in its shortest form, so that two spellings of one language compare equal: "deu", "ger", "DE" and "de-AT" are
// "de" (ISO 639-1, from either code of ISO 639-2). What has no code of two letters, or is none, stays as it is, in
// lower case.
std::string short_language_tag(std::string_view tag);

}  // namespace shorthand
