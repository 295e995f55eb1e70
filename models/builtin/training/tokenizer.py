#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Byte-level BPE (GPT-2's scheme) with Whisper's order of special tokens.
`tokenizer.py N` learns N merges from the domain's sentences and writes data/tokenizer.json."""
import collections
import json
import random
import re
import sys


def bytes_to_unicode():
    bs = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    cs, n = bs[:], 0
    for b in range(256):
        if b not in bs:
            bs.append(b)
            cs.append(256 + n)
            n += 1
    return dict(zip(bs, map(chr, cs)))


B2U = bytes_to_unicode()
U2B = {v: k for k, v in B2U.items()}
WORDS = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+")


class Tokenizer:
    def __init__(self, path="data/tokenizer.json"):
        d = json.load(open(path))
        self.vocab = d["vocab"]
        self.ranks = {tuple(m.split(" ")): i for i, m in enumerate(d["merges"])}
        self.inv = [None] * len(self.vocab)
        for k, v in self.vocab.items():
            self.inv[v] = k
        n = self.n_text = len(self.vocab)
        self.eot, self.sot, self.en, self.translate, self.transcribe = n, n + 1, n + 2, n + 3, n + 4
        self.startoflm, self.startofprev, self.nospeech, self.notimestamps = n + 5, n + 6, n + 7, n + 8
        self.time0 = n + 9
        self.n_vocab = n + 9 + 1501
        self.cache = {}

    def bpe(self, word):
        if word not in self.cache:
            p = [B2U[b] for b in word.encode()]
            while len(p) > 1:
                rank, i = min((self.ranks.get((p[i], p[i + 1]), 1 << 30), i) for i in range(len(p) - 1))
                if rank == 1 << 30:
                    break
                p[i:i + 2] = [p[i] + p[i + 1]]
            self.cache[word] = [self.vocab[x] for x in p]
        return self.cache[word]

    def encode(self, text):
        return [i for w in WORDS.findall(text) for i in self.bpe(w)]

    def decode(self, ids):
        return bytes(U2B[c] for i in ids if i < self.n_text for c in self.inv[i]).decode("utf8", "replace")


def learn(merges_wanted):
    import sentences
    r, count = random.Random(123), collections.Counter()
    for _ in range(60000):
        count.update(WORDS.findall(" " + sentences.sentence(r)))
    for w in list(count):                                        # a flat floor, so that every word of the domain becomes one token
        count[w] = max(count[w], 200)
    words = {w: [B2U[b] for b in w.encode()] for w in count}
    vocab, merges = {c: i for i, c in enumerate(B2U.values())}, []
    for _ in range(merges_wanted):
        pairs = collections.Counter()
        for w, p in words.items():
            for ab in zip(p, p[1:]):
                pairs[ab] += count[w]
        if not pairs:
            break
        a, b = max(pairs.items(), key=lambda x: (x[1], x[0]))[0]
        merges.append(a + " " + b)
        vocab[a + b] = len(vocab)
        for p in words.values():
            i = 0
            while i < len(p) - 1:
                if p[i] == a and p[i + 1] == b:
                    p[i:i + 2] = [a + b]
                i += 1
    json.dump(dict(vocab=vocab, merges=merges), open("data/tokenizer.json", "w"), ensure_ascii=False)
    print("text tokens", len(vocab), "words in more than one piece", sum(len(p) > 1 for p in words.values()), "of", len(words))


if __name__ == "__main__":
    learn(int(sys.argv[1]))
