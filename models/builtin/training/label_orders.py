#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""label_orders.py NAME: texts for Picovoice's coffee orders, which come with slot labels only. Of all sentences of the
benchmark's published grammar that agree with a recording's slots, the one that the half-trained model finds most likely.
Recordings are grouped by channel and voice; whole groups (about 30 %) become the held-out test.
Writes data/orders.{i16,json}: [offset, length, text, split, "orders", file, group, log probability a token, margin]."""
import itertools
import json
import random
import sys

import numpy as np
import torch
from scipy.cluster.hierarchy import fcluster, linkage

from batches import Bank
from evaluate import load
from features import FILTERS, mel_of, power
from speech_util import BankWriter
from tokenizer import Tokenizer

HEADS = ["brew", "can i get", "can i have", "i want", "get me", "give me", "i'd like", "make me", "may i have"]


def sentences_for(slots):
    mods = [slots[k] for k in ("numberOfShots", "roast", "size") if k in slots]
    extras = [slots[k] for k in ("milkAmount", "sugarAmount") if k in slots]
    out = []
    for head, article, order, tail in itertools.product(HEADS, ("a", "an", ""), itertools.permutations(mods), itertools.permutations(extras)):
        body = " ".join(w for w in (head, article, *order, slots.get("coffeeDrink", "")) if w)
        out.append(body + (" with " + " and ".join(tail) if tail else ""))
    return list(dict.fromkeys(out))


@torch.no_grad()
def score(m, t, x, candidates):
    n = min(1500, max(150, int(np.ceil((len(x) / 320 + 15) / 50) * 50)))
    scores = []
    with torch.autocast("cpu", dtype=torch.bfloat16):
        kv = m.decoder.cross(m.encoder(mel_of(x, n)[None]))
        for b in range(0, len(candidates), 64):
            enc = [[t.sot, t.en, t.transcribe, t.notimestamps] + t.encode(" " + c) + [t.eot] for c in candidates[b:b + 64]]
            tokens = torch.full((len(enc), max(map(len, enc))), t.eot)
            for i, e in enumerate(enc):
                tokens[i, :len(e)] = torch.tensor(e)
            xkv = [(k.expand(len(enc), -1, -1, -1), v.expand(len(enc), -1, -1, -1)) for k, v in kv]
            lp = torch.log_softmax(m.decoder(tokens[:, :-1], xkv).float(), -1).gather(2, tokens[:, 1:, None])[..., 0]
            scores += [float(lp[i, 3:len(e) - 1].sum()) for i, e in enumerate(enc)]
    return scores


def groups(clips, most=45):
    """Mean spectrum, noise floor and spread of every recording, clustered: same microphone and voice, same group."""
    sig = []
    for x in clips:
        mel = (FILTERS @ power(torch.from_numpy(x))).clamp(min=1e-10).log10()
        e = mel.mean(0)
        loud, quiet = mel[:, e > e.median()], mel[:, e < e.quantile(.1)]
        sig.append(torch.cat([loud.mean(1) - loud.mean(), quiet.mean(1) - loud.mean(), loud.std(1)]).numpy())
    sig = np.stack(sig)
    return fcluster(linkage((sig - sig.mean(0)) / sig.std(0), "ward"), most, "maxclust")


def main():
    torch.set_num_threads(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    t, m = Tokenizer(), load(sys.argv[1])
    bank, slots = Bank("data/orders_raw"), json.load(open("data/orders_raw.slots.json"))
    clips = [bank.get(e) for e in bank.index]
    group = groups(clips)
    names = sorted(set(group))
    random.Random(7).shuffle(names)
    test, count = set(), 0
    for g in names:                                              # whole groups until 30 % are held out
        if count < .3 * len(clips):
            test.add(g)
            count += int((group == g).sum())
    out, used = BankWriter("data/orders"), [0, 0]
    for i, (e, x) in enumerate(zip(bank.index, clips)):
        c = sentences_for(slots[i])
        s = score(m, t, x, c)
        best = np.argsort(s)[::-1]
        per_token = s[best[0]] / (len(t.encode(" " + c[best[0]])) + 1)
        margin = s[best[0]] - s[best[1]] if len(c) > 1 else 9.
        split = "test" if group[i] in test else "train" if per_token > -1.2 else "unsure"
        used[split == "train"] += 1
        out.add((x * 32768).astype(np.int16), c[best[0]], split, "orders", e[3], int(group[i]), round(per_token, 3), round(float(margin), 2))
        if i % 100 == 0:
            print(i, len(c), f"{per_token:.2f} {margin:.2f}", c[best[0]], flush=True)
    out.close()
    p = [e[7] for e in out.index]
    print("recordings", len(p), "train", used[1], "groups", len(names), "held-out", len(test), count, "log probability a token, percentiles 5 25 50 75 95", np.percentile(p, [5, 25, 50, 75, 95]))


if __name__ == "__main__":
    main()
