"""The admin's own ledger: who registered, exported and erased what, on which day. A hash chain, one entry a line.

Entry: canonical ``{seq, day, kind, who, prev, …facts}``; ``prev`` is the SHA-256 of the line before. Everything that
an export must remember of people and erasures is read back from here and from nowhere else; which bundles an export
holds is in the lineage, of which an entry keeps the digest.
Whoever can write the file can write it anew from any entry on: it shows tampering to those who kept its head.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any, NamedTuple

from desktop_logger import disk
from desktop_logger.clock import Clock, day
from desktop_logger.errors import IntegrityError, Unavailable
from desktop_logger.sealing import canonical, hexdigest, parse_canonical

FIRST = "0" * 64

Entry = dict[str, Any]
Facts = dict[str, Any]


class Known(NamedTuple):
    """What the ledger remembers for the next export."""

    subjects: frozenset[str]
    """Fingerprints of registered subject identities."""
    erased: frozenset[tuple[str, str]]
    """(device key in hex, segment): never open these again."""
    gone: frozenset[tuple[str, str]]
    """(device key in hex, header digest) of bundles that carried erased segments; a request binds its own device's."""
    requests: frozenset[str]
    """Ids of erasure requests that were noted."""
    carried_out: frozenset[str]
    """Ids of those that were carried out in every export that is known."""
    exports: frozenset[str]
    """Ids of exports that were made."""


class Ledger:
    """Append, and read with the chain checked."""

    def __init__(self, path: str) -> None:
        self.path = path

    def entries(self) -> list[Entry]:
        """All entries. Raises ``IntegrityError`` naming the line where the chain breaks."""
        entries: list[Entry] = []
        prev = FIRST
        for number, line in enumerate(self._lines(), 1):
            try:
                entry = parse_canonical(line)
                whole = entry["prev"] == prev and entry["seq"] == number
            except (IntegrityError, KeyError, TypeError):
                whole = False
            if not whole:
                raise IntegrityError(f"{self.path}: line {number} does not follow the line before it (altered)")
            entries.append(entry)
            prev = hexdigest(line)
        return entries

    def head(self) -> str:
        """Digest of the last entry: what to note down elsewhere."""
        lines = self._lines()
        return hexdigest(lines[-1]) if lines else FIRST

    def append(self, clock: Clock, kind: str, who: str, **facts: Any) -> None:
        """Add one entry, durable on return. Raises ``Unavailable`` when it cannot be written."""
        self.extend(clock, kind, who, [facts])

    def extend(self, clock: Clock, kind: str, who: str, several: list[Facts]) -> None:
        """Add entries of one kind, in one write."""
        if not several:
            return
        try:
            with disk.locked(self.path + ".lock"):
                number, prev = len(self.entries()), self.head()
                lines = b""
                for facts in several:
                    number += 1
                    fixed = {"seq": number, "day": day(clock.now()), "kind": kind, "who": who, "prev": prev}
                    line = canonical({**facts, **fixed})
                    prev = hexdigest(line)
                    lines += line + b"\n"
                self._write(lines)
        except OSError as error:
            raise Unavailable(f"cannot write {self.path}: {error.strerror}", "Make room, then run it again.") from None

    def known(self) -> Known:
        """Everything an export must remember."""
        subjects: set[str] = set()
        erased: set[tuple[str, str]] = set()
        gone: set[tuple[str, str]] = set()
        requests: set[str] = set()
        carried_out: set[str] = set()
        exports: set[str] = set()
        for entry in self.entries():
            if entry["kind"] == "subject.added":
                subjects.add(entry["subject"])
            elif entry["kind"] == "subject.removed":
                subjects.discard(entry["subject"])
            elif entry["kind"] == "erasure.noted":
                erased.update((entry["device"], segment) for segment in entry["segments"])
                gone.update((entry["device"], digest) for digest in entry["bundles"])
                requests.add(entry["request"])
            elif entry["kind"] == "erased":
                carried_out.update(entry["requests"])
            elif entry["kind"] == "exported":
                exports.add(entry["export"])
        return Known(
            frozenset(subjects), frozenset(erased), frozenset(gone), frozenset(requests), frozenset(carried_out),
            frozenset(exports),
        )  # fmt: skip

    def _lines(self) -> list[bytes]:
        """Whole lines; a torn last one, from a crash while appending, is not an entry."""
        try:
            with open(self.path, "rb") as file:
                return file.read().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Unavailable(f"cannot read {self.path}: {error.strerror}") from None

    def _write(self, lines: bytes) -> None:
        if not os.path.lexists(self.path):
            with contextlib.suppress(FileExistsError):
                os.close(disk.create(self.path))
        descriptor = disk.reopen(self.path, os.O_RDWR)
        try:
            whole = sum(len(one) + 1 for one in self._lines())
            os.ftruncate(descriptor, whole)  # cut what a crash left
            os.lseek(descriptor, 0, os.SEEK_END)
            disk.write_all(descriptor, lines)
            disk.sync(descriptor)
        finally:
            os.close(descriptor)
