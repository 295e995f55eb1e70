#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whether a real model says the same from every kind of CTranslate2 file. By hand:

    pip install ctranslate2 faster-whisper ml_dtypes
    tests/oracle/ctranslate2_kinds.py build/release/bin/shorthand FOLDER RECORDING...

FOLDER holds a float CTranslate2 model. CTranslate2's package converts its weights to every kind of quantisation and
saves them; and a second time as float32, of what the kind makes of the weights. shorthand in float32 has to give the
same from both, to the last digit: an integer over its scale is the weight. Then faster-whisper, in float32 too, reads
the first, and its words are set beside shorthand's. The last column counts the words that differ; ours and theirs
prepare the sound in their own ways, so a few may.
"""
import difflib
import json
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import ctranslate2
import ml_dtypes
import numpy as np
from ctranslate2.specs import model_spec, whisper_spec
from faster_whisper import WhisperModel

KINDS = ["float32", "float16", "bfloat16", "int16", "int8", "int8_float16", "int8_bfloat16"]
TYPES = ["<f4", "i1", "<i2", "<i4", "<f2", ml_dtypes.bfloat16]

library_to = model_spec.NumpyVariable._to


def to(variable, dtype):
    """The package asks PyTorch for bfloat16; NumPy's does as well."""
    if dtype != "bfloat16":
        return library_to(variable, dtype)
    return model_spec.NumpyVariable(variable.array.astype(ml_dtypes.bfloat16))


model_spec.NumpyVariable._to = to


def read(path):
    """Name to array, aliases resolved."""
    data, at = path.read_bytes(), 0

    def number(code):
        nonlocal at
        at += struct.calcsize("<" + code)
        return struct.unpack_from("<" + code, data, at - struct.calcsize("<" + code))[0]

    def string():
        nonlocal at
        n = number("H")
        at += n
        return data[at - n:at - 1].decode()

    assert number("I") == 6 and string() == "WhisperSpec" and number("I") == 3
    variables = {}
    for _ in range(number("I")):
        name, shape = string(), [number("I") for _ in range(number("B"))]
        dtype = np.dtype(TYPES[number("B")])
        n = number("I")
        variables[name] = np.frombuffer(data, dtype, n // dtype.itemsize, at).reshape(shape)
        at += n
    for _ in range(number("I")):
        alias, target = string(), string()
        variables[alias] = variables[target]
    return variables


def layers(variables, side):
    return sum(name.startswith(side + "/layer_") and name.endswith("/ffn/layer_norm/beta") for name in variables)


def save(variables, kind, folder, out):
    """Through the library's specification, converter and writer."""
    heads = int(variables["encoder/num_heads"])
    spec = whisper_spec.WhisperSpec(layers(variables, "encoder"), heads, layers(variables, "decoder"), heads)
    for name, value in variables.items():
        if value.ndim == 0 or name.endswith("_scale"):
            continue
        scope, attribute = name.rsplit("/", 1)
        setattr(model_spec.index_spec(spec, scope), attribute, value.astype(np.float32))
    spec.register_vocabulary((folder / "vocabulary.txt").read_text().split("\n")[:-1])
    spec.validate()
    spec.optimize(quantization=kind)
    out.mkdir(parents=True)
    spec.save(str(out))
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(folder / name, out / name)


def weights(variables):
    """What the integers stand for."""
    floats = {}
    for name, value in variables.items():
        scale = variables.get(name + "_scale")
        if name == "decoder/projection/weight":
            scale = variables.get("decoder/embeddings/weight_scale")
        floats[name] = value
        if value.ndim > 0 and scale is not None:
            scale = scale.reshape(scale.shape + (1,) * (value.ndim - scale.ndim) if scale.ndim else ())
            floats[name] = value.astype(np.float32) / scale
    return floats


def ours(program, folder, recording):
    command = [program, "transcribe", "-q", "-m", str(folder), "--compute-type", "float32", "--format", "json", recording]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def theirs(model, recording):
    segments, _ = model.transcribe(recording, beam_size=1, temperature=[0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    return "".join(segment.text for segment in segments)


def difference(a, b):
    a, b = a.split(), b.split()
    same = sum(block.size for block in difflib.SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks())
    return max(len(a), len(b)) - same, max(len(a), len(b))


def main():
    program, folder, recordings = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    variables, failed = read(folder / "model.bin"), False
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as temporary:
            quantised, plain = Path(temporary) / kind, Path(temporary) / "plain"
            save(variables, kind, folder, quantised)
            save(weights(read(quantised / "model.bin")), "float32", folder, plain)
            model = WhisperModel(str(quantised), device="cpu", compute_type="float32")
            for recording in recordings:
                a, b = ours(program, quantised, recording), ours(program, plain, recording)
                failed |= a != b
                differ, words = difference(json.loads(a)["text"], theirs(model, recording))
                size = (quantised / "model.bin").stat().st_size / 1e6
                print(f"{kind:14} {size:6.1f} MB  {Path(recording).name:24} "
                      f"{'same' if a == b else 'NOT THE SAME'}  {differ} of {words} words differ from faster-whisper's",
                      flush=True)
    sys.exit(failed)


main()
