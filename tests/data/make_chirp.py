#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes chirp.wav and its log-mel in double precision, chirp_mel80.npy and chirp_mel128.npy [frames, n_mels].

Everything follows the published definition (openai/whisper audio.py, librosa.filters.mel); nothing of the project's
code is used. Needs NumPy.    tests/data/make_chirp.py [FOLDER]
"""
import sys
import wave
from pathlib import Path

import numpy as np

RATE, N_FFT, HOP = 16000, 400, 160


def sound():
    """0.75 s: a chirp from 50 to 7900 Hz that fades from half scale to a thousandth, in noise 50 dB below full scale."""
    t = np.arange(12000) / RATE
    chirp = np.sin(2 * np.pi * (50 * t + (7900 - 50) / 0.75 * t * t / 2)) * 0.5 * 10 ** (-2.7 * t / 0.75)
    noise = np.random.default_rng(2024).normal(0, 10 ** -2.5, t.size)
    return np.round((chirp + noise) * 32768).clip(-32768, 32767).astype("<i2")


def hertz(mel):
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


def slaney(n_mels):
    top = 15 + 27 * np.log(8) / np.log(6.4)
    edges = hertz(np.linspace(0, top, n_mels + 2))
    f = np.arange(N_FFT // 2 + 1) * RATE / N_FFT
    rise = (f - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - f) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0, np.minimum(rise, fall)) * (2 / (edges[2:] - edges[:-2]))[:, None]


def log_mel(pcm, n_mels):
    x = np.pad(np.concatenate([pcm / 32768, np.zeros(30 * RATE)]), N_FFT // 2, mode="reflect")
    starts = np.arange((len(pcm) + 30 * RATE) // HOP) * HOP
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)
    power = np.abs(np.fft.rfft(x[starts[:, None] + np.arange(N_FFT)] * window)) ** 2
    mel = np.log10(np.maximum(power @ slaney(n_mels).T, 1e-10))
    return (np.maximum(mel, mel.max() - 8) + 4) / 4


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
    pcm = sound()
    with wave.open(str(folder / "chirp.wav"), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(pcm.tobytes())
    for n_mels in 80, 128:
        np.save(folder / f"chirp_mel{n_mels}.npy", log_mel(pcm, n_mels)[:78].astype(np.float32))


if __name__ == "__main__":
    main()
