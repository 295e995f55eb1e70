#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What compare.py calls a regression, and what noise."""
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

COMPARE = Path(__file__).parent / "compare.py"


def report(kernel_ms, wall_ms, snr=38.0, ok=True, threads=2):
    return {
        "machine": {"cpu": "one", "isa": "avx2", "threads": threads},
        "phases": {
            "kernels": {"ok": ok, "measurements": [
                {"family": "gemm_i8", "what": "packed", "sizes": [16, 512, 512], "isa": "avx2", "ms": kernel_ms}]},
            "pipeline": {"ok": True, "measurements": [
                {"model": "base", "audio_s": 30.0, "batch": 1, "wall_ms": wall_ms}]},
            "accuracy": {"ok": True, "measurements": [{"tensor": "encoder", "int8_snr_db": snr}]},
        },
    }


def run(old, new, *options):
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("old.json", "new.json")]
        for path, body in zip(paths, (old, new)):
            path.write_text(body if isinstance(body, str) else json.dumps(body))
        done = subprocess.run([sys.executable, str(COMPARE), *map(str, paths), *options], capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr


class CompareTest(unittest.TestCase):
    base = report([1.0, 1.02, 1.04, 1.06], [100, 101, 102])

    def test_the_same_is_no_regression(self):
        self.assertEqual(run(self.base, self.base)[0], 0)

    def test_slower_beyond_the_noise_is_one(self):
        status, out, _ = run(self.base, report([1.3, 1.31, 1.32, 1.33], [100, 101, 102]))
        self.assertEqual(status, 1)
        self.assertIn("WORSE: gemm_i8 packed 16 512 512 avx2", out)
        self.assertNotIn("base 30 s", out)

    def test_slower_within_the_noise_is_none(self):
        self.assertEqual(run(self.base, report([0.9, 1.0, 1.3, 1.4], [100, 101, 102]))[0], 0)

    def test_slower_by_less_than_the_tolerance_is_none(self):
        slower = report([1.0, 1.02, 1.04, 1.06], [104, 105, 106])
        self.assertEqual(run(self.base, slower)[0], 0)
        self.assertEqual(run(self.base, slower, "--tolerance", "0.01")[0], 1)

    def test_faster_is_told_and_no_regression(self):
        status, out, _ = run(self.base, report([0.5, 0.51, 0.52], [100, 101, 102]))
        self.assertEqual(status, 0)
        self.assertIn("better: gemm_i8", out)

    def test_accuracy_counts(self):
        self.assertEqual(run(self.base, report([1.0, 1.02, 1.04, 1.06], [100, 101, 102], snr=37.0))[0], 1)

    def test_a_failed_phase_counts(self):
        status, out, _ = run(self.base, report([1.0, 1.02, 1.04, 1.06], [100, 101, 102], ok=False))
        self.assertEqual(status, 1)
        self.assertIn("FAILED: kernels", out)

    def test_other_machines_are_refused(self):
        status, _, err = run(self.base, report([1.0], [100], threads=4))
        self.assertEqual(status, 2)
        self.assertIn("threads", err)

    def test_what_is_no_report_is_refused(self):
        for text in ("", "{}", "[]", "no json"):
            self.assertEqual(run(self.base, text)[0], 2, text)


if __name__ == "__main__":
    unittest.main()
