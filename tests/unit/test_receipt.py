"""Receipts: complete, canonical, signed; whatever is changed in one is refused."""

from __future__ import annotations

import copy
import json
import os
import random
from collections.abc import Iterator
from typing import Any

import pytest
import rfc8785

from desktop_logger import sealing
from desktop_logger.consent import gate, receipt
from desktop_logger.errors import DesktopLoggerError, IntegrityError, NoConsent
from desktop_logger.paths import Home
from tests.signing import HeldClock, Organisation, Scripted, home_in, signed

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    place = home_in(tmp_path_factory.mktemp("receipt"))
    Organisation().adopt(place)
    signed(place, HeldClock(), Scripted(yes=("keyboard", "pointer", "train models")))
    return place


@pytest.fixture(scope="module")
def data(home: Home) -> bytes:
    with open(home.receipt, "rb") as file:
        return file.read()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every member of a document, the whole left out."""
    if path:
        yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for index in range(len(value)):
            yield from places(value[index], (*path, index))


def changed(document: Any, path: tuple[Any, ...], change: Any) -> Any:
    """A copy with one member replaced, or removed where ``change`` is ``...``."""
    made = copy.deepcopy(document)
    at = made
    for step in path[:-1]:
        at = at[step]
    if change is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = change(at[path[-1]])
    return made


def twisted(value: Any) -> Any:
    """A different value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return ("B" if value[:1] == "A" else "A") + value[1:]
    if isinstance(value, list):
        return [*value, *value[:1]] if value else ["x"]
    if isinstance(value, dict):
        return {**value, "more": 1}
    return "x"


def test_a_receipt_is_canonical_by_another_implementation(data: bytes) -> None:
    assert rfc8785.dumps(json.loads(data)) == data
    assert receipt.verify(data).event.state == "ConsentGiven"


def test_every_changed_missing_or_mistyped_member_is_refused(data: bytes) -> None:
    document = json.loads(data)
    refused = 0
    for path in places(document):
        changes: list[Any] = [..., twisted, lambda _: None, lambda _: 7, lambda _: "x" * 5000, lambda _: []]
        for change in changes:
            try:
                made = changed(document, path, change)
            except (KeyError, TypeError):
                continue
            altered = sealing.canonical(made)
            if altered == data:
                continue
            with pytest.raises(IntegrityError):
                receipt.verify(altered)
            refused += 1
    assert refused >= 500


def test_every_flipped_cut_or_doubled_byte_is_refused(data: bytes) -> None:
    chance = random.Random(11)
    for _ in range(400):
        at = chance.randrange(len(data))
        flipped = bytearray(data)
        flipped[at] ^= 1 << chance.randrange(8)
        for altered in (bytes(flipped), data[:at], data[:at] + data[at : at + 1] + data[at:]):
            if altered != data:
                with pytest.raises(IntegrityError):
                    receipt.verify(altered)


@pytest.mark.parametrize(
    "altered",
    [
        lambda data: data + b"\n",
        lambda data: b" " + data,
        lambda data: json.dumps(json.loads(data)).encode(),
        lambda data: data.replace(b'{"event"', b'{"event":1,"event"', 1),
        lambda _: b"",
        lambda _: b"\xff\xfe",
        lambda _: b"[" * 5000,
        lambda _: b"x" * (receipt.LARGEST + 1),
    ],
)
def test_other_forms_of_the_same_document_are_refused(data: bytes, altered: Any) -> None:
    with pytest.raises(IntegrityError):
        receipt.verify(altered(data))


def test_a_signature_by_somebody_else_is_refused(data: bytes) -> None:
    document = json.loads(data)
    del document["signature"]
    with pytest.raises(IntegrityError):
        receipt.sign(document, sealing.Signer.generate())


def test_a_signature_in_another_base64_form_is_refused(data: bytes) -> None:
    document = json.loads(data)
    value = document["signature"]["value"]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = value[-3]
    twin = alphabet[alphabet.index(last) ^ 1]
    document["signature"]["value"] = f"{value[:-3]}{twin}=="
    with pytest.raises(IntegrityError):
        receipt.verify(sealing.canonical(document))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("processing", "scopes", 0, "granted"), False),
        (("processing", "recipients"), []),
        (("processing", "consent_digest"), "0" * 64),
        (("event", "expires"), 1_800_000_000 + 400 * 86_400),
        (("event", "code"), "AAAA-AAAA"),
        (("processing", "profile"), "events"),
    ],
)
def test_even_the_signer_cannot_make_a_receipt_that_contradicts_itself(
    data: bytes, path: tuple[Any, ...], value: Any
) -> None:
    signer, document = sealing.Signer.generate(), json.loads(data)
    del document["signature"]
    subject = document["parties"]["subject"]
    from base64 import b64encode

    subject["identity"] = b64encode(signer.public).decode()
    subject["identity_fingerprint"] = sealing.fingerprint(signer.public)
    document["event"]["code"] = receipt.code_of(document["processing"], document["parties"], document["event"])
    receipt.sign(document, signer)
    with pytest.raises(IntegrityError):
        receipt.sign(changed(document, path, lambda _: value), signer)


def test_the_gate_refuses_mutations_too_and_says_invalidated(home: Home, data: bytes) -> None:
    clock = HeldClock()
    assert gate.check(home, clock).scopes == ("keyboard", "pointer")
    try:
        for altered in (data[:-1], data.replace(b'"granted":true', b'"granted":false', 1), b"{}"):
            with open(home.receipt, "wb") as file:
                file.write(altered)
            with pytest.raises(NoConsent) as caught:
                gate.check(home, clock)
            assert caught.value.state == "ConsentInvalidated"
            assert caught.value.hint
    finally:
        with open(home.receipt, "wb") as file:
            file.write(data)


def test_no_message_holds_the_refused_value(data: bytes) -> None:
    document = json.loads(data)
    document["header"]["program"] = "SECRET\nTEXT"
    with pytest.raises(DesktopLoggerError) as caught:
        receipt.verify(sealing.canonical(document))
    assert "SECRET" not in caught.value.message
    assert "header.program" in caught.value.message


def test_the_schema_is_current() -> None:
    with open(os.path.join(ROOT, "consent", "receipt.schema.json"), encoding="utf-8") as file:
        assert file.read() == receipt.schema(), "run: python -m desktop_logger.consent.receipt"
