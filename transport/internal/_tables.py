"""Numbers in text: the separator, the heading and the index column are recognised or refused, never guessed.

Python's ``csv`` splits the cells. Its ``Sniffer`` is not used: it takes any frequent letter for a separator.
A separator is accepted if it cuts every row into the same number of cells; a heading if no cell of the first
row is a number; an index column if the heading names every column but the first, or its cells are words.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_SEPARATORS = (";", "\t", "|", ",")
_MISSING = {"", "na", "n/a", "null", "none", "-", "?", "<na>"}
_DECIMAL_COMMA = re.compile(r"[+-]?\d+(,\d+)?([eE][+-]?\d+)?")
_WORD = re.compile(r"[^\W\d]|[\"'(\[<#$]")
_LIMIT = 1 << 16  # characters in a cell


@dataclass(frozen=True, eq=False)
class Table:
    """The cells of a text file as strings.

    Attributes
    ----------
    rows : list of list of str
        Without heading, index column included.
    names : tuple of str or None
        The heading, one a column, that of the index column included.
    indexed : bool
        The first column holds labels.
    first : int
        Line of the first row, for messages.
    """

    path: Path
    rows: list[list[str]]
    names: tuple[str, ...] | None
    indexed: bool
    first: int

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The index column."""
        return tuple(row[0] for row in self.rows) if self.indexed else None

    @property
    def width(self) -> int:
        """Number of columns, the index column included."""
        return len(self.rows[0])

    def place(self, column: str) -> int:
        """Where a column is, by its name or its number (from 1)."""
        if self.names is not None and column in self.names:
            return self.names.index(column)
        if column.isdigit() and 1 <= int(column) <= self.width:
            return int(column) - 1
        known = ", ".join(map(repr, self.names)) if self.names else f"1 to {self.width}"
        raise ValueError(f"{self.path} has no column {column!r}; it has {known}")

    def numbers(self, columns: list[int]) -> np.ndarray:
        """(n, len(columns)) float64."""
        cells = [[row[k] for k in columns] for row in self.rows]
        try:
            values = np.array(cells).astype(np.float64)
        except ValueError:
            values = self._with_commas(cells, columns)
        if not np.isfinite(values).all():
            i, j = np.argwhere(~np.isfinite(values))[0]
            raise ValueError(
                f"{self.path}: {self._where(i, columns[j])} is {values[i, j]}; remove or impute it"
            )
        return values

    def _where(self, row: int, column: int) -> str:
        name = f" ({self.names[column]!r})" if self.names else ""
        return f"row {self.first + row}, column {column + 1}{name}"

    def _with_commas(self, cells: list[list[str]], columns: list[int]) -> np.ndarray:
        """Numbers with a decimal comma, where no other reading is possible; else the refusal."""
        flat = [cell for row in cells for cell in row]
        tails = [cell.rsplit(",", 1)[1] for cell in flat if "," in cell]
        if all(_DECIMAL_COMMA.fullmatch(cell) for cell in flat) and any(len(tail) != 3 for tail in tails):
            return np.array([[cell.replace(",", ".") for cell in row] for row in cells]).astype(np.float64)
        for i, row in enumerate(cells):
            for j, cell in enumerate(row):
                if _is_number(cell):
                    continue
                where = self._where(i, columns[j])
                if cell.lower() in _MISSING:
                    raise ValueError(
                        f"{self.path}: {where} is missing ({cell!r}); remove the row or impute it"
                    )
                hint = " (a comma in it: thousands or decimals?)" if "," in cell else ""
                raise ValueError(f"{self.path}: {where} is {cell[:40]!r}, not a number{hint}")
        raise ValueError(f"{self.path}: a number is outside the range of float64")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _is_word(cell: str) -> bool:
    """A name or label: begins like one, and is neither a number nor a word for a missing one."""
    return bool(_WORD.match(cell)) and not _is_number(cell) and cell.lower() not in _MISSING


def read_table(path: Path, *, heading: bool | None = None) -> Table:
    """The cells of a .csv, .tsv or .txt file.

    Parameters
    ----------
    heading : bool, optional
        Whether the first row names the columns; found out if None.

    Raises
    ------
    ValueError
        No numbers, rows of different length, a first row that is neither a heading nor numbers.
    """
    lines = _lines(path)
    rows = _split(path, [text for _, text in lines], tabs_first=path.suffix.lower() == ".tsv")
    numbers = [number for number, _ in lines]
    if heading is None:
        heading = _has_heading(path, rows, numbers[0])
    first = rows[0]
    if not heading:
        indexed = len(first) > 1 and all(_is_word(row[0]) for row in rows)
        return Table(path, rows, None, indexed, numbers[0])
    body = rows[1:]
    if not body:
        raise ValueError(f"{path} holds a heading and no numbers")
    if len(first) + 1 == len(body[0]):  # R's write.table: no name above the row names
        first = ["", *first]
    words = len(first) > 1 and all(_is_word(row[0]) for row in body)
    indexed = len(first) > 1 and (first[0] == "" or words or _is_default_index(first[0], body))
    return Table(path, body, tuple(first), indexed, numbers[min(1, len(numbers) - 1)])


def _is_default_index(name: str, body: list[list[str]]) -> bool:
    if name.lower() not in ("index", "unnamed: 0"):
        return False
    return all(row[0] == str(k) for k, row in enumerate(body))


def _lines(path: Path) -> list[tuple[int, str]]:
    raw = path.read_bytes()
    coding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = raw.decode(coding)
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text in UTF-8; save it as such") from None
    if "\0" in text:
        raise ValueError(f"{path} holds zero bytes; it is not a text file")
    kept = [(k, line) for k, line in enumerate(text.splitlines(), 1) if line.strip()]
    kept = [(k, line) for k, line in kept if not line.lstrip().startswith(("#", "%"))]
    if not kept:
        raise ValueError(f"{path} holds no numbers")
    if kept[0][1].strip().lower().startswith("sep=") and len(kept) > 1:  # Excel's own line
        kept = kept[1:]
    return kept


def _split(path: Path, lines: list[str], *, tabs_first: bool) -> list[list[str]]:
    order = sorted(_SEPARATORS, key=lambda s: s != "\t") if tabs_first else _SEPARATORS
    tried: list[list[list[str]]] = []
    for separator in order:
        if not any(separator in line for line in lines):
            continue
        rows = _cells(lines, separator)
        if _even(rows) and len(rows[-1]) > 1:
            return rows
        tried.append(rows)
    if not tried:
        rows = [[cell.strip("\"'") for cell in line.split()] for line in lines]
        if _even(rows):
            return rows
        tried.append(rows)
    rows = tried[0]
    usual = len(rows[-1])
    odd = next(k for k, row in enumerate(rows) if len(row) != usual)
    raise ValueError(
        f"{path}: row {odd + 1} of the table has {len(rows[odd])} cells, the last one has {usual}; "
        "every row must have the same number"
    )


def _cells(lines: list[str], separator: str) -> list[list[str]]:
    rows = []
    for row in csv.reader(lines, delimiter=separator, skipinitialspace=True):
        cells = [cell.strip() for cell in row]
        if max(map(len, cells), default=0) > _LIMIT:
            raise ValueError("a cell is longer than 65,536 characters; this is not a table of numbers")
        rows.append(cells)
    if len(rows[-1]) > 1 and all(row and row[-1] == "" for row in rows):
        rows = [row[:-1] for row in rows]  # a separator that ends every line
    return rows


def _even(rows: list[list[str]]) -> bool:
    width = len(rows[-1])
    return all(len(row) == width for row in rows[1:]) and len(rows[0]) in (width, width - (len(rows) > 1))


def _has_heading(path: Path, rows: list[list[str]], line: int) -> bool:
    """Whether the first row names the columns."""
    first, body = rows[0], rows[1:]
    named = first[1:] if first[0] == "" and len(first) > 1 else first
    if all(map(_is_word, named)):
        return True
    if body and len(first) < len(body[0]):
        raise ValueError(f"{path}: row {line} has {len(first)} cells, the others {len(body[0])}")
    counted = named == [str(k) for k in range(len(named))]
    if counted and named is not first:  # pandas: an index, and columns without names
        return True
    if counted and body and not any(cell.lstrip("+-").isdigit() for row in body for cell in row):
        raise ValueError(
            f"{path}: the first row ({', '.join(first)[:40]}) may number the columns or belong to the data; "
            "say --heading yes or --heading no"
        )
    if _is_word(first[0]) and body and all(_is_word(row[0]) for row in body):
        return False  # a column of labels without a heading
    for k, cell in enumerate(first):
        if not _is_number(cell) and not _DECIMAL_COMMA.fullmatch(cell):
            raise ValueError(
                f"{path}: row {line}, column {k + 1} is {cell[:40]!r} beside numbers: neither a heading nor "
                "data; correct it, or say --heading yes"
            )
    return False
