"""Entries: one file a segment, written once, under a key of its own that ``keystore/keys`` holds.

An entry without its record in ``keys``, or with one that no KEK opens, is as good as gone: that is how a purge reaches
every copy while it rewrites 76 bytes a survivor. Every function runs under the store lock.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from collections.abc import Collection
from contextlib import suppress
from typing import Any, NamedTuple

from desktop_logger import disk
from desktop_logger.errors import IntegrityError, Unreadable
from desktop_logger.paths import Home
from desktop_logger.sealing import Kek, canonical, hexdigest, parse_canonical

from . import keys

MAGIC = b"desktop-logger/keystore/v1\n"
SUFFIX = ".key"
LARGEST_ENTRY = 1 << 20


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
    """A new entry and the record of its key, both on the medium before this returns."""
    entry_key = Kek.generate()
    disk.write_new(entry_path(home, segment), _wrap(entry_key, segment, stanzas))
    disk.sync_folder(home.keystore)
    keys.append(home, kek, epoch, segment, entry_key.secret())


def replace_entry(home: Home, kek: Kek, segment: str, stanzas: list[Stanza]) -> None:
    """The entry with other stanzas, as a whole, under the key that it has."""
    entry_key = Kek.from_bytes(keys.find(home, kek, segment))
    disk.replace(entry_path(home, segment), _wrap(entry_key, segment, stanzas))


def read_entry(home: Home, kek: Kek, segment: str) -> list[Stanza]:
    """The stanzas of a segment. Raises ``Unreadable`` where entry or key is missing or under another KEK."""
    entry_key = Kek.from_bytes(keys.find(home, kek, segment))
    try:
        data = disk.read(entry_path(home, segment), LARGEST_ENTRY)
    except OSError:
        raise Unreadable(f"the keys of segment {segment} are not in the keystore") from None
    return parse_entry(data, segment, entry_key)


def parse_entry(data: bytes, segment: str, entry_key: Kek) -> list[Stanza]:
    """The stanzas in an entry's bytes. Raises ``Unreadable`` where they do not open, else ``IntegrityError``."""
    if not data.startswith(MAGIC):
        raise Unreadable("a keystore entry of another format, or damaged")
    fields = parse_canonical(entry_key.unwrap(data[len(MAGIC) :], _aad(segment)))
    if not isinstance(fields, dict) or set(fields) != {"v", "segment", "stanzas"} or fields["segment"] != segment:
        raise IntegrityError("a keystore entry is malformed")
    if fields["v"] != 1 or fields["v"] is True or not isinstance(fields["stanzas"], list):
        raise IntegrityError("a keystore entry is malformed")
    return [stanza_from_wire(stanza) for stanza in fields["stanzas"]]


def _aad(segment: str) -> bytes:
    return MAGIC + segment.encode("ascii")


def _wrap(entry_key: Kek, segment: str, stanzas: list[Stanza]) -> bytes:
    wire = [stanza.to_wire() for stanza in stanzas]
    plaintext = canonical({"v": 1, "segment": segment, "stanzas": wire})
    return MAGIC + entry_key.wrap(plaintext, _aad(segment))


def listed(home: Home) -> list[str]:
    """Ids of all segments that have an entry or a record in ``keys``, sorted."""
    names: set[str] = set(keys.segments(home))
    with suppress(FileNotFoundError):
        names.update(name[: -len(SUFFIX)] for name in os.listdir(home.keystore) if name.endswith(SUFFIX))
    return sorted(names)


def whole(home: Home) -> set[str]:
    """Ids of all segments that have both, looked at without any key."""
    with suppress(FileNotFoundError):
        present = {name[: -len(SUFFIX)] for name in os.listdir(home.keystore) if name.endswith(SUFFIX)}
        return present.intersection(keys.segments(home))
    return set()


def remove_entries(home: Home, gone: Collection[str]) -> None:
    """Take segments out of the keystore, with no key: their records, then their entries. May be repeated."""
    keys.forget(home, gone)
    for segment in gone:
        with suppress(FileNotFoundError):
            os.unlink(entry_path(home, segment))


# The folder


def create_folder(home: Home, epoch: int) -> None:
    """An empty keystore for this epoch."""
    home.create(home.keystore)
    disk.keep_from_backups(home.keystore)
    keys.create(home, epoch)


def remove_folder(folder: str) -> None:
    """Remove a folder of plain files; nothing happens where there is none."""
    with suppress(FileNotFoundError):
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)
