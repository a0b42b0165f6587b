"""The way of two laws: one visit to each room, and options that are told apart."""

from __future__ import annotations

import inspect
import math
import sys
from itertools import groupby

import pytest
from scipy import stats

import divergences as dv
from divergences import _pipe

ROOMS = ["recognise", "supports", "compute", "brackets"]
ROOM_OF = {
    "_recognise": "recognise",
    "_supports": "supports",
    "_closed_forms": "compute",
    "_line": "compute",
    "_summation": "compute",
    "_vectors": "compute",
    "_brackets": "brackets",
}


def visits(name, P, Q, **options):
    """The rooms that the pipe itself enters, in order, repeats within a stay removed."""
    seen = []

    def watch(frame, event, argument):
        if event == "call" and frame.f_back and frame.f_back.f_code.co_filename == _pipe.__file__:
            module = frame.f_globals["__name__"].rpartition(".")[2]
            if module in ROOM_OF:
                seen.append(ROOM_OF[module])

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        dv.estimate(name, P, Q, **options)
    finally:
        sys.setprofile(before)
    return [room for room, _ in groupby(seen)]


@pytest.mark.parametrize(
    ("name", "P", "Q", "options"),
    [
        ("kl", stats.norm(), stats.norm(1, 2), {}),  # closed form
        ("js", stats.norm(), stats.norm(1, 2), {}),  # quadrature
        ("kl", stats.poisson(2), stats.geom(0.5), {}),  # decided by supports
        ("js", stats.poisson(2), stats.geom(0.5), {}),  # sum
        ("kl", stats.uniform(0, 2), stats.uniform(0, 1), {}),  # infinite
        ("tv", stats.norm(), stats.poisson(2), {}),  # singular
        ("js", stats.multivariate_normal([0, 0]), stats.multivariate_normal([1, 0]), {"n_samples": 1024}),
        ("renyi", stats.t(3), stats.t(4), {"alpha": 0.5}),  # the companion takes over
    ],
)
def test_one_visit_to_each_room(name, P, Q, options):
    rooms = visits(name, P, Q, **options)
    assert rooms == [room for room in ROOMS if room in rooms]
    assert rooms[:2] == ["recognise", "supports"]
    assert rooms[-1] == "brackets"


def test_help_shows_the_options():
    shown = inspect.signature(dv.estimate).parameters
    text = inspect.getdoc(dv.estimate)
    options = set(shown) - {"name", "P", "Q"}
    assert {"alpha", "rtol", "rng", "n_samples", "confidence", "permutations", "bandwidth"} <= options
    assert all(name in text for name in options)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: dv.estimate("kl", stats.norm(), stats.norm(1), alpha=2.0), "kl takes no option"),
        (
            lambda: dv.estimate("wasserstein", stats.norm(), stats.norm(1), alpha=2.0),
            "wasserstein takes no option alpha",
        ),
        (lambda: dv.estimate("entropy", stats.norm(), stats.norm(), p=2.0), "entropy takes no option p"),
        (lambda: dv.estimate("wasserstein", [0.0, 1.0], stats.norm(), k=2), "takes no option k"),
        (lambda: dv.estimate("energy", [0.0, 1.0], [2.0, 3.0], k=2), "energy takes no option k"),
    ],
)
def test_options_of_others_are_refused(call, match):
    with pytest.raises(TypeError, match=match):
        call()


def test_cross_entropy_of_disjoint_supports_is_infinite():
    """It used to be refused: the empty negative part counted as infinite too."""
    far = stats.uniform(5, 1)
    assert dv.cross_entropy(stats.uniform(), far) == math.inf
    found = dv.estimate("cross_entropy", stats.uniform(0, 2), stats.uniform(0, 4))
    assert found.value == pytest.approx(math.log(4), rel=1e-12)


def test_own_formulas_outlive_the_loading_of_ours():
    """Whoever registers a formula before any law was met keeps it."""
    import subprocess

    code = (
        "import divergences as dv\n"
        "dv.register('kl', 'norm', 'norm')(lambda p, q: 7.0)\n"
        "from scipy import stats\n"
        "print(dv.kl(stats.norm(), stats.norm(1)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(run.stdout) == 7.0


def test_what_is_shown_fits_a_line_and_has_its_public_name():
    import transport as tp

    shown = repr(dv.estimate("js", stats.norm(), stats.norm(1)))
    assert shown.startswith("Estimate(value=0.222842964369, lower=0.22284296436")
    assert len(shown) < 110
    for error in (tp.ConvergenceError, tp.InfeasibleError, tp.DuplicateEntriesWarning):
        assert error.__module__ == "transport"
