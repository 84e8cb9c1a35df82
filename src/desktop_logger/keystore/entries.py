"""Entries and their folder: one file a segment, all under one epoch's KEK, replaced only as a whole folder.

Every function runs under the store lock. ``keystore/epoch`` names the one KEK of all entries in the folder.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from contextlib import suppress
from typing import Any, NamedTuple

from desktop_logger import disk
from desktop_logger.errors import IntegrityError, Unavailable, Unreadable
from desktop_logger.paths import Home
from desktop_logger.sealing import Kek, canonical, hexdigest, parse_canonical

MAGIC = b"desktop-logger/keystore/v1\n"
SUFFIX = ".key"
LARGEST_ENTRY = 1 << 20
_EPOCH_BYTES = 4
_CACHEDIR = (
    b"Signature: 8a477f597d28d172789f06886806bc55\n"
    b"# Keys of desktop-logger. Backups must not hold them: what you delete has to be gone from every copy.\n"
)


class Stanza(NamedTuple):
    """One wrapped key: the stream's root for the subject (scope ``*``), or a scope key for an admin."""

    stream: str
    role: str
    reader: str
    """Fingerprint of the public key that it is sealed to."""
    scope: str
    sealed: bytes

    @property
    def digest(self) -> str:
        """What the ledger commits to."""
        return hexdigest(self.to_bytes())

    def to_bytes(self) -> bytes:
        """Canonical form."""
        return canonical(self.to_wire())

    def to_wire(self) -> dict[str, str]:
        """As in an entry and in a bundle."""
        return {**self._asdict(), "sealed": b64encode(self.sealed).decode("ascii")}


def stanza_from_wire(fields: Any) -> Stanza:
    """A stanza from its wire form. Raises ``IntegrityError``."""
    names = Stanza._fields
    if not isinstance(fields, dict) or set(fields) != set(names) or not all(isinstance(fields[n], str) for n in names):
        raise IntegrityError("a stanza is malformed")
    try:
        return Stanza(**{**fields, "sealed": b64decode(fields["sealed"], validate=True)})
    except ValueError:
        raise IntegrityError("a stanza is malformed") from None


# Entries


def entry_path(home: Home, segment: str) -> str:
    """Where a segment's entry lies."""
    return os.path.join(home.keystore, segment + SUFFIX)


def write_entry(home: Home, kek: Kek, epoch: int, segment: str, stanzas: list[Stanza]) -> None:
    """A new entry, on the medium before this returns."""
    disk.write_new(entry_path(home, segment), _wrap(kek, epoch, segment, stanzas))
    disk.sync_folder(home.keystore)


def replace_entry(home: Home, kek: Kek, epoch: int, segment: str, stanzas: list[Stanza]) -> None:
    """The entry with other stanzas, as a whole."""
    disk.replace(entry_path(home, segment), _wrap(kek, epoch, segment, stanzas))


def read_entry(home: Home, kek: Kek, segment: str) -> list[Stanza]:
    """The stanzas of a segment. Raises ``Unreadable`` where the entry is missing or under another KEK."""
    fields = parse_canonical(_unwrap(home, kek, segment))
    if not isinstance(fields, dict) or set(fields) != {"v", "segment", "stanzas"} or fields["segment"] != segment:
        raise IntegrityError("a keystore entry is malformed")
    if fields["v"] != 1 or not isinstance(fields["stanzas"], list):
        raise IntegrityError("a keystore entry is malformed")
    return [stanza_from_wire(stanza) for stanza in fields["stanzas"]]


def _aad(epoch: int, segment: str) -> bytes:
    return MAGIC + epoch.to_bytes(_EPOCH_BYTES, "little") + segment.encode("ascii")


def _wrap(kek: Kek, epoch: int, segment: str, stanzas: list[Stanza]) -> bytes:
    wire = [stanza.to_wire() for stanza in stanzas]
    return _wrapped(kek, epoch, segment, canonical({"v": 1, "segment": segment, "stanzas": wire}))


def _wrapped(kek: Kek, epoch: int, segment: str, plaintext: bytes) -> bytes:
    return MAGIC + epoch.to_bytes(_EPOCH_BYTES, "little") + kek.wrap(plaintext, _aad(epoch, segment))


def _unwrap(home: Home, kek: Kek, segment: str) -> bytes:
    try:
        data = disk.read(entry_path(home, segment), LARGEST_ENTRY)
    except OSError:
        raise Unreadable(f"the keys of segment {segment} are not in the keystore") from None
    start = len(MAGIC) + _EPOCH_BYTES
    if not data.startswith(MAGIC) or len(data) < start:
        raise Unreadable("a keystore entry of another format, or damaged")
    epoch = int.from_bytes(data[len(MAGIC) : start], "little")
    return kek.unwrap(data[start:], _aad(epoch, segment))


def listed(home: Home) -> list[str]:
    """Ids of all segments that have an entry."""
    with suppress(FileNotFoundError):
        return sorted(name[: -len(SUFFIX)] for name in os.listdir(home.keystore) if name.endswith(SUFFIX))
    return []


# The folder


def create_folder(home: Home, epoch: int) -> None:
    """An empty keystore for this epoch."""
    home.create(home.keystore)
    disk.replace(os.path.join(home.keystore, "CACHEDIR.TAG"), _CACHEDIR)
    disk.replace(os.path.join(home.keystore, "epoch"), b"%d\n" % epoch)


def current_epoch(home: Home) -> int:
    """The epoch of the entries in the folder. Raises ``Unavailable`` where there is no keystore."""
    try:
        return int(disk.read(os.path.join(home.keystore, "epoch"), 20))
    except (OSError, ValueError):
        raise Unavailable("there is no keystore", "Sign a consent first: desktop-logger consent sign") from None


def rewrap(home: Home, old: Kek, new: Kek, epoch: int, survivors: list[str]) -> list[str]:
    """``keystore.new`` with the survivors' entries under the new KEK; returns whose entry was missing or damaged."""
    coming = home.keystore + ".new"
    remove_folder(coming)
    os.mkdir(coming, 0o700)
    unreadable = []
    for segment in survivors:
        try:
            data = _wrapped(new, epoch, segment, _unwrap(home, old, segment))
        except IntegrityError:
            unreadable.append(segment)
            continue
        descriptor = disk.create(os.path.join(coming, segment + SUFFIX))
        try:
            disk.write_all(descriptor, data)
        finally:
            os.close(descriptor)
    disk.write_new(os.path.join(coming, "CACHEDIR.TAG"), _CACHEDIR)
    disk.write_new(os.path.join(coming, "epoch"), b"%d\n" % epoch)
    _sync_all(coming)
    return unreadable


def _sync_all(folder: str) -> None:
    """One sync for a whole folder: of the file system where the system offers it, else of every file."""
    import ctypes

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if not hasattr(library, "syncfs") or library.syncfs(descriptor) != 0:
            for name in os.listdir(folder):
                file = disk.reopen(os.path.join(folder, name), os.O_RDONLY)
                try:
                    os.fsync(file)
                finally:
                    os.close(file)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def swap(home: Home) -> None:
    """Put ``keystore.new`` in the keystore's place. ``settle`` finishes what a crash between the renames left."""
    old = home.keystore + ".old"
    remove_folder(old)
    os.rename(home.keystore, old)
    os.rename(home.keystore + ".new", home.keystore)
    disk.sync_folder(home.root)
    remove_folder(old)


def settle(home: Home) -> None:
    """After a crash: a swap that began is finished; folders that do not count are removed."""
    old, coming = home.keystore + ".old", home.keystore + ".new"
    if not os.path.exists(home.keystore):
        # The old folder goes away only after the new one is whole.
        with suppress(FileNotFoundError):
            os.rename(coming if os.path.exists(os.path.join(coming, "epoch")) else old, home.keystore)
            disk.sync_folder(home.root)
    remove_folder(coming)
    remove_folder(old)


def remove_folder(folder: str) -> None:
    """Remove a folder of plain files; nothing happens where there is none."""
    with suppress(FileNotFoundError):
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)
