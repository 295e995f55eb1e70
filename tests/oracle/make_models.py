#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes, of a CTranslate2 folder with real weights, every other kind of model that a user may have, by the tools that users
make them with:

    make_models.py openai FOLDER OUT.pt            openai-whisper's own model and torch.save, float16
    make_models.py transformers FOLDER OUT         save_pretrained of the transformers library that is installed
    make_models.py pytorch FOLDER OUT              the same, but torch.save of the state dict as pytorch_model.bin
    make_models.py bfloat16|mixed|shards|bare ...  save_pretrained in bfloat16; in three types; in shards; without "model."
    make_models.py floats QUANTISED.bin OUT.bin    a ggml file in float32, its blocks read by the gguf package

Needs torch and transformers (version 4 and 5 write differently), openai-whisper for `openai`, gguf for `floats`.
docs/models.md says more.
"""
import json
import pathlib
import struct
import sys

import numpy
import torch


def read_ctranslate2(path):
    """The variables of a model.bin of revision 6 of the format, by name; aliases resolved."""
    data = path.read_bytes()
    at = 0

    def number(code):
        nonlocal at
        value = struct.unpack_from("<" + code, data, at)[0]
        at += struct.calcsize("<" + code)
        return value

    def text():
        nonlocal at
        length = number("H")
        at += length
        return data[at - length:at - 1].decode()

    number("I"), text(), number("I")
    types = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2"}
    variables = {}
    for _ in range(number("I")):
        name = text()
        shape = [number("I") for _ in range(number("B"))]
        dtype = numpy.dtype(types[number("B")])
        size = number("I")
        variables[name] = numpy.frombuffer(data, dtype, size // dtype.itemsize, at).reshape(shape)
        at += size
    for _ in range(number("I")):
        alias = text()
        variables[alias] = variables[text()]
    return variables


def openai_tensors(variables):
    """OpenAI's names to float16 arrays, and the sizes as OpenAI's "dims" call them."""
    out = {}

    def norm(name, source):
        out[name + ".weight"] = variables[source + "/gamma"]
        out[name + ".bias"] = variables[source + "/beta"]

    def linears(names, source, keys=()):
        """One fused matrix of CTranslate2, cut into its parts; a key has no bias."""
        parts = zip(names, numpy.split(variables[source + "/weight"], len(names)),
                    numpy.split(variables[source + "/bias"], len(names)))
        for name, weight, bias in parts:
            out[name + ".weight"] = weight
            if name not in keys:
                out[name + ".bias"] = bias

    def attention(name, source, fused):
        query, key, value, last = (f"{name}.{part}" for part in ("query", "key", "value", "out"))
        if fused:
            linears([query, key, value], source + "/linear_0", [key])
            linears([last], source + "/linear_1")
        else:
            linears([query], source + "/linear_0")
            linears([key, value], source + "/linear_1", [key])
            linears([last], source + "/linear_2")

    layers = {}
    for side in ("encoder", "decoder"):
        out[side + ".positional_embedding"] = variables[side + "/position_encodings/encodings"]
        layers[side] = sum(name.startswith(side + "/layer_") and name.endswith("/ffn/linear_0/weight") for name in variables)
        for i in range(layers[side]):
            block, source = f"{side}.blocks.{i}", f"{side}/layer_{i}"
            norm(block + ".attn_ln", source + "/self_attention/layer_norm")
            attention(block + ".attn", source + "/self_attention", True)
            if side == "decoder":
                norm(block + ".cross_attn_ln", source + "/attention/layer_norm")
                attention(block + ".cross_attn", source + "/attention", False)
            norm(block + ".mlp_ln", source + "/ffn/layer_norm")
            linears([block + ".mlp.0"], source + "/ffn/linear_0")
            linears([block + ".mlp.2"], source + "/ffn/linear_1")
    for i in (1, 2):
        out[f"encoder.conv{i}.weight"] = variables[f"encoder/conv{i}/weight"]
        out[f"encoder.conv{i}.bias"] = variables[f"encoder/conv{i}/bias"]
    norm("encoder.ln_post", "encoder/layer_norm")
    norm("decoder.ln", "decoder/layer_norm")
    out["decoder.token_embedding.weight"] = variables["decoder/embeddings/weight"]
    n_vocab, state = out["decoder.token_embedding.weight"].shape
    dims = {
        "n_mels": out["encoder.conv1.weight"].shape[1], "n_vocab": n_vocab,
        "n_audio_ctx": len(out["encoder.positional_embedding"]), "n_audio_state": state, "n_audio_head": state // 64,
        "n_audio_layer": layers["encoder"], "n_text_ctx": len(out["decoder.positional_embedding"]), "n_text_state": state,
        "n_text_head": state // 64, "n_text_layer": layers["decoder"],
    }
    return {name: torch.from_numpy(array.copy()) for name, array in out.items()}, dims


def write_openai(tensors, dims, out):
    import whisper
    model = whisper.model.Whisper(whisper.model.ModelDimensions(**dims)).half()
    model.load_state_dict(tensors)
    torch.save({"dims": dims, "model_state_dict": model.state_dict()}, out)


# OpenAI's names to transformers'.
WORDS = [("cross_attn_ln", "encoder_attn_layer_norm"), ("cross_attn.", "encoder_attn."),
         (".attn_ln", ".self_attn_layer_norm"), (".attn.", ".self_attn."), (".query", ".q_proj"), (".key", ".k_proj"),
         (".value", ".v_proj"), (".out.", ".out_proj."), ("mlp_ln", "final_layer_norm"), ("mlp.0", "fc1"),
         ("mlp.2", "fc2"), ("blocks", "layers"), ("ln_post", "layer_norm"), ("decoder.ln", "decoder.layer_norm"),
         ("positional_embedding", "embed_positions.weight"), ("token_embedding", "embed_tokens")]


def transformers_name(name):
    for ours, theirs in WORDS:
        name = name.replace(ours, theirs)
    return name


def write_transformers(kind, tensors, dims, folder, out):
    import transformers
    config = transformers.WhisperConfig(
        vocab_size=dims["n_vocab"], num_mel_bins=dims["n_mels"], d_model=dims["n_audio_state"],
        encoder_layers=dims["n_audio_layer"], decoder_layers=dims["n_text_layer"],
        encoder_attention_heads=dims["n_audio_head"], decoder_attention_heads=dims["n_text_head"],
        encoder_ffn_dim=4 * dims["n_audio_state"], decoder_ffn_dim=4 * dims["n_text_state"])
    model = transformers.WhisperForConditionalGeneration(config)
    model.model.load_state_dict({transformers_name(name): tensor.float() for name, tensor in tensors.items()})
    model.tie_weights()
    side = json.loads((folder / "config.json").read_text())
    model.generation_config = transformers.GenerationConfig(
        is_multilingual=dims["n_vocab"] >= 51865, alignment_heads=side["alignment_heads"],
        suppress_tokens=side["suppress_ids"], begin_suppress_tokens=side["suppress_ids_begin"])
    model = model.to(torch.bfloat16 if kind == "bfloat16" else torch.float32)
    if kind == "mixed":
        for i, parameter in enumerate(model.parameters()):
            parameter.data = parameter.data.to((torch.float32, torch.float16, torch.bfloat16)[i % 3])
    if kind == "bare":
        model = model.model
    if kind == "pytorch":
        model.config.save_pretrained(out)
        model.generation_config.save_pretrained(out)
        torch.save(model.state_dict(), out / "pytorch_model.bin")
    else:
        model.save_pretrained(out, max_shard_size="60MB" if kind == "shards" else "50GB")
    tokenizer = transformers.WhisperTokenizerFast.from_pretrained(folder)
    features = transformers.WhisperFeatureExtractor(feature_size=dims["n_mels"])
    if int(transformers.__version__.split(".")[0]) >= 5:
        transformers.WhisperProcessor(features, tokenizer).save_pretrained(out)
    else:
        tokenizer.save_pretrained(out)
        features.save_pretrained(out)


def write_floats(path, out):
    """A ggml file with every tensor in float32."""
    import gguf
    data = path.read_bytes()
    header = list(struct.unpack_from("<12i", data))
    at = 48 + 8 + 4 * header[10] * 201
    count = struct.unpack_from("<i", data, at)[0]
    at += 4
    for _ in range(count):
        at += 4 + struct.unpack_from("<i", data, at)[0]
    header[11] = 0
    with out.open("wb") as file:
        file.write(struct.pack("<12i", *header) + data[48:at])
        while at < len(data):
            rank, length, code = struct.unpack_from("<3i", data, at)
            sizes = struct.unpack_from(f"<{rank}i", data, at + 12)
            begin = at + 12 + 4 * rank + length
            kind = gguf.GGMLQuantizationType(code)
            elements, size = gguf.GGML_QUANT_SIZES[kind]
            at_end = begin + int(numpy.prod(sizes)) // elements * size
            raw = numpy.frombuffer(data, numpy.uint8, at_end - begin, begin)
            rows = raw.reshape(-1, sizes[0] // elements * size)
            values = gguf.quants.dequantize(rows, kind).astype("<f4")
            file.write(struct.pack("<3i", rank, length, 0) + data[at + 12:begin] + values.tobytes())
            at = at_end


def main():
    kind, folder, out = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    if kind == "floats":
        write_floats(folder, out)
        return
    tensors, dims = openai_tensors(read_ctranslate2(folder / "model.bin"))
    if kind == "openai":
        write_openai(tensors, dims, out)
    else:
        out.mkdir(parents=True, exist_ok=True)
        write_transformers(kind, tensors, dims, folder, out)


if __name__ == "__main__":
    main()
