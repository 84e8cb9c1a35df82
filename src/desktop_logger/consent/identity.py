"""The keys of one person on one machine: identity and reader under a passphrase, and the device key.

``keys/identity.json`` holds both public keys in the clear and both private keys under Argon2id. ``keys/device.key``
holds the 32 bytes of the key of the receipt in force: it signs bundle manifests, erasure requests and the withdrawal
without a passphrase, and is destroyed with the consent. Files are 0600.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from contextlib import suppress
from typing import Any, NamedTuple

from desktop_logger import disk, sealing
from desktop_logger.errors import IntegrityError, NoConsent, Unreadable
from desktop_logger.paths import Home

SHORTEST_PASSPHRASE = 8
_LARGEST = 16 * 1024


def strength(passphrase: str) -> str:
    """``weak``, ``fair`` or ``good``: an estimate from the length and how many different characters there are.

    It cannot know a saying or a name; the texts say that it is only an estimate.
    """
    varied = min(len(passphrase), 2 * len(set(passphrase)))
    return "weak" if varied < 12 else "fair" if varied < 20 else "good"


class Identity(NamedTuple):
    """Both private keys, unlocked. Lives only as long as the command that needed the passphrase."""

    signer: sealing.Signer
    reader: sealing.ReaderKey


class Publics(NamedTuple):
    """What of an identity is readable without a passphrase."""

    identity: bytes
    reader: bytes


def generate() -> Identity:
    """A new identity, in memory only."""
    return Identity(sealing.Signer.generate(), sealing.ReaderKey.generate())


def save(home: Home, identity: Identity, passphrase: str) -> None:
    """Write the identity under the passphrase, in place of any older one."""
    secret = identity.signer.secret() + identity.reader.seed()
    public = {
        "identity": b64encode(identity.signer.public).decode(),
        "reader": b64encode(identity.reader.public).decode(),
    }
    locked = sealing.lock_with_passphrase(secret, passphrase, _info(public))
    disk.replace(home.identity, sealing.canonical({"v": 1, **public, "locked": locked}))


def exists(home: Home) -> bool:
    """Whether there is an identity file."""
    return os.path.lexists(home.identity)


def publics(home: Home) -> Publics:
    """The public halves. Raises ``NoConsent`` when there is no identity, ``IntegrityError`` when it is altered."""
    document = _read(home)
    return Publics(b64decode(document["identity"]), b64decode(document["reader"]))


def unlock(home: Home, passphrase: str) -> Identity:
    """Both private keys. Raises ``Unreadable`` for a wrong passphrase."""
    document = _read(home)
    public = {"identity": document["identity"], "reader": document["reader"]}
    try:
        secret = sealing.unlock_with_passphrase(document["locked"], passphrase, _info(public))
    except Unreadable:
        raise Unreadable(
            "this passphrase does not open your keys",
            "Try again. If it is lost, only a new start helps: desktop-logger consent sign --new-identity",
        ) from None
    identity = Identity(sealing.Signer.from_bytes(secret[:32]), sealing.ReaderKey.from_seed(secret[32:]))
    if (identity.signer.public, identity.reader.public) != publics(home):
        raise IntegrityError(f"{home.identity} does not hold the keys that it names")
    return identity


def save_device(home: Home, device: sealing.Signer) -> None:
    """Write the device key, in place of any older one."""
    disk.replace(home.device, device.secret())


def device(home: Home) -> sealing.Signer:
    """The device key of the receipt in force. Raises ``NoConsent`` when there is none."""
    try:
        secret = disk.read(home.device, 32)
    except OSError:
        raise NoConsent(
            "the device key of this consent is not here", "Run: desktop-logger consent sign", state="ConsentInvalidated"
        ) from None
    return sealing.Signer.from_bytes(secret)


def destroy_device(home: Home) -> None:
    """Overwrite and remove the device key; nothing happens when there is none."""
    with suppress(FileNotFoundError):
        descriptor = disk.reopen(home.device, os.O_WRONLY)
        try:
            os.write(descriptor, os.urandom(32))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.unlink(home.device)


def _read(home: Home) -> dict[str, Any]:
    try:
        data = disk.read(home.identity, _LARGEST)
    except FileNotFoundError:
        raise NoConsent("there are no keys of yours yet", "Run: desktop-logger consent sign") from None
    except OSError:
        raise IntegrityError(f"cannot read {home.identity}") from None
    try:
        document = sealing.parse_canonical(data)
    except IntegrityError:
        raise IntegrityError(f"{home.identity} was altered: it is not in canonical form") from None
    if not isinstance(document, dict) or document.keys() != {"v", "identity", "reader", "locked"} or document["v"] != 1:
        raise IntegrityError(f"{home.identity} is not an identity file of this version")
    for name, size in (("identity", 32), ("reader", sealing.READER_BYTES)):
        try:
            good = len(b64decode(document[name], validate=True)) == size
        except (ValueError, TypeError):
            good = False
        if not good:
            raise IntegrityError(f"{home.identity}: {name} is not a public key")
    return document


def _info(public: dict[str, str]) -> bytes:
    """Binds the sealed keys to the public halves beside them."""
    return b"desktop-logger/v1/identity\0" + sealing.canonical(public)
