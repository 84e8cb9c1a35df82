"""What lies in the outboxes: bundles and erasure requests. Requests are noted before anything else is done.

Files that are neither are left alone and not mentioned; a file that claims to be one and is not is refused with its
reason. Folders are walked as they are read: any number of files fits.
"""

from __future__ import annotations

import glob
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from desktop_logger import bundle
from desktop_logger.bundle import ERASURE_LIMIT, ERASURE_SUFFIX, SUFFIX
from desktop_logger.clock import Clock
from desktop_logger.dataset.folder import mark_pending
from desktop_logger.errors import IntegrityError, Unavailable, UsageError

from . import lineage, places
from .folder import Folder
from .ledger import Facts
from .opening import contents_of


class Refusal(NamedTuple):
    """A file that was not used, and why."""

    file: str
    reason: str
    hint: str = ""
    """What somebody can do about it."""

    def __str__(self) -> str:
        """For a terminal: a file's name may hold anything, so only what is printable of it."""
        return "".join(one if one.isprintable() else "?" for one in f"{os.path.basename(self.file)}: {self.reason}")


class Refusals:
    """Refusals in the order in which they came, however many: what is more than a few lies in an unnamed file."""

    IN_MEMORY = 1 << 16

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(self.IN_MEMORY)  # noqa: SIM115 - goes with the last report of it
        self._count = 0

    def append(self, one: Refusal) -> None:
        """One more."""
        try:
            self._file.seek(0, os.SEEK_END)
            self._file.write(json.dumps(one).encode() + b"\n")
        except OSError as error:
            raise Unavailable(
                f"cannot note what is refused: {error.strerror}",
                "Make room where temporary files lie, then try again.",
            ) from None
        self._count += 1

    def extend(self, several: Iterable[Refusal]) -> None:
        """Some more."""
        for one in several:
            self.append(one)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Refusal]:
        place = 0
        for _ in range(self._count):
            self._file.seek(place)
            line = self._file.readline()
            place += len(line)
            yield Refusal(*json.loads(line))

    def __del__(self) -> None:
        self._file.close()


def folders(sources: Iterable[str]) -> list[str]:
    """The folders that are named, patterns such as ``inbox/*`` expanded. Raises ``UsageError`` for none."""
    found: dict[str, None] = {}
    for source in sources:
        if places.is_remote(source):
            found[places.absolute(source)] = None
            continue
        here = [source] if os.path.isdir(source) else sorted(filter(os.path.isdir, glob.glob(source)))
        if not here:
            raise UsageError(f"{source} is not a folder", "Name the folder that holds the bundles.")
        found.update(dict.fromkeys(here))
    return list(found)


def listed(sources: Iterable[str], suffix: str) -> Iterator[str]:
    """Files with this suffix in the outboxes and folders below them."""
    for folder in folders(sources):
        yield from places.walk(folder, suffix)


def bundles(sources: Iterable[str]) -> Iterator[str]:
    """All bundle files."""
    return listed(sources, SUFFIX)


def devices(folder: Folder) -> dict[str, str]:
    """Erasure request → the device key (hex) that signed it, of all that were noted."""
    return {one["request"]: one["device"] for one in folder.ledger.entries() if one["kind"] == "erasure.noted"}


def name_of(request: bundle.Erasure, claimed: Mapping[str, str]) -> str:
    """What a request is noted as: its id, with its device key behind it where another device came with that id before.

    Whoever can read an outbox can write a request of their own with somebody's id; it must not stand in theirs' place.
    """
    device = request.device.hex()
    return request.request if claimed.get(request.request, device) == device else f"{request.request}-{device}"


def note_erasures(folder: Folder, sources: Iterable[str], clock: Clock) -> tuple[int, list[Refusal]]:
    """Note every new erasure request in the ledger; returns how many were new, and what was refused.

    From here on what they name is not opened, and nothing may be made from exports that hold it.
    """
    known, claimed = folder.ledger.known(), devices(folder)
    fresh: dict[str, Facts] = {}
    refused: list[Refusal] = []
    for path in listed(sources, ERASURE_SUFFIX):
        try:
            request = bundle.parse_erasure(contents_of(path, ERASURE_LIMIT))
        except IntegrityError as error:
            refused.append(Refusal(path, error.message, error.hint or ""))
            continue
        if (name := name_of(request, claimed)) not in known.requests:
            claimed[name] = request.device.hex()
            fresh[name] = {
                "request": name,
                "device": request.device.hex(),
                "segments": list(request.segments),
                "bundles": list(request.bundles),
            }
    folder.ledger.extend(clock, "erasure.noted", folder.who, list(fresh.values()))
    if fresh:
        known = folder.ledger.known()
    for one in lineage.affected(folder, known) if known.requests else ():
        if not places.is_remote(one.out) or places.exists(one.out):
            with places.written(one.out) as out:
                mark_pending(out, sorted(known.requests - known.carried_out))
    return len(fresh), refused
