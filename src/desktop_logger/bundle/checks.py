"""Strict reading of JSON that came from elsewhere: one spelling, known keys, bounded values, errors that name it."""

from __future__ import annotations

from typing import Any

from desktop_logger.errors import IntegrityError
from desktop_logger.sealing import parse_canonical


def canonical_value(data: bytes, what: str) -> Any:
    """The value of canonical JSON, whose error names what it was: nothing can hide in a second spelling."""
    try:
        return parse_canonical(data)
    except IntegrityError:
        raise IntegrityError(f"{what} is not canonical JSON (altered)") from None


def canonical_object(data: bytes, what: str) -> dict[str, Any]:
    """The same, and an object."""
    value = canonical_value(data, what)
    if not isinstance(value, dict):
        raise IntegrityError(f"{what} is not an object")
    return value


def check_keys(value: dict[str, Any], expected: set[str], what: str) -> None:
    """Exactly these keys."""
    if set(value) != expected:
        raise IntegrityError(f"{what} does not have the fields that this format has")


def unhex(value: Any, digits: int, what: str) -> bytes:
    """Bytes of lower-case hex of exactly ``digits`` digits."""
    if not isinstance(value, str) or len(value) != digits or value.strip("0123456789abcdef"):
        raise IntegrityError(f"{what} is not {digits} hex digits")
    return bytes.fromhex(value)
