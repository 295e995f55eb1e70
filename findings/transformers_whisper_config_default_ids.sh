#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# transformers 5.24.0: WhisperConfig fills what a config.json leaves out with a mixture of Whisper's two vocabularies.
#
# Behaviour: the default vocab_size, 51865, is that of the multilingual models; the default ids (end of text 50256, start
# of transcript 50257, begin_suppress_tokens [220, 50256]) are those of the English-only models. In the multilingual
# vocabulary 50257 is the end of text: by default decoding begins with the end. Whoever sets the ids that have names of
# their own and forgets begin_suppress_tokens, or reads a config.json without it, gets 50256 in it, which is a token of no
# bytes; the end of text is not suppressed at the start, and the generation settings made from it take that over.
# Why nobody would guess it: every value is right for some Whisper model, nothing is checked against vocab_size, and
# save_pretrained writes the mixture down, so that a file carries a wrong id that nobody chose.
# What it means for a reader: do not believe begin_suppress_tokens of config.json; derive end of text and the tokens
# beside it from the vocabulary, and prefer generation_config.json.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install transformers==5.24.0
venv/bin/pip -q --disable-pip-version-check install --no-deps openai-whisper==20250625

TRANSFORMERS_VERBOSITY=error venv/bin/python - <<'PY'
import importlib.util
import json
import sys
from pathlib import Path

import transformers
from transformers import GenerationConfig, WhisperConfig

assets = Path(importlib.util.find_spec("whisper").origin).parent / "assets"
end_of_text = {name: len((assets / f"{name}.tiktoken").read_text().split("\n")) - 1 for name in ("gpt2", "multilingual")}
print(f"end of text by OpenAI's own vocabularies: English-only {end_of_text['gpt2']}, multilingual {end_of_text['multilingual']}")


def saved(name, config):
    config.save_pretrained(name)
    told = json.loads(Path(name, "config.json").read_text())
    keys = ("vocab_size", "eos_token_id", "decoder_start_token_id", "begin_suppress_tokens")
    print(f"transformers {transformers.__version__}, {name}:", {key: told[key] for key in keys})
    return told


default = saved("default", WhisperConfig())
Path("multilingual").mkdir()
Path("multilingual/config.json").write_text(json.dumps(
    {"model_type": "whisper", "vocab_size": 51865, "bos_token_id": 50257, "eos_token_id": 50257, "pad_token_id": 50257,
     "decoder_start_token_id": 50258}))
read = WhisperConfig.from_pretrained("multilingual")
again = saved("multilingual, read and saved again", read)
generation = GenerationConfig.from_model_config(read)
print("generation settings made from it:", generation.eos_token_id, generation.begin_suppress_tokens)
if (default["decoder_start_token_id"] != end_of_text["multilingual"] or default["vocab_size"] != 51865
        or again["begin_suppress_tokens"] != [220, end_of_text["gpt2"]]
        or generation.begin_suppress_tokens != [220, end_of_text["gpt2"]]):
    print("changed: the defaults of WhisperConfig no longer mix the two vocabularies")
    sys.exit(1)
PY

# Output seen:
#   end of text by OpenAI's own vocabularies: English-only 50256, multilingual 50257
#   transformers 5.24.0, default: {'vocab_size': 51865, 'eos_token_id': 50256, 'decoder_start_token_id': 50257, 'begin_suppress_tokens': [220, 50256]}
#   transformers 5.24.0, multilingual, read and saved again: {'vocab_size': 51865, 'eos_token_id': 50257, 'decoder_start_token_id': 50258, 'begin_suppress_tokens': [220, 50256]}
#   generation settings made from it: 50257 [220, 50256]
