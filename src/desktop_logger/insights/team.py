"""Insights for a team: where tools get in the way, by kind of element and of application, with no person in sight.

From an export and the steward's lineage to one fixed answer:

1. No erasure waits, and at least as many people are in the export as the policy asks for (``minimum_group``).
2. Sessions are counted by the same rules as one's own insights, and added up by person. An export cannot tell people
   apart, so that only its steward can do this; it is the answer that goes to a team.
3. Each person's counts become ``POINTS`` points a table, shared out over a closed list of cells, however much it was:
   so one person's coming or going changes a table by that much at most.
4. Points are added up and get noise, once for all cells of all tables: ε = ``EPSILON`` for the whole answer.
5. A cell is shown only where it has more than what fewer people than the minimum group, and the noise, could have made.
   That any cell of an answer is shown by chance has a probability of ``CHANCE`` at most.

Invariants: nothing can be asked for but the whole answer, so no two answers about the same data differ; the cells are
those of closed lists and not of the data; asking again gives the same noise (``noise``), also of the same rows exported
again; what was part of ``STATES`` different answers is part of no more, which bounds the sum of ε; no parameter takes a
person; the secret of the noise never lies beside the rows. How many people are in an export is no secret: its card
says so.
"""

from __future__ import annotations

import itertools
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from desktop_logger.dataset import folder
from desktop_logger.dataset.arrow import pyarrow
from desktop_logger.errors import IntegrityError, Refused, UsageError
from desktop_logger.inspection.columns import Records
from desktop_logger.inspection.rows import EXPORT_FIELDS, FIELDS
from desktop_logger.records.classes import Category, Reason, Role
from desktop_logger.records.layout import COARSE_FORM, GAP, KINDS, MINUTE_MS, RECORD_FIELDS
from desktop_logger.records.profiles import PROFILES, SCOPES

from .moments import MIXED, Counts, count
from .noise import exceeded, keyed, noisy

EPSILON = Fraction(1)
"""Of one whole answer."""
STATES = 5
"""Whatever was released is part of so many different answers: ε of 5 in total, and no more."""
POINTS = 100
"""What each person has in each table: the sensitivity of a table, when a person comes or goes (L1)."""
CHANCE = 0.01

_ROLES = tuple(one.name.lower() for one in Role)
_CATEGORIES = (*(one.name.lower() for one in Category), MIXED)
FRICTION = ("erased_runs", "hesitated", "repeated_clicks", "back_and_forth")
_USE = ("text", "edit", "commands", "clicks")
TABLES: dict[str, tuple[str, ...]] = {
    "clicks_by_role": _ROLES,
    "repeated_clicks_by_role": _ROLES,
    "use_by_category": _CATEGORIES,
    "friction_by_category": tuple(f"{kind}:{name}" for kind in FRICTION for name in _CATEGORIES),
}
"""Table → its cells: closed lists, whatever is in the data."""

Points = dict[str, list[int]]


class Answer(NamedTuple):
    """What is said of one export."""

    export: str
    people: int
    minimum_group: int
    tables: dict[str, dict[str, float]]
    """Table → cell → share of all points; only cells that are shown."""
    hidden: dict[str, int]
    """Table → how many cells are not."""
    error: float
    """Standard deviation of the noise in a share."""
    smallest: float
    """Least share that is shown."""
    states_left: int

    def to_json(self) -> dict[str, Any]:
        """The shape of ``insights team --json``."""
        return {
            **self._asdict(),
            "epsilon": float(EPSILON),
            "epsilon_total": float(EPSILON * STATES),
            "bound": f"one person changes a table by {POINTS} points at most",
        }


def answer(root: str, persons: Mapping[int, str], once: Callable[[bytes, int], tuple[bytes, int]]) -> Answer:
    """Read an export and answer.

    ``persons``: session → whose it is, from the lineage; only told apart, never kept. ``once``: the steward's budget;
    takes the exact numbers and ``STATES``, gives the secret of their noise and how many further answers there can be.
    """
    card = folder.read_card(root)
    if card["kind"] != "export":
        raise UsageError(f"{root} holds sequences, not an export", "Name the folder that `admin export` made.")
    folder.check_no_erasure_waits(root)
    minimum = int(card["minimum_group"])
    counts: dict[str, Counts] = {}
    for session, found in _sessions(root):
        if session not in persons:
            raise IntegrityError(
                "the lineage does not know a session of this export", "Run: desktop-logger admin verify DIR"
            )
        counts.setdefault(persons[session], Counter()).update(found)
    people = len(counts)
    needed = max(minimum, -(-smallest(minimum) // POINTS))
    if people < needed:
        raise Refused(
            f"the export holds data of {people} people, and an insight needs {needed}",
            "Export what more people released: noise that hides one of fewer hides all.",
        )
    table = total([points(one) for one in counts.values()])
    key, left = once(_exact(table), STATES)
    released, least, everything = release(table, key), smallest(minimum), POINTS * people
    shown = {
        name: {
            cell: min(round(here / everything, 3), 1.0)
            for cell, here in zip(cells, released[name], strict=True)
            if here >= least
        }
        for name, cells in TABLES.items()
    }
    deviation = 2**0.5 * POINTS * len(TABLES) / float(EPSILON)
    return Answer(
        export=str(card["export"]),
        people=people,
        minimum_group=minimum,
        tables=shown,
        hidden={name: len(cells) - len(shown[name]) for name, cells in TABLES.items()},
        error=round(deviation / everything, 4),
        smallest=round(least / everything, 4),
        states_left=left,
    )


def points(counts: Mapping[str, int]) -> Points:
    """One person's points: ``POINTS`` a table at most, shared out in whole points over the cells."""
    made: Points = {}
    for name, cells in TABLES.items():
        here = [max(counts.get(f"{name}/{cell}", 0), 0) for cell in cells]
        everything = sum(here)
        made[name] = [POINTS * one // everything if everything else 0 for one in here]
    return made


def total(people: Sequence[Points]) -> Points:
    """All people's points, cell by cell."""
    return {
        name: [sum(one[name][place] for one in people) for place in range(len(cells))]
        for name, cells in TABLES.items()
    }  # fmt: skip


def release(table: Points, key: bytes, epsilon: Fraction = EPSILON) -> Points:
    """The table with noise: the same for the same table and key."""
    draw = keyed(key, _exact(table))
    return {name: noisy(table[name], POINTS, epsilon / len(TABLES), draw) for name in TABLES}


def smallest(minimum: int) -> int:
    """Least points of a cell that is shown: more than fewer than ``minimum`` people have, and than noise adds."""
    cells = sum(len(one) for one in TABLES.values())
    return POINTS * (minimum - 1) + exceeded(CHANCE / cells, POINTS, EPSILON / len(TABLES))


def _exact(table: Points) -> bytes:
    return json.dumps(table, sort_keys=True).encode()


# --- from the rows of an export back to what was counted ---

_NEEDED = ("session", "profile", "record", "scope", "t", "form", "class", "command", "button", "category", "role",
           "click", "reason", "n_text", "n_edit", "n", "duration", "gap", "seconds", "action")  # fmt: skip
_LISTS = {field.name: field.words for field in (*EXPORT_FIELDS, *FIELDS) if field.kind == "words"}
_KIND_OF = {name: kind for kind, name in KINDS.items()}
_CODES = ("class", "button", "category", "role", "action")


def _sessions(root: str) -> Iterator[tuple[int, Counts]]:
    """(session, counts named ``table/cell``) of every session of an export in Parquet."""
    names = folder.part_files(root)
    if not names or not all(name.endswith(".parquet") for name in names):
        raise UsageError(f"{root} holds no Parquet", "Export with --format parquet.")
    for name in names:
        path = os.path.join(root, name)
        try:
            with pyarrow().parquet.ParquetFile(path) as file:
                for number in range(file.num_row_groups):
                    yield from _group(file.read_row_group(number, columns=list(_NEEDED)))
        except (OSError, ValueError, KeyError, pyarrow().ArrowException) as error:
            raise IntegrityError(f"{path} cannot be read ({type(error).__name__})", "Export it again.") from None


def _group(rows: Any) -> Iterator[tuple[int, Counts]]:
    """The sessions of one row group: whole ones, each in one piece."""
    sessions, profiles, scopes = rows.column("session").to_numpy(), _column(rows, "profile"), _column(rows, "scope")
    made = _records(rows, profiles)
    edges = [0, *(np.flatnonzero(np.diff(sessions)) + 1).tolist(), len(sessions)]
    for start, end in itertools.pairwise(edges):
        if end == start:
            continue
        piece, scope = made[start:end], scopes[start:end]
        parts = {name: [piece[scope == number]] for number, name in enumerate(SCOPES) if (scope == number).any()}
        yield int(sessions[start]), _cells(count(parts, PROFILES[_LISTS["profile"][profiles[start]]]))


def _records(rows: Any, profiles: Any) -> Records:
    """The records that these rows were made from, as far as insights need them."""
    made = np.zeros(rows.num_rows, np.dtype(RECORD_FIELDS))
    kinds = np.array([_KIND_OF[word] for word in _LISTS["record"]], np.uint8)
    made["kind"] = kinds[_column(rows, "record")]
    ticks = np.array([1 if PROFILES[name].grid_ms == MINUTE_MS else 1000 / PROFILES[name].grid_ms
                      for name in _LISTS["profile"]])  # fmt: skip
    made["t"] = np.round(rows.column("t").to_numpy() * ticks[profiles]).astype(np.uint32)
    for name in _CODES:  # each record has at most one of them; words stand in the order of their numbers, from 1
        made["code"] += (_column(rows, name) + 1).astype(np.uint8)
    made["code"][made["kind"] == GAP] = Reason.UNOBSERVED
    counts = _number(rows, "n_text") + _number(rows, "n") + np.maximum(_column(rows, "command"), 0)
    made["a"] = counts.astype(np.uint16)
    made["b"] = _number(rows, "n_edit") + _column(rows, "click") + 1
    made["c"], made["d"] = _number(rows, "duration"), _number(rows, "gap") + _number(rows, "seconds")
    made["kind"] |= np.where(_column(rows, "form") >= 0, np.uint8(COARSE_FORM), np.uint8(0))
    return made


def _column(rows: Any, name: str) -> Any:
    """Codes of a column of words; -1 where it has none. Whatever dictionary the file has, it is mapped to ours."""
    column = rows.column(name).combine_chunks()
    column = column.dictionary_encode() if not hasattr(column, "indices") else column
    ours = np.array([_LISTS[name].index(word) for word in column.dictionary.to_pylist()] or [0], np.int64)
    codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return np.where(codes >= 0, ours[np.maximum(codes, 0)], -1)


def _number(rows: Any, name: str) -> Any:
    return rows.column(name).fill_null(0).to_numpy().astype(np.int64)


def _cells(found: Mapping[str, Counts]) -> Counts:
    """Counts by category as counts by cell."""
    made: Counts = Counter()
    for category, counts in found.items():
        for name, times in counts.items():
            kind, _, rest = name.partition(":")
            if kind == "role":
                made[f"clicks_by_role/{rest}"] += times
            elif kind == "repeated":
                made[f"repeated_clicks_by_role/{rest}"] += times
            elif name in FRICTION:
                made[f"friction_by_category/{name}:{category}"] += times
            if name in _USE:
                made[f"use_by_category/{category}"] += times
    return made
