#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# CTranslate2 3.13.0 and 4.8.5: a weight of zeros in int16 is stored with a scale of infinity.
#
# Behaviour: int16 keeps one scale for a matrix, 1024 divided by the largest absolute value. Of a matrix of zeros that is
# infinity, and infinity is what lies in model.bin (NumPy warns, nothing is raised). The library itself loads a model with
# such a weight and computes finite numbers with it: zero divided by infinity is zero. (This script shows the scale.)
# Why nobody would guess it: int8, in the next branch of the same function, guards the same division (a row of zeros gets the scale 1).
# What it means for a reader: a scale that is not finite is no proof of a damaged file. Divide by the scale, or take the
# reciprocal once (0): a reader that refuses it refuses what the library loads, and 1 / (1 / scale) makes 0 * inf = NaN.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >zeros.py <<'PY'
import sys
import warnings

import ctranslate2
import numpy as np
from ctranslate2.specs import common_spec

warnings.simplefilter("ignore")
scales = {}
for kind in ("int8", "int16"):
    layer = common_spec.LinearSpec()
    layer.weight, layer.bias = np.zeros((2, 8), np.float32), np.linspace(-1, 1, 2, dtype=np.float32)
    layer.validate()
    layer.optimize(quantization=kind)
    stored = [getattr(x, "numpy", lambda: x)() for x in (layer.weight, layer.weight_scale)]
    scales[kind] = np.atleast_1d(stored[1])
    print(f"ctranslate2 {ctranslate2.__version__} {kind}: weights {stored[0].dtype} {set(stored[0].flat)}, scale {stored[1]}")
if not np.isinf(scales["int16"]).all() or not np.isfinite(scales["int8"]).all():
    sys.exit("changed: the scale of a matrix of zeros in int16 is no longer infinite")
PY
for version in 3.13.0 4.8.5; do
  python3 -m venv $version
  $version/bin/pip -q --disable-pip-version-check install ctranslate2==$version numpy==1.26.4 setuptools==80.9.0
  $version/bin/python zeros.py
done

# Output seen:
#   ctranslate2 3.13.0 int8: weights int8 {0}, scale [1. 1.]
#   ctranslate2 3.13.0 int16: weights int16 {0}, scale inf
#   ctranslate2 4.8.5 int8: weights int8 {0}, scale [1. 1.]
#   ctranslate2 4.8.5 int16: weights int16 {0}, scale inf
