"""How a passphrase comes in: typed on the terminal without echo, or through a descriptor. Never otherwise.

Not from an argument, the environment or a pipe on standard input: those end up in process lists and histories.
"""

from __future__ import annotations

import getpass
import os
import sys
import warnings

from desktop_logger.errors import Refused, UsageError

LONGEST = 1024


def from_descriptor(number: int) -> str:
    """The first line of an inherited descriptor (as with ``3< <(…)``), which is then closed."""
    if number < 3:
        raise UsageError(
            f"--passphrase-fd {number} is a standard stream", "Use a descriptor of its own: … --passphrase-fd 3 3<FILE"
        )
    try:
        with os.fdopen(number, "rb") as file:
            line = file.read(LONGEST + 2).split(b"\n", 1)[0]
        text = line.decode()
    except OSError:
        raise UsageError(
            f"--passphrase-fd {number} is not open for reading", "Open it in the shell: … --passphrase-fd 3 3<FILE"
        ) from None
    except UnicodeDecodeError:
        raise UsageError("the passphrase is not UTF-8 text") from None
    if not text or len(line) > LONGEST:
        raise UsageError("the passphrase read from the descriptor is empty or too long")
    return text


def has_terminal() -> bool:
    """Whether this process has a controlling terminal that somebody can type on."""
    if os.name != "posix":
        return sys.stdin is not None and sys.stdin.isatty()
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def need_terminal(what: str) -> None:
    """Refuse to go on without a terminal, where something is about to be signed or made."""
    if not has_terminal() or not os.isatty(0):
        raise Refused(f"{what} needs a terminal", "Run it yourself in a terminal window, without a pipe.")


def ask(prompt: str = "Passphrase:") -> str:
    """A passphrase typed on the terminal, without echo."""
    if not has_terminal():
        raise UsageError("a passphrase is needed and there is no terminal", "Use a terminal, or --passphrase-fd N.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(f"{prompt} ")
    except (EOFError, KeyboardInterrupt, getpass.GetPassWarning):
        raise Refused("no passphrase was typed; nothing was done", "Run it again at any time.") from None


def ask_twice() -> str:
    """A new passphrase, typed twice alike."""
    first = ask("New passphrase:")
    if len(first) < 8:
        raise UsageError("the passphrase is shorter than 8 characters", "Nothing was made. Choose a longer one.")
    if ask("Repeat passphrase:") != first:
        raise UsageError("the two passphrases differ", "Nothing was made. Start again.")
    return first


def obtain(descriptor: int | None, prompt: str = "Passphrase:") -> str:
    """The passphrase, from the descriptor where one is named, else from the terminal."""
    return ask(prompt) if descriptor is None else from_descriptor(descriptor)
