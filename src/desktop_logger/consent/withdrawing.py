"""Withdrawal: as easy as giving, and never later than one file.

1. the marker (from here on the gate is closed) · 2. the withdrawal, signed by the device key · 3. its ledger entry, by
whoever next holds the store lock. The device key is destroyed by ``finish``, once nothing released is left to erase.

Invariants: no passphrase, no running daemon, no lock and no readable receipt is needed for the marker; every later
step may fail without undoing it.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from desktop_logger import disk, sealing
from desktop_logger.clock import Clock
from desktop_logger.errors import DesktopLoggerError, IntegrityError, NoConsent
from desktop_logger.paths import Home

from . import identity
from .gate import mark_withdrawn

FORMAT = "desktop-logger/withdrawal/1"
_CONTEXT = "withdrawal"
_LARGEST = 16 * 1024


def withdraw(home: Home, clock: Clock) -> str | None:
    """Withdraw now. The path of the signed withdrawal, ``None`` where there was nothing left to sign with."""
    if not os.path.lexists(home.receipt) and not os.path.lexists(home.withdrawn):
        raise NoConsent("there is no consent to withdraw", "Nothing is recorded. See: desktop-logger status")
    mark_withdrawn(home)
    from .validation import read, withdrawal_path

    try:
        data, receipt = read(home)
        device = identity.device(home)
        if device.public != receipt_device(receipt.parties.subject.device):
            return None
    except DesktopLoggerError:
        return None
    path = withdrawal_path(home, receipt.header.id)
    body = {
        "format": FORMAT, "receipt": receipt.header.id, "receipt_sha256": sealing.hexdigest(data),
        "state": "ConsentWithdrawn", "withdrawn": int(clock.now()), "device": device.public.hex(),
    }  # fmt: skip
    signature = b64encode(device.sign(_CONTEXT, sealing.canonical(body))).decode()
    with suppress(FileExistsError, OSError):
        disk.write_new(path, sealing.canonical({**body, "signature": signature}))
        disk.write_new(_pending(home), receipt.header.id.encode())
        disk.sync_folder(home.receipts)
    return path if os.path.lexists(path) else None


def finish(home: Home, *, released_remains: bool) -> bool:
    """Destroy the device key, unless what was released could then no longer be erased. Whether it is gone."""
    if released_remains:
        return False
    identity.destroy_device(home)
    return True


def record_pending(home: Home, record: Callable[..., Any]) -> bool:
    """Enter a withdrawal that is not in the ledger yet, through ``record``, which takes the lock. Whether there was."""
    try:
        receipt_id = disk.read(_pending(home), 64).decode()
    except (OSError, UnicodeDecodeError):
        return False
    record("consent.withdrawn", receipt=receipt_id)
    with suppress(FileNotFoundError):
        os.unlink(_pending(home))
    return True


def verify(data: bytes) -> dict[str, Any]:
    """A signed withdrawal, checked. Raises ``IntegrityError``."""
    if len(data) > _LARGEST:
        raise IntegrityError("withdrawal: too large")
    document = sealing.parse_canonical(data)
    keys = {"format", "receipt", "receipt_sha256", "state", "withdrawn", "device", "signature"}
    if not isinstance(document, dict) or document.keys() != keys or document["format"] != FORMAT:
        raise IntegrityError("withdrawal: not of this version")
    check_facts(document, "withdrawal", "withdrawn")
    if document["state"] != "ConsentWithdrawn":
        raise IntegrityError("withdrawal: state: not what a withdrawal says")
    from .receipt import unbase64

    body = {name: value for name, value in document.items() if name != "signature"}
    try:
        device = bytes.fromhex(document["device"])
        signature = unbase64(document["signature"], sealing.SIGNATURE_BYTES, "signature")
    except (TypeError, ValueError):
        raise IntegrityError("withdrawal: device or signature is malformed") from None
    sealing.verify(device, _CONTEXT, sealing.canonical(body), signature)
    return document


def check_facts(document: dict[str, Any], what: str, when: str) -> None:
    """What a narrowing and a withdrawal share: whose they are, and a time that a calendar has.

    Raises ``IntegrityError`` naming the field: both are printed, so neither may hold any text.
    """
    for field, size in (("receipt", 32), ("receipt_sha256", 64)):
        text = document[field]
        if not isinstance(text, str) or len(text) != size or set(text) - set("0123456789abcdef"):
            raise IntegrityError(f"{what}: {field}: not that of a receipt")
    if type(document[when]) is not int or not 0 <= document[when] <= 1 << 40:
        raise IntegrityError(f"{what}: {when}: not a time")


def receipt_device(text: str) -> bytes:
    """The device key that a receipt names."""
    from base64 import b64decode

    return b64decode(text)


def _pending(home: Home) -> str:
    return os.path.join(home.consent, "withdrawal-to-record")
