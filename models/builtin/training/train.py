#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""train.py NAME --total N [--stop K] [--resume] ...: joint CTC/attention training in bf16 autocast.
Two processes (one a core) share the gradient; the rate falls linearly to zero over --total steps. --stop ends early and --resume goes on
from data/NAME.state.pt, for instance with human orders added. Writes data/NAME.pt: averaged weights."""
import argparse
import math
import os
import time

import torch
import torch.distributed as dist
import torch.nn as nn
import torch.nn.functional as F

from batches import Stream
from model import Dims, Whisper
from tokenizer import Tokenizer


def options():
    a = argparse.ArgumentParser()
    a.add_argument("name")
    a.add_argument("--total", type=int, default=12000)
    a.add_argument("--stop", type=int, default=0)
    a.add_argument("--resume", action="store_true")
    a.add_argument("--speech", default="data/speech_a,data/speech_b,data/speech_c")
    a.add_argument("--wake", default="data/wake")
    a.add_argument("--orders", default="")
    a.add_argument("--lr", type=float, default=1.5e-3)
    a.add_argument("--warm", type=int, default=400)
    a.add_argument("--budget", type=int, default=2400, help="encoder positions a step and process")
    a.add_argument("--d", type=int, default=192)
    a.add_argument("--enc", type=int, default=4)
    a.add_argument("--dec", type=int, default=2)
    a.add_argument("--procs", type=int, default=2)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--ctc", type=float, default=.3)
    a.add_argument("--drop", type=float, default=.1, help="decoder dropout")
    a.add_argument("--ramp", type=float, default=.3, help="share of the training over which augmentation grows to full strength")
    a.add_argument("--save", type=int, default=500)
    return a.parse_args()


def losses(m, ctc, batch, t, blur, drop):
    """Cross-entropy of text and special tokens, blurred cross-entropy of times, CTC on characters, share of time tokens."""
    mel, tokens, labels, chars, n_chars, offset = batch
    with torch.autocast("cpu", dtype=torch.bfloat16):
        xa = m.encoder(mel, offset)
        logits, frames = m.decoder(tokens, m.decoder.cross(xa), p=drop), ctc(xa)
    lp = F.log_softmax(logits.float(), -1)
    is_time = labels >= t.time0
    is_text = (labels >= 0) & ~is_time
    text = -(lp[is_text].gather(1, labels[is_text][:, None]).mean() * .97 + lp[is_text].mean() * .03)
    times, zero = torch.zeros(()), torch.zeros(())
    if is_time.any():
        around = (labels[is_time][:, None] + torch.arange(-4, 5)).clamp(t.time0, t.n_vocab - 1)
        times = -(lp[is_time].gather(1, around) * blur).sum(1).mean()
    use, c = n_chars > 0, zero
    if use.any():
        lengths = torch.full((int(use.sum()),), xa.shape[1], dtype=torch.long)
        c = F.ctc_loss(F.log_softmax(frames[use].float(), -1).transpose(0, 1), chars[use], lengths, n_chars[use], blank=28,
                       zero_infinity=True, reduction="sum") / n_chars[use].sum()
    return text, times, c, is_time.float().sum() / (labels >= 0).float().sum()


def run(rank, a):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(29500 + a.seed))
    dist.init_process_group("gloo", rank=rank, world_size=a.procs)
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    t = Tokenizer()
    dims = Dims(n_vocab=t.n_vocab, n_audio_state=a.d, n_text_state=a.d, n_audio_head=a.d // 64, n_text_head=a.d // 64, n_audio_layer=a.enc, n_text_layer=a.dec)
    m, ctc, first = Whisper(dims), nn.Linear(a.d, 29), 0
    params = list(m.parameters()) + list(ctc.parameters())
    opt = torch.optim.AdamW([dict(params=[p for p in params if p.dim() > 1], weight_decay=.05),
                             dict(params=[p for p in params if p.dim() <= 1], weight_decay=0)], lr=a.lr, betas=(.9, .98), eps=1e-8)
    ema = [p.detach().clone() for p in params]
    if a.resume:
        s = torch.load(f"data/{a.name}.state.pt")
        m.load_state_dict(s["model"]), ctc.load_state_dict(s["ctc"]), opt.load_state_dict(s["opt"])
        ema, first = s["ema"], s["step"]
    torch.manual_seed(a.seed * 100 + rank + first)               # dropout differs between the processes
    last = a.stop or a.total
    if rank == 0:
        print(f"parameters {sum(p.numel() for p in m.parameters()) / 1e6:.3f} M, steps {first} to {last} of {a.total}", dims, flush=True)
    stream = Stream(a.seed, rank, first, last, a.total, a.budget, a.ramp, speech=a.speech.split(","), wake=a.wake or None, orders=a.orders or None)
    loader = torch.utils.data.DataLoader(stream, batch_size=None, num_workers=1, prefetch_factor=8)
    blur = torch.exp(-(torch.arange(-4, 5).float() / 1.5) ** 2 / 2)
    blur /= blur.sum()
    flat = torch.zeros(sum(p.numel() for p in params) + 4)
    seen, t0 = dict(text=0., times=0., ctc=0., norm=0., n=0, audio=0.), time.time()

    def save(step):
        torch.save(dict(model=m.state_dict(), ctc=ctc.state_dict(), opt=opt.state_dict(), ema=ema, step=step), f"data/{a.name}.state.tmp")
        os.replace(f"data/{a.name}.state.tmp", f"data/{a.name}.state.pt")
        now = [p.detach().clone() for p in params]
        for p, e in zip(params, ema):
            p.data.copy_(e)
        torch.save(dict(dims=dims.__dict__, model=m.state_dict(), ctc=ctc.state_dict(), step=step), f"data/{a.name}.tmp")
        os.replace(f"data/{a.name}.tmp", f"data/{a.name}.pt")
        for p, n in zip(params, now):
            p.data.copy_(n)

    m.train()
    for step, batch in enumerate(loader, first):
        lr = a.lr * min(1, (step + 1) / a.warm) * max(.005, 1 - step / a.total)
        for g in opt.param_groups:
            g["lr"] = lr
        text, times, c, share = losses(m, ctc, batch, t, blur, a.drop)
        w = max(a.ctc, .9 - .6 * step / (.12 * a.total))
        loss = (1 - w) * (text * (1 - share) + times * share * .7) + w * c
        opt.zero_grad(set_to_none=True)
        loss.backward()
        o = 4
        flat[:4] = torch.tensor([text.item(), times.item(), c.item(), batch[0].shape[0] * batch[0].shape[2] / 100])
        for p in params:
            flat[o:o + p.numel()] = p.grad.reshape(-1) if p.grad is not None else 0
            o += p.numel()
        dist.all_reduce(flat)
        flat.div_(a.procs)
        norm = float(flat[4:].norm())
        if not math.isfinite(norm) or norm > 300:
            if rank == 0:
                print("skipped step", step, norm, flush=True)
            continue
        o, scale = 4, min(1., 1. / (norm + 1e-6))
        for p in params:
            p.grad = flat[o:o + p.numel()].view_as(p) * scale
            o += p.numel()
        opt.step()
        if rank:
            continue
        b = min(.999, (step + 1) / (step + 10))
        with torch.no_grad():
            torch._foreach_mul_(ema, b)
            torch._foreach_add_(ema, [p.detach() for p in params], alpha=1 - b)
        for k, v in zip(("text", "times", "ctc", "audio"), flat[:4].tolist()):
            seen[k] += v * (a.procs if k == "audio" else 1)
        seen["norm"] += norm
        seen["n"] += 1
        if (step + 1) % 50 == 0:
            n = seen["n"]
            print(f"step {step + 1} text {seen['text'] / n:.3f} times {seen['times'] / n:.3f} ctc {seen['ctc'] / n:.3f} norm {seen['norm'] / n:.1f} "
                  f"lr {lr:.1e} audio {seen['audio'] / 3600:.1f} h wall {time.time() - t0:.0f} s", flush=True)
            seen.update(text=0., times=0., ctc=0., norm=0., n=0)
        if (step + 1) % a.save == 0:
            save(step + 1)
    if rank == 0:
        save(last)
        print(f"done, wall {time.time() - t0:.0f} s", flush=True)
    dist.barrier()


if __name__ == "__main__":
    a = options()
    torch.multiprocessing.spawn(run, (a,), nprocs=a.procs)
