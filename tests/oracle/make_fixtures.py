#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/data/torch and tests/data/k_quants.json by the tools that users' files come from: PyTorch's torch.save and the
gguf package's reader of ggml's blocks. Needs torch, numpy and gguf; writes the same bytes with the same versions."""
import collections
import json
import pathlib

import gguf
import numpy
import torch

DATA = pathlib.Path(__file__).parent.parent / "data"


def numbers(*shape):
    """Signed numbers that float32, float16 and bfloat16 hold alike: eight significant bits."""
    count = numpy.prod(shape, dtype=int)
    values = (numpy.arange(count) * 37 % 251 - 125) / 64
    return torch.tensor(values.reshape(shape), dtype=torch.float32)


class Block(torch.nn.Module):
    """A module of its own, so that state_dict() has the attributes that it always has."""

    def __init__(self):
        super().__init__()
        self.query = torch.nn.Linear(4, 6)
        self.norm = torch.nn.LayerNorm(4)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(numbers(*parameter.shape))


def torch_files():
    out = DATA / "torch"
    out.mkdir(exist_ok=True)
    block = Block()
    state = block.state_dict()
    dims = {"n_mels": 80, "n_vocab": 51865, "negative": -300, "large": 1 << 40}
    save = lambda value, name, **options: torch.save(value, out / name, **options)
    save({"dims": dims, "model_state_dict": block.half().state_dict()}, "openai.pt")
    block.float()
    save(state, "state_dict.bin")
    save(state, "protocol4.bin", pickle_protocol=4)
    save(state, "protocol5.bin", pickle_protocol=5)
    save(state, "legacy.bin", _use_new_zipfile_serialization=False)
    shared = numbers(3, 4)
    save({
        "f32": numbers(2, 3), "f16": numbers(2, 3).half(), "bf16": numbers(2, 3).bfloat16(),
        "parameter": torch.nn.Parameter(numbers(5)), "whole": shared, "rows": shared[1:], "one": shared[:1, :1],
    }, "kinds.bin")
    save({"turned": numbers(2, 3).t()}, "transposed.bin")
    save({"columns": numbers(4, 4)[:, :2]}, "strided.bin")
    save({"double": numbers(2).double()}, "double.bin")
    save({"integer": torch.arange(3)}, "integer.bin")
    save({"weights": torch.ones(2), "epoch": 3}, "training.bin")
    save(block, "module.bin")
    save([numbers(2)], "list.bin")
    save(collections.Counter("a"), "counter.bin")
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(out / "script.pt"))


def k_quants():
    """Blocks of random bits, with scales that are finite, and the numbers that gguf reads from them."""
    random = numpy.random.default_rng(3)
    halves = {"Q2_K": (80, 82), "Q3_K": (108,), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,)}
    cases = {}
    for name, places in halves.items():
        kind = gguf.GGMLQuantizationType[name]
        size = gguf.GGML_QUANT_SIZES[kind][1]
        block = random.integers(0, 256, size, dtype=numpy.uint8)
        for place in places:
            block[place:place + 2] = numpy.array([random.normal() / 50], dtype=numpy.float16).view(numpy.uint8)
        values = gguf.quants.dequantize(block.reshape(1, -1), kind).reshape(-1)
        cases["q" + name[1:]] = {"block": block.tobytes().hex(), "values": [float(v).hex() for v in values]}
    (DATA / "k_quants.json").write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    torch_files()
    k_quants()
