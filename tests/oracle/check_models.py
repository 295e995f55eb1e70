#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_models.py SHORTHAND CLIP ORIGINAL MODEL...: transcribes the clip in float32 with the original and with each model, and
says where tokens, times, language or, by more than 0.001, log probabilities differ (a ggml file brings its own mel filters,
which differ from computed ones in their last bits). Exit status 1 if one does; what holds fewer bits than the original
(bfloat16, k-quants) may."""
import json
import subprocess
import sys


def transcribe(shorthand, model, clip):
    """Language and segments as (start, end, tokens, log probability), or the program's complaint; and the text."""
    run = subprocess.run([shorthand, "transcribe", "-m", model, "--compute-type", "float32", "--format", "json", clip],
                         capture_output=True, text=True, check=False)
    if run.returncode != 0:
        return run.stderr, run.stderr
    result = json.loads(run.stdout)
    segments = [(s["start"], s["end"], s["tokens"], s["avg_logprob"]) for s in result["segments"]]
    return (result["language"], segments), result["text"]


def same(a, b):
    """Whether two results agree."""
    if isinstance(a, str) or isinstance(b, str) or a[0] != b[0] or len(a[1]) != len(b[1]):
        return False
    return all(x[:3] == y[:3] and abs(x[3] - y[3]) < 1e-3 for x, y in zip(a[1], b[1]))


def main():
    shorthand, clip, original, *models = sys.argv[1:]
    expected, text = transcribe(shorthand, original, clip)
    print(f"{original}: {text[:200]}")
    differ = 0
    for model in models:
        found, text = transcribe(shorthand, model, clip)
        if same(found, expected):
            print(f"same    {model}")
        else:
            differ += 1
            print(f"DIFFERS {model}: {text[:200]}")
    sys.exit(differ > 0)


if __name__ == "__main__":
    main()
