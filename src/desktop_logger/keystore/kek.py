"""The key-encryption key (KEK) of each epoch, and its place: OS keyring, else a file outside ``keystore/``.

The place is fixed at the ceremony. ``kek/<epoch>.key`` holds the key, or says that the keyring does; so the files
always say which epochs may have a key. Invariant: a keyring that is locked or gone is said, never replaced by a file.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from contextlib import suppress
from typing import Any

from desktop_logger import disk
from desktop_logger.errors import IntegrityError, Unavailable, Unreadable
from desktop_logger.paths import Home
from desktop_logger.sealing import KEY_BYTES, Kek, canonical, parse_canonical, random_id

from .keys import current_epoch

_SERVICE = "desktop-logger"
_IN_KEYRING = b"keyring\n"


def fix_place(home: Home, place: str) -> None:
    """Decide, once, where the KEK lives: ``keyring`` or ``file``. A keyring that is not there is said, not replaced."""
    if place not in ("keyring", "file"):
        raise Unavailable(f"a key cannot be kept in {place}", "Choose keyring or file.")
    if place == "keyring":
        _keyring()
    home.create(home.kek)
    disk.replace(_place_path(home), canonical({"v": 1, "place": place, "id": random_id()}))


def kek_place(home: Home) -> str:
    """``keyring`` or ``file``, as fixed at the ceremony. Raises ``Unavailable`` where there was none."""
    return _place(home)["place"]


def _place_path(home: Home) -> str:
    return os.path.join(home.kek, "place.json")


def _place(home: Home) -> dict[str, str]:
    try:
        fields = parse_canonical(disk.read(_place_path(home), 1024))
    except OSError:
        raise Unavailable(
            "this home has no key-encryption key", "Sign a consent first: desktop-logger consent sign"
        ) from None
    if not isinstance(fields, dict) or fields.get("place") not in ("keyring", "file") or "id" not in fields:
        raise IntegrityError("the note on where the key-encryption key lives is damaged")
    return fields


def _epoch_path(home: Home, epoch: int) -> str:
    return os.path.join(home.kek, f"{epoch}.key")


def epochs(home: Home) -> list[int]:
    """All epochs that have, or may have, a KEK in store: one, except while a purge is under way."""
    with suppress(FileNotFoundError):
        return sorted(
            int(name[:-4]) for name in os.listdir(home.kek) if name.endswith(".key") and name[:-4].isdecimal()
        )
    return []


def load_kek(home: Home) -> tuple[int, Kek]:
    """The KEK of the keystore's epoch. Raises ``Unavailable`` where the keyring is locked or gone."""
    epoch = current_epoch(home)
    kek = find_kek(home, epoch)
    if kek is None:
        raise Unreadable("the key-encryption key is not there", "What was recorded under it cannot be read any more.")
    return epoch, kek


def find_kek(home: Home, epoch: int) -> Kek | None:
    """The KEK of one epoch, or ``None``."""
    place = _place(home)
    try:
        data = disk.read(_epoch_path(home, epoch), 64)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unavailable(f"the key-encryption key cannot be read: {error.strerror}") from None
    if place["place"] == "file":
        return Kek.from_bytes(data)
    secret = _ask_keyring("get_password", f"{place['id']}/{epoch}")
    return Kek.from_bytes(b64decode(secret)) if secret else None


def may_have_kek(home: Home, epoch: int) -> bool:
    """Whether the KEK of an epoch is where it belongs, as far as files tell: a keyring is not asked."""
    try:
        place, data = kek_place(home), disk.read(_epoch_path(home, epoch), 64)
    except (OSError, Unavailable, IntegrityError):
        return False
    return data == _IN_KEYRING if place == "keyring" else len(data) == KEY_BYTES


def store_kek(home: Home, epoch: int, kek: Kek) -> None:
    """Keep the KEK of an epoch, durably. The file ``<epoch>.key`` holds it, or says that the keyring does."""
    place = _place(home)
    if place["place"] == "keyring":
        disk.replace(_epoch_path(home, epoch), _IN_KEYRING)
        secret = b64encode(kek.secret()).decode("ascii")
        _ask_keyring("set_password", f"{place['id']}/{epoch}", secret)
        if _ask_keyring("get_password", f"{place['id']}/{epoch}") != secret:
            raise Unavailable("the keyring did not keep the key", "Unlock your keyring and try again.")
    else:
        disk.replace(_epoch_path(home, epoch), kek.secret())


def delete_kek(home: Home, epoch: int) -> None:
    """Destroy the KEK of an epoch; nothing happens where there is none."""
    place = _place(home)
    path = _epoch_path(home, epoch)
    if not os.path.exists(path):
        return
    if place["place"] == "keyring":
        if _ask_keyring("get_password", f"{place['id']}/{epoch}") is not None:
            _ask_keyring("delete_password", f"{place['id']}/{epoch}")
    else:
        # Overwriting helps where the file system writes in place; on flash it promises nothing (stated in the docs).
        with suppress(OSError):
            descriptor = disk.reopen(path, os.O_WRONLY)
            try:
                disk.write_at(descriptor, os.urandom(32), 0)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    os.unlink(path)
    disk.sync_folder(home.kek)


def keyring_available() -> bool:
    """Whether this session has an OS keyring that is unlocked and keeps what it is given."""
    try:
        probe = random_id()
        _ask_keyring("set_password", f"probe/{probe}", probe)
        kept = _ask_keyring("get_password", f"probe/{probe}") == probe
        _ask_keyring("delete_password", f"probe/{probe}")
    except Unavailable:
        return False
    return kept


def _keyring() -> Any:
    try:
        import keyring
        from keyring.backends.fail import Keyring as Absent
    except ImportError:
        raise Unavailable(
            "the keyring package is not installed", "Run: pip install 'desktop-logger[keyring]'"
        ) from None
    backend = keyring.get_keyring()
    if isinstance(backend, Absent) or type(backend).__module__.startswith("keyrings.alt"):
        raise Unavailable("this session has no keyring", "Log in to a desktop session with a keyring, or use the file.")
    return keyring


def _ask_keyring(verb: str, name: str, *secret: str) -> str | None:
    keyring = _keyring()
    try:
        answer: str | None = getattr(keyring, verb)(_SERVICE, name, *secret)
    except Exception as error:  # noqa: BLE001 - every desktop's keyring raises its own kinds; all mean the same here
        raise Unavailable(
            f"the keyring does not answer ({type(error).__name__})", "Unlock your keyring (log in), then try again."
        ) from None
    return answer
