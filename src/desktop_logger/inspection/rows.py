"""Rows, made from the columns of records: what ``inspect``, ``--as-admin`` and the admin's export show is one.

A row is a flat mapping of closed words and numbers. ``FIELDS`` is the whole list of columns, with their units;
none of them can hold free text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from desktop_logger.records.profiles import PROFILES, Profile

from .columns import Columns, Records, columns, ordered, words_of

Row = dict[str, int | float | str]


class Field(NamedTuple):
    """One column: its name, ``words`` (a closed list), ``int`` or ``float``, and what it means."""

    name: str
    kind: str
    meaning: str
    words: tuple[str, ...] = ()


def _words(name: str, meaning: str) -> Field:
    return Field(name, "words", meaning, words_of(name))


FIELDS = (
    _words("record", "what kind of record"),
    _words("scope", "the granted scope it belongs to"),
    Field("t", "float", "seconds since the start of the segment; coarse, counts: number of the minute"),
    _words(
        "form", "coarse: the numbers of this record are those of the profile coarse, its time the start of a minute"
    ),
    _words("class", "class of the key"),
    _words("command", "named command"),
    _words("button", "pointer button"),
    _words("action", "what counts counts of the pointer"),
    _words("direction", "scroll direction"),
    _words("category", "kind of application that got the focus"),
    _words("role", "kind of element that was clicked"),
    _words("click", "single, double or drag"),
    Field("task", "int", "number of the task in the policy's list"),
    _words("outcome", "that the task begins, or how it ended"),
    _words("reason", "why nothing was observed"),
    Field("n_text", "int", "text keys in the run; coarse: log2 bucket, edit keys included"),
    Field("n_edit", "int", "edit keys in the run; coarse: always 0"),
    Field("n", "int", "clicks or scroll steps; coarse: log2 bucket; counts: number in the minute, with noise"),
    Field("dx", "int", "displacement to the right, in cells of the profile's size; coarse: log2 bucket"),
    Field("dy", "int", "displacement downwards, in cells of the profile's size; coarse: log2 bucket"),
    Field("duration", "int", "duration in steps of the profile's grid; coarse: log2 bucket of seconds"),
    Field("gap", "int", "time since the record before, in steps of the grid; coarse: log2 bucket of seconds"),
    Field("seconds", "int", "length of a gap in whole seconds; coarse: log2 bucket"),
)

_WORD_COLUMNS = frozenset(field.name for field in FIELDS if field.kind == "words")

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


def segment_rows(parts: Mapping[str, list[Records]], profile: Profile) -> list[Row]:
    """All rows of one segment's stream, in the order of time; at one time in the order of scopes.

    ``parts`` maps each opened scope to its decoded parts in file order. Raises ``IntegrityError`` for a record
    outside the vocabulary.
    """
    return rows(columns(*ordered(parts), profile))


def rows(found: Columns) -> list[Row]:
    """The rows that columns stand for; an absent value is an absent key."""
    names = ["record", "t", *(name for name in found.fields if name != "record")]
    lists: list[list[Any]] = []
    for name in names:
        if name == "t":
            times = found.t if found.by_minutes else found.seconds()
            lists.append(times.tolist())
            continue
        values, present = found.fields[name]
        words = words_of(name) if name in _WORD_COLUMNS else None
        plain = [words[code] if code < len(words) else None for code in values.tolist()] if words else values.tolist()
        if present is not None:
            plain = [one if there else None for one, there in zip(plain, present.tolist(), strict=True)]
        lists.append(plain)
    return [
        {name: value for name, value in zip(names, row, strict=True) if value is not None}
        for row in zip(*lists, strict=True)
    ]
