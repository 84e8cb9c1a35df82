"""One verdict for each segment, from one walk along the ledger; no segment's key is needed and nothing changes.

``ok`` sealed and whole · ``open`` being written, or ended by a crash (perhaps before its first frame) and not yet
recovered · ``recovered`` ended by a crash, what is left is whole · ``erased`` deleted by its owner · ``truncated`` ·
``altered`` · ``missing`` · ``foreign`` not in the ledger, or back after it was erased · ``key-mismatch`` keystore entry
missing, damaged or with other keys, or nothing opens it any more because the key over all of them is not here.
Invariants: the absence of a seal is never "ok"; what cannot be read is never "ok"; no clock decides anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from desktop_logger import disk, keystore
from desktop_logger.clock import Clock
from desktop_logger.errors import IntegrityError, OtherVersion, Unavailable
from desktop_logger.ledger import Entry, Ledger
from desktop_logger.paths import Home
from desktop_logger.sealing import Kek
from desktop_logger.segments.format import LARGEST_FILE, refuse_other_version

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
    lost: str = "",
) -> Report:
    """Check ledger, bodies and keystore. ``anchor``: a head that somebody kept, which the ledger must still contain.

    With the KEK, also that the keystore's stanzas are those that the ledger commits to. Without it, that it can be
    where it belongs; a keyring, which may be locked, is not asked. ``lost``: why whoever asked knows that it is gone.
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
        try:
            known = known_segments(entries)
        except IntegrityError as wrong:  # signed, perhaps, but not an entry that says what its kind must
            error, known, entries = error or wrong.message, {}, []
        names = [*known, *(segment for segment in present if segment not in known)]
        verdicts = []
        whole, wrong_keys = _keystore(home, entries)
        lost = wrong_keys or lost
        for done, segment in enumerate(names, 1):
            if segment in known:
                keys = "its keystore entry is missing" if not lost and segment not in whole else lost
                verdicts.append(_verdict(home, known[segment], present.get(segment, set()), kek, keys))
            elif is_beginning(home, segment, present[segment]):
                verdicts.append(Verdict(segment, "open", "begun and never counted; the next start removes it"))
            else:
                verdicts.append(Verdict(segment, "foreign", "not in the ledger"))
            progress(done, len(names))
        good = not error and all(verdict.verdict in GOOD for verdict in verdicts)
        return Report(good, not error, error, len(entries), ledger.head(), verdicts)


def _keystore(home: Home, entries: list[Entry]) -> tuple[set[str], str]:
    """Segments with entry and record, and why none of them can be opened; looked at without any key."""
    try:
        whole, epoch = keystore.whole(home), keystore.current_epoch(home)
    except Unavailable:
        return set(), ""
    except IntegrityError as error:
        return set(), error.message
    done = next((entry["epoch"] for entry in reversed(entries) if entry["kind"] == "erased.done"), 0)
    if epoch < done:
        return whole, "the keystore is one from before a deletion"
    return whole, "" if keystore.may_have_kek(home, epoch) else "the store's key is not what it was, or not here"


def _verdict(home: Home, known: Known, present: set[str], kek: Kek | None, lost: str) -> Verdict:
    if known.erased:
        if present:
            return Verdict(known.id, "foreign", "was erased and is here again")
        return Verdict(known.id, "erased", "")
    if known.intended:
        return Verdict(known.id, "erased", "the erasure is not finished")
    worst, detail = "ok", ""
    for stream in known.opened:
        why = f"{stream} stream"
        try:
            data = disk.read(stream_path(home, known.id, stream), LARGEST_FILE)
            verdict, _ = judge(known, stream, data)
            refuse_other_version(data)
        except FileNotFoundError:
            verdict = "missing"
        except OSError as error:
            verdict, why = "altered", f"{stream} stream: {error.strerror or 'it cannot be read'}"
        except OtherVersion as error:
            why = f"{stream} stream: {error.message}"
        if _WORST.index(verdict) > _WORST.index(worst):
            worst, detail = verdict, why
    if present - set(known.opened):
        worst, detail = "altered", "a stream that the ledger does not know"
    if worst in ("ok", "open", "recovered") and (wrong := lost or _wrong_keys(home, known, kek)):
        worst, detail = "key-mismatch", wrong
    if worst == "recovered":
        dropped = sum(stream["dropped"] for stream in known.closed.values())
        detail = f"{dropped} bytes of a torn end do not count" if dropped else "nothing was torn"
    return Verdict(known.id, worst, detail)


def _wrong_keys(home: Home, known: Known, kek: Kek | None) -> str:
    if kek is None:
        return ""
    try:
        held = {stanza.digest for stanza in keystore.read_entry(home, kek, known.id)}
    except IntegrityError:
        return "its keystore entry is missing or damaged"
    if not known.stanzas <= held or not held <= known.stanzas | known.approved:
        return "its keystore entry holds other keys than the ledger commits to"
    return ""
