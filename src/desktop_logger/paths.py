"""Where everything lies, and the checks that it is ours.

``DESKTOP_LOGGER_HOME`` moves all state; else ``platformdirs`` decides. Nothing is created by asking for a path;
``Home.create`` makes folders with mode 0700 and refuses a folder that another account could change.
"""

from __future__ import annotations

import os
import stat

from .errors import Refused, Unavailable


class Home:
    """The state of one person on one machine. Attributes are absolute paths as ``str``."""

    def __init__(self, root: str, run: str | None = None) -> None:
        self.root = root
        self.run = run = run or os.path.join(root, "run")
        """Control socket, process ids, instance lock and stop marker of a live session. Not in the runtime folder,
        whose place depends on the environment: a stop from elsewhere (cron, another login) must find it."""
        self.consent = os.path.join(root, "consent")
        self.receipts = os.path.join(self.consent, "receipts")
        self.receipt = os.path.join(self.consent, "receipt.json")
        self.withdrawn = os.path.join(self.consent, "withdrawn")
        """While this file exists nothing is recorded: creating it is a withdrawal."""
        self.last_seen = os.path.join(self.consent, "last-seen")
        self.policy = os.path.join(root, "policy.json")
        """The adopted organisation policy (signed envelope). Absent: the personal policy."""
        self.keys = os.path.join(root, "keys")
        self.identity = os.path.join(self.keys, "identity.json")
        self.device = os.path.join(self.keys, "device.key")
        self.kek = os.path.join(root, "kek")
        self.ledger = os.path.join(root, "ledger")
        self.segments = os.path.join(root, "segments")
        self.keystore = os.path.join(root, "keystore")
        self.backends = os.path.join(root, "backends")
        """Files of backends of others; only those that a signed policy names by hash are ever read."""
        self.outbox = os.path.join(root, "outbox")
        self.store_lock = os.path.join(root, "store.lock")
        self.socket = os.path.join(run, "control.sock")
        self.pids = os.path.join(run, "pids.json")
        self.instance_lock = os.path.join(run, "instance.lock")
        self.stop_marker = os.path.join(run, "stop")

    def ours(self) -> list[str]:
        """Everything that this program makes in the root, whether or not it is there: what may be deleted with it."""
        aside = [
            os.path.join(self.root, name) for name in ("keystore.new", "ballast", "ballast.tmp", "policy.json.tmp")
        ]
        return [
            self.consent, self.policy, self.keys, self.kek, self.ledger, self.segments, self.keystore, self.outbox,
            self.store_lock, self.run, *aside,
        ]  # fmt: skip

    def exists(self) -> bool:
        """Whether there is any state at all."""
        return os.path.isdir(self.root)

    def create(self, *folders: str) -> None:
        """Make the root and the named folders (0700), and refuse what another account could change."""
        for folder in (self.root, *folders):
            try:
                os.makedirs(folder, mode=0o700, exist_ok=True)
            except OSError as error:
                raise Unavailable(
                    f"cannot create {folder}: {error.strerror}",
                    "Make the folder writable for your account, or set DESKTOP_LOGGER_HOME to one that is.",
                ) from None
            check_ours(folder)

    def check(self) -> None:
        """Refuse a home that is not ours alone. A home that does not exist passes."""
        if os.path.lexists(self.root):
            check_ours(self.root)


def check_ours(folder: str) -> None:
    """Refuse a folder that is a link, not ours, or open to other accounts."""
    info = os.lstat(folder)
    if not stat.S_ISDIR(info.st_mode):
        raise Refused(f"{folder} is not a folder", "Remove it or set DESKTOP_LOGGER_HOME to another folder.")
    if hasattr(os, "getuid") and info.st_uid != os.getuid():
        raise Refused(f"{folder} belongs to another account", "Use a folder of your own as DESKTOP_LOGGER_HOME.")
    if os.name == "posix" and info.st_mode & 0o077:
        raise Refused(
            f"{folder} is open to other accounts (mode {stat.S_IMODE(info.st_mode):04o})",
            f"Run: chmod 700 '{folder}'",
        )


def home() -> Home:
    """The home of this account, from ``DESKTOP_LOGGER_HOME`` or the platform's data folder."""
    chosen = os.environ.get("DESKTOP_LOGGER_HOME")
    if chosen:
        return Home(os.path.abspath(chosen))
    import platformdirs

    return Home(platformdirs.user_data_dir("desktop-logger", appauthor=False))


def shipped(*parts: str) -> str:
    """Absolute path of a file that ships with the program (``consent/…``, ``config/…``), wheel or checkout."""
    package = os.path.dirname(os.path.abspath(__file__))
    installed = os.path.join(package, "shipped", *parts)
    if os.path.exists(installed):
        return installed
    return os.path.join(os.path.dirname(os.path.dirname(package)), *parts)


def rewrite(text: str, *parts: str) -> None:
    """Write a generated file of the checkout anew (``docs/…``, ``consent/…``), for those who develop the program."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with open(os.path.join(root, *parts), "w", encoding="utf-8") as file:
        file.write(text)


def foreign_logger() -> str | None:
    """The ``logger`` that a shell would find, where it is not this program; ``""`` where there is none.

    Debian has another program of that name, which accepts any words and exits 0. Windows has none.
    """
    if os.name != "posix":
        return None
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        candidate = os.path.join(folder, "logger")
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            try:
                with open(candidate, "rb") as file:
                    return None if b"desktop_logger" in file.read(4096) else candidate
            except OSError:
                return candidate
    return ""
