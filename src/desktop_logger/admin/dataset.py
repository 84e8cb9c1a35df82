"""A dataset folder while it is made, and the lineage that stays with the steward.

Invariants: a dataset appears whole or not at all; its rows carry a random session number and a split group and
nothing else that leads back; segments are read and written one at a time, so memory does not grow with the input.
"""

from __future__ import annotations

import hmac
import json
import os
import random
import shutil
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Self

from desktop_logger import disk
from desktop_logger.errors import DesktopLoggerError, Refused, Unavailable, UsageError
from desktop_logger.inspection import table
from desktop_logger.inspection.rows import EXPORT_FIELDS, FIELDS

from .card import Tally
from .folder import Folder, Keys
from .opening import Accepted, read
from .outboxes import Refusal

COLUMNS = (*EXPORT_FIELDS, *FIELDS)
SPLIT_GROUPS = 16


class Order(NamedTuple):
    """What an export is asked for."""

    sources: tuple[str, ...]
    out: str
    purpose: str
    form: str

    def check(self) -> None:
        """Refuse what can be refused before a passphrase is asked. Raises ``UsageError`` or ``Unavailable``."""
        table.check_format(self.form)
        if not self.purpose.strip():
            raise UsageError("--purpose is empty", "Name one of the purposes in the policy.")
        for source in self.sources:
            if not os.path.isdir(source):
                raise UsageError(f"{source} is not a folder", "Name the folder that holds the bundles.")
        above = os.path.dirname(os.path.abspath(self.out))
        if not os.path.isdir(above):
            raise UsageError(f"{above} does not exist", "Create it first.")


class Session(NamedTuple):
    """One exported segment: its number in the dataset, its rows, and where they came from."""

    number: int
    rows: int
    bundle: Accepted


class Written(NamedTuple):
    """What went into the table."""

    sessions: list[Session]
    tally: Tally
    refused: list[Refusal]


class Draft:
    """``OUT.partial`` until ``finish`` gives it its name; removed on the way out otherwise."""

    def __init__(self, out: str) -> None:
        self.out = os.path.abspath(out)
        self.partial = self.out + ".partial"

    def __enter__(self) -> Self:
        try:
            shutil.rmtree(self.partial, ignore_errors=True)  # what a crash left
            os.mkdir(self.partial, 0o700)
        except OSError as error:
            raise _unwritable(self.partial, error) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.partial, ignore_errors=True)

    def rows(self, form: str, accepted: list[Accepted], keys: Keys, step: Callable[[], None]) -> Written:
        """Read and write every bundle's rows, in random order; what cannot be read is refused and left out."""
        key = os.urandom(32)  # of this export only, and kept nowhere
        order = random.SystemRandom()
        shuffled = order.sample(accepted, len(accepted))
        numbers = order.sample(range(1 << 31), len(accepted))
        written = Written([], Tally(), [])
        with table.opened(os.path.join(self.partial, f"data.{form}"), form, COLUMNS) as target:
            for number, one in zip(numbers, shuffled, strict=True):
                step()
                try:
                    rows, profile = read(one, keys)
                except DesktopLoggerError as error:
                    written.refused.append(Refusal(one.path, error.message))
                    continue
                group = split_group(key, one.subject)
                target.add([{"profile": profile, "session": number, "split_group": group, **row} for row in rows])
                written.tally.add(rows, profile)
                written.sessions.append(Session(number, len(rows), one))
        written.tally.people = len({one.bundle.subject for one in written.sessions})
        return written

    def add(self, name: str, text: str) -> None:
        """A file beside the rows."""
        try:
            disk.replace(os.path.join(self.partial, name), text.encode())
        except OSError as error:
            raise _unwritable(self.partial, error) from None

    def finish(self) -> None:
        """Give the dataset its name. Refuses a folder that has appeared there meanwhile."""
        try:
            os.rename(self.partial, self.out)
            disk.sync_folder(os.path.dirname(self.out))
        except OSError:
            raise Refused(f"{self.out} exists already", "Choose a new folder, or remove it first.") from None


def split_group(key: bytes, subject: str) -> int:
    """0-15, the same for one person throughout one export (HMAC-SHA-256 under a key of that export)."""
    return hmac.digest(key, subject.encode(), "sha256")[0] % SPLIT_GROUPS


def keep_lineage(folder: Folder, export: str, order: Order, sessions: list[Session]) -> None:
    """Write where every row came from, for the steward only: it is what erasure follows."""
    lineage = {
        "v": 1,
        "export": export,
        "purpose": order.purpose,
        "format": order.form,
        "out": os.path.abspath(order.out),
        "sessions": [
            {
                "session": one.number,
                "rows": one.rows,
                "bundle": one.bundle.id,
                "digest": one.bundle.digest,
                "segment": one.bundle.manifest.segment,
                "device": one.bundle.device,
                "receipt": one.bundle.receipt,
                "subject": one.bundle.subject,
            }
            for one in sessions
        ],
    }
    try:
        disk.replace(_lineage_file(folder, export), (json.dumps(lineage, indent=1) + "\n").encode())
    except OSError as error:
        raise _unwritable(folder.lineage, error) from None


def read_lineage(folder: Folder, export: str) -> dict[str, Any]:
    """The lineage of an export of ours. Raises ``OSError`` or ``ValueError`` where there is none."""
    if len(export) != 32 or not export.isalnum():
        raise ValueError("not an export's id")
    with open(_lineage_file(folder, export), encoding="utf-8") as file:
        lineage: dict[str, Any] = json.load(file)
    return lineage


def _lineage_file(folder: Folder, export: str) -> str:
    return os.path.join(folder.lineage, f"{export}.json")


def _unwritable(path: str, error: OSError) -> Unavailable:
    return Unavailable(f"cannot write {path}: {error.strerror}", "Choose a folder that is yours and has room.")
