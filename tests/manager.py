"""A real systemd user manager of an account, where the machine itself does not run systemd.

In a mount namespace of its own with an empty ``/run``, and in a control group that is the account's. Needs root, as
the account that it makes does; whoever cannot have it is told why.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time

from tests.desktop.conftest import PlainUser
from tests.testbed import wait_until

SYSTEMD = "/lib/systemd/systemd"

SCRIPT = """
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system /run/systemd/unit-root /run/user/$ID
chown $ID:$GROUP /run/user/$ID; chmod 700 /run/user/$ID
for top in $TOPS; do
    mkdir -p $top/$NAME; chown -R $ID $top/$NAME; echo $$ > $top/$NAME/cgroup.procs
done
exec setpriv --reuid $ID --regid $GROUP --clear-groups env -i HOME=$HOME_OF PATH=/usr/local/bin:/usr/bin:/bin \
    XDG_RUNTIME_DIR=/run/user/$ID DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$ID/bus LANG=C.UTF-8 DISPLAY=$SCREEN \
    sh -c 'dbus-daemon --session --address=$DBUS_SESSION_BUS_ADDRESS --nofork --nopidfile & sleep 0.3; exec $0 --user' \
    $SYSTEMD
"""


def why_not() -> str:
    """Why there can be no such manager here; empty where there can."""
    if os.getuid() != 0:
        return "only root may make a mount namespace and a control group"
    for program in (SYSTEMD, "unshare", "nsenter", "setpriv", "dbus-daemon"):
        if shutil.which(program) is None:
            return f"there is no {program}"
    return "" if _tops() else "there is no control group that systemd could use"


def _tops() -> list[str]:
    """Where a control group must be made: the one hierarchy, or systemd's own two."""
    top = "/sys/fs/cgroup"
    if os.path.exists(f"{top}/cgroup.controllers"):
        return [top]
    return [path for path in (f"{top}/systemd", f"{top}/unified") if os.path.exists(f"{path}/cgroup.procs")]


class Manager:
    """``systemd --user`` for one account; ``run`` is a command of the same session.

    ``beside``: a process whose network namespace the session shares.
    """

    def __init__(self, user: PlainUser, display: str, *, beside: int | None = None) -> None:
        self.user, self.name = user, f"dl-test-{os.getpid()}-{time.monotonic_ns()}"
        self.env = user.environment(
            XDG_RUNTIME_DIR=f"/run/user/{user.uid}", DBUS_SESSION_BUS_ADDRESS=f"unix:path=/run/user/{user.uid}/bus",
            DISPLAY=display,
        )  # fmt: skip
        facts = {
            "SYSTEMD": SYSTEMD,
            "ID": user.uid,
            "GROUP": user.gid,
            "NAME": self.name,
            "HOME_OF": user.home,
            "SCREEN": display,
        }
        join = ["nsenter", "--target", str(beside), "--net"] if beside else []
        self.process = subprocess.Popen(
            [*join, "unshare", "--mount", "--propagation", "private", "sh", "-c", SCRIPT],
            env={"SYSTEMD": SYSTEMD, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TOPS": " ".join(_tops())}
            | {name: str(fact) for name, fact in facts.items()},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            wait_until(lambda: self.run("systemctl", "--user", "is-system-running").stdout.strip() in
                       ("running", "degraded"), 20, "the service manager")  # fmt: skip
        except AssertionError:
            self.close()
            raise

    def run(self, *words: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        """A command of the account inside the session; nothing is checked."""
        return subprocess.run(
            ["nsenter", "--target", str(self.process.pid), "--mount", "--net", "setpriv",
             f"--reuid={self.user.uid}", f"--regid={self.user.gid}", "--clear-groups", *words],
            env={**self.env, **more}, input=stdin, capture_output=True, text=True, check=False, timeout=180,
        )  # fmt: skip

    def show(self, name: str, *facts: str) -> list[str]:
        """Properties of a unit, in the order asked for."""
        return [self.run("systemctl", "--user", "show", "--value", "-p", fact, name).stdout.strip() for fact in facts]

    def close(self) -> None:
        self.run("systemctl", "--user", "exit")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(60)
        for top in _tops():
            for folder, _, _ in os.walk(os.path.join(top, self.name), topdown=False):
                with contextlib.suppress(OSError), open(os.path.join(folder, "cgroup.procs")) as file:
                    for pid in file.read().split():
                        os.kill(int(pid), signal.SIGKILL)
                deadline = time.monotonic() + 5
                while os.path.isdir(folder) and time.monotonic() < deadline:
                    with contextlib.suppress(OSError):
                        os.rmdir(folder)
                    time.sleep(0.02)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(60)
