"""The admin's folder: keys under a passphrase, the policy to fill in, the ledger, and what stays with the steward.

::

    keys.json     public halves in the clear; both private keys locked with the passphrase (Argon2id)
    policy.toml   a policy with these public keys filled in, to edit and sign
    ledger.jsonl  who did what with whose data: see ``ledger``
    lineage/      export → bundles → segments → receipts; never part of a dataset

Private keys exist in the clear only in the memory of one command. Folders are 0700, files 0600.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from typing import NamedTuple

from desktop_logger import disk
from desktop_logger.clock import Clock
from desktop_logger.errors import IntegrityError, Refused, Unavailable, UsageError
from desktop_logger.paths import check_ours, shipped
from desktop_logger.sealing import (
    Reader,
    ReaderKey,
    ReaderPair,
    Signer,
    canonical,
    fingerprint,
    lock_with_passphrase,
    unlock_with_passphrase,
)

from .ledger import Ledger

_INFO = b"desktop-logger/v1/admin/keys"
_LARGEST = 64 << 10


class Keys(NamedTuple):
    """The unlocked private keys."""

    controller: Signer
    reader: Reader

    @property
    def who(self) -> str:
        """The reader's fingerprint, of both holders' where there are two: as in receipts, bundles and the ledger."""
        return fingerprint(self.reader.public)


class Folder:
    """An admin's folder that exists. Paths are absolute; opening it reads public halves only."""

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)
        self.keys_file = os.path.join(self.root, "keys.json")
        self.policy_file = os.path.join(self.root, "policy.toml")
        self.lineage = os.path.join(self.root, "lineage")
        if not os.path.isfile(self.keys_file):
            raise UsageError(f"{root} is not an admin folder", f"Make one with: desktop-logger admin init {root}")
        check_ours(self.root)
        try:
            with open(self.keys_file, "rb") as file:
                self._stored = json.loads(file.read(_LARGEST))
            self.controller = b64decode(self._stored["controller"], validate=True)
            self.reader = b64decode(self._stored["reader"], validate=True)
            self._locked = dict(self._stored["locked"])
        except (OSError, ValueError, KeyError, TypeError):
            raise IntegrityError(
                f"{self.keys_file} cannot be read as an admin's keys", "Restore a copy of it."
            ) from None

    @property
    def ledger(self) -> Ledger:
        """The admin's own ledger."""
        return Ledger(os.path.join(self.root, "ledger.jsonl"))

    @property
    def who(self) -> str:
        """The fingerprint under which this admin appears in the ledger and in receipts."""
        return fingerprint(self.reader)

    def unlock(self, passphrase: str) -> Keys:
        """The private keys. Raises ``Unreadable`` for another passphrase."""
        controller, reader = self._unlocked(passphrase)
        return Keys(controller, reader)

    def unlock_with(self, passphrase: str, other: Folder, others: str) -> Keys:
        """The private keys with the other holder's beside ours: they open what is sealed to both, and nothing else.

        Raises ``UsageError`` where both are one holder, ``Unreadable`` for another passphrase.
        """
        if other.reader == self.reader:
            raise UsageError("both folders hold the same reader key", "Name the other holder's own folder.")
        controller, reader = self._unlocked(passphrase)
        return Keys(controller, ReaderPair(reader, other._unlocked(others)[1]))

    def _unlocked(self, passphrase: str) -> tuple[Signer, ReaderKey]:
        secret = json.loads(unlock_with_passphrase(self._locked, passphrase, _INFO))
        controller = Signer.from_bytes(b64decode(secret["controller"]))
        reader = ReaderKey.from_seed(b64decode(secret["reader"]))
        if controller.public != self.controller or reader.public != self.reader:
            raise IntegrityError(f"{self.keys_file}: the public keys are not those of the private ones (altered)")
        return controller, reader


def check_new(root: str) -> str:
    """The absolute path of an admin's folder that may be made. Raises ``Refused``."""
    root = os.path.abspath(root)
    if os.path.lexists(root) and (not os.path.isdir(root) or os.listdir(root)):
        raise Refused(f"{root} exists already and is not empty", "Choose a new folder; keys are never overwritten.")
    return root


def create(root: str, passphrase: str, clock: Clock, *, organisation: str = "Example organisation") -> Folder:
    """Make an admin's folder with fresh keys. Refuses one that is there; leaves nothing half made.

    Raises ``Refused`` or ``Unavailable``.
    """
    root = check_new(root)
    draft = disk.draft_of(root)
    controller, reader = Signer.generate(), ReaderKey.generate()
    secret = canonical({"controller": _text(controller.secret()), "reader": _text(reader.seed())})
    stored = {
        "v": 1,
        "controller": _text(controller.public),
        "reader": _text(reader.public),
        "locked": lock_with_passphrase(secret, passphrase, _INFO),
    }
    try:
        os.makedirs(draft, 0o700, exist_ok=True)
        os.chmod(draft, 0o700)
        disk.replace(os.path.join(draft, "keys.json"), canonical(stored) + b"\n")
        template = policy_template(organisation, controller.public, reader.public)
        disk.replace(os.path.join(draft, "policy.toml"), template.encode())
        os.makedirs(os.path.join(draft, "lineage"), 0o700, exist_ok=True)
        ledger = os.path.join(draft, "ledger.jsonl")
        if os.path.lexists(ledger):
            os.unlink(ledger)
        Ledger(ledger).append(clock, "created", fingerprint(reader.public), controller=fingerprint(controller.public))
        if os.path.isdir(root):
            os.rmdir(root)
        os.rename(draft, root)
        disk.sync_folder(os.path.dirname(root))
    except OSError as error:
        raise Unavailable(f"cannot create {root}: {error.strerror}", "Choose a folder that is yours.") from None
    return Folder(root)


def policy_template(organisation: str, controller: bytes, reader: bytes) -> str:
    """The policy that ships as an example, with this organisation's name and keys: valid as it stands."""
    try:
        with open(shipped("config", "policy.example.toml"), encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        raise Unavailable(f"the example policy is not there: {error.strerror}", "Install the program again.") from None
    for hole, filling in (
        ('"<organisation>"', json.dumps(organisation, ensure_ascii=False)),
        ("<controller key>", _text(controller)),
        ("<reader key>", _text(reader)),
    ):
        text = text.replace(hole, filling)
    return text


def _text(data: bytes) -> str:
    return b64encode(data).decode()
