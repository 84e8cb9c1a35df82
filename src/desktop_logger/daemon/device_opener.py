"""Installing the device opener as a system service, and removing it again: three files and one socket, all named here.

Only an administrator can, and only when asked to. The installed program is a copy, because a service must not run code
that an ordinary account can change. It runs as an account of its own that exists only while it runs, in the group of
the input devices and in nothing else.
"""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

from desktop_logger.errors import Refused, Unavailable

PROGRAM = "usr/local/lib/desktop-logger/opener.py"
UNIT = "desktop-logger-opener"
UNITS = "etc/systemd/system"
PYTHON = "/usr/bin/python3"
_SERVICE = """\
[Unit]
Description=Hands input devices to desktop-logger while its person's session is active
Requires={unit}.socket

[Service]
ExecStart={python} -I /{program}
DynamicUser=yes
SupplementaryGroups={group}
DevicePolicy=closed
DeviceAllow=char-input r
CapabilityBoundingSet=
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
PrivateNetwork=yes
RestrictAddressFamilies=AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@resources @privileged
UMask=0077
LimitCORE=0
MemoryMax=64M
TasksMax=4
"""
_SOCKET = """\
[Unit]
Description=Where desktop-logger asks for the input devices of its person's own seat

[Socket]
ListenSequentialPacket=/run/desktop-logger/devices.sock
SocketMode=0666
DirectoryMode=0755
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
"""

Run = Callable[[Sequence[str]], object]


def _systemctl(words: Sequence[str]) -> None:
    try:
        subprocess.run(["systemctl", *words], check=True, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        raise Unavailable("this system has no systemd", "Run the opener as your system runs services.") from None
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = str(error.stderr or "it did not answer").strip().splitlines()[-1]
        raise Unavailable(f"systemctl {words[0]}: {said}", "See: systemctl status " + UNIT + ".socket") from None


def files(group: str, python: str = PYTHON) -> dict[str, str]:
    """Everything that is installed: path below the root → content."""
    source = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "capture", "opener.py")
    with open(source, encoding="utf-8") as file:
        program = file.read()
    service = _SERVICE.format(unit=UNIT, python=python, program=PROGRAM, group=group)
    return {PROGRAM: program, f"{UNITS}/{UNIT}.service": service, f"{UNITS}/{UNIT}.socket": _SOCKET}


def group_of_devices(folder: str = "/dev/input") -> str:
    """The group that may read input devices here; ``input``, where there are none."""
    import grp

    with contextlib.suppress(OSError, KeyError):
        for name in sorted(os.listdir(folder)):
            info = os.stat(os.path.join(folder, name))
            if name.startswith("event") and info.st_gid and info.st_mode & stat.S_IRGRP:
                return grp.getgrgid(info.st_gid).gr_name
    return "input"


def install(root: str = "/", run: Run = _systemctl) -> Iterator[str]:
    """Write the files, start the socket. Yields what was done. Raises ``Refused``, ``Unavailable``."""
    _must_be_administrator("install")
    if not os.access(PYTHON, os.X_OK):
        raise Unavailable(f"there is no {PYTHON}, with which the opener would run", "Install your system's Python.")
    for name, content in files(group_of_devices()).items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        with open(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, 0o644)
            file.write(content)
        yield f"wrote {path}"
    run(["daemon-reload"])
    run(["enable", "--now", f"{UNIT}.socket"])
    yield f"started {UNIT}.socket"


def remove(root: str = "/", run: Run = _systemctl) -> Iterator[str]:
    """Stop it and delete every file. Yields what was done; what is not there is passed over."""
    _must_be_administrator("remove")
    there = [name for name in files("") if os.path.lexists(os.path.join(root, name))]
    if f"{UNITS}/{UNIT}.socket" in there:
        run(["disable", "--now", f"{UNIT}.socket", f"{UNIT}.service"])
        yield f"stopped {UNIT}.socket"
    for name in there:
        os.unlink(os.path.join(root, name))
        yield f"deleted {os.path.join(root, name)}"
    with contextlib.suppress(OSError):
        os.rmdir(os.path.dirname(os.path.join(root, PROGRAM)))
    if there:
        run(["daemon-reload"])
    else:
        yield "nothing was installed"


def _must_be_administrator(verb: str) -> None:
    if os.geteuid() != 0:
        command = os.path.join(os.path.dirname(sys.executable), "desktop-logger")
        raise Refused(
            f"only an administrator can {verb} the device opener",
            f"Run: sudo {command if os.path.exists(command) else 'desktop-logger'} opener {verb}",
        )
