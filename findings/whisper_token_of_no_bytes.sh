#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# openai-whisper 20250625: the last text token of the multilingual vocabulary is the empty string, written as "=".
#
# Behaviour: a line of multilingual.tiktoken is the base64 of a token's bytes and its number. The last line is "= 50256".
# A lone "=" is no valid base64; Python's decoder, which overlooks such things, makes it nothing, and token 50256 is a
# token of no bytes. Strict decoders (Python's own with validate=True, coreutils' base64) call the line an error.
# Why nobody would guess it: byte-pair merging cannot make an empty token, the English-only file has none, and the file
# looks like any other until its last line.
# What it means for a reader: the vocabulary that Whisper was trained with needs that line. Whoever skips it, as a damaged
# or an empty one, gives every special token and time stamp a number that is one too low; formats that keep the
# vocabulary as lines of text have an empty line there, which must count.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install tiktoken==0.12.0
venv/bin/pip -q --disable-pip-version-check install --no-deps openai-whisper==20250625

venv/bin/python - <<'PY' | tee seen
import base64
import importlib.metadata
import importlib.util
from pathlib import Path

import tiktoken

assets = Path(importlib.util.find_spec("whisper").origin).parent / "assets"
print("openai-whisper", importlib.metadata.version("openai-whisper"))
for name in ("gpt2", "multilingual"):
    lines = (assets / f"{name}.tiktoken").read_text().splitlines()
    ranks = {base64.b64decode(text): int(rank) for text, rank in (line.split() for line in lines)}
    print(f"{name}: {len(lines)} lines, the last is {lines[-1]!r}; of no bytes: token {ranks.get(b'')}")
try:
    base64.b64decode("=", validate=True)
    print("validate=True: accepted")
except ValueError as error:
    print("validate=True:", error)
tokens = tiktoken.Encoding("multilingual", pat_str=r"\S+|\s+", mergeable_ranks=ranks,
                           special_tokens={"<|endoftext|>": len(ranks)})
print("tiktoken decodes [50256, 50257] to", repr(tokens.decode([50256, 50257])))
PY
echo "base64 --decode: $(printf '=' | base64 --decode 2>&1 || true)" | tee -a seen
grep -q "^multilingual: 50257 lines, the last is '= 50256'; of no bytes: token 50256" seen &&
  grep -q '^gpt2: 50256 lines, .* token None' seen && grep -q "to '<|endoftext|>'" seen ||
  { echo "changed: the last text token of the multilingual vocabulary is no longer empty"; exit 1; }

# Output seen:
#   openai-whisper 20250625
#   gpt2: 50256 lines, the last is 'IGdhemVk 50255'; of no bytes: token None
#   multilingual: 50257 lines, the last is '= 50256'; of no bytes: token 50256
#   validate=True: Leading padding not allowed
#   tiktoken decodes [50256, 50257] to '<|endoftext|>'
#   base64 --decode: base64: invalid input
