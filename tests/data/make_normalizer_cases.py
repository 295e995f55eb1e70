#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes normalizer_cases.json: English sentences and what openai/whisper's EnglishTextNormalizer makes of them.

    pip install regex more-itertools && pip download openai-whisper==20250625 --no-deps --no-binary :all: && tar xf openai_whisper-*.tar.gz
    ./make_normalizer_cases.py openai_whisper-20250625/whisper/normalizers > normalizer_cases.json
"""
import importlib.util
import json
import random
import sys
from pathlib import Path


def load(folder):
    spec = importlib.util.spec_from_file_location("normalizers", Path(folder) / "__init__.py", submodule_search_locations=[folder])
    package = importlib.util.module_from_spec(spec)
    sys.modules["normalizers"] = package
    spec.loader.exec_module(package)
    return package.EnglishTextNormalizer()


WRITTEN = [
    "", " ", ".", "And so, my fellow Americans: ask not what your country can do for you!", "Let's go, I won't stay; y'all can't, ain't, shan't.", "She'd been there, he's gone and it's got worse.",
    "I'd done it. They'd gone. I'ma go. Imma go, gonna, wanna, gotta, woulda, coulda, shoulda.", "Mr. Smith, Mrs. Jones, Dr. Who, Prof. X, St. Ives, Capt. Ahab, Gov. Y, Gen. Z, Sen. A, Rep. B, Esq.",
    "Lt. Col. John Doe Jr. and Sr., Asst. Assoc. Hon. Rev. Pres. Ald.", "[Music] hello (laughs) <unk> there ] [ open", "(a(b)c) () (( x ))", "uh, um, hmm mm mhm mmm yes", "rock 'n' roll it 's fine", "don 't 'tis",
    "I have twenty five dollars and six cents.", "It costs $20 million, or $2.50, or £3, €4.00 and ¢7.", "$2 and ¢7", "five dollars and seven cents", "zero dollars and five cents", "minus twenty degrees", "negative one", "plus", "minus", "positive thinking",
    "one oh one", "nineteen eighty four", "nineteen eighties", "the sixties and the 60s", "twenty twenty", "two thousand and twenty three", "nine one one", "one hundred and one dalmatians", "a hundred", "hundreds of thousands", "two hundred thousand five hundred and six",
    "three point one four one five nine", "point five", "point", "at this point", "point hundred", "two and a half", "two and a half million", "and a half", "bread and a half pint", "one and a half and a half", "half and half",
    "double oh seven", "triple nine", "double trouble", "double", "one double two", "first second third fourth fifth twelfth zeroth thirteenth twentieth", "twenty first century", "one hundredth", "two hundredths", "the 1st 2nd 3rd 4th", "1 st 2 nd", "10 s",
    "ten percent, ten per cent, per cent, percent, five per person", "100%", "50 % off", "% sign", "$ sign $", "3.50.2", "192.168.0.1", "1,000,000 people", "1,2,3", "3.0 and 007 and 0.50", "1960s", "b2b 4u mp3 h2o", "five million two hundred thousand and one",
    "nine hundred ninety nine decillion", "one million million", "two point five million", "one two three million", "five point", "one point 5", "one point five point six", "1. 5", "zero hundred", "zero thousandth", "oh million", "o o o", "oh my", "1 and ones and one's",
    "the colour of the theatre's neighbour; organise, analyse, centre, grey", "Café naïve Øre Æsop straße łódź đ þ Œuvre", "ﬁve ½ ² ① Ⅷ", "Ｆｕｌｌ ｗｉｄｔｈ １２", "٣ apples and ٣.٥", "point ٣ million", "٣.٥ hundreds", "İstanbul ΟΔΟΣ", "日本語 text", "em—dash – hyphen-ated under_score", "tab\tnew\nline\u00a0nbsp\u3000wide",
    "e\u0301 a\u0308 combining", "she said \u201chello\u201d \u2018there\u2019", "don\u2019t", "👍 ok", "a\u200bb", "it's 's 're", "\u001ca\u001f b", "...", "U.S.A. and e.g. i.e.", "end of sentence. Next 3. 4", "a.b.c 1.a a.1",
    "seventy five sixty", "fifty fifty", "twenty fifteen", "ten twenty", "eleven five", "five eleven", "hundred five", "thousand thousand", "twenty five thirty five", "one twenty", "sixty six sixes", "four hundred twenty seven thousand three hundred ninety first",
    "pounds euros cents dollars", "five pounds ten", "five pound note", "one cent", "ninety nine cents", "£5.5 million", "$1 and $2", "€3 ¢20", "$0.05", "£0.99", "$05", "one hundred and", "and one", "one and two", "thousand and two", "five and six cents",
]
VOCABULARY = ("zero oh o one two three five nine ten eleven twelve nineteen twenty thirty ninety hundred thousand million billion decillion hundreds thousandth millionth ones twos sixes first second third fifth ninth "
              "twelfth twenties thirtieth minus negative plus pound pounds euro dollars cent cents per percent and double triple point a half 1 5 10 25 100 3.5 0.05 0 007 2.0 $5 £2.50 ¢7 1st 60s 7% the of cats . , 's colour").split()


def main():
    normalize, random_ = load(sys.argv[1]), random.Random(11)
    texts = WRITTEN + [" ".join(random_.choice(VOCABULARY) for _ in range(random_.randint(2, 9))) for _ in range(400)]
    print("[\n" + ",\n".join(json.dumps([text, normalize(text)]) for text in texts) + "\n]")


if __name__ == "__main__":
    main()
