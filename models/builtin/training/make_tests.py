#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""make_tests.py OUTDIR --bank data/held_test [--more BANK] --short N --noisy N --long N --wake N --orders N --digits N [--skip K]
Held-out recordings as 16 kHz mono flac with texts.tsv (file, text, voice, kind) and, for the long ones, long.json with the
start and end of every sentence in seconds. --skip K leaves out the first K human clips, so that two sets share none."""
import argparse
import json
import os
import random
import subprocess

import numpy as np

import batches
from batches import Bank
from speech_util import RATE


def write_flac(path, x):
    raw = np.clip(np.round(x * 32767), -32768, 32767).astype("<i2").tobytes()
    subprocess.run(["flac", "-8", "--silent", "--force", "--force-raw-format", "--endian=little", "--sign=signed", "--channels=1", "--bps=16",
                    f"--sample-rate={RATE}", "-o", path, "-"], input=raw, check=True)


def zeros(seconds):
    return np.zeros(int(RATE * seconds), np.float32)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("out")
    a.add_argument("--bank", required=True)
    a.add_argument("--more", default="")
    a.add_argument("--avoid", default="", help="texts.tsv and long.json of another set are in this folder: say none of its sentences")
    for k, n in dict(short=27, noisy=8, long=5, wake=5, orders=5, digits=0, skip=0, seed=1).items():
        a.add_argument("--" + k, type=int, default=n)
    a = a.parse_args()
    os.makedirs(a.out, exist_ok=True)
    r, rows, times = random.Random(a.seed), [], {}
    trained = {e[2] for p in ("speech_a", "speech_b", "speech_c") for e in json.load(open(f"data/{p}.json"))}
    if a.avoid:
        trained |= {line.split("\t")[1] for line in open(a.avoid + "/texts.tsv")}
        trained |= {s["text"] for segs in json.load(open(a.avoid + "/long.json")).values() for s in segs}
    pool = {}
    for p in [a.bank] + a.more.split(",") * bool(a.more):        # by kind of voice, sentences that no training clip says (single words aside)
        bank = Bank(p)
        for e in bank.index:
            if e[2] not in trained or " " not in e[2]:
                pool.setdefault(e[4] if e[4] != "rhvoice" else e[4] + " " + e[3], []).append((bank, e))
    for v in pool.values():
        r.shuffle(v)
    kinds, used = sorted(pool), set()

    def take(kind, words=0):
        for b, e in pool[kind] + [c for k in kinds for c in pool[k]]:    # another kind of voice where this one has run out
            if id(e) not in used and e[2] not in used and len(e[2].split()) >= words:
                used.update((id(e), e[2]))
                return b.get(e), e[2], e[3]
        raise SystemExit(f"{kind}: too few clips")

    def add(name, x, text, voice, kind):
        write_flac(f"{a.out}/{name}.flac", x)
        rows.append((f"{name}.flac", text, voice, kind))

    for i in range(a.short + a.noisy):
        kind = kinds[i % len(kinds)]
        x, text, voice = take(kind, (1, 3, 5)[i // len(kinds) % 3])
        x = np.concatenate([zeros(r.uniform(.1, .5)), x * r.uniform(.5, 1.5), zeros(r.uniform(.2, .6))])
        noisy = i >= a.short
        if noisy:
            x = x + batches.noise(r, len(x)) * x.std() * 10 ** (-r.uniform(10, 20) / 20)
        add(f"{'noisy' if noisy else 'short'}-{i + 1:02d}", np.clip(x, -1, 1), text, voice, "noisy" if noisy else "short")
    for i in range(a.long):
        target, parts, segs, p = 42 + 72 * i / max(1, a.long - 1), [zeros(.5)], [], .5
        kind, voices = kinds[i % len(kinds)], []
        while p < target:
            x, text, voice = take(kind if i % 2 else r.choice(kinds), 3)
            gap = zeros(r.uniform(.4, 1.6))
            segs.append(dict(start=round(p, 3), end=round(p + len(x) / RATE, 3), text=text))
            parts += [x, gap]
            p += (len(x) + len(gap)) / RATE
            voices.append(voice)
        x = np.concatenate(parts)
        if i % 2:
            x = x + batches.noise(r, len(x)) * x.std() * 10 ** -1.75          # 35 dB below the speech
        name = f"long-{i + 1}"
        add(name, np.clip(x, -1, 1), " ".join(s["text"] for s in segs), ",".join(sorted(set(voices))), "long")
        times[name + ".flac"] = segs

    def human(bank, keep, n, name, kind, best=None):
        b = Bank(bank, keep)
        es = sorted(b.index, key=best)[a.skip:] if best else random.Random(5).sample(b.index, len(b.index))[a.skip:]
        for i, e in enumerate(es[:n]):
            add(f"human-{name}-{i + 1:02d}", np.concatenate([zeros(.2), b.get(e), zeros(.4)]), e[2], "human " + (e[3] if kind == "human-digits" else "held-out"), kind)

    if a.wake:
        human("data/wake", lambda e: e[3] == "test", a.wake, "wake", "human-wake")
    if a.orders:                                                 # the surest fitted texts: by the margin over the next candidate
        human("data/orders", lambda e: e[3] == "test" and e[7] > -.7, a.orders, "order", "human-order", lambda e: -e[8])
    for i in range(a.digits):
        sp = ("george", "jackson", "nicolas", "yweweler", "lucas", "theo")[i % 6]
        b, parts, words = Bank("data/fsdd", lambda e: e[3] == sp), [zeros(.2)], []
        for _ in range(r.choice([1, 3, 5, 7])):
            e = r.choice(b.index)
            parts += [b.get(e), zeros(r.uniform(.1, .4))]
            words.append(e[2])
        add(f"human-digits-{i + 1:02d}", np.concatenate(parts + [zeros(.2)]), " ".join(words), "human " + sp, "human-digits")
    open(a.out + "/texts.tsv", "w").write("file\ttext\tvoice\tkind\n" + "".join("\t".join(row) + "\n" for row in rows))
    if times:
        json.dump(times, open(a.out + "/long.json", "w"), indent=1)
    print(a.out, len(rows), "recordings", f"{sum(os.path.getsize(a.out + '/' + row[0]) for row in rows) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
