"""Benchmarks: problems and solvers are data, measurement is one function. Run ``python -m bench``.

`problems` names seeded instances (the only place a cost is defined), `measure` times rivals interleaved in
one process, `report` prints and stores tables with machine, versions and date.
"""
