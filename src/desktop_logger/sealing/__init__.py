"""All cryptography of the house: the only room that imports ``cryptography``; nothing here is home-made.

Suite 1: HPKE with MLKEM768_X25519 (X-Wing), HKDF-SHA256 and AES-256-GCM; Ed25519; Argon2id (RFC 9106, second choice).
Invariants: every signature names its context; whatever does not open raises ``Unreadable``; a frame key exists for
one frame and is overwritten after it; a fork of the process cannot seal. Messages never hold keys or data.
"""

from __future__ import annotations

from .forms import (
    DIGEST_BYTES,
    KEY_BYTES,
    LABEL,
    LARGEST_INT,
    NONCE_BYTES,
    SIGNATURE_BYTES,
    SUITE,
    TAG_BYTES,
    Bytes,
    canonical,
    canonical_without,
    digest,
    fingerprint,
    hexdigest,
    parse_canonical,
    random_id,
)
from .ratchet import SEAL_BYTES, ScopeReader, StreamKeys, fresh_key, wipe
from .signing import Signer, verify
from .wrapping import (
    ARGON2ID,
    READER_BYTES,
    Kek,
    Reader,
    ReaderKey,
    ReaderPair,
    lock_with_passphrase,
    pair_public,
    reader_from,
    seal_to,
    unlock_with_passphrase,
)

__all__ = [
    "ARGON2ID",
    "DIGEST_BYTES",
    "KEY_BYTES",
    "LABEL",
    "LARGEST_INT",
    "NONCE_BYTES",
    "READER_BYTES",
    "SEAL_BYTES",
    "SIGNATURE_BYTES",
    "SUITE",
    "TAG_BYTES",
    "Bytes",
    "Kek",
    "Reader",
    "ReaderKey",
    "ReaderPair",
    "ScopeReader",
    "Signer",
    "StreamKeys",
    "canonical",
    "canonical_without",
    "digest",
    "fingerprint",
    "fresh_key",
    "hexdigest",
    "lock_with_passphrase",
    "pair_public",
    "parse_canonical",
    "random_id",
    "reader_from",
    "seal_to",
    "unlock_with_passphrase",
    "verify",
    "wipe",
]
