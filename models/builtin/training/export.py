#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""export.py NAME OUTDIR: the trained weights as whisper.cpp's ggml file (f16) and as Hugging Face safetensors (f16) with
config.json, vocab.json, merges.txt and added_tokens.json. Matrices are f16; biases, norms and positions stay f32 in ggml."""
import json
import os
import struct
import sys

import numpy as np
import torch

from features import mel_filters
from model import Dims
from tokenizer import U2B, Tokenizer

LAYER_NAMES = {"attn.query": "self_attn.q_proj", "attn.key": "self_attn.k_proj", "attn.value": "self_attn.v_proj", "attn.out": "self_attn.out_proj",
               "attn_ln": "self_attn_layer_norm", "cross_attn.query": "encoder_attn.q_proj", "cross_attn.key": "encoder_attn.k_proj",
               "cross_attn.value": "encoder_attn.v_proj", "cross_attn.out": "encoder_attn.out_proj", "cross_attn_ln": "encoder_attn_layer_norm",
               "mlp.0": "fc1", "mlp.2": "fc2", "mlp_ln": "final_layer_norm"}
OTHER_NAMES = {"positional_embedding": "embed_positions.weight", "token_embedding.weight": "embed_tokens.weight", "ln_post.weight": "layer_norm.weight",
               "ln_post.bias": "layer_norm.bias", "ln.weight": "layer_norm.weight", "ln.bias": "layer_norm.bias"}


def huggingface_name(k):
    side, rest = k.split(".", 1)
    if rest.startswith("blocks."):
        _, layer, name = rest.split(".", 2)
        part, leaf = name.rsplit(".", 1)
        return f"model.{side}.layers.{layer}.{LAYER_NAMES[part]}.{leaf}"
    return f"model.{side}.{OTHER_NAMES.get(rest, rest)}"


def write_ggml(path, dims, weights, t):
    with open(path, "wb") as f:
        ints = lambda *a: f.write(struct.pack(f"<{len(a)}i", *a))
        ints(0x67676d6c, dims.n_vocab, dims.n_audio_ctx, dims.n_audio_state, dims.n_audio_head, dims.n_audio_layer,
             dims.n_text_ctx, dims.n_text_state, dims.n_text_head, dims.n_text_layer, dims.n_mels, 1)
        filters = mel_filters()
        ints(*filters.shape)
        f.write(filters.tobytes())
        ints(t.n_text)
        for piece in t.inv:
            b = bytes(U2B[c] for c in piece)
            ints(len(b))
            f.write(b)
        for k, v in weights.items():
            d = v.numpy()
            if k in ("encoder.conv1.bias", "encoder.conv2.bias"):
                d = d.reshape(-1, 1)
            single = v.dim() < 2 or k.endswith("positional_embedding")
            d = np.ascontiguousarray(d, np.float32 if single else np.float16)
            ints(d.ndim, len(k), 0 if single else 1)
            ints(*d.shape[::-1])
            f.write(k.encode())
            f.write(d.tobytes())


def write_safetensors(path, weights):
    head, offset, blob = {"__metadata__": {"format": "pt"}}, 0, []
    for k, v in weights.items():
        d = v.numpy().astype(np.float16)
        head[huggingface_name(k)] = dict(dtype="F16", shape=list(d.shape), data_offsets=[offset, offset + d.nbytes])
        offset += d.nbytes
        blob.append(d.tobytes())
    j = json.dumps(head).encode()
    j += b" " * (-len(j) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(j)) + j + b"".join(blob))


def main():
    name, out = sys.argv[1:3]
    os.makedirs(out, exist_ok=True)
    c, t = torch.load(f"data/{name}.pt"), Tokenizer()
    dims, weights = Dims(**c["dims"]), c["model"]
    write_ggml(out + "/builtin-ggml-f16.bin", dims, weights, t)
    write_safetensors(out + "/model.safetensors", weights)
    source = json.load(open("data/tokenizer.json"))
    json.dump(source["vocab"], open(out + "/vocab.json", "w"), ensure_ascii=False)
    open(out + "/merges.txt", "w").write("#version: 0.2\n" + "\n".join(source["merges"]) + "\n")
    special = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    special += [f"<|{i * .02:.2f}|>" for i in range(1501)]
    json.dump({s: t.n_text + i for i, s in enumerate(special)}, open(out + "/added_tokens.json", "w"))
    json.dump(dict(architectures=["WhisperForConditionalGeneration"], model_type="whisper", torch_dtype="float16", is_encoder_decoder=True,
                   vocab_size=dims.n_vocab, num_mel_bins=dims.n_mels, d_model=dims.n_audio_state, encoder_layers=dims.n_audio_layer,
                   encoder_attention_heads=dims.n_audio_head, decoder_layers=dims.n_text_layer, decoder_attention_heads=dims.n_text_head,
                   encoder_ffn_dim=4 * dims.n_audio_state, decoder_ffn_dim=4 * dims.n_text_state, max_source_positions=dims.n_audio_ctx,
                   max_target_positions=dims.n_text_ctx, activation_function="gelu", scale_embedding=False, eos_token_id=t.eot, bos_token_id=t.eot,
                   pad_token_id=t.eot, decoder_start_token_id=t.sot, begin_suppress_tokens=[t.eot], suppress_tokens=[]), open(out + "/config.json", "w"), indent=1)
    int8 = sum(v.numel() + 4 * v.shape[0] if v.dim() >= 2 and "positional" not in k else 4 * v.numel() for k, v in weights.items() if k != "encoder.positional_embedding")
    for f in sorted(os.listdir(out)):
        if os.path.isfile(out + "/" + f):
            print(f"{f:24s} {os.path.getsize(out + '/' + f) / 1e6:.2f} MB")
    trained = sum(v.numel() for k, v in weights.items() if k != "encoder.positional_embedding")
    print(f"trained parameters {trained}; as int8 rows with f32 scales, norms, biases and decoder positions {int8 / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
