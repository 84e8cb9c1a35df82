"""From outboxes to a dataset: exactly what was granted, and a reason for everything that was not used."""

from __future__ import annotations

import csv
import json
import os
import resource
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from desktop_logger import bundle, keystore, policy, store
from desktop_logger.admin import books, lineage, opening, tasks
from desktop_logger.admin.export import Order, Report
from desktop_logger.admin.export import export as exporting
from desktop_logger.admin.ledger import Ledger
from desktop_logger.dataset import sequences
from desktop_logger.errors import Refused, Unavailable, Unreadable, UsageError
from desktop_logger.inspection import own
from desktop_logger.inspection.rows import EXPORT_FIELDS, FIELDS
from desktop_logger.sealing import fingerprint, hexdigest
from tests.crash import Crash, CrashAt
from tests.granting import exactly
from tests.organisation import HeldClock, Organisation, Subject
from tests.outboxes import Press, frames
from tests.testbed import Server

LINEAGE = {"session", "split_group", "profile"}
Row = dict[str, Any]


pytestmark = pytest.mark.usefixtures("english")


def dataset_rows(out: Path | str) -> list[Row]:
    return [json.loads(line) for path in parts_of(out) for line in path.read_text().splitlines()]


def parts_of(out: Path | str) -> list[Path]:
    return sorted(Path(out, "data").iterdir())


def bare(rows: list[Row], *without: str) -> list[str]:
    """Rows without what leads elsewhere, in an order that does not depend on the order of segments."""
    return sorted(json.dumps({k: v for k, v in row.items() if k not in without}, sort_keys=True) for row in rows)


def as_admin(person: Subject) -> list[Row]:
    _, kek = keystore.load_kek(person.home)
    scopes = frozenset(scope for who in person.grant.admins for scope in who.scopes)
    parts = own.opened(person.home, kek, person.identity.reader, own.RELEASE, own.Wanted(scopes=scopes))
    return [row for part in parts for row in part.rows()]


def reasons(report: Report) -> dict[str, str]:
    return {os.path.basename(one.file): one.reason for one in report.refused}


def only(person: Subject) -> Path:
    (name,) = [name for name in os.listdir(person.outbox) if name.endswith(".bundle")]
    return Path(person.outbox, name)


def test_the_admins_rows_are_those_that_the_subject_was_shown(
    subject: Subject, organisation: Organisation, tmp_path: Path
) -> None:
    for presses in (3, 40, 200):
        subject.record(presses)
    shown = as_admin(subject)
    subject.release()
    report = organisation.export(str(tmp_path / "out"), subject.outbox)
    rows = dataset_rows(tmp_path / "out")
    assert report.rows == len(rows) > 0
    assert bare(rows, *LINEAGE) == bare(shown, "segment")
    assert {row["profile"] for row in rows} == {"coarse"}
    # one session for each segment, each with the same rows
    by_session: dict[int, list[Row]] = {}
    for row in rows:
        by_session.setdefault(row["session"], []).append(row)
    by_segment: dict[str, list[Row]] = {}
    for row in shown:
        by_segment.setdefault(row["segment"], []).append(row)
    assert sorted(bare(part, *LINEAGE) for part in by_session.values()) == sorted(
        bare(part, "segment") for part in by_segment.values()
    )


def test_exactly_the_granted_scopes_open(tmp_path: Path, clock: HeldClock) -> None:
    """`make fleet` does it for all 31 x 31 combinations of what is granted and what may be read."""
    grants = [("keyboard", "pointer", "context"), ("context",), ("target", "task"), ("pointer",)]
    assert exactly(str(tmp_path), clock, ("keyboard", "context", "target"), grants) > 10


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_every_format_holds_the_same_rows(
    subject: Subject, organisation: Organisation, tmp_path: Path, form: str
) -> None:
    subject.record()
    subject.release()
    organisation.export(str(tmp_path / "out"), subject.outbox, form=form)
    (path,) = parts_of(tmp_path / "out")
    columns = [field.name for field in (*EXPORT_FIELDS, *FIELDS)]
    if form == "parquet":
        table = pyarrow.parquet.read_table(path)
        assert table.column_names == columns
        rows = [{k: v for k, v in row.items() if v is not None} for row in table.to_pylist()]
    elif form == "csv":
        with open(path, newline="") as file:
            reader = csv.DictReader(file)
            rows = [{k: v for k, v in row.items() if v} for row in reader]
        assert reader.fieldnames == columns
    else:
        rows = dataset_rows(tmp_path / "out")
    expected = as_admin(subject)
    assert [{k: str(v) for k, v in row.items() if k not in LINEAGE} for row in rows] == [
        {k: str(float(v) if k == "t" and form == "parquet" else v) for k, v in row.items() if k != "segment"}
        for row in expected
    ]


def test_a_purpose_that_was_not_granted_opens_nothing(organisation: Organisation, tmp_path: Path) -> None:
    person = Subject(str(tmp_path / "home"), organisation, purposes=("find out",))
    person.record()
    person.release()
    report = organisation.export(str(tmp_path / "out"), person.outbox, purpose="train-models")
    assert report.export is None
    assert list(reasons(report).values()) == ["the person did not agree to the purpose train-models"]
    assert next(iter(report.refused)).hint.startswith("They agreed to: improve-tools.")
    assert not os.path.exists(tmp_path / "out")
    assert organisation.export(str(tmp_path / "out"), person.outbox).rows > 0


def test_a_bundle_that_lies_there_twice_counts_once_and_is_said(
    subject: Subject, organisation: Organisation, tmp_path: Path
) -> None:
    subject.record()
    subject.release()
    once = organisation.export(str(tmp_path / "once"), subject.outbox)
    bundle_file = only(subject)
    for name in ("again.bundle", "and-again.bundle"):
        shutil.copy(bundle_file, os.path.join(subject.outbox, name))
    twice = organisation.export(str(tmp_path / "twice"), subject.outbox)
    assert (twice.rows, twice.sessions, [*twice.refused]) == (once.rows, 1, [])
    assert [one for one in twice.notes if one.startswith("2 files with a bundle that was here already")]
    assert once.notes == ()


def test_a_place_that_cannot_be_is_refused_before_a_passphrase_is_asked(subject: Subject, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for out, why in (("", "empty"), (str(tmp_path / "mine"), "no export"), (str(tmp_path / "no" / "out"), "no folder")):
        with pytest.raises((UsageError, Refused), match=why):
            Order((subject.outbox,), out, "improve-tools", "parquet").check()


def test_somebody_unregistered_a_stranger_and_damage_are_refused_and_stop_nobody(
    subject: Subject, organisation: Organisation, tmp_path: Path, clock: HeldClock
) -> None:
    subject.record()
    unknown = Subject(str(tmp_path / "unknown"), organisation, registered=False)
    unknown.record()
    elsewhere = Organisation(str(tmp_path / "elsewhere"), clock)
    stranger = Subject(str(tmp_path / "stranger"), elsewhere)
    stranger.record()
    for person in (unknown, stranger, subject):
        person.release()
    good = only(subject)
    data = good.read_bytes()
    heap = tmp_path / "heap"
    heap.mkdir()
    shutil.copy(good, heap / "good.bundle")
    shutil.copy(only(unknown), heap / "unknown.bundle")
    shutil.copy(only(stranger), heap / "stranger.bundle")
    (heap / "empty.bundle").write_bytes(b"")
    (heap / "short.bundle").write_bytes(data[:-1])
    (heap / "altered.bundle").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    (heap / "newer.bundle").write_bytes(data.replace(b"bundle 1\n", b"bundle 2\n", 1))
    (heap / "bad.erasure.json").write_bytes(b"{}")
    (heap / "unrelated.txt").write_bytes(b"left alone")
    os.mkfifo(heap / "pipe.bundle")
    (heap / "link.bundle").symlink_to(good)
    (heap / "odd\x1b[31m.bundle").write_bytes(b"")
    report = organisation.export(str(tmp_path / "out"), str(heap))
    found = reasons(report)
    assert report.sessions == 1
    assert set(found) == {f"{n}.bundle" for n in ("unknown", "stranger", "empty", "short", "altered", "newer")} | {
        "bad.erasure.json", "pipe.bundle", "link.bundle", "odd\x1b[31m.bundle",
    }  # fmt: skip
    assert "not registered" in found["unknown.bundle"]
    assert "not addressed" in found["stranger.bundle"]
    assert "truncated" in found["short.bundle"]
    assert "altered" in found["altered.bundle"]
    assert "another format version" in found["newer.bundle"]
    assert "first bytes" in found["empty.bundle"]
    assert found["pipe.bundle"] == found["link.bundle"] == "not a plain file"
    assert "refused 10:" in report.lines()
    assert all(line.isprintable() for line in report.lines())
    hints = [line for line in report.lines() if line.startswith("hint: ")]
    assert "hint: Update desktop-logger here." in hints
    assert any("admin subjects add" in line for line in hints)
    assert len(set(hints)) == len(hints)
    assert bare(dataset_rows(tmp_path / "out"), *LINEAGE) == bare(as_admin(subject), "segment")


@pytest.fixture
def demonstration(
    tmp_path: Path, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Organisation, Subject]]:
    server = Server()
    monkeypatch.setenv("DISPLAY", server.display)
    change = [('notice = { id = "organisation", version = 7', 'notice = { id = "demo", version = 1')]
    showing = Organisation(str(tmp_path), clock, change=change)
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "demo-display").write_text(f"{server.display} {server.pid}\n")
    yield showing, Subject(str(home), showing)
    server.stop()


def test_a_receipt_of_the_demonstration_is_refused(demonstration: tuple[Organisation, Subject], tmp_path: Path) -> None:
    showing, person = demonstration
    person.record()
    person.release()
    report = showing.export(str(tmp_path / "out"), person.outbox)
    assert list(reasons(report).values()) == ["a receipt of the demonstration"]
    assert showing.export(str(tmp_path / "out"), person.outbox, demo=True).sessions == 1


def test_the_demonstration_accepts_nothing_else(subject: Subject, organisation: Organisation, tmp_path: Path) -> None:
    subject.record()
    subject.release()
    assert organisation.export(str(tmp_path / "out"), subject.outbox, demo=True).export is None


def test_erasure_comes_before_anything_is_opened(subject: Subject, organisation: Organisation, tmp_path: Path) -> None:
    erased, kept = subject.record(3), subject.record(200)
    subject.release()
    copies = tmp_path / "copies"
    shutil.copytree(subject.outbox, copies)
    first = organisation.export(str(tmp_path / "before"), str(copies))
    assert (first.sessions, first.erasures) == (2, 0)

    store.purge(subject.home, subject.clock, [erased])
    for _ in range(2):
        with pytest.raises(Refused, match="asked to erase"):
            organisation.export(str(tmp_path / "after"), str(copies), subject.outbox)
        assert (tmp_path / "before" / "erasure-pending.json").exists()
    done = organisation.erase(str(copies), subject.outbox)
    assert len(done.requests) == 1
    assert [one["path"] for one in done.exports] == [str(tmp_path / "before")]
    assert done.bundles == 1, "the copy of the bundle would still open"
    remaining = bare(as_admin(subject), "segment")
    assert bare(dataset_rows(tmp_path / "before"), *LINEAGE) == remaining
    second = organisation.export(str(tmp_path / "after"), str(copies), subject.outbox)
    assert (second.sessions, [*second.refused]) == (1, [])
    assert bare(dataset_rows(tmp_path / "after"), *LINEAGE) == remaining
    assert kept


def test_somebody_elses_erasure_request_erases_nothing(
    subject: Subject, organisation: Organisation, tmp_path: Path
) -> None:
    segment = subject.record()
    other = Subject(str(tmp_path / "other"), organisation)
    subject.release()
    forged = bundle.write_erasure(keys_of(other), [segment], [])
    Path(subject.outbox, "forged.erasure.json").write_bytes(forged)
    assert organisation.export(str(tmp_path / "out"), subject.outbox).sessions == 1


def keys_of(person: Subject) -> Any:
    from desktop_logger.consent import identity

    return identity.device(person.home)


def test_a_rolled_back_home_is_noticed(subject: Subject, organisation: Organisation, tmp_path: Path) -> None:
    subject.record()
    subject.release()
    shutil.copytree(subject.home.root, tmp_path / "backup")
    subject.record()
    subject.release()
    first = organisation.export(str(tmp_path / "one"), subject.outbox)
    assert first.sessions == 2
    shutil.copytree(subject.outbox, tmp_path / "delivered")
    shutil.rmtree(subject.home.root)
    shutil.move(tmp_path / "backup", subject.home.root)
    subject.record()
    subject.release()
    report = organisation.export(str(tmp_path / "two"), subject.outbox, str(tmp_path / "delivered"))
    assert report.sessions == 2, "what was exported before stays"
    assert ["rolled back" in reason for reason in reasons(report).values()] == [True]


def test_a_bundle_that_is_missing_in_between_is_noted(
    subject: Subject, organisation: Organisation, tmp_path: Path
) -> None:
    for _ in range(3):
        subject.record()
        subject.release()
    found = sorted(Path(subject.outbox).glob("*.bundle"), key=lambda path: path.stat().st_mtime_ns)
    found[1].unlink()
    report = organisation.export(str(tmp_path / "out"), subject.outbox)
    assert report.sessions == 2
    assert len(report.notes) == 1
    assert "not here" in report.notes[0]


def test_the_same_bundle_in_two_outboxes_is_one(subject: Subject, organisation: Organisation, tmp_path: Path) -> None:
    subject.record()
    subject.release()
    shutil.copytree(subject.outbox, tmp_path / "copy")
    report = organisation.export(str(tmp_path / "out"), subject.outbox, str(tmp_path / "copy"))
    assert (report.sessions, [*report.refused]) == (1, [])


def test_the_dataset_leads_back_to_nobody(subject: Subject, organisation: Organisation, tmp_path: Path) -> None:
    segment = subject.record()
    subject.release()
    parsed = bundle.parse(only(subject).read_bytes())
    report = organisation.export(str(tmp_path / "out"), subject.outbox)
    grant = subject.grant
    secret = [
        segment, parsed.id, parsed.digest, grant.receipt_hash, grant.receipt_id, grant.device_public.hex(),
        fingerprint(subject.identity.signer.public), str(tmp_path / "home"), str(int(subject.clock.now()) // 60),
    ]  # fmt: skip
    for path in filter(Path.is_file, (tmp_path / "out").rglob("*")):
        data = path.read_bytes()
        assert not [one for one in secret if one.encode() in data], path
    kept = organisation.lineage(report.export)
    assert kept[0]["segment"] == segment
    assert kept[0]["subject"] == fingerprint(subject.identity.signer.public)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700


def test_the_card_says_what_is_in_it(subject: Subject, organisation: Organisation, tmp_path: Path) -> None:
    subject.record()
    subject.release()
    report = organisation.export(str(tmp_path / "out"), subject.outbox)
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    assert card["rows"] == report.rows == len(dataset_rows(tmp_path / "out"))
    assert (card["purpose"], card["subjects"], card["sessions"]) == ("improve-tools", 1, 1)
    assert card["gap_rows"] == 2
    assert "emotion-inference" in card["forbidden_uses"]
    readme = (tmp_path / "out" / "README.md").read_text()
    assert "dismissal" in readme
    assert card["delete_after"] in readme


def test_every_export_is_in_the_admins_ledger(subject: Subject, organisation: Organisation, tmp_path: Path) -> None:
    subject.record()
    subject.release()
    report = organisation.export(str(tmp_path / "out"), subject.outbox)
    entry = organisation.folder.ledger.entries()[-1]
    assert (entry["kind"], entry["who"], entry["purpose"]) == ("exported", organisation.folder.who, "improve-tools")
    assert entry["export"] == report.export
    assert entry["bundles"] == 1
    digest = bundle.parse(only(subject).read_bytes()).digest
    assert entry["lineage"] == hexdigest(digest.encode())
    kept = organisation.lineage(report.export)
    assert [one["digest"] for one in kept] == [digest]


def test_doing_it_again_changes_nothing_and_other_data_is_never_overwritten(
    subject: Subject, organisation: Organisation, tmp_path: Path
) -> None:
    subject.record()
    subject.release()
    out = tmp_path / "out"
    first = organisation.export(str(out), subject.outbox)
    written = parts_of(out)[0].read_bytes()
    entries = len(organisation.folder.ledger.entries())
    again = organisation.export(str(out), subject.outbox)
    assert (again.export, again.fresh) == (first.export, False)
    assert len(organisation.folder.ledger.entries()) == entries
    assert "nothing to do" in next(again.lines())
    with pytest.raises(Refused, match="exists"):
        organisation.export(str(out), subject.outbox, purpose="train-models")
    subject.record()
    subject.release()
    with pytest.raises(Refused, match="exists"):
        organisation.export(str(out), subject.outbox)
    assert parts_of(out)[0].read_bytes() == written


def test_a_link_in_the_place_of_the_draft_leads_no_row_away(
    subject: Subject, organisation: Organisation, tmp_path: Path
) -> None:
    subject.record()
    subject.release()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("out", "built"):
        (tmp_path / f"{name}.partial").symlink_to(elsewhere)
    organisation.export(str(tmp_path / "out"), subject.outbox, form="parquet")
    sequences.build(str(tmp_path / "out"), str(tmp_path / "built"))
    assert os.listdir(elsewhere) == []
    for name in ("out", "built"):
        assert not (tmp_path / name).is_symlink()
        assert not (tmp_path / f"{name}.partial").is_symlink()


def test_the_command_in_a_hint_can_be_copied_as_it_stands(
    subject: Subject, organisation: Organisation, tmp_path: Path
) -> None:
    subject.record()
    subject.release()
    organisation.export(str(tmp_path / "out"), subject.outbox)
    store.purge(subject.home, subject.clock, [one.id for one in store.segments(subject.home)])
    boxes = (str(tmp_path / "h*" / "outbox"), subject.outbox)
    with pytest.raises(Refused) as refused:
        organisation.export(str(tmp_path / "new"), *boxes)
    words = shlex.split(str(refused.value.hint).removeprefix("Run: desktop-logger "))
    assert words == ["admin", "erase", "--dir", organisation.folder.root, "--from", boxes[0], "--from", boxes[1]]
    assert f"'{boxes[0]}'" in str(refused.value.hint)  # a shell would give the command one folder of several


def method(crash: CrashAt) -> Any:
    def called(*words: Any, **named: Any) -> Any:
        return crash(*words, **named)

    return called


@pytest.mark.parametrize("at", ["read", "part", "lineage", "ledger", "rename", "named"])
def test_a_crash_leaves_no_half_dataset_and_the_next_run_completes_it(
    subject: Subject, organisation: Organisation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    for _ in range(3):
        subject.record()
    subject.release()
    shown = as_admin(subject)
    monkeypatch.setattr(books, "BUNDLES_A_PART", 1)
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        if at == "read":
            patch.setattr(tasks, "read", CrashAt(opening.read, 1))
        elif at == "part":
            crash = CrashAt(books.Books.done, 1)
            patch.setattr(books.Books, "done", method(crash))
        elif at == "lineage":
            crash = CrashAt(books.Books.keep_lineage, 0, after=True)
            patch.setattr(books.Books, "keep_lineage", method(crash))
        elif at == "ledger":
            crash = CrashAt(Ledger.append, 0, after=True)
            patch.setattr(Ledger, "append", method(crash))
        elif at == "rename":
            rename = os.rename
            patch.setattr(os, "rename", lambda a, b: CrashAt(rename, 0)(a, b) if str(b) == str(out) else rename(a, b))
        else:
            patch.setattr(lineage, "set_state", CrashAt(lineage.set_state, 0))
        with pytest.raises(Crash):
            organisation.export(str(out), subject.outbox, workers=1)
    assert out.exists() == (at == "named")
    report = organisation.export(str(out), subject.outbox)
    assert report.export
    assert bare(dataset_rows(out), *LINEAGE) == bare(shown, "segment")
    assert sorted(os.listdir(out)) == ["README.md", "card.json", "croissant.json", "data"]
    assert not os.listdir(os.path.join(organisation.folder.root, "work"))
    assert not os.path.exists(f"{out}.partial")
    exported = [one for one in organisation.folder.ledger.entries() if one["kind"] == "exported"]
    assert [one["export"] for one in exported] == [report.export], "one export, one entry"


def test_too_few_people_are_none(tmp_path: Path, clock: HeldClock) -> None:
    careful = Organisation(str(tmp_path), clock, change=[("minimum_export = 1", "minimum_export = 2")])
    one = Subject(str(tmp_path / "one"), careful)
    one.record()
    one.release()
    alone = careful.export(str(tmp_path / "out"), one.outbox)
    assert alone.export is None
    assert "at least 2 people" in next(iter(alone.refused)).reason
    two = Subject(str(tmp_path / "two"), careful)
    two.record()
    two.release()
    assert careful.export(str(tmp_path / "out"), one.outbox, two.outbox).subjects == 2


def test_one_profile_can_be_exported_by_itself(subject: Subject, organisation: Organisation, tmp_path: Path) -> None:
    subject.record()
    subject.release()
    order = Order((subject.outbox,), str(tmp_path / "out"), "improve-tools", "jsonl", profile="counts")
    report = exporting(organisation.folder, organisation.keys, order, organisation.clock)
    assert [one.reason for one in report.refused] == ["recorded as coarse; this export is of counts"]
    order = order._replace(profile="coarse")
    assert exporting(organisation.folder, organisation.keys, order, organisation.clock).sessions == 1
    with pytest.raises(UsageError, match="not a profile"):
        order._replace(profile="fine").check()


def test_what_is_past_its_day_is_not_opened(subject: Subject, organisation: Organisation, tmp_path: Path) -> None:
    subject.record()
    subject.release()
    subject.clock.time += 40 * 86_400  # type: ignore[attr-defined]
    report = organisation.export(str(tmp_path / "out"), subject.outbox)
    assert report.export is None
    assert "delete it" in next(iter(report.refused)).reason


def test_a_later_narrower_policy_of_ours_is_accepted_another_is_not(
    subject: Subject, organisation: Organisation, tmp_path: Path
) -> None:
    text = policy.open_signed(organisation.policy)[1].decode()
    later = text.replace("version = 1  ", "version = 2  ").replace("retention_days = 30", "retention_days = 20")
    policy.adopt(subject.home, policy.sign(later.encode(), organisation.keys.controller), "later")
    subject.record()
    subject.release()
    assert organisation.export(str(tmp_path / "out"), subject.outbox).sessions == 1


def test_an_order_that_cannot_be_carried_out_is_refused_before_a_passphrase(tmp_path: Path) -> None:
    for order in (
        Order((str(tmp_path / "none"),), str(tmp_path / "out"), "improve-tools", "jsonl"),
        Order((str(tmp_path),), str(tmp_path / "no" / "out"), "improve-tools", "jsonl"),
        Order((str(tmp_path),), str(tmp_path / "out"), "improve-tools", "xml"),
        Order((str(tmp_path),), str(tmp_path / "out"), " ", "jsonl"),
    ):
        with pytest.raises(UsageError):
            order.check()


def test_one_persons_sessions_share_a_split_group_of_this_export(
    subject: Subject, organisation: Organisation, tmp_path: Path
) -> None:
    for _ in range(4):
        subject.record()
    subject.release()
    groups = set()
    for number in range(6):
        organisation.export(str(tmp_path / f"out{number}"), subject.outbox)
        (group,) = {row["split_group"] for row in dataset_rows(tmp_path / f"out{number}")}
        assert 0 <= group < books.SPLIT_GROUPS
        groups.add(group)
    assert len(groups) > 1, "a group means nothing outside its export"


def test_an_accepted_bundle_still_does_not_open_with_another_admins_key(
    subject: Subject, organisation: Organisation, tmp_path: Path, clock: HeldClock
) -> None:
    subject.record()
    subject.release()
    elsewhere = Organisation(str(tmp_path / "elsewhere"), clock)
    known = organisation.folder.ledger.known()
    with pytest.raises(Unreadable):
        opening.accept(
            str(only(subject)),
            opening.Expected(
                elsewhere.keys.reader.seeds(), organisation.keys.controller.public, known, "improve-tools", "2026-01-01"
            ),
        )


def test_a_published_dataset_needs_the_policys_group(tmp_path: Path, organisation: Organisation) -> None:
    people = [Subject(str(tmp_path / f"person{n}"), organisation) for n in range(5)]
    for person in people:
        person.record()
    organisation.clock.time += 700  # type: ignore[attr-defined]
    for person in people:
        person.release()
    boxes = [person.outbox for person in people]
    order = Order(tuple(boxes[:4]), str(tmp_path / "few"), "improve-tools", "jsonl", published=True)
    report = exporting(organisation.folder, organisation.keys, order, organisation.clock)
    assert report.export is None
    assert {one.reason for one in report.refused} == {
        "the policy asks for at least 5 people in a published dataset; here: 4"
    }
    order = order._replace(sources=tuple(boxes), out=str(tmp_path / "enough"))
    ours = order._replace(out=str(tmp_path / "ours"), published=False)
    assert exporting(organisation.folder, organisation.keys, ours, organisation.clock).subjects == 5
    with pytest.raises(Refused, match="is not this export"):  # whose card says that it is not for others
        exporting(organisation.folder, organisation.keys, ours._replace(published=True), organisation.clock)
    assert exporting(organisation.folder, organisation.keys, order, organisation.clock).subjects == 5
    assert json.loads((tmp_path / "enough" / "card.json").read_text())["published"]
    # and it needs it for as long as it is there
    store.purge(people[0].home, people[0].clock, [one.id for one in store.segments(people[0].home)])
    organisation.erase(people[0].outbox)
    assert os.listdir(tmp_path / "enough" / "data") == []


def test_a_full_disk_is_said_and_the_next_run_goes_on(
    subject: Subject, organisation: Organisation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(books, "BUNDLES_A_PART", 1)
    press = Press(subject, str(tmp_path / "box"))
    small, few = frames(subject, 10, 3)
    large, many = frames(subject, 10, 4000)
    for some in (small, large, small):
        press.write(some)
    out = str(tmp_path / "out")
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))  # no file may grow beyond it, as on a full disk
    try:
        with pytest.raises(Unavailable, match="cannot write") as caught:
            organisation.export(out, str(tmp_path / "box"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert "the same command again" in str(caught.value.hint)
    assert not os.path.exists(out)
    report = organisation.export(out, str(tmp_path / "box"))
    assert (report.sessions, report.rows) == (3, 2 * few + many)
    assert not os.path.exists(out + ".partial")


def test_outboxes_may_be_a_pattern(subject: Subject, organisation: Organisation, tmp_path: Path) -> None:
    subject.record()
    subject.release()
    report = organisation.export(str(tmp_path / "out"), str(tmp_path / "ho*" / "outbox"))
    assert report.sessions == 1
