"""The request to erase what was released: canonical JSON, signed by the device key that signed the bundles.

``{v, kind, request, device, segments, bundles, signature}``; no time, no reason.
"""

from __future__ import annotations

from typing import NamedTuple

from desktop_logger.errors import IntegrityError
from desktop_logger.sealing import Signer, canonical, random_id, verify

from .checks import canonical_object, check_keys, unhex

SUFFIX = ".erasure.json"
LIMIT = 4 << 20
VERSION = 1
_KEYS = {"v", "kind", "request", "device", "segments", "bundles"}
_CONTEXT = "erasure"


class Erasure(NamedTuple):
    """A device's signed request to erase what was released from these segments."""

    request: str
    device: bytes
    segments: tuple[str, ...]
    bundles: tuple[str, ...]
    """Header digests of the bundles that carried them, so that the chain stays checkable without them."""


def write_erasure(device: Signer, segments: list[str], bundles: list[str], request: str | None = None) -> bytes:
    """A signed request to erase released ``segments``, carried by bundles with these header digests.

    ``request`` is its id, by which an acknowledgement answers it; fresh where it is not given.
    """
    body = {
        "v": VERSION,
        "kind": "erasure",
        "request": request or random_id(),
        "device": device.public.hex(),
        "segments": sorted(segments),
        "bundles": sorted(bundles),
    }
    return canonical({**body, "signature": device.sign(_CONTEXT, canonical(body)).hex()})


def parse_erasure(data: bytes) -> Erasure:
    """Check and read an erasure request. It binds only what the same device key released."""
    if len(data) > LIMIT:
        raise IntegrityError("the erasure request is larger than one can be")
    body = canonical_object(data, "the erasure request")
    signature = unhex(body.pop("signature", None), 128, "the erasure request's signature")
    check_keys(body, _KEYS, "the erasure request")
    if body["v"] != VERSION or body["kind"] != "erasure":
        raise IntegrityError("the erasure request is of another format version", "Update desktop-logger here.")
    unhex(body["request"], 32, "the erasure request's id")
    device = unhex(body["device"], 64, "the erasure request's device key")
    for name, digits in (("segments", 32), ("bundles", 64)):
        if not isinstance(body[name], list):
            raise IntegrityError(f"the erasure request's {name} are not a list")
        for one in body[name]:
            unhex(one, digits, f"one of the erasure request's {name}")
    verify(device, _CONTEXT, canonical(body), signature)
    return Erasure(body["request"], device, tuple(body["segments"]), tuple(body["bundles"]))
