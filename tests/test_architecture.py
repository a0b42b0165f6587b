"""The house rules a machine can check: arrows, public names, lazy imports, sizes, silence."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("transport", "divergences", "generative")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
ALLOWED = {
    "transport": {"transport"},
    "divergences": {"transport", "divergences"},
    "generative": {"transport", "divergences", "generative"},
}
LAZY = ("numba", "cupy", "cupyx", "matplotlib", "rich", "PIL", "scipy.stats", "hypothesis")


def _imports(path: Path, *, top_level_only: bool = False) -> list[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    found = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.append(node.module or "")
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_arrows_point_one_way(path):
    package = path.relative_to(ROOT).parts[0]
    reached = {name.split(".")[0] for name in _imports(path)} & set(PACKAGES)
    assert reached <= ALLOWED[package]
    if package != "transport":
        private = [n for n in _imports(path) if n.startswith("transport._")]
        assert not private, "use transport or transport.internal"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_are_short_or_say_why(path):
    source = path.read_text()
    docstring = ast.get_docstring(ast.parse(source))
    assert docstring, "a module docstring says what the file is for"
    if source.count("\n") > 400:
        assert "Length:" in docstring, "over 400 lines: give the reason in the docstring ('Length: ...')"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_imports_are_lazy_and_nothing_prints(path):
    kernels = "_kernels" in path.parts or path.name in (
        "_dispatcher.py",
        "_overloads.py",
    )  # imported by kernels alone
    testing = "testing" in path.parts
    for name in _imports(path, top_level_only=True):
        heavy = next((lazy for lazy in LAZY if name == lazy or name.startswith(lazy + ".")), None)
        if heavy is None or (kernels and heavy in ("numba", "cupy", "cupyx")):
            continue
        allowed = testing and heavy == "hypothesis"
        assert allowed, f"import {heavy} inside the function that needs it"
    if path.name != "__main__.py":
        calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        assert not any(isinstance(c.func, ast.Name) and c.func.id == "print" for c in calls)


def _modules() -> dict[str, Path]:
    """Every module of the packages and of bench, by its dotted name."""
    found = {}
    for path in sorted(p for package in (*PACKAGES, "bench") for p in (ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = _modules()


def _targets(node: ast.AST) -> list[str]:
    """What an import statement loads: ours by module, others by their dotted name."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        names = [f"{node.module}.{alias.name}" for alias in node.names]
        return [name if name in MODULES else str(node.module) for name in names]
    return []


def _inner(tree: ast.AST) -> list[ast.AST]:
    """Import statements inside functions."""
    functions = [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    found = {id(n): n for f in functions for n in ast.walk(f) if isinstance(n, (ast.Import, ast.ImportFrom))}
    return list(found.values())


def test_no_module_imports_itself_by_way_of_others():
    """Imports inside functions and under TYPE_CHECKING count: a circle that they hide is still one."""
    arrows = {
        name: {t for n in ast.walk(ast.parse(path.read_text())) for t in _targets(n)}
        & (set(MODULES) - {name})
        for name, path in MODULES.items()
    }
    left = dict(arrows)
    while True:  # peel off what imports nothing that is left, until only circles and what leads to them are
        free = [name for name, reached in left.items() if not reached & set(left)]
        if not free:
            break
        for name in free:
            del left[name]
    while True:  # and what nothing left imports: it only leads to a circle
        wanted = {t for reached in left.values() for t in reached}
        free = [name for name in left if name not in wanted]
        if not free:
            break
        for name in free:
            del left[name]
    assert not left, f"in circles: {sorted(left)}"


# Heavy to load and not needed by most calls, or not there on every system.
LAZY_STANDARD = {
    "concurrent.futures",
    "fcntl",
    "hashlib",
    "importlib.metadata",
    "multiprocessing",
    "resource",
}
LAZY_OTHERS = {"cupy", "cupyx", "llvmlite", "loky", "matplotlib", "numba", "PIL", "rich", "scipy", "sklearn"}


@pytest.mark.parametrize("name", [name for name in MODULES if name.split(".")[0] == "transport"])
def test_imports_inside_functions_load_what_is_heavy(name):
    """numba, by way of a kernel, or another library that most calls do without; never to hide a circle."""
    tree = ast.parse(MODULES[name].read_text())
    for node in _inner(tree):
        for target in _targets(node):
            kernel = "._kernels" in target or target == "transport.internal._dispatcher"
            heavy = target.split(".")[0] in LAZY_OTHERS or target in LAZY_STANDARD
            assert kernel or heavy, f"line {node.lineno}: import {target} at the top"


COSTS = {
    "Matrix",
    "SparseMatrix",
    "PointCloud",
    "Grid",
    "Circle",
    "TreeMetric",
    "FunctionCost",
    "KdTree",
    "Tiles",
}


@pytest.mark.parametrize("path", sorted((ROOT / "transport" / "_solver").rglob("*.py")), ids=lambda p: p.name)
def test_the_solver_does_not_ask_what_kind_a_cost_is(path):
    """It asks the `Cost` protocol: no isinstance, type, getattr or hasattr on costs and their searches."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            asked = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
            about = node.func.id in ("isinstance", "issubclass", "type") and asked & COSTS
            assert not about, f"line {node.lineno}"
            if node.func.id in ("getattr", "hasattr"):
                assert not {"cost", "cloud"} & set(ast.unparse(node.args[0]).split(".")), (
                    f"line {node.lineno}"
                )


# The floors of the exact solver, the lowest first: a module imports from its own floor and from those below.
FLOORS = (
    "tuning memory",
    "base reductions forest",
    "plan",
    "pricing.oracle pricing.scan pricing.matrix pricing.points pricing.sparse pricing.strips start",
    "trees linked_tree column_generation assignment closed_forms grid_flow progress",
    "starts.shortlist starts.rounded_masses starts.affine starts.line_costs starts.cost_clusters "
    "starts.stored_costs starts.coarse_to_fine at_once hubs",
    "state laid_out stored",
    "exact",
    "left_over",
)


def test_arrows_of_the_exact_solver_point_down():
    """Oracles price, cores pivot, starts solve coarser problems: nothing below knows what is above."""
    floor = {f"transport._solver.{name}": k for k, names in enumerate(FLOORS) for name in names.split()}
    found = {name for name in MODULES if name.startswith("transport._solver.")}
    packages = {"transport._solver.pricing", "transport._solver.starts"}
    assert {name for name in found if not name.endswith("__init__")} - packages == set(floor)
    for name in floor:
        tree = ast.parse(MODULES[name].read_text())
        for target in {t for node in ast.walk(tree) for t in _targets(node)} & set(floor):
            assert floor[target] <= floor[name], f"{name} imports {target}"


@pytest.mark.parametrize("path", sorted((ROOT / "transport" / "_solver").rglob("*.py")), ids=lambda p: p.name)
def test_the_solver_asks_no_class(path):
    """No isinstance, getattr or hasattr at all: protocols, abstract classes and tables say what there is."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("isinstance", "issubclass", "getattr", "hasattr"), (
                f"line {node.lineno}"
            )


# Own modules that are heavy and that most calls do without: laws, command lines, training, figures, plugin.
LAZY_OWN = {
    "divergences._dispatch": {"divergences._pipe"},
    "divergences._pytest_plugin": {
        "divergences.testing._conformance",
        "divergences.testing._conformance_cases",
        "divergences.testing._strategies",
        "divergences.testing._worker",
    },
}
COMMAND_LINES = ("__main__", "_cli", "_explain", "_run_folder")  # each command loads what it alone needs


@pytest.mark.parametrize("name", [n for n in MODULES if n.split(".")[0] in ("divergences", "generative")])
def test_imports_inside_functions_of_other_packages_are_lazy_by_statement(name):
    tree = ast.parse(MODULES[name].read_text())
    for node in [] if name.rpartition(".")[2] in COMMAND_LINES else _inner(tree):
        for target in _targets(node):
            own = target.split(".")[0] in PACKAGES
            allowed = "._kernels" in target or target in LAZY_OWN.get(name, ())
            assert not own or allowed, f"line {node.lineno}: import {target} at the top"


ENGINE = [
    *(ROOT / "transport" / "_solver").rglob("*.py"),
    *(ROOT / "transport" / "_kernels").glob("*.py"),
    *(
        ROOT / "transport" / f"_{name}.py"
        for name in ("callable", "certificate", "completion", "cost", "ending", "fitting", "grid", "kdtree",
                     "nearest", "packed", "points", "problem", "small", "sparse", "tiles")
    ),
]  # fmt: skip
# Numbers of the engine outside `Tuning`. None decides which way a problem goes.
ROUNDING, RANGE, CACHE, LAYOUT, MEMORY, METHOD, TIME = (
    "what float64 cannot tell apart",
    "where float64 would over- or underflow",
    "how much at a time: cache, vector registers, threads, length of a slice; the same pivots and answer",
    "codes and places in arrays",
    "bytes a node takes, for a prediction that refuses",
    "part of a method other than the exact solver's",
    "seconds, where a limit is set: what the certificate will take, and work that nothing interrupts",
)
NUMBERS = {
    ROUNDING: "ALIKE COLLINEAR DIGITS EPS EPS4 EPS8 FLAT LITTLE MASS_ROUNDING MUCH RIDGE ROUNDED SHIFT TIE "
    "_EPS _MINUTE _SAME _TIE _U",
    RANGE: "BIG EXTREME FAINT FAINT_STEP FAR LARGEST NONE ROOM SMALLEST UNLIMITED _LN2_HIGH _LN2_LOW _LOG2E "
    "_ROUND _UNITS",
    CACHE: "BLOCK BLOCK_ENTRIES CHUNK CHUNK_ENTRIES FEW LEAF PANEL PART ROWS RUNS SLICE_CHUNKS SLICE_ROWS "
    "SMALL SMALL_SEARCH STRIP_ENTRIES SUBTREE TOP _BATCH _CHUNK _DEPTH _LANES _MAX _SLICE_SECONDS _THREADS "
    "_TILE _UNROLLED",
    LAYOUT: "BITS BEFORE CHEBYSHEV CITYBLOCK CLEAN COARSE COUNT DEGENERATE DEGENERATE_RUN DONE ENTER EPOCH "
    "EUCLIDEAN HOME LATER LEAVE LIMIT MOVED NEXT NODES OFFSET OPENED OPTIMAL OTHER PIVOTS PLACE_BITS ROW "
    "RUN_START RUN_STOP SINCE SLICE SPLITS SQUARED STALLED THIN UNFIT _ONE",
    MEMORY: "BLOCK_NODE_BYTES NODE_BYTES",
    TIME: "ARC CLOSING_NODE SEARCHES SHORTEST SURVEYS TRIAL",
    METHOD: "TINY _LOST _SAMPLE _SEED",
}


def test_numbers_that_choose_a_way_are_in_tuning():
    """Module-level numbers of the engine: each has a reason above, or belongs in `Tuning`."""
    known = {name for names in NUMBERS.values() for name in names.split()}
    found = {}
    for path in ENGINE:
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
                continue
            kinds = {type(n) for n in ast.walk(node.value)}
            number = any(
                isinstance(n, ast.Constant) and type(n.value) in (int, float) for n in ast.walk(node.value)
            )
            if not number or ast.List in kinds or ast.Dict in kinds or ast.Subscript in kinds:
                continue
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            for name in ast.walk(target):
                if isinstance(name, ast.Name):
                    found[name.id] = path.name
    assert set(found) <= known, {name: found[name] for name in set(found) - known}
    assert known <= set(found), known - set(found)


@pytest.mark.parametrize("package", PACKAGES)
def test_all_is_what_is_public(package):
    module = importlib.import_module(package)
    assert len(module.__all__) == len(set(module.__all__))
    for name in module.__all__:
        value = getattr(module, name)
        assert (getattr(value, "__doc__", None) or "").strip(), f"{package}.{name} has no docstring"
    public = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not isinstance(value, type(sys)) and name != "annotations"
    }
    assert public <= set(module.__all__)


HEAVY = {
    *("numba", "llvmlite", "cupy", "torch", "jax", "ot", "pandas", "sklearn", "matplotlib", "PIL", "rich"),
    *("hypothesis", "scipy.stats", "scipy.optimize", "scipy.spatial", "scipy.sparse", "scipy.linalg"),
    *("scipy.special", "multiprocessing.pool", "concurrent.futures.process"),
}


def _loaded(code):
    code = f"import sys, json; {code}; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(json.loads(run.stdout.splitlines()[-1]))


def test_import_loads_numpy_and_the_doors_alone():
    loaded = _loaded("import transport, divergences")
    assert not loaded & HEAVY
    own = {name for name in loaded if name.split(".")[0] in ("transport", "divergences")}
    assert own <= {"transport", "divergences"} | {n for n in own if n.startswith("transport.internal")}


def test_the_first_divergence_of_arrays_loads_no_laws():
    loaded = _loaded("import divergences as dv; dv.kl([0.5, 0.5], [0.25, 0.75])")
    assert not loaded & (HEAVY - {"numba", "llvmlite"})
    assert not loaded & {"divergences._pipe", "divergences._line", "transport._solve"}


@pytest.mark.parametrize("package", ["transport", "divergences"])
def test_a_door_opens_on_what_its_types_say(package):
    """The imports for type checkers and the homes for the interpreter are one list."""
    tree = ast.parse((ROOT / package / "__init__.py").read_text())
    block = next(n for n in tree.body if isinstance(n, ast.If))
    typed = {alias.name: node.module for node in block.body for alias in node.names}
    homes = importlib.import_module(package)._HOMES
    opened = {name: module for module, names in homes.items() for name in names.split()}
    assert opened == typed
    eager = {"ConvergenceError", "DuplicateEntriesWarning", "InfeasibleError", "InterruptedSolve"}
    eager |= {"MagnitudeError"}
    module = importlib.import_module(package)
    assert set(module.__all__) == set(opened) | (eager if package == "transport" else set())
    assert set(module.__all__) <= set(dir(module))
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        module.nothing


def test_the_project_stands_alone():
    needle = "/".join(["..", "shared"])
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT).stdout.split()
    for name in tracked:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".json", ""} and path.is_file():
            assert needle not in path.read_text(errors="ignore"), name


def test_one_version_everywhere():
    import tomllib

    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {importlib.import_module(package).__version__ for package in PACKAGES} == {version}
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text()
    for package in PACKAGES:
        said = subprocess.run(
            [sys.executable, "-m", package, "--version"], capture_output=True, text=True, cwd=ROOT
        )
        assert said.stdout == f"kantorovich {version}\n", said.stderr
