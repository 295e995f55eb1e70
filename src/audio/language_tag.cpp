// SPDX-License-Identifier: Apache-2.0
#include "audio/language_tag.h"

#include <algorithm>
#include <cctype>

namespace shorthand {
namespace {

// ISO 639-2, both its codes where there are two, each with the code of ISO 639-1 that means the same.
constexpr std::string_view kCodes =
    "aaraa abkab afraf akaak albsq amham araar argan armhy asmas avaav aveae aymay azeaz bakba bambm baqeu belbe "
    "benbn bihbh bisbi bodbo bosbs brebr bulbg burmy catca cescs chach chece chizh chucu chvcv corkw cosco crecr "
    "cymcy czecs danda deude divdv dutnl dzodz ellel engen epoeo estet euseu eweee faofo fasfa fijfj finfi frafr "
    "frefr fryfy fulff geoka gerde glagd glega glggl glvgv greel grngn gujgu hatht hauha hebhe herhz hinhi hmoho "
    "hrvhr hunhu hyehy iboig iceis idoio iiiii ikuiu ileie inaia indid ipkik islis itait javjv jpnja kalkl kankn "
    "kasks katka kaukr kazkk khmkm kikki kinrw kirky komkv konkg korko kuakj kurku laolo latla lavlv limli linln "
    "litlt ltzlb lublu luglg macmk mahmh malml maomi marmr mayms mkdmk mlgmg mltmt monmn mrimi msams myamy nauna "
    "navnv nblnr ndend ndong nepne nldnl nnonn nobnb norno nyany ocioc ojioj orior ormom ossos panpa perfa plipi "
    "polpl porpt pusps quequ rohrm ronro rumro runrn rusru sagsg sansa sinsi slksk slosk slvsl smese smosm snasn "
    "sndsd somso sotst spaes sqisq srdsc srpsr sswss sunsu swasw swesv tahty tamta tattt telte tgktg tgltl thath "
    "tibbo tirti tonto tsntn tsots tuktk turtr twitw uigug ukruk urdur uzbuz venve vievi volvo welcy wlnwa wolwo "
    "xhoxh yidyi yoryo zhaza zhozh zulzu ";

}  // namespace

std::string short_language_tag(std::string_view tag) {
  std::string code(tag.substr(0, tag.find_first_of("-_")));
  std::ranges::transform(code, code.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (code.size() != 3) return code;
  for (size_t i = 0; i + 5 <= kCodes.size(); i += 6) {
    if (kCodes.substr(i, 3) == code) return std::string(kCodes.substr(i + 3, 2));
  }
  return code;
}

}  // namespace shorthand
