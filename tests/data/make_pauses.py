#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes pauses.txt: the stretches between the pauses of two made-up sounds and of recordings, one line a sound:
NAME SAMPLES FIRST LAST FIRST LAST ...

The rule, in NumPy: root mean square of every 20 ms; loud is above 0.05 of the 95th percentile; more than 0.3 s without
a loud frame is a pause; 0.15 s are kept on both sides of what is loud.

    tests/data/make_pauses.py [FOLDER_OF_FLAC_FILES]      needs NumPy, and ffmpeg for the folder
"""
import subprocess
import sys
from pathlib import Path

import numpy as np


def bursts(seed, seconds):
    """Noise whose level changes every 0.1 s, by the generator of pauses_test.cpp: x = 1664525 x + 1013904223 mod 2^32."""
    state, out = seed, np.zeros(seconds * 16000, np.int64)
    level = 0
    for i in range(len(out)):
        state = (1664525 * state + 1013904223) % 2**32
        if i % 1600 == 0:
            level = (0, 0, 3, 40, 700, 9000)[(state >> 24) % 6]
        out[i] = ((state >> 16) - 32768) * level // 32768
    return out


def stretches(pcm):
    frames = pcm[: len(pcm) // 320 * 320].reshape(-1, 320) / 32768.0
    energy = np.sqrt(np.mean(frames**2, axis=1))
    loud = np.flatnonzero(energy > 0.05 * np.percentile(energy, 95))
    spans = []
    for group in np.split(loud, np.flatnonzero(np.diff(loud) > 15) + 1):
        if len(group):
            spans += [max(0, group[0] * 320 - 2400), min(len(pcm), (group[-1] + 1) * 320 + 2400)]
    return spans


def main():
    sounds = [("bursts-1-20", bursts(1, 20)), ("bursts-7-33", bursts(7, 33))]
    for path in sorted(Path(sys.argv[1]).glob("*.flac")) if len(sys.argv) > 1 else []:
        raw = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-f", "s16le", "-ac", "1", "-ar", "16000", "-"],
                             stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout
        sounds.append((path.name, np.frombuffer(raw, "<i2").astype(np.int64)))
    lines = [" ".join(map(str, [name, len(pcm), *stretches(pcm)])) for name, pcm in sounds]
    (Path(__file__).parent / "pauses.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
