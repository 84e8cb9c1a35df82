"""Ed25519: every signature names its context, so that one thing signed never passes for another."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from desktop_logger.errors import IntegrityError, Unreadable

from .forms import KEY_BYTES, LABEL


class Signer:
    """An Ed25519 private key."""

    __slots__ = ("_key", "public")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw()
        """32 bytes."""

    @classmethod
    def generate(cls) -> Signer:
        """A new random key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_bytes(cls, secret: bytes) -> Signer:
        """The key of 32 secret bytes. Raises ``Unreadable`` for any other length."""
        if len(secret) != KEY_BYTES:
            raise Unreadable("a signing key has the wrong length")
        return cls(Ed25519PrivateKey.from_private_bytes(secret))

    def secret(self) -> bytes:
        """The 32 secret bytes."""
        return self._key.private_bytes_raw()

    def sign(self, context: str, data: bytes) -> bytes:
        """64 bytes that only this key can make for ``data`` in this context."""
        return self._key.sign(_signed_message(context, data))


def _signed_message(context: str, data: bytes) -> bytes:
    return LABEL + context.encode("ascii") + b"\0" + data


def verify(public: bytes, context: str, data: bytes, signature: bytes) -> None:
    """Raise ``IntegrityError`` unless ``signature`` is by ``public`` over ``data`` in this context."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, _signed_message(context, data))
    except (InvalidSignature, ValueError):
        raise IntegrityError(f"the signature of the {context} does not verify") from None
