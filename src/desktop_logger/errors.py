"""Every error a user can meet, with its remedy and its exit status.

The tree (exit status in brackets; the command line prints ``error: …`` and ``hint: …``)::

    DesktopLoggerError [1]
    ├── Refused [1]          asked for something this program does not do as asked
    ├── UsageError [2]       a word, number, date or file of the user's is not understood
    ├── NoConsent [3]        no receipt that is valid now
    │   └── ClockSetBack [3]     the wall clock lies before a time already seen
    ├── IntegrityError [4]   stored data is not what was written, or not whole
    │   ├── OtherVersion [4] written by a later version of this program
    │   └── Unreadable [4]   sealed to another key, or altered
    │       └── WrongPassphrase [1]
    ├── Unavailable [5]      the environment lacks something
    └── Ended [70]           recording in the foreground ended by itself, which a service manager may mend

Foreign exceptions stop at the edge of the module that calls foreign code. A message never holds input
data, key material or anything typed.
"""

from __future__ import annotations

from typing import Any


class DesktopLoggerError(Exception):
    """Base: ``message`` says what and where, ``hint`` how to mend it."""

    exit_status = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @classmethod
    def reported(cls, facts: dict[str, Any], otherwise: str) -> DesktopLoggerError:
        """The error that another process of ours reported: ``error``, ``hint`` and ``status``, each may be absent."""
        error = DesktopLoggerError(str(facts.get("error", otherwise)), facts.get("hint"))
        error.exit_status = int(facts.get("status", cls.exit_status))
        return error


class Refused(DesktopLoggerError):
    """A request that is understood and not carried out; nothing has changed."""


class UsageError(DesktopLoggerError):
    """Words, numbers, dates or files of the user's that are malformed."""

    exit_status = 2


class NoConsent(DesktopLoggerError):
    """No valid consent: missing, expired, withdrawn, altered, foreign, or narrower than asked.

    ``state`` is one of the W3C DPV consent states that are not valid for processing, or ``Unknown``.
    """

    exit_status = 3

    def __init__(self, message: str, hint: str | None = None, *, state: str = "ConsentUnknown") -> None:
        super().__init__(message, hint)
        self.state = state


class ClockSetBack(NoConsent):
    """The wall clock lies before a time already seen, so that expiry cannot be judged."""


class IntegrityError(DesktopLoggerError):
    """Stored bytes are altered, truncated, missing, foreign or out of order."""

    exit_status = 4


class OtherVersion(IntegrityError):
    """Stored in a format that a later version of this program writes; it is left alone."""


class Unreadable(IntegrityError):
    """A sealed thing that this key or passphrase does not open."""


class WrongPassphrase(Unreadable):
    """A passphrase that does not open what it should: nothing stored is wrong, so it is a refusal, not an alarm."""

    exit_status = 1


class Unavailable(DesktopLoggerError):
    """The environment lacks something: a display, a permission, a program, room on the disk."""

    exit_status = 5


class Ended(DesktopLoggerError):
    """The background process ended without anybody having stopped it. ``EX_SOFTWARE`` of sysexits(3)."""

    exit_status = 70
