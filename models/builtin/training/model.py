"""The Whisper architecture in plain PyTorch with OpenAI's tensor names: pre-LayerNorm, sinusoidal encoder positions,
# SPDX-License-Identifier: Apache-2.0
learned decoder positions, token embedding tied to the output."""
import math
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F


@dataclass
class Dims:
    n_mels: int = 80
    n_audio_ctx: int = 1500
    n_audio_state: int = 192
    n_audio_head: int = 3
    n_audio_layer: int = 4
    n_vocab: int = 2406
    n_text_ctx: int = 224
    n_text_state: int = 192
    n_text_head: int = 3
    n_text_layer: int = 2


def sinusoids(length, channels, max_timescale=10000):
    inc = math.log(max_timescale) / (channels // 2 - 1)
    t = torch.exp(-inc * torch.arange(channels // 2))
    s = torch.arange(length)[:, None] * t[None, :]
    return torch.cat([torch.sin(s), torch.cos(s)], dim=1)


class MultiHeadAttention(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.query, self.key = nn.Linear(d, d), nn.Linear(d, d, bias=False)
        self.value, self.out = nn.Linear(d, d), nn.Linear(d, d)

    def split(self, x):
        b, t, d = x.shape
        return x.view(b, t, self.heads, d // self.heads).transpose(1, 2)

    def kv(self, x):
        return self.split(self.key(x)), self.split(self.value(x))

    def forward(self, x, k, v, mask=None):
        q = self.split(self.query(x))
        a = (q * (q.shape[-1] ** -.5)) @ k.transpose(-1, -2)
        if mask is not None:
            a = a + mask
        return self.out((torch.softmax(a, -1) @ v).transpose(1, 2).reshape(x.shape))


class Block(nn.Module):
    def __init__(self, d, heads, cross=False):
        super().__init__()
        self.attn, self.attn_ln = MultiHeadAttention(d, heads), nn.LayerNorm(d)
        self.cross_attn = MultiHeadAttention(d, heads) if cross else None
        self.cross_attn_ln = nn.LayerNorm(d) if cross else None
        self.mlp, self.mlp_ln = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d)), nn.LayerNorm(d)

    def forward(self, x, xkv=None, mask=None, cache=None, p=0.):
        h = self.attn_ln(x)
        k, v = self.attn.kv(h)
        if cache is not None:
            if "k" in cache:
                k, v = torch.cat([cache["k"], k], 2), torch.cat([cache["v"], v], 2)
            cache["k"], cache["v"] = k, v
        drop = (lambda y: F.dropout(y, p, self.training)) if p else (lambda y: y)
        x = x + drop(self.attn(h, k, v, mask))
        if self.cross_attn is not None:
            x = x + drop(self.cross_attn(self.cross_attn_ln(x), *xkv))
        return x + drop(self.mlp(self.mlp_ln(x)))


class Encoder(nn.Module):
    def __init__(self, dims):
        super().__init__()
        d = dims.n_audio_state
        self.conv1 = nn.Conv1d(dims.n_mels, d, 3, padding=1)
        self.conv2 = nn.Conv1d(d, d, 3, stride=2, padding=1)
        self.register_buffer("positional_embedding", sinusoids(dims.n_audio_ctx, d))
        self.blocks = nn.ModuleList([Block(d, dims.n_audio_head) for _ in range(dims.n_audio_layer)])
        self.ln_post = nn.LayerNorm(d)

    def forward(self, mel, offset=0):
        """`offset` > 0 only in training: a short window that pretends to lie later in the 30 s."""
        x = F.gelu(self.conv1(mel))
        # contiguous: torch 1.13's oneDNN gelu backward misreads a transposed gradient
        x = F.gelu(self.conv2(x).transpose(1, 2).contiguous())
        x = x + self.positional_embedding[offset:offset + x.shape[1]]
        for b in self.blocks:
            x = b(x)
        return self.ln_post(x)


class Decoder(nn.Module):
    def __init__(self, dims):
        super().__init__()
        d = dims.n_text_state
        self.token_embedding = nn.Embedding(dims.n_vocab, d)
        self.positional_embedding = nn.Parameter(torch.zeros(dims.n_text_ctx, d))
        self.blocks = nn.ModuleList([Block(d, dims.n_text_head, True) for _ in range(dims.n_text_layer)])
        self.ln = nn.LayerNorm(d)
        self.register_buffer("mask", torch.full((dims.n_text_ctx, dims.n_text_ctx), -1e4).triu_(1), persistent=False)

    def cross(self, xa):
        return [b.cross_attn.kv(xa) for b in self.blocks]

    def forward(self, tokens, xkv, cache=None, p=0., pos=0):
        n = tokens.shape[1]
        x = self.token_embedding(tokens) + self.positional_embedding[pos:pos + n]
        mask = self.mask[:n, :n] if n > 1 else None
        for i, b in enumerate(self.blocks):
            x = b(x, xkv[i], mask, None if cache is None else cache[i], p=p)
        x = self.ln(x)
        return x @ self.token_embedding.weight.to(x.dtype).t()


class Whisper(nn.Module):
    def __init__(self, dims):
        super().__init__()
        self.dims, self.encoder, self.decoder = dims, Encoder(dims), Decoder(dims)
        for n, p in self.named_parameters():
            if p.dim() == 2 and "embedding" not in n:
                layers = dims.n_audio_layer if "encoder" in n else dims.n_text_layer
                nn.init.normal_(p, std=.02 / math.sqrt(2 * layers) if n.endswith(("out.weight", "mlp.2.weight")) else .02)
            if n.endswith(".bias"):
                nn.init.zeros_(p)
        nn.init.normal_(self.decoder.token_embedding.weight, std=.05)
        nn.init.normal_(self.decoder.positional_embedding, std=.02)
