"""The benchmark: problems and solvers are data, the measurement and the judge are one: ``python -m bench``.

`problems` names seeded instances (the only place a cost is defined), `solvers` holds one small adapter a
library, `run` measures each in a process of its own with limits, `score` judges answers by our certificate,
`reporting` writes the pages. Older tables, ours against one rival in one process, are modules of their own.
"""
