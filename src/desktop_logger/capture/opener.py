"""The device opener: hands the input devices of a seat to the account that is active there, and takes them back.

A program of its own, which an administrator installs (``desktop-logger opener install``) as a copy that no other
account can change. It needs the standard library and nothing of the rest of this package. It never reads a device.

1. Who connects is known by the kernel (SO_PEERCRED). One process of an account is served at a time.
2. Where that account's session is the active one (systemd-logind's or elogind's files), the devices of that seat are
   opened and handed over, also those that are plugged in later. Only kinds that the request names.
3. When another session becomes active, or who connected is gone, every device handed over is revoked: the kernel
   makes all copies of the descriptor useless at once.
4. With nobody to serve for a while it ends; systemd starts it again for the next one.

Requests: ``probe``, or ``keyboard``, ``pointer`` or both with a space between. Answers: ``here``, ``away``, ``busy``,
``denied``, and with a descriptor each ``device`` or, where a program has made the device (uinput), ``made``. Anything
else ends the connection.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import select
import socket
import stat
import struct
import sys
import time

INPUT, SYSTEM = "/dev/input", "/sys/class/input"
SEATS, SESSIONS = "/run/systemd/seats", "/run/systemd/sessions"
UDEV, UDEV_RUNS = "/run/udev/data", "/run/udev/control"
WATCHED = ("/dev", INPUT, "/run", "/run/systemd", SEATS, SESSIONS, "/run/udev", UDEV)
REVOKE = 0x40044591  # EVIOCREVOKE
CONNECTIONS, ASK_S, REST_S = 16, 5.0, 30.0
LOOK_MS = 5000
"""Changes announce themselves; should one not, it is seen this soon."""
REQUESTS = {b"probe", b"keyboard", b"pointer", b"keyboard pointer"}
_MADE = "/sys/devices/virtual/input/"
"""Devices that hang on no hardware: programs make them through uinput. Bluetooth has a place of its own."""
_CHANGES = 0x100 | 0x200 | 0x40 | 0x80 | 0x4 | 0x8  # IN_CREATE, DELETE, MOVED_FROM, MOVED_TO, ATTRIB, CLOSE_WRITE


def facts(path: str) -> dict[str, str]:
    """The NAME=value lines of a file; empty where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return dict(line.rstrip("\n").partition("=")[::2] for line in file if "=" in line)
    except OSError:
        return {}


def names(folder: str) -> list[str]:
    """What a folder holds; nothing where there is none."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def seats_of(uid: int) -> set[str]:
    """The seats at which a session of this account is the active one now. Remote sessions have no seat."""
    found = set()
    for seat in names(SEATS):
        said = facts(os.path.join(SEATS, seat))
        session = facts(os.path.join(SESSIONS, os.path.basename(said.get("ACTIVE", "") or "-")))
        if (
            said.get("ACTIVE_UID") == session.get("UID") == str(uid)
            and session.get("REMOTE", "0") == "0"
            and session.get("STATE") == "active"
            and session.get("CLASS", "user").startswith("user")
        ):
            found.add(seat)
    return found


def seat_of(number: int) -> str | None:
    """The seat that udev gave a device to; ``None`` while udev has not looked at it yet."""
    path = os.path.join(UDEV, f"c{os.major(number)}:{os.minor(number)}")
    if not os.path.exists(path):
        return None if os.path.exists(UDEV_RUNS) else "seat0"
    return facts(path).get("E:ID_SEAT", "seat0")


def bits(name: str, what: str) -> int:
    """One capability bitmap of a device, as the kernel prints it: words of 64 bits, the highest first."""
    try:
        with open(f"{SYSTEM}/{name}/device/{what}", encoding="ascii") as file:
            words = file.read().split()
    except OSError:
        return 0
    return sum(int(word, 16) << 64 * at for at, word in enumerate(reversed(words)))


def kinds(name: str) -> set[str]:
    """``keyboard``, ``pointer``, both or neither; game controllers and sensors are neither."""
    key, rel, places = (bits(name, f"capabilities/{what}") for what in ("key", "rel", "abs"))
    game = (key >> 0x120 & 0xFFFFFFFF) or bits(name, "properties") >> 6 & 1
    found = set()
    if key & (1 << 0x100) - 2 or key >> 0x160 & (1 << 0xC0) - 1:
        found.add("keyboard")
    # buttons of a mouse, a touch, a pen, a finger
    pointing = key >> 0x110 & 0xFF or key >> 0x140 & 0xFFFF
    if not game and (rel & 3 == 3 or (places & 3 == 3 and pointing)):
        found.add("pointer")
    return found if not game or key >> 16 & 0x3FF == 0x3FF else set()


def is_made(name: str) -> bool:
    """Whether a program, not hardware, is behind a device."""
    return os.path.realpath(os.path.join(SYSTEM, name)).startswith(_MADE)


class Client:
    """One connection: who it is, what it asked for, what it was handed."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self.pid, self.uid, _ = struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        self.since = time.monotonic()
        self.wanted: set[str] | None = None
        self.is_here = True
        self.devices: dict[tuple[str, int, int], int] = {}

    def say(self, word: bytes, *descriptors: int) -> None:
        """Send one word; who does not listen is found gone later."""
        with contextlib.suppress(OSError):
            socket.send_fds(self.link, [word], descriptors)

    def revoke(self) -> None:
        """Make every device that was handed over useless, whoever holds it by now."""
        for descriptor in self.devices.values():
            with contextlib.suppress(OSError):
                fcntl.ioctl(descriptor, REVOKE, 0)
            os.close(descriptor)
        self.devices.clear()


class Opener:
    """The loop: connections, changes of sessions, devices that come and go."""

    def __init__(self, listener: socket.socket, rest_s: float | None) -> None:
        self.listener = listener
        self.rest_s = rest_s
        self.clients: dict[int, Client] = {}
        self.poll = select.poll()
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.changes = self.libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        listener.setblocking(False)
        self.poll.register(listener, select.POLLIN)
        self.poll.register(self.changes, select.POLLIN)

    def run(self) -> None:
        """Serve until nobody has needed it for a while."""
        busy = time.monotonic()
        while True:
            self._watch()
            ready = self.poll.poll(LOOK_MS)
            now = time.monotonic()
            for descriptor, _ in ready:
                if descriptor == self.listener.fileno():
                    self._accept()
                elif descriptor == self.changes:
                    self._drain()
                elif descriptor in self.clients:
                    self._serve(self.clients[descriptor])
            for client in list(self.clients.values()):
                if client.wanted is None and now - client.since > ASK_S:
                    self._part(client)
                elif client.wanted:
                    self._provide(client)
            busy = now if self.clients else busy
            if self.rest_s is not None and now - busy > self.rest_s:
                return

    def _watch(self) -> None:
        """Be told of changes; folders appear and vanish, and watching one twice is watching it once."""
        for folder in WATCHED:
            self.libc.inotify_add_watch(self.changes, folder.encode(), ctypes.c_uint32(_CHANGES))

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self.changes, 1 << 16):
                pass

    def _accept(self) -> None:
        try:
            link, _ = self.listener.accept()
        except OSError:
            return
        if len(self.clients) >= CONNECTIONS:
            link.close()
            return
        link.setblocking(False)
        client = Client(link)
        self.clients[link.fileno()] = client
        self.poll.register(link, select.POLLIN)

    def _part(self, client: Client) -> None:
        self.poll.unregister(client.link)
        del self.clients[client.link.fileno()]
        if client.wanted:
            say(f"took back {len(client.devices)} devices from process {client.pid} of uid {client.uid}")
        client.revoke()
        client.link.close()

    def _serve(self, client: Client) -> None:
        try:
            request = client.link.recv(64)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            request = b""
        if request not in REQUESTS or client.wanted is not None:
            self._part(client)
            return
        if request == b"probe":
            client.say(self._verdict(client))
            self._part(client)
            return
        verdict = self._verdict(client)
        client.say(verdict)
        if verdict != b"here":
            self._part(client)
            return
        client.wanted = set(request.decode().split())
        self._provide(client)
        say(f"handed {len(client.devices)} devices to process {client.pid} of uid {client.uid} ({request.decode()})")

    def _verdict(self, client: Client) -> bytes:
        """What stands in the way of serving this one, or ``here``."""
        for other in list(self.clients.values()):
            if other is not client and other.wanted and other.uid == client.uid:
                try:
                    gone = not other.link.recv(64, socket.MSG_PEEK)
                except OSError:
                    gone = False
                if not gone:
                    return b"busy"
                self._part(other)
        seats = seats_of(client.uid)
        if not seats:
            return b"away"
        return b"here" if self._may_open() else b"denied"

    def _may_open(self) -> bool:
        """Whether the kernel lets this program open input devices; true where there is none yet."""
        found = [os.path.join(INPUT, name) for name in names(INPUT) if name.startswith("event")]
        return not found or any(os.access(path, os.R_OK, effective_ids=True) for path in found)

    def _provide(self, client: Client) -> None:
        """Hand over what the account has now and has not been handed yet, or take everything back."""
        seats = seats_of(client.uid)
        if bool(seats) != client.is_here:
            client.is_here = bool(seats)
            if not seats:
                client.revoke()
            client.say(b"here" if seats else b"away")
        if not seats:
            return
        there = set()
        for name in names(INPUT):
            if not name.startswith("event"):
                continue
            path = os.path.join(INPUT, name)
            with contextlib.suppress(OSError):
                info = os.stat(path, follow_symlinks=False)
                key = (name, info.st_rdev, info.st_ino)
                there.add(key)
                if key in client.devices or not stat.S_ISCHR(info.st_mode):
                    continue
                if seat_of(info.st_rdev) in seats and kinds(name) & (client.wanted or set()):
                    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
                    if os.fstat(descriptor).st_rdev != info.st_rdev:
                        os.close(descriptor)
                        continue
                    client.devices[key] = descriptor
                    client.say(b"made" if is_made(name) else b"device", descriptor)
        for key in set(client.devices) - there:
            os.close(client.devices.pop(key))


def say(text: str) -> None:
    """One line for the journal: numbers and fixed words."""
    print(text, file=sys.stderr, flush=True)


def main(words: list[str]) -> int:
    """``opener.py`` with systemd's socket, or ``opener.py PATH`` to listen there itself."""
    if len(words) == 1:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(words[0])
        listener.bind(words[0])
        os.chmod(words[0], 0o666)  # noqa: S103  everybody may ask; who is served is decided by the session
        listener.listen(CONNECTIONS)
        rest_s = None
    elif os.environ.get("LISTEN_FDS") == "1" and os.environ.get("LISTEN_PID") == str(os.getpid()):
        listener, rest_s = socket.socket(fileno=3), REST_S
    else:
        print("usage: opener.py PATH, or started by desktop-logger-opener.socket", file=sys.stderr)
        return 2
    Opener(listener, rest_s).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
