#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""make_builtin_golden.py: what the NumPy reference computes with the built-in model from one recording, thinned to stay small.

Writes builtin.mel.npy [80, 300] (every tenth frame), builtin.encoder.npy [150, 192] (every tenth position), builtin.logits.npy
[1 + n, 2406] (row 0 after the prompt sot, en, transcribe, notimestamps; row k after k more tokens) and builtin.tokens.npy [n] (greedy over
the text ids until end of text would win). Needs NumPy and the ffmpeg program."""
import os
import subprocess
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..", "..")
sys.path.insert(0, os.path.join(ROOT, "tests", "reference"))
import reference_whisper as reference  # noqa: E402

MODEL = os.path.join(ROOT, "models", "builtin", "builtin-ggml-f16.bin")
AUDIO = os.path.join(ROOT, "tests", "data", "speech", "short-02.flac")
EOT = 896
PROMPT = [897, 898, 900, 904]


def main():
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", AUDIO, "-f", "s16le", "-ac", "1", "-ar", "16000", "-"],
                         capture_output=True, check=True).stdout
    pcm = np.frombuffer(raw, np.int16).astype(np.float32) / 32768
    model = reference.Whisper(MODEL)
    mel = reference.log_mel(pcm, model.filt)[:, :3000]
    encoded = model.encode(mel)
    rows, tokens = [model.decode(PROMPT)[-1]], []
    while rows[-1][:EOT + 1].argmax() != EOT and len(tokens) < 60:
        tokens.append(int(rows[-1][:EOT].argmax()))
        rows.append(model.decode(tokens[-1:])[-1])
    np.save(os.path.join(HERE, "builtin.mel.npy"), np.ascontiguousarray(mel[:, ::10]))
    np.save(os.path.join(HERE, "builtin.encoder.npy"), np.ascontiguousarray(encoded[::10]))
    np.save(os.path.join(HERE, "builtin.logits.npy"), np.stack(rows))
    np.save(os.path.join(HERE, "builtin.tokens.npy"), np.array(tokens, np.int32))
    print(len(tokens), "tokens", tokens)


if __name__ == "__main__":
    main()
