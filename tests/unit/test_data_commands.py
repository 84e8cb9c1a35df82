"""The commands on data as processes: what they print, their exit statuses, and what they refuse."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from desktop_logger.clock import Clock
from tests.organisation import PASSPHRASE, Organisation, Subject
from tests.people import Person


@pytest.fixture
def subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    person = Subject(str(tmp_path / "home"), Organisation(str(tmp_path), Clock()))
    person.record(40)
    return person


class Warm(Person):
    warm = True


@pytest.fixture
def person(subject: Subject) -> Person:
    return Warm(subject.home.root)


def refused(person: Person, status: int, *words: str, passphrase: str | None = None) -> str:
    done = person.run(*words, passphrase=passphrase)
    assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    return done.stderr


def test_inspect_in_every_form(person: Person, tmp_path: Path) -> None:
    report = person.inspect()
    assert list(report) == ["records", "keys", "commands", "pointer", "context", "gaps", "segments", "at_least"]
    assert report["keys"] == {"COMMAND": 1, "EDIT": 1, "TEXT": 40}
    assert report["gaps"] == [{"reason": "paused", "seconds": 30}]
    text = person.ok("inspect", passphrase=PASSPHRASE)
    assert max(map(len, text.splitlines())) <= 80
    rows = person.ok("inspect", "--events", "--json", passphrase=PASSPHRASE).splitlines()
    assert {json.loads(row)["record"] for row in rows} == {"typing", "key", "stroke", "click", "gap"}
    person.ok("inspect", "--html", str(tmp_path / "page.html"), passphrase=PASSPHRASE)
    assert "data steward" in (tmp_path / "page.html").read_text()
    refused(person, 1, "inspect", "--html", str(tmp_path / "page.html"), passphrase=PASSPHRASE)
    assert "at least" in person.ok("inspect", "--as-admin", passphrase=PASSPHRASE)
    assert person.inspect("--until", "2020-01-01")["segments"] == 0
    assert person.inspect("--last", "1h")["segments"] == 1


def test_inspect_opens_nothing_without_the_passphrase(person: Person, tmp_path: Path) -> None:
    assert "no terminal" in refused(person, 2, "inspect")
    assert "passphrase" in refused(person, 4, "inspect", passphrase=PASSPHRASE[:-1])
    assert "duration" in refused(person, 2, "inspect", "--last", "soon")
    assert "date" in refused(person, 2, "inspect", "--since", "soon")
    refused(Warm(str(tmp_path / "nobody")), 3, "inspect", passphrase=PASSPHRASE)
    assert not os.path.exists(tmp_path / "nobody")


def test_the_passphrase_can_be_typed(person: Person) -> None:
    child = person.terminal("inspect", "--json")
    child.expect("Passphrase: ")
    child.sendline(PASSPHRASE)
    said = child.read()
    child.close()
    assert child.exitstatus == 0
    assert PASSPHRASE not in said
    assert '"TEXT": 40' in said


def test_export_of_ones_own_data(person: Person, tmp_path: Path) -> None:
    for form in ("jsonl", "csv", "parquet"):
        report = person.json("export", "--out", str(tmp_path / f"mine.{form}"), "--format", form, passphrase=PASSPHRASE)
        assert report["rows"] == 7
    row = json.loads((tmp_path / "mine.jsonl").read_text().splitlines()[0])
    assert re.fullmatch(r"[0-9T:-]{16}Z", row["opened"])
    refused(person, 1, "export", "--out", str(tmp_path / "mine.csv"), "--format", "csv", passphrase=PASSPHRASE)
    refused(person, 2, "export", "--out", str(tmp_path / "mine.xml"), "--format", "xml")


def test_purge_prints_a_receipt(person: Person, subject: Subject) -> None:
    other = subject.record()
    for words in ((), ("--last", "15m", "--all"), ("--last", "15m", "--since", "09:00"), ("--segment", "x" * 32)):
        refused(person, 2, "purge", *words)
    report = person.json("purge", "--segment", other)
    assert report["segments"] == [other]
    assert report["from"] <= subject.clock.now() <= report["until"] + 60
    assert report["kek_epoch"] == 2
    text = person.ok("purge", "--last", "15m")
    assert "deleted 1 segment" in text
    assert "Not covered" in text
    assert "nothing to delete" in person.ok("purge", "--all")
    assert person.inspect()["segments"] == 0
    assert {one["verdict"] for one in person.json("verify")["segments"]} == {"erased"}
    assert "segments" in person.json("purge", "--everything")


def test_verify_says_what_is_wrong_with_exit_status_4(person: Person, subject: Subject) -> None:
    head = person.json("verify")["ledger"]["head"]
    printed, code = person.ok("ledger", "head").split("\ncode: ")
    assert printed == head
    assert person.json("verify", "--anchor", code.strip())["ok"]
    subject.record()
    assert person.json("verify", "--anchor", head)["ok"]
    assert "kept" in refused(person, 4, "verify", "--anchor", "0" * 63 + "1")
    refused(person, 2, "verify", "--anchor", "short")
    (path, *_) = sorted(Path(subject.home.segments).glob("*.own"))
    data = bytearray(path.read_bytes())
    data[-50] ^= 1
    path.write_bytes(data)
    done = person.run("verify", "--json")
    assert done.returncode == 4
    report = json.loads(done.stdout)
    assert not report["ok"]
    assert {one["id"]: one["verdict"] for one in report["segments"]}[path.stem] == "altered"
    refused(person, 4, "inspect", passphrase=PASSPHRASE)


def test_the_ledger_is_readable(person: Person) -> None:
    text = person.ok("ledger")
    assert "you gave your consent" in text
    assert "a segment was sealed" in text
    assert not re.search(r"[0-9]{2}:[0-9]{2}", text), "the ledger carries days, not times"
    assert person.json("ledger")["entries"][0]["kind"] == "ledger.created"
    refused(person, 2, "ledger", "tail")


def test_nothing_stored_is_nothing_wrong(tmp_path: Path) -> None:
    nobody = Warm(str(tmp_path / "nobody"))
    assert nobody.json("verify")["ok"]
    assert nobody.ok("ledger") == "there is no ledger yet\n"
    assert "nothing to delete" in nobody.ok("purge", "--all").lower()
    assert not os.path.exists(tmp_path / "nobody")


def test_release_as_approved_asks_the_subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    asking = Organisation(str(tmp_path), Clock(), change=[('mode = "cooling-off"', 'mode = "approved"')])
    subject = Subject(str(tmp_path / "home"), asking)
    subject.record()
    person = Warm(subject.home.root)
    assert [one["state"] for one in person.json("release")["waiting"]] == ["needs approval"]
    assert "needs approval" in person.ok("release")
    shown = person.ok("release", "--preview", "--json", passphrase=PASSPHRASE)
    assert shown == person.ok("inspect", "--as-admin", "--events", "--json", passphrase=PASSPHRASE)
    assert "terminal" in refused(person, 1, "release", "--approve")
    refused(person, 2, "release", "--approve", "--now")
    code = re.findall(r"code of exactly this: (\S+)", person.run("release", "--preview", passphrase=PASSPHRASE).stderr)
    for answer, bundles in (("y", 0), ("AAAA-AAAA", 0), (code[0], 1)):
        child = person.terminal("release", "--approve")
        child.expect("Passphrase: ")
        child.sendline(PASSPHRASE)
        child.expect(r"Type (\S+) to let 1 segment leave for data steward, or Enter to keep: ")
        assert child.match.group(1) == code[0], "what was looked at is what leaves"
        child.sendline(answer)
        child.read()
        child.close()
        assert child.exitstatus == (0 if bundles else 1)
        found = os.listdir(subject.outbox)
        assert sum(name.endswith(".bundle") for name in found) == bundles
    assert person.ok("release") == "nothing waits to leave\n"


def test_preview_shows_raw_beside_redacted(person: Person, tmp_path: Path) -> None:
    file = tmp_path / "typed.jsonl"
    keys = [{"t": n / 5, "key": name, "down": True} for n, name in enumerate([*"Secretwordplay", "Return"])]
    file.write_text("".join(json.dumps(key) + "\n" for key in keys))
    text = person.ok("preview", str(file))
    assert text.count("class=TEXT") == 12, "a key that is held down counts once"
    assert "class=ENTER" in text.splitlines()[-1]
    rows = [json.loads(line) for line in person.ok("preview", str(file), "--profile", "bursts", "--json").splitlines()]
    assert [row["record"] for row in rows] == ["focus", "typing", "key"]
    assert "Secret" not in json.dumps(rows)
    refused(person, 2, "preview", str(file), "--profile", "raw")
    refused(person, 2, "preview", str(tmp_path / "none.jsonl"))
    file.write_text('{"t":0,"key":"a"}\n')
    assert "line 1" in refused(person, 2, "preview", str(file))
