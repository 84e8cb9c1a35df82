"""The ledger's file and the one-use keys that sign it: read, append, verify, fold.

Invariants: the caller of ``append`` and ``fold`` holds the store lock; an entry carries a day, never a time; each key
signs once and is destroyed; only a torn last entry is ever cut.

Appending: 1. next key to ``signer.new``, synced; 2. the entry, synced; 3. rename to ``signer``, folder synced.
On open: a tail that names ``signer.new`` → 3 is finished; a torn last entry → it is cut.
Folding: 1. a checkpoint is appended; 2. the lines it stands for are left out of the file, which is replaced as a whole.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import Any

from desktop_logger import disk
from desktop_logger.clock import Clock, day
from desktop_logger.errors import IntegrityError, Refused, Unavailable
from desktop_logger.paths import Home
from desktop_logger.sealing import Signer, hexdigest

from . import chain
from .chain import FIRST, FOLDED_DIGITS, KINDS, LARGEST_ENTRY, RESERVED, Entry, parse_entry, write_line

_LARGEST_LEDGER = 1 << 30


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
        disk.replace(ledger.path, write_line(entry, subject))
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
        line = write_line(self._entry(seq, prev, kind, facts, coming), signer)
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
                size = os.fstat(descriptor).st_size
                disk.write_all(descriptor, line)
                try:
                    disk.sync(descriptor)
                except OSError:
                    # Whether it is on the medium is unknown, and a second sync may lie: the entry is taken back.
                    os.ftruncate(descriptor, size)
                    raise
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
            entry = parse_entry(line)
            if entry is None:
                continue  # torn with an end of line in it; cut only if the key on disk says that it never counted
            if place == 0 and coming is not None and entry["next"] == coming.public.hex():
                disk.sync_again(self.path)  # the entry may not have reached the medium; its key must not before it
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

    def settle(self) -> None:
        """Finish or undo what a crash left of an append. Raises ``IntegrityError`` where that cannot be it."""
        self._open()

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
        lines, found = self.lines(), []
        try:
            together: list[Entry] = json.loads(b"[" + b",".join(lines) + b"]")
            if len(together) == len(lines) and all(entry["kind"] in KINDS for entry in together):
                return together
        except (ValueError, TypeError, KeyError, RecursionError):
            pass  # one of them is not an entry; below it is found and named
        for number, line in enumerate(lines, 1):
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

        ``anchor`` is a head, or its short code, that somebody kept: the ledger must still contain it, or a checkpoint
        must say that it was folded. Raises ``IntegrityError``.
        """
        signers = map(self._read_signer, (self._signer, self._coming))
        return chain.check(self.lines(), anchor, [key.public for key in signers if key])

    def fold(self, through: int | None = None, **facts: Any) -> str:
        """Let one checkpoint stand for the entries after the first up to number ``through``; returns the head.

        ``None`` folds all, and forgets their hashes too. The caller holds the store lock.
        """
        self.finish_fold()
        entries, lines = self.entries(), self.lines()
        gone = [place for place, entry in enumerate(entries) if place and (through is None or entry["seq"] <= through)]
        if not gone:
            return self.head()
        last = entries[gone[-1]]
        before = next((entry["folded"] for entry in reversed(entries) if entry["kind"] == "checkpoint"), "")
        if through is not None:
            facts["folded"] = before + "".join(hexdigest(lines[place])[:FOLDED_DIGITS] for place in gone)
        known = {"folded": "", "bundle": chain.bundle_before(entries), "through": last["seq"]}
        self.append("checkpoint", head=hexdigest(lines[gone[-1]]), signer=last["next"], **(known | facts))
        self.finish_fold()
        return self.head()

    def finish_fold(self) -> None:
        """Leave out the lines that a checkpoint stands for; nothing happens where none does. Under the store lock."""
        entries = self.entries()
        checkpoint = next((entry for entry in reversed(entries) if entry["kind"] == "checkpoint"), None)
        if checkpoint is None or entries[1]["seq"] > checkpoint["through"]:
            return
        self.settle()  # so that ``signer`` is the key that the last entry names
        lines = self.lines()
        kept = [
            lines[0],
            *(line for entry, line in zip(entries, lines, strict=True) if entry["seq"] > checkpoint["through"]),
        ]
        try:
            disk.replace(self.path, b"\n".join(kept) + b"\n")
        except OSError as error:
            raise _unwritable(error) from None


def _unwritable(error: OSError) -> Unavailable:
    return Unavailable(
        f"the ledger cannot be read or written: {error.strerror}", "Free some room, or check the folder's permissions."
    )
