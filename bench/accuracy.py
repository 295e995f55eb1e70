#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts wrong words on recordings with true transcripts, ours beside other engines with the same weights, and writes
a Markdown table by language and kind.

    bench/accuracy.py --speech FOLDER --system NAME=KIND:MODEL [--system ...] [--only KIND,...] [--keep FILE]

FOLDER holds index.tsv: a header, then file, seconds, language, kind, speaker, transcript, ... a line; an empty
transcript means that nothing is said, "?" that the words are not known. KIND says who transcribes:
  shorthand[:int8|:float32]  PROGRAM is build/release/bin/shorthand, or --shorthand
  faster-whisper[:TYPE]      the Python package, CTranslate2's compute type TYPE
  whisper-cli                whisper.cpp's program, --whisper-cli
for instance --system 'int8=shorthand:int8:models/base' --system 'fw=faster-whisper:int8:models/base' --system
'wcpp=whisper-cli:ggml-base-q8_0.bin'.

All are told the language, choose the likeliest token, and try again at the temperatures 0.2 to 1 by the reference's
rules. Needs the packages whisper-normalizer and jiwer, and those of the peers. Words are compared after Whisper's
normaliser (the English one for English); Chinese and Japanese by characters, strings of figures by figures.
"""
import argparse
import collections
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import jiwer
from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

BY_CHARACTER = ("zh", "ja")
TEMPERATURES = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]


def by_language(recordings):
    groups = collections.defaultdict(list)
    for r in recordings:
        groups["en" if r["language"] == "-" else r["language"]].append(r)
    return groups


def run(command):
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
    if done.returncode:
        sys.exit(f"{command[0]}: exit status {done.returncode}: {done.stderr[-500:]}")


def shorthand(options, what, recordings, folder):
    compute_type, _, model = what.partition(":")
    texts = {}
    for language, group in by_language(recordings).items():
        with tempfile.TemporaryDirectory() as out:
            run([options.shorthand, "transcribe", "-q", "-m", model, "--compute-type", compute_type, "-l", language, "-f",
                 "txt", "-o", out] + [str(folder / r["file"]) for r in group])
            for r in group:
                texts[r["file"]] = (Path(out) / r["file"]).with_suffix(".txt").read_text()
    return texts


def faster_whisper(options, what, recordings, folder):
    from faster_whisper import WhisperModel
    compute_type, _, path = what.partition(":")
    model = WhisperModel(path, device="cpu", compute_type=compute_type, cpu_threads=os.cpu_count())
    texts = {}
    for language, group in by_language(recordings).items():
        for r in group:
            segments, _ = model.transcribe(str(folder / r["file"]), language=language, beam_size=1, best_of=1,
                                           temperature=TEMPERATURES)
            texts[r["file"]] = "".join(segment.text for segment in segments)
    return texts


def whisper_cli(options, model, recordings, folder):
    texts = {}
    for language, group in by_language(recordings).items():
        with tempfile.TemporaryDirectory() as out:
            for r in group:
                shutil.copy(folder / r["file"], out)
            run([options.whisper_cli, "-m", model, "-l", language, "-bs", "1", "-bo", "1", "-np", "-otxt"] +
                [argument for r in group for argument in ("-f", f"{out}/{r['file']}")])
            for r in group:
                texts[r["file"]] = Path(out, r["file"] + ".txt").read_text(errors="replace")
    return texts


SYSTEMS = {"shorthand": shorthand, "faster-whisper": faster_whisper, "whisper-cli": whisper_cli}
ENGLISH, BASIC, CHARACTERS = EnglishTextNormalizer(), BasicTextNormalizer(), BasicTextNormalizer(split_letters=True)


def normalise(text, recording):
    language = recording["language"]
    text = (ENGLISH if language in ("en", "-") else CHARACTERS if language in BY_CHARACTER else BASIC)(" ".join(text.split()))
    # Strings of figures are one number to the normaliser, however many of them are wrong.
    return (re.sub(r"(\d)", r"\1 ", text) if recording["kind"].startswith("digits") else text).strip()


def errors(recording, text):
    """(wrong words, words that were said)"""
    said, heard = (normalise(t, recording) for t in (recording["transcript"], text))
    if not said:
        return len(heard.split()), 0
    result = jiwer.process_words(said, heard)
    return result.substitutions + result.deletions + result.insertions, len(said.split())


def table(recordings, results):
    names = list(results)
    kinds = collections.defaultdict(list)
    for r in recordings:
        kinds[r["kind"]].append(r)
    rows, totals = [], {}
    for kind, group in sorted(kinds.items(), key=lambda item: (item[1][0]["language"] != "en", item[1][0]["language"],
                                                               item[0])):
        sums = {name: [sum(x) for x in zip(*(errors(r, results[name][r["file"]]) for r in group))] for name in names}
        said = sums[names[0]][1]
        part = "silence and noise" if said == 0 else "English" if group[0]["language"] == "en" else "other languages"
        for name in names:
            total = totals.setdefault(part, {}).setdefault(name, [0, 0])
            total[0] += sums[name][0]
            total[1] += said
        rows.append((kind, len(group), said, [rate(sums[n][0], said) for n in names]))
    for part, by_name in totals.items():
        said = by_name[names[0]][1]
        rows.append((f"**{part}**", "", said, [rate(by_name[n][0], said) for n in names]))
    lines = ["| recordings | files | words | " + " | ".join(names) + " |", "|---|--:|--:|" + "--:|" * len(names)]
    lines += [f"| {kind} | {files} | {said} | " + " | ".join(cells) + " |" for kind, files, said, cells in rows]
    return "\n".join(lines)


def rate(wrong, said):
    return f"{100 * wrong / said:.2f} %" if said else f"{wrong} words"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", type=Path, required=True)
    parser.add_argument("--system", action="append", required=True)
    parser.add_argument("--only", default="", help="comma list of kinds or languages")
    parser.add_argument("--keep", type=Path, help="texts as JSON, by system and file; systems found in it are not run again")
    parser.add_argument("--shorthand", default="build/release/bin/shorthand")
    parser.add_argument("--whisper-cli", default="whisper-cli")
    options = parser.parse_args()
    with open(options.speech / "index.tsv", newline="") as index:
        recordings = [r for r in csv.DictReader(index, delimiter="\t", quoting=csv.QUOTE_NONE) if r["transcript"] != "?"]
    if only := set(filter(None, options.only.split(","))):
        recordings = [r for r in recordings if only & {r["kind"], r["language"]}]
    results = json.loads(options.keep.read_text()) if options.keep and options.keep.exists() else {}
    names = []
    for system in options.system:
        name, _, what = system.partition("=")
        kind, _, argument = what.partition(":")
        if kind not in SYSTEMS:
            sys.exit(f"{system}: no system {kind!r}; there are {', '.join(SYSTEMS)}")
        names.append(name)
        if name not in results:
            print(name, file=sys.stderr)
            results[name] = SYSTEMS[kind](options, argument, recordings, options.speech)
            if options.keep:
                options.keep.write_text(json.dumps(results, indent=1, ensure_ascii=False))
    print(table(recordings, {name: results[name] for name in names}))


if __name__ == "__main__":
    main()
