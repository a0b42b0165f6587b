"""pytest plugin: ``pytest --ot-solver=module:function`` puts a transport solver through its cases.

Registered under the entry point ``pytest11``. Without the option or the fixture `warm_kernels` it does
nothing and imports nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options."""
    group = parser.getgroup("kantorovich", "conformance of optimal-transport solvers")
    group.addoption(
        "--ot-solver",
        action="append",
        default=[],
        metavar="MODULE:FUNCTION",
        help="put solve(cost, a, b) through known optima, scales, degeneracies, shapes and bad inputs, "
        "in a process of its own; may be repeated",
    )
    group.addoption(
        "--ot-time-limit", type=float, default=10.0, metavar="SECONDS", help="for one call of the solver"
    )


@pytest.fixture(scope="session")
def warm_kernels() -> None:
    """Kernels loaded before the test, so that Hypothesis' deadline measures the test alone.

    The strategies of `divergences.testing` do this themselves; it is for tests that draw their own arrays.
    """
    from divergences.testing._strategies import warm_up

    warm_up()


def pytest_collection(session: pytest.Session) -> None:
    """Refuse a target that names nothing before any test runs."""
    targets = session.config.getoption("--ot-solver")
    if targets:
        from divergences.testing._worker import resolve

        for target in targets:
            try:
                resolve(target)
            except ValueError as error:
                raise pytest.UsageError(str(error)) from error


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """One item for each case of each solver, behind the user's own tests."""
    for target in config.getoption("--ot-solver"):
        collector = SolverCases.from_parent(session, name=target, nodeid=target)
        items.extend(collector.collect())


class SolverCases(pytest.Collector):
    """The cases of one solver; they share a process, which is renewed after a crash."""

    def collect(self) -> Iterator[pytest.Item]:
        """One item a case."""
        from divergences.testing._conformance_cases import solver_cases
        from divergences.testing._worker import Worker

        self.worker = Worker(self.name, time_limit=self.config.getoption("--ot-time-limit"))
        self.config.add_cleanup(self.worker.close)
        for case in solver_cases():
            name = f"{case.family}: {case.name}"
            yield SolverItem.from_parent(self, name=name, case=case)


class SolverItem(pytest.Item):
    """One case."""

    def __init__(self, *, case: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.case = case

    def runtest(self) -> None:
        """Fail with the verdict unless it is "right"."""
        from divergences.testing._conformance import judged

        assert isinstance(self.parent, SolverCases)
        outcome = self.parent.worker.call(self.case.cost, self.case.a, self.case.b)
        found = judged(self.case, outcome)
        if found.verdict != "right":
            pytest.fail(f"{found.verdict}: {found.detail}", pytrace=False)

    def reportinfo(self) -> tuple[str, int | None, str]:
        """Where the case comes from, for the report's heading."""
        return self.parent.name if self.parent else "", None, self.name
