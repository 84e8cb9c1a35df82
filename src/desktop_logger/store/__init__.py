"""The store: ledger, segments and keystore together. Append, look, release, purge, verify.

Every function holds the store lock itself for as long as it needs it; ``locked`` holds it over several. What a
writer needs (``open_segment``, ``Segment``, ``note_stopped``) reads nothing back.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from desktop_logger import keystore
from desktop_logger.clock import Clock
from desktop_logger.errors import Refused, Unavailable
from desktop_logger.ledger import Ledger
from desktop_logger.paths import Home
from desktop_logger.sealing import Kek, Signer

from . import ballast
from .known import last_epoch, locked
from .purging import PurgeReceipt, purge, purge_without_ledger, recall, retention
from .reading import (
    SegmentInfo,
    approve,
    choose_range,
    for_release,
    open_stream,
    read_body,
    read_header,
    segments,
)
from .recovering import Recovery, recover
from .verifying import Report, Verdict, verify
from .writing import QUEUE_RECORDS, Segment, open_segment

if TYPE_CHECKING:
    from desktop_logger.consent.grant import Grant

__all__ = [
    "QUEUE_RECORDS",
    "PurgeReceipt",
    "Recovery",
    "Report",
    "Segment",
    "SegmentInfo",
    "Verdict",
    "approve",
    "choose_range",
    "create",
    "for_release",
    "locked",
    "note",
    "note_started",
    "note_stopped",
    "note_withdrawn",
    "open_segment",
    "open_stream",
    "purge",
    "purge_without_ledger",
    "read_body",
    "read_header",
    "recall",
    "recover",
    "retention",
    "segments",
    "verify",
]


def create(home: Home, clock: Clock, subject: Signer, kek_place: str, *, fresh: bool = False) -> Ledger:
    """At the ceremony: folders, the KEK's place and first epoch, the ledger. What is there already is kept.

    A ledger of another identity is refused; with ``fresh`` (a new identity, because the passphrase is lost) everything
    that the old one could have opened is deleted first.
    """
    home.create(home.ledger, home.segments, home.outbox)
    ballast.lay(home)
    with locked(home):
        ledger = Ledger(home, clock)
        if ledger.exists() and ledger.entries()[0].get("subject") != subject.public.hex():
            if not fresh:
                raise Refused(
                    "this store belongs to another identity",
                    "To start afresh: desktop-logger consent sign --new-identity",
                )
            purge(home, clock, everything=True)
            keystore.remove_folder(home.ledger)
            home.create(home.ledger)
        if not os.path.exists(os.path.join(home.kek, "place.json")):
            keystore.fix_place(home, kek_place)
        keystore.settle(home)
        _ensure_kek(home, ledger)
        return ledger if ledger.exists() else Ledger.create(home, clock, subject)


def _ensure_kek(home: Home, ledger: Ledger) -> None:
    try:
        epoch = keystore.current_epoch(home)
        if keystore.find_kek(home, epoch) is not None:
            return
        if keystore.listed(home):
            raise Refused(
                "the key of your recorded segments is not in this keyring",
                "Log in to the session that has it, or delete the segments: desktop-logger purge --all",
            )
    except Unavailable:
        if os.path.exists(os.path.join(home.keystore, "keys")):
            raise
    known = ledger.entries() if ledger.exists() else []  # an epoch is never used twice
    epoch = max(last_epoch(known), *keystore.epochs(home), 0) + 1
    keystore.store_kek(home, epoch, Kek.generate())
    keystore.create_folder(home, epoch)


def note(home: Home, clock: Clock, kind: str, **facts: object) -> str:
    """Add one fact to the ledger and return its head."""
    with locked(home):
        return Ledger(home, clock).append(kind, **facts)


def note_withdrawn(home: Home, clock: Clock, kind: str, *, patience_s: float = 10.0, **facts: object) -> list[str]:
    """Enter a withdrawal, and before it ask for what was released to be erased. Returns notes for the person.

    Raises ``Unavailable`` when somebody holds the store for longer than ``patience_s``; whoever enters it then, asks.
    """
    with locked(home, patience_s):
        notes = recall(home, clock)
        Ledger(home, clock).append(kind, **facts)
        return notes


def note_started(home: Home, clock: Clock, grant: Grant) -> None:
    """Recording starts under this receipt."""
    note(home, clock, "started", receipt=grant.receipt_hash, profile=grant.own.name)


def note_stopped(home: Home, clock: Clock, gaps: dict[str, int]) -> None:
    """Recording has ended; ``gaps`` are seconds by reason since it started."""
    note(home, clock, "stopped", gaps=gaps)
