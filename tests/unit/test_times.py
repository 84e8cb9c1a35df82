"""Dates, moments and ranges as people write them, and passphrases from a descriptor."""

from __future__ import annotations

import os
import time
from datetime import datetime

import pytest

from desktop_logger.cli import passphrase, times
from desktop_logger.errors import UsageError


def local(*parts: int) -> float:
    return datetime(*parts).astimezone().timestamp()  # type: ignore[arg-type]


def test_moments_are_local_time() -> None:
    assert times.moment("2026-03-01 14:30") == local(2026, 3, 1, 14, 30)
    assert times.moment("2026-03-01T14:30:05") == local(2026, 3, 1, 14, 30, 5)
    assert times.moment("2026-03-01") == local(2026, 3, 1)
    assert times.moment("2026-03-01", end=True) == local(2026, 3, 2)
    assert times.moment("09:15", today=local(2026, 3, 1, 20, 0)) == local(2026, 3, 1, 9, 15)


@pytest.mark.parametrize("word", ["", "yesterday", "2026-13-01", "2026-02-30", "25:00", "12", "2026-03-01 25:00"])
def test_a_bad_moment_names_itself_and_the_forms(word: str) -> None:
    with pytest.raises(UsageError) as caught:
        times.moment(word)
    assert word in caught.value.message
    assert "2026-03-01" in str(caught.value.hint)


def test_ranges() -> None:
    now = time.time()
    assert times.span("15m", None, None, now) == (now - 900, None)
    assert times.span(None, None, None, now) == (None, None)
    with pytest.raises(UsageError, match="--last"):
        times.span("15m", "2026-01-01", None, now)
    with pytest.raises(UsageError, match="before"):
        times.span(None, "2026-01-02", "2026-01-01", now)
    with pytest.raises(UsageError):
        times.span("15 parsecs", None, None, now)


def test_a_passphrase_comes_through_a_descriptor() -> None:
    reading, writing = os.pipe()
    os.write(writing, "pässphräse\nsecond line".encode())
    os.close(writing)
    assert passphrase.from_descriptor(reading) == "pässphräse"


def test_a_bad_descriptor_is_refused() -> None:
    with pytest.raises(UsageError, match="standard stream"):
        passphrase.from_descriptor(0)
    with pytest.raises(UsageError, match="not open"):
        passphrase.from_descriptor(999)
    for data in (b"", b"\n", b"\xff\n", b"x" * 2000):
        reading, writing = os.pipe()
        os.write(writing, data)
        os.close(writing)
        with pytest.raises(UsageError):
            passphrase.from_descriptor(reading)
