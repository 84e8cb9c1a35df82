"""A replay file line by line, beside the records that come out: the filter, for everybody to check.

A run comes out when it ends, so a record may stand several lines below the input that began it. Line by line this
gives the same records as one pass over the whole file: the redactor does not depend on how input is cut.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from desktop_logger.capture.replay import Reader, Rule
from desktop_logger.inspection.rows import Row, segment_rows
from desktop_logger.policy import shipped_categories
from desktop_logger.records.events import Batch
from desktop_logger.records.layout import COARSE_FORM, GAP, RECORD, RECORD_BYTES, SCOPE_OF_KIND
from desktop_logger.records.profiles import SCOPES, Profile
from desktop_logger.redaction import Redactor
from desktop_logger.segments.reading import RECORDS


class _Terms(NamedTuple):
    """Everything granted and nobody to release to: the most that a profile can show."""

    own: Profile
    scopes: tuple[str, ...] = SCOPES
    named_commands: bool = True
    release: Profile | None = None


def lines(path: str, profile: Profile) -> Iterator[tuple[str, list[Row]]]:
    """``(the raw line, the rows that came out after it)``, and the rest at the end beside an empty line."""
    reader = Reader(path, Rule(categories=shipped_categories()))
    checked = list(reader.lines())  # a bad line is said before anything is shown
    redactor = Redactor(_Terms(profile))
    redactor.begin(0)
    redactor.feed(Batch(reader.first(), 0))
    times = [round(raw["t"] * 1000) for raw, _ in checked]
    for number, (raw, events) in enumerate(checked):
        redactor.feed(Batch(events, times[number]))
        if number + 1 < len(times):
            redactor.advance(times[number + 1])  # what has ended by the next input is shown beside this one
        yield json.dumps(raw, ensure_ascii=True, separators=(",", ":")), _rows(redactor, profile)
    redactor.feed(Batch(reader.rest(), reader.last))
    redactor.flush(reader.last)
    rest = _rows(redactor, profile)
    if rest:
        yield "", rest


def _rows(redactor: Redactor, profile: Profile) -> list[Row]:
    data, _ = redactor.take()
    parts: dict[str, list[np.ndarray[Any, Any]]] = {}
    for at in range(0, len(data), RECORD_BYTES):
        one = data[at : at + RECORD_BYTES]
        kind = RECORD.unpack(one)[1] & ~COARSE_FORM
        # a gap belongs to every scope; here it is shown once
        scope = SCOPES[0] if kind == GAP else SCOPE_OF_KIND[kind]
        parts.setdefault(scope, []).append(np.frombuffer(one, RECORDS))
    return segment_rows(parts, profile)
