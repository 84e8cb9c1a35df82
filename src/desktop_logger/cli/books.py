"""The store as the ceremony sees it: made at the first signature, deleted with lost keys, told what was agreed."""

from __future__ import annotations

import os
from typing import Any

from desktop_logger import control, keystore, store
from desktop_logger.clock import Clock
from desktop_logger.consent import withdrawing
from desktop_logger.errors import DesktopLoggerError, IntegrityError, Unavailable
from desktop_logger.ledger import Ledger
from desktop_logger.paths import Home
from desktop_logger.sealing import Signer, hexdigest
from desktop_logger.store.known import known_segments


class StoreBooks:
    """``consent.ceremony.Books`` on the real store of a home."""

    def __init__(self, home: Home, clock: Clock, patience_s: float = 10.0) -> None:
        self.home, self.clock, self.patience_s = home, clock, patience_s
        self.ledger = Ledger(home, clock)
        self.notes: list[str] = []
        """Sentences for the person about what a withdrawal has set going."""

    def exist(self) -> bool:
        """Whether there is a store already."""
        return self.ledger.exists()

    def kek_place(self) -> str:
        """Where the key-encryption key lies, or would be put: ``keyring`` where one is usable, else ``file``."""
        try:
            return keystore.kek_place(self.home)
        except Unavailable:
            return "keyring" if keystore.keyring_available() else "file"

    def begin(self, subject: Signer, place: str, *, afresh: bool) -> tuple[str, str]:
        """Make the store where there is none, after deleting what there is when ``afresh``. Ledger id and head."""
        if afresh:
            control.halt(self.home, "stop")
        store.create(self.home, self.clock, subject, place, fresh=afresh)
        with store.locked(self.home):
            lines = self.ledger.lines()
        if not lines:
            raise IntegrityError("the ledger is empty", "Run: desktop-logger verify")
        return hexdigest(lines[0]), hexdigest(lines[-1])

    def record(self, kind: str, **facts: Any) -> None:
        """One ledger entry. Raises ``Unavailable`` when somebody holds the store for longer than our patience."""
        with store.locked(self.home, self.patience_s):
            self.ledger.append(kind, **facts)

    def record_withdrawal(self, kind: str, **facts: Any) -> None:
        """The entry of a withdrawal; what was released is asked back with it."""
        self.notes += store.note_withdrawn(self.home, self.clock, kind, patience_s=self.patience_s, **facts)

    def released_remains(self) -> bool:
        """Whether the erasure of something that was released could still be asked for: that needs the device key."""
        try:
            known = known_segments(self.ledger.entries())
        except DesktopLoggerError:
            return True
        return any(one.bundles and not one.erased and not one.recalled for one in known.values())

    def end_if_withdrawn(self) -> bool | None:
        """After a deletion: destroy the device key of a withdrawn consent if nothing needs it any more.

        Whether it is gone; ``None`` where nothing is withdrawn.
        """
        if not os.path.lexists(self.home.withdrawn):
            return None
        return withdrawing.finish(self.home, released_remains=self.released_remains())
