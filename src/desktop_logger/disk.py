"""Files that survive: new files nobody can redirect, whole replacements, syncs that reach the medium, one lock.

Every file is 0600 and never follows a link. "Synced" means after ``fdatasync`` (macOS: ``F_FULLFSYNC``). A rename is
file sync, rename, folder sync. Errors of the system pass through as ``OSError``; the caller knows what they mean.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .errors import Refused, Unavailable, UsageError

_NEW = os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_OLD = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_OLD |= getattr(os, "O_NONBLOCK", 0)  # a pipe in the place of a file must not hold anybody up; files do not mind


def create(path: str, *, append: bool = False) -> int:
    """Descriptor of a new file, write-only. Raises ``FileExistsError``."""
    return os.open(path, _NEW | os.O_WRONLY | (os.O_APPEND if append else 0), 0o600)


def reopen(path: str, flags: int) -> int:
    """Descriptor of a file that exists, or (with ``O_CREAT``) need not. Never follows a link."""
    return os.open(path, flags | _OLD, 0o600)


def new_place(path: str) -> str:
    """The absolute path of something that is to be made: nothing lies there, and the folder that it goes into does.

    Raises ``Refused`` or ``UsageError``. Asked before any work; whoever takes the name looks again.
    """
    path = os.path.abspath(path)
    if os.path.lexists(path):
        raise Refused(f"{path} exists already", "Choose another name, or remove it first.")
    need_folder_above(path)
    return path


def draft_of(path: str) -> str:
    """Where what is to be at ``path`` lies until it is whole."""
    return path + ".partial"


def remove_all(path: str) -> None:
    """Remove a folder of ours with everything below it, or the link that somebody put in its place.

    Raises ``Unavailable`` where something is still there: what is made anew must not go where a link leads.
    """
    import shutil

    with suppress(OSError):
        if os.path.islink(path):
            os.unlink(path)
    shutil.rmtree(path, ignore_errors=True)
    if os.path.lexists(path):
        raise Unavailable(f"{path} is in the way and cannot be removed", "Choose a place in a folder that is yours.")


def need_folder_above(path: str) -> None:
    """Raise ``UsageError`` unless the folder that something is to be made in is there: a slip makes no new tree."""
    if not os.path.isdir(above := os.path.dirname(os.path.abspath(path))):
        raise UsageError(f"there is no folder {above}", "Make it first, or name a place in one that is there.")


def write_all(descriptor: int, data: bytes) -> None:
    """One write of everything. A short write is an error: what is half written is never patched."""
    if os.write(descriptor, data) != len(data):
        raise OSError(28, "only a part could be written; is the disk full?")


def sync(descriptor: int) -> None:
    """Return only when the file's data is on the medium."""
    if sys.platform == "darwin":
        _sync_drive(descriptor)
    elif hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)


def sync_again(path: str) -> None:
    """Return only when what another process wrote to this file is on the medium, even if it ended before its sync."""
    descriptor = reopen(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: str) -> None:
    """Return only when the folder's entries are on the medium (nothing to do on Windows)."""
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY | _OLD)
    try:
        if sys.platform == "darwin":
            _sync_drive(descriptor)
        else:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_drive(descriptor: int) -> None:
    """macOS: ``fsync`` does not empty the drive's own cache, F_FULLFSYNC does (fcntl(2)), where the volume has it."""
    import errno
    import fcntl

    try:
        fcntl.fcntl(descriptor, getattr(fcntl, "F_FULLFSYNC", 51))
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.ENOTTY, errno.EINVAL, 45):  # 45: ENOTSUP of macOS
            raise
        os.fsync(descriptor)


def write_new(path: str, data: bytes) -> None:
    """A new synced file. The caller syncs the folder."""
    descriptor = create(path)
    try:
        write_all(descriptor, data)
        sync(descriptor)
    finally:
        os.close(descriptor)


def replace(path: str, data: bytes) -> None:
    """The file as a whole, old or new, never between; durable on return."""
    temporary = path + ".tmp"
    with suppress(FileNotFoundError):
        os.unlink(temporary)
    write_new(temporary, data)
    os.replace(temporary, path)
    sync_folder(os.path.dirname(path))


_CACHEDIR = (
    b"Signature: 8a477f597d28d172789f06886806bc55\n"
    b"# Keys of desktop-logger. Backups must not hold them: what you delete has to be gone from every copy.\n"
)
_TIME_MACHINE = b"com.apple.metadata:com_apple_backup_excludeItem"


def keep_from_backups(folder: str) -> None:
    """Mark a folder as one that backups leave out, by the marks that the platform has (segment-format.md, 5).

    A volume that cannot hold the mark is no error: the folder is as useful there, and the marks are requests anyway.
    """
    replace(os.path.join(folder, "CACHEDIR.TAG"), _CACHEDIR)
    if sys.platform == "darwin":
        import ctypes
        import plistlib

        # what CSBackupSetItemExcluded writes for an item wherever it is moved; Python has no setxattr on macOS
        value = plistlib.dumps("com.apple.backupd", fmt=plistlib.FMT_BINARY)
        ctypes.CDLL(None).setxattr(os.fsencode(folder), _TIME_MACHINE, value, ctypes.c_size_t(len(value)), 0, 0)


def room(folder: str) -> int:
    """Bytes that this account may still write there."""
    if not hasattr(os, "statvfs"):
        import shutil

        return shutil.disk_usage(folder).free
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


_PIECE = 1 << 20


def read(path: str, limit: int) -> bytes:
    """The whole file, at most ``limit`` bytes (one more is ``OSError``). Never follows a link."""
    descriptor = os.open(path, os.O_RDONLY | _OLD)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # before it becomes a file of Python's, which names its number
        os.close(descriptor)
        raise OSError(22, "not a plain file", path)
    with open(descriptor, "rb") as file:
        # In pieces, because Python asks for all the memory that a read could need before it reads.
        data = piece = file.read(min(limit + 1, _PIECE))
        while len(piece) == _PIECE and len(data) <= limit:
            piece = file.read(_PIECE)
            data += piece
    if len(data) > limit:
        raise OSError(27, "larger than it can be", path)
    return data


_held_here: set[str] = set()


@contextmanager
def locked(path: str, timeout_s: float = 10.0) -> Iterator[None]:
    """Hold the lock file exclusively, among all processes. Raises ``Unavailable`` naming who holds it for too long.

    Who holds it already may ask again (processes that use it have one thread).
    """
    if path in _held_here:
        yield
        return
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _OLD, 0o600)
    except OSError as error:
        raise Unavailable(
            f"cannot use {path}: {error.strerror}", "The folder must exist and be writable for your account."
        ) from None
    try:
        deadline = time.monotonic() + timeout_s
        while True:
            if _take(descriptor):
                break
            if time.monotonic() >= deadline:
                raise _held(path, descriptor)
            time.sleep(0.01)
        with suppress(OSError):  # only for who waits; a full disk must not keep anybody from looking or deleting
            os.ftruncate(descriptor, 0)
            write_at(descriptor, b"%d\n" % os.getpid(), 0)
        _held_here.add(path)
        yield
    finally:
        _held_here.discard(path)
        os.close(descriptor)  # gives the lock back


def _held(path: str, descriptor: int) -> Unavailable:
    holder = read_at(descriptor, 20, 0).strip().decode("ascii", "replace")
    state = ""
    with suppress(OSError, ValueError, IndexError), open(f"/proc/{int(holder)}/stat", "rb") as file:
        if file.read().rpartition(b") ")[2][:1] in (b"T", b"t"):
            state = ", which is stopped"
    who = f"process {holder}{state}" if holder.isdecimal() else "another process"
    return Unavailable(
        f"{path} is held by {who}", f"Continue or end it (kill -CONT {holder})." if state else "Try again in a moment."
    )


def is_locked(descriptor: int) -> bool:
    """Whether a living process holds the lock of an open file."""
    if not _take(descriptor, shared=True):
        return True
    _give_back(descriptor)
    return False


def lock(descriptor: int) -> None:
    """Hold an open file's lock until it is closed or the process ends, however it ends."""
    while not _take(descriptor):  # only a reader that asks is_locked can be in the way, and not for long
        time.sleep(0.001)


if sys.platform == "win32":
    import msvcrt

    _LOCKED_BYTE = 1 << 30
    """Far behind what a lock file holds: a locked byte cannot be read by others, who want to know who holds it."""

    def _take(descriptor: int, *, shared: bool = False) -> bool:  # noqa: ARG001 - Windows knows no shared ones here
        """The lock of an open file, if nobody has it."""
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _give_back(descriptor: int) -> None:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

    def read_at(descriptor: int, size: int, at: int) -> bytes:
        """Bytes from a place in a file."""
        os.lseek(descriptor, at, os.SEEK_SET)
        return os.read(descriptor, size)

    def write_at(descriptor: int, data: bytes, at: int) -> None:
        """Bytes into a place in a file."""
        os.lseek(descriptor, at, os.SEEK_SET)
        os.write(descriptor, data)

else:
    import fcntl

    def _take(descriptor: int, *, shared: bool = False) -> bool:
        """The lock of an open file, if nobody has it."""
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _give_back(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)

    def read_at(descriptor: int, size: int, at: int) -> bytes:
        """Bytes from a place in a file."""
        return os.pread(descriptor, size, at)

    def write_at(descriptor: int, data: bytes, at: int) -> None:
        """Bytes into a place in a file."""
        os.pwrite(descriptor, data, at)
