"""A person's erasure reaches every row that the organisation has, and the answer reaches the person."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow.dataset
import pytest

from desktop_logger import bundle, store
from desktop_logger.admin import erase, lineage
from desktop_logger.consent import withdrawing
from desktop_logger.dataset import erasing as dropping
from desktop_logger.dataset import folder as datasets
from desktop_logger.dataset import sequences, trained
from desktop_logger.errors import IntegrityError, Refused, Unavailable, UsageError
from desktop_logger.ledger import Ledger
from desktop_logger.sealing import Signer, fingerprint
from desktop_logger.store import acknowledged
from tests.crash import Crash, CrashAt
from tests.organisation import FileBooks, HeldClock, Organisation, Subject

pytestmark = pytest.mark.usefixtures("english")


@pytest.fixture
def two(tmp_path: Path, organisation: Organisation) -> tuple[Subject, Subject]:
    """Two people; what each recorded can be told apart by how much it is."""
    people = Subject(str(tmp_path / "one"), organisation), Subject(str(tmp_path / "two"), organisation)
    for number, person in enumerate(people):
        for _ in range(2):
            person.record(3 if number else 200)
        person.release(after=0)
    organisation.clock.time += 700  # type: ignore[attr-defined]
    for person in people:
        person.release()
    return people


@pytest.fixture
def exported(two: tuple[Subject, Subject], organisation: Organisation, tmp_path: Path) -> str:
    """An export of what both released."""
    out = str(tmp_path / "out")
    organisation.export(out, *(person.outbox for person in two))
    return out


def entries(person: Subject) -> list[dict[str, object]]:
    return Ledger(person.home, person.clock).entries()


def purged(person: Subject) -> list[str]:
    return store.purge(person.home, person.clock, [one.id for one in store.segments(person.home)]).segments


@pytest.mark.parametrize("form", ["parquet", "jsonl", "csv"])
def test_the_rows_go_the_rest_stays_and_both_sides_can_read_it(
    two: tuple[Subject, Subject], organisation: Organisation, tmp_path: Path, form: str
) -> None:
    gone, stays = two
    out = str(tmp_path / "out")
    first = organisation.export(out, gone.outbox, stays.outbox, form=form)
    kept = organisation.lineage(first.export)
    own = fingerprint(gone.identity.signer.public)
    theirs = {one["session"] for one in kept if one["subject"] == own}
    assert len(theirs) == 2
    before = datasets.read_card(out)
    segments = purged(gone)
    done = organisation.erase(gone.outbox, stays.outbox)
    text = b"".join(Path(out, name).read_bytes() for name in datasets.part_files(out))
    if form != "parquet":
        assert not [one for one in theirs if str(one).encode() in text]
    card = datasets.read_card(out)
    assert card["subjects"] == 1
    assert card["sessions"] == before["sessions"] - 2
    (entry,) = done.exports
    assert card["rows"] == before["rows"] - entry["rows"]
    assert sum(card["rows_by_record"].values()) == card["rows"] == sum(card["rows_by_scope"].values())
    assert card["erasures"] == 1
    after = organisation.lineage(first.export)
    assert own not in json.dumps(after)
    assert lineage.digest(organisation.folder, str(first.export)) == lineage_digest(organisation)
    # the person hears of it
    taken, refused = acknowledged.take_in(gone.home, gone.clock, [gone.outbox])
    assert (taken, refused) == (2, [])
    (export,) = acknowledged.exports(entries(gone))
    assert (export.by, export.purpose) == (organisation.folder.who, "improve-tools")
    assert sorted(export.segments) == sorted(segments)
    (request,) = acknowledged.requests(entries(gone), "2026-01-01")
    assert request.state == "done"
    # once; and the other person's are not theirs
    assert acknowledged.take_in(gone.home, gone.clock, [gone.outbox, stays.outbox]) == (0, [])
    assert acknowledged.take_in(stays.home, stays.clock, [stays.outbox])[0] == 1
    # again: nothing to do
    assert organisation.erase(gone.outbox, stays.outbox).requests == ()


def lineage_digest(organisation: Organisation) -> str:
    return str(next(one["lineage"] for one in organisation.folder.ledger.entries() if one["kind"] == "exported"))


def test_a_withdrawal_recalls_what_was_released_also_where_nothing_is_deleted(
    two: tuple[Subject, Subject], exported: str, organisation: Organisation, tmp_path: Path
) -> None:
    gone, stays = two
    books = FileBooks(gone.home, gone.clock)
    withdrawing.withdraw(gone.home, gone.clock)
    withdrawing.record_pending(gone.home, books.record_withdrawal)
    assert books.notes
    left = os.listdir(gone.outbox)
    assert [name.endswith(bundle.ERASURE_SUFFIX) for name in left].count(True) == 1
    assert not [name for name in left if name.endswith(bundle.SUFFIX)], "what waits there does not go on its way"
    with pytest.raises(Refused, match="asked to erase"):
        organisation.export(str(tmp_path / "more"), gone.outbox, stays.outbox)
    organisation.erase(gone.outbox, stays.outbox)
    assert datasets.read_card(exported)["subjects"] == 1
    # What lies at home is still the person's own, and deleting it later asks for nothing twice.
    assert len(store.segments(gone.home)) == 2
    assert books.end_if_withdrawn(), "the request is signed, so the key is no longer needed"
    receipt = store.purge(gone.home, gone.clock, [one.id for one in store.segments(gone.home)])
    assert not [note for note in receipt.notes if "recalled" in note or "erasure" in note.lower()]
    assert [one["kind"] for one in entries(gone)].count("erasure.requested") == 1


def test_a_recall_that_was_interrupted_is_finished(two: tuple[Subject, Subject], tmp_path: Path) -> None:  # noqa: ARG001
    gone, _ = two
    withdrawing.withdraw(gone.home, gone.clock)
    with open(gone.home.store_lock, "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # as another process that hangs would hold it
        with pytest.raises(Unavailable):
            withdrawing.record_pending(gone.home, FileBooks(gone.home, gone.clock, 0.0).record_withdrawal)
    assert not [name for name in os.listdir(gone.outbox) if name.endswith(bundle.ERASURE_SUFFIX)]
    assert withdrawing.record_pending(gone.home, FileBooks(gone.home, gone.clock).record_withdrawal)
    assert [one["kind"] for one in entries(gone)][-2:] == ["erasure.requested", "consent.withdrawn"]


def test_a_request_that_names_somebody_elses_bundles_takes_nothing_of_theirs(
    two: tuple[Subject, Subject], organisation: Organisation, tmp_path: Path
) -> None:
    """Header digests can be read off any bundle: whoever can put a file into an outbox could name them."""
    _, other = two
    out = str(tmp_path / "out")
    first = organisation.export(out, other.outbox)
    bundles = sorted(Path(other.outbox).glob("*.bundle"))
    named = [bundle.parse(path.read_bytes()) for path in bundles]
    segments = [str(one["segment"]) for one in organisation.lineage(first.export)]
    forged = bundle.write_erasure(Signer.generate(), segments, [one.digest for one in named])
    Path(other.outbox, "0" * 32 + bundle.ERASURE_SUFFIX).write_bytes(forged)
    again = organisation.export(str(tmp_path / "again"), other.outbox)
    assert (again.erasures, again.rows, [*again.refused]) == (1, first.rows, [])
    done = organisation.erase(other.outbox)
    assert (done.exports, done.bundles, done.missing) == ((), 0, ())
    assert sorted(Path(other.outbox).glob("*.bundle")) == bundles
    assert datasets.read_card(out)["rows"] == first.rows


@pytest.mark.parametrize("name", ["0" * 32, "f" * 32])
def test_a_request_with_somebodys_id_does_not_stand_in_the_place_of_theirs(
    two: tuple[Subject, Subject], exported: str, organisation: Organisation, tmp_path: Path, name: str
) -> None:
    gone, stays = two
    purged(gone)
    (path,) = Path(gone.outbox).glob("*" + bundle.ERASURE_SUFFIX)
    asked = bundle.parse_erasure(path.read_bytes())
    forged = bundle.write_erasure(Signer.generate(), [*asked.segments], [*asked.bundles], asked.request)
    Path(gone.outbox, name + bundle.ERASURE_SUFFIX).write_bytes(forged)
    done = organisation.erase(gone.outbox, stays.outbox)
    assert len(done.requests) == 2
    assert datasets.read_card(exported)["subjects"] == 1
    acknowledged.take_in(gone.home, gone.clock, [gone.outbox])
    (answered,) = acknowledged.requests(entries(gone), "2026-01-01")
    assert (answered.request, answered.state) == (asked.request, "done")
    again = organisation.export(str(tmp_path / "again"), gone.outbox, stays.outbox)
    assert (again.erasures, again.subjects) == (0, 1)


def test_an_answer_to_another_devices_request_is_no_answer(
    two: tuple[Subject, Subject], exported: str, organisation: Organisation
) -> None:
    """Whoever carries an outbox could keep the request back and hand in one of the same words, signed by themselves."""
    gone, stays = two
    purged(gone)
    (path,) = Path(gone.outbox).glob("*" + bundle.ERASURE_SUFFIX)
    kept = path.read_bytes()
    asked = bundle.parse_erasure(kept)
    path.write_bytes(bundle.write_erasure(Signer.generate(), [*asked.segments], [*asked.bundles], asked.request))
    assert organisation.erase(gone.outbox, stays.outbox).requests == (asked.request,)
    assert datasets.read_card(exported)["subjects"] == 2
    acknowledged.take_in(gone.home, gone.clock, [gone.outbox])
    assert acknowledged.requests(entries(gone), "2026-01-01")[0].state != "done"
    path.write_bytes(kept)
    assert len(organisation.erase(gone.outbox, stays.outbox).requests) == 1
    assert datasets.read_card(exported)["subjects"] == 1
    assert acknowledged.take_in(gone.home, gone.clock, [gone.outbox]) == (1, [])
    assert acknowledged.requests(entries(gone), "2026-01-01")[0].state == "done"


def test_each_person_is_told_of_their_own_rows_only(
    two: tuple[Subject, Subject], organisation: Organisation, tmp_path: Path
) -> None:
    report = organisation.export(str(tmp_path / "out"), two[0].outbox, two[1].outbox)
    kept = organisation.lineage(report.export)
    for person in two:
        purged(person)
    nobody = bundle.write_erasure(Signer.generate(), ["0" * 32], [])
    Path(two[0].outbox, "1" * 32 + bundle.ERASURE_SUFFIX).write_bytes(nobody)
    done = organisation.erase(two[0].outbox, two[1].outbox)
    assert len(done.requests) == 3
    told = {}
    for path in (path for person in two for path in Path(person.outbox).glob("*.ack.json")):
        answer = bundle.parse_acknowledgement(path.read_bytes(), organisation.keys.controller.public)
        if answer.kind == "erased":
            told[answer.id] = answer.rows, answer.exports
    own = [sum(one["rows"] for one in kept if one["subject"] == fingerprint(person.identity.signer.public))
           for person in two]  # fmt: skip
    assert sorted(told.values()) == sorted([(0, 0), (own[0], 1), (own[1], 1)])
    assert min(own) > 0


def test_before_an_answer_the_month_runs(two: tuple[Subject, Subject], organisation: Organisation) -> None:
    gone, _ = two
    purged(gone)
    today = acknowledged.today(gone.clock)
    (request,) = acknowledged.requests(entries(gone), today)
    assert (request.state, request.due) == ("outstanding", acknowledged.month_after(today))
    assert acknowledged.requests(entries(gone), "2099-01-01")[0].state == "overdue"
    organisation.erase(gone.outbox)
    acknowledged.take_in(gone.home, gone.clock, [gone.outbox])
    assert acknowledged.requests(entries(gone), "2099-01-01")[0].state == "done"


@pytest.mark.parametrize(
    ("day", "due"),
    [
        ("2026-01-31", "2026-02-28"),
        ("2028-01-30", "2028-02-29"),
        ("2026-12-15", "2027-01-15"),
        ("2026-03-31", "2026-04-30"),
    ],
)
def test_a_month_ends_on_a_day_that_exists(day: str, due: str) -> None:
    assert acknowledged.month_after(day) == due


def test_a_forged_answer_changes_nothing(two: tuple[Subject, Subject], organisation: Organisation) -> None:
    gone, _ = two
    purged(gone)
    (request,) = acknowledged.requests(entries(gone), "2026-01-01")
    forged = bundle.write_erased(
        Signer.generate(), by=organisation.folder.who, day="2026-10-01", request=request.request,
        device="ab" * 32, exports=0, rows=0, models=[], bundles=[],
    )  # fmt: skip
    Path(gone.outbox, "0" * 32 + ".ack.json").write_bytes(forged)
    taken, refused = acknowledged.take_in(gone.home, gone.clock, [gone.outbox])
    assert taken == 0
    assert "signature" in refused[0]
    assert acknowledged.requests(entries(gone), "2026-01-01")[0].state != "done"


@pytest.mark.parametrize("byte", [0, 40, -2])
def test_an_altered_acknowledgement_is_refused(organisation: Organisation, byte: int) -> None:
    controller = organisation.keys.controller
    data = bundle.write_exported(
        controller, by=organisation.folder.who, day="2026-10-01", export="ab" * 16, purpose="improve-tools", bundles=[]
    )
    assert bundle.parse_acknowledgement(data, controller.public).kind == "exported"
    altered = bytearray(data)
    altered[byte] ^= 1
    with pytest.raises(IntegrityError):
        bundle.parse_acknowledgement(bytes(altered), controller.public)


@pytest.mark.parametrize("at", ["noted", "rewritten", "card", "forgotten", "ledger"])
def test_a_crash_at_any_point_is_finished_by_the_next_run(
    two: tuple[Subject, Subject], organisation: Organisation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    gone, stays = two
    outs = [str(tmp_path / name) for name in ("first", "second")]
    for out in outs:
        organisation.export(out, gone.outbox, stays.outbox)
    purged(gone)
    place, name, times = {
        "noted": (lineage, "affected", 0), "rewritten": (dropping, "drop", 1), "card": (datasets, "write_card", 1),
        "forgotten": (lineage, "forget", 1), "ledger": (erase, "Sender", 0),
    }[at]  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setattr(place, name, CrashAt(getattr(place, name), times))
        with pytest.raises(Crash):
            organisation.erase(gone.outbox, stays.outbox)
    assert not [name for name in os.listdir(gone.outbox) if name.endswith(".ack.json") and erased(gone, name)]
    done = organisation.erase(gone.outbox, stays.outbox)
    assert len(done.requests) == 1
    for out in outs:
        card = datasets.read_card(out)
        assert (card["subjects"], card["sessions"], card["erasures"]) == (1, 2, 1)
        lines = [line for name in datasets.part_files(out) for line in Path(out, name).read_text().splitlines()]
        assert len({json.loads(line)["session"] for line in lines}) == 2
        assert not os.path.exists(os.path.join(out, datasets.PENDING))


def erased(person: Subject, name: str) -> bool:
    return b'"erased"' in Path(person.outbox, name).read_bytes()


def test_an_export_that_cannot_be_found_keeps_the_request_open(
    two: tuple[Subject, Subject], organisation: Organisation, tmp_path: Path
) -> None:
    gone, stays = two
    report = organisation.export(str(tmp_path / "out"), gone.outbox, stays.outbox)
    shutil.move(tmp_path / "out", tmp_path / "elsewhere")
    purged(gone)
    open_ = organisation.erase(gone.outbox)
    assert open_.missing == ((str(report.export), str(tmp_path / "out")),)
    assert open_.requests == ()
    with pytest.raises(Refused):
        organisation.export(str(tmp_path / "new"), stays.outbox)
    moved = ((str(report.export), str(tmp_path / "elsewhere")),)
    for wrong in (
        erase.Request((), moved=(("0" * 32, str(tmp_path / "elsewhere")),)),
        erase.Request((), moved=((str(report.export), str(tmp_path)),)),
        erase.Request((), deleted=("out",)),
        erase.Request((str(tmp_path / "nowhere"),)),
    ):
        with pytest.raises(UsageError):
            wrong.check(organisation.folder)
    erase.Request((gone.outbox,), moved=moved, deleted=(str(report.export),)).check(organisation.folder)
    done = organisation.erase(gone.outbox, moved=moved)
    assert len(done.requests) == 1
    assert datasets.read_card(str(tmp_path / "elsewhere"))["subjects"] == 1


def test_what_was_built_is_followed_to_where_it_lies_now_or_holds_the_request_open(
    two: tuple[Subject, Subject], organisation: Organisation, tmp_path: Path
) -> None:
    gone, stays = two
    organisation.export(str(tmp_path / "out"), gone.outbox, stays.outbox, form="parquet")
    built = [
        sequences.build(str(tmp_path / "out"), str(tmp_path / name), deduplicate=False)
        for name in ("moved", "thrown", "stays")
    ]
    trained.register(str(tmp_path / "stays"), "a" * 32, str(tmp_path / "model"))  # whose folder is gone since
    sessions = len(session_numbers(tmp_path / "stays"))
    shutil.move(tmp_path / "moved", tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "thrown")
    purged(gone)
    open_ = organisation.erase(gone.outbox)
    assert {name for name, _ in open_.missing} == {built[0].dataset, built[1].dataset}
    assert open_.requests == ()
    assert len(session_numbers(tmp_path / "stays")) == sessions - 2
    with pytest.raises(Refused):
        organisation.export(str(tmp_path / "new"), stays.outbox)
    moved = ((built[0].dataset, str(tmp_path / "elsewhere")),)
    done = organisation.erase(gone.outbox, moved=moved, deleted=(built[1].dataset,))
    assert (len(done.requests), done.missing) == (1, ())
    assert len(session_numbers(tmp_path / "elsewhere")) == sessions - 2
    assert [one.run for one in done.models] == ["a" * 32]
    for name in ("out", "stays", "elsewhere"):  # rewritten once, whichever run of the command that was
        assert datasets.read_card(str(tmp_path / name))["erasures"] == 1
    assert [path for _, path in datasets.derived(str(tmp_path / "out"))] == [
        str(tmp_path / "elsewhere"), str(tmp_path / "stays"),
    ]  # fmt: skip


@pytest.mark.parametrize("at", ["before the rows", "between the rows", "before the name"])
def test_a_build_that_died_leaves_nothing_that_erasure_does_not_find(
    two: tuple[Subject, Subject], organisation: Organisation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    gone, stays = two
    out, built = str(tmp_path / "out"), str(tmp_path / "built")
    organisation.export(out, gone.outbox, stays.outbox, form="parquet")
    place, name, times = {
        "before the rows": (sequences, "_part", 0), "between the rows": (sequences, "parquet_writer", 0),
        "before the name": (os, "rename", 0),
    }[at]  # fmt: skip

    def dies() -> None:
        with monkeypatch.context() as patch:  # killed: nothing is tidied up
            patch.setattr(place, name, CrashAt(getattr(place, name), times))
            patch.setattr(datasets, "discard_draft", lambda *_: None)
            patch.setattr(shutil, "rmtree", lambda *_, **__: None)
            with pytest.raises(Crash):
                sequences.build(out, built, deduplicate=False)
        assert os.path.isdir(built + ".partial")

    dies()
    again = sequences.build(out, built, deduplicate=False)
    assert datasets.derived(out) == [(again.dataset, built)]
    shutil.move(built, tmp_path / "elsewhere")
    dies()
    purged(gone)
    done = organisation.erase(gone.outbox, moved=((again.dataset, str(tmp_path / "elsewhere")),))
    assert (len(done.requests), done.missing) == (1, ())
    assert not os.path.lexists(built + ".partial")
    assert datasets.derived(out) == [(again.dataset, str(tmp_path / "elsewhere"))]
    assert len(session_numbers(tmp_path / "elsewhere")) == 2


def test_rows_that_were_erased_while_sequences_were_built_are_in_none(
    two: tuple[Subject, Subject], organisation: Organisation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, stays = two
    out, built = str(tmp_path / "out"), str(tmp_path / "built")
    organisation.export(out, gone.outbox, stays.outbox, form="parquet")
    part, last = sequences._part, datasets.part_files(out)[-1]

    def meanwhile(source: str, *words: Any) -> None:
        part(source, *words)
        if source.endswith(last) and datasets.read_card(out)["subjects"] == 2:
            purged(gone)
            assert organisation.erase(gone.outbox, stays.outbox).requests

    monkeypatch.setattr(sequences, "_part", meanwhile)
    with pytest.raises(Refused, match="has changed"):
        sequences.build(out, built)
    assert not os.path.lexists(built)
    assert not os.path.lexists(built + ".partial")
    assert datasets.derived(out) == []
    sequences.build(out, built)
    assert len(session_numbers(Path(built))) <= 2


def test_while_an_erasure_waits_what_was_built_is_not_read_either(
    two: tuple[Subject, Subject], organisation: Organisation, tmp_path: Path
) -> None:
    gone, stays = two
    organisation.export(str(tmp_path / "out"), gone.outbox, stays.outbox, form="parquet")
    sequences.build(str(tmp_path / "out"), str(tmp_path / "built"))
    purged(gone)
    with pytest.raises(Refused):
        organisation.export(str(tmp_path / "new"), gone.outbox, stays.outbox)
    for name in ("out", "built"):
        with pytest.raises(Refused, match="an erasure waits"):
            datasets.check_no_erasure_waits(str(tmp_path / name))
    organisation.erase(gone.outbox)
    assert list(sequences.stream(str(tmp_path / "built")))


def test_what_lies_there_is_rewritten_whoever_says_that_it_was_deleted(
    two: tuple[Subject, Subject], organisation: Organisation, tmp_path: Path
) -> None:
    gone, stays = two
    report = organisation.export(str(tmp_path / "out"), gone.outbox, stays.outbox, form="parquet")
    built = sequences.build(str(tmp_path / "out"), str(tmp_path / "built"), deduplicate=False)
    before = session_numbers(tmp_path / "out")
    purged(gone)
    done = organisation.erase(gone.outbox, deleted=(str(report.export), built.dataset))
    assert {one["path"] for one in done.exports} == {str(tmp_path / "out"), str(tmp_path / "built")}
    for name in ("out", "built"):
        assert len(session_numbers(tmp_path / name)) == len(before) - 2


@pytest.mark.parametrize("kind", ["export", "sequences"])
def test_what_a_writer_left_when_it_died_goes_too(
    two: tuple[Subject, Subject], organisation: Organisation, tmp_path: Path, kind: str
) -> None:
    gone, stays = two
    root = tmp_path / "out"
    organisation.export(str(root), gone.outbox, stays.outbox, form="parquet")
    if kind == "sequences":
        sequences.build(str(root), str(tmp_path / "built"))
        root = tmp_path / "built"
    left = root / "data" / "g00-00099.parquet.tmp"
    shutil.copy(root / datasets.part_files(str(root))[0], left)
    purged(gone)
    organisation.erase(gone.outbox)
    assert not left.exists()


def test_what_the_lineage_forgets_is_not_in_its_file_either(
    two: tuple[Subject, Subject], organisation: Organisation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, stays = two
    connect = sqlite3.connect

    def plain(*words: Any, **named: Any) -> sqlite3.Connection:
        made: sqlite3.Connection = connect(*words, **named)
        made.execute("PRAGMA secure_delete = OFF")  # as SQLite is where a distribution does not change it
        return made

    monkeypatch.setattr(sqlite3, "connect", plain)
    organisation.export(str(tmp_path / "out"), gone.outbox, stays.outbox)
    file = Path(lineage.path_of(organisation.folder))
    told = [fingerprint(one.identity.signer.public).encode() for one in two]
    assert all(one in file.read_bytes() for one in told)
    purged(gone)
    organisation.erase(gone.outbox)
    assert [one in file.read_bytes() for one in told] == [False, True]


def session_numbers(root: Path) -> set[int]:
    return set(pyarrow.dataset.dataset(root / "data", format="parquet").to_table(["session"])["session"].to_pylist())


def test_models_that_saw_it_are_named_to_both_sides(
    two: tuple[Subject, Subject], organisation: Organisation, tmp_path: Path
) -> None:
    gone, stays = two
    report = organisation.export(str(tmp_path / "out"), gone.outbox, stays.outbox)
    (tmp_path / "runs").mkdir()
    record = {"v": 1, "run": "ab" * 16, "datasets": [report.export]}
    (tmp_path / "runs" / "first.json").write_text(json.dumps(record))
    (tmp_path / "runs" / "other.json").write_text(json.dumps({**record, "run": "cd" * 16, "datasets": ["0" * 32]}))
    (tmp_path / "runs" / "broken.json").write_text("{")
    purged(gone)
    done = organisation.erase(gone.outbox)
    assert [one.run for one in done.models] == ["ab" * 16]
    acknowledged.take_in(gone.home, gone.clock, [gone.outbox])
    assert acknowledged.requests(entries(gone), "2026-01-01")[0].models == ("ab" * 16,)


def test_too_few_people_left_means_none_of_it(tmp_path: Path, clock: HeldClock) -> None:
    careful = Organisation(str(tmp_path), clock, change=[("minimum_export = 1", "minimum_export = 2")])
    people = [Subject(str(tmp_path / name), careful) for name in ("one", "two")]
    for person in people:
        person.record()
    clock.time += 700
    for person in people:
        person.release()
    out = str(tmp_path / "out")
    assert careful.export(out, *(person.outbox for person in people)).subjects == 2
    purged(people[0])
    careful.erase(people[0].outbox)
    assert datasets.part_files(out) == []
    assert datasets.read_card(out)["rows"] == 0


def test_a_lineage_that_was_removed_or_altered_is_noticed(
    two: tuple[Subject, Subject], organisation: Organisation, tmp_path: Path
) -> None:
    gone, stays = two
    report = organisation.export(str(tmp_path / "out"), gone.outbox, stays.outbox)
    assert lineage.digest(organisation.folder, str(report.export)) == lineage_digest(organisation)
    path = lineage.path_of(organisation.folder)
    with lineage.opened(path) as connection:
        connection.execute("DELETE FROM sessions WHERE session = (SELECT MIN(session) FROM sessions)")
    assert lineage.digest(organisation.folder, str(report.export)) != lineage_digest(organisation)
    os.unlink(path)
    purged(gone)
    with pytest.raises(IntegrityError, match="lineage"):
        organisation.erase(gone.outbox)
    with pytest.raises(IntegrityError, match="lineage"):
        organisation.export(str(tmp_path / "new"), stays.outbox)


@pytest.mark.parametrize("named", [False, True])
def test_an_export_that_was_interrupted_holds_no_request_up(
    two: tuple[Subject, Subject],
    organisation: Organisation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    named: bool,
) -> None:
    gone, stays = two
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        if named:
            patch.setattr(lineage, "set_state", CrashAt(lineage.set_state, 0))
        else:
            rename = os.rename
            patch.setattr(os, "rename", lambda a, b: CrashAt(rename, 0)(a, b) if str(b) == str(out) else rename(a, b))
        with pytest.raises(Crash):
            organisation.export(str(out), gone.outbox, stays.outbox)
    purged(gone)
    done = organisation.erase(gone.outbox)
    assert (len(done.requests), done.missing) == (1, ())
    assert not os.path.exists(f"{out}.partial")
    assert out.exists() == named
    if named:
        assert datasets.read_card(str(out))["subjects"] == 1
    else:
        assert organisation.export(str(out), stays.outbox).sessions == 2
