#!/usr/bin/env bash
# SciPy 1.17.1: stats.Mixture.entropy() of two unit normals with equal weights, 60 apart, is 1.0561, without
# a warning. Right: 0.5 log(2 pi e) + log 2 = 2.1121, since the two hardly overlap; 20 apart SciPy finds it.
# The adaptive quadrature over the whole line sees one of the two modes.
# For users: `divergences.entropy(law)` integrates between the law's quantiles and gives an interval.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scipy==1.17.1 numpy==2.4.6
"$folder/venv/bin/python" -W error - <<'PY'
import math
from scipy import stats

def entropy(apart):
    modes = [stats.Normal(mu=0.0, sigma=1.0), stats.Normal(mu=apart, sigma=1.0)]
    return float(stats.Mixture(modes, weights=[0.5, 0.5]).entropy())

right = 0.5 * math.log(2 * math.pi * math.e) + math.log(2)
near, far = entropy(20.0), entropy(60.0)
print(f"20 apart: {near:.6f}   60 apart: {far:.6f}   right for both: {right:.6f}")
assert abs(near - right) < 1e-6, "changed: 20 apart"
assert abs(far - right / 2) < 1e-3, "changed: 60 apart"
PY
echo "as stated"
