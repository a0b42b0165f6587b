"""Exchange formats: what foreign readers make of our files, and ours of theirs; answers of other codes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import transport as tp
from bench import answers, problems
from bench.formats import dimacs, matrix_market, mps
from bench.problems import Problem, masses

SETTINGS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False).map(lambda v: v + 0.0)


@st.composite
def transport_problems(draw, costs=FLOATS, most=5):
    """Few atoms, any costs, some arcs forbidden (never all of a row), one atom perhaps without mass."""
    n, m = draw(st.integers(1, most)), draw(st.integers(1, most))
    values = draw(st.lists(costs, min_size=n * m, max_size=n * m))
    given = np.array(values).reshape(n, m)
    sides = []
    for k in (n, m):
        weights = np.array(draw(st.lists(st.integers(0, 1000), min_size=k, max_size=k)), dtype=float)
        sides.append(masses(weights if weights.sum() else np.ones(k)))
    forbidden = np.array(draw(st.lists(st.booleans(), min_size=n * m, max_size=n * m))).reshape(n, m)
    forbidden[np.arange(n), np.arange(n) % m] = False
    if draw(st.booleans()):
        given = np.where(forbidden, np.inf, given)
    return Problem(*sides, given=given, name="drawn problem")


def _bits(*arrays):
    return [np.asarray(array, dtype=float).tobytes() for array in arrays]


# --- MPS, against HiGHS ---------------------------------------------------------------------------


@SETTINGS
@given(made=transport_problems(st.floats(-1e15, 1e15, allow_subnormal=False)))
def test_highs_reads_the_floats_of_our_mps_and_we_read_its(made, tmp_path):
    highspy = pytest.importorskip("highspy")
    path, back = tmp_path / "p.mps", tmp_path / "q.mps"
    mps.write(path, made)
    highs = highspy.Highs()
    highs.silent()
    # HiGHS warns of an input whose values it takes for zero; it keeps what it read
    assert highs.readModel(str(path)) in (highspy.HighsStatus.kOk, highspy.HighsStatus.kWarning)
    program = highs.getLp()
    _, _, costs = dimacs.arcs_of(made)
    assert _bits(program.col_cost_) == _bits(costs + 0.0)
    assert _bits(program.row_lower_, program.row_upper_) == _bits(*[np.concatenate([made.a, made.b])] * 2)
    assert set(program.col_lower_) == {0.0}
    assert set(program.col_upper_) == {np.inf}
    index = np.array(program.a_matrix_.index_).reshape(-1, 2)
    rows, cols, _ = dimacs.arcs_of(made)
    assert np.array_equal(np.sort(index, axis=1), np.column_stack([rows, cols + len(made.a)]))
    highs.writeModel(str(back))
    theirs = mps.read(back)
    # HiGHS writes 17 digits; a cost of 0 and a mass of 0 are left out of its files
    assert np.array_equal(np.isfinite(theirs.matrix), np.isfinite(made.matrix))
    assert np.array_equal(theirs.matrix, made.matrix)
    assert _bits(theirs.a, theirs.b) == _bits(made.a, made.b)


@SETTINGS
@given(made=transport_problems())
def test_mps_comes_back_to_the_bit(made, tmp_path):
    mps.write(tmp_path / "p.mps", made)
    back = mps.read(tmp_path / "p.mps")
    assert _bits(back.a, back.b, back.matrix) == _bits(made.a, made.b, made.matrix)


# --- Matrix Market, against SciPy -----------------------------------------------------------------


@SETTINGS
@given(made=transport_problems())
def test_scipy_reads_the_floats_of_our_matrix_market(made, tmp_path):
    from scipy.io import mmread

    matrix_market.write(tmp_path / "p.mtx", made)
    found = mmread(tmp_path / "p.mtx")
    if made.allows_all:
        assert _bits(found) == _bits(made.matrix)
    else:
        rows, cols, costs = dimacs.arcs_of(made)
        assert sorted(zip(found.row, found.col, found.data)) == sorted(zip(rows, cols, costs))
    assert _bits(mmread(tmp_path / "p.a.mtx").ravel()) == _bits(made.a)
    back = matrix_market.read(tmp_path / "p.mtx")
    assert _bits(back.a, back.b, back.matrix) == _bits(made.a, made.b, made.matrix)


@pytest.mark.parametrize("field", ["integer", "real", "pattern"])
def test_matrix_market_of_other_writers(field, tmp_path):
    from scipy.io import mmwrite
    from scipy.sparse import coo_array

    entries = np.array([3.0, 1.0, 2.0])
    given = coo_array((entries, ([0, 1, 1], [0, 0, 1])), shape=(2, 2))
    if field == "integer":
        given = given.astype(np.int64)
    mmwrite(tmp_path / "p.mtx", given, field=field, symmetry="general")
    for side in "ab":
        mmwrite(tmp_path / f"p.{side}.mtx", np.array([[0.25], [0.75]]))
    wanted = [[3, np.inf], [1, 2]] if field != "pattern" else [[1, np.inf], [1, 1]]
    assert np.array_equal(matrix_market.read(tmp_path / "p.mtx").matrix, wanted)


# --- DIMACS, against GLPK and OR-Tools ------------------------------------------------------------


def _lines(path):
    return [line.split() for line in path.read_text().splitlines()]


@SETTINGS
@given(made=transport_problems())
def test_dimacs_keeps_masses_and_rounds_costs_by_half_a_unit(made, tmp_path):
    dimacs.write(tmp_path / "p.min", made)
    words = _lines(tmp_path / "p.min")
    units = {w[1]: Fraction(float.fromhex(w[3])) for w in words if w[0] == "c" and w[2:3] == ["unit"]}
    back = dimacs.read(tmp_path / "p.min")
    assert _bits(back.a, back.b) == _bits(made.a, made.b)
    finite = np.isfinite(made.matrix)
    assert np.array_equal(finite, np.isfinite(back.matrix))
    top = float(max(map(abs, made.matrix[finite]), default=0.0))
    for mine, theirs in zip(made.matrix[finite], back.matrix[finite]):
        off = abs(Fraction(float(mine)) - Fraction(float(theirs)))
        assert off <= min(units["cost"] / 2, Fraction(top) / 2**52) or top > 1.7e308
    ours = sum(int(w[2]) for w in words if w[0] == "n" and int(w[2]) > 0)
    assert ours * units["mass"] == 1


@settings(SETTINGS, max_examples=25)
@given(made=transport_problems(st.integers(-1000, 1000).map(float)))
def test_glpk_reads_our_dimacs(made, tmp_path):
    glpk = pytest.importorskip("swiglpk")
    path = tmp_path / "p.min"
    dimacs.write(path, made, bits=20)
    graph = glpk.glp_create_graph(8, 40)
    glpk.glp_term_out(glpk.GLP_OFF)
    try:
        assert glpk.glp_read_mincost(graph, 0, 8, 16, 24, str(path)) == 0
        assert graph.nv == sum(made.shape)
        assert graph.na == int(np.isfinite(made.matrix).sum())
    finally:
        glpk.glp_delete_graph(graph)


@settings(SETTINGS, max_examples=25)
@given(made=transport_problems(st.integers(-1000, 1000).map(float)))
def test_or_tools_answers_our_dimacs_and_we_score_it(made, tmp_path):
    flow = pytest.importorskip("ortools.graph.python.min_cost_flow")
    dimacs.write(tmp_path / "p.min", made, bits=20)
    network = flow.SimpleMinCostFlow()
    for word in _lines(tmp_path / "p.min"):
        if word[0] == "a":
            tail, head, _, capacity, cost = map(int, word[1:])
            network.add_arc_with_capacity_and_unit_cost(tail, head, capacity, cost)
        elif word[0] == "n":
            network.set_node_supply(int(word[1]), int(word[2]))
    if network.solve() != network.OPTIMAL:  # forbidden arcs may leave no plan
        with pytest.raises(tp.InfeasibleError):
            tp.solve(made.cost, made.a, made.b)
        return
    written = [f"f {network.tail(k)} {network.head(k)} {network.flow(k)}" for k in range(network.num_arcs())]
    (tmp_path / "p.flow").write_text("\n".join(["c an answer", "s 0", *written]))
    rows, cols, mass = dimacs.read_flow(tmp_path / "p.flow", made)
    sol = tp.solve(made.cost, made.a, made.b)
    value = float((made.matrix[rows, cols] * mass).sum())
    assert abs(value - sol.value) <= 1e-12 * max(1.0, float((abs(made.matrix[rows, cols]) * mass).sum()))


# --- malformed files ------------------------------------------------------------------------------


def _example(form, path):
    form.write(path, problems.build("forbidden:3"))
    return path.read_text()


@settings(SETTINGS, max_examples=150)
@given(data=st.data(), form=st.sampled_from([dimacs, mps, matrix_market]))
def test_a_spoiled_file_is_refused_or_read_whole(data, form, tmp_path):
    """One word of a good file replaced, a line lost or doubled: ValueError, or a problem with all parts."""
    path = tmp_path / "p.mtx"
    lines = _example(form, path).splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    how = data.draw(st.sampled_from(["lose", "double", "word"]))
    if how == "word":
        words = lines[at].split(" ")
        k = data.draw(st.integers(0, len(words) - 1))
        words[k] = data.draw(
            st.sampled_from(["", "x", "-1", "0", "1e400", "nan", "99999999999999999999", "é"])
        )
        lines[at] = " ".join(words)
    else:
        lines[at : at + 1] = [] if how == "lose" else [lines[at]] * 2
    path.write_text("\n".join(lines))
    try:
        found = form.read(path)
    except ValueError as refusal:
        found, said = None, str(refusal)
    if found is None:
        assert str(path.parent) in said  # it names the file
        return
    assert found.matrix.shape == found.shape
    assert not np.isnan(found.matrix).any() or form is matrix_market
    assert min(found.shape) > 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("p min 2 1\nn 1 5\nn 2 -5\na 1 2 0 3 5\n", "capacity"),
        ("p min 2 2\nn 1 5\nn 2 -5\na 1 2 0 9 5\na 1 2 0 9 4\n", "second arc"),
        ("p min 2 1\nn 1 5\nn 2 -4\na 1 2 0 9 5\n", "equal in total"),
        ("p min 2 0\nn 1 5\nn 2 -5\n", "no arc"),
        ("p min 2 1\nn 3 5\nn 2 -5\na 1 2 0 9 5\n", "node 3 of 2"),
    ],
)
def test_a_flow_that_is_no_transport_is_refused(text, says, tmp_path):
    (tmp_path / "p.min").write_text(text)
    with pytest.raises(ValueError, match=says):
        dimacs.read(tmp_path / "p.min")


GOOD = "NAME p\nROWS\n N COST\n E s1\n E t1\nCOLUMNS\n x1_1 COST 2 s1 1\n x1_1 t1 1\nRHS\n R s1 1 t1 1\n"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("t1 1\nRHS", "t1 2\nRHS", "has 2 in row t1"),
        (" E t1\n", " L t1\n", "E rows"),
        (" x1_1 t1 1\n", "", "not in its two rows"),
        ("COST 2", "COST nan", "no number"),
        ("RHS\n", "RANGES\n R s1 2\nRHS\n", "RANGES"),
        ("RHS\n", "BOUNDS\n UP B x1_1 0.5\nRHS\n", "bounds"),
        ("x1_1 t1", "y t1", "column y"),
        ("R s1 1 t1 1", "R s2 1", "no row s2"),
        ("NAME p\n", "NAME p\nOBJSENSE\n MAX\n", "maximum"),
    ],
)
def test_a_program_that_is_no_transport_is_refused(old, new, says, tmp_path):
    (tmp_path / "p.mps").write_text(GOOD + "ENDATA\n")
    assert mps.read(tmp_path / "p.mps").matrix.tolist() == [[2.0]]
    (tmp_path / "p.mps").write_text(GOOD.replace(old, new) + "ENDATA\n")
    with pytest.raises(ValueError, match=says):
        mps.read(tmp_path / "p.mps")


# --- answers of other codes -----------------------------------------------------------------------


def _right(problem):
    sol = tp.solve(problem.cost, problem.a, problem.b)
    return sol, sol.plan


def test_answers_of_every_form_are_scored(tmp_path, capsys):
    from scipy.io import mmwrite

    name = "iid:6"
    problem = problems.build(name)
    sol, plan = _right(problem)
    dense = plan.toarray()
    unit = dimacs.masses_in_units(problem)[2]
    np.save(tmp_path / "a.npy", dense)
    np.save(tmp_path / "v.npy", sol.value)
    mmwrite(tmp_path / "a.mtx", plan, precision=17)
    rows, cols = plan.row, plan.col
    (tmp_path / "a.sol").write_text(
        "# Primal\n" + "".join(f"x{i + 1}_{j + 1} {v!r}\n" for i, j, v in zip(rows, cols, plan.data.tolist()))
        + "# Dual\n" + "".join(f"x{i + 1}_{j + 1} 7\n" for i, j in zip(rows, cols))
    )  # fmt: skip
    (tmp_path / "a.flow").write_text(
        "".join(f"f {i + 1} {j + 7} {round(v / unit)}\n" for i, j, v in zip(rows, cols, plan.data))
    )
    for answer in ("a.npy", "v.npy", "a.mtx", "a.sol", "a.flow"):
        assert answers.main([name, str(tmp_path / answer)]) == 0, answer
    assert answers.main([name, repr(sol.value)]) == 0
    assert answers.main([name, repr(sol.value * 1.001)]) == 1
    np.save(tmp_path / "a.npy", np.outer(problem.a, problem.b))
    capsys.readouterr()
    assert answers.main([name, str(tmp_path / "a.npy")]) == 1
    assert "wrong" in capsys.readouterr().out
    np.save(tmp_path / "a.npy", dense[:3])
    assert answers.main([name, str(tmp_path / "a.npy")]) == 1
    assert "cannot be scored" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("a.sol", "nothing\n"),
        ("a.flow", "f 1 x 2\n"),
        ("a.flow", "f 1 1 2\n"),
        ("a.mtx", "no\n"),
        ("a.txt", ""),
    ],
)
def test_an_answer_that_cannot_be_read_ends_with_two(file, text, tmp_path, capsys):
    (tmp_path / file).write_text(text)
    with pytest.raises(SystemExit) as ended:
        answers.main(["iid:6", str(tmp_path / file)])
    assert ended.value.code == 2
    assert file in capsys.readouterr().err.splitlines()[-1]


def test_highs_solves_what_we_wrote_and_its_file_is_right(tmp_path):
    highspy = pytest.importorskip("highspy")
    mps.write(tmp_path / "p.mps", problems.build("sparse:20"))
    highs = highspy.Highs()
    highs.silent()
    highs.readModel(str(tmp_path / "p.mps"))
    highs.run()
    highs.writeSolution(str(tmp_path / "p.sol"), 0)
    assert answers.main(["sparse:20", str(tmp_path / "p.sol")]) == 0
