"""Whether the papers of a consent are those that the ledger speaks of: for ``verify``, which changes nothing.

Looked at: the receipt in force, every copy of a receipt, narrowing and withdrawal, the identity and the device key.
Invariants: needs no passphrase; says which file is wrong and what with it, never what it holds.
"""

from __future__ import annotations

import os
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

from desktop_logger import disk, sealing
from desktop_logger.errors import DesktopLoggerError, IntegrityError, NoConsent
from desktop_logger.paths import Home

from . import identity, narrowing, receipt, validation, withdrawing


def problems(home: Home, entries: Sequence[Mapping[str, Any]], ledger_id: str) -> list[str]:
    """One sentence for each file that is not what it should be.

    ``entries``: the ledger's, for their facts; ``ledger_id``: SHA-256 of its first line.
    """
    given = {str(entry.get("receipt")) for entry in entries if entry["kind"] == "consent.given"}
    found: list[str] = []
    copies: dict[str, receipt.Receipt] = {}
    for name in sorted(_names(home.receipts)):
        path = os.path.join(home.receipts, name)
        try:
            _copy(path, name, copies, given)
        except OSError as error:
            found.append(f"{path}: {error.strerror}")
        except DesktopLoggerError as error:
            found.append(f"{path}: {error.message}")
    found += _in_force(home, copies, ledger_id)
    return found


def refuse_another_ledger(home: Home, ledger_id: str) -> None:
    """Raise ``NoConsent`` where the ledger is not the one in which the receipt in force was given."""
    _, made = validation.read(home)
    if made.ledger.id != ledger_id:
        raise NoConsent(
            "the ledger is not the one that your receipt names", "Run: desktop-logger consent sign",
            state="ConsentInvalidated",
        )  # fmt: skip


def _copy(path: str, name: str, copies: dict[str, receipt.Receipt], given: set[str]) -> None:
    """One file of ``receipts/``, which its name says what it is."""
    data = disk.read(path, receipt.LARGEST)
    which, _, kind = name.removesuffix(".json").partition(".")
    if not kind:
        copies[which] = made = receipt.verify(data)
        _agree(made.header.id == which, "it is another receipt than its name says")
        _agree(sealing.hexdigest(data) in given, "it is not the receipt that the ledger says was signed")
        return
    document = (narrowing if kind == "narrowed" else withdrawing).verify(data)
    _agree(document["receipt"] == which, f"it is of another receipt than its name says ({kind})")
    signed = copies.get(which)  # sorted before it
    if signed is not None:
        device = b64decode(signed.parties.subject.device).hex()
        _agree(document["device"] == device, "it was signed with another key than its receipt names")


def _in_force(home: Home, copies: dict[str, receipt.Receipt], ledger_id: str) -> list[str]:
    """What is wrong with the receipt in force and the keys beside it."""
    if not os.path.lexists(home.receipt):
        return []
    found = []
    try:
        made = receipt.verify(disk.read(home.receipt, receipt.LARGEST))
        _agree(made.ledger.id == ledger_id, "it was given in another ledger than the one that is here")
        _agree(copies.get(made.header.id) == made, "there is no copy like it among your receipts")
    except OSError as error:
        return [f"{home.receipt}: {error.strerror}"]
    except DesktopLoggerError as error:
        return [f"{home.receipt}: {error.message}"]
    subject = made.parties.subject
    try:
        here = identity.publics(home)
        _agree(
            (here.identity, here.reader) == (b64decode(subject.identity), b64decode(subject.reader)),
            "other keys than those that signed the receipt in force",
        )
    except DesktopLoggerError as error:
        found.append(error.message if home.identity in error.message else f"{home.identity}: {error.message}")
    if not os.path.lexists(home.withdrawn):
        try:
            _agree(identity.device(home).public == b64decode(subject.device), "not the key of the receipt in force")
        except DesktopLoggerError as error:
            found.append(f"{home.device}: {error.message}")
    return found


def _names(folder: str) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.endswith(".json")]
    except OSError:
        return []


def _agree(condition: bool, what: str) -> None:
    if not condition:
        raise IntegrityError(what)
