from __future__ import annotations

import gc
import os

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop_logger import sealing
from desktop_logger.errors import IntegrityError, Unreadable

values = st.recursive(
    st.none() | st.booleans() | st.integers(-sealing.LARGEST_INT, sealing.LARGEST_INT) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_canonical_agrees_with_an_independent_implementation(value: object) -> None:
    try:
        written = rfc8785.dumps(value)  # type: ignore[arg-type]
    except rfc8785.CanonicalizationError:
        with pytest.raises(ValueError, match="surrogates"):
            sealing.canonical(value)
        return
    assert sealing.canonical(value) == written
    assert sealing.parse_canonical(written) == value


@pytest.mark.parametrize("value", [1.5, float("nan"), 2**53, {1: 2}, b"x", {"a": {2}}])
def test_canonical_refuses_what_has_two_forms(value: object) -> None:
    with pytest.raises(ValueError, match="canonical form"):
        sealing.canonical(value)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"1.0", b"1e3", b'{"b":1,"a":2}', b'{"a":1,"a":1}', b"[1, 2]", b"\xff", b"[" * 100_000, b"NaN"]
)
def test_parsing_accepts_only_the_canonical_form(data: bytes) -> None:
    with pytest.raises(IntegrityError):
        sealing.parse_canonical(data)


def test_signature_is_bound_to_context_data_and_key() -> None:
    signer = sealing.Signer.generate()
    signature = signer.sign("ledger", b"data")
    sealing.verify(signer.public, "ledger", b"data", signature)
    again = sealing.Signer.from_bytes(signer.secret())
    assert again.public == signer.public
    for public, context, data, wrong in [
        (signer.public, "receipt", b"data", signature),
        (signer.public, "ledger", b"datb", signature),
        (sealing.Signer.generate().public, "ledger", b"data", signature),
        (signer.public, "ledger", b"data", signature[:-1]),
        (b"short", "ledger", b"data", signature),
    ]:
        with pytest.raises(IntegrityError):
            sealing.verify(public, context, data, wrong)


def test_reader_key_is_its_seed_and_opens_only_its_own() -> None:
    reader = sealing.ReaderKey.generate()
    sealed = sealing.seal_to(reader.public, bytearray(b"k" * 32), b"info")
    assert len(sealed) == 32 + 1136
    again = sealing.ReaderKey.from_seed(reader.seed())
    assert again.public == reader.public
    assert again.open(sealed, b"info") == b"k" * 32
    with pytest.raises(Unreadable):
        reader.open(sealed, b"other")
    with pytest.raises(Unreadable):
        sealing.ReaderKey.generate().open(sealed, b"info")
    for length in (0, 31, 1119, 1120, 1135, len(sealed) - 1):
        with pytest.raises(Unreadable):
            reader.open(sealed[:length], b"info")
    for public in (b"", reader.public[:-1], b"\xff" * sealing.READER_BYTES, reader.public[:1184] + bytes(32)):
        with pytest.raises(IntegrityError):
            sealing.seal_to(public, b"x", b"info")


def test_x_wing_key_expansion_matches_the_published_vector() -> None:
    # draft-connolly-cfrg-xwing-kem, appendix C, first vector: seed and the head of its public key
    seed = bytes.fromhex("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26")
    public = sealing.ReaderKey.from_seed(seed).public
    assert public.hex().startswith("e2236b35a8c24b39b10aa1323a96a919a2ced88400633a7b07131713fc14b2b5b19cfc3d")


def test_passphrase_locks_and_every_change_of_the_mapping_is_refused() -> None:
    locked = sealing.lock_with_passphrase(b"secret", "gr\u00fcn", b"info")
    assert sealing.unlock_with_passphrase(locked, "gru\u0308n", b"info") == b"secret"  # same text, other keyboard
    for change in ({"t": 2}, {"m_kib": 1 << 40}, {"p": 0}, {"salt": "AAAA"}, {"sealed": "AAAA"}, {"kdf": "scrypt"}):
        with pytest.raises(Unreadable):
            sealing.unlock_with_passphrase({**locked, **change}, "gr\u00fcn", b"info")
    with pytest.raises(Unreadable):
        sealing.unlock_with_passphrase(locked, "green", b"info")
    with pytest.raises(Unreadable):
        sealing.unlock_with_passphrase(locked, "gr\u00fcn", b"other")
    with pytest.raises(Unreadable):
        sealing.unlock_with_passphrase({}, "gr\u00fcn", b"info")


def test_kek_wraps_under_its_context() -> None:
    kek = sealing.Kek.generate()
    wrapped = kek.wrap(b"stanzas", b"aad")
    assert sealing.Kek.from_bytes(kek.secret()).unwrap(wrapped, b"aad") == b"stanzas"
    assert kek.wrap(b"stanzas", b"aad") != wrapped
    for other, data, aad in [(sealing.Kek.generate(), wrapped, b"aad"), (kek, wrapped, b"x"), (kek, b"", b"aad")]:
        with pytest.raises(Unreadable):
            other.unwrap(data, aad)


SCOPES = ("keyboard", "pointer")


def test_a_scope_key_opens_its_scope_only_and_in_order() -> None:
    root = sealing.fresh_key()
    keys = sealing.StreamKeys(root, b"context", SCOPES)
    first = {scope: keys.scope_key(scope) for scope in SCOPES}
    sealed = [{scope: keys.seal_part(scope, b"%d" % n, b"aad%d" % n) for scope in SCOPES} for n in range(5)]
    for scope in SCOPES:
        reader = sealing.ScopeReader(first[scope], b"context")
        assert reader.commitment == keys.commitment(scope)
        assert [reader.open_part(sealed[n][scope], b"aad%d" % n) for n in range(5)] == [b"%d" % n for n in range(5)]
    wrong_scope = sealing.ScopeReader(first["keyboard"], b"context")
    with pytest.raises(Unreadable):
        wrong_scope.open_part(sealed[0]["pointer"], b"aad0")
    skipped = sealing.ScopeReader(first["keyboard"], b"context")
    with pytest.raises(Unreadable):
        skipped.open_part(sealed[1]["keyboard"], b"aad1")
    assert skipped.open_part(sealed[0]["keyboard"], b"aad0") == b"0"  # a refused part does not move the chain
    assert sealing.ScopeReader(first["keyboard"], b"elsewhere").commitment != keys.commitment("keyboard")


def test_first_keys_are_gone_after_the_first_seal_and_all_after_erase() -> None:
    keys = sealing.StreamKeys(sealing.fresh_key(), b"context", SCOPES)
    keys.seal_part("keyboard", b"x", b"")
    with pytest.raises(Unreadable):
        keys.scope_key("pointer")
    keys.erase()
    with pytest.raises(Unreadable):
        keys.seal_part("keyboard", b"x", b"")


def test_past_keys_are_overwritten() -> None:
    root = sealing.fresh_key()
    keys = sealing.StreamKeys(root, b"context", SCOPES)
    past = [bytes(keys.scope_key("keyboard"))]
    buffers = [*keys._chain.values(), keys._spare]
    keys.seal_part("keyboard", b"x", b"")
    for buffer in buffers:
        assert past[0] not in bytes(buffer)
    assert bytes(keys._spare) == bytes(32)
    gc.collect()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_cannot_seal() -> None:
    keys = sealing.StreamKeys(sealing.fresh_key(), b"context", SCOPES)
    child = os.fork()
    if child == 0:
        try:
            keys.seal_part("keyboard", b"x", b"")
            os._exit(1)
        except Unreadable:
            os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    keys.seal_part("keyboard", b"x", b"")


@settings(max_examples=200)
@given(st.integers(0, 47), st.integers(1, 255))
def test_no_altered_part_opens(position: int, change: int) -> None:
    keys = sealing.StreamKeys(bytes(32), b"context", ("keyboard",))
    reader = sealing.ScopeReader(keys.scope_key("keyboard"), b"context")
    sealed = bytearray(keys.seal_part("keyboard", b"0123456789abcdef0123", b"aad"))
    sealed[position] ^= change
    with pytest.raises(Unreadable):
        reader.open_part(bytes(sealed), b"aad")


def test_fingerprint_is_eight_groups_of_four() -> None:
    groups = sealing.fingerprint(b"public").split("-")
    assert len(groups) == 8
    assert all(len(group) == 4 for group in groups)
    assert len(sealing.random_id()) == 32
