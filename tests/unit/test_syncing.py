"""What reaches the medium: each platform's own call, at the edge of the system. On macOS and Windows it did not run."""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path

import pytest

from desktop_logger import disk

FULL = 51
"""F_FULLFSYNC of macOS (fcntl.h)."""


def test_on_macos_a_sync_asks_the_drive_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", FULL, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", lambda descriptor, what: asked.append((descriptor, what)))
    disk.write_new(str(tmp_path / "file"), b"x")
    disk.sync_folder(str(tmp_path))
    assert [what for _, what in asked] == [FULL, FULL]


def test_where_a_volume_of_macos_cannot_do_that_the_plain_sync_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Network volumes refuse F_FULLFSYNC; what they can do is then done, and an error of that is an error."""
    made: list[int] = []

    def refuse(_descriptor: int, _what: int) -> None:
        raise OSError(45, "Operation not supported")

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", FULL, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", refuse)
    monkeypatch.setattr(os, "fsync", made.append)
    disk.sync_folder(str(tmp_path))
    assert len(made) == 1


def test_an_error_of_the_drive_on_macos_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def fail(_descriptor: int, _what: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", FULL, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", fail)
    monkeypatch.setattr(os, "fsync", made.append)
    with pytest.raises(OSError, match="Input/output"):
        disk.sync(0)
    assert made == []


def test_elsewhere_without_fdatasync_a_sync_is_a_whole_one(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delattr(os, "fdatasync", raising=False)
    monkeypatch.setattr(os, "fsync", made.append)
    disk.sync(7)
    assert made == [7]
