"""The gate: the only maker of a ``Grant``, and the closed door in every other case.

Three ways through, from the heaviest:

``check``    full validation: receipt, signatures, policy, notice, person, machine (short-lived processes; in
             ``validation``, loaded only then)
``inherit``  a grant that our own parent process handed over on an inherited descriptor
``recheck``  still valid? Standard library only, well under a millisecond, at least every 5 s

Valid are exactly the W3C DPV states ``ConsentGiven`` and ``RenewedConsentGiven``. Whatever cannot be read or
understood is not valid.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from desktop_logger import disk
from desktop_logger.errors import ClockSetBack, DesktopLoggerError, NoConsent, Refused

from .grant import MAKER, Grant, facts_of_wire

if TYPE_CHECKING:
    from desktop_logger.clock import Clock
    from desktop_logger.paths import Home

try:  # CPython's own SHA-256: hashlib would load all of OpenSSL into processes that need nothing else of it
    from _sha2 import sha256  # type: ignore[import-not-found]  # from 3.12 on
except ImportError:
    try:
        from _sha256 import sha256  # type: ignore[import-not-found]
    except ImportError:
        from hashlib import sha256

CLOCK_TOLERANCE_S = 120
"""A wall clock may be corrected by this much without being taken for one that was set back."""

_NOTE_EVERY_S = 60
_SIGN = "Run: desktop-logger consent sign"
_LARGEST = 1 << 20


def check(home: Home, clock: Clock) -> Grant:
    """Validate everything and make the grant. Raises ``NoConsent`` with the DPV state."""
    from .validation import validate

    refuse_foreign_home(home)
    note_time(home, clock)
    return Grant(MAKER, **validate(home, clock))


def inherit(data: bytes) -> Grant:
    """The grant that our parent process made and handed over. Raises ``Refused`` when it is not whole.

    For descriptors inherited from our own supervisor only: the bytes carry no signature.
    """
    return Grant(MAKER, **facts_of_wire(data))


def recheck(home: Home, grant: Grant, clock: Clock) -> None:
    """Raise ``NoConsent`` unless the grant holds at this moment. Notes the time at most once a minute.

    ``ConsentInvalidated`` because a file changed may be a mere narrowing: a caller may ask ``check`` once, in a
    short-lived process, and go on with what it returns.
    """
    refuse_withdrawn(home)
    if hasattr(os, "getresuid") and set(os.getresuid()) != {grant.uid}:
        raise NoConsent("this process runs under another account than the one that signed", _SIGN)
    refuse_expired(grant.expires, clock)
    note_time(home, clock, not_before=grant.given)
    for path, digest in grant.watched:
        if file_digest(path) != digest:
            raise NoConsent(
                f"{path} has changed since the consent was checked", "Run: desktop-logger consent status",
                state="ConsentInvalidated",
            )  # fmt: skip


def refuse_foreign_home(home: Home) -> None:
    """Raise ``NoConsent`` when the home is not ours alone. A home that does not exist passes."""
    try:
        home.check()
    except DesktopLoggerError as error:
        raise NoConsent(error.message, error.hint) from None


def refuse_withdrawn(home: Home) -> None:
    """Raise ``NoConsent`` when the withdrawal marker exists, or cannot be looked for."""
    try:
        os.lstat(home.withdrawn)
    except FileNotFoundError:
        return
    except OSError:
        raise NoConsent("cannot read the consent folder", "Run: desktop-logger doctor") from None
    raise NoConsent("the consent is withdrawn", _SIGN, state="ConsentWithdrawn")


def mark_withdrawn(home: Home) -> None:
    """Create the withdrawal marker. Raises ``NoConsent`` when nothing was ever signed here, ``Refused`` when it cannot.

    Standard library only: the supervisor does it too, when somebody withdraws at the recording sign.
    """
    try:
        descriptor = disk.reopen(home.withdrawn, os.O_WRONLY | os.O_CREAT)
    except (FileNotFoundError, NotADirectoryError):
        raise NoConsent("there is no consent to withdraw", "Nothing is recorded. See: desktop-logger status") from None
    except OSError as error:
        raise Refused(
            f"cannot write {home.withdrawn}: {error.strerror}", f"Create that file yourself: touch '{home.withdrawn}'"
        ) from None
    os.fsync(descriptor)
    os.close(descriptor)


REMINDERS = (14, 3, 0)
"""Days before the end of a consent from which on the person is reminded."""
_DAY_S = 86_400


def reminder(expires: int, now: float) -> str | None:
    """What to say about a consent that ends within fourteen days; ``None`` before, and after its end."""
    left = expires - now
    if left <= 0 or left > REMINDERS[0] * _DAY_S:
        return None
    renew = "renew it: desktop-logger consent sign"
    if left <= _DAY_S:
        return f"your consent ends today; nothing is recorded after that unless you {renew}"
    days = int(-(-left // _DAY_S))
    return (
        f"your consent ends in {days} days; {renew}"
        if left > REMINDERS[1] * _DAY_S
        else (f"your consent ends in {days} days, soon; {renew}")
    )


def refuse_expired(expires: int, clock: Clock) -> None:
    """Raise ``NoConsent`` from the second of expiry on."""
    if clock.now() >= expires:
        raise NoConsent("the consent has expired", f"{_SIGN} (it asks for a renewal)", state="ConsentExpired")


def digest(data: bytes) -> str:
    """SHA-256 (hex)."""
    return str(sha256(data).hexdigest())


def file_digest(path: str) -> str:
    """SHA-256 (hex) of a file, ``""`` when there is none. Raises ``NoConsent`` when it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        return ""
    except OSError:
        raise NoConsent(f"cannot read {path}", "Run: desktop-logger doctor") from None
    try:
        return digest(os.read(descriptor, _LARGEST))
    except OSError:
        raise NoConsent(f"cannot read {path}", "Run: desktop-logger doctor") from None
    finally:
        os.close(descriptor)


def note_time(home: Home, clock: Clock, *, not_before: int = 0) -> None:
    """Keep the time last seen, and refuse a wall clock that lies before it. Raises ``NoConsent``."""
    now = int(clock.now())
    try:
        with open(home.last_seen, encoding="ascii") as file:
            seen = int(file.read(32))
    except FileNotFoundError:
        seen = 0
    except (OSError, ValueError):
        raise NoConsent(f"cannot read {home.last_seen}", _SIGN) from None
    if now < max(seen, not_before) - CLOCK_TOLERANCE_S:
        raise ClockSetBack(
            "the computer's clock has been set back since recording was last allowed",
            "Set the clock right, or sign again: desktop-logger consent sign",
        )
    if now - seen < _NOTE_EVERY_S or not os.path.isdir(home.consent):
        return
    write_last_seen(home, now)


def write_last_seen(home: Home, now: int) -> None:
    """Note a time; the ceremony uses it to clear one that lies in the future. Raises ``NoConsent``."""
    try:
        disk.replace(home.last_seen, b"%d\n" % now)
    except OSError as error:
        raise NoConsent(
            f"cannot note the time in {home.consent}: {error.strerror}", "Run: desktop-logger doctor"
        ) from None
