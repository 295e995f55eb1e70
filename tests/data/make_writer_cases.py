#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes writer_cases.json: results with word times, layouts, and what the reference's writers make of them.

    pip download openai-whisper==20250625 --no-deps --no-binary :all: && tar xf openai_whisper-*.tar.gz
    ./make_writer_cases.py openai_whisper-20250625/whisper/utils.py > writer_cases.json
"""
import importlib.util
import io
import json
import random
import sys


def load(path):
    spec = importlib.util.spec_from_file_location("whisper_utils", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


WORDS = [" a", " the", " word", " Wörter", " 日本", "語", " extraordinarily", ",", " it", "'s", "-", " 👍🏽", " \"Quote\"", " <tag>", " &", ".", " supercalifragilistic", "\u3000全角", " a\tb", "", " "]


def random_result(random_):
    segments, clock = [], random_.choice([0.0, 0.5, 3590.0])
    for i in range(random_.randint(0, 6)):
        words = []
        for _ in range(random_.choice([0, 1, 3, 9, 14])):
            clock += random_.choice([0, 0, 0.02, 0.3, 0.0005, 3.5])
            start = round(clock, random_.choice([2, 4]))
            clock += random_.choice([0, 0.1, 0.34, 1.0])
            words.append({"word": random_.choice(WORDS), "start": start, "end": round(clock, 2), "probability": random_.random()})
        segments.append({"id": i, "seek": int(clock * 100), "start": words[0]["start"] if words else clock, "end": clock, "text": "".join(w["word"] for w in words),
                         "tokens": [random_.randint(0, 50000) for _ in words], "temperature": 0.0, "avg_logprob": -random_.random(), "compression_ratio": random_.random() * 3,
                         "no_speech_prob": random_.random() ** 20, "words": words})
    return {"text": "".join(s["text"] for s in segments), "segments": segments, "language": "en"}


LAYOUTS = [{}, {"highlight_words": True}, {"max_words_per_line": 3}, {"max_words_per_line": 1, "highlight_words": True}, {"max_line_width": 20}, {"max_line_count": 1},
           {"max_line_width": 16, "max_line_count": 1}, {"max_line_width": 24, "max_line_count": 2}, {"max_line_width": 24, "max_line_count": 3, "highlight_words": True},
           {"max_line_width": 5, "max_line_count": 2, "max_words_per_line": 4}]


def main():
    utils, random_, cases = load(sys.argv[1]), random.Random(5), []
    for i in range(40):
        result, layout = random_result(random_), LAYOUTS[i % len(LAYOUTS)]
        written = {}
        for name in ("txt", "srt", "vtt", "tsv", "json"):
            file = io.StringIO()
            utils.get_writer(name, ".").write_result(result, file, layout)
            written[name] = file.getvalue()
        shown = [text for _, _, text in utils.WriteSRT(".").iterate_result(result, layout)]
        if any(text and not line.strip() for text in shown for line in text.split("\n")):
            continue  # a subtitle that holds a blank line cannot be read back: ours leave it out
        if i % 8:
            del written["json"]
        cases.append({"layout": layout, "result": result, "written": written})
    print("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]")


if __name__ == "__main__":
    main()
