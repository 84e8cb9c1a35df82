"""What an admin registers and signs: people's key fingerprints, read out in person, and the policy."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from desktop_logger import policy
from desktop_logger.clock import Clock
from desktop_logger.consent.words import holders
from desktop_logger.errors import Refused, Unavailable, UsageError
from desktop_logger.inspection.table import appearing
from desktop_logger.sealing import fingerprint

from .folder import Folder

_FINGERPRINT = re.compile(r"([A-Z2-7]{4}-){7}[A-Z2-7]{4}")
_LARGEST = 256 << 10


def add_subject(folder: Folder, text: str, clock: Clock) -> bool:
    """Register a subject's identity fingerprint. False when it was registered before."""
    found = _fingerprint(text)
    if found in folder.ledger.known().subjects:
        return False
    folder.ledger.append(clock, "subject.added", folder.who, subject=found)
    return True


def remove_subject(folder: Folder, text: str, clock: Clock) -> bool:
    """Take a fingerprint off the list; False when it was not on it. What was exported before stays as it is."""
    found = _fingerprint(text)
    if found not in folder.ledger.known().subjects:
        return False
    folder.ledger.append(clock, "subject.removed", folder.who, subject=found)
    return True


def subjects(folder: Folder) -> list[tuple[str, str]]:
    """(fingerprint, day on which it was registered), in that order."""
    days: dict[str, str] = {}
    for entry in folder.ledger.entries():
        if entry["kind"] == "subject.added":
            days[entry["subject"]] = entry["day"]
        elif entry["kind"] == "subject.removed":
            days.pop(entry["subject"], None)
    return list(days.items())


def _fingerprint(text: str) -> str:
    found = text.strip().upper().replace(" ", "-")
    if not _FINGERPRINT.fullmatch(found):
        raise UsageError(
            "not a fingerprint: eight groups of four letters and digits are needed",
            "The person reads theirs from: desktop-logger consent status",
        )
    return found


def readers_of(path: str) -> list[tuple[str, str]]:
    """(fingerprint as people will see it, name) of each reader in a policy file."""
    with open(path, "rb") as file:
        checked = policy.parse(file.read(_LARGEST), path)
    return [(fingerprint(one.key), holders("en", one)) for one in checked.recipients]


def sign_policy(folder: Folder, path: str, passphrase: Callable[[], str], clock: Clock) -> str:
    """Sign a policy file with the controller's key; returns the path of ``<name>.signed.json`` beside it."""
    try:
        with open(path, "rb") as file:
            text = file.read(_LARGEST + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", "Name the policy's file.") from None
    checked = policy.parse(text, path)  # before anybody is asked for a passphrase
    signed = policy.sign(text, folder.unlock(passphrase()).controller, path)
    target = os.path.splitext(path)[0] + ".signed.json"
    if os.path.lexists(target):
        # the version inside is what people have signed or will sign: an older file is never silently replaced
        raise Refused(f"{target} exists already", "Move it away, and raise `version` if the policy has changed.")
    with appearing(target) as file:
        file.write(signed)
    os.chmod(target, 0o644)  # meant to be handed out
    try:
        folder.ledger.append(
            clock, "policy.signed", fingerprint(folder.controller), policy=checked.id, version=checked.version
        )
    except Unavailable:
        os.unlink(target)
        raise
    return target
