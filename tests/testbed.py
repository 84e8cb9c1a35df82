"""Real X servers for tests: each on a display number of its own, ended by the one who started it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator

REMOTE = ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY", "XDG_SESSION_ID")
"""What tells a remote shell: the suite may well run in one, the people in it do not."""


class Server:
    """An Xvfb of one's own. ``display`` is its name (``:N``), ``pid`` its process."""

    def __init__(self, size: str = "1280x800x24", *extra: str, become: Callable[[], None] | None = None) -> None:
        reading, writing = os.pipe()
        try:
            self._process = subprocess.Popen(
                ["Xvfb", "-displayfd", str(writing), "-screen", "0", size, "-nolisten", "tcp", "-noreset", *extra],
                pass_fds=(writing,),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                preexec_fn=become,  # noqa: PLW1509  no threads here
            )
        finally:
            os.close(writing)
        try:
            number = b""
            # The number and the newline are two writes: a reader that leaves after the first kills the server.
            while not number.endswith(b"\n") and select.select([reading], [], [], 30)[0]:
                chunk = os.read(reading, 16)
                number += chunk
                if not chunk:
                    break
        finally:
            os.close(reading)
        if not number.endswith(b"\n"):
            self.stop()
            raise RuntimeError("Xvfb did not start")
        self.display = f":{int(number)}"
        self.pid = self._process.pid

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(60)

    def kill(self) -> None:
        """As a crash of the display would: SIGKILL, at once."""
        self._process.kill()
        self._process.wait(60)


CLONE_NEWNET = 0x40000000


@contextlib.contextmanager
def own_network() -> Iterator[None]:
    """Sockets made here, by this thread or processes that it starts, belong to a network namespace of its own.

    So the kernel's list of sockets shows no display of another account to tests that run beside this one: root, whose
    they are, may not record where somebody else has a display. Its clients must be there too, since an accepted
    connection is listed where the client is, under the server's name. Nothing of the sort for anybody but root.
    """
    if os.geteuid() != 0:
        yield
        return
    library = ctypes.CDLL(None, use_errno=True)
    back = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if library.unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "no network namespace")
        try:
            yield
        finally:
            if library.setns(back, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "cannot leave a network namespace")
    finally:
        os.close(back)


def environment(display: str) -> dict[str, str]:
    """The environment of a plain X11 session on ``display``."""
    left_out = {"WAYLAND_DISPLAY", "XDG_SESSION_TYPE", *REMOTE}
    env = {name: value for name, value in os.environ.items() if name not in left_out}
    env["DISPLAY"] = display
    return env


SLOW = 6
"""A machine that does other things too may take so many times as long. How long it does take is measured elsewhere."""


def wait_until(condition: Callable[[], object], seconds: float = 10.0, what: str = "the condition") -> None:
    """Poll ``condition`` until it holds; a clear failure when it has not in ``SLOW`` times ``seconds``.

    A question that starts a process is asked less often, so that asking does not slow down what is waited for.
    """
    end = time.monotonic() + SLOW * seconds
    while True:
        begun = time.monotonic()
        if condition():
            return
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true within {SLOW * seconds} s")
        time.sleep(min(max(0.02, 2 * (time.monotonic() - begun)), 0.5))
