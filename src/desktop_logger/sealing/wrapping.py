"""Keys that wrap keys: for a reader (HPKE, X-Wing), under a passphrase (Argon2id), under the KEK (AES-256-GCM).

Whatever does not open raises ``Unreadable``, without saying why: wrong key and altered bytes look the same.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from typing import Any

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from desktop_logger.errors import IntegrityError, Unavailable, Unreadable, WrongPassphrase

from . import guarded
from .forms import KEY_BYTES, NONCE_BYTES, Bytes, canonical

READER_BYTES = 1184 + 32
"""An ML-KEM-768 public key followed by an X25519 public key (the order of X-Wing)."""
PAIR_BYTES = 2 * READER_BYTES
"""The public keys of two holders who open only together, the smaller one first."""
ARGON2ID = {"kdf": "argon2id", "t": 3, "m_kib": 65536, "p": 4}
"""RFC 9106, second recommended choice; stored with what it locks."""


class ReaderKey:
    """An X-Wing private key: opens what was sealed to its public half. The 32-byte seed is the whole key."""

    __slots__ = ("_key", "_seed", "public")

    def __init__(self, seed: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
        from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

        if len(seed) != KEY_BYTES:
            raise Unreadable("a reader key has the wrong length")
        expand = hashes.Hash(hashes.SHAKE256(96))  # X-Wing, expandDecapsulationKey
        expand.update(seed)
        wide = expand.finalize()
        try:
            lattice = mlkem.MLKEM768PrivateKey.from_seed_bytes(wide[:64])
        except UnsupportedAlgorithm:
            raise _too_old() from None
        curve = x25519.X25519PrivateKey.from_private_bytes(wide[64:])
        self._seed = seed
        self._key = MLKEM768X25519PrivateKey(lattice, curve)
        self.public = lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
        """1216 bytes."""

    @classmethod
    def generate(cls) -> ReaderKey:
        """A new random key."""
        return cls(os.urandom(KEY_BYTES))

    @classmethod
    def from_seed(cls, seed: bytes) -> ReaderKey:
        """The key of a 32-byte seed. Raises ``Unreadable`` for any other length."""
        return cls(seed)

    def seed(self) -> bytes:
        """The 32 secret bytes."""
        return self._seed

    def seeds(self) -> tuple[bytes, ...]:
        """The same, as for a pair."""
        return (self._seed,)

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """What ``seal_to`` sealed to this key with the same ``info``. Raises ``Unreadable``."""
        try:
            plaintext: bytes = _suite().decrypt(sealed, self._key, info=info)
        except (InvalidTag, ValueError):
            raise Unreadable("sealed to another key, or altered") from None
        return plaintext


class ReaderPair:
    """The private keys of two holders: opens what was sealed to both, which neither key opens alone."""

    __slots__ = ("_inner", "_outer", "public")

    def __init__(self, one: ReaderKey, other: ReaderKey) -> None:
        self._inner, self._outer = sorted((one, other), key=lambda key: key.public)
        self.public = pair_public(one.public, other.public)
        """2432 bytes."""

    def seeds(self) -> tuple[bytes, ...]:
        """Both secrets."""
        return self._inner.seed(), self._outer.seed()

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """What ``seal_to`` sealed to this pair with the same ``info``. Raises ``Unreadable``."""
        return self._inner.open(self._outer.open(sealed, info + _OUTER), info + _INNER)


Reader = ReaderKey | ReaderPair


def reader_from(seeds: tuple[bytes, ...]) -> Reader:
    """The reader of one seed or two. Raises ``Unreadable`` for a wrong length."""
    keys = [ReaderKey.from_seed(one) for one in seeds]
    return ReaderPair(*keys) if len(keys) == 2 else keys[0]


_INNER, _OUTER = b"/inner", b"/outer"


def pair_public(one: bytes, other: bytes) -> bytes:
    """The public key of two holders together, the same in either order. Raises ``IntegrityError``."""
    if one == other or len(one) != READER_BYTES or len(other) != READER_BYTES:
        raise IntegrityError("two different readers' public keys are needed")
    return b"".join(sorted((one, other)))


def _too_old() -> Unavailable:
    return Unavailable(
        "this build of the cryptography package has no ML-KEM", "Run: pip install --upgrade 'cryptography>=48.0.1'"
    )


def _suite() -> Any:
    from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

    return Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def seal_to(public: bytes, plaintext: Bytes, info: bytes) -> bytes:
    """Seal so that only the ``Reader`` of ``public`` opens it, and only with the same ``info``.

    1136 bytes more; for a pair, whose second key seals what was sealed to the first, 2272.
    """
    if len(public) == PAIR_BYTES:
        inner = _seal_to_one(public[:READER_BYTES], plaintext, info + _INNER)
        return _seal_to_one(public[READER_BYTES:], inner, info + _OUTER)
    return _seal_to_one(public, plaintext, info)


def _seal_to_one(public: bytes, plaintext: Bytes, info: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
    from cryptography.hazmat.primitives.hpke import MLKEM768X25519PublicKey

    if len(public) != READER_BYTES:
        raise IntegrityError("a reader's public key has the wrong length")
    try:
        lattice = mlkem.MLKEM768PublicKey.from_public_bytes(public[:1184])
        curve = x25519.X25519PublicKey.from_public_bytes(public[1184:])
        sealed: bytes = _suite().encrypt(plaintext, MLKEM768X25519PublicKey(lattice, curve), info=info)
    except UnsupportedAlgorithm:
        raise _too_old() from None
    except (ValueError, InvalidTag):
        raise IntegrityError("a reader's public key is malformed") from None
    return sealed


def lock_with_passphrase(secret: bytes, passphrase: str, info: bytes) -> dict[str, Any]:
    """``secret`` under a passphrase, as a JSON-able mapping that carries its Argon2id parameters (0.2 s)."""
    head = {**ARGON2ID, "salt": b64encode(os.urandom(16)).decode("ascii")}
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(_stretch(passphrase, head)).encrypt(nonce, secret, info + b"\0" + canonical(head))
    return {**head, "sealed": b64encode(nonce + sealed).decode("ascii")}


def unlock_with_passphrase(locked: dict[str, Any], passphrase: str, info: bytes) -> bytes:
    """The secret again. Raises ``Unreadable`` for another passphrase or ``info``, or an altered mapping."""
    try:
        head = {name: locked[name] for name in ("kdf", "t", "m_kib", "p", "salt")}
        sealed = b64decode(locked["sealed"], validate=True)
        key = _stretch(passphrase, head)
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], info + b"\0" + canonical(head))
    except (KeyError, TypeError, ValueError, InvalidTag):
        raise WrongPassphrase(
            "this passphrase does not open it", "Check the passphrase; it cannot be recovered."
        ) from None


def _stretch(passphrase: str, head: dict[str, Any]) -> bytes:
    from unicodedata import normalize

    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    # Bounds before work: an altered file must not be able to ask for all memory.
    bounded = head["kdf"] == "argon2id" and 1 <= head["t"] <= 64 and 1 <= head["p"] <= 64
    if not bounded or not 8 * head["p"] <= head["m_kib"] <= 1 << 21:
        raise ValueError("Argon2id parameters out of bounds")
    salt = b64decode(head["salt"], validate=True)
    derivation = Argon2id(salt=salt, length=KEY_BYTES, iterations=head["t"], lanes=head["p"], memory_cost=head["m_kib"])
    return derivation.derive(normalize("NFC", passphrase).encode("utf-8"))


class Kek:
    """A key-encryption key: wraps keys during one epoch. It lies in guarded memory, which a fork does not have."""

    __slots__ = ("_place",)

    def __init__(self, key: Bytes) -> None:
        if len(key) != KEY_BYTES:
            raise Unreadable("the key-encryption key has the wrong length")
        self._place = guarded.Place(key)

    @classmethod
    def generate(cls) -> Kek:
        """A new random key."""
        return cls(os.urandom(KEY_BYTES))

    @classmethod
    def from_bytes(cls, key: Bytes) -> Kek:
        """The key of 32 secret bytes. Raises ``Unreadable`` for any other length."""
        return cls(key)

    def secret(self) -> bytes:
        """The 32 secret bytes."""
        return bytes(self._held())

    def _held(self) -> memoryview:
        if len(self._place.view) != KEY_BYTES:
            raise Unreadable("the key-encryption key is not in this process", "It is not inherited by a fork.")
        return self._place.view

    def wrap(self, plaintext: bytes, aad: bytes) -> bytes:
        """Nonce (12 bytes, random) and AES-256-GCM ciphertext with tag."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + AESGCM(self._held()).encrypt(nonce, plaintext, aad)

    def unwrap(self, wrapped: bytes, aad: bytes) -> bytes:
        """What ``wrap`` wrapped. Raises ``Unreadable``."""
        try:
            return AESGCM(self._held()).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], aad)
        except (InvalidTag, ValueError):
            raise Unreadable("wrapped under another key-encryption key, or altered") from None
