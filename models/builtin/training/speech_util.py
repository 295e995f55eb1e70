"""Reading, resampling and trimming of recordings; the clip bank files that every step shares.
# SPDX-License-Identifier: Apache-2.0

A bank is PREFIX.i16 (all clips back to back, 16 kHz mono int16) and PREFIX.json
(a list of [offset, length, text, voice, family, ...], offsets and lengths in samples)."""
import json
import subprocess
import wave

import numpy as np
from scipy.signal import resample_poly

RATE = 16000
RATIOS = {22050: (320, 441), 24000: (2, 3), 32000: (1, 2), 8000: (2, 1), 44100: (160, 441), 48000: (1, 3)}


def read_wav(path):
    """A mono 16-bit wav at 16 kHz, float32 in int16 units."""
    with wave.open(path) as w:
        rate = w.getframerate()
        x = np.frombuffer(w.readframes(1 << 30), dtype=np.int16).astype(np.float32)
    return x if rate == RATE else resample_poly(x, *RATIOS[rate])


def read_any(path, raw_rate=None):
    """Any file sox can read (or headerless 16-bit samples at raw_rate), float32 in int16 units."""
    head = ["-t", "raw", "-r", str(raw_rate), "-e", "signed", "-b", "16", "-c", "1"] if raw_rate else []
    out = subprocess.run(["sox", *head, path, "-t", "s16", "-r", str(RATE), "-c", "1", "-"], capture_output=True).stdout
    return np.frombuffer(out, dtype=np.int16).astype(np.float32)


def to_int16(x, peak=12000):
    return np.clip(x * (peak / max(1, np.abs(x).max())), -32767, 32767).astype(np.int16)


def trim(x, threshold=0.02, pad=400):
    """Cuts silence at both ends of a clean synthetic clip; None if there is nothing."""
    if len(x) < 800:
        return None
    e = np.convolve(np.abs(x), np.ones(160) / 160, "same")
    if e.max() < 50:
        return None
    i = np.where(e > threshold * e.max())[0]
    return to_int16(x[max(0, i[0] - pad):i[-1] + pad])


def trim_human(x, threshold, pad):
    """As trim, for recordings with background noise; clicks shorter than 60 ms at the ends are dropped."""
    e = np.convolve(np.abs(x), np.ones(320) / 320, "same")
    i = np.where(e > threshold * np.percentile(e, 99.5))[0]
    runs = [r for r in np.split(i, np.where(np.diff(i) > 1600)[0] + 1) if len(r) > 960]
    return to_int16(x[max(0, runs[0][0] - pad):runs[-1][-1] + pad]) if runs else None


class BankWriter:
    def __init__(self, prefix):
        self.prefix, self.file, self.index, self.offset = prefix, open(prefix + ".i16", "wb"), [], 0

    def add(self, x, *info):
        self.file.write(x.tobytes())
        self.index.append([self.offset, len(x), *info])
        self.offset += len(x)

    def close(self):
        self.file.close()
        json.dump(self.index, open(self.prefix + ".json", "w"))

    def hours(self):
        return self.offset / RATE / 3600
