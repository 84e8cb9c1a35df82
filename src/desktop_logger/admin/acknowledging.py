"""Telling people: signed acknowledgements of exports and erasures, put where their bundles and requests came from.

Whatever carries an outbox to us can carry them back; ``logger ledger --exports`` and ``logger erasures`` read them.
A folder that cannot be written to stops nothing: the file is kept under ``acks/`` in the admin folder, and said.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from contextlib import suppress

from desktop_logger import bundle, disk
from desktop_logger.bundle import ACK_SUFFIX, MOST_BUNDLES
from desktop_logger.errors import Unavailable
from desktop_logger.sealing import hexdigest

from . import places
from .folder import Folder, Keys
from .ledger import Facts


class Sender:
    """Puts acknowledgements in their places; remembers what could not be put there."""

    def __init__(self, folder: Folder, keys: Keys, day: str) -> None:
        self.folder, self.keys, self.day = folder, keys, day
        self.kept = 0

    def exported(self, place: str, export: str, purpose: str, digests: Iterable[str]) -> None:
        """These bundles of one outbox were exported."""
        coming = iter(digests)
        for start in itertools.count(0, MOST_BUNDLES):
            if not (some := list(itertools.islice(coming, MOST_BUNDLES))):
                break
            data = bundle.write_exported(
                self.keys.controller, by=self.keys.who, day=self.day, export=export, purpose=purpose,
                bundles=some,
            )  # fmt: skip
            self._put(place, data, f"{export}/{start}")

    def erased(self, place: str | None, noted: Facts, *, exports: int, rows: int, models: list[str]) -> None:
        """This request was carried out, as the ledger noted it."""
        data = bundle.write_erased(
            self.keys.controller, by=self.keys.who, day=self.day, request=noted["request"][:32], device=noted["device"],
            exports=exports, rows=rows, models=models, bundles=noted["bundles"],
        )  # fmt: skip
        self._put(place, data, noted["request"])

    def notes(self) -> list[str]:
        """What to tell the steward."""
        if not self.kept:
            return []
        return [f"{self.kept} acknowledgement(s) wait in {self._acks}: their outbox cannot be written to from here"]

    @property
    def _acks(self) -> str:
        return os.path.join(self.folder.root, "acks")

    def _put(self, place: str | None, data: bytes, what: str) -> None:
        """One file, whose name is the same when it is made again."""
        name = hexdigest(f"{what}/{place or ''}".encode())[:32] + ACK_SUFFIX
        if place is not None:
            with suppress(OSError, Unavailable):
                places.write(os.path.join(place, name), data)
                return
        self.kept += 1
        try:
            os.makedirs(self._acks, 0o700, exist_ok=True)
            disk.replace(os.path.join(self._acks, name), data)
        except OSError as error:
            raise Unavailable(f"cannot write {self._acks}: {error.strerror}", "Make room, then run it again.") from None
