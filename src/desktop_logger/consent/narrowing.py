"""Narrowing: less of what was signed, from now on, without a passphrase.

``receipts/<receipt id>.narrowed.json`` names what is left of the receipt's scopes, purposes and profile, signed by
the receipt's device key. It replaces an earlier one, and only ever takes away; getting anything back is a ceremony.

Invariants: what is not whole, not signed, of another receipt or beyond the receipt closes the gate; a narrowing
cannot make anything valid that is not valid without it.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any, NamedTuple

from desktop_logger import disk, sealing
from desktop_logger.clock import Clock
from desktop_logger.errors import IntegrityError, NoConsent, Refused, Unavailable, UsageError
from desktop_logger.paths import Home
from desktop_logger.records.profiles import PROFILES, may_become

from . import identity
from .receipt import Receipt, unbase64
from .withdrawing import check_facts

FORMAT = "desktop-logger/narrowing/1"
_CONTEXT = "narrowing"
_LARGEST = 16 * 1024
_KEYS = {"format", "receipt", "receipt_sha256", "scopes", "purposes", "profile", "narrowed", "device", "signature"}


class Left(NamedTuple):
    """What is left of a receipt."""

    scopes: tuple[str, ...]
    purposes: tuple[str, ...]
    profile: str


def path_of(home: Home, receipt_id: str) -> str:
    """Where the narrowing of a receipt lies."""
    return os.path.join(home.receipts, f"{receipt_id}.narrowed.json")


def whole_of(receipt: Receipt) -> Left:
    """Everything that a receipt grants."""
    return Left(receipt.granted_scopes, receipt.granted_purposes, receipt.processing.profile)


def left_of(home: Home, receipt: Receipt, sha256: str) -> Left:
    """What holds of a receipt now. Raises ``NoConsent`` when its narrowing cannot be read or is not genuine."""
    whole = whole_of(receipt)
    path = path_of(home, receipt.header.id)
    try:
        data = disk.read(path, _LARGEST)
    except FileNotFoundError:
        return whole
    except OSError:
        raise NoConsent(f"cannot read {path}", "Run: desktop-logger doctor", state="ConsentInvalidated") from None
    try:
        document = verify(data)
        device = b64decode(receipt.parties.subject.device).hex()
        if (document["receipt"], document["receipt_sha256"], document["device"]) != (
            receipt.header.id, sha256, device,
        ):  # fmt: skip
            raise IntegrityError("narrowing: of another receipt")  # noqa: TRY301 - one way out for every defect
        left = Left(tuple(document["scopes"]), tuple(document["purposes"]), document["profile"])
        _refuse_beyond(whole, left)
    except (IntegrityError, UsageError) as error:
        raise NoConsent(
            f"{path}: {error.message}", "Run: desktop-logger consent sign", state="ConsentInvalidated"
        ) from None
    return left


def narrow(home: Home, clock: Clock, receipt: Receipt, sha256: str, left: Left) -> str:
    """Write what is left of the receipt; returns the file's path. Raises ``Refused`` when it is not narrower."""
    now = left_of(home, receipt, sha256)
    _refuse_beyond(now, left)
    if left == now:
        raise Refused("that is what holds already; nothing was changed", "See: desktop-logger consent status")
    device = identity.device(home)
    body = {
        "format": FORMAT, "receipt": receipt.header.id, "receipt_sha256": sha256, "scopes": list(left.scopes),
        "purposes": list(left.purposes), "profile": left.profile, "narrowed": int(clock.now()),
        "device": device.public.hex(),
    }  # fmt: skip
    made = b64encode(device.sign(_CONTEXT, sealing.canonical(body))).decode()
    path = path_of(home, receipt.header.id)
    try:
        disk.replace(path, sealing.canonical({**body, "signature": made}))
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}", "Run: desktop-logger doctor") from None
    return path


def chosen(now: Left, without: Sequence[str], not_for: Sequence[str], profile: str | None) -> Left:
    """``now`` less what is named. Raises ``UsageError`` for what is not there, ``Refused`` when nothing is left."""
    for named, there, what in ((without, now.scopes, "--without"), (not_for, now.purposes, "--not-for")):
        for one in named:
            if one not in there:
                raise UsageError(f"{what} {one[:40]}: not granted now", f"Granted now: {', '.join(there) or 'nothing'}")
    if profile is not None and profile not in PROFILES:
        raise UsageError(f"--profile {profile[:40]}: not one of {', '.join(PROFILES)}")
    scopes = tuple(one for one in now.scopes if one not in without)
    if not scopes:
        raise Refused(
            "nothing would be left; nothing was changed", "Take all of it back: desktop-logger consent withdraw"
        )
    return Left(scopes, tuple(one for one in now.purposes if one not in not_for), profile or now.profile)


def verify(data: bytes) -> dict[str, Any]:
    """A signed narrowing, checked on its own. Raises ``IntegrityError`` naming the field."""
    if len(data) > _LARGEST:
        raise IntegrityError("narrowing: too large")
    document = sealing.parse_canonical(data)
    if not isinstance(document, dict) or document.keys() != _KEYS or document["format"] != FORMAT:
        raise IntegrityError("narrowing: not of this version")
    for field in ("scopes", "purposes"):
        names = document[field]
        if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
            raise IntegrityError(f"narrowing: {field}: not a list of names")
    if not document["scopes"] or document["profile"] not in list(PROFILES):
        raise IntegrityError("narrowing: scopes or profile: not what a narrowing can leave")
    check_facts(document, "narrowing", "narrowed")
    body = {name: value for name, value in document.items() if name != "signature"}
    try:
        device = bytes.fromhex(document["device"])
        made = unbase64(document["signature"], sealing.SIGNATURE_BYTES, "signature")
    except (TypeError, ValueError):
        raise IntegrityError("narrowing: device or signature: malformed") from None
    sealing.verify(device, _CONTEXT, sealing.canonical(body), made)
    return document


def _refuse_beyond(whole: Left, left: Left) -> None:
    """A narrowing that gives something is none. Raises ``UsageError``."""
    more = set(left.scopes) - set(whole.scopes) or set(left.purposes) - set(whole.purposes)
    if more or not may_become(PROFILES[whole.profile], PROFILES[left.profile]):
        raise UsageError("that would be more than holds now", "More needs your signature: desktop-logger consent sign")
