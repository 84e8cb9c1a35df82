"""The format of a bundle: one released segment on its way to an admin. Pure bytes.

::

    bundle := MAGIC | u32 length | header | signature(64) | part*
    header := canonical {v, bundle, prev, anchor, recipients[fingerprint], parts[{name, bytes, sha256}]}
    parts  := sealed/<n> for each recipient n, then stanzas, then stream

- ``sealed/<n>`` is HPKE to recipient n of canonical ``{manifest, receipt, policy}``: the same plaintext for each.
- ``stanzas`` is a canonical list of admin stanzas of granted scopes; ``stream`` the ``.release`` file as sealed.
- ``prev`` is the SHA-256 of the previous bundle's header, ``FIRST`` in the first; ``anchor`` the ledger's head.
- The device key signs the header, which pins every part. Who the device is stands in the sealed receipt only.

Invariants: no time in the clear; one byte changed anywhere is refused; lengths are bounded before anything is
read; nothing here does I/O or knows a store.
"""

from __future__ import annotations

import re
import struct
from typing import Any, NamedTuple

from desktop_logger.errors import IntegrityError, OtherVersion, Unreadable
from desktop_logger.sealing import (
    LABEL,
    SIGNATURE_BYTES,
    Reader,
    Signer,
    canonical,
    hexdigest,
    random_id,
    seal_to,
    verify,
)

from .checks import canonical_object, canonical_value, check_keys, unhex

MAGIC = b"desktop-logger bundle 1\n"
_OTHER = re.compile(rb"desktop-logger bundle [0-9]{1,9}\n")
VERSION = 1
FIRST = "0" * 64
SUFFIX = ".bundle"

_LENGTH = struct.Struct("<I")
_HEADER_LIMIT = 16 << 10
_SEALED_LIMIT = 512 << 10
_STANZAS_LIMIT = 256 << 10
_STREAM_LIMIT = 8 << 20
_RECIPIENTS_LIMIT = 16
FILE_LIMIT = _HEADER_LIMIT + _RECIPIENTS_LIMIT * _SEALED_LIMIT + _STANZAS_LIMIT + _STREAM_LIMIT

_HEADER_KEYS = {"v", "bundle", "prev", "anchor", "recipients", "parts"}
_CONTENT_KEYS = {"manifest", "receipt", "policy"}
_CONTEXT = "bundle"


class Bundle(NamedTuple):
    """A parsed bundle: every part has its stated length and digest. Not yet: who signed it."""

    id: str
    prev: str
    anchor: str
    digest: str
    """SHA-256 of the header: what the next bundle names as ``prev``."""
    header: bytes
    signature: bytes
    sealed: dict[str, bytes]
    """Recipient's fingerprint → contents sealed to it."""
    stanzas: list[dict[str, Any]]
    stream: bytes


def write(
    device: Signer,
    *,
    prev: str,
    anchor: str,
    recipients: dict[str, bytes],
    contents: dict[str, Any],
    stanzas: list[dict[str, Any]],
    stream: bytes,
    bundle: str | None = None,
) -> bytes:
    """The bytes of a bundle.

    ``recipients`` maps fingerprint to public reader key; ``contents`` has exactly ``manifest``, ``receipt`` and
    ``policy``; ``stanzas`` are JSON objects; ``stream`` is the release file, untouched.
    """
    bundle = bundle or random_id()
    if set(contents) != _CONTENT_KEYS:
        raise IntegrityError(f"a bundle's contents are {sorted(_CONTENT_KEYS)}, not {sorted(contents)}")
    plaintext = canonical(contents)
    bodies = [
        (f"sealed/{n}", seal_to(public, plaintext, _info(bundle, fingerprint)))
        for n, (fingerprint, public) in enumerate(recipients.items())
    ]
    bodies += [("stanzas", canonical(stanzas)), ("stream", stream)]
    header = canonical(
        {
            "v": VERSION,
            "bundle": bundle,
            "prev": prev,
            "anchor": anchor,
            "recipients": list(recipients),
            "parts": [{"name": name, "bytes": len(body), "sha256": hexdigest(body)} for name, body in bodies],
        }
    )
    signature = device.sign(_CONTEXT, header)
    data = b"".join([MAGIC, _LENGTH.pack(len(header)), header, signature, *(body for _, body in bodies)])
    parse(data)  # what we write, we can read: limits and shapes are checked on this side too
    return data


def parse(data: bytes) -> Bundle:
    """Take a bundle apart. Raises ``IntegrityError`` naming what is wrong; never returns a part unchecked."""
    # 1. the envelope
    if len(data) > FILE_LIMIT:
        raise IntegrityError("the bundle is larger than a bundle can be")
    if not data.startswith(MAGIC):
        if _OTHER.match(data):
            raise OtherVersion("a bundle of another format version", "Update desktop-logger here.")
        raise IntegrityError("not a bundle (unknown first bytes)")
    start = len(MAGIC) + _LENGTH.size
    if len(data) < start:
        raise IntegrityError("the bundle is truncated in its first bytes")
    (length,) = _LENGTH.unpack_from(data, len(MAGIC))
    if length > _HEADER_LIMIT:
        raise IntegrityError("the bundle's header is longer than a header can be")
    header = data[start : start + length]
    signature = data[start + length : start + length + SIGNATURE_BYTES]
    if len(header) < length or len(signature) < SIGNATURE_BYTES:
        raise IntegrityError("the bundle is truncated in its header")
    # 2. the header: canonical, known keys, known version
    fields = canonical_object(header, "the bundle's header")
    if fields.get("v") != VERSION:
        raise IntegrityError("the bundle is of another format version", "Update desktop-logger on this machine.")
    check_keys(fields, _HEADER_KEYS, "the bundle's header")
    for name, digits in (("bundle", 32), ("prev", 64), ("anchor", 64)):
        unhex(fields[name], digits, f"the header's {name}")
    recipients = fields["recipients"]
    if (
        not isinstance(recipients, list)
        or not 1 <= len(recipients) <= _RECIPIENTS_LIMIT
        or not all(isinstance(one, str) and 0 < len(one) <= 64 for one in recipients)
        or len(set(recipients)) != len(recipients)
    ):
        raise IntegrityError("the header's recipients are not a list of fingerprints")
    # 3. the parts, in their one order
    names = [*(f"sealed/{n}" for n in range(len(recipients))), "stanzas", "stream"]
    parts = fields["parts"]
    if not isinstance(parts, list) or len(parts) != len(names):
        raise IntegrityError("the header's parts are not the parts of a bundle")
    offset = start + length + SIGNATURE_BYTES
    bodies: list[bytes] = []
    for name, part in zip(names, parts, strict=True):
        if not isinstance(part, dict) or set(part) != {"name", "bytes", "sha256"} or part["name"] != name:
            raise IntegrityError(f"the header's part {name} is not described as it must be")
        limit = _STREAM_LIMIT if name == "stream" else _STANZAS_LIMIT if name == "stanzas" else _SEALED_LIMIT
        size = part["bytes"]
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= limit:
            raise IntegrityError(f"part {name} states a length that it cannot have")
        body = data[offset : offset + size]
        if len(body) < size:
            raise IntegrityError(f"the bundle is truncated in part {name}")
        if hexdigest(body) != part["sha256"]:
            raise IntegrityError(f"part {name} is not what the header says (altered)")
        bodies.append(body)
        offset += size
    if offset != len(data):
        raise IntegrityError("the bundle goes on after its last part")
    return Bundle(
        id=fields["bundle"],
        prev=fields["prev"],
        anchor=fields["anchor"],
        digest=hexdigest(header),
        header=header,
        signature=signature,
        sealed=dict(zip(recipients, bodies, strict=False)),
        stanzas=_stanzas(bodies[-2]),
        stream=bodies[-1],
    )


def stream_of(data: bytes, header_digest: str) -> bytes:
    """The stream of a bundle that ``parse`` accepted before and knew by its header's digest.

    Nothing else is looked at again. Raises ``IntegrityError`` where the bytes are no longer those.
    """
    start = len(MAGIC) + _LENGTH.size
    length = int.from_bytes(data[len(MAGIC) : start], "little")
    header = data[start : start + length]
    if hexdigest(header) == header_digest:
        part = canonical_object(header, "the bundle's header")["parts"][-1]
        stream = data[len(data) - part["bytes"] :]
        if hexdigest(stream) == part["sha256"]:
            return stream
    raise IntegrityError("the file changed after it was checked")


def open_contents(bundle: Bundle, fingerprint: str, reader: Reader) -> dict[str, Any]:
    """``manifest``, ``receipt`` and ``policy``, opened by one recipient. Raises ``Unreadable`` for any other."""
    sealed = bundle.sealed.get(fingerprint)
    if sealed is None:
        raise Unreadable("the bundle is not addressed to this key")
    contents = canonical_object(reader.open(sealed, _info(bundle.id, fingerprint)), "the bundle's contents")
    check_keys(contents, _CONTENT_KEYS, "the bundle's contents")
    return contents


def check_signature(bundle: Bundle, device_public: bytes) -> None:
    """Raise ``IntegrityError`` unless this device (from the receipt) signed the bundle's header."""
    verify(device_public, _CONTEXT, bundle.header, bundle.signature)


def _info(bundle: str, fingerprint: str) -> bytes:
    """What a sealed part is bound to: this bundle, this recipient."""
    return LABEL + f"bundle/{bundle}/{fingerprint}".encode()


def _stanzas(data: bytes) -> list[dict[str, Any]]:
    """The stanzas part as a list of objects; their fields are the opener's to check."""
    stanzas = canonical_value(data, "the stanzas")
    if not isinstance(stanzas, list) or not all(isinstance(one, dict) for one in stanzas):
        raise IntegrityError("the stanzas are not a list")
    return stanzas
