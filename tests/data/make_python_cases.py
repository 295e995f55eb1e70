#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes python_cases.json: what Python itself makes of bytes, numbers and strings.

    ./make_python_cases.py > python_cases.json

utf8: bytes in hexadecimal and bytes.decode(errors="replace"). floats: the bits of a double and json.dumps of it.
strings: a string and json.dumps of it, as a string. strip: a string and str.strip. spaces: all code points of str.isspace.
"""
import json
import math
import random
import struct


def main():
    random_ = random.Random(3)
    sequences = [b"", b"a", b"\x80", b"\xc0\xaf", b"\xc1\xbf", b"\xc2", b"\xc2a", b"\xe0\x80\x80", b"\xe0\xa0", b"\xe0\x9f\xbf", b"\xed\xa0\x80",
                 b"\xed\x9f\xbf", b"\xef\xbf\xbf", b"\xf0\x80\x80\x80", b"\xf0\x90\x80", b"\xf0\x9f\x91", b"\xf0\x9f\x91\x8d", b"\xf4\x90\x80\x80",
                 b"\xf4\x8f\xbf\xbf", b"\xf5\x80\x80\x80", b"\xfe\xff", b"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", b"\xf8\x88\x80\x80\x80", b"\xc2\xc2\x80"]
    edges = [0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff]
    sequences += [bytes(random_.choice(edges) for _ in range(random_.randint(2, 12))) for _ in range(250)]
    floats = [0.0, -0.0, 1.0, -1.0, 0.1, 0.5, 1 / 3, 1e-4, 1e-5, 9.999e-5, 1.5e-5, 1e15, 1e16, 123456789012345680.0, 1e17, 1e22, 1e23, 5e-324, 1.7976931348623157e308, 2.2250738585072014e-308,
              float("inf"), float("-inf"), float("nan"), 9.56, 10.96, 29.98, 1.3583333333333334, 1.8524787037677015e-06, 4503599627370496.5, 9007199254740993.0, 0.30000000000000004]
    floats += [random_.uniform(-4, 0) for _ in range(50)] + [math.ldexp(random_.random(), random_.randint(-60, 60)) for _ in range(100)]
    strings = ["", "plain", 'quo"te', "back\\slash", "\x00\x01\x1f\x7f\x80", "\b\t\n\v\f\r", "/", "é", "\u2028\u2029", "\ufffd\uffff", "👍\U0010ffff\U00010000", "中文", "<|en|>"]
    strip = ["", " ", " a ", "\x1c\x1d\x1e\x1fa\x85", "\u00a0a\u3000", "\u180ea\u180e", "\u200ba\u200b", "\u2028a b\u2029", "\ufeffa", "\n\t a\x0b\x0c\r", "\u1680\u205f", "é ", " 👍\u202f"]
    print(json.dumps({
        "utf8": [[s.hex(), s.decode("utf-8", errors="replace")] for s in sequences],
        "floats": [[struct.unpack("<Q", struct.pack("<d", f))[0], json.dumps(f)] for f in floats],
        "strings": [[s, json.dumps(s)] for s in strings],
        "strip": [[s, s.strip()] for s in strip],
        "spaces": [c for c in range(0x110000) if chr(c).isspace()],
    }, separators=(",", ":")).replace("],[", "],\n["))


if __name__ == "__main__":
    main()
