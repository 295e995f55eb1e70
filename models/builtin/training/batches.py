#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Training batches: phrases from the banks laid into a window, augmented, with Whisper-style targets."""
import json
import os
import random

import numpy as np
import torch

import sentences
from features import CENTRES, log_mel, power
from speech_util import RATE
from tokenizer import Tokenizer

DIGITS = set(sentences.DIG)
CHARS = {c: i for i, c in enumerate("abcdefghijklmnopqrstuvwxyz' ")}


class Bank:
    def __init__(self, prefix, keep=lambda e: True):
        self.x = np.memmap(prefix + ".i16", dtype=np.int16, mode="r")
        self.index = [e for e in json.load(open(prefix + ".json")) if keep(e)]

    def get(self, e):
        return self.x[e[0]:e[0] + e[1]].astype(np.float32) / 32768


def noise(r, n):
    """Unit-variance noise: white, coloured, hum or impulses."""
    k, g = r.random(), np.random.default_rng(r.getrandbits(32))
    w = g.standard_normal(n, dtype=np.float32)
    if k < .3:
        return w
    if k < .8:
        m = 1 << 14                                              # a coloured piece, repeated with a moving sign: cheap and long enough
        f = np.fft.rfft(w[:m] if n >= m else np.resize(w, m))
        f = f / (np.arange(len(f)) + 20.) ** r.uniform(.3, 1.1)
        if r.random() < .3:
            f *= (np.abs(np.arange(len(f)) * RATE / m - r.uniform(100, 3500)) < r.uniform(50, 1500)) + .05
        x = np.fft.irfft(f, m).astype(np.float32)
        x = np.resize(np.concatenate([x, -x]), n + m)[(p := r.randint(0, m - 1)):p + n]
    elif k < .9:
        t, f = np.arange(n, dtype=np.float32) / RATE, r.choice([50, 60, 100, 120]) * r.uniform(.98, 1.02)
        x = sum(np.float32(r.random() / h) * np.sin(np.float32(2 * np.pi * f * h) * t + np.float32(r.random() * 6)) for h in range(1, 8)) + .1 * w
    else:
        x = .02 * w
        for _ in range(r.randint(1, 6)):
            p = r.randint(0, n - 1)
            m = min(n - p, r.randint(200, 4000))
            x[p:p + m] += w[:m] * np.exp(-np.arange(m) / r.uniform(50, 1200)).astype(np.float32) * r.random()
    if r.random() < .3:
        x = x * (1 + .8 * np.sin(2 * np.pi * r.uniform(.2, 4) * np.arange(n) / RATE + r.random() * 6)).astype(np.float32)
    return x / (x.std() + 1e-6)


def room(r):
    """A random decaying room response."""
    t60 = r.uniform(.08, .6)
    n, g = int(RATE * min(t60, .5)), np.random.default_rng(r.getrandbits(32))
    h = g.standard_normal(n, dtype=np.float32) * np.exp(-6.9 * np.arange(n) / RATE / t60).astype(np.float32)
    h[:r.randint(8, 60)] = 0
    h *= r.uniform(.1, 1.0) / np.sqrt((h ** 2).sum() + 1e-9)
    h[0] = 1
    return h


def stretch(x, f):
    """Speed and pitch together by linear resampling."""
    return np.interp(np.arange(0, len(x) - 1, f), np.arange(len(x)), x).astype(np.float32) if abs(f - 1) > .01 else x


class Maker:
    difficulty = 1.0                                             # 0..1: strength of augmentation and share of robotic voices

    def __init__(self, seed, speech, wake=None, orders=None, p_wake=.08, p_orders=.10):
        self.r, self.t = random.Random(seed), Tokenizer()
        self.natural, self.robotic, by_voice = [], [], {}
        for b in [Bank(p) for p in speech]:
            for e in b.index:
                (self.robotic if e[4] == "espeak" else self.natural).append((b, e))
                if e[2] in DIGITS:
                    by_voice.setdefault((id(b), e[3] if e[4] != "espeak" else "espeak " + e[3].split("+")[1]), []).append((b, e))
        self.digit_voices = [v for v in by_voice.values() if len(v) >= 6]
        self.wake = [(b, e) for b in [Bank(wake, lambda e: e[3] == "train")] for e in b.index] if wake else []
        self.orders = [(b, e) for b in [Bank(orders, lambda e: e[3] == "train")] for e in b.index] if orders else []
        self.p_wake, self.p_orders = p_wake * bool(self.wake), p_orders * bool(self.orders)

    def digit_string(self, room_left):
        """Single digits of one voice in a row."""
        r, items, parts, words, total = self.r, self.r.choice(self.digit_voices), [], [], 0
        gap_mean = r.uniform(0, .3)
        for _ in range(r.choice([1, 2, 3, 4, 5, 6, 7, 8])):
            b, e = r.choice(items)
            x, gap = b.get(e), np.zeros(int(RATE * max(0, r.gauss(gap_mean, .08))), np.float32)
            if total + len(x) + len(gap) > room_left:
                break
            parts += [x * r.uniform(.6, 1.0), gap]
            total += len(x) + len(gap)
            words.append(e[2])
        return (np.concatenate(parts[:-1]), " ".join(words)) if words else None

    def phrase(self, room_left):
        """One spoken phrase, samples and text; None if it does not fit."""
        r, k = self.r, self.r.random()
        f = 1 + r.uniform(-.14, .18) * self.difficulty
        if k < self.p_wake:
            b, e = r.choice(self.wake)
            u = b.get(e), e[2]
        elif k < self.p_wake + self.p_orders:
            b, e = r.choice(self.orders)
            u = b.get(e), e[2]
        elif k < self.p_wake + self.p_orders + .12 and self.digit_voices:
            u = self.digit_string(room_left / 1.2)
        else:
            b, e = r.choice(self.natural) if r.random() < 1 - .42 * self.difficulty else r.choice(self.robotic)
            u = b.get(e), e[2]
        if u is None:
            return None
        x = stretch(u[0], f)
        return (x * r.uniform(.35, 1.0), u[1]) if len(x) < room_left else None

    def window(self, ctx):
        """Samples of one window, its segments (start, end, text), where speech is cut by the end, and where sound ends."""
        r, n = self.r, ctx * 320
        y, segs, cut = np.zeros(n, np.float32), [], None
        if r.random() < .05:
            return y, segs, cut, n
        end, most = n - int(RATE * r.uniform(0, .5)), r.choice([1, 2, 3, 9])
        if ctx >= 1000:
            most = r.choice([1, 2, 3, 6, 12, 20])
            end = int(n * r.choice([1, 1, 1, r.uniform(.2, 1)]))
        p, fails = int(RATE * r.choice([r.uniform(0, .25), r.uniform(0, 1.)])), 0
        if r.random() < .1:                                      # a long wait before the first word
            p = int(n * r.uniform(0, .5))
        while p < end - 4000 and fails < 3 and len(segs) < most:
            u = self.phrase(end - p)
            if u is None:
                fails += 1
                if ctx >= 1000 and fails == 3 and r.random() < .6:   # speech cut by the end of the window: only its start time is told
                    u = self.phrase(1 << 20)
                    if u and p + len(u[0]) > n and n - p > 4800:
                        y[p:n] += u[0][:n - p]
                        cut = p / RATE
                continue
            x, text = u
            y[p:p + len(x)] += x
            segs.append((p / RATE, (p + len(x)) / RATE, text))
            p += len(x) + int(RATE * r.choice([r.uniform(.12, .5), r.uniform(.3, 1.6)] if r.random() > .06 else [r.uniform(1, 6)]))
        if not segs:
            y[:], cut = 0, None
        last = n if cut is not None or not segs else min(n, int(segs[-1][1] * RATE) + int(RATE * r.uniform(.05, 1.2)))
        return y, segs, cut, last

    def spoil(self, y, silent, sound_end):
        """Room, noise, level and quantisation; then the power spectrogram with a random vocal tract and channel."""
        r, g, n, blank = self.r, self.difficulty, len(y), None
        if silent:
            if r.random() < .85:
                y = noise(r, n) * 10 ** r.uniform(-4.5, -1.2)
            if r.random() < .4:
                blank = int(n // 160 * r.uniform(.03, 1))
        else:
            if r.random() < .4 * g:
                h = room(r)
                m = 1 << (n + len(h) - 1).bit_length()
                y = np.fft.irfft(np.fft.rfft(y, m) * np.fft.rfft(h, m), m)[:n].astype(np.float32)
            rms = y.std()
            if r.random() < .75 * g:
                y = y + noise(r, n) * rms * 10 ** (-r.uniform(3 + 25 * (1 - g), 40) / 20)
            if r.random() < .1:                                  # babble far below the speech
                b, e = r.choice(self.robotic)
                x = np.resize(b.get(e), n)
                y = y + x * (rms / (x.std() + 1e-6)) * 10 ** (-r.uniform(18, 35) / 20)
            k = r.random()
            if k < .3:                                           # the file ends here and the window is filled with silence ...
                y[sound_end:] = 0
            elif k < .75:                                        # ... or, as OpenAI's reference does, with 0.0 in the log-mel itself
                blank = sound_end // 160
            m = np.abs(y).max()
            if m > 0:
                y = y / m * 10 ** (-r.uniform(0, 26) / 20) * (1.0 if r.random() < .93 else 3.0)
        y = np.clip(y, -1, 1)
        if r.random() < .5:
            y = np.round(y * 32768) / 32768
        p, gain = power(torch.from_numpy(y.astype(np.float32))), None
        if r.random() < .5 * g:                                  # vocal tract length: warp the frequency axis
            a, q = r.uniform(.87, 1.14), torch.arange(201, dtype=torch.float32)
            q = torch.where(q < 150, q * a, 150 * a + (q - 150) * (200 - 150 * a) / 50).clamp(0, 199.99)
            i = q.long()
            f = (q - i)[:, None]
            p = p[i] * (1 - f) + p[i + 1] * f
        if r.random() < .6 * g:                                  # a smooth channel
            pts = np.interp(np.linspace(0, 5, 80), np.arange(6), [r.gauss(0, 4) for _ in range(6)])
            gain = torch.from_numpy((10 ** (pts / 10)).astype(np.float32))
        if r.random() < .4 * g:                                  # a low-pass channel
            c = r.choice([4000, 4000, 3600, 5500, 6500])
            low = torch.where(CENTRES > c, 10 ** (-torch.clamp((CENTRES - c) / 400, 0, 1) * r.uniform(4, 8)), torch.ones(80)).float()
            gain = low if gain is None else gain * low
        mel = log_mel(p, gain, r.uniform(0, 1.5) if r.random() < .15 else 0.)
        if r.random() < .35 * g:                                 # masks
            for _ in range(r.randint(1, 2)):
                f0 = r.randint(0, 70)
                mel[f0:f0 + r.randint(1, 10)] = mel.mean()
            t0 = r.randint(0, mel.shape[1] - 20)
            mel[:, t0:t0 + r.randint(1, 12)] = mel.mean()
        if blank is not None:
            mel[:, blank:] = 0
        return mel

    def item(self, ctx):
        """(mel, input tokens, labels, characters for CTC or None)"""
        r, t = self.r, self.t
        y, segs, cut, sound_end = self.window(ctx)
        stamps = r.random() < (.9 if ctx >= 800 else .5)
        if cut is not None and not stamps:
            return self.item(ctx)
        mel = self.spoil(y, not segs, sound_end)
        if not segs:
            body = [t.nospeech, t.eot]
        else:
            body = [t.en, t.transcribe] if r.random() < .8 else []
            if stamps:
                for a, b, text in segs:
                    body += [t.time0 + int(round(a * 50)), *t.encode(" " + text), t.time0 + min(1500, int(round(b * 50)))]
                if cut is not None:
                    body.append(t.time0 + int(round(cut * 50)))
            else:
                body += [t.notimestamps, *t.encode("".join(" " + s[2] for s in segs))]
            body.append(t.eot)
        before = [t.startofprev, *t.encode(" " + sentences.sentence(r))] if r.random() < .08 else []
        tokens = before + [t.sot] + body
        labels = [-100] * len(before) + body
        chars = None if cut is not None or not segs else [CHARS[c] for c in " ".join(s[2] for s in segs)]
        return mel, tokens[:-1], labels, chars

    def batch(self, ctx, size, offset=0):
        items = [self.item(ctx) for _ in range(size)]
        length = min(224, max(len(i[1]) for i in items))
        tokens, labels = torch.zeros(size, length, dtype=torch.long), torch.full((size, length), -100)
        for b, (_, tok, lab, _) in enumerate(items):
            tok, lab = tok[:length], lab[:length]
            tokens[b, :len(tok)], labels[b, :len(lab)] = torch.tensor(tok), torch.tensor(lab)
        for x in (tokens, labels):                               # times move with the pretended position
            x[x >= self.t.time0] += offset
        n_chars = torch.tensor([len(i[3] or []) for i in items])
        chars = torch.zeros(size, max(1, int(n_chars.max())), dtype=torch.long)
        for b, i in enumerate(items):
            if i[3]:
                chars[b, :len(i[3])] = torch.tensor(i[3], dtype=torch.long)
        return torch.stack([i[0] for i in items]), tokens, labels, chars, n_chars, offset


def context(f, r):
    """Encoder positions of a batch at fraction f of the training: short windows first, whole 30 s windows later."""
    k = r.random()
    if f < .10:
        return r.choice([100, 125, 150])
    if f < .25:
        return r.choice([150, 200, 250, 300]) if k < .85 else 400
    whole = .10 if f < .5 else .35 if f < .75 else .45
    if k < whole:
        return 1500
    return r.choice([150, 200, 250, 300]) if k < whole + (1 - whole) * .5 else r.choice([400, 500, 600, 800])


class Stream(torch.utils.data.IterableDataset):
    """Batches `first` to `last` of a training of `total`; all ranks see the same window lengths."""

    def __init__(self, seed, rank, first, last, total, budget, ramp, **kw):
        self.args, self.kw = (seed, rank, first, last, total, budget, ramp), kw

    def __iter__(self):
        torch.set_num_threads(1)
        seed, rank, first, last, total, budget, ramp = self.args
        maker, r = Maker(seed * 1000 + rank + 17 * first, **self.kw), random.Random(seed * 77 + first)
        for i in range(first, last):
            ctx = context(i / total, r)
            maker.difficulty = min(1., .1 + i / total / ramp) if i < .7 * total else .6      # the last part is easier, nearer to real use
            # most short windows pretend to lie anywhere in the 30 s, so that late positions and times are learnt cheaply
            offset = r.randint(0, 1500 - ctx) if r.random() < .7 else 0
            yield maker.batch(ctx, max(1, budget // ctx), offset)


if __name__ == "__main__":
    import time
    torch.set_num_threads(1)
    m = Maker(1, ["data/held_test", "data/held_private"], "data/wake" if os.path.exists("data/wake.json") else None)
    print(len(m.natural), "natural", len(m.robotic), "robotic", len(m.digit_voices), "digit voices", len(m.wake), "wake")
    for ctx in (125, 250, 500, 1500):
        c = time.process_time()
        for _ in range(3):
            b = m.batch(ctx, max(1, 2400 // ctx))
        print(ctx, [tuple(x.shape) for x in b[:5]], f"CPU s a batch {(time.process_time() - c) / 3:.3f}")
    t = m.t
    for _ in range(6):
        mel, tok, lab, ch = m.item(300)
        print(f"{mel.min():.2f} {mel.max():.2f}", [t.decode([k]) if k < t.n_text else f"<{(k - t.time0) / 50:.2f}>" if k >= t.time0 else f"<{k - t.n_text}>" for k in tok], len(lab) == len(tok))
