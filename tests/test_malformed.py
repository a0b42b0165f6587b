"""Malformed files into every command: an answer, or one line on stderr and exit code 2. Never a traceback."""

from __future__ import annotations

import warnings

import malformed
import numpy as np
import pytest

from divergences.__main__ import main as divergences_main
from generative.__main__ import main as generative_main
from transport.__main__ import main as transport_main
from transport.internal._cli import guard

COMMANDS = {
    "transport": (transport_main, lambda bad, good, out: [bad, good, "--kind", "points"]),
    "transport auto": (transport_main, lambda bad, good, out: [good, bad]),
    "critic": (transport_main, lambda bad, good, out: ["critic", bad, good, "--seconds", "0.01"]),
    "colours": (transport_main, lambda bad, good, out: ["colours", bad, bad, "--out", f"{out}/c.png"]),
    "divergences": (divergences_main, lambda bad, good, out: [bad, good, "--kind", "grid"]),
    "divergences auto": (divergences_main, lambda bad, good, out: [bad, bad, "--no-wasserstein"]),
    "generative": (
        generative_main,
        lambda bad, good, out: ["train", "vae", "--data", bad, "--out", f"{out}/run", "--steps", "0"],
    ),
}


def outcome(command, arguments, capsys):
    """(exit code, stderr) of a command run in this process; warnings count as output."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            code = guard(COMMANDS[command][0], [str(a) for a in arguments])
        except SystemExit as stop:
            code = stop.code
    out = capsys.readouterr()
    return code, out.err + "".join(str(w.message) for w in seen)


def check(folder, seed, count, capsys):
    """Failures among ``count`` runs: each file goes to one command in turn."""
    rng = np.random.default_rng(seed)
    good = folder / "good.npy"
    np.save(good, rng.random((6, 6)))
    names, failures = list(COMMANDS), []
    for k, (suffix, data) in enumerate(malformed.damaged(rng, count)):
        bad = folder / f"bad{k}.{suffix}"
        bad.write_bytes(data)
        command = names[(k + seed) % len(names)]
        arguments = COMMANDS[command][1](bad, good, folder)
        try:
            code, err = outcome(command, arguments, capsys)
        except BaseException as error:
            failures.append((command, bad.name, repr(error)))
            continue
        fine = code == 0 and not err
        refused = code == 2 and err.startswith("error: ") and err.count("\n") == 1
        if not (fine or refused):
            failures.append((command, bad.name, code, err[:300]))
    return failures


@pytest.mark.parametrize("seed", range(3))
def test_malformed_files_end_in_one_line(tmp_path, capsys, seed):
    assert check(tmp_path, seed, 80, capsys) == []


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(3, 23))
def test_malformed_files_at_length(tmp_path, capsys, seed):
    assert check(tmp_path, seed, 400, capsys) == []


@pytest.mark.parametrize("index", range(len(malformed.special())))
@pytest.mark.parametrize("command", ["transport", "divergences", "critic"])
def test_files_wrong_by_construction_are_refused(tmp_path, capsys, command, index):
    suffix, data = malformed.special()[index]
    bad, good = tmp_path / f"bad.{suffix}", tmp_path / "good.npy"
    bad.write_bytes(data)
    np.save(good, np.ones((6, 6)) + np.eye(6))
    code, err = outcome(command, COMMANDS[command][1](bad, good, tmp_path), capsys)
    assert (code, err.count("\n"), "bad." in err) == (2, 1, True), err
