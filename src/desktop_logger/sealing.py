"""All cryptography of the house: the only module that imports ``cryptography``; nothing here is home-made.

Suite 1: HPKE with MLKEM768_X25519 (X-Wing), HKDF-SHA256 and AES-256-GCM; Ed25519; Argon2id (RFC 9106, second choice).
Invariants: every signature names its context; whatever does not open raises ``Unreadable``; a frame key exists for
one frame and is overwritten after it; a fork of the process cannot seal. Messages never hold keys or data.
"""

from __future__ import annotations

import hashlib
import json
import os
from base64 import b32encode, b64decode, b64encode
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from .errors import IntegrityError, Unavailable, Unreadable

SUITE = "MLKEM768_X25519+HKDF-SHA256+AES-256-GCM"
LABEL = b"desktop-logger/v1/"
KEY_BYTES, NONCE_BYTES, TAG_BYTES, SIGNATURE_BYTES, DIGEST_BYTES = 32, 12, 16, 64, 32
SEAL_BYTES = NONCE_BYTES + TAG_BYTES
"""What sealing adds to a part."""
READER_BYTES = 1184 + 32
"""An ML-KEM-768 public key followed by an X25519 public key (the order of X-Wing)."""
LARGEST_INT = 2**53 - 1
_ARGON2ID = {"kdf": "argon2id", "t": 3, "m_kib": 65536, "p": 4}

Bytes = bytes | bytearray | memoryview


def canonical(value: Any) -> bytes:
    """RFC 8785 canonical JSON of ``str``, ``int`` (within ±(2**53 - 1)), ``bool``, ``None``, lists and mappings.

    Raises ``ValueError`` for anything else (floats too), so that two programs can never write one value two ways.
    """
    return json.dumps(_ordered(value), ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _ordered(value: Any) -> Any:
    if value is None or value is True or value is False or isinstance(value, str):
        return value
    if isinstance(value, int):
        if abs(value) > LARGEST_INT:
            raise ValueError("an integer beyond 2**53 - 1 has no canonical form")
        return int(value)
    if isinstance(value, list | tuple):
        return [_ordered(each) for each in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise ValueError("a key that is not a string has no canonical form")
        return {key: _ordered(value[key]) for key in sorted(value, key=_utf16)}
    raise ValueError(f"a {type(value).__name__} has no canonical form")


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be")  # RFC 8785, section 3.2.3: keys are ordered by UTF-16 code units


def parse_canonical(data: bytes) -> Any:
    """The value of canonical JSON. Raises ``IntegrityError`` when ``data`` is not exactly its own canonical form."""
    try:
        value = json.loads(data.decode("utf-8"))
        same = canonical(value) == data
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        same = False
    if not same:
        raise IntegrityError("not canonical JSON")
    return value


def digest(data: Bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


def hexdigest(data: Bytes) -> str:
    """SHA-256 in lower-case hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def fingerprint(public: bytes) -> str:
    """A public key as people compare it: 160 bits of its SHA-256, base32, eight groups of four."""
    text = b32encode(digest(public)[:20]).decode("ascii")
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def random_id() -> str:
    """128 random bits as 32 hexadecimal digits."""
    return os.urandom(16).hex()


def fresh_key() -> bytearray:
    """32 random bytes in memory that can be overwritten; where the system allows, without a copy elsewhere."""
    key = bytearray(KEY_BYTES)
    try:
        source = os.open("/dev/urandom", os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        key[:] = os.urandom(KEY_BYTES)
        return key
    try:
        if os.readv(source, [key]) != KEY_BYTES:
            key[:] = os.urandom(KEY_BYTES)
    finally:
        os.close(source)
    return key


def wipe(buffer: bytearray) -> None:
    """Overwrite a buffer in place."""
    buffer[:] = bytes(len(buffer))


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


class ReaderKey:
    """An X-Wing private key: opens what was sealed to its public half. The 32-byte seed is the whole key."""

    __slots__ = ("_key", "_seed", "public")

    def __init__(self, seed: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
        from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

        if len(seed) != KEY_BYTES:
            raise Unreadable("a reader key has the wrong length")
        wide = hashlib.shake_256(seed).digest(96)  # X-Wing, expandDecapsulationKey
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

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """What ``seal_to`` sealed to this key with the same ``info``. Raises ``Unreadable``."""
        try:
            plaintext: bytes = _suite().decrypt(sealed, self._key, info=info)
        except (InvalidTag, ValueError):
            raise Unreadable("sealed to another key, or altered") from None
        return plaintext


def _too_old() -> Unavailable:
    return Unavailable(
        "this build of the cryptography package has no ML-KEM", "Run: pip install --upgrade 'cryptography>=48.0.1'"
    )


def _suite() -> Any:
    from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

    return Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def seal_to(public: bytes, plaintext: Bytes, info: bytes) -> bytes:
    """Seal so that only the ``ReaderKey`` of ``public`` opens it, and only with the same ``info`` (1136 bytes more)."""
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
    head = {**_ARGON2ID, "salt": b64encode(os.urandom(16)).decode("ascii")}
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
        raise Unreadable("this passphrase does not open it", "Check the passphrase; it cannot be recovered.") from None


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
    """A key-encryption key: wraps the keystore's entries during one epoch."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise Unreadable("the key-encryption key has the wrong length")
        self._key = bytes(key)

    @classmethod
    def generate(cls) -> Kek:
        """A new random key."""
        return cls(os.urandom(KEY_BYTES))

    @classmethod
    def from_bytes(cls, key: bytes) -> Kek:
        """The key of 32 secret bytes. Raises ``Unreadable`` for any other length."""
        return cls(key)

    def secret(self) -> bytes:
        """The 32 secret bytes."""
        return self._key

    def wrap(self, plaintext: bytes, aad: bytes) -> bytes:
        """Nonce (12 bytes, random) and AES-256-GCM ciphertext with tag."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + AESGCM(self._key).encrypt(nonce, plaintext, aad)

    def unwrap(self, wrapped: bytes, aad: bytes) -> bytes:
        """What ``wrap`` wrapped. Raises ``Unreadable``."""
        try:
            return AESGCM(self._key).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], aad)
        except (InvalidTag, ValueError):
            raise Unreadable("wrapped under another key-encryption key, or altered") from None


def _expand_into(key: bytearray, info: bytes, into: bytearray) -> None:
    """HKDF-Expand (RFC 5869), SHA-256, 32 bytes, without a copy that cannot be overwritten."""
    HKDFExpand(SHA256(), KEY_BYTES, LABEL + info).derive_into(key, into)


def _scope_key(root: Bytes, scope: str, context: bytes) -> bytearray:
    key, base = bytearray(KEY_BYTES), bytearray(root)
    _expand_into(base, b"scope\0" + scope.encode("ascii") + b"\0" + context, key)
    wipe(base)
    return key


def _commitment(scope_key: bytearray, context: bytes) -> bytes:
    commitment = bytearray(DIGEST_BYTES)
    _expand_into(scope_key, b"commit\0" + context, commitment)
    return bytes(commitment)


_ratchets: list[bytearray] = []  # every chain key of this process that still seals, so that a fork can lose them


def _lose_ratchets() -> None:
    for key in _ratchets:
        wipe(key)
        key.clear()  # an empty key seals nothing
    _ratchets.clear()


class StreamKeys:
    """The keys of one stream of one segment, as the writer has them: each seals one part and is gone.

    ``context`` binds them to segment, stream and receipt. Chain: CK' = Expand(CK, "next"), MK = Expand(CK, "msg").
    """

    _watching_forks = False

    def __init__(self, root: Bytes, context: bytes, scopes: tuple[str, ...]) -> None:
        if len(root) != KEY_BYTES:
            raise Unreadable("a stream's root key has the wrong length")
        if not StreamKeys._watching_forks and hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_lose_ratchets)
            StreamKeys._watching_forks = True
        self._chain = {scope: _scope_key(root, scope, context) for scope in scopes}
        self._spare = bytearray(KEY_BYTES)
        self._sealed = False
        self._commitments = {scope: _commitment(key, context) for scope, key in self._chain.items()}
        _ratchets.extend(self._chain.values())

    def scope_key(self, scope: str) -> bytearray:
        """A copy of the first chain key of a scope, for its stanzas; the caller wipes it. Gone after the first seal."""
        if self._sealed:
            raise Unreadable("the first keys of this stream are gone")
        return bytearray(self._chain[scope])

    def commitment(self, scope: str) -> bytes:
        """32 bytes that only this scope key makes: the header carries them, every reader checks them."""
        return self._commitments[scope]

    def seal_part(self, scope: str, plaintext: bytes, aad: bytes) -> bytes:
        """Nonce, ciphertext and tag of one scope's part of a frame; then the key is overwritten."""
        self._sealed = True
        chain, spare = self._chain[scope], self._spare
        if len(chain) != KEY_BYTES:
            raise Unreadable("the keys of this stream are gone")
        _expand_into(chain, b"msg", spare)
        nonce = os.urandom(NONCE_BYTES)  # random although the key is single-use: a cloned machine repeats keys
        sealed = nonce + AESGCM(spare).encrypt(nonce, plaintext, aad)
        _expand_into(chain, b"next", spare)
        chain[:] = spare
        wipe(spare)
        return sealed

    def erase(self) -> None:
        """Overwrite all keys; nothing can be sealed after that."""
        for key in self._chain.values():
            wipe(key)
            key.clear()
            _ratchets[:] = [other for other in _ratchets if other is not key]


class ScopeReader:
    """Opens the parts of one scope of one stream, in the order in which they were sealed."""

    def __init__(self, scope_key: Bytes, context: bytes) -> None:
        if len(scope_key) != KEY_BYTES:
            raise Unreadable("a scope key has the wrong length")
        self._chain = bytearray(scope_key)
        self._spare = bytearray(KEY_BYTES)
        self.commitment = _commitment(self._chain, context)

    def open_part(self, sealed: Bytes, aad: bytes) -> bytes:
        """The plaintext of the next part. Raises ``Unreadable`` for any other part, key, order or ``aad``."""
        _expand_into(self._chain, b"msg", self._spare)
        try:
            plaintext = AESGCM(self._spare).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], aad)
        except (InvalidTag, ValueError):
            raise Unreadable("a part does not open: altered, out of order, or sealed under another key") from None
        _expand_into(self._chain, b"next", self._spare)
        self._chain[:] = self._spare
        return plaintext
