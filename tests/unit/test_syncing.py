"""What reaches the medium and what backups are told, by each platform's own call, at the edge of the system.

On macOS and Windows it did not run.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import plistlib
import sys
from pathlib import Path
from types import SimpleNamespace

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


TIME_MACHINE = bytes.fromhex(
    "62706c6973743030 5f1011636f6d2e6170706c652e6261636b757064 08 000000000000 0101 0000000000000001 0000000000000000"
    "000000000000001c".replace(" ", "")
)
"""What a Mac was seen to hold in the attribute of an item that Time Machine leaves out."""


def test_on_macos_time_machine_is_asked_to_leave_a_folder_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[object, ...]] = []

    def setxattr(path: bytes, name: bytes, value: bytes, *more: object) -> int:
        told.append((path, name, value, *(getattr(one, "value", one) for one in more)))
        return -1  # a volume without attributes: the request is made, and nothing depends on it

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", FULL, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", lambda *_: 0)
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: SimpleNamespace(setxattr=setxattr))
    disk.keep_from_backups(str(tmp_path))
    assert plistlib.loads(TIME_MACHINE) == "com.apple.backupd"
    name = b"com.apple.metadata:com_apple_backup_excludeItem"
    assert told == [(os.fsencode(tmp_path), name, TIME_MACHINE, len(TIME_MACHINE), 0, 0)]
    assert (tmp_path / "CACHEDIR.TAG").exists()
