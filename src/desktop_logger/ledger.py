"""The ledger: a chain of facts about consent and segments that can be added to and not rewritten.

One entry a line, canonical JSON: ``{seq, day, kind, prev, next, …facts, sig}``. ``prev`` is the SHA-256 of the line
before, ``next`` the public half of the key that signs the next entry. Each key signs once and is destroyed; the
subject's identity signs the first. Invariants: the caller of ``append`` holds the store lock; an entry carries a day,
never a time; only a torn last entry is ever cut; validity never depends on a clock.

Appending: 1. next key to ``signer.new``, synced; 2. the entry, synced; 3. rename to ``signer``, folder synced.
On open: a tail that names ``signer.new`` → 3 is finished; a torn last entry → it is cut.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from . import disk
from .clock import Clock, day
from .errors import IntegrityError, Refused, Unavailable
from .paths import Home
from .sealing import Signer, canonical, canonical_without, hexdigest, parse_canonical, verify

Entry = dict[str, Any]

KINDS = frozenset(
    {
        "ledger.created", "consent.given", "consent.withdrawn", "started", "stopped", "segment.opened",
        "segment.sealed", "segment.recovered", "approved", "released", "erased.intent", "erased.done",
        "erasure.requested", "checkpoint",
    }
)  # fmt: skip
RESERVED = ("seq", "day", "kind", "prev", "next", "sig")
FIRST = "0" * 64
"""What the first entry names as the line before it."""
LARGEST_ENTRY = 4 << 20
_LARGEST_LEDGER = 1 << 30
_CONTEXT = "ledger"


class Ledger:
    """The ledger of one home. Reads from disk every time, because several processes append to it."""

    def __init__(self, home: Home, clock: Clock) -> None:
        self._clock = clock
        self._folder = home.ledger
        self.path = os.path.join(home.ledger, "ledger.jsonl")
        self._signer = os.path.join(home.ledger, "signer")
        self._coming = os.path.join(home.ledger, "signer.new")

    @classmethod
    def create(cls, home: Home, clock: Clock, subject: Signer) -> Ledger:
        """A new ledger whose first entry the subject's identity signs. Refused where there is one."""
        ledger = cls(home, clock)
        if os.path.exists(ledger.path):
            raise Refused("there is a ledger already", "Look at it: desktop-logger ledger")
        home.create(home.ledger)
        coming = Signer.generate()
        entry = ledger._entry(0, FIRST, "ledger.created", {"subject": subject.public.hex()}, coming)
        disk.replace(ledger._signer, coming.secret())
        disk.replace(ledger.path, _line(entry, subject))
        return ledger

    def exists(self) -> bool:
        """Whether the home has a ledger at all."""
        return os.path.exists(self.path)

    def append(self, kind: str, **facts: Any) -> str:
        """Add one fact and return the new head. The caller holds the store lock; durable on return."""
        if kind not in KINDS or any(name in RESERVED for name in facts):
            raise Refused(f"the ledger has no entry of kind {kind} with these facts")
        last, line, signer = self._open()
        return self._append(last["seq"] + 1, hexdigest(line), kind, facts, signer)

    def _append(self, seq: int, prev: str, kind: str, facts: dict[str, Any], signer: Signer) -> str:
        coming = Signer.generate()
        line = _line(self._entry(seq, prev, kind, facts, coming), signer)
        if len(line) > LARGEST_ENTRY:
            raise Refused("this ledger entry is too large", "Do it in smaller steps.")
        try:
            # 1. the next key
            with suppress(FileNotFoundError):
                os.unlink(self._coming)
            disk.write_new(self._coming, coming.secret())
            disk.sync_folder(self._folder)
            # 2. the entry
            descriptor = disk.reopen(self.path, os.O_WRONLY | os.O_APPEND)
            try:
                disk.write_all(descriptor, line)
                disk.sync(descriptor)
            finally:
                os.close(descriptor)
            # 3. the key that signed is gone
            os.replace(self._coming, self._signer)
            disk.sync_folder(self._folder)
        except OSError as error:
            raise _unwritable(error) from None
        return hexdigest(line[:-1])

    def _entry(self, seq: int, prev: str, kind: str, facts: dict[str, Any], coming: Signer) -> Entry:
        entry = {"seq": seq, "day": day(self._clock.now()), "kind": kind, "prev": prev, "next": coming.public.hex()}
        return {**facts, **entry}

    def _open(self) -> tuple[Entry, bytes, Signer]:
        """The last entry, its line and the key that signs the next; finishes or undoes what a crash left."""
        tail, size = self._tail()
        signer, coming = self._read_signer(self._signer), self._read_signer(self._coming)
        for place, (line, end) in enumerate(reversed(tail)):
            entry = _parse(line)
            if entry is None:
                continue  # torn with an end of line in it; cut only if the key on disk says that it never counted
            if place == 0 and coming is not None and entry["next"] == coming.public.hex():
                os.replace(self._coming, self._signer)
                disk.sync_folder(self._folder)
            elif signer is not None and entry["next"] == signer.public.hex():
                coming = signer
            else:
                break
            if end < size:
                self._cut(end)
            return entry, line, coming
        raise IntegrityError(
            "the ledger's next signing key is not here",
            "The ledger was changed or restored from a copy. Run: desktop-logger verify",
        )

    def _cut(self, end: int) -> None:
        descriptor = disk.reopen(self.path, os.O_RDWR)
        try:
            os.ftruncate(descriptor, end)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _tail(self) -> tuple[list[tuple[bytes, int]], int]:
        """The last whole lines (at least two, if there are) with the offset after each, and the file's size."""
        try:
            descriptor = disk.reopen(self.path, os.O_RDONLY)
        except FileNotFoundError:
            raise IntegrityError("the ledger is missing", "Run: desktop-logger verify") from None
        with open(descriptor, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            reach = 1 << 14
            while True:
                start = max(0, size - reach)
                file.seek(start)
                data = file.read(size - start)
                if start == 0 or data.count(b"\n") > 2 or reach > 2 * LARGEST_ENTRY:
                    break
                reach *= 4
        tail, begin = [], data.find(b"\n") + 1 if start else 0  # in the middle of the file, begin with a whole line
        while (end := data.find(b"\n", begin)) >= 0:
            tail.append((data[begin:end], start + end + 1))
            begin = end + 1
        return tail, size

    def _read_signer(self, path: str) -> Signer | None:
        try:
            secret = disk.read(path, 64)
        except OSError:
            return None
        return Signer.from_bytes(secret) if len(secret) == 32 else None

    def lines(self) -> list[bytes]:
        """All whole lines, oldest first, unchecked and without their ends; a torn last entry is left out."""
        try:
            data = disk.read(self.path, _LARGEST_LEDGER)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unwritable(error) from None
        return data[: data.rfind(b"\n") + 1].split(b"\n")[:-1]

    def entries(self) -> list[Entry]:
        """All entries, oldest first, for their facts. Chain, signatures and canonical form: see ``verify``.

        Raises ``IntegrityError`` for a line that is not an entry.
        """
        found: list[Entry] = []
        for number, line in enumerate(self.lines(), 1):
            try:
                entry = json.loads(line)
                known = entry["kind"] in KINDS
            except (ValueError, TypeError, KeyError, RecursionError):
                known = False
            if not known:
                raise IntegrityError(f"line {number} of the ledger is not an entry", "Run: desktop-logger verify")
            found.append(entry)
        return found

    def head(self) -> str:
        """SHA-256 of the last entry in hexadecimal, ``FIRST`` without a ledger: what a person can keep."""
        lines = self.lines()
        return hexdigest(lines[-1]) if lines else FIRST

    def verify(self, anchor: str | None = None) -> list[Entry]:
        """Check every hash, signature and number; return the entries. The caller holds the store lock.

        ``anchor`` is a head that somebody kept: the ledger must still contain it. Raises ``IntegrityError``.
        """
        return list(self._verified(anchor))

    def _verified(self, anchor: str | None) -> Iterator[Entry]:
        prev, signer, seq, anchored = FIRST, "", 0, anchor is None
        for number, line in enumerate(self.lines(), 1):
            entry = _parse(line)
            if entry is None:
                raise IntegrityError(f"line {number} of the ledger is not an entry")
            if number == 1:
                if entry["kind"] != "ledger.created":
                    raise IntegrityError("the ledger does not begin with its creation")
                signer = str(entry.get("subject"))
            elif number == 2 and entry["kind"] == "checkpoint":
                # What stood between was folded away: the numbers go on, a kept head before it no longer occurs.
                seq, prev, signer = int(entry["seq"]), str(entry["prev"]), str(entry.get("signer"))
            elif entry["kind"] in ("ledger.created", "checkpoint"):
                raise IntegrityError(f"line {number} of the ledger is a beginning in the middle")
            if entry["seq"] != seq or entry["prev"] != prev:
                raise IntegrityError(f"line {number} of the ledger does not follow the one before it")
            try:
                public, signature = bytes.fromhex(signer), bytes.fromhex(entry["sig"])
                verify(public, _CONTEXT, canonical_without(line, entry, "sig"), signature)
            except (ValueError, IntegrityError):
                raise IntegrityError(f"line {number} of the ledger is not signed by the key before it") from None
            prev, signer, seq = hexdigest(line), entry["next"], seq + 1
            anchored = anchored or prev == anchor or entry["prev"] == anchor
            yield entry
        if prev == FIRST:
            raise IntegrityError("the ledger is missing")
        if signer not in {key.public.hex() for key in map(self._read_signer, (self._signer, self._coming)) if key}:
            raise IntegrityError("the ledger ends before its next signing key", "Entries at its end were removed.")
        if not anchored:
            raise IntegrityError("the ledger does not contain the head you kept", "It was cut, replaced or folded.")

    def fold(self, **facts: Any) -> str:
        """Replace all entries but the first by one checkpoint, and return the new head. Under the store lock.

        The checkpoint names the head it replaces, and the key that signs it; the numbers go on.
        """
        last, line, signer = self._open()
        first = self.lines()[0]
        coming = Signer.generate()
        seq, prev = last["seq"] + 1, hexdigest(line)
        named = {**facts, "signer": signer.public.hex()}
        checkpoint = _line(self._entry(seq, prev, "checkpoint", named, coming), signer)
        try:
            with suppress(FileNotFoundError):
                os.unlink(self._coming)
            disk.write_new(self._coming, coming.secret())
            disk.replace(self.path, first + b"\n" + checkpoint)
            os.replace(self._coming, self._signer)
            disk.sync_folder(self._folder)
        except OSError as error:
            raise _unwritable(error) from None
        return hexdigest(checkpoint[:-1])


def _unwritable(error: OSError) -> Unavailable:
    return Unavailable(
        f"the ledger cannot be read or written: {error.strerror}", "Free some room, or check the folder's permissions."
    )


def _line(entry: Entry, signer: Signer) -> bytes:
    return canonical({**entry, "sig": signer.sign(_CONTEXT, canonical(entry)).hex()}) + b"\n"


def _parse(line: bytes) -> Entry | None:
    """An entry with its fixed fields in their types, or ``None``."""
    try:
        entry = parse_canonical(line)
    except IntegrityError:
        return None
    if not isinstance(entry, dict) or any(not isinstance(entry.get(name), str) for name in RESERVED[1:]):
        return None
    if type(entry.get("seq")) is not int or entry["kind"] not in KINDS:
        return None
    return entry
