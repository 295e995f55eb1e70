"""Whisper's log-mel features: 16 kHz, 400-sample Hann window, hop 160, 80 Slaney mel bands."""
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import torch

from speech_util import RATE


def mel_filters(n_mels=80, n_fft=400, sr=RATE):
    f_sp, min_log, step = 200 / 3, 1000, math.log(6.4) / 27
    min_mel = min_log / f_sp
    to_mel = lambda f: np.where(f >= min_log, min_mel + np.log(np.maximum(f, 1e-9) / min_log) / step, f / f_sp)
    to_hz = lambda m: np.where(m >= min_mel, min_log * np.exp(step * (m - min_mel)), f_sp * m)
    freqs = np.linspace(0, sr / 2, n_fft // 2 + 1)
    edges = to_hz(np.linspace(to_mel(np.array(0.)), to_mel(np.array(sr / 2.)), n_mels + 2))
    d, ramps, w = np.diff(edges), edges[:, None] - freqs[None], np.zeros((n_mels, n_fft // 2 + 1))
    for i in range(n_mels):
        w[i] = np.maximum(0, np.minimum(-ramps[i] / d[i], ramps[i + 2] / d[i + 1]))
    return (w * (2 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


FILTERS = torch.from_numpy(mel_filters())
WINDOW = torch.hann_window(400)
CENTRES = torch.from_numpy((mel_filters() * np.arange(201)).sum(1) / mel_filters().sum(1) * 40)    # Hz, per band


def power(x):
    return torch.stft(x, 400, 160, window=WINDOW, return_complex=True)[..., :-1].abs() ** 2


def log_mel(p, gain=None, louder=0.):
    """Whisper's log-mel; `louder`: how much (in log10) the loudest frame of the file exceeds this window's."""
    m = FILTERS @ p
    if gain is not None:
        m = m * gain[:, None]
    m = m.clamp(min=1e-10).log10()
    return (torch.maximum(m, m.max() + louder - 8.0) + 4) / 4


def mel_of(x, ctx=1500, blank=False):
    """Samples in [-1, 1] as ctx encoder positions (Whisper: 1500). The rest of the window is silence, as in whisper.cpp, or,
    with `blank`, 0.0 in the log-mel itself, as in OpenAI's reference."""
    n = ctx * 320
    y = np.zeros(n, np.float32)
    y[:min(n, len(x))] = x[:n]
    mel = log_mel(power(torch.from_numpy(y)))
    if blank:
        mel[:, len(x) // 160:] = 0
    return mel
