#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Plain numpy float32 Whisper forward pass reading a legacy ggml .bin
(f32 / f16 / q4_0 / q5_1 / q8_0 tensors are dequantized to float32).

  reference_whisper.py MODEL WAV OUTPREFIX [--tokens F.i32 | --greedy N] [--pad36] [--gelu tanh]

Follows openai/whisper: exact (erf) GELU, softmax over exactly 1500 keys.
--pad36 : add 36 zero keys/values to encoder self-attention and cross-attention softmax,
          as whisper.cpp's CPU flash-attention path does (K/V padded 1500 -> 1536, no mask).
--gelu tanh : ggml's GELU (tanh approximation).
Writes OUTPREFIX.{mel,enc,logits,tokens}.npy: log-mel [n_mels, 3000], encoder output after ln_post [1500, d],
logits [1+n, n_vocab] (row 0 after the prompt, row k after k more tokens), tokens [n].
"""
import argparse, math, struct, sys, wave
import numpy as np

f32 = np.float32
_g = np.linspace(-8, 8, 320001)
_gy = np.array([0.5 * (1 + math.erf(v / math.sqrt(2))) for v in _g])


def gelu_erf(x):
    return (x * np.interp(x, _g, _gy)).astype(f32)


def gelu_tanh(x):
    return (0.5 * x * (1 + np.tanh(f32(0.79788456) * x * (1 + f32(0.044715) * x * x)))).astype(f32)


def deq(t, raw, n):
    if t == 0:
        return np.frombuffer(raw, f32, n).copy()
    if t == 1:
        return np.frombuffer(raw, np.float16, n).astype(f32)
    nb = n // 32
    if t == 8:    # q8_0: f16 d, 32 x i8
        a = np.frombuffer(raw, np.dtype([("d", "<f2"), ("q", "i1", 32)]), nb)
        return (a["d"].astype(f32)[:, None] * a["q"].astype(f32)).reshape(-1)
    if t == 2:    # q4_0: f16 d, 16 x nibbles (low half = first 16)
        a = np.frombuffer(raw, np.dtype([("d", "<f2"), ("q", "u1", 16)]), nb)
        q = np.concatenate([a["q"] & 15, a["q"] >> 4], 1).astype(f32) - 8
        return (a["d"].astype(f32)[:, None] * q).reshape(-1)
    if t == 7:    # q5_1: f16 d, f16 m, u32 high bits, 16 x nibbles
        a = np.frombuffer(raw, np.dtype([("d", "<f2"), ("m", "<f2"), ("h", "<u4"), ("q", "u1", 16)]), nb)
        h = (a["h"][:, None] >> np.arange(32, dtype=np.uint32)[None]) & 1
        q = np.concatenate([a["q"] & 15, a["q"] >> 4], 1).astype(np.uint32) | (h << 4)
        return (a["d"].astype(f32)[:, None] * q.astype(f32) + a["m"].astype(f32)[:, None]).reshape(-1)
    raise SystemExit(f"type {t}")


BYTES = {0: (1, 4), 1: (1, 2), 2: (32, 18), 7: (32, 24), 8: (32, 34)}


def load(path):
    f = open(path, "rb")
    assert struct.unpack("<I", f.read(4))[0] == 0x67676D6C
    k = "n_vocab n_audio_ctx n_audio_state n_audio_head n_audio_layer n_text_ctx n_text_state n_text_head n_text_layer n_mels ftype".split()
    hp = dict(zip(k, struct.unpack("<11i", f.read(44))))
    nm, nf = struct.unpack("<2i", f.read(8))
    filt = np.frombuffer(f.read(4 * nm * nf), f32).reshape(nm, nf)
    nv, = struct.unpack("<i", f.read(4))
    for _ in range(nv):
        l, = struct.unpack("<I", f.read(4)); f.read(l)
    W = {}
    while True:
        h = f.read(12)
        if len(h) < 12:
            break
        nd, ln, tt = struct.unpack("<3i", h)
        ne = struct.unpack(f"<{nd}i", f.read(4 * nd))
        name = f.read(ln).decode()
        n = int(np.prod(ne)); b, sz = BYTES[tt]
        W[name] = deq(tt, f.read(n // b * sz), n).reshape(ne[::-1])
    return hp, filt, W


def log_mel(pcm, filt):
    x = np.concatenate([pcm.astype(f32), np.zeros(480000, f32)])
    x = np.pad(x, 200, mode="reflect")
    nfr = 1 + (len(x) - 400) // 160
    win = np.hanning(401)[:-1].astype(f32)
    idx = np.arange(400)[None] + 160 * np.arange(nfr - 1)[:, None]       # drop last frame
    p = np.abs(np.fft.rfft(x[idx] * win, axis=1)) ** 2
    m = np.log10(np.maximum(filt.astype(np.float64) @ p.T, 1e-10))
    m = np.maximum(m, m.max() - 8.0)
    return ((m + 4.0) / 4.0).astype(f32)


class Whisper:
    def __init__(s, path, pad=0, gelu=gelu_erf):
        s.hp, s.filt, s.W = load(path)
        s.pad, s.gelu = pad, gelu

    def ln(s, x, n):
        m = x.mean(-1, keepdims=True); v = ((x - m) ** 2).mean(-1, keepdims=True)
        return (x - m) / np.sqrt(v + f32(1e-5)) * s.W[n + ".weight"] + s.W[n + ".bias"]

    def lin(s, x, n):
        y = x @ s.W[n + ".weight"].T
        b = s.W.get(n + ".bias")
        return y if b is None else y + b

    def sdpa(s, q, k, v, nh, mask=None, pad=0):
        T, d = q.shape; dh = d // nh
        q = q.reshape(T, nh, dh).transpose(1, 0, 2) * f32(dh ** -0.5)
        k = k.reshape(-1, nh, dh).transpose(1, 2, 0)
        v = v.reshape(-1, nh, dh).transpose(1, 0, 2)
        sc = q @ k
        if mask is not None:
            sc = sc + mask
        m = sc.max(-1, keepdims=True)
        if pad:
            m = np.maximum(m, 0)
        e = np.exp(sc - m)
        den = e.sum(-1, keepdims=True)
        if pad:
            den = den + pad * np.exp(-m)
        return ((e / den) @ v).transpose(1, 0, 2).reshape(T, d).astype(f32)

    def conv(s, x, n, stride):            # x (cin, T) -> (cout, T//stride), k=3, pad=1
        w, b = s.W[n + ".weight"], s.W[n + ".bias"].reshape(-1, 1)
        xp = np.pad(x, ((0, 0), (1, 1)))
        T = (x.shape[1] + 2 - 3) // stride + 1
        y = sum(w[:, :, t] @ xp[:, t:t + stride * (T - 1) + 1:stride] for t in range(3))
        return s.gelu((y + b).astype(f32))

    def encode(s, mel):
        hp = s.hp; nh = hp["n_audio_head"]
        x = s.conv(s.conv(mel, "encoder.conv1", 1), "encoder.conv2", 2).T
        x = (x + s.W["encoder.positional_embedding"]).astype(f32)
        for i in range(hp["n_audio_layer"]):
            p = f"encoder.blocks.{i}."
            h = s.ln(x, p + "attn_ln")
            q, k, v = (s.lin(h, p + "attn." + n) for n in ("query", "key", "value"))
            x = x + s.lin(s.sdpa(q, k, v, nh, pad=s.pad), p + "attn.out")
            h = s.gelu(s.lin(s.ln(x, p + "mlp_ln"), p + "mlp.0"))
            x = x + s.lin(h, p + "mlp.2")
        x = s.ln(x, "encoder.ln_post")
        s.cross = [(s.lin(x, f"decoder.blocks.{i}.cross_attn.key"), s.lin(x, f"decoder.blocks.{i}.cross_attn.value"))
                   for i in range(hp["n_text_layer"])]
        s.reset()
        return x

    def reset(s):
        s.kv = [(np.zeros((0, s.hp["n_text_state"]), f32),) * 2 for _ in range(s.hp["n_text_layer"])]
        s.pos = 0

    def decode(s, toks):                  # appends toks; returns logits (len(toks), n_vocab)
        hp = s.hp; nh = hp["n_text_head"]; T = len(toks); p0 = s.pos
        x = s.W["decoder.token_embedding.weight"][toks] + s.W["decoder.positional_embedding"][p0:p0 + T]
        mask = np.where(np.arange(p0 + T)[None] > (p0 + np.arange(T))[:, None], f32(-np.inf), f32(0))
        for i in range(hp["n_text_layer"]):
            p = f"decoder.blocks.{i}."
            h = s.ln(x, p + "attn_ln")
            q, k, v = (s.lin(h, p + "attn." + n) for n in ("query", "key", "value"))
            K = np.concatenate([s.kv[i][0], k]); V = np.concatenate([s.kv[i][1], v]); s.kv[i] = (K, V)
            x = x + s.lin(s.sdpa(q, K, V, nh, mask), p + "attn.out")
            q = s.lin(s.ln(x, p + "cross_attn_ln"), p + "cross_attn.query")
            x = x + s.lin(s.sdpa(q, *s.cross[i], nh, pad=s.pad), p + "cross_attn.out")
            x = x + s.lin(s.gelu(s.lin(s.ln(x, p + "mlp_ln"), p + "mlp.0")), p + "mlp.2")
        s.pos += T
        return s.ln(x, "decoder.ln") @ s.W["decoder.token_embedding.weight"].T


def prompt_for(n_vocab):
    if n_vocab == 51864:
        return [50257, 50362]           # [sot, notimestamps]
    # [sot, en, transcribe, notimestamps]
    return [50258, 50259, 50360, 50364] if n_vocab == 51866 else [50258, 50259, 50359, 50363]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("model"); ap.add_argument("wav"); ap.add_argument("out")
    ap.add_argument("--tokens"); ap.add_argument("--greedy", type=int, default=0)
    ap.add_argument("--pad36", action="store_true"); ap.add_argument("--gelu", default="erf")
    ap.add_argument("--mel", help="use this mel .npy instead of computing it")
    a = ap.parse_args()
    w = wave.open(a.wav)
    pcm = np.frombuffer(w.readframes(w.getnframes()), np.int16).astype(f32) / 32768
    M = Whisper(a.model, 36 if a.pad36 else 0, gelu_tanh if a.gelu == "tanh" else gelu_erf)
    mel = np.load(a.mel) if a.mel else log_mel(pcm, M.filt)[:, :3000]
    np.save(a.out + ".mel.npy", mel)
    enc = M.encode(mel); np.save(a.out + ".enc.npy", enc)
    L = M.decode(prompt_for(M.hp["n_vocab"]))[-1:]
    if a.tokens:
        toks = np.fromfile(a.tokens, np.int32)
        if len(toks):
            L = np.concatenate([L, M.decode(list(toks))])
    else:
        toks = []; rows = [L]
        for _ in range(a.greedy):
            toks.append(int(rows[-1][0, :50256 if M.hp["n_vocab"] == 51864 else 50257].argmax())); rows.append(M.decode(toks[-1:]))
        L = np.concatenate(rows); toks = np.array(toks, np.int32)
    np.save(a.out + ".logits.npy", L.astype(f32)); np.save(a.out + ".tokens.npy", toks)
    toks.astype(np.int32).tofile(a.out + ".tokens.i32")
    print(f"enc std {enc.std():.3f} absmax {np.abs(enc).max():.2f}  logits std {L[:-1].std():.3f}  "
          f"unique greedy {len(set(toks.tolist()))}/{len(toks)}  first {toks[:8].tolist()}  last-row argmax {L[-1].argmax()}")


if __name__ == "__main__":
    main()
