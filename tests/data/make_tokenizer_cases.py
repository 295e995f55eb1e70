#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tokenizer_cases.json: texts, and the ids that tiktoken gives for them with OpenAI's two vocabularies and the
built-in model's.

    pip install tiktoken && ./make_tokenizer_cases.py VOCAB_JSON > tokenizer_cases.json

VOCAB_JSON is the built-in model's vocab.json. Characters of Unicode later than 14 are not used: libraries disagree on
what they are until all know them.
"""
import base64
import json
import random
import sys
import unicodedata
from pathlib import Path

import tiktoken

PATTERN = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
VOCABULARIES = Path(__file__).resolve().parents[2] / "models" / "vocab"


def ranks_of_tiktoken(name):
    lines = (VOCABULARIES / f"{name}.tiktoken").read_text().splitlines()
    return {base64.b64decode(piece): int(rank) for piece, rank in map(str.split, lines)}


def ranks_of_vocab_json(path):
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = [b for b in range(256) if b not in kept]
    byte_of = {chr(b): b for b in kept} | {chr(256 + i): b for i, b in enumerate(moved)}
    return {bytes(byte_of[c] for c in key): i for key, i in json.load(open(path)).items()}


WRITTEN = [
    "", " ", "  ", "\n", "\t\n ", " a", "a ", "a  b", "a   b   ", "   a", "\n\n a\n\n", "a\r\nb", "a\x00b", "\x1b[0m", "\x7f\x80\x9f",
    "And so, my fellow Americans, ask not what your country can do for you.", " ask what you can do for your country",
    "it's they're I've I'm he'll she'd don't", "IT'S THEY'RE I'VE", "it’s they’re", "'s 't 're 've 'm 'll 'd", "''s", "'sta", "rock'n'roll",
    "$1,234.56 + 10% = ?", "12345678901234567890", "3.14159e-10", "v2.0.1-rc1", "a1b2c3", "1st 2nd 3rd", "½ ⅓ Ⅷ ² ₃ ①", "٣٤٥ ४५६ ๓๔ 一二三",
    "naïve café Ångström", "nai\u0308ve cafe\u0301 A\u030angstro\u0308m", "ﬁne ﬂow", "Straße ẞ İstanbul ıI", "Zażółć gęślą jaźń", "Příliš žluťoučký kůň",
    "Привет, как дела?", "Γειά σου Κόσμε", "Բարեւ աշխարհ", "გამარჯობა", "שָׁלוֹם עוֹלָם", "مَرْحَبًا بِالعَالَمِ", "سلام دنیا\u200cها", "नमस्ते दुनिया", "ওহে বিশ্ব", "வணக்கம்", "สวัสดีชาวโลก",
    "ជំរាបសួរ", "ສະບາຍດີ", "မင်္ဂလာပါ", "བཀྲ་ཤིས", "ᐊᐃᓐᖓᐃ", "ኣብ ዓለም", "你好，世界！", "您好 世界", "今日は世界。", "カタカナ ｶﾀｶﾅ", "안녕하세요 세계", "ㅎㅎㅎ", "吾輩は猫である。名前はまだ無い。",
    "👍", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇫🇷", "1️⃣", "☺️☺", "♪♪♪ ♫ la la", "♩♪♫♬♭♮♯", "「引用」『二重』", "— – ‐ ‑ ― …", "“quoted” ‘single’ „low‟ «guillemets»",
    "a\u00a0b", "a\u3000b", "a\u2003b\u2009c", "a\u0085b", "a\u2028b\u2029c", "a\u180eb", "\u180e", " \u180e ", "a\u1680b", "a\u202fb\u205fc", "a\u200bb", "\ufeffa", "\x1c\x1d\x1e\x1f", "a \x1c b",
    "\u00a0\u00a0a", "\u3000\u3000", "a \u3000 b", "\x0b\x0c a", "\u00ad\u200d\u2060", "\ufffd", "\ufffd\ufffd a", "\ue000\uf8ff", "\U000f0000\U0010ffff", "\uffff\ufdd0", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟙𝟚𝟛", "𐍈𐌰𐌹", "𓀀𓁐", "𒀀𒁉", "𠜎𠜱𠝹", "🀀🂡", "ꙮ", "‮RTL‬",
    "<|endoftext|>", " <|en|><|0.00|>", "<|", "|>", "[MUSIC] (laughs) {x} <y>", "-- --- >>> <<< ((( )))", " - '", "http://example.com/a?b=c&d=%20#e", "user@example.com", "C:\\dir\\file", "x=y*z;//c", "snake_case camelCase",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "=" * 150, " " * 120 + "x", "\n" * 70, "ab" * 90, "の" * 120, "👍" * 40,
    "nine nine nine one two oh five", "turn the kitchen lights off", "a small latte with oat milk please", "Glossary: Shorthand, Whisper, encoder.",
]


def random_text(random_, letters):
    alphabet = random_.sample(letters, random_.randint(1, 12)) + [" ", " ", "'", "s", "t", "1", ".", "\n"]
    return "".join(random_.choice(alphabet) for _ in range(random_.randint(1, 40)))


def main():
    encoders = {
        "english": tiktoken.Encoding("english", pat_str=PATTERN, mergeable_ranks=ranks_of_tiktoken("english"), special_tokens={}),
        "multilingual": tiktoken.Encoding("multilingual", pat_str=PATTERN, mergeable_ranks=ranks_of_tiktoken("multilingual"), special_tokens={}),
        "builtin": tiktoken.Encoding("builtin", pat_str=PATTERN, mergeable_ranks=ranks_of_vocab_json(sys.argv[1]), special_tokens={}),
    }
    random_ = random.Random(14)
    planes = [*range(0x0, 0x3000), *range(0x3000, 0x33ff), *range(0xa000, 0xb000), *range(0xf900, 0x10000), *range(0x10000, 0x11000), *range(0x1d400, 0x1d800), *range(0x1f300, 0x1f600), *range(0xe0000, 0xe0080)]
    letters = [chr(c) for c in planes if unicodedata.category(chr(c)) not in ("Cn", "Cs")]
    spaces = [chr(c) for c in range(0x10000) if chr(c).isspace()] + ["\u180e", "\u200b", "\ufeff"]
    texts = WRITTEN + [f"x {s}.y {s}{s}z{s}1{s}" for s in spaces] + [random_text(random_, letters) for _ in range(120)]
    cases = [{"text": text} | {name: encoder.encode_ordinary(text) for name, encoder in encoders.items()} for text in texts]
    print("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]")


if __name__ == "__main__":
    main()
