"""Every vector, judged by the program and by the independent reader: both must say what the vector expects."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from desktop_logger import bundle
from desktop_logger.bundle.manifest import manifest_of
from desktop_logger.consent import receipt
from desktop_logger.errors import IntegrityError, Unreadable
from desktop_logger.keystore import entries, keys
from desktop_logger.ledger import chain
from desktop_logger.paths import Home
from desktop_logger.records.profiles import PROFILES, SCOPES
from desktop_logger.sealing import Kek, Reader, ReaderKey, ReaderPair, hexdigest, parse_canonical
from desktop_logger.segments import reading as parts_reading
from desktop_logger.segments.format import stanza_info
from desktop_logger.store import reading, verifying
from desktop_logger.store.known import Known, known_segments
from tests.storage import Person
from tests.vectors import read_vector, verify_store

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "vectors" / "data"
NAMES = sorted(path.name for path in FOLDER.glob("*.txt"))

# The program's messages are for people; these are the verdicts of the specification that they stand for.
VERDICTS = (
    ("truncated", "truncated"), ("not canonical", "malformed"), ("not in canonical form", "malformed"),
    ("not an entry", "malformed"), ("does not begin", "malformed"), ("does not follow", "broken-chain"),
    ("beginning in the middle", "broken-chain"), ("not signed by", "bad-signature"),
    ("does not verify", "bad-signature"),
    ("ends before its next", "cut"), ("head you kept", "anchor"), ("ledger is missing", "missing"),
    ("not what the header says", "altered"), ("does not agree with the rest", "contradiction"),
)  # fmt: skip


def said(error: IntegrityError) -> str:
    return next((verdict for words, verdict in VERDICTS if words in error.message), "malformed")


def segment(fields: dict[str, str], data: bytes) -> str:
    known = Known("5e" * 16)
    closed = json.loads(fields["closed"])
    known.opened, known.how = {"own": fields["digest"]}, fields["how"]
    known.closed = {} if fields["how"] == "open" else {"own": closed}
    verdict, body = reading.judge(known, "own", data)
    if "root" in fields:
        assert body is not None
        try:
            found = parts_reading.scope_keys(body, bytes.fromhex(fields["root"]))
        except Unreadable:
            return "key-mismatch"
        try:
            opened = list(parts_reading.parts(body, found))
        except Unreadable:
            return "unreadable"
        try:
            records = b"".join(parts_reading.unpack(part).tobytes() for _, _, part in opened)
        except IntegrityError:
            return "malformed"
        assert hexdigest(records) == fields["records"]
    return verdict


def stored_keys(fields: dict[str, str], data: bytes) -> str:
    try:
        head, records = keys.parse(bytes.fromhex(fields["keys"]))
    except IntegrityError:
        return "altered"
    if fields["segment"] not in records:
        return "missing"
    try:
        kek, aad = Kek(bytes.fromhex(fields["kek"])), keys._aad(head, fields["segment"])
        entry_key = Kek(kek.unwrap(records[fields["segment"]], aad))
        stanzas = entries.parse_entry(data, fields["segment"], entry_key)
        if "seed" in fields:
            info = stanza_info(stanzas[0].role, stanzas[0].scope, bytes.fromhex(fields["digest"]))
            holders = [ReaderKey.from_seed(bytes.fromhex(one)) for one in fields["seed"].split()]
            reader: Reader = holders[0] if len(holders) == 1 else ReaderPair(*holders)
            opened = reader.open(stanzas[0].sealed, info)
            assert opened.hex() == fields["root"]
    except Unreadable:
        return "unreadable"
    return "ok"


def ledger(fields: dict[str, str], data: bytes) -> str:
    lines = data[: data.rfind(b"\n") + 1].split(b"\n")[:-1]
    chain.check(lines, fields.get("anchor"), [bytes.fromhex(one) for one in fields["signers"].split()])
    return "ok"


def tombstone(fields: dict[str, str], data: bytes) -> str:
    found = known_segments(json.loads(line) for line in data.splitlines())
    if fields["segment"] not in found:
        return "foreign"
    nowhere = Home("/nonexistent", "/nonexistent")
    return verifying._verdict(nowhere, found[fields["segment"]], set(fields["present"].split()), None, "").verdict


def papers(kind: str, fields: dict[str, str], data: bytes) -> str:
    if kind == "receipt":
        receipt.verify(data)
    elif kind == "erasure":
        bundle.parse_erasure(data)
    elif kind == "manifest":
        manifest_of(parse_canonical(data))
    else:
        bundle.check_signature(bundle.parse(data), bytes.fromhex(fields["device"]))
    return "ok"


def judged(text: str) -> str:
    head, _, body = text.partition("\n\n")
    fields = dict(line.split(": ", 1) for line in head.splitlines())
    data, kind = base64.b64decode(body), fields["kind"]
    judges: dict[str, Any] = {"segment": segment, "keystore": stored_keys, "ledger": ledger, "tombstone": tombstone}
    try:
        return str(judges[kind](fields, data)) if kind in judges else papers(kind, fields, data)
    except IntegrityError as error:
        return said(error)


@pytest.mark.parametrize("name", NAMES)
def test_program_and_independent_reader_agree_with_the_vector(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="ascii")
    kind, expected, independent = read_vector.vector(text)
    assert name.startswith(kind)
    assert (judged(text), independent) == (expected, expected)


def test_there_are_enough_of_them_and_the_specification_names_only_what_exists() -> None:
    assert len(NAMES) >= 100
    named = set(
        re.findall(r"`([a-z]+-[a-z0-9-]+)\.txt`", (ROOT / "docs/reference/segment-format.md").read_text("utf-8"))
    )
    assert len(named) > 40
    assert {f"{name}.txt" for name in named} <= set(NAMES)


def test_every_must_names_its_vector() -> None:
    text = (ROOT / "docs/reference/segment-format.md").read_text("utf-8")
    for paragraph in re.split(r"\n(?=\n|- |\d+\. |\| )", text):
        if "MUST" in paragraph and "RFC 2119" not in paragraph:
            assert re.search(r"\.txt`|no vector:", paragraph), paragraph


def test_the_independent_reader_shares_no_code_and_stays_short() -> None:
    text = Path(verify_store.__file__).read_text("utf-8")
    assert "desktop_logger" not in text
    assert len(text.splitlines()) <= 400
    imported = set(re.findall(r"^(?:from|import) ([a-z0-9_]+)", text, re.MULTILINE))
    assert imported - set(sys.stdlib_module_names) == {"cryptography"}


def test_the_independent_reader_and_the_specification_know_what_the_program_knows() -> None:
    assert (tuple(verify_store.SCOPES), set(verify_store.PROFILES)) == (SCOPES, set(PROFILES))
    assert set(verify_store.KINDS) == chain.KINDS
    text = (ROOT / "docs/reference/segment-format.md").read_text("utf-8")
    assert json.dumps(list(SCOPES)) in text
    table = text.partition("| kind | facts |")[2].partition("\n\n")[0]
    assert set(
        re.findall(r"`([a-z]+(?:\.[a-z]+)?)`", "".join(row.split("|")[1] for row in table.splitlines()[2:]))
    ) == (chain.KINDS)


def test_an_outsider_reads_a_whole_store(tmp_path: Path) -> None:
    person = Person(str(tmp_path / "home"))
    ids = [person.record(2) for _ in range(3)]
    torn = person.open()
    torn.tick("own")
    torn.abandon()

    def outsider(*more: str) -> tuple[int, dict[str, str]]:
        done = subprocess.run(
            [sys.executable, "-I", verify_store.__file__, person.home.root, *more],
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        told = dict(line.split(None, 1) for line in done.stdout.splitlines())
        assert told.pop("head") == store.verify(person.home).head
        return done.returncode, told

    from desktop_logger import store

    def ours() -> dict[str, str]:
        report = store.verify(person.home, kek=person.kek()[1])
        return {"ledger": "ok" if report.ledger_ok else "?", **{one.id: one.verdict for one in report.segments}}

    assert outsider() == (0, ours())
    store.purge(person.home, person.clock, ids[:1])
    store.recover(person.home, person.clock)
    assert outsider() == (0, ours())
    head = store.verify(person.home).head
    assert outsider("--anchor", head) == (0, ours())
    assert outsider("--anchor", "0" * 64)[0] == 4
    unknown = Path(person.home.segments, f"{ids[1]}.own")
    unknown.rename(unknown.with_name(f"{'0' * 32}.own"))
    unknown.write_bytes(b"")
    os.unlink(Path(person.home.segments, f"{ids[2]}.release"))
    Path(person.home.segments, f"{'1' * 32}.own").write_bytes(b"x")  # a beginning that never counted
    os.unlink(Path(person.home.keystore, f"{torn.id}.key"))
    status, verdicts = outsider()
    assert (status, verdicts) == (4, ours())
    assert sorted(verdicts.values()) == ["erased", "foreign", "key-mismatch", "missing", "ok", "open", "truncated"]
