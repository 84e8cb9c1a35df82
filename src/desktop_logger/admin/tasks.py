"""The units of work of an export: bundles to check, and some bundles in, one part out, here or on a cluster.

A job carries paths and the scope keys of exactly its segments, and nothing that opens anything else; what comes back
are numbers, refusals and counts. Invariants: a part appears whole or not at all; running a job twice gives the same
rows; a bundle that fails is refused with its reason and stops no other.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any, NamedTuple

from desktop_logger.dataset.arrow import Session
from desktop_logger.dataset.parts import GROUP_ROWS, PartWriter
from desktop_logger.dataset.tally import Tally
from desktop_logger.errors import DesktopLoggerError, IntegrityError, Unavailable
from desktop_logger.inspection.columns import check
from desktop_logger.records.profiles import PROFILES

from . import places
from .opening import Accepted, Expected, Readable, accept, read
from .outboxes import Refusal


def check_all(paths: list[str], expected: Expected) -> list[Accepted | Refusal]:
    """What may be read of these bundles; for the rest, why not."""
    found: list[Accepted | Refusal] = []
    for path in paths:
        try:
            found.append(accept(path, expected))
        except DesktopLoggerError as error:
            found.append(Refusal(path, error.message, error.hint or ""))
    return found


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
    if places.is_remote(job.path):
        with tempfile.TemporaryDirectory(prefix="desktop-logger-") as folder:
            here = os.path.join(folder, os.path.basename(job.path))
            done = carry_out(job._replace(path=here))
            if done.written:
                places.upload(here, job.path)
        return done
    done = Done(job.part, [], [], {})
    tally = Tally()
    waiting: list[tuple[Readable, Session]] = []
    rows = 0
    with PartWriter(job.path, job.form) as part:
        for number, one in enumerate(job.bundles, 1):
            try:
                session = read(one)
                waiting.append((one, session))
                rows += session.records.size
            except Unavailable:
                raise
            except DesktopLoggerError as error:
                done.refused.append((one.digest, error.message))
            if waiting and (rows >= GROUP_ROWS[job.form] or number == len(job.bundles)):
                _write(part, waiting, done, tally)
                waiting, rows = [], 0
        if done.written:
            part.close()
    return done._replace(tally=tally.to_wire())


def _write(part: PartWriter, waiting: list[tuple[Readable, Session]], done: Done, tally: Tally) -> None:
    """One row group. Where a record is outside the vocabulary, its session is found and left out."""
    try:
        made = part.write([session for _, session in waiting])
    except IntegrityError:
        sound = []
        for one, session in waiting:
            try:
                check(session.records, session.scopes, PROFILES[session.profile])
                sound.append((one, session))
            except IntegrityError as error:
                done.refused.append((one.digest, error.message))
        waiting = sound
        if not waiting:
            return
        made = part.write([session for _, session in waiting])
    for one, session in waiting:
        done.written.append((one.digest, part.groups - 1, session.records.size))
        tally.session(session)
    for columns in made:
        tally.add(columns)
