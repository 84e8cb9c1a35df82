"""Bundles that a registered person's own device signed, and that still do not say what was granted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.dataset
import pytest

from desktop_logger import bundle, keystore
from desktop_logger.consent import identity
from desktop_logger.records.layout import RECORD, STROKE, TYPING
from desktop_logger.sealing import ReaderKey, StreamKeys, fingerprint, seal_to
from desktop_logger.segments import format as segment_format
from desktop_logger.segments import reading
from desktop_logger.segments.writing import Packer
from tests.organisation import HeldClock, Organisation, Subject
from tests.outboxes import Press, frames

Parts = dict[str, Any]


@pytest.fixture
def organisation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Organisation:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    return Organisation(str(tmp_path), HeldClock())


@pytest.fixture
def subject(tmp_path: Path, organisation: Organisation) -> Subject:
    """Somebody who granted the keyboard only, for one purpose."""
    person = Subject(str(tmp_path / "home"), organisation, scopes=("keyboard",), purposes=("find out",))
    person.record()
    person.release()
    return person


def remade(subject: Subject, organisation: Organisation, change: Callable[[Parts], None]) -> None:
    """Take the one bundle apart, change something, and sign it again with the device's own key."""
    (path,) = Path(subject.outbox).glob("*.bundle")
    parsed = bundle.parse(path.read_bytes())
    reader = organisation.keys.reader
    me = fingerprint(reader.public)
    parts: Parts = {
        "contents": bundle.open_contents(parsed, me, reader),
        "stanzas": parsed.stanzas,
        "stream": parsed.stream,
        "device": identity.device(subject.home),
        "recipients": {me: reader.public},
    }
    change(parts)
    path.write_bytes(
        bundle.write(
            parts["device"], prev=parsed.prev, anchor=parsed.anchor, recipients=parts["recipients"],
            contents=parts["contents"], stanzas=parts["stanzas"], stream=parts["stream"], bundle=parsed.id,
        )
    )  # fmt: skip


def manifest(**fields: Any) -> Callable[[Parts], None]:
    return lambda parts: parts["contents"]["manifest"].update(fields)


def _purposes(parts: Parts) -> None:
    parts["contents"]["manifest"]["purposes"] = ["improve-tools", "train-models"]


def _cut(parts: Parts) -> None:
    parts["stream"] = parts["stream"][: -segment_format.scan(parts["stream"]).header.frame_bytes]


def _torn(parts: Parts) -> None:
    parts["stream"] = parts["stream"][:-10]


def _no_stanzas(parts: Parts) -> None:
    parts["stanzas"] = []


def _stanza_for_pointer(parts: Parts) -> None:
    parts["stanzas"] = [*parts["stanzas"], {**parts["stanzas"][0], "scope": "pointer"}]


def _own_stanza(parts: Parts) -> None:
    parts["stanzas"] = [{**parts["stanzas"][0], "stream": "own"}]


def _foreign_stanza(parts: Parts) -> None:
    """The key that was granted to this admin, sealed to somebody else as well."""
    stanza = keystore.stanza_from_wire(parts["stanzas"][0])
    stranger = ReaderKey.generate().public
    info = segment_format.stanza_info("admin", "keyboard", segment_format.scan(parts["stream"]).header_digest)
    foreign = stanza._replace(reader=fingerprint(stranger), sealed=seal_to(stranger, bytes(32), info))
    parts["stanzas"] = [*parts["stanzas"], foreign.to_wire()]


def _foreign_reader(parts: Parts) -> None:
    stranger = ReaderKey.generate().public
    parts["recipients"] = {**parts["recipients"], fingerprint(stranger): stranger}


def _newer_manifest(parts: Parts) -> None:
    parts["contents"]["manifest"]["v"] = 2


def _malformed_stanza(parts: Parts) -> None:
    parts["stanzas"] = [{"scope": "keyboard"}]


def _another_receipt(parts: Parts) -> None:
    parts["contents"]["receipt"] = parts["contents"]["receipt"].replace('"granted":false', '"granted":true')


def _receipt_of_no_text(parts: Parts) -> None:
    parts["contents"]["receipt"] = 7


def _policy_altered(parts: Parts) -> None:
    parts["contents"]["policy"] = parts["contents"]["policy"][:-2]


def _other_device(parts: Parts) -> None:
    from desktop_logger.sealing import Signer

    parts["device"] = Signer.generate()


CASES = {
    "a purpose that the receipt does not grant": (_purposes, "train-models", "did not agree"),
    "a final frame cut off": (_cut, "improve-tools", "truncated"),
    "a torn frame": (_torn, "improve-tools", "truncated"),
    "recovered, but with a final frame": (manifest(state="recovered"), "improve-tools", "truncated"),
    "no keys at all": (_no_stanzas, "improve-tools", "missing"),
    "a key for a scope that was not granted": (_stanza_for_pointer, "improve-tools", "not granted"),
    "a key for the own stream": (_own_stanza, "improve-tools", "not granted"),
    "a key for a foreign admin": (_foreign_stanza, "improve-tools", "does not name"),
    "addressed to a foreign admin too": (_foreign_reader, "improve-tools", "does not name"),
    "a manifest of a newer format": (_newer_manifest, "improve-tools", "fields"),
    "a malformed key": (_malformed_stanza, "improve-tools", "malformed"),
    "a receipt that was altered": (_another_receipt, "improve-tools", "receipt"),
    "a receipt that is no text": (_receipt_of_no_text, "improve-tools", "malformed"),
    "a policy that was altered": (_policy_altered, "improve-tools", "policy"),
    "another device's signature": (_other_device, "improve-tools", "signature"),
    "another segment's name": (manifest(segment="0" * 32), "improve-tools", "not the one"),
    "another stream's digest": (manifest(stream="0" * 64), "improve-tools", "not the one"),
    "another profile": (manifest(profile="events"), "improve-tools", "not the one"),
    "other scopes": (manifest(scopes=["keyboard", "pointer"]), "improve-tools", "not the one"),
    "another bundle's manifest": (manifest(bundle="0" * 32), "improve-tools", "another bundle"),
    "a day that is none": (manifest(delete_after="9999-\x1b1-1"), "improve-tools", "malformed"),
    "an unknown field": (manifest(note="hello"), "improve-tools", "fields"),
    "over": (manifest(delete_after="2020-01-01"), "improve-tools", "delete it"),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_with_its_reason(case: str, subject: Subject, organisation: Organisation, tmp_path: Path) -> None:
    change, purpose, reason = CASES[case]
    remade(subject, organisation, change)
    report = organisation.export(str(tmp_path / "out"), subject.outbox, purpose=purpose)
    assert report.export is None
    assert [reason in one.reason for one in report.refused] == [True], report.refused
    assert not (tmp_path / "out").exists()


def test_unchanged_it_is_accepted(subject: Subject, organisation: Organisation, tmp_path: Path) -> None:
    remade(subject, organisation, lambda _parts: None)
    assert organisation.export(str(tmp_path / "out"), subject.outbox).sessions == 1


def test_the_admin_cannot_be_shown_another_stream_than_the_subject(
    subject: Subject, organisation: Organisation, tmp_path: Path
) -> None:
    """A key that opens nothing of the stream does not fit its commitment."""

    def other_key(parts: Parts) -> None:
        body = segment_format.scan(parts["stream"])
        keys = StreamKeys(bytes(32), body.header.context, body.header.scopes)
        info = segment_format.stanza_info("admin", "keyboard", body.header_digest)
        sealed = seal_to(organisation.keys.reader.public, keys.scope_key("keyboard"), info)
        stanza = keystore.stanza_from_wire(parts["stanzas"][0])._replace(sealed=sealed)
        parts["stanzas"] = [stanza.to_wire()]

    remade(subject, organisation, other_key)
    report = organisation.export(str(tmp_path / "out"), subject.outbox)
    assert report.export is None
    assert "not the key" in next(iter(report.refused)).reason


def test_no_key_of_another_scope_can_be_found_in_a_bundle(subject: Subject, organisation: Organisation) -> None:
    (path,) = Path(subject.outbox).glob("*.bundle")
    parsed = bundle.parse(path.read_bytes())
    body = segment_format.scan(parsed.stream)
    assert body.header.scopes == ("keyboard",)
    (stanza,) = map(keystore.stanza_from_wire, parsed.stanzas)
    reader = organisation.keys.reader
    assert isinstance(reader, ReaderKey)
    key = reading.open_stanza(body, "admin", "keyboard", stanza.sealed, reader)
    assert [scope for scope, _, _ in reading.parts(body, {"keyboard": key})] == ["keyboard"] * len(body.frames)


@pytest.mark.parametrize("granted", [("keyboard",), ("pointer",), ("keyboard", "pointer")])
def test_a_dishonest_device_cannot_smuggle_records_into_another_scope(tmp_path: Path, granted: tuple[str, ...]) -> None:
    """Records of the other scope in a part that opens: the bundle is left out, its neighbours in the part stay."""
    clock = HeldClock()
    one = Organisation(str(tmp_path), clock)
    person = Subject(str(tmp_path / "home"), one, scopes=granted)
    press = Press(person, str(tmp_path / "box"))
    honest, rows = frames(person, 2, 50)
    strange = {"keyboard": STROKE, "pointer": TYPING}
    sizes = person.grant.release.part_bytes  # type: ignore[union-attr]
    record = {scope: RECORD.pack(0, strange[scope], 0, 1, 0, 0, 0) for scope in granted}
    beyond = {"keyboard": RECORD.pack(0, TYPING, 0, 900, 0, 0, 0), "pointer": RECORD.pack(0, STROKE, 0, 99, 0, 0, 0)}
    bad = []
    for some in (record, beyond):
        press.write(honest)
        bad.append(press.write([{scope: Packer(sizes[scope]).pack(some[scope])[0] for scope in granted}])[0])
    press.write(honest)
    report = one.export(str(tmp_path / "out"), str(tmp_path / "box"), form="parquet")
    assert (report.sessions, report.rows) == (3, 3 * rows)
    assert sorted(refusal.file for refusal in report.refused) == sorted(bad)
    assert {refusal.reason for refusal in report.refused} == {"a record is outside the vocabulary of this version"}
    table = pyarrow.dataset.dataset(str(tmp_path / "out" / "data"), format="parquet").to_table()
    assert set(table["scope"].to_pylist()) == set(granted)
