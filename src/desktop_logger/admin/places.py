"""Where bundles come from and exports go: a folder, or object storage (``s3://bucket/prefix``, extra ``obstore``).

The only module that knows obstore, which is loaded when somebody names a URL and never otherwise. Credentials and
endpoint are read from the environment, in the vendor's words (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL``, …).
Invariants: an object appears as a whole; a dataset has its ``card.json`` last, so that what has none is unfinished;
nothing is removed outside the prefix that is named.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any

from desktop_logger import disk
from desktop_logger.errors import IntegrityError, Unavailable, UsageError

SCHEMES = ("s3", "gs", "az")
_LAST = "card.json"


def is_remote(path: str) -> bool:
    """Whether it names object storage."""
    scheme, found, _ = path.partition("://")
    return bool(found) and scheme in SCHEMES


def absolute(path: str) -> str:
    """A folder's or prefix's one spelling."""
    return path.rstrip("/") if is_remote(path) else os.path.abspath(path)


def check_name(path: str) -> None:
    """Raise ``UsageError`` for no name, or a bucket without a prefix: a dataset has a place of its own."""
    if not path.strip():
        raise UsageError("--out is empty", "Name a new folder.")
    if is_remote(path) and not _key_of(path):
        raise UsageError(f"{path} names no place in a bucket", "Write s3://BUCKET/NAME.")


def check(path: str) -> None:
    """Raise ``Unavailable`` where it names object storage that cannot be reached as asked."""
    if is_remote(path):
        with _said(path):
            next(iter(_library().list(_at(path)[0], _at(path)[1] or None, chunk_size=1)), None)


def exists(path: str) -> bool:
    """Whether there is a folder, or an object below the prefix."""
    return next(_keys(path), None) is not None if is_remote(path) else os.path.lexists(path)


def names(folder: str) -> list[str]:
    """What lies directly in a folder, or under a prefix."""
    if not is_remote(folder):
        with suppress(FileNotFoundError):
            return os.listdir(folder)
        return []
    start = len(_at(folder)[1]) + 1
    return [key[start:] for key in _keys(folder) if "/" not in key[start:]]


def walk(folder: str, suffix: str) -> Iterator[str]:
    """All files with this suffix below it, as they are read: a folder may hold more names than fit in memory."""
    if is_remote(folder):
        bucket = "/".join(folder.split("/")[:3])
        yield from (f"{bucket}/{key}" for key in _keys(folder) if key.endswith(suffix))
        return
    below = []
    with suppress(OSError), os.scandir(folder) as entries:
        for one in entries:
            if _is_folder(one):
                below += [] if one.is_symlink() else [one.path]
            elif one.name.endswith(suffix):
                yield one.path
    for each in sorted(below):
        yield from walk(each, suffix)


def _is_folder(one: os.DirEntry[str]) -> bool:
    with suppress(OSError):  # a link to itself, say
        return one.is_dir()
    return False


def read(path: str, limit: int) -> bytes:
    """The bytes of an object of at most ``limit``. Raises ``IntegrityError`` for a larger one."""
    store, key = _at(path)
    with _said(path):
        found = _library().get(store, key)
        if found.meta["size"] > limit:
            raise IntegrityError("larger than such a file can be")
        return bytes(found.bytes())


def write(path: str, data: bytes) -> None:
    """An object or a file, old or new as a whole. Raises ``OSError`` or ``Unavailable``."""
    if not is_remote(path):
        disk.replace(path, data)
        return
    store, key = _at(path)
    with _said(path):
        _library().put(store, key, data)


def upload(file: str, path: str) -> None:
    """A file of this machine as an object."""
    store, key = _at(path)
    with _said(path), open(file, "rb") as content:
        _library().put(store, key, content)


def remove(path: str) -> None:
    """One file or object; it may be gone already."""
    if not is_remote(path):
        with suppress(FileNotFoundError):
            os.unlink(path)
        return
    store, key = _at(path)
    with _said(path), suppress(FileNotFoundError):
        _library().delete(store, key)


def remove_all(folder: str) -> None:
    """A folder or prefix of ours with everything below it."""
    if not is_remote(folder):
        disk.remove_all(folder)
        return
    store = _at(folder)[0]
    for key in list(_keys(folder)):
        with _said(folder):
            _library().delete(store, key)


def take_name(draft: str, name: str) -> None:
    """Give what was drafted its name; in object storage by copies, the card last. Raises ``OSError``."""
    if not is_remote(name):
        disk.sync_folder(draft)
        os.rename(draft, name)
        disk.sync_folder(os.path.dirname(name))
        return
    store, start, target = _at(draft)[0], len(_at(draft)[1]), _at(name)[1]
    for key in sorted(_keys(draft), key=lambda one: one.endswith(f"/{_LAST}")):
        with _said(name):
            _library().copy(store, key, target + key[start:])
    remove_all(draft)


@contextmanager
def written(folder: str) -> Iterator[str]:
    """A folder of this machine to write files into; what was written is then at ``folder``."""
    if not is_remote(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="desktop-logger-") as local:
        yield local
        for path in sorted(walk(local, ""), key=lambda one: one.endswith(_LAST)):
            upload(path, f"{folder}/{os.path.relpath(path, local)}")


@contextmanager
def checked_out(folder: str) -> Iterator[str]:
    """A dataset as a folder of this machine; what is changed or removed in it is so at ``folder`` afterwards.

    Every object that stays is the old or the new one, and whoever runs it again after a crash has the same result.
    """
    if not is_remote(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="desktop-logger-") as local:
        start, before = len(folder) + 1, {}
        for path in walk(folder, ""):
            copy = os.path.join(local, path[start:])
            os.makedirs(os.path.dirname(copy), 0o700, exist_ok=True)
            disk.replace(copy, read(path, 1 << 40))
            before[copy] = _state(copy)
        yield local
        for copy in [*sorted(walk(local, ""), key=lambda one: one.endswith(_LAST))]:
            if before.pop(copy, None) != _state(copy):
                upload(copy, f"{folder}/{os.path.relpath(copy, local)}")
        for copy in before:
            remove(f"{folder}/{os.path.relpath(copy, local)}")


def _state(path: str) -> tuple[int, int, int]:
    found = os.stat(path)
    return found.st_ino, found.st_size, found.st_mtime_ns


def _keys(folder: str) -> Iterator[str]:
    store, prefix = _at(folder)
    with _said(folder):
        for chunk in _library().list(store, prefix or None):
            for one in chunk:
                yield str(one["path"])


def _at(path: str) -> tuple[Any, str]:
    """(store, key) of a URL."""
    return _store("/".join(path.split("/")[:3])), _key_of(path)


def _key_of(path: str) -> str:
    return "/".join(path.split("/")[3:]).rstrip("/")


@lru_cache(maxsize=8)
def _store(bucket: str) -> Any:
    _library()
    from obstore.store import from_url

    with _said(bucket):
        return from_url(bucket)


def _library() -> Any:
    try:
        import obstore
    except ImportError:
        raise Unavailable(
            "object storage needs obstore, which is not installed", "Run: pip install 'desktop-logger[obstore]'"
        ) from None
    return obstore


@contextmanager
def _said(path: str) -> Iterator[None]:
    """Errors of the storage as ours: its own words may hold addresses and keys."""
    _library()
    from obstore.exceptions import BaseError

    try:
        yield
    except BaseError as error:
        raise Unavailable(
            f"object storage at {path} cannot be used ({type(error).__name__})",
            "Check name, credentials and endpoint; then run the same command again: it goes on.",
        ) from None
