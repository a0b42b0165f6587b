"""``python -m bench optima``: certified optima of the standard instances, in exact decimals.

    python -m bench optima                      check every committed optimum (about 10 minutes)
    python -m bench optima --only uniform       check some
    python -m bench optima --write              write bench/problems/optima.json anew

Where our plan is proved optimal in rational arithmetic on the stored floats, ``lower`` and ``upper`` are the
same decimal fraction, all its digits; else the ends of the certified interval, exact decimals of floats. A
fingerprint of masses and costs tells whether this machine builds the same problem to the bit.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

from bench import problems

PATH = Path(__file__).parent / "problems" / "optima.json"
PROVED = 1 << 21  # pairs up to which the proof in rational arithmetic is made
NODES = 30_000  # likewise atoms


def decimal(value: Fraction | float) -> str:
    """All digits of a number whose denominator is a power of two."""
    exact = Fraction(value)
    with localcontext() as context:
        context.prec = 2000
        return str(Decimal(exact.numerator) / Decimal(exact.denominator))


def optimum(problem: problems.Problem) -> dict[str, Any]:
    """The line of one instance."""
    from bench.score import shifted, solved, truth

    out: dict[str, Any] = {"fingerprint": problem.fingerprint()}
    n, m = problem.shape
    if problem.kind in ("transport", "assignment") and n * m <= PROVED and n + m <= NODES:
        proof = solved(shifted(problem)).certify(exact=True)
        if proof.is_optimal and _dyadic(proof.lower):
            text = decimal(proof.lower)
            return out | {"lower": text, "upper": text, "proved": True}
    known = truth(problem)
    return out | {"lower": decimal(known.lower), "upper": decimal(known.upper), "proved": False}


def _dyadic(value: Fraction) -> bool:
    return value.denominator & (value.denominator - 1) == 0


def committed() -> dict[str, dict[str, Any]]:
    """The stored optima."""
    return dict(json.loads(PATH.read_text())) if PATH.exists() else {}


def check(name: str, stored: dict[str, Any]) -> str:
    """Why a stored optimum does not hold here; empty if it does."""
    problem = problems.build(name)
    if problem.fingerprint() != stored["fingerprint"]:
        return "another problem to the bit on this machine"
    found = optimum(problem)
    if found["proved"] and stored["proved"]:
        return (
            ""
            if found["lower"] == stored["lower"]
            else f"{found['lower']} is proved, {stored['lower']} stored"
        )
    apart = Decimal(found["lower"]) > Decimal(stored["upper"]) or Decimal(found["upper"]) < Decimal(
        stored["lower"]
    )
    return "the intervals do not meet" if apart else ""


def main(argv: list[str]) -> int:
    """Check or write."""
    parser = argparse.ArgumentParser(
        prog="python -m bench optima",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", default="", help="instances whose name contains this")
    parser.add_argument("--write", action="store_true", help=f"write {PATH.name} (those of --only) anew")
    parser.add_argument("--missing", action="store_true", help="write those that are not there yet")
    options = parser.parse_args(argv)
    stored, bad = committed(), 0
    names = list(stored)
    if options.write or options.missing:
        names = [name for name in problems.instances("all") if not (options.missing and name in stored)]
    for name in [name for name in names if options.only in name]:
        start = time.monotonic()
        try:
            if options.write or options.missing:
                stored[name] = optimum(problems.build(name))
                said = f"{stored[name]['lower'][:20]}{' proved' if stored[name]['proved'] else ''}"
            else:
                said = check(name, stored[name]) or "holds"
                bad += said != "holds"
        except problems.Unavailable as error:
            said = f"left out: {error}"
        print(f"{name}: {said} ({time.monotonic() - start:.1f} s)", file=sys.stderr, flush=True)
        if options.write or options.missing:
            PATH.write_text(json.dumps(dict(sorted(stored.items())), indent=1) + "\n")
    return 1 if bad else 0
