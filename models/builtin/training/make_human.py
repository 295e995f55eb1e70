#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""make_human.py: human banks from the downloaded repositories under src/.
  data/wake   Picovoice wake-word recordings, split by a hash of the file name (1 in 10 is test)
  data/fsdd   Free Spoken Digit Dataset, for tests only
  data/orders_raw   Picovoice coffee orders without text; their slot labels go to data/orders_raw.slots.json"""
import collections
import glob
import hashlib
import json
import os

import numpy as np

from sentences import DIG
from speech_util import RATE, BankWriter, read_any, to_int16, trim_human

WAKE = ["computer", "jarvis", "alexa", "snowboy", "smart mirror", "view glass"]


def main():
    bank = BankWriter("data/wake")
    for word in WAKE:
        for f in sorted(glob.glob(f"src/wake-word-benchmark/audio/{word}/*")):
            x = trim_human(read_any(f), .12, 1600)
            if x is None or len(x) > RATE * 2.5:
                continue
            h = int(hashlib.sha1(os.path.basename(f).encode()).hexdigest(), 16) % 10
            bank.add(x, word, "test" if h == 0 else "train", "wake")
    bank.close()
    print("wake", collections.Counter(e[3] for e in bank.index), f"hours {bank.hours():.2f}")

    bank = BankWriter("data/fsdd")
    for f in sorted(glob.glob("src/free-spoken-digit-dataset/recordings/*.wav")):
        digit, speaker, _ = os.path.basename(f)[:-4].split("_")
        x = trim_human(read_any(f), .03, 480)
        if x is not None:
            bank.add(x, DIG[int(digit)], speaker, "fsdd")
    bank.close()
    print("fsdd", len(bank.index), f"hours {bank.hours():.2f}")

    top = "src/speech-to-intent-benchmark/data/"
    labels = json.load(open(top + "label/label.json"))
    bank, slots = BankWriter("data/orders_raw"), []
    for f in sorted(labels):
        if not os.path.exists(top + "speech/clean/" + f):
            continue
        x = read_any(top + "speech/clean/" + f)
        e = np.convolve(np.abs(x), np.ones(800) / 800, "same")
        i = np.where(e > .1 * np.percentile(e, 99))[0]
        x = x[max(0, i[0] - 4000):i[-1] + 4000]
        if len(x) <= RATE * 12:
            bank.add(to_int16(x, 13000), "", f, "orders")
            slots.append({k: v.strip() for k, v in labels[f]["slots"].items()})
    bank.close()
    json.dump(slots, open("data/orders_raw.slots.json", "w"))
    print("orders", len(slots), f"hours {bank.hours():.2f}")


if __name__ == "__main__":
    main()
