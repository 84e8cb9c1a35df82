"""Forms without secrets: canonical JSON, digests, fingerprints, random names. Standard library only."""

from __future__ import annotations

import json
import os
from base64 import b32encode
from typing import Any

from cryptography.hazmat.primitives import hashes

from desktop_logger.errors import IntegrityError

SUITE = "MLKEM768_X25519+HKDF-SHA256+AES-256-GCM"
LABEL = b"desktop-logger/v1/"
KEY_BYTES, NONCE_BYTES, TAG_BYTES, SIGNATURE_BYTES, DIGEST_BYTES = 32, 12, 16, 64, 32
LARGEST_INT = 2**53 - 1

Bytes = bytes | bytearray | memoryview


def canonical(value: Any) -> bytes:
    """RFC 8785 canonical JSON of ``str``, ``int`` (within ±(2**53 - 1)), ``bool``, ``None``, lists and mappings.

    Raises ``ValueError`` for anything else (floats too), so that two programs can never write one value two ways.
    """
    return json.dumps(_ordered(value), ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _ordered(value: Any) -> Any:
    if value is None or value is True or value is False or isinstance(value, str):
        return value
    if isinstance(value, int):
        if abs(value) > LARGEST_INT:
            raise ValueError("an integer beyond 2**53 - 1 has no canonical form")
        return int(value)
    if isinstance(value, list | tuple):
        return [_ordered(each) for each in value]
    if isinstance(value, dict):
        try:
            plain = "".join(value).isascii()
        except TypeError:
            raise ValueError("a key that is not a string has no canonical form") from None
        return {key: _ordered(value[key]) for key in sorted(value, key=None if plain else _utf16)}
    raise ValueError(f"a {type(value).__name__} has no canonical form")


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be")  # RFC 8785, section 3.2.3: keys are ordered by UTF-16 code units


def parse_canonical(data: bytes) -> Any:
    """The value of canonical JSON. Raises ``IntegrityError`` when ``data`` is not exactly its own canonical form."""
    try:
        value = _DECODER.decode(data.decode("utf-8"))
        # what came out of JSON without floats and long numbers, ASCII throughout, needs no look at each value
        same = (_encode_plain(value) if data.isascii() else canonical(value)) == data
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        same = False
    if not same:
        raise IntegrityError("not canonical JSON")
    return value


def canonical_without(data: bytes, value: dict[str, Any], name: str) -> bytes:
    """Canonical form of a mapping that ``parse_canonical`` made of ``data``, without one of its names."""
    rest = {key: each for key, each in value.items() if key != name}
    return _encode_plain(rest) if data.isascii() else canonical(rest)


def _no_float(_text: str) -> Any:
    raise ValueError("a number with a fraction has no canonical form")


def _whole(text: str) -> int:
    value = int(text)
    if abs(value) > LARGEST_INT:
        raise ValueError("an integer beyond 2**53 - 1 has no canonical form")
    return value


# made once: a large document is read and written back for every bundle, and making these costs as much as a small one
_DECODER = json.JSONDecoder(parse_float=_no_float, parse_constant=_no_float, parse_int=_whole)
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _encode_plain(value: Any) -> bytes:
    return _ENCODER.encode(value).encode("utf-8")


def digest(data: Bytes) -> bytes:
    """SHA-256."""
    made = hashes.Hash(hashes.SHA256())  # not hashlib, which would load a second OpenSSL beside this one
    made.update(data)
    return made.finalize()


def hexdigest(data: Bytes) -> str:
    """SHA-256 in lower-case hexadecimal."""
    return digest(data).hex()


def fingerprint(public: bytes) -> str:
    """A public key as people compare it: 160 bits of its SHA-256, base32, eight groups of four."""
    text = b32encode(digest(public)[:20]).decode("ascii")
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def random_id() -> str:
    """128 random bits as 32 hexadecimal digits."""
    return os.urandom(16).hex()
