"""What comes back to a person: who exported what for which purpose, and that an erasure was carried out.

Canonical ``{v, kind, by, day, …, bundles, signature}``, signed by the controller's key, which the person compared when
they joined. ``by`` is the reader key's fingerprint that the receipt names; ``bundles`` are header digests, which mean
something only to the computer that wrote those bundles. ``exported`` adds ``export`` and ``purpose``; ``erased`` adds
``request``, ``exports`` and ``rows`` (how many were rewritten, how many rows went) and ``models`` (ids of training runs
that had seen them).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from desktop_logger.errors import IntegrityError
from desktop_logger.sealing import Signer, canonical, verify

from .checks import canonical_object, check_keys, unhex

SUFFIX = ".ack.json"
LIMIT = 4 << 20
MOST_BUNDLES = 50_000
"""In one acknowledgement; more are split."""
VERSION = 1
_CONTEXT = "acknowledgement"
_KEYS = {
    "exported": {"v", "kind", "by", "day", "export", "purpose", "bundles"},
    "erased": {"v", "kind", "by", "day", "request", "device", "exports", "rows", "models", "bundles"},
}


class Acknowledgement(NamedTuple):
    """A verified acknowledgement."""

    kind: str
    by: str
    day: str
    id: str
    """The export's, or the erasure request's."""
    purpose: str
    bundles: tuple[str, ...]
    exports: int
    rows: int
    models: tuple[str, ...]
    device: str
    """The key that signed the request, in hex: another's request may carry the same id. Empty for exports."""


def write_exported(controller: Signer, *, by: str, day: str, export: str, purpose: str, bundles: list[str]) -> bytes:
    """Somebody exported these bundles."""
    body = {
        "v": VERSION, "kind": "exported", "by": by, "day": day, "export": export, "purpose": purpose,
        "bundles": sorted(bundles),
    }  # fmt: skip
    return _signed(controller, body)


def write_erased(
    controller: Signer, *, by: str, day: str, request: str, device: str, exports: int, rows: int, models: list[str],
    bundles: list[str],
) -> bytes:  # fmt: skip
    """This erasure request was carried out: no row of these bundles is left in any export that is known."""
    body = {
        "v": VERSION, "kind": "erased", "by": by, "day": day, "request": request, "device": device,
        "exports": exports, "rows": rows, "models": sorted(models), "bundles": sorted(bundles),
    }  # fmt: skip
    return _signed(controller, body)


def parse_acknowledgement(data: bytes, controller: bytes) -> Acknowledgement:
    """Check and read one. Raises ``IntegrityError`` unless this controller signed it."""
    what = "the acknowledgement"
    if len(data) > LIMIT:
        raise IntegrityError(f"{what} is larger than one can be")
    body = canonical_object(data, what)
    signature = unhex(body.pop("signature", None), 128, f"{what}'s signature")
    if body.get("v") != VERSION or body.get("kind") not in list(_KEYS):  # a list: what came may have no hash
        raise IntegrityError(f"{what} is of another format version", "Update desktop-logger here.")
    check_keys(body, _KEYS[body["kind"]], what)
    erased = body["kind"] == "erased"
    unhex(body["request" if erased else "export"], 32, f"{what}'s id")
    if erased:
        unhex(body["device"], 64, f"{what}'s device key")
    for name, pattern in (("by", "([A-Z2-7]{4}-){7}[A-Z2-7]{4}"), ("day", "[0-9]{4}-[0-9]{2}-[0-9]{2}")):
        if not isinstance(body[name], str) or not re.fullmatch(pattern, body[name], re.ASCII):
            raise IntegrityError(f"{what}'s {name} is malformed")
    for name, digits in (("bundles", 64), *((("models", 32),) if erased else ())):
        if not isinstance(body[name], list):
            raise IntegrityError(f"{what}'s {name} are not a list")
        for one in body[name]:
            unhex(one, digits, f"one of {what}'s {name}")
    if erased and not all(type(body[name]) is int and body[name] >= 0 for name in ("exports", "rows")):
        raise IntegrityError(f"{what}'s counts are malformed")
    if not erased and not (
        isinstance(body["purpose"], str) and re.fullmatch("[a-z0-9][a-z0-9-]{0,63}", body["purpose"], re.ASCII)
    ):
        raise IntegrityError(f"{what}'s purpose is malformed")
    verify(controller, _CONTEXT, canonical(body), signature)
    return Acknowledgement(
        body["kind"], body["by"], body["day"], body["request" if erased else "export"], body.get("purpose", ""),
        tuple(body["bundles"]), body.get("exports", 0), body.get("rows", 0), tuple(body.get("models", ())),
        body.get("device", ""),
    )  # fmt: skip


def _signed(controller: Signer, body: dict[str, object]) -> bytes:
    return canonical({**body, "signature": controller.sign(_CONTEXT, canonical(body)).hex()})
