from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop_logger import sealing
from desktop_logger.errors import IntegrityError, Unreadable
from desktop_logger.sealing import guarded

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
    places = [*keys._chain.values(), keys._spare]
    keys.seal_part("keyboard", b"x", b"")
    for place in places:
        assert past[0] != bytes(place.view)
    assert bytes(keys._spare.view) == bytes(32)
    views = [place.view for place in places]
    keys.erase()
    assert all(bytes(view) == bytes(32) for view in views)


def test_keys_lie_where_the_system_keeps_them() -> None:
    """On Linux since 5.14 that is memfd_secret, unless the machine turned it off."""
    assert guarded.kind() in ("secret", "locked")
    place = guarded.Place(b"k" * 32)
    view = place.view
    assert bytes(view) == b"k" * 32
    place.give_back()
    place.give_back()
    assert bytes(view) == bytes(32)
    assert len(place.view) == 0


@pytest.mark.parametrize("missing", ["secret", "locked"])
def test_without_such_memory_it_is_said_and_sealing_goes_on(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded, "_secret_page", lambda: None)
    if missing == "locked":
        monkeypatch.setattr(guarded, "_lock", lambda _page: False)
    for name in ("_free", "_pages", "_kinds"):
        monkeypatch.setattr(guarded, name, [])
    assert guarded.kind() == ("locked" if missing == "secret" else "plain")
    keys = sealing.StreamKeys(bytes(32), b"context", ("keyboard",))
    reader = sealing.ScopeReader(keys.scope_key("keyboard"), b"context")
    assert reader.open_part(keys.seal_part("keyboard", b"x", b""), b"") == b"x"
    del keys


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_cannot_seal() -> None:
    keys = sealing.StreamKeys(sealing.fresh_key(), b"context", SCOPES)
    kek = sealing.Kek.generate()
    child = os.fork()
    if child == 0:
        refused = 0
        for use in (partial(keys.seal_part, "keyboard", b"x", b""), partial(kek.wrap, b"x", b""), kek.secret):
            try:
                use()
            except Unreadable:
                refused += 1
        keys.erase()
        mine = sealing.StreamKeys(sealing.fresh_key(), b"context", SCOPES)
        mine.seal_part("keyboard", b"x", b"")
        os._exit(7 if refused == 3 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    keys.seal_part("keyboard", b"x", b"")
    assert kek.secret() != bytes(32)


@pytest.mark.skipif(sys.platform != "linux", reason="clone without Python's knowledge is tried on Linux")
def test_a_fork_that_python_does_not_know_of_has_no_keys() -> None:
    """The pages are not inherited: whoever forks behind Python's back ends at the first touch."""
    program = (
        "import ctypes, os; from desktop_logger import sealing\n"
        "keys = sealing.StreamKeys(bytes(32), b'', ('keyboard',))\n"
        "child = ctypes.PyDLL(None).fork()\n"
        "if child == 0:\n    keys.seal_part('keyboard', b'x', b'')\n    os._exit(0)\n"
        "print(os.waitpid(child, 0)[1] & 0x7f)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=180, check=True)
    assert int(done.stdout) == signal.SIGSEGV


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
