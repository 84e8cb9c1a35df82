"""An export keeps nothing of a bundle in memory but a few bytes: any number of them fits."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from desktop_logger.admin import acknowledging, books, lineage, opening
from desktop_logger.admin.acknowledging import Sender
from desktop_logger.admin.books import Wanted
from desktop_logger.admin.opening import Accepted
from desktop_logger.admin.outboxes import Refusals
from desktop_logger.admin.tasks import Done
from desktop_logger.bundle import Manifest
from desktop_logger.dataset import sequences
from desktop_logger.dataset.tally import Tally
from desktop_logger.sealing import hexdigest
from tests.organisation import HeldClock, Organisation, Subject
from tests.outboxes import Press, frames

FEW, MANY, BYTES = 50, 250, 32


def bytes_a_piece(work: Callable[[int], None]) -> float:
    """How much more memory Python took for each of many than it took for few, at the most."""
    peaks = []
    for number in (FEW, FEW, MANY):  # the first time is for what is kept once
        tracemalloc.start()
        work(number)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    return (peaks[-1] - peaks[-2]) / (MANY - FEW)


def test_the_books_keep_nothing_of_a_bundle_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "BUNDLES_A_PART", 16)
    monkeypatch.setattr(acknowledging, "MOST_BUNDLES", 16)
    one = Organisation(str(tmp_path), HeldClock())
    person = Subject(str(tmp_path / "home"), one)
    path, _ = Press(person, str(tmp_path / "box")).write(frames(person, 1, 5)[0])
    known = one.folder.ledger.known()
    expected = opening.Expected(
        one.keys.reader.seeds(), one.keys.controller.public, known, "improve-tools", "2026-01-01"
    )
    accepted = opening.accept(path, expected)
    sent: list[int] = []
    steps: dict[int, int] = {}

    class Counting(Sender):
        def _put(self, place: str | None, data: bytes, what: str) -> None:
            assert (bool(place), bool(what)) == (True, True)
            sent.append(len(json.loads(data)["bundles"]))

    def stepped(number: int) -> int:
        steps[number] = steps.get(number, 0) + 1
        return 0

    def exported(number: int) -> None:
        out = str(tmp_path / f"out{len(sent)}")
        refused, tally = Refusals(), Tally().to_wire()
        with books.opened(one.folder, Wanted(out, "improve-tools", "parquet", False, False, "")) as work:
            before = accepted.prev
            for place in range(number):
                digest = hexdigest(str(place).encode())
                manifest = Manifest(**{**accepted.manifest._asdict(), "segment": digest[:32]})
                name = os.path.join(out, str(place % 7), digest)
                facts = {"path": name, "digest": digest, "prev": before, "manifest": manifest}
                work.accept(Accepted(**{**accepted._asdict(), **facts}))
                before = digest
            assert (work.refuse_forks(known, refused), len(refused)) == ([], 0)
            work.settle()
            work.db.set_progress_handler(partial(stepped, number), 10)
            for job in work.jobs():
                written = [(each.digest, 0, 5) for each in job.bundles]
                assert not work.done(Done(job.part, written, [], tally))
            work.db.set_progress_handler(None, 0)
            assert work.count("rows = 5") == number
            work.keep_lineage(1)
            assert work.digest() == lineage.digest(one.folder, work.export)
            sender = Counting(one.folder, one.keys, "2026-01-01")
            for folder, digests in work.by_folder():
                sender.exported(folder, work.export, "improve-tools", digests)
        books.discard(one.folder, out)

    assert bytes_a_piece(exported) < BYTES
    assert sum(sent) == 2 * FEW + MANY
    # nor is more looked at for each job when there are more of them (FEW were done twice)
    assert steps[MANY] / MANY < 1.05 * steps[FEW] / (2 * FEW)


def test_a_folder_of_bundles_that_are_refused_is_listed_without_being_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Refusals, "IN_MEMORY", 1 << 12)
    one = Organisation(str(tmp_path), HeldClock())
    listed: list[int] = []

    def refused(number: int) -> None:
        box = tmp_path / f"box{len(listed)}"
        box.mkdir()
        for place in range(number):
            (box / f"{place:032x}.bundle").write_bytes(b"nothing")
        report = one.export(str(tmp_path / "out"), str(box), workers=1)
        listed.append(sum(1 for line in report.lines() if line.endswith("(unknown first bytes)")))
        pieces = sum(piece.count('"reason"') for piece in report.json())
        assert len(report.refused) == pieces == number

    assert bytes_a_piece(refused) < BYTES
    assert listed == [FEW, FEW, MANY]


def test_what_is_printed_of_refusals_is_one_json_value(tmp_path: Path) -> None:
    one = Organisation(str(tmp_path), HeldClock())
    for number in range(3):
        (tmp_path / "box").mkdir(exist_ok=True)
        report = one.export(str(tmp_path / "out"), str(tmp_path / "box"))
        found = json.loads("".join(report.json()))
        assert [sorted(each) for each in found["refused"]] == [["file", "hint", "reason"]] * number
        (tmp_path / "box" / f"{number}.bundle").write_bytes(b"nothing")


def test_duplicates_are_found_on_disk_when_there_are_too_many_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences.Seen, "IN_MEMORY", 10)
    seen = sequences.Seen()
    digests = [sequences.hash_of(str(number).encode()) for number in range(30)]
    try:
        assert [seen.is_new(one) for one in digests] == [True] * 30
        assert [seen.is_new(one) for one in digests] == [False] * 30
    finally:
        seen.close()
