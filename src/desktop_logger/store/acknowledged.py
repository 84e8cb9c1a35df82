"""What came back: who exported what, and which erasures were carried out. Taken into the ledger, read from it.

An acknowledgement counts only when the controller of the adopted policy signed it and it names bundles that this ledger
released, or an erasure request that it made and the key of ours that signed that. Invariants: each is taken in once;
what is not ours, not signed, or no acknowledgement at all changes nothing and is said; the one-month clock (GDPR
Art. 12(3)) runs from the day on which the request was written.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from base64 import b64decode
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from desktop_logger import bundle, disk, policy
from desktop_logger.bundle import ACK_LIMIT, ACK_SUFFIX, ERASURE_SUFFIX, Acknowledgement
from desktop_logger.clock import Clock, day
from desktop_logger.errors import DesktopLoggerError, IntegrityError
from desktop_logger.ledger import Entry, Ledger
from desktop_logger.paths import Home

from .known import locked

KIND = "acknowledged"


class Export(NamedTuple):
    """Somebody exported bundles of this computer."""

    day: str
    by: str
    """Fingerprint of the reader key, as the receipt names it."""
    purpose: str
    export: str
    segments: tuple[str, ...]


class Request(NamedTuple):
    """One erasure request and what became of it."""

    request: str
    day: str
    due: str
    """A month later."""
    segments: tuple[str, ...]
    state: str
    """``outstanding``, ``overdue`` or ``done``."""
    done: str
    """The day that the organisation signed, or nothing."""
    models: tuple[str, ...]
    """Training runs that had seen it: named by the organisation, not unlearned."""


def take_in(home: Home, clock: Clock, folders: Iterable[str]) -> tuple[int, list[str]]:
    """Take new acknowledgements from these folders into the ledger; how many, and what was refused."""
    with locked(home):
        ledger = Ledger(home, clock)
        if not ledger.exists():
            return 0, []
        controller = _controller(home)
        entries = ledger.entries()
        known = {(one["of"], one["id"], one["by"], tuple(one["bundles"])) for one in entries if one["kind"] == KIND}
        ours = {one["bundle"]: one["segments"] for one in entries if one["kind"] == "released"}
        requests = {one["file"].removesuffix(ERASURE_SUFFIX) for one in entries if one["kind"] == "erasure.requested"}
        devices = _devices(home)
        taken, refused = 0, []
        for path in _files(folders):
            if controller is None:
                refused.append(f"{os.path.basename(path)}: there is no policy of an organisation to check it against")
                continue
            try:
                found = bundle.parse_acknowledgement(disk.read(path, ACK_LIMIT), controller)
            except (DesktopLoggerError, OSError) as error:
                reason = error.message if isinstance(error, DesktopLoggerError) else str(error.strerror)
                refused.append(f"{os.path.basename(path)}: {reason}")
                continue
            mine = tuple(sorted(one for one in found.bundles if one in ours))
            about_us = found.id in requests and found.device in devices if found.kind == "erased" else bool(mine)
            if not about_us or (found.kind, found.id, found.by, mine) in known:
                continue
            ledger.append(KIND, **_facts(found, mine, ours))
            known.add((found.kind, found.id, found.by, mine))
            taken += 1
        return taken, refused


def exports(entries: Iterable[Entry]) -> list[Export]:
    """Who exported what, as the acknowledgements in the ledger say."""
    return [
        Export(one["on"], one["by"], one["purpose"], one["id"], tuple(one["segments"]))
        for one in entries
        if one["kind"] == KIND and one["of"] == "exported"
    ]


def requests(entries: Iterable[Entry], today: str) -> list[Request]:
    """Every erasure request, with its month."""
    entries = list(entries)
    done = {one["id"]: one for one in entries if one["kind"] == KIND and one["of"] == "erased"}
    found = []
    for one in entries:
        if one["kind"] != "erasure.requested":
            continue
        name = one["file"].removesuffix(ERASURE_SUFFIX)
        due, answer = month_after(one["day"]), done.get(name)
        state = "done" if answer else "overdue" if today > due else "outstanding"
        found.append(
            Request(
                name, one["day"], due, tuple(one["segments"]), state, answer["on"] if answer else "",
                tuple(answer["models"]) if answer else (),
            )
        )  # fmt: skip
    return found


def month_after(first: str) -> str:
    """The same day of the next month, or its last day (``YYYY-MM-DD``)."""
    start = dt.date.fromisoformat(first)
    year, month = (start.year + 1, 1) if start.month == 12 else (start.year, start.month + 1)
    for number in range(start.day, 27, -1):
        with suppress(ValueError):
            return dt.date(year, month, number).isoformat()
    return dt.date(year, month, start.day).isoformat()


def today(clock: Clock) -> str:
    """The day now."""
    return day(clock.now())


def _controller(home: Home) -> bytes | None:
    signed, _ = policy.active(home)
    return b64decode(signed.controller.public) if signed.controller else None


def _devices(home: Home) -> set[str]:
    """The device keys (hex) that stand in receipts of this home, withdrawn ones too."""
    found = set()
    for name in os.listdir(home.receipts) if os.path.isdir(home.receipts) else ():
        with suppress(OSError, ValueError, KeyError, TypeError):  # what else lies there has none
            receipt = json.loads(disk.read(os.path.join(home.receipts, name), 1 << 20))
            found.add(b64decode(receipt["parties"]["subject"]["device"], validate=True).hex())
    return found


def _files(folders: Iterable[str]) -> list[str]:
    found = []
    for folder in folders:
        with suppress(FileNotFoundError, NotADirectoryError):
            found += [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(ACK_SUFFIX)]
    return found


def _facts(found: Acknowledgement, mine: tuple[str, ...], ours: dict[str, Any]) -> dict[str, Any]:
    segments = sorted({segment for one in mine for segment in ours[one]})
    facts = {"of": found.kind, "id": found.id, "by": found.by, "on": found.day, "bundles": list(mine)}
    if found.kind == "exported":
        return {**facts, "purpose": found.purpose, "segments": segments}
    if found.kind == "erased":
        return {**facts, "models": list(found.models)}
    raise IntegrityError("an acknowledgement of another kind")
