#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Says what became slower or less accurate between two reports of `shorthand bench`.

    bench/compare.py OLD.json NEW.json [--tolerance 0.05]      exit status 1: something did, or a phase failed

A time has changed when the medians differ by more than the tolerance and the two middle halves of the samples (from the
first to the third quartile) do not meet: less is noise. Reports of two machines, or of other threads, are not compared.
"""
import argparse
import json
import sys


def quantile(values, q):
    v = sorted(values)
    at = q * (len(v) - 1)
    low = int(at)
    return v[low] + (v[min(low + 1, len(v) - 1)] - v[low]) * (at - low)


def times(report):
    """{what was measured: its samples in ms}"""
    out = {}
    for phase, body in report["phases"].items():
        for m in body.get("measurements", []):
            if "family" in m:
                out[f"{m['family']} {m['what']} {' '.join(map(str, m['sizes']))} {m['isa']}"] = m["ms"]
            elif "audio_s" in m:
                out[f"{m['model']} {m['audio_s']:g} s batch {m['batch']}"] = m["wall_ms"]
            elif "comparison" in m:
                out[f"{m['comparison']}: {m['name']}"] = m["wall_ms"]
    return {name: ms for name, ms in out.items() if ms}


# What a measurement of the accuracy phase says, whether more of it is better, and the step that counts as a change.
ACCURACY = {
    "int8_snr_db": (True, 0.5),
    "int8_cosine": (True, 0.001),
    "relative_to_golden": (False, 1e-5),
    "token_agreement": (True, 0.01),
    "float32_word_error_rate": (False, 0.002),
    "int8_word_error_rate": (False, 0.002),
}


def accuracies(report):
    out = {}
    for m in report["phases"].get("accuracy", {}).get("measurements", []):
        subject = m.get("tensor", m.get("recordings", ""))
        for key in ACCURACY:
            if m.get(key) is not None:
                out[f"{subject} {key}".strip(), key] = m[key]
    return out


def failed_phases(report):
    return [name for name, body in report["phases"].items() if not body["ok"]]


def compare(old, new, tolerance):
    """(lines of regressions, lines of improvements, lines of what stands in one report only)"""
    worse, better, apart = [], [], []
    old_times, new_times = times(old), times(new)
    for name in sorted(old_times.keys() | new_times.keys()):
        if name not in old_times or name not in new_times:
            apart.append(f"{name}: only in the {'old' if name in old_times else 'new'} report")
            continue
        a, b = old_times[name], new_times[name]
        ratio = quantile(b, 0.5) / quantile(a, 0.5)
        line = f"{name}: {quantile(a, 0.5):.4g} -> {quantile(b, 0.5):.4g} ms ({100 * (ratio - 1):+.1f} %)"
        if ratio > 1 + tolerance and quantile(b, 0.25) > quantile(a, 0.75):
            worse.append(line)
        elif ratio < 1 / (1 + tolerance) and quantile(b, 0.75) < quantile(a, 0.25):
            better.append(line)
    old_values, new_values = accuracies(old), accuracies(new)
    for name, key in sorted(old_values.keys() & new_values.keys()):
        a, b = old_values[name, key], new_values[name, key]
        more_is_better, step = ACCURACY[key]
        gain = b - a if more_is_better else a - b
        if abs(gain) > step:
            (better if gain > 0 else worse).append(f"{name}: {a:.6g} -> {b:.6g}")
    return worse, better, apart


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", metavar="OLD.json")
    parser.add_argument("new", metavar="NEW.json")
    parser.add_argument("--tolerance", type=float, default=0.05, help="relative change that is none (default 0.05)")
    args = parser.parse_args()
    reports = []
    for path in (args.old, args.new):
        try:
            with open(path, encoding="utf-8") as file:
                report = json.load(file)
            report["phases"], report["machine"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            print(f"compare.py: {path}: no report of `shorthand bench`: {error}", file=sys.stderr)
            return 2
        reports.append(report)
    old, new = reports
    for fact in ("cpu", "isa", "threads"):
        a, b = old["machine"].get(fact), new["machine"].get(fact)
        if a != b:
            print(f"compare.py: the reports are of another {fact}: {a} and {b}; compare on one machine", file=sys.stderr)
            return 2
    worse, better, apart = compare(old, new, args.tolerance)
    failed = failed_phases(new)
    for heading, lines in (("FAILED", failed), ("WORSE", worse), ("better", better), ("not compared", apart)):
        for line in lines:
            print(f"{heading}: {line}")
    if not worse and not failed:
        print("nothing is worse beyond the noise")
    return 1 if worse or failed else 0


if __name__ == "__main__":
    sys.exit(main())
