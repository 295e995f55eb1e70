#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""evaluate.py NAME [--ctx 1500] [--int8] [--float32] [--sets a,b]: greedy word error rates on held-out voices and people,
no-speech behaviour and timestamp error. Without --ctx the window is only as long as the recording needs (fast)."""
import argparse
import collections
import json
import os
import random

import numpy as np
import torch

import batches
from batches import Bank
from features import log_mel, mel_of, power
from model import Dims, Whisper
from speech_util import RATE, read_any
from tokenizer import Tokenizer

REAL = [("vosk-api/python/example/test.wav", "one zero zero zero one nine oh two one oh zero one eight zero three"),
        ("pocketsphinx/test/data/cards/001.wav", "ten of clubs"), ("pocketsphinx/test/data/cards/002.wav", "four queen of clubs"),
        ("pocketsphinx/test/data/cards/003.wav", "seven of clubs"), ("pocketsphinx/test/data/cards/004.wav", "five five"),
        ("pocketsphinx/test/data/cards/005.wav", "eight of spades four of clubs seven of hearts"),
        ("pocketsphinx/test/data/goforward.raw", "go forward ten meters"), ("pocketsphinx/test/data/tidigits/dhd.2934z.raw", "two nine three four zero")]


def load(name):
    c = torch.load(f"data/{name}.pt")
    m = Whisper(Dims(**c["dims"]))
    m.load_state_dict(c["model"])
    return m.eval()


def round_int8(m):
    """Rounds every weight matrix to int8 with one scale a row."""
    for n, p in m.named_parameters():
        if p.dim() >= 2 and "positional" not in n:
            f = p.data.view(p.shape[0], -1)
            s = f.abs().amax(1, keepdim=True) / 127
            f.copy_((f / s).round().clamp(-127, 127) * s)


def mask_times(logits, history, t):
    """Whisper's rules for timestamps: first a time, pairs, never backwards, times if they outweigh every text token."""
    last = len(history) > 0 and history[-1] >= t.time0
    pair = len(history) < 2 or history[-2] >= t.time0
    if last:
        if pair:
            logits[t.time0:] = -1e9
        else:
            logits[:t.eot] = -1e9
    times = [z for z in history if z >= t.time0]
    if times:
        logits[t.time0:times[-1] + (0 if last and not pair else 1)] = -1e9
    if not history:
        logits[:t.time0] = -1e9
    p = torch.log_softmax(logits, -1)
    if torch.logsumexp(p[t.time0:], 0) > p[:t.time0].max():
        logits[:t.time0] = -1e9


@torch.no_grad()
def decode_mels(m, t, mels, stamps=False, lang=True, most=100, bf16=True):
    """Greedy; (text, tokens, no-speech probability, mean log probability) of every window of a [n, 80, frames] batch."""
    n = len(mels)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        kv, cache = m.decoder.cross(m.encoder(mels)), [{} for _ in m.decoder.blocks]
        prompt = [t.sot] + ([t.en, t.transcribe] if lang else []) + ([] if stamps else [t.notimestamps])
        logits = m.decoder(torch.tensor([prompt] * n), kv, cache).float()
        silent, pos = torch.softmax(logits[:, 0], -1)[:, t.nospeech], len(prompt)
        tokens, done, l, total = [[] for _ in range(n)], [False] * n, logits[:, -1], [0.] * n
        for _ in range(most):
            l = l.clone()
            l[:, t.sot:t.notimestamps + 1] = -1e9
            for i in range(n):
                if stamps:
                    mask_times(l[i], tokens[i], t)
                else:
                    l[i, t.time0:] = -1e9
            lp, k = torch.log_softmax(l, -1).max(-1)
            for i in range(n):
                if not done[i]:
                    total[i] += float(lp[i])
                    if k[i] == t.eot:
                        done[i] = True
                    else:
                        tokens[i].append(int(k[i]))
            if all(done) or pos >= m.dims.n_text_ctx - 1:
                break
            l = m.decoder(k[:, None], kv, cache, pos=pos).float()[:, -1]
            pos += 1
    return [(t.decode([z for z in q if z < t.eot]).strip(), q, float(p), s / (len(q) + 1)) for q, p, s in zip(tokens, silent, total)]


def decode(m, t, clips, ctx=None, size=8, blank=False, **kw):
    """decode_mels of every clip (float32 in [-1, 1]), in batches of similar length."""
    out, order = [None] * len(clips), sorted(range(len(clips)), key=lambda i: len(clips[i]))
    for b in range(0, len(order), size):
        ids = order[b:b + size]
        c = ctx or min(1500, max(150, int(np.ceil((max(len(clips[i]) for i in ids) / 320 + 15) / 50) * 50)))
        for i, o in zip(ids, decode_mels(m, t, torch.stack([mel_of(clips[i], c, blank) for i in ids]), **kw)):
            out[i] = o
    return out


def transcribe(m, t, x, bf16=True):
    """A recording of any length as OpenAI's reference does it, greedy and without previous text: [(start, end, text)]."""
    mel, seek, segs = log_mel(power(torch.from_numpy(np.concatenate([x, np.zeros(RATE * 30, np.float32)])))), 0, []
    content = len(x) // 160
    while seek < content:
        n = min(3000, content - seek)
        window = torch.zeros(1, 80, 3000)
        window[0, :, :n] = mel[:, seek:seek + n]
        text, tokens, silent, mean = decode_mels(m, t, window, stamps=True, bf16=bf16)[0]
        if silent > .6 and mean < -1:
            seek += n
            continue
        is_time = [z >= t.time0 for z in tokens]
        cuts = [i for i in range(1, len(tokens)) if is_time[i] and is_time[i - 1]]
        closed = len(is_time) > 1 and is_time[-1] and not is_time[-2]
        bounds, first = cuts + ([len(tokens)] if closed or not cuts else []), 0
        for last in bounds:
            part = tokens[first:last]
            times = [(z - t.time0) / 50 for z in part if z >= t.time0] or [0.]
            end = times[-1] if len(times) > 1 else n / 100
            words = t.decode([z for z in part if z < t.eot]).strip()
            if words:
                segs.append((seek / 100 + times[0], seek / 100 + end, words))
            first = last
        seek += n if closed or not cuts else max(2, (tokens[cuts[-1] - 1] - t.time0) * 2)
    return segs


def edits(ref, hyp):
    d = list(range(len(hyp) + 1))
    for i, a in enumerate(ref, 1):
        p = d[:]
        d[0] = i
        for j, b in enumerate(hyp, 1):
            d[j] = min(p[j] + 1, d[j - 1] + 1, p[j - 1] + (a != b))
    return d[-1]


def wer(refs, hyps):
    return sum(edits(r.split(), h.split()) for r, h in zip(refs, hyps)) / max(1, sum(len(r.split()) for r in refs))


def trained_texts():
    return {e[2] for p in ("speech_a", "speech_b", "speech_c") for e in json.load(open(f"data/{p}.json"))}


def padded(bank, entries):
    return [np.concatenate([np.zeros(3200, np.float32), bank.get(e), np.zeros(4800, np.float32)]) for e in entries], [e[2] for e in entries]


def digit_strings(speaker, n=40, k=5, seed=5):
    bank, r, clips, refs = Bank("data/fsdd", lambda e: e[3] == speaker), random.Random(seed), [], []
    for _ in range(n):
        parts, words = [np.zeros(int(RATE * .2), np.float32)], []
        for _ in range(k):
            e = r.choice(bank.index)
            parts += [bank.get(e), np.zeros(int(RATE * r.uniform(.08, .35)), np.float32)]
            words.append(e[2])
        clips.append(np.concatenate(parts))
        refs.append(" ".join(words))
    return clips, refs


def evaluate(m, t, sets, ctx=None, most_clips=150, verbose=False, **kw):
    result, texts = collections.OrderedDict(), lambda clips, **k: [o[0] for o in decode(m, t, clips, ctx, **k, **kw)]

    def show(name, refs, hyps):
        result[name] = wer(refs, hyps)
        if verbose:
            print("--", name)
            for r, h in list(zip(refs, hyps))[:8]:
                print("   ", "=" if r == h else "x", r, "|", h)

    for s in ("test", "private"):
        if s in sets:
            bank, by = Bank(f"data/held_{s}"), collections.OrderedDict()
            for e in bank.index:
                by.setdefault(e[4] if e[4] != "rhvoice" else e[4] + " " + e[3], []).append(e)
            total_refs, total_hyps = [], []
            for k, es in by.items():
                clips, refs = padded(bank, es[:most_clips])
                hyps = texts(clips)
                show(f"{s} {k}", refs, hyps)
                total_refs += refs
                total_hyps += hyps
            result[f"{s} all synthetic"] = wer(total_refs, total_hyps)
            trained = trained_texts()
            new = [(a, b) for a, b in zip(total_refs, total_hyps) if a not in trained and len(a.split()) > 3]
            result[f"{s} sentences of 4+ words never trained on"] = wer(*zip(*new))
    if "accented" in sets:
        bank = Bank("data/held_accented")
        clips, refs = padded(bank, bank.index[:most_clips])
        show("accented it_lp, fi_mv", refs, texts(clips))
    if "fsdd" in sets:
        all1, all5 = ([], []), ([], [])
        for sp in ("george", "jackson", "nicolas", "yweweler", "lucas", "theo"):
            bank = Bank("data/fsdd", lambda e: e[3] == sp)
            for (clips, refs), acc, name in ((padded(bank, bank.index[::12]), all1, "single digits"), (digit_strings(sp, 25), all5, "five digits")):
                hyps = texts(clips)
                result[f"FSDD {name} {sp}"] = wer(refs, hyps)
                acc[0].extend(refs), acc[1].extend(hyps)
        result["FSDD single digits, six people"], result["FSDD five digits, six people"] = wer(*all1), wer(*all5)
    if "wake" in sets:
        bank = Bank("data/wake", lambda e: e[3] == "test")
        clips, refs = padded(bank, bank.index)
        show("wake words, people", refs, texts(clips))
    if "real" in sets:
        clips = [read_any("src/" + f, 16000 if f.endswith("raw") else None) / 32768 for f, _ in REAL]
        hyps = texts(clips)
        result["eight recordings of people"] = wer([r for _, r in REAL], hyps)
        for (f, r), h in zip(REAL, hyps):
            print("   ", os.path.basename(f), "|", r, "|", h)
    if "orders" in sets:
        slots, bank = json.load(open("data/orders_raw.slots.json")), Bank("data/orders_raw")
        held = {e[5] for e in json.load(open("data/orders.json")) if e[3] == "test"} if os.path.exists("data/orders.json") else None
        chosen = [i for i, e in enumerate(bank.index) if held is None or e[3] in held]
        chosen = chosen if held else chosen[::6]
        hyps = texts([bank.get(bank.index[i]) for i in chosen])
        good = [[f" {v} " in f" {h} " for v in slots[i].values()] for i, h in zip(chosen, hyps)]
        result["orders: slots right"] = sum(map(sum, good)) / sum(map(len, good))
        result["orders: all slots right"] = sum(map(all, good)) / len(good)
        result["orders: recordings"] = len(good)
        if held:
            ref = {e[5]: e[2] for e in json.load(open("data/orders.json"))}
            show("orders: word errors against fitted texts", [ref[bank.index[i][3]] for i in chosen], hyps)
        elif verbose:
            for i, h in list(zip(chosen, hyps))[:10]:
                print("   ", list(slots[i].values()), "|", h)
    if "silence" in sets:
        r = random.Random(9)
        clips = [np.clip(batches.noise(r, RATE * 5) * 10 ** r.uniform(-4, -1.5), -1, 1).astype(np.float32) for _ in range(60)] + [np.zeros(RATE * 5, np.float32)]
        o = decode(m, t, clips, ctx, **kw)
        result["noise: no-speech p > 0.6"] = float(np.mean([x[2] > .6 for x in o]))
        result["zeros: no-speech p"] = o[-1][2]
        bank = Bank("data/held_test")
        o = decode(m, t, padded(bank, random.Random(4).sample(bank.index, 100))[0], ctx, **kw)
        result["speech: no-speech p > 0.6"] = float(np.mean([x[2] > .6 for x in o]))
    if "times" in sets:
        bank, r, clips, truth, refs = Bank("data/held_test"), random.Random(6), [], [], []
        for _ in range(40):
            parts, p, segs = [], 0, []
            for e in r.sample(bank.index, 3):
                gap, x = np.zeros(int(RATE * r.uniform(.3, 1)), np.float32), bank.get(e)
                parts += [gap, x]
                segs.append(((p + len(gap)) / RATE, (p + len(gap) + len(x)) / RATE, e[2]))
                p += len(gap) + len(x)
            clips.append(np.concatenate(parts + [np.zeros(6000, np.float32)]))
            truth.append(segs)
            refs.append(" ".join(s[2] for s in segs))
        o, errors, same = decode(m, t, clips, ctx, stamps=True, **kw), [], 0
        result["times: word errors"] = wer(refs, [x[0] for x in o])
        for x, segs in zip(o, truth):
            got, want = [(z - t.time0) / 50 for z in x[1] if z >= t.time0], [v for s in segs for v in s[:2]]
            if len(got) == len(want):
                same += 1
                errors += [abs(a - b) for a, b in zip(got, want)]
        result["times: three segments found"] = same / len(o)
        result["times: median error, s"] = float(np.median(errors)) if errors else -1
        result["times: 90 % error, s"] = float(np.percentile(errors, 90)) if errors else -1
    return result


def split_at_pauses(x, least=.3, pad=.15):
    """(start, end) in samples of the stretches between pauses of `least` seconds: 20 ms energies, 26 dB below the loud ones."""
    e = np.sqrt((x[:len(x) // 320 * 320].reshape(-1, 320) ** 2).mean(1))
    loud = np.where(e > .05 * np.percentile(e, 95))[0]
    runs = np.split(loud, np.where(np.diff(loud) > least * 50)[0] + 1)
    return [(max(0, int((r[0] - pad * 50) * 320)), min(len(x), int((r[-1] + 1 + pad * 50) * 320))) for r in runs if len(r)]


def evaluate_folder(m, t, folder, bf16=True, split=False):
    """Word errors by kind of a folder that make_tests.py wrote; times of the long ones. Every file goes through transcribe() whole,
    or, with `split`, in the pieces between its pauses."""
    rows = [line.rstrip("\n").split("\t") for line in open(folder + "/texts.tsv")][1:]
    truth, by, starts, ends = json.load(open(folder + "/long.json")), collections.OrderedDict(), [], []
    for name, ref, _, kind in rows:
        x = read_any(f"{folder}/{name}") / 32768
        segs = []
        for start, end in split_at_pauses(x) if split else [(0, len(x))]:
            segs += [(a + start / RATE, b + start / RATE, w) for a, b, w in transcribe(m, t, x[start:end], bf16)]
        hyp = " ".join(s[2] for s in segs)
        by.setdefault(kind, ([], []))[0].append(ref)
        by[kind][1].append(hyp)
        if name in truth:
            print(f"    {name} word errors {wer([ref], [hyp]):.3f}, {len(segs)} segments of {len(truth[name])}")
            for s in truth[name]:                                # the segment that says this sentence and overlaps it
                near = [g for g in segs if g[2] == s["text"] and g[0] < s["end"] and g[1] > s["start"]]
                if near:
                    starts.append(abs(near[0][0] - s["start"]))
                    ends.append(abs(near[0][1] - s["end"]))
        elif ref != hyp:
            print(f"    {name} | {ref} | {hyp}")
    result = collections.OrderedDict((f"{folder.split('/')[-1]} {k} [{len(v[0])}]", wer(*v)) for k, v in by.items())
    result["long: sentences found as one right segment"] = len(starts) / sum(map(len, truth.values()))
    for name, v in (("start", starts), ("end", ends)):
        if v:
            result[f"long: median {name} error, s"], result[f"long: 90 % {name} error, s"] = float(np.median(v)), float(np.percentile(v, 90))
    return result


if __name__ == "__main__":
    a = argparse.ArgumentParser()
    a.add_argument("name")
    a.add_argument("--sets", default="test,private,accented,fsdd,wake,real,orders,silence,times")
    a.add_argument("--ctx", type=int)
    a.add_argument("--clips", type=int, default=150)
    a.add_argument("--int8", action="store_true")
    a.add_argument("--float32", action="store_true")
    a.add_argument("--blank", action="store_true", help="fill the window as OpenAI's reference does, with 0.0 in the log-mel")
    a.add_argument("--folder", default="", help="a folder of make_tests.py, instead of the sets")
    a.add_argument("--split", action="store_true", help="with --folder: cut the recordings at pauses first")
    a.add_argument("-v", action="store_true")
    a = a.parse_args()
    torch.set_num_threads(1)
    model = load(a.name)
    if a.int8:
        round_int8(model)
    if a.folder:
        table = evaluate_folder(model, Tokenizer(), a.folder, not a.float32, a.split)
    else:
        table = evaluate(model, Tokenizer(), a.sets.split(","), a.ctx, a.clips, a.v, bf16=not a.float32, blank=a.blank)
    for k, v in table.items():
        print(f"{k:44s} {v:.4f}")
