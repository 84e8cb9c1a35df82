"""The control socket: how the command line and the supervisor talk, and how recording ends without an answer.

A Unix socket in the run folder (0700); both ends check that the other runs under the same account. On Windows a named
pipe stands for it (``pipe``, ``serving``). One request and one answer a connection, each one line of JSON of at most
4 KiB; the verbs are a closed set. Stopping never depends on an answer: a supervisor that does not answer in 300 ms is
ended by process id.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import sys
import time
from typing import Any

from desktop_logger import disk
from desktop_logger.errors import Refused, Unavailable
from desktop_logger.paths import Home, check_ours

VERBS = ("status", "pause", "resume", "stop", "hold", "go", "look", "begin", "end")
"""``hold`` ends capture and writer so that stored data can be changed; ``go`` undoes it.
``look`` has the gate look at the consent now instead of within its five seconds.
``begin`` and ``end`` say that a task of the signed list begins, or how the open one ended."""

OUTCOMES = ("ok", "failed", "gave-up")
CODE_CHARACTERS = 64

FRAME_BYTES = 4096
ANSWER_S = 0.3
WAIT = b"wait\n"
"""Sent before the answer of a verb that may take longer than ``ANSWER_S``."""
HOLD_S = 15
"""A hold that nobody lifts ends by itself after this time."""

ROLES = ("supervisor", "capture", "writer", "indicator")


def _address(home: Home) -> tuple[str, int | None]:
    """The socket's path, through ``/proc/self/fd`` where it is too long for an address; on Windows the pipe's."""
    if sys.platform == "win32":
        from . import pipe

        return pipe.name(home), None
    if len(os.fsencode(home.socket)) < 100 or not hasattr(os, "O_PATH"):  # macOS has neither that nor /proc
        return home.socket, None
    folder = os.open(home.run, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    return f"/proc/self/fd/{folder}/{os.path.basename(home.socket)}", folder


def _connection() -> Any:
    """A socket, or what stands for one on Windows, which looks itself who is at the other end."""
    if sys.platform != "win32":
        return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    from . import pipe

    return pipe.Connection()


def listen(home: Home) -> socket.socket:
    """Bind the control socket. The caller holds the instance lock, so a socket that is there is stale."""
    check_ours(home.run)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(home.socket)
    path, folder = _address(home)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        server.bind(path)
    finally:
        if folder is not None:
            os.close(folder)
    os.chmod(home.socket, 0o600)
    server.listen(64)
    server.setblocking(False)
    return server


def peer_uid(connection: socket.socket) -> int:
    """The account at the other end. Where the system cannot tell, the folder's mode is what protects."""
    if not hasattr(socket, "SO_PEERCRED"):
        return os.getuid()
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1])


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object that says nothing twice: what is asked must not depend on who reads it."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def parse(line: bytes) -> dict[str, Any]:
    """One request, checked: a known verb and what it takes. ``Refused`` otherwise.

    ``begin`` takes ``task``, a code; ``end`` takes ``outcome``; the others may have ``seconds``, whole ones.
    """
    try:
        request = json.loads(line, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise Refused("a request that is not JSON") from None
    if not isinstance(request, dict) or request.get("verb") not in VERBS:
        raise Refused("a request outside the closed set of verbs")
    takes = {"begin": "task", "end": "outcome"}.get(request["verb"], "seconds")
    if set(request) - {"verb", takes} or (takes != "seconds" and takes not in request):
        raise Refused("a request outside the closed set of verbs")
    if takes == "task" and not is_code(request["task"]):
        raise Refused("a task that is not a code")
    if takes == "outcome" and request["outcome"] not in OUTCOMES:
        raise Refused("an outcome outside the closed list")
    seconds = request.get("seconds")
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 < seconds < 10**8):
        raise Refused("a pause that is not a whole number of seconds")
    return request


def is_code(code: object) -> bool:
    """Whether this could be a task of a policy: small letters, digits and hyphens."""
    return (
        isinstance(code, str) and 0 < len(code) <= CODE_CHARACTERS and code.isascii()
        and code.replace("-", "a").isalnum() and code == code.lower()
    )  # fmt: skip


def ask(home: Home, request: dict[str, Any], timeout: float = ANSWER_S) -> dict[str, Any]:
    """Send one request and return the answer.

    ``timeout`` (seconds) is how long the supervisor may take to accept; it says ``"wait"`` first where a verb
    takes longer than that, and then has five seconds. Raises ``Unavailable`` when nobody answers.
    """
    absent = Unavailable("nothing is running", "Start with: desktop-logger start")
    try:
        path, folder = _address(home)
    except OSError:
        raise absent from None
    try:
        received = _exchange(path, json.dumps(request).encode() + b"\n", time.monotonic() + timeout)
        answer: dict[str, Any] = json.loads(received)
    except TimeoutError:
        raise Unavailable("the background process does not answer", "End it with: desktop-logger stop") from None
    except (OSError, ValueError):
        raise absent from None
    else:
        return answer
    finally:
        if folder is not None:
            os.close(folder)


def _exchange(path: str, line: bytes, until: float) -> bytes:
    """The answer to one line, asked again while a busy supervisor has no room for it.

    Its queue may be full (connect(2): ``EAGAIN`` at once, although somebody listens), or it made room for who came
    later before this line reached it. Raises ``TimeoutError``, and ``OSError`` where nobody listens.
    """
    while (left := until - time.monotonic()) > 0:
        with _connection() as connection:
            connection.settimeout(left)
            try:
                connection.connect(path)
                if hasattr(os, "getuid") and peer_uid(connection) != os.getuid():
                    raise Refused("the control socket belongs to another account")
                connection.sendall(line)
                received = connection.recv(FRAME_BYTES)
            except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                received = b""
            if received:
                return _rest(connection, received)
        time.sleep(0.002)
    raise TimeoutError


def _rest(connection: socket.socket, received: bytes) -> bytes:
    """What follows the beginning of an answer. A verb that says ``"wait"`` first has five seconds."""
    while True:
        if received.startswith(WAIT):
            received = received.removeprefix(WAIT)
            connection.settimeout(5.0)
        if received.endswith(b"\n") or len(received) > FRAME_BYTES:
            return received
        chunk = connection.recv(FRAME_BYTES)
        if not chunk:
            return b""  # no JSON: nobody is there any more
        received += chunk


def start_time(pid: int) -> int | None:
    """The kernel's start time of a process, which tells a reused process id apart; ``None`` when it is gone.

    Field 22 of ``/proc/PID/stat`` (proc(5)), in clock ticks since boot. A zombie counts as gone.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rsplit(b")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def save_pids(home: Home, pids: dict[str, int | None]) -> None:
    """Record the living processes with their start times, for those who must end them without being asked."""
    alive = {role: [pid, start_time(pid)] for role, pid in pids.items() if pid is not None}
    draft = home.pids + ".new"
    with open(disk.reopen(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "w") as file:
        json.dump(alive, file)
    os.replace(draft, home.pids)


def recorded(home: Home) -> dict[str, tuple[int, int]]:
    """The processes of this home that still live: role → (process id, start time)."""
    try:
        with open(home.pids, encoding="utf-8") as file:
            saved = json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}
    found: dict[str, tuple[int, int]] = {}
    for role in ROLES:
        entry = saved.get(role) if isinstance(saved, dict) else None
        if isinstance(entry, list) and len(entry) == 2 and all(type(number) is int for number in entry):
            pid, started = entry
            if start_time(pid) == started:
                found[role] = (pid, started)
    return found


def recorded_pids(home: Home) -> dict[str, int]:
    """The process ids of ``recorded``."""
    return {role: pid for role, (pid, _) in recorded(home).items()}


def end(pid: int, started: int) -> None:
    """Kill one process, only if it is still the one that was recorded."""
    try:
        handle = os.pidfd_open(pid)
    except (OSError, AttributeError):
        handle = None
    try:
        if start_time(pid) != started:
            return
        with contextlib.suppress(ProcessLookupError):
            if handle is not None:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            else:
                os.kill(pid, signal.SIGKILL)
    finally:
        if handle is not None:
            os.close(handle)


def runs(home: Home) -> bool:
    """Whether a supervisor of this home lives: it holds the instance lock for its whole life."""
    try:
        lock = disk.reopen(home.instance_lock, os.O_RDONLY)
    except OSError:
        return False
    try:
        return disk.is_locked(lock)
    finally:
        os.close(lock)


def mark(path: str) -> None:
    """Create an empty marker file; that it exists is its meaning."""
    with contextlib.suppress(FileExistsError):
        os.close(disk.create(path))


def halt(home: Home, verb: str = "stop", seconds: int | None = None) -> str:
    """Make recording end now, whether or not anybody answers; at most one second.

    Returns ``"asked"`` when the supervisor did it, ``"ended"`` when its processes had to be killed,
    ``"absent"`` when nothing ran.
    """
    request: dict[str, Any] = {"verb": verb}
    if seconds is not None:
        request["seconds"] = seconds
    try:
        answer = ask(home, request)
    except Unavailable:
        pass
    else:
        if "error" in answer:
            raise Refused(str(answer["error"]), answer.get("hint"))
        return "asked"
    if not runs(home) and not recorded(home):
        return "absent"
    # The marker first: a supervisor that cannot be found now finds it when it wakes up, and stops.
    mark(home.stop_marker)
    alive = recorded(home)
    # Capture first: it is what must not go on. Then the supervisor, so that nothing is started again.
    for role in ("capture", "supervisor", "indicator", "writer"):
        if role in alive:
            end(*alive[role])
    deadline = time.monotonic() + 0.5
    while recorded(home) and time.monotonic() < deadline:
        time.sleep(0.01)
    return "ended"
