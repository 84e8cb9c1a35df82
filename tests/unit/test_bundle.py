"""A bundle is refused unless it is exactly what was written, and it says nothing about time."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop_logger import bundle
from desktop_logger.errors import IntegrityError, Unreadable
from desktop_logger.sealing import ReaderKey, Signer, canonical, fingerprint, random_id

DEVICE = Signer.generate()
READER, OTHER = ReaderKey.generate(), ReaderKey.generate()
NAME, OTHER_NAME = fingerprint(READER.public), fingerprint(OTHER.public)
CONTENTS: dict[str, Any] = {"manifest": {"segment": "s", "purposes": ["improve-tools"]}, "receipt": "r", "policy": "p"}
STANZAS = [{"scope": "keyboard", "sealed": "AA=="}]
STREAM = bytes(range(256)) * 8


def make(**other: Any) -> bytes:
    facts: dict[str, Any] = {
        "prev": bundle.FIRST,
        "anchor": "a" * 64,
        "recipients": {NAME: READER.public, OTHER_NAME: OTHER.public},
        "contents": CONTENTS,
        "stanzas": STANZAS,
        "stream": STREAM,
    }
    return bundle.write(DEVICE, **{**facts, **other})


DATA = make()


def accept(data: bytes) -> bundle.Bundle:
    """Everything an admin checks before believing a bundle."""
    parsed = bundle.parse(data)
    bundle.check_signature(parsed, DEVICE.public)
    bundle.open_contents(parsed, NAME, READER)
    return parsed


def test_what_is_written_is_read_again_by_each_recipient() -> None:
    parsed = accept(DATA)
    assert parsed.prev == bundle.FIRST
    assert parsed.anchor == "a" * 64
    assert parsed.stanzas == STANZAS
    assert parsed.stream == STREAM
    assert bundle.open_contents(parsed, NAME, READER) == CONTENTS
    assert bundle.open_contents(parsed, OTHER_NAME, OTHER) == CONTENTS


def test_bundles_form_a_chain() -> None:
    first = bundle.parse(DATA)
    second = bundle.parse(make(prev=first.digest))
    assert second.prev == first.digest
    assert second.digest != first.digest


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(DATA) - 1), value=st.integers(1, 255))
def test_a_changed_byte_is_refused(at: int, value: int) -> None:
    altered = bytearray(DATA)
    altered[at] ^= value
    with pytest.raises(IntegrityError):
        accept(bytes(altered))


def test_every_byte_of_header_and_signature_matters() -> None:
    for at in range(DATA.index(b'"v":1') + 5 + 65):
        altered = bytearray(DATA)
        altered[at] ^= 1
        with pytest.raises(IntegrityError):
            accept(bytes(altered))


@settings(max_examples=100, deadline=None)
@given(keep=st.integers(0, len(DATA) - 1))
def test_a_truncated_bundle_is_refused(keep: int) -> None:
    with pytest.raises(IntegrityError):
        bundle.parse(DATA[:keep])


def test_nothing_may_follow_the_last_part() -> None:
    with pytest.raises(IntegrityError, match="goes on"):
        bundle.parse(DATA + b"\0")


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=400), head=st.booleans())
def test_noise_is_an_integrity_error_and_nothing_else(data: bytes, head: bool) -> None:
    with pytest.raises(IntegrityError):
        bundle.parse(bundle.MAGIC + data if head else data)


def test_parts_of_two_bundles_do_not_mix() -> None:
    ours, theirs = bundle.parse(DATA), bundle.parse(make())
    swapped = ours._replace(sealed=theirs.sealed)
    with pytest.raises(Unreadable):
        bundle.open_contents(swapped, NAME, READER)


def test_another_device_or_another_reader_is_refused() -> None:
    parsed = bundle.parse(DATA)
    with pytest.raises(IntegrityError):
        bundle.check_signature(parsed, Signer.generate().public)
    with pytest.raises(Unreadable):
        bundle.open_contents(parsed, NAME, OTHER)
    with pytest.raises(Unreadable, match="not addressed"):
        bundle.open_contents(parsed, fingerprint(b"x" * 32), READER)


def test_a_newer_version_says_what_to_do() -> None:
    with pytest.raises(IntegrityError) as caught:
        bundle.parse(b"desktop-logger bundle 2\n" + DATA[len(bundle.MAGIC) :])
    assert caught.value.hint


def test_the_clear_part_holds_no_time() -> None:
    header = bundle.parse(DATA).header.decode()
    plain = re.sub(r'"[0-9a-f]{32,64}"', '""', header)
    assert not re.search(r"[0-9]{8,}|20[0-9]{2}-", plain)


def test_an_erasure_request_binds_segments_and_bundles_to_the_device() -> None:
    segments, carried = [random_id(), random_id()], ["b" * 64]
    data = bundle.write_erasure(DEVICE, segments, carried)
    request = bundle.parse_erasure(data)
    assert request.device == DEVICE.public
    assert set(request.segments) == set(segments)
    assert request.bundles == ("b" * 64,)


def test_an_altered_erasure_request_is_refused() -> None:
    data = bundle.write_erasure(DEVICE, [random_id()], [])
    for at in range(len(data)):
        altered = bytearray(data)
        altered[at] ^= 1
        with pytest.raises(IntegrityError):
            bundle.parse_erasure(bytes(altered))


def test_an_erasure_request_of_unknown_shape_is_refused() -> None:
    bodies: list[Any] = [[], {}, {"signature": "00"}, {"v": 1, "kind": "erasure", "signature": "0" * 128}]
    for body in bodies:
        with pytest.raises(IntegrityError):
            bundle.parse_erasure(canonical(body))
