#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes ctranslate2/: small Whisper models as CTranslate2's own Python package saves them, and what their tensors hold.

    pip install ctranslate2==4.8.5 ml_dtypes
    ./make_ctranslate2_cases.py float32 float16 bfloat16 int16 int8 int8_float16 int8_bfloat16 none:float16
    pip install ctranslate2==3.13.0 'numpy<2'; ./make_ctranslate2_cases.py int16
    pip install ctranslate2==3.4.0;            ./make_ctranslate2_cases.py float16 int8_float16
    pip install ctranslate2==3.0.0;            ./make_ctranslate2_cases.py float32 int8

A case is VERSION-KIND.bin.gz, the model.bin, and an entry of cases.json: the CRC-32 of every tensor as float32, in the
order of "tensors", with integers divided by their scale. The weights themselves follow from their names (see weight());
ctranslate2_test.cpp makes them again. The vocabulary and config.json of a version lie beside its cases.
"""
import gzip
import json
import sys
import tempfile
import zlib
from pathlib import Path

import ctranslate2
import numpy as np
from ctranslate2.specs import whisper_spec

try:
    import ml_dtypes  # noqa: F401  NumPy's bfloat16; the package itself asks PyTorch for it
    from ctranslate2.specs import model_spec

    library_to = model_spec.NumpyVariable._to

    def to(variable, dtype):
        if dtype == "bfloat16":
            variable.array = variable.array.astype(ml_dtypes.bfloat16)
            return variable
        return library_to(variable, dtype)

    model_spec.NumpyVariable._to = to
except (ImportError, AttributeError):
    pass

OUT = Path(__file__).resolve().parent / "ctranslate2"
D, MELS, AUDIO_CTX, TEXT_CTX, AUDIO_LAYERS, TEXT_LAYERS = 64, 4, 6, 16, 1, 2
# Pairs that are made equal, so that the library saves one and an alias: vectors of different kinds, and two matrices.
SAME = {"decoder.ln.weight": "encoder.ln_post.weight",
        "decoder.blocks.0.mlp_ln.bias": "encoder.blocks.0.attn.out.bias",
        "decoder.blocks.1.attn.out.weight": "decoder.blocks.0.attn.out.weight"}


def weight(name, shape):
    """Rows that differ in phase and in size; no zeros, no constants, both signs."""
    seed = zlib.crc32(SAME.get(name, name).encode())
    index = np.arange(np.prod(shape), dtype=np.int64)
    row = index // (np.prod(shape) // shape[0])
    return (((index * 17 + seed) % 61 - 30).astype(np.float32) / np.float32(96)
            * (1 + (row // 16 % 5).astype(np.float32) / 4)).astype(np.float32).reshape(shape)


def vocabulary():
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = [b for b in range(256) if b not in kept]
    text = [chr(b) if b in kept else chr(256 + moved.index(b)) for b in range(256)] + ["Ġthe", "ing", ""]
    specials = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|zh|>", "<|translate|>", "<|transcribe|>",
                "<|startoflm|>", "<|startofprev|>", "<|nocaptions|>", "<|notimestamps|>"]
    return text + specials + [f"<|{i / 50:.2f}|>" for i in range(1501)]


def openai_names():
    """OpenAI's name -> (path in the library's specification, first row, rows of it)."""
    names = {}

    def whole(ours, theirs):
        names[ours] = (theirs, 0, None)

    def norm(ours, theirs):
        whole(ours + ".weight", theirs + "/gamma")
        whole(ours + ".bias", theirs + "/beta")

    def linear(ours, theirs, parts=("",)):
        for i, part in enumerate(parts):
            rows = D if len(parts) > 1 else None
            names[f"{ours}{part}.weight"] = (theirs + "/weight", i * D, rows)
            if part != ".key":
                names[f"{ours}{part}.bias"] = (theirs + "/bias", i * D, rows)

    whole("encoder.positional_embedding", "encoder/position_encodings/encodings")
    linear("encoder.conv1", "encoder/conv1")
    linear("encoder.conv2", "encoder/conv2")
    norm("encoder.ln_post", "encoder/layer_norm")
    whole("decoder.positional_embedding", "decoder/position_encodings/encodings")
    whole("decoder.token_embedding.weight", "decoder/embeddings/weight")
    norm("decoder.ln", "decoder/layer_norm")
    for side, layers in (("encoder", AUDIO_LAYERS), ("decoder", TEXT_LAYERS)):
        for i in range(layers):
            ours, theirs = f"{side}.blocks.{i}", f"{side}/layer_{i}"
            norm(ours + ".attn_ln", theirs + "/self_attention/layer_norm")
            linear(ours + ".attn", theirs + "/self_attention/linear_0", (".query", ".key", ".value"))
            linear(ours + ".attn.out", theirs + "/self_attention/linear_1")
            if side == "decoder":
                norm(ours + ".cross_attn_ln", theirs + "/attention/layer_norm")
                linear(ours + ".cross_attn.query", theirs + "/attention/linear_0")
                linear(ours + ".cross_attn", theirs + "/attention/linear_1", (".key", ".value"))
                linear(ours + ".cross_attn.out", theirs + "/attention/linear_2")
            norm(ours + ".mlp_ln", theirs + "/ffn/layer_norm")
            linear(ours + ".mlp.0", theirs + "/ffn/linear_0")
            linear(ours + ".mlp.2", theirs + "/ffn/linear_1")
    return names


def shape_of(name, n_vocab):
    known = {"encoder.positional_embedding": (AUDIO_CTX, D), "decoder.positional_embedding": (TEXT_CTX, D),
             "decoder.token_embedding.weight": (n_vocab, D), "encoder.conv1.weight": (D, MELS, 3),
             "encoder.conv2.weight": (D, D, 3)}
    if name in known:
        return known[name]
    rows = 4 * D if ".mlp.0" in name else D
    is_norm = "ln" in name.split(".")[-2]
    return (rows,) if name.endswith("bias") or is_norm else (rows, 4 * D if ".mlp.2" in name else D)


def scope(spec, path):
    """The object that holds the attribute at the end of the path, and the attribute's name."""
    *parents, attribute = path.split("/")
    for part in parents:
        if not hasattr(spec, part):
            part, i = part.rsplit("_", 1)
            spec = getattr(spec, part)[int(i)]
        else:
            spec = getattr(spec, part)
    return spec, attribute


def make(kind):
    kind, _, loaded_as = kind.partition(":")
    tokens = vocabulary()
    version = tuple(map(int, ctranslate2.__version__.split(".")[:2]))
    spec = (whisper_spec.WhisperSpec(AUDIO_LAYERS, 1, TEXT_LAYERS, 1) if version >= (3, 14)
            else whisper_spec.WhisperSpec(TEXT_LAYERS, 1))
    if version < (3, 14):
        spec.encoder.layer = spec.encoder.layer[:AUDIO_LAYERS]
    names = openai_names()
    parts = {}
    for ours, (theirs, first, rows) in names.items():
        parts.setdefault(theirs, []).append((first, weight(ours, shape_of(ours, len(tokens)))))
    for theirs, pieces in parts.items():
        if theirs.endswith("_attention/linear_0/bias"):
            pieces.append((D, np.zeros(D, np.float32)))
        elif theirs.endswith("/attention/linear_1/bias"):
            pieces.append((0, np.zeros(D, np.float32)))
        value = np.concatenate([piece for _, piece in sorted(pieces, key=lambda p: p[0])])
        parent, attribute = scope(spec, theirs)
        setattr(parent, attribute, value.astype(loaded_as or "float32"))
    spec.decoder.scale_embeddings = False
    spec.decoder.projection.weight = spec.decoder.embeddings.weight
    spec.register_vocabulary(tokens)
    if hasattr(spec, "config") and hasattr(spec.config, "suppress_ids"):
        spec.config.suppress_ids = [1, 2, 220]
        spec.config.suppress_ids_begin = [220, 259]
        spec.config.lang_ids = [261, 262]
        if hasattr(spec.config, "alignment_heads"):
            spec.config.alignment_heads = [(1, 0)]
    spec.validate()
    spec.optimize(quantization=None if kind == "none" else kind)
    return spec, names, version


def array_of(variable):
    return variable if isinstance(variable, (np.ndarray, np.generic)) else variable.numpy()


def values_of(spec, names):
    variables = spec.variables()

    def get(path):
        value = variables[path]
        return get(value) if isinstance(value, str) else array_of(value)

    def scale_of(path):
        if path + "_scale" in variables:
            return get(path + "_scale")
        return scale_of(variables[path]) if isinstance(variables[path], str) else None

    values = {}
    for ours, (theirs, first, rows) in names.items():
        whole, scale = get(theirs), scale_of(theirs)
        floats = whole.astype(np.float32)
        if scale is not None:
            scale = np.asarray(scale, np.float32)
            floats = floats / scale.reshape(scale.shape + (1,) * (floats.ndim - scale.ndim) if scale.ndim else ())
        values[ours] = floats if rows is None else floats[first:first + rows]
    return values


def main():
    OUT.mkdir(exist_ok=True)
    index = OUT / "cases.json"
    cases = json.loads(index.read_text()) if index.exists() else {"tensors": sorted(openai_names())}
    for kind in sys.argv[1:]:
        spec, names, _ = make(kind)
        name = f"{ctranslate2.__version__}-{kind.replace(':', '-')}"
        with tempfile.TemporaryDirectory() as folder:
            spec.save(folder)
            for file in sorted(Path(folder).iterdir()):
                stem = name + ".bin" if file.name == "model.bin" else f"{ctranslate2.__version__}-{file.name}"
                (OUT / (stem + ".gz")).write_bytes(gzip.compress(file.read_bytes(), 9, mtime=0))
        values = values_of(spec, names)
        cases[name] = [zlib.crc32(np.ascontiguousarray(values[ours], "<f4").tobytes()) for ours in cases["tensors"]]
    index.write_text("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(cases.items())) + "\n}\n")


main()
