#!/usr/bin/env bash
# SciPy 1.17.1: stats.zipf(a).entropy() sums a bounded number of terms. a = 1.2: 2.0497, right 7.0713; a = 1.5:
# 2.5072, right 3.2181; a = 3: 0.678493, right 0.678502. A RuntimeWarning says "expect(): sum did not converge".
# Right: log zeta(a) - a zeta'(a)/zeta(a), by mpmath.
# For users: `divergences.entropy(stats.zipf(a))` bounds the tail of the sum and gives an interval.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scipy==1.17.1 numpy==2.4.6 mpmath==1.3.0
"$folder/venv/bin/python" - <<'PY'
import warnings
import mpmath
from scipy import stats

for a, seen in ((1.2, 2.049722), (1.5, 2.507234), (3.0, 0.678493)):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = float(stats.zipf(a).entropy())
    right = float(mpmath.log(mpmath.zeta(a)) - a * mpmath.zeta(a, 1, 1) / mpmath.zeta(a))
    print(f"a = {a}: {found:.6f}, right {right:.6f}, warnings: {[str(w.message) for w in caught]}")
    assert abs(found - seen) < 1e-5, "changed: the value"
    assert any("did not converge" in str(w.message) for w in caught), "changed: the warning"
PY
echo "as stated"
