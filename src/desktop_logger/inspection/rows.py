"""Records become rows here and nowhere else: what ``inspect``, ``--as-admin`` and the admin's export show is one.

A row is a flat mapping of closed words and numbers. ``FIELDS`` is the whole list of columns, with their units;
none of them can hold free text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from desktop_logger.errors import IntegrityError
from desktop_logger.records.classes import Button, Command, Direction, KeyClass, Reason
from desktop_logger.records.layout import KINDS, describe
from desktop_logger.records.profiles import PROFILES, SCOPES, Profile

Row = dict[str, int | float | str]


class Field(NamedTuple):
    """One column: its name, ``words`` (a closed list), ``int`` or ``float``, and what it means."""

    name: str
    kind: str
    meaning: str
    words: tuple[str, ...] = ()


def _words(*members: Any) -> tuple[str, ...]:
    return tuple(member.name.lower() for member in members)


FIELDS = (
    Field("record", "words", "what kind of record", tuple(KINDS.values())),
    Field("scope", "words", "the granted scope it belongs to", SCOPES),
    Field("t", "float", "seconds since the start of the segment; coarse: number of the minute"),
    Field("class", "words", "class of the key", tuple(member.name for member in KeyClass)),
    Field("command", "words", "named command", _words(*Command)),
    Field("button", "words", "pointer button", _words(*Button)),
    Field("direction", "words", "scroll direction", _words(*Direction)),
    Field("reason", "words", "why nothing was observed", _words(*Reason)),
    Field("n_text", "int", "text keys in the run; coarse: log2 bucket"),
    Field("n_edit", "int", "edit keys in the run; coarse: log2 bucket"),
    Field("n", "int", "clicks or scroll steps; coarse: log2 bucket"),
    Field("dx", "int", "displacement to the right, in cells of the profile's size; coarse: log2 bucket"),
    Field("dy", "int", "displacement downwards, in cells of the profile's size; coarse: log2 bucket"),
    Field("duration", "int", "duration in steps of the profile's grid; coarse: log2 bucket of seconds"),
    Field("gap", "int", "time since the record before, in steps of the grid; coarse: log2 bucket of seconds"),
    Field("seconds", "int", "length of a gap in whole seconds; coarse: log2 bucket"),
)

OWN_FIELDS = (
    Field("segment", "text", "the segment, as `purge --segment` takes it"),
    Field("opened", "text", "the minute in which the segment was opened (ISO 8601, UTC)"),
)
"""Columns of one's own export only."""

EXPORT_FIELDS = (
    Field("profile", "words", "how finely it was recorded: the unit of every number", tuple(PROFILES)),
    Field("session", "int", "one recorded segment; a random number made for this export"),
    Field("split_group", "int", "0-15, the same for all sessions of one person in this export; for splits only"),
)
"""Columns that the admin's export adds."""


def segment_rows(parts: Mapping[str, list[np.ndarray[Any, Any]]], profile: Profile) -> list[Row]:
    """All rows of one segment's stream, in the order of time; at one time in the order of scopes.

    ``parts`` maps each opened scope to its decoded parts in file order. Raises ``IntegrityError`` for a record
    outside the vocabulary.
    """
    rows: list[Row] = []
    try:
        for scope in SCOPES:
            for records in parts.get(scope, ()):
                for record in records.tolist():
                    row = describe(record, profile)
                    row["scope"] = scope
                    rows.append(row)
    except (KeyError, ValueError):
        raise IntegrityError("a record is outside the vocabulary of this version") from None
    rows.sort(key=_time)
    return rows


def _time(row: Row) -> float:
    return float(row["t"])
