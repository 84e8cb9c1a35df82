"""One verdict for each segment, from one walk along the ledger; no segment's key is needed and nothing changes.

``ok`` sealed and whole · ``open`` being written, or ended by a crash (perhaps before its first frame) and not yet
recovered · ``recovered`` ended by a crash, what is left is whole · ``erased`` deleted by its owner · ``truncated`` ·
``altered`` · ``missing`` · ``foreign`` not in the ledger, or back after it was erased · ``key-mismatch`` keystore entry
missing, damaged or with other keys.
Invariants: the absence of a seal is never "ok"; no clock decides anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from desktop_logger import disk, keystore
from desktop_logger.clock import Clock
from desktop_logger.errors import IntegrityError
from desktop_logger.ledger import Ledger
from desktop_logger.paths import Home
from desktop_logger.sealing import Kek
from desktop_logger.segments.format import LARGEST_FILE

from .known import Known, files, is_beginning, known_segments, locked, stream_path
from .reading import judge

GOOD = ("ok", "open", "recovered", "erased")
_WORST = ("ok", "recovered", "open", "key-mismatch", "truncated", "altered", "missing")


class Verdict(NamedTuple):
    """One segment's."""

    id: str
    verdict: str
    detail: str


class Report(NamedTuple):
    """All verdicts."""

    ok: bool
    ledger_ok: bool
    ledger_error: str
    """Why the ledger does not verify; empty where it does."""
    entries: int
    head: str
    segments: list[Verdict]


def verify(
    home: Home,
    anchor: str | None = None,
    kek: Kek | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Report:
    """Check ledger, bodies and keystore. ``anchor``: a head that somebody kept, which the ledger must still contain.

    With the KEK, also that the keystore's stanzas are those that the ledger commits to.
    """
    with locked(home):
        ledger = Ledger(home, Clock())
        present = files(home)
        if anchor is None and not (present or os.path.exists(home.ledger) or os.path.exists(home.receipt)):
            return Report(True, True, "", 0, ledger.head(), [])  # nothing was ever recorded here
        error, entries = "", []
        try:
            entries = ledger.verify(anchor)
        except IntegrityError as wrong:
            error = wrong.message
            try:
                entries = ledger.entries()
            except IntegrityError:
                entries = []
        known = known_segments(entries)
        names = [*known, *(segment for segment in present if segment not in known)]
        verdicts = []
        whole = keystore.whole(home)
        for done, segment in enumerate(names, 1):
            if segment in known:
                verdicts.append(_verdict(home, known[segment], present.get(segment, set()), kek, segment in whole))
            elif is_beginning(home, segment, present[segment]):
                verdicts.append(Verdict(segment, "open", "begun and never counted; the next start removes it"))
            else:
                verdicts.append(Verdict(segment, "foreign", "not in the ledger"))
            progress(done, len(names))
        good = not error and all(verdict.verdict in GOOD for verdict in verdicts)
        return Report(good, not error, error, len(entries), ledger.head(), verdicts)


def _verdict(home: Home, known: Known, present: set[str], kek: Kek | None, keyed: bool) -> Verdict:
    if known.erased:
        if present:
            return Verdict(known.id, "foreign", "was erased and is here again")
        return Verdict(known.id, "erased", "")
    if known.intended:
        return Verdict(known.id, "erased", "the erasure is not finished")
    worst, detail = "ok", ""
    for stream in known.opened:
        try:
            data = disk.read(stream_path(home, known.id, stream), LARGEST_FILE)
            verdict, _ = judge(known, stream, data)
        except FileNotFoundError:
            verdict = "missing"
        except OSError:
            verdict = "altered"
        if _WORST.index(verdict) > _WORST.index(worst):
            worst, detail = verdict, f"{stream} stream"
    if present - set(known.opened):
        worst, detail = "altered", "a stream that the ledger does not know"
    if worst in ("ok", "open", "recovered") and (wrong := _wrong_keys(home, known, kek, keyed)):
        worst, detail = "key-mismatch", wrong
    if worst == "recovered":
        dropped = sum(stream["dropped"] for stream in known.closed.values())
        detail = f"{dropped} bytes of a torn end do not count" if dropped else "nothing was torn"
    return Verdict(known.id, worst, detail)


def _wrong_keys(home: Home, known: Known, kek: Kek | None, keyed: bool) -> str:
    if kek is None or not keyed:
        return "" if keyed else "its keystore entry is missing"
    try:
        held = {stanza.digest for stanza in keystore.read_entry(home, kek, known.id)}
    except IntegrityError:
        return "its keystore entry is missing or damaged"
    if not known.stanzas <= held or not held <= known.stanzas | known.approved:
        return "its keystore entry holds other keys than the ledger commits to"
    return ""
