#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""long_prompt.py MODEL FOLDER STEPS END: what the NumPy reference makes of a sound and of more tokens than a block of keys.

Reads from FOLDER sound.i16 (mono, 16 kHz), forced.i32 and prompt.i32. Writes encoder.npy, logits.npy [forced tokens,
n_vocab], all of one pass, and tokens.i32: after the prompt, STEPS tokens greedily, or fewer where END, end of text, wins.
"""
import sys

import numpy as np

import reference_whisper as reference


def main():
    path, folder, steps, end_of_text = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    model = reference.Whisper(path)
    pcm = np.fromfile(f"{folder}/sound.i16", np.int16).astype(np.float32) / 32768
    mel = np.zeros((80, 3000), np.float32)  # as in openai-whisper's transcribe(), zeros after the sound
    frames = len(pcm) // 160
    mel[:, :frames] = reference.log_mel(pcm, model.filt)[:, :frames]
    np.save(f"{folder}/encoder.npy", model.encode(mel).astype(np.float32))
    forced, prompt = (np.fromfile(f"{folder}/{name}.i32", np.int32).tolist() for name in ("forced", "prompt"))
    np.save(f"{folder}/logits.npy", model.decode(forced).astype(np.float32))

    model.reset()
    row, tokens = model.decode(prompt)[-1], []
    while len(tokens) < steps and row.argmax() != end_of_text:
        tokens.append(int(row.argmax()))
        row = model.decode(tokens[-1:])[-1]
    np.array(tokens, np.int32).tofile(f"{folder}/tokens.i32")


if __name__ == "__main__":
    main()
