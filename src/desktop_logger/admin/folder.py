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
from desktop_logger.paths import check_ours
from desktop_logger.sealing import (
    ReaderKey,
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
    reader: ReaderKey


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
        secret = json.loads(unlock_with_passphrase(self._locked, passphrase, _INFO))
        keys = Keys(
            Signer.from_bytes(b64decode(secret["controller"])), ReaderKey.from_seed(b64decode(secret["reader"]))
        )
        if keys.controller.public != self.controller or keys.reader.public != self.reader:
            raise IntegrityError(f"{self.keys_file}: the public keys are not those of the private ones (altered)")
        return keys


def create(root: str, passphrase: str, clock: Clock, *, organisation: str = "Example organisation") -> Folder:
    """Make an admin's folder with fresh keys. Refuses one that is there; leaves nothing half made.

    Raises ``Refused`` or ``Unavailable``.
    """
    root = os.path.abspath(root)
    draft = root + ".partial"
    if os.path.lexists(root) and (not os.path.isdir(root) or os.listdir(root)):
        raise Refused(f"{root} exists already and is not empty", "Choose a new folder; keys are never overwritten.")
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
    """A policy that is valid as it stands, with comments on what to decide."""
    name = json.dumps(organisation, ensure_ascii=False)
    return f"""\
# What {" ".join(organisation.split())} may learn from how desktops are used. Edit, then sign:
#   desktop-logger admin policy sign policy.toml
# A person signs exactly this; making it wider later stops recording until they sign again.
id = "organisation"
version = 1
scopes = ["keyboard", "pointer"]   # each is asked apart; the answer may be no
named_commands = true              # copy, paste, undo … by name; never a character
retention_days = 30                # on the person's machine and with you
consent_days = 180                 # then the consent ends by itself

[notice]
id = "organisation"
version = 1

[profile]                          # how finely it is kept on the person's machine
ceiling = "bursts"
default = "bursts"

[release]                          # how finely, and when, it leaves for you
profile = "coarse"
mode = "cooling-off"               # or "approved": nothing leaves before the person says so
cooling_off_hours = 24

[controller]                       # who answers for it
name = {name}
contact = "privacy@example.org"
public = "{_text(controller)}"

[dpo]
name = "Data protection officer"
contact = "dpo@example.org"

[[purposes]]                       # each is asked apart; an export names one of them
id = "research"
text = {{ en = "find where its tools get in people's way", de = "herausfinden, wo seine Werkzeuge im Weg stehen" }}

[[purposes]]
id = "model-training"
text = {{ en = "train models that use computers", de = "Modelle trainieren, die Computer bedienen" }}

[[recipients]]                     # who can read what leaves
name = "Data steward"
public = "{_text(reader)}"
scopes = ["keyboard", "pointer"]
"""


def _text(data: bytes) -> str:
    return b64encode(data).decode()
