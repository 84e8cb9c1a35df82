"""The unit of work of an export: some bundles in, one part out. The same function runs in a thread or on a cluster.

A job carries paths and the scope keys of exactly its segments, and nothing that opens anything else; what comes back
are numbers, refusals and counts. Invariants: a part appears whole or not at all; running a job twice gives the same
rows; a bundle that fails is refused with its reason and stops no other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from desktop_logger.dataset.parts import PartWriter
from desktop_logger.dataset.tally import Tally
from desktop_logger.errors import DesktopLoggerError, Unavailable

from .opening import Readable, read


class Job(NamedTuple):
    """Bundles of one split group, and the part that their rows go to."""

    part: str
    path: str
    form: str
    bundles: tuple[Readable, ...]


class Done(NamedTuple):
    """What came of a job."""

    part: str
    written: list[tuple[str, int, int]]
    """(bundle digest, row group, rows)."""
    refused: list[tuple[str, str]]
    """(bundle digest, reason)."""
    tally: dict[str, Any]


def carry_out(job: Job) -> Done:
    """Read the bundles and write the part. Raises ``Unavailable`` when it cannot be written."""
    written: list[tuple[str, int, int]] = []
    refused: list[tuple[str, str]] = []
    tally = Tally()
    with PartWriter(job.path, job.form) as part:
        for one in job.bundles:
            try:
                session = read(one)
            except Unavailable:
                raise
            except DesktopLoggerError as error:
                refused.append((one.digest, error.message))
                continue
            written.append((one.digest, part.add(session), session.records.size))
            tally.session(session)
            for columns in part.made():
                tally.add(columns)
        if written:
            part.close()
        for columns in part.made():
            tally.add(columns)
    return Done(job.part, written, refused, tally.to_wire())
