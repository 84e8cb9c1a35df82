"""The keys of a stream: one for each part of each frame, derived forward, overwritten after use.

Chain: MK = Expand(CK, "msg") seals one part, CK' = Expand(CK, "next") replaces CK. Invariants: no key of a past frame
is in memory; a fork of the process cannot seal; both sides can check the commitment to the first key.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from desktop_logger.errors import Unreadable

from . import guarded
from .forms import DIGEST_BYTES, KEY_BYTES, LABEL, NONCE_BYTES, TAG_BYTES, Bytes

SEAL_BYTES = NONCE_BYTES + TAG_BYTES
"""What sealing adds to a part."""


def fresh_key() -> bytearray:
    """32 random bytes in memory that can be overwritten; where the system allows, without a copy elsewhere."""
    key = bytearray(KEY_BYTES)
    if not hasattr(os, "readv"):  # on Windows anybody may make a file of the name below
        key[:] = os.urandom(KEY_BYTES)
        return key
    try:
        source = os.open("/dev/urandom", os.O_RDONLY | os.O_CLOEXEC)
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


def _expand_into(key: Bytes, info: bytes, into: bytearray | memoryview) -> None:
    """HKDF-Expand (RFC 5869), SHA-256, 32 bytes, without a copy that cannot be overwritten."""
    HKDFExpand(SHA256(), KEY_BYTES, LABEL + info).derive_into(key, into)


def _scope_key(root: Bytes, scope: str, context: bytes) -> guarded.Place:
    place = guarded.Place()
    _expand_into(root, b"scope\0" + scope.encode("ascii") + b"\0" + context, place.view)
    return place


def _commitment(scope_key: Bytes, context: bytes) -> bytes:
    commitment = bytearray(DIGEST_BYTES)
    _expand_into(scope_key, b"commit\0" + context, commitment)
    return bytes(commitment)


class StreamKeys:
    """The keys of one stream of one segment, as the writer has them: each seals one part and is gone.

    ``context`` binds them to segment, stream and receipt. Chain: CK' = Expand(CK, "next"), MK = Expand(CK, "msg").
    They lie in guarded memory, which a fork of the process does not have.
    """

    def __init__(self, root: Bytes, context: bytes, scopes: tuple[str, ...]) -> None:
        if len(root) != KEY_BYTES:
            raise Unreadable("a stream's root key has the wrong length")
        self._chain = {scope: _scope_key(root, scope, context) for scope in scopes}
        self._spare = guarded.Place()
        self._sealed = False
        self._commitments = {scope: _commitment(place.view, context) for scope, place in self._chain.items()}

    def scope_key(self, scope: str) -> bytearray:
        """A copy of the first chain key of a scope, for its stanzas; the caller wipes it. Gone after the first seal."""
        if self._sealed:
            raise Unreadable("the first keys of this stream are gone")
        return bytearray(self._chain[scope].view)

    def commitment(self, scope: str) -> bytes:
        """32 bytes that only this scope key makes: the header carries them, every reader checks them."""
        return self._commitments[scope]

    def seal_part(self, scope: str, plaintext: bytes, aad: bytes) -> bytes:
        """Nonce, ciphertext and tag of one scope's part of a frame; then the key is overwritten."""
        self._sealed = True
        chain, spare = self._chain[scope].view, self._spare.view
        if len(chain) != KEY_BYTES or len(spare) != KEY_BYTES:
            raise Unreadable("the keys of this stream are gone")
        _expand_into(chain, b"msg", spare)
        nonce = os.urandom(NONCE_BYTES)  # random although the key is single-use: a cloned machine repeats keys
        sealed = nonce + AESGCM(spare).encrypt(nonce, plaintext, aad)
        _expand_into(chain, b"next", spare)
        chain[:] = spare
        spare[:] = bytes(KEY_BYTES)
        return sealed

    def erase(self) -> None:
        """Overwrite all keys; nothing can be sealed after that."""
        for place in (*self._chain.values(), self._spare):
            place.give_back()


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
