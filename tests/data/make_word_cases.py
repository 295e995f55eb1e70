#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes word_cases.json: ids, and the words that openai/whisper's tokenizer gathers them into.

    pip install tiktoken && pip download openai-whisper==20250625 --no-deps --no-binary :all: && tar xf openai_whisper-*.tar.gz
    ./make_word_cases.py openai_whisper-20250625/whisper/tokenizer.py > word_cases.json
"""
import importlib.util
import json
import random
import sys

TEXTS = [" And so, my fellow Americans: ask \"not\" (what) your country can do...", " don't -- it's 5% of $3.50, o'clock!", " Привет, мир! Ёж", " 今日は世界。これはテストです。", " 你好，世界！很高兴", " สวัสดีชาวโลก", " 👩‍👩‍👧‍👦 family 🏳️‍🌈👍🏽",
         " naïve café Zażółć gęślą jaźń", " 안녕하세요 세계", " नमस्ते दुनिया", "no space first", " a\n b\t c", "", " \ufffd broken \ufffd\ufffd", " ()[]{} ' \" -", " ♪♪ la la ♪", " 𝔘𝔫𝔦 𐍈𐌰"]


def load(path):
    spec = importlib.util.spec_from_file_location("whisper_tokenizer", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def main():
    module, random_, cases = load(sys.argv[1]), random.Random(8), []
    for language in ("en", "ja", "yue", "ru"):
        tokenizer = module.get_tokenizer(True, num_languages=100, language=language)
        lists = [tokenizer.encode(text) for text in TEXTS]
        lists += [ids + [tokenizer.eot] for ids in lists[:4]] + [ids[: len(ids) // 2] for ids in lists] + [ids[1:] for ids in lists if len(ids) > 1]
        # Ids in no order: halves of characters side by side, special tokens and times.
        halves = [i for i in range(50256) if not is_utf8(tokenizer.encoding.decode_single_token_bytes(i))]
        lists += [[random_.choice(halves) if random_.random() < 0.6 else random_.randrange(51866) for _ in range(random_.randint(1, 12))] for _ in range(40)]
        for ids in lists:
            try:
                words, tokens = tokenizer.split_to_word_tokens(ids)
            except IndexError:
                continue  # the reference looks behind the end of the text for some broken sequences
            cases.append({"language": language, "ids": ids, "words": words, "tokens": tokens})
    print("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]")


def is_utf8(piece):
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True


if __name__ == "__main__":
    main()
