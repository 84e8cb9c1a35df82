"""Whose hands are on the keyboard: nobody signs or starts for somebody else.

Checked: real, effective and saved user id are one; not under sudo, doas or pkexec; the login uid, where the system
keeps one, is the same; no debugger is attached; not over a remote shell; the session, where a session manager knows
it, is not a remote one (unless the policy allows a graphical one); the display belongs to this account or to the
system; root acts for itself only where nobody else has a session or a display. Where the system cannot answer, the
check is named (by a key of ``words``) and the others decide. These checks stop accidents and orders, not a forger:
whoever controls the account controls its environment too.
"""

from __future__ import annotations

import os

from desktop_logger.errors import Refused

_REMOTE = ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")
_LENT = ("SUDO_UID", "SUDO_USER", "DOAS_USER", "PKEXEC_UID")
_UNSET = 4294967295
"""The kernel's login uid for processes that no login led to (services, containers)."""

STATUS = "/proc/self/status"
UNIX_SOCKETS = "/proc/net/unix"
X11_SOCKETS = "/tmp/.X11-unix"  # noqa: S108 - the X server's own place
SESSIONS = "/run/systemd/sessions"
LOGIN_UID = "/proc/self/loginuid"
MACHINE_ID = ("/etc/machine-id", "/var/lib/dbus/machine-id")


def act_for_yourself(*, remote_sessions: bool = False) -> list[str]:
    """Checks that cannot be made here, as keys of ``words``. Raises ``Refused`` when this may be for somebody else."""
    notes: list[str] = []
    if not hasattr(os, "getresuid"):
        return ["note_no_uids"]
    if len(set(os.getresuid())) != 1:
        raise Refused("the user ids of this process differ", "Run it from your own account, without set-uid programs.")
    lent = [name for name in _LENT if os.environ.get(name)]
    if lent:
        raise Refused(
            f"this runs for another account ({lent[0]} is set)",
            "Everybody signs and starts for themselves: log in as the person concerned.",
        )
    login = login_uid()
    if login is None:
        notes.append("note_no_login_uid")
    elif login != os.getuid():
        raise Refused(
            f"the account that logged in (uid {login}) is not the one this runs as (uid {os.getuid()})",
            "Log in as the person concerned; su and sudo are not enough.",
        )
    notes += _no_debugger()
    notes += _not_remote(allowed=remote_sessions)
    _own_display()
    if os.getuid() == 0:
        others = other_sessions()
        if others is None:
            notes.append("note_no_sessions")
        elif others:
            raise Refused("root cannot record where somebody else has a session", "Use your own account.")
        if other_displays():
            raise Refused("root cannot record where somebody else has a display", "Use your own account.")
    return notes


def _no_debugger() -> list[str]:
    """Refuse while another process traces this one (proc(5), ``TracerPid``)."""
    try:
        with open(STATUS, encoding="ascii", errors="replace") as file:
            tracer = next((line.split()[1] for line in file if line.startswith("TracerPid:")), None)
    except OSError:
        tracer = None
    if tracer is None:
        return ["note_no_tracer"]
    if tracer != "0":
        raise Refused(
            "a debugger is attached to this process, so what is typed here would not stay with you",
            "Run it without a debugger.",
        )
    return []


def _not_remote(*, allowed: bool) -> list[str]:
    """Refuse a remote shell, and a remote session that the policy does not allow."""
    shell = next((name for name in _REMOTE if os.environ.get(name)), None)
    if shell:
        raise Refused(
            f"this is a remote shell ({shell} is set)",
            "Sign and start at the computer itself, in a terminal of your own session.",
        )
    facts = session(os.environ.get("XDG_SESSION_ID", ""))
    if facts is None:
        return ["note_no_session"]
    if facts.get("REMOTE") == "1" and not (allowed and facts.get("TYPE") in ("x11", "wayland")):
        raise Refused(
            "this session comes over a network, and the policy does not allow that",
            "Sign and start at the computer itself.",
        )
    return []


def session(name: str) -> dict[str, str] | None:
    """What the session manager says about a session, from systemd's files; ``None`` where it says nothing."""
    if not name.isalnum():
        return None
    try:
        with open(os.path.join(SESSIONS, name), encoding="utf-8", errors="replace") as file:
            return dict(line.rstrip("\n").partition("=")[::2] for line in file if "=" in line)
    except OSError:
        return None


def _own_display() -> None:
    """Refuse a display that belongs to somebody else's account, or that is another machine's."""
    display = os.environ.get("DISPLAY", "")
    if not display:
        return
    host, _, number = display.rpartition(":")
    if host not in ("", "unix"):
        raise Refused(f"the display {display[:40]} is on another machine", "Start in the session of that machine.")
    try:
        owner = os.stat(os.path.join(X11_SOCKETS, "X" + number.split(".")[0])).st_uid
    except OSError:
        return  # no such display: starting says so
    if owner not in (0, os.getuid()):
        raise Refused(f"the display {display[:40]} belongs to another account", "Use the display of your own session.")


def login_uid() -> int | None:
    """The uid that logged in, ``None`` where the kernel keeps none."""
    try:
        with open(LOGIN_UID, encoding="ascii") as file:
            uid = int(file.read(16))
    except (OSError, ValueError):
        return None
    return None if uid == _UNSET else uid


def other_sessions() -> list[int] | None:
    """User ids (not root's) with a login session, from systemd's files; ``None`` where there is no such list."""
    try:
        names = os.listdir(SESSIONS)
    except OSError:
        return None
    found = set()
    for name in names:
        facts: dict[str, str] = {}
        try:
            with open(os.path.join(SESSIONS, name), encoding="utf-8", errors="replace") as file:
                facts = dict(line.rstrip("\n").partition("=")[::2] for line in file if "=" in line)
        except OSError:
            continue
        if facts.get("UID", "").isdecimal() and facts.get("CLASS", "user").startswith("user"):
            found.add(int(facts["UID"]))
    return sorted(found - {0})


def other_displays() -> list[int]:
    """User ids (not root's) that own an X display here that lives, from the kernel's list of sockets (proc(5))."""
    found = set()
    try:
        with open(UNIX_SOCKETS, encoding="utf-8", errors="replace") as file:
            paths = {line.split()[-1] for line in file}
    except OSError:
        return []
    for path in paths:
        if path.startswith(f"{X11_SOCKETS}/X"):
            try:
                found.add(os.stat(path).st_uid)
            except OSError:
                continue
    return sorted(found - {0})


def machine(receipt_id: str) -> str | None:
    """A name for this machine that is different in every receipt: HMAC of its machine id. ``None`` without one."""
    import hashlib
    import hmac

    for path in MACHINE_ID:
        try:
            with open(path, "rb") as file:
                secret = file.read(64).strip()
        except OSError:
            continue
        if secret:
            return hmac.new(secret, b"desktop-logger/v1/machine\0" + receipt_id.encode(), hashlib.sha256).hexdigest()
    return None
