#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""check_export.py GGML NAME FILE...: greedy text of each recording from the ggml file with the independent NumPy forward pass
(tests/reference/reference_whisper.py, all 1500 positions) next to the text PyTorch finds with the checkpoint in float32."""
import os
import struct
import sys

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.environ.get("REFERENCE_DIR", HERE + "/../../../tests/reference"))
import reference_whisper as reference
from evaluate import decode, load
from speech_util import read_any
from tokenizer import Tokenizer


def pieces(path):
    """The text tokens of a ggml file, in order."""
    with open(path, "rb") as f:
        f.read(48)
        bands, bins = struct.unpack("<2i", f.read(8))
        f.read(4 * bands * bins)
        return [f.read(struct.unpack("<i", f.read(4))[0]) for _ in range(struct.unpack("<i", f.read(4))[0])]


def main():
    path, name, files = sys.argv[1], sys.argv[2], sys.argv[3:]
    torch.set_num_threads(1)
    vocab = pieces(path)
    n = len(vocab)                                               # ids follow from the number of text tokens alone
    eot, prompt = n, [n + 1, n + 2, n + 4, n + 8]
    m, t, same = load(name), Tokenizer(), 0
    for f in files:
        x = read_any(f) / 32768
        w = reference.Whisper(path)
        w.encode(reference.log_mel(x[:480000], w.filt)[:, :3000])
        logits, ids = w.decode(prompt)[-1], []
        while len(ids) < 100:
            k = int(logits[:eot + 1].argmax())
            if k == eot:
                break
            ids.append(k)
            logits = w.decode([k])[-1]
        a = b"".join(vocab[i] for i in ids).decode().strip()
        b = decode(m, t, [x], 1500, bf16=False)[0][0]
        same += a == b
        print("same" if a == b else "DIFFERENT", "|", os.path.basename(f), "|", a, "|", b)
    print(f"{same} of {len(files)} the same")


if __name__ == "__main__":
    main()
