"""Deleting so that no copy opens: purge, retention, and what a crash left of either.

Under the store lock (the writer was ended before):

1. intent in the ledger · 2. erasure request for what was released · 3. the new KEK · 4. the survivors' keys re-wrapped
into ``keys.new``, one sync · 5. renamed · 6. the old KEK destroyed · 7. entries and bodies unlinked · 8. done in the
ledger

Invariants: every step can be repeated; ``recover`` goes on from the intent after a crash at any of them. Where the
keyring is locked, bodies and entries go now, the intent stays open, and the receipt says what copies may still open.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from desktop_logger import disk, keystore
from desktop_logger.clock import Clock, day
from desktop_logger.errors import IntegrityError, NoConsent, Unavailable, UsageError
from desktop_logger.ledger import Entry, Ledger
from desktop_logger.paths import Home
from desktop_logger.records.layout import STREAMS
from desktop_logger.sealing import Kek, random_id

from . import ballast
from .known import Known, entries_now, files, known_now, locked, open_intent, stream_path, unwritable
from .reading import segments

Step = Callable[[str], None]
_MOST_AT_ONCE = 60_000
"""Segments that one ledger entry can name."""


class PurgeReceipt(NamedTuple):
    """What was deleted, and what may remain of it elsewhere."""

    segments: list[str]
    since: int | None
    """Unix seconds, rounded outward; ``None`` where nothing was deleted."""
    until: int | None
    kek_epoch: int
    """The epoch whose key now wraps what is left; 0 after ``everything``."""
    released: list[str]
    """Those that had been released: the erasure request in the outbox names them."""
    notes: list[str]
    """Plain sentences for the person."""


_ALL = "To delete them all the same: desktop-logger purge --all"
_STATED = "Not covered: copies of this disk that include the old key, and what flash storage keeps of deleted files."


def purge(
    home: Home,
    clock: Clock,
    choose: Iterable[str] | Callable[[], Iterable[str]] = (),
    *,
    everything: bool = False,
    request_erasure: bool = True,
    step: Step = lambda _name: None,
) -> PurgeReceipt:
    """Delete whole segments, by id; ``everything``: all of them, all keys, and the ledger's history.

    ``choose`` may be a callable, which is asked under the lock. Raises ``UsageError`` for an id that is not there.
    """
    with locked(home), ballast.dropped(home):
        keystore.settle(home)
        ledger = Ledger(home, clock)
        if not ledger.exists():
            if files(home):
                raise IntegrityError("the ledger is gone, and segments are there", _ALL)
            return PurgeReceipt([], None, None, 0, [], ["There is nothing to delete."])
        present = files(home)
        entries, known = entries_now(home), known_now(home)
        chosen = set(present) if everything else set(choose() if callable(choose) else choose)
        if unknown := sorted(chosen - set(present)):
            raise UsageError(f"there is no segment {unknown[0]}", "See: desktop-logger verify")
        unfinished = open_intent(entries)
        if not chosen and not everything:
            notes = _carry_out(home, clock, unfinished, step)[1] if unfinished else []
            return PurgeReceipt([], None, None, _epoch(home), [], [*notes, "There was nothing to delete."])
        named = sorted(chosen | set(unfinished["segments"] if unfinished else ()))
        if len(named) > _MOST_AT_ONCE:
            raise UsageError("these are too many segments at once", "Delete them in two or three steps.")
        shared = _to_recall(known, named)
        gone = segments(home, chosen)
        # 1. intent
        epoch = _epoch(home) or max(keystore.epochs(home), default=0)
        facts: dict[str, Any] = {"segments": named, "epoch": epoch, "everything": everything}
        facts["recall"] = request_erasure or bool(unfinished and unfinished["recall"])
        facts["request"] = random_id() if shared and facts["recall"] else ""
        ledger.append("erased.intent", **facts)
        step("intent")
        epoch, notes = _carry_out(home, clock, facts, step)
        return PurgeReceipt(
            sorted(chosen),
            min((info.opened for info in gone), default=0) * 60 if gone else None,
            max((info.until for info in gone), default=0) * 60 if gone else None,
            epoch,
            sorted(name for name in chosen if name in known and known[name].bundles),
            [*notes, _STATED],
        )


def purge_without_ledger(home: Home, *, everything: bool) -> PurgeReceipt:
    """Delete all that was recorded although the ledger cannot be read or added to: keys first, then entries and bodies.

    What is wrong with the ledger must not keep anybody's data alive. The ledger stays as it is, for whoever wants to
    know what happened to it, except with ``everything``.
    """
    with locked(home), ballast.dropped(home):
        gone = sorted(files(home))
        notes = ["Ledger or keystore is not intact, so the ledger says nothing about this deletion."]
        for epoch in keystore.epochs(home):
            try:
                keystore.delete_kek(home, epoch)
            except Unavailable as error:
                notes.append(f"One key could not be destroyed ({error.message}); copies made before need it and yours.")
        for folder in (home.keystore, home.keystore + ".new", home.segments, *((home.ledger,) if everything else ())):
            keystore.remove_folder(folder)
        if not everything:
            notes.append("To record again, begin a new ledger: desktop-logger purge --everything")
        return PurgeReceipt(gone, None, None, 0, [], [*notes, _STATED])


def _epoch(home: Home) -> int:
    try:
        return keystore.current_epoch(home)
    except Unavailable:
        return 0


def _carry_out(home: Home, clock: Clock, intent: Entry, step: Step) -> tuple[int, list[str]]:
    """Steps 2 to 8 of an intent that stands in the ledger; returns the epoch now, and notes."""
    ledger = Ledger(home, clock)
    chosen, notes = set(intent["segments"]), []
    try:
        # 2. what was released
        if intent["request"]:
            notes += _request_erasure(home, ledger, intent["segments"], intent["request"])
            step("requested")
        # 3. to 6. the keys
        try:
            _rotate(home, intent, chosen, notes, step)
            rotated = True
        except Unavailable as error:
            rotated = False
            notes.append(
                f"The key could not be changed ({error.message}). Copies made before stay openable to who has your "
                "passphrase until it is: unlock the keyring; the next start finishes the deletion."
            )
        # 7. entries and bodies
        keystore.remove_entries(home, chosen)
        known = known_now(home) if intent["recall"] else {}
        for segment in files(home) if intent["everything"] else chosen:
            for path in [stream_path(home, segment, stream) for stream in STREAMS]:
                with suppress(FileNotFoundError):
                    os.unlink(path)
            if segment in known and intent["recall"]:
                _unlink_bundles(home, known[segment])
        with suppress(FileNotFoundError):
            disk.sync_folder(home.segments)
        step("bodies")
        # 8. done
        epoch = _epoch(home)
        if rotated and intent["everything"]:
            ledger.fold()
        elif rotated:
            ledger.append("erased.done", segments=sorted(chosen), epoch=epoch)
        step("done")
    except OSError as error:
        raise unwritable(error, "the store") from None
    return epoch, notes


def _rotate(home: Home, intent: Entry, chosen: set[str], notes: list[str], step: Step) -> None:
    if intent["everything"]:
        for epoch in keystore.epochs(home):
            keystore.delete_kek(home, epoch)
        step("old-kek")
        keystore.remove_folder(home.keystore)
        return
    if not _epoch(home):
        keystore.create_folder(home, intent["epoch"])  # it is gone, and nothing it held can be opened: begin anew
    if _epoch(home) == intent["epoch"]:
        # 3. the new KEK
        new_epoch = intent["epoch"] + 1
        old = keystore.find_kek(home, intent["epoch"])
        if old is None and not chosen.issuperset(keystore.listed(home)):
            raise Unavailable("the key of what you keep is not in the keyring")
        new = keystore.find_kek(home, new_epoch)
        if new is None:
            new = Kek.generate()
            keystore.store_kek(home, new_epoch, new)
        step("kek")
        # 4. survivors
        damaged = keystore.rewrap(home, old or new, new, new_epoch, chosen)
        notes += [f"The keys of segment {segment} were damaged: it cannot be opened." for segment in damaged]
        step("rewrapped")
        # 5. renamed
        keystore.swap(home)
        step("swapped")
    # 6. the old KEK, and any that an earlier attempt left
    current = keystore.current_epoch(home)
    if keystore.find_kek(home, current) is None:
        raise Unavailable("the new key is not in the keyring")
    for epoch in keystore.epochs(home):
        if epoch != current:
            keystore.delete_kek(home, epoch)
    step("old-kek")


def recall(home: Home, clock: Clock) -> list[str]:
    """Ask for everything that was released to be erased, at a withdrawal; what lies here stays. Returns notes.

    What waits in the outbox under this consent does not go on its way any more.
    """
    with locked(home), ballast.dropped(home):
        known = known_now(home)
        shared = _to_recall(known, known)
        notes = _request_erasure(home, Ledger(home, clock), shared, random_id()) if shared else []
        for segment in shared:
            _unlink_bundles(home, known[segment])
        return notes


def _to_recall(known: dict[str, Known], segments: Iterable[str]) -> list[str]:
    """Those of ``segments`` that were released and whose erasure nobody has asked for yet."""
    return sorted(name for name in segments if name in known and known[name].bundles and not known[name].recalled)


def _unlink_bundles(home: Home, segment: Known) -> None:
    for name in segment.files:
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(home.outbox, os.path.basename(name)))


def _request_erasure(home: Home, ledger: Ledger, segments: Iterable[str], request: str) -> list[str]:
    """The signed request, once; the admin's tools must apply it before they open anything affected."""
    from desktop_logger import bundle
    from desktop_logger.consent import identity

    name = request + bundle.ERASURE_SUFFIX
    path = os.path.join(home.outbox, name)
    known = known_now(home)
    released = _to_recall(known, segments)
    if not released:
        return []
    bundles = sorted({digest for segment in released for digest in known[segment].bundles})
    try:
        device = identity.device(home)
    except NoConsent:
        return ["What had been released cannot be recalled by this program: its signing key ended with your consent."]
    home.create(home.outbox)
    disk.replace(path, bundle.write_erasure(device, released, bundles, request))
    ledger.append("erasure.requested", segments=released, file=name)
    return [f"An erasure request for what had been released waits in the outbox: {name}"]


def retention(home: Home, clock: Clock, days: int, cap_bytes: int | None = None) -> PurgeReceipt | None:
    """Delete what is older than ``days`` and, beyond ``cap_bytes``, the oldest; ``None`` where nothing is.

    A released segment that reaches its age here is not recalled: its recipients have their own retention.
    """
    with locked(home):
        present = [info for info in segments(home) if info.state in ("sealed", "recovered")]
        limit = clock.now() - days * 86_400
        old = [info.id for info in present if info.until * 60 < limit]
        if cap_bytes is not None:
            excess = sum(info.bytes for info in present) - cap_bytes
            for info in present:
                if excess <= 0:
                    break
                excess -= info.bytes
                old.append(info.id)
        done = purge(home, clock, sorted(set(old)), request_erasure=False) if old else None
        _fold(home, clock, limit)
        return done


def _fold(home: Home, clock: Clock, limit: float) -> None:
    """Let a checkpoint stand for entries older than ``limit`` (Unix seconds) that say nothing of what is still kept."""
    entries, known = entries_now(home), known_now(home)
    if open_intent(entries):
        return
    kept = {name for name, segment in known.items() if not segment.erased}
    through = 0
    for entry in entries[1:]:
        if entry["day"] >= day(limit) or kept.intersection((entry.get("segment", ""), *entry.get("segments", ()))):
            break
        through = entry["seq"]
    if through:
        Ledger(home, clock).fold(through)


def resume(home: Home, clock: Clock, step: Step = lambda _name: None) -> list[str]:
    """Finish a purge that a crash or a locked keyring left open; returns notes. Under the store lock."""
    intent = open_intent(entries_now(home))
    return _carry_out(home, clock, intent, step)[1] if intent else []
