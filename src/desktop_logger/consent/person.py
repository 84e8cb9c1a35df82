"""Whose hands are on the keyboard: nobody signs or starts for somebody else.

Checked: real, effective and saved user id are one; not under sudo, doas or pkexec; the login uid, where the system
keeps one, is the same; root acts for itself only where nobody else has a session. Where the system cannot answer, the
check is named (by a key of ``words``) and the others decide.
"""

from __future__ import annotations

import os

from desktop_logger.errors import Refused

_LENT = ("SUDO_UID", "SUDO_USER", "DOAS_USER", "PKEXEC_UID")
_UNSET = 4294967295
"""The kernel's login uid for processes that no login led to (services, containers)."""

SESSIONS = "/run/systemd/sessions"
LOGIN_UID = "/proc/self/loginuid"
MACHINE_ID = ("/etc/machine-id", "/var/lib/dbus/machine-id")


def act_for_yourself() -> list[str]:
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
    if os.getuid() == 0:
        others = other_sessions()
        if others is None:
            notes.append("note_no_sessions")
        elif others:
            raise Refused("root cannot record where somebody else has a session", "Use your own account.")
    return notes


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
