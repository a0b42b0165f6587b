"""One call that puts the theorem, and a set of distances, on trial; all it reports could have failed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from divergences.hierarchy._battery import Battery
from divergences.hierarchy._bound import Verdict
from divergences.hierarchy._classify import Classification, Kind, classify_values
from divergences.hierarchy._instance import TESTED, Functionals, Instance
from divergences.hierarchy._mutants import all_mutants, shuffles
from divergences.hierarchy._search import Searched, worst_case
from divergences.hierarchy._sequences import SEQUENCES, Sequence
from divergences.hierarchy._stages import Failure, classify_all, inequalities, run_stages
from divergences.hierarchy._table import BOUNDS
from divergences.hierarchy._weak import bounded_lipschitz, prokhorov

_PROFILES = {
    "quick": {"pairs": 80, "starts": 96, "rounds": 120},
    "deep": {"pairs": 400, "starts": 320, "rounds": 400},
}
Table = dict[str, dict[str, Classification]]


@dataclass(frozen=True)
class Claim:
    """One implication, strictness or control, and what was seen."""

    part: str
    statement: str
    passed: bool
    evidence: str


@dataclass(frozen=True)
class Kill:
    """A wrong set of distances and the stages that failed it (none: it survived)."""

    name: str
    functional: str
    stages: str
    core: bool
    example: str

    @property
    def killed(self) -> bool:
        """Whether any stage failed it."""
        return bool(self.stages)


@dataclass(frozen=True)
class Report:
    """What `verify` found.

    Attributes
    ----------
    subject : str
        Whose distances were tried.
    proved : mapping
        Bound -> counts of `Verdict` over random pairs, from rational enclosures.
    searched : tuple of Searched
        Worst case found for each bound.
    table, weak : mapping
        Sequence -> functional -> `Classification`: the truth table, and the two weak metrics.
    claims : tuple of Claim
        The theorem's implications, their strictness, the negative controls.
    failures : mapping
        Stage -> failures of the distances under test.
    kills : tuple of Kill
        Mutants and shuffled labels.
    row_swaps : (int, int)
        Swaps of two sequences' expected rows: detected, and all that should be.
    """

    subject: str
    profile: str
    seed: int
    elapsed: float
    proved: Mapping[str, Counter[Verdict]]
    searched: tuple[Searched, ...]
    table: Table
    weak: Table
    claims: tuple[Claim, ...]
    failures: Mapping[str, list[Failure]]
    kills: tuple[Kill, ...]
    row_swaps: tuple[int, int]

    @property
    def mutation_score(self) -> float:
        """Fraction of wrong sets of distances that some stage killed."""
        return sum(kill.killed for kill in self.kills) / max(1, len(self.kills))

    @property
    def bounds_passed(self) -> bool:
        """No bound violated anywhere, and every one attained."""
        clean = all(not counts[Verdict.VIOLATED] for counts in self.proved.values())
        return clean and all(found.passed for found in self.searched)

    @property
    def distances_passed(self) -> bool:
        """No stage failed the distances under test."""
        return not any(self.failures.values())

    @property
    def passed(self) -> bool:
        """The verdict: bounds, claims, distances, mutants and shuffled rows all as they should be."""
        return (
            self.bounds_passed
            and all(claim.passed for claim in self.claims)
            and self.distances_passed
            and all(kill.killed for kill in self.kills)
            and self.row_swaps[0] == self.row_swaps[1]
        )

    def summary(self) -> str:
        """A few lines of plain text."""
        checks = sum(sum(counts.values()) for counts in self.proved.values())
        violated = sum(counts[Verdict.VIOLATED] for counts in self.proved.values())
        broken = [failure for stage in self.failures.values() for failure in stage]
        lines = [
            f"{'PASSED' if self.passed else 'FAILED'}: {self.subject}, {self.profile} profile, "
            f"{self.elapsed:.1f} s",
            f"bounds     {len(self.searched)} inequalities, {checks} exact checks, {violated} violated; "
            f"{sum(s.passed for s in self.searched)} attained to 1e-4",
            f"theorem    {sum(c.passed for c in self.claims)} of {len(self.claims)} claims as stated",
            f"distances  {len(broken)} broken demands",
            f"mutants    {sum(k.killed for k in self.kills)} of {len(self.kills)} killed",
            f"row swaps  {self.row_swaps[0]} of {self.row_swaps[1]} noticed",
        ]
        return "\n".join(lines + [f"  {failure}" for failure in broken[:12]])


def classify(sequence: Sequence, functionals: Functionals | None = None) -> dict[str, Classification]:
    """What each functional does along a sequence, from its values at n = 2^k.

    Parameters
    ----------
    sequence : Sequence
        One of `SEQUENCES`, or your own: ``Sequence(name, statement, shows, instance)`` with
        ``instance(n)`` an `Instance` and ``ns`` at least five consecutive powers of two.
    functionals : Functionals, optional
        Defaults to this library's.

    Returns
    -------
    dict
        Functional -> `Classification` with the limit (→ 0 with rate and constant, bounded away, → ∞,
        or inconclusive), the values it rests on, and the reason.

    Examples
    --------
    >>> found = classify(SEQUENCES["S6"])
    >>> str(found["tv"].limit), str(found["kl_reverse"].limit)
    ('→ 0 as 1/n', '∞')
    """
    f = functionals or Functionals.ours()
    cases = {n: sequence.instance(n) for n in sequence.ns}
    found = {}
    for name in TESTED:
        values = {n: f(name, case) for n, case in cases.items()}
        numbers = {n: v for n, v in values.items() if v is not None}
        if len(numbers) == len(values):
            found[name] = classify_values(numbers)
    return found


def truth_table(functionals: Functionals | None = None) -> Table:
    """`classify` over every sequence of `SEQUENCES`."""
    f = functionals or Functionals.ours()
    return {name: classify(sequence, f) for name, sequence in SEQUENCES.items()}


def verify(
    *,
    kl: Callable[..., Any] | None = None,
    js: Callable[..., Any] | None = None,
    tv: Callable[..., Any] | None = None,
    w: Callable[..., Any] | None = None,
    transport_cost: Callable[..., Any] | None = None,
    profile: Literal["quick", "deep"] = "quick",
    seed: int = 0,
    subject: str | None = None,
    callback: Callable[[str], Any] | None = None,
) -> Report:
    """Put the convergence hierarchy, and a set of distances, on trial.

    Without arguments the distances are this library's; each one given replaces ours.

    Parameters
    ----------
    kl, js, tv : callable, optional
        ``f(p, q) -> float`` on probability vectors. JS is KL(P‖M) + KL(Q‖M), without a half.
    w : callable, optional
        ``w(x, y, a, b) -> float``, W_1 of weighted atoms on the line, in SciPy's order of arguments.
    transport_cost : callable, optional
        ``f(cost, a, b) -> float``, the least cost of a coupling.
    profile : {"quick", "deep"}
        Seconds, or minutes.
    seed : int
        Of the random pairs and of the search.
    subject : str, optional
        Whose distances these are, for the report.
    callback : callable, optional
        Called with the name of each part as it starts.

    Returns
    -------
    Report
        ``.passed`` is the verdict, ``.summary()`` a few lines, `write_report` a page with pictures.

    Raises
    ------
    ValueError
        An unknown profile.

    Notes
    -----
    Arjovsky, Chintala, Bottou (2017), Theorem 2. A finite computation proves no limit; it can prove the
    inequalities that imply the limits, fit the rates, and show that wrong code fails.
    """
    if profile not in _PROFILES:
        raise ValueError(f"profile = {profile!r}; choose one of {', '.join(_PROFILES)}")
    start, size = time.perf_counter(), _PROFILES[profile]
    tell = callback or (lambda part: None)
    ours = Functionals.ours()
    given = (kl, js, tv, w, transport_cost)
    alien_w = w is not None
    tested = Functionals(
        kl or ours.kl,
        js or ours.js,
        tv or ours.tv,
        w or ours.w,
        transport_cost or (None if alien_w else ours.transport_cost),
    )
    tell("cases")
    battery = Battery.build(size=size["pairs"], seed=seed)
    tell("bounds on random pairs, in fractions")
    proved = _prove(battery)
    tell("worst cases")
    searched = tuple(
        worst_case(bound, starts=size["starts"], rounds=size["rounds"], rng=[seed, i])
        for i, bound in enumerate(BOUNDS.values())
    )
    tell("sequences")
    table = classify_all(battery, tested, frozenset(TESTED))
    weak = {name: _classify_weak(sequence) for name, sequence in SEQUENCES.items()}
    tell("distances")
    failures = run_stages(battery, tested)
    tell("mutants")
    return Report(
        subject=subject or ("this library" if not any(given) else "the given distances"),
        profile=profile,
        seed=seed,
        proved=proved,
        searched=searched,
        table=table,
        weak=weak,
        claims=_claims(table, weak),
        failures=failures,
        kills=_kill(battery, ours),
        row_swaps=_swap_rows(table),
        elapsed=time.perf_counter() - start,
    )


def _prove(battery: Battery) -> dict[str, Counter[Verdict]]:
    found: dict[str, Counter[Verdict]] = {}
    for bound in BOUNDS.values():
        if {"sigma", "density"} & set(bound.space):
            pairs: list[Any] = [bound.extremal(k) for k in range(1, 20)]
        elif "kolmogorov" in bound.functionals:
            pairs = [pair for pair in battery.pairs if pair.points is not None]
        else:
            pairs = list(battery.pairs)
        found[bound.name] = Counter(bound.check(pair).verdict for pair in pairs)
    return found


def _classify_weak(sequence: Sequence) -> dict[str, Classification]:
    """Both metrics of weak convergence, at five n with at most some hundreds of atoms each."""
    sizes = {n: sequence.instance(n).y.size for n in sequence.ns}
    ns = sequence.ns[-5:] if sizes[sequence.ns[-1]] <= 200 else (1, 2, 4, 8, 16)
    spaces = {n: _common_space(sequence.instance(n)) for n in ns}
    metrics = {"prokhorov": prokhorov, "bounded_lipschitz": bounded_lipschitz}
    return {
        name: classify_values({n: metric(*space) for n, space in spaces.items()})
        for name, metric in metrics.items()
    }


def _common_space(case: Instance) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both laws on the union of their atoms, and its distances."""
    if case.cost is not None:  # S2: x and y are heights on two segments, the cost joins them
        heights = [np.abs(z[:, None] - z[None]) for z in (case.x, case.y)]
        d = np.block([[heights[0], case.cost], [case.cost.T, heights[1]]])
        return np.append(case.a, 0 * case.b), np.append(0 * case.a, case.b), d
    z, place = np.unique(np.append(case.x, case.y), return_inverse=True)
    p = np.bincount(place[: case.x.size], weights=case.a, minlength=z.size)
    q = np.bincount(place[case.x.size :], weights=case.b, minlength=z.size)
    return p / p.sum(), q / q.sum(), np.abs(z[:, None] - z[None])


def _claims(table: Table, weak: Table) -> tuple[Claim, ...]:
    def kind(name: str, functional: str) -> Kind:
        row = {**table[name], **weak.get(name, {})}
        return row[functional].limit.kind if functional in row else Kind.INCONCLUSIVE

    def rows(test: Callable[[str], bool], among: Callable[[Sequence], bool]) -> list[str]:
        return [name for name, s in SEQUENCES.items() if among(s) and test(name)]

    def zero(name: str, functional: str) -> bool:
        return kind(name, functional) is Kind.ZERO

    def everywhere(part: str, text: str, breaks: Callable[[str], bool], among: Any) -> Claim:
        broken = rows(breaks, among)
        seen = len(rows(lambda name: True, among))
        evidence = f"broken by {', '.join(broken)}" if broken else f"no exception among {seen} sequences"
        return Claim(part, text, not broken, evidence)

    def somewhere(part: str, text: str, shows: Callable[[str], bool], among: Any) -> Claim:
        shown = rows(shows, among)
        return Claim(part, text, bool(shown), f"shown by {', '.join(shown)}" if shown else "shown by none")

    def compact(s: Sequence) -> bool:
        return s.compact

    def finite(s: Sequence) -> bool:
        return s.finite

    def noncompact(s: Sequence) -> bool:
        return not s.compact

    return (
        everywhere("1", "TV → 0 exactly when JS → 0", lambda n: zero(n, "tv") != zero(n, "js"), compact),
        everywhere("2", "W → 0 exactly when Prokhorov's distance → 0 (weak convergence)",
                   lambda n: zero(n, "w") != zero(n, "prokhorov"), compact),
        everywhere("2", "W → 0 exactly when the bounded-Lipschitz distance → 0 (weak convergence)",
                   lambda n: zero(n, "w") != zero(n, "bounded_lipschitz"), compact),
        everywhere("3", "KL → 0 or reverse KL → 0 implies TV → 0",
                   lambda n: (zero(n, "kl") or zero(n, "kl_reverse")) and not zero(n, "tv"), compact),
        everywhere("4", "TV → 0 implies W → 0", lambda n: zero(n, "tv") and not zero(n, "w"), compact),
        somewhere("strict", "(2) does not imply (1): W → 0 while TV stays away from 0",
                  lambda n: zero(n, "w") and kind(n, "tv") is Kind.AWAY, compact),
        somewhere("strict", "(1) does not imply (3): TV → 0 while both KL are infinite",
                  lambda n: zero(n, "tv") and kind(n, "kl") is kind(n, "kl_reverse") is Kind.INFINITE,
                  compact),
        somewhere("strict", "(1) does not imply (3) even with mutually absolutely continuous laws",
                  lambda n: n == "S9" and zero(n, "tv") and kind(n, "kl") is Kind.INFINITE, compact),
        somewhere("strict", "one KL → 0 while the other is infinite",
                  lambda n: {kind(n, "kl"), kind(n, "kl_reverse")} == {Kind.ZERO, Kind.INFINITE}, compact),
        everywhere("control", "C1: without compactness TV → 0 and W does not, yet laws converge weakly",
                   lambda n: not (zero(n, "tv") and not zero(n, "w") and zero(n, "prokhorov")), noncompact),
        everywhere("control", "C2: on a finite space W → 0 exactly when TV → 0 and when KL → 0",
                   lambda n: not zero(n, "w") == zero(n, "tv") == zero(n, "kl"), finite),
    )  # fmt: skip


def _kill(battery: Battery, right: Functionals) -> tuple[Kill, ...]:
    kills = []
    for mutant in all_mutants():
        only = frozenset({"kl", "kl_reverse"} if mutant.functional == "kl" else {mutant.functional})
        kills.append(_try(battery, mutant.name, mutant.functional, mutant.infect(right), only))
    for label, wrong in shuffles(right).items():
        kills.append(_try(battery, label, "labels", wrong, frozenset(TESTED)))
    return tuple(kills)


def _try(battery: Battery, name: str, functional: str, wrong: Functionals, only: frozenset[str]) -> Kill:
    failures = run_stages(battery, wrong, only)
    stages = "".join(stage for stage, found in failures.items() if found)
    first = next((str(found[0]) for found in failures.values() if found), "")
    core = any(True for _ in inequalities(battery, wrong, only, core=True))
    return Kill(name, functional, stages, core, first)


def _swap_rows(table: Table) -> tuple[int, int]:
    """Expected rows of two sequences exchanged: noticed, and pairs whose expectations differ at all."""
    names, noticed, different = list(table), 0, 0
    for i, first in enumerate(names):
        for second in names[:i]:
            expected = SEQUENCES[first].expected, SEQUENCES[second].expected
            shared = set(expected[0]) & set(expected[1]) & set(table[first]) & set(table[second])
            if all(expected[0][k] == expected[1][k] for k in shared):
                continue
            different += 1
            right = all(
                table[first][k].limit.agrees(expected[1][k]) and table[second][k].limit.agrees(expected[0][k])
                for k in shared
            )
            noticed += not right
    return noticed, different
