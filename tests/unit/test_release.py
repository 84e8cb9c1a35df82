"""What leaves, when, and what never does."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from desktop_logger import bundle, keystore, ledger, release, store
from desktop_logger.daemon import keeper
from desktop_logger.errors import NoConsent, Unavailable
from desktop_logger.store import acknowledged
from desktop_logger.store.known import known_segments
from tests.crash import Crash, CrashAt
from tests.organisation import HeldClock, Organisation, Subject

pytestmark = pytest.mark.usefixtures("english")


def files(subject: Subject, suffix: str = ".bundle") -> list[str]:
    names = os.listdir(subject.outbox) if os.path.isdir(subject.outbox) else []
    return sorted(os.path.join(subject.outbox, name) for name in names if name.endswith(suffix))


def parsed(path: str) -> bundle.Bundle:
    return bundle.parse(Path(path).read_bytes())


def states(subject: Subject) -> list[str]:
    return [one.state for one in release.waiting(subject.home, subject.clock, subject.grant)]


def test_nothing_leaves_before_the_cooling_off_is_over(tmp_path: Path, clock: HeldClock) -> None:
    slow = Organisation(str(tmp_path), clock, change=[("cooling_off_hours = 0", "cooling_off_hours = 24")])
    person = Subject(str(tmp_path / "home"), slow)
    person.record()
    assert states(person) == [release.COOLING]
    assert person.release(after=86_400).bundles == []
    assert person.release(after=release.LONGEST_SEGMENT_S).bundles != []
    assert states(person) == []


def test_only_the_subjects_wish_shortens_the_cooling_off(tmp_path: Path, clock: HeldClock) -> None:
    slow = Organisation(str(tmp_path), clock, change=[("cooling_off_hours = 0", "cooling_off_hours = 24")])
    person = Subject(str(tmp_path / "home"), slow)
    person.record()
    assert len(person.release(after=0, hurry=True).bundles) == 1


def test_a_bundle_carries_the_stream_exactly_as_it_was_sealed(subject: Subject) -> None:
    segment = subject.record()
    sealed = Path(subject.home.segments, f"{segment}.release").read_bytes()
    (path,) = subject.release().bundles
    assert parsed(path).stream == sealed
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_bundles_form_one_chain_that_the_ledger_knows(subject: Subject) -> None:
    subject.record()
    subject.record()
    subject.release()
    subject.record()
    subject.release()
    bundles = {one.digest: one for one in map(parsed, files(subject))}
    entries = ledger.Ledger(subject.home, subject.clock).entries()
    chain = [entry["bundle"] for entry in entries if entry["kind"] == "released"]
    assert [bundles[digest].prev for digest in chain] == [bundle.FIRST, *chain[:-1]]


def test_no_time_stands_in_the_clear(subject: Subject) -> None:
    subject.record()
    (path,) = subject.release().bundles
    data = Path(path).read_bytes()
    now = int(subject.clock.now())
    minute = now // 60
    clear = parsed(path).header + parsed(path).stream[:2000]
    for moment in (*range(minute - 20, minute + 2), now):
        assert str(moment).encode() not in clear
        for form in ("<I", ">I"):
            assert struct.pack(form, moment) not in data[: data.index(b"sealed/0")]


def test_what_is_purged_before_never_leaves(subject: Subject) -> None:
    kept, deleted = subject.record(), subject.record()
    store.purge(subject.home, subject.clock, [deleted])
    done = subject.release()
    assert done.segments == [kept]
    assert files(subject, ".erasure.json") == []


def test_purging_what_was_released_takes_it_back(subject: Subject) -> None:
    first, second = subject.record(), subject.record()
    subject.release()
    carried = {one: parsed(one).digest for one in files(subject)}
    store.purge(subject.home, subject.clock, [first])
    (request,) = files(subject, ".erasure.json")
    erasure = bundle.parse_erasure(Path(request).read_bytes())
    assert erasure.segments == (first,)
    assert set(erasure.bundles) == set(carried.values()) - {parsed(files(subject)[0]).digest}
    assert len(files(subject)) == 1
    known = known_segments(ledger.Ledger(subject.home, subject.clock).entries())
    assert known[first].erased
    assert not known[second].erased


def test_where_approval_is_asked_no_key_exists_before_it(tmp_path: Path, clock: HeldClock) -> None:
    asking = Organisation(str(tmp_path), clock, change=[('mode = "cooling-off"', 'mode = "approved"')])
    person = Subject(str(tmp_path / "home"), asking)
    one, two = person.record(), person.record()
    _, kek = keystore.load_kek(person.home)
    assert [stanza.role for stanza in keystore.read_entry(person.home, kek, one)] == ["subject", "subject"]
    assert states(person) == [release.UNAPPROVED] * 2
    assert person.release(after=10**6, hurry=True).bundles == []

    reader = person.identity.reader
    assert release.approve(person.home, clock, person.grant, reader, [two]) == [two]
    done = person.release()
    assert done.segments == [two]
    report = asking.export(str(tmp_path / "out"), person.outbox)
    assert report.sessions == 1
    assert not report.refused


def test_what_an_earlier_consent_covered_is_held_back(subject: Subject) -> None:
    subject.record()
    subject.clock.time += 60  # type: ignore[attr-defined]
    subject.sign(("keyboard", "pointer"), ("find out",))
    assert states(subject) == [release.HELD]
    assert subject.release().bundles == []
    fresh = subject.record()
    assert subject.release().segments == [fresh]


def test_without_a_purpose_nothing_is_made_for_release(tmp_path: Path, organisation: Organisation) -> None:
    person = Subject(str(tmp_path / "home"), organisation, purposes=())
    assert person.grant.release is None
    person.record()
    assert states(person) == []
    assert person.release(hurry=True).bundles == []


def test_an_altered_stream_does_not_leave_and_stops_no_other(subject: Subject) -> None:
    bad, good = subject.record(), subject.record()
    path = Path(subject.home.segments, f"{bad}.release")
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    done = subject.release()
    assert done.segments == [good]
    assert [segment for segment, _ in done.failed] == [bad]


def test_a_receipt_that_changes_under_way_stops_the_release(subject: Subject) -> None:
    subject.record()
    grant = subject.grant
    Path(subject.home.receipt).write_bytes(b"{}")
    with pytest.raises(NoConsent):
        release.write(subject.home, subject.clock, grant)
    assert files(subject) == []


@pytest.mark.parametrize("point", ["before-ledger", "after-ledger", "before-rename"])
def test_a_crash_never_forks_the_chain(
    subject: Subject, organisation: Organisation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, point: str
) -> None:
    subject.record()
    subject.release()
    segment = subject.record()
    with monkeypatch.context() as patch:
        if point == "before-rename":
            rename = os.rename
            patch.setattr(
                os, "rename", lambda a, b: CrashAt(rename, 0)(a, b) if str(b).endswith(".bundle") else rename(a, b)
            )
        else:
            append = ledger.Ledger.append
            at = CrashAt(append, 0, after=point == "after-ledger")
            patch.setattr(ledger.Ledger, "append", lambda *words, **facts: at(*words, **facts))  # noqa: PLW0108 - binds self
        with pytest.raises(Crash):
            subject.release()
    third = subject.record()
    subject.release()
    assert files(subject, ".partial") == []
    found = [parsed(path) for path in files(subject)]
    assert len(found) == 3
    assert len({one.prev for one in found}) == 3
    report = organisation.export(str(tmp_path / "out"), subject.outbox)
    assert (report.sessions, [*report.refused], report.notes) == (3, [], ())
    assert {segment, third} <= set(known_segments(ledger.Ledger(subject.home, subject.clock).entries()))


def test_a_purge_after_a_crash_wins(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    segment = subject.record()
    rename = os.rename
    with monkeypatch.context() as patch:
        patch.setattr(
            os, "rename", lambda a, b: CrashAt(rename, 0)(a, b) if str(b).endswith(".bundle") else rename(a, b)
        )
        with pytest.raises(Crash):
            subject.release()
    assert files(subject, ".partial") != []
    store.purge(subject.home, subject.clock, [segment])
    subject.record()
    subject.release()
    assert files(subject, ".partial") == []
    assert len(files(subject)) == 1


@contextmanager
def mounted(where: str, *words: str) -> Iterator[None]:
    """Something mounted there, or the test is skipped."""
    os.makedirs(where, 0o700, exist_ok=True)
    if subprocess.run(["mount", *words, where], capture_output=True, check=False).returncode:
        pytest.skip("NOT TESTED: only root may mount a disk of its own, and not everywhere")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", where], check=True)


def test_a_full_outbox_is_said_and_the_next_run_goes_on(
    subject: Subject, organisation: Organisation, tmp_path: Path
) -> None:
    for _ in range(3):
        subject.record()
    with mounted(subject.outbox, "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs"):
        with pytest.raises(Unavailable, match=r"outbox .* cannot be written"):
            subject.release()
        written = files(subject)
        assert 0 < len(written) < 3
        assert sorted(os.listdir(subject.outbox)) == [os.path.basename(path) for path in written], (
            "nothing half is left"
        )
        subprocess.run(["mount", "-o", "remount,size=1m", subject.outbox], check=True)
        assert len(subject.release().segments) == 3 - len(written)
        report = organisation.export(str(tmp_path / "out"), subject.outbox)
        assert (report.sessions, [*report.refused], report.notes) == (3, [], ())


def test_a_full_outbox_keeps_nobody_from_recording(subject: Subject) -> None:
    subject.record()
    assert isinstance(subject.clock, HeldClock)
    subject.clock.time += 700
    with mounted(subject.outbox, "-t", "tmpfs", "-o", "size=4k,mode=0700", "tmpfs"):
        (key, to_writer), (said, report) = os.pipe(), os.pipe()
        keeper.start(subject.home, subject.clock, to_writer, report)
        assert len(os.read(key, 1 << 16)) > 36, "the writer has its key"
        assert b'"grant"' in os.read(said, 1 << 16)
        assert states(subject) == ["ready"], "and what waits still waits"
        for one in (key, said, report):
            os.close(one)


def test_what_was_exported_is_in_the_ledger_from_the_next_start_on(
    subject: Subject, organisation: Organisation, tmp_path: Path
) -> None:
    subject.record()
    subject.release()
    organisation.export(str(tmp_path / "out"), subject.outbox)
    Path(subject.outbox, "damaged.ack.json").write_bytes(b"noise")
    for _ in range(2):
        (key, to_writer), (said, report) = os.pipe(), os.pipe()
        keeper.start(subject.home, subject.clock, to_writer, report)
        for one in (key, said, report):
            os.close(one)
    (export,) = acknowledged.exports(ledger.Ledger(subject.home, subject.clock).entries())
    assert export.purpose == "improve-tools"


_PURGE = """
import os, sys, time
from desktop_logger import store
from desktop_logger.clock import Clock
from desktop_logger.paths import Home
home = Home(sys.argv[1], sys.argv[1] + "/run")
print("here", flush=True)
while not any(name.endswith(".bundle") for name in os.listdir(home.outbox)):
    time.sleep(0.005)
store.purge(home, Clock(), [sys.argv[2]])
"""


def test_a_slow_outbox_lets_a_purge_in_between(subject: Subject) -> None:
    class Slow(HeldClock):
        def monotonic(self) -> float:
            self.time += 1
            return self.time

    segments = [subject.record() for _ in range(8)]
    command = [sys.executable, "-c", _PURGE, subject.home.root, segments[-1]]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as purging:
        assert purging.stdout is not None
        purging.stdout.readline()
        done = release.write(subject.home, Slow(subject.clock.now() + 700), subject.grant)
    assert purging.returncode == 0
    assert done.segments == segments[:-1], "what was purged in between never leaves"


def test_a_disk_that_stands_still_delays_a_release_and_loses_nothing(
    subject: Subject, organisation: Organisation, tmp_path: Path
) -> None:
    """A real file system that is frozen (FIFREEZE): every write waits until it is thawed."""
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(8 << 20)
    if shutil.which("mkfs.ext4") is None or shutil.which("fsfreeze") is None:
        pytest.skip("NOT TESTED: mkfs.ext4 and fsfreeze are not installed")
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    subject.record()
    with mounted(subject.outbox, "-o", "loop", str(image)):
        os.chmod(subject.outbox, 0o700)
        subprocess.run(["fsfreeze", "-f", subject.outbox], check=True)
        thread = threading.Thread(target=subject.release)
        try:
            thread.start()
            thread.join(0.5)
            assert thread.is_alive(), "it waits"
        finally:
            subprocess.run(["fsfreeze", "-u", subject.outbox], check=True)
            thread.join()
        assert len(files(subject)) == 1
        assert organisation.export(str(tmp_path / "out"), subject.outbox).sessions == 1


def test_a_bundle_that_is_still_on_its_way_is_refused_and_taken_when_it_is_whole(
    subject: Subject, organisation: Organisation, tmp_path: Path
) -> None:
    """A slow disk or a folder that is being synced, seen from the other side."""
    subject.record()
    (path,) = subject.release().bundles
    whole = Path(path).read_bytes()
    for share in (0, 10, len(whole) // 2, len(whole) - 1):
        Path(path).write_bytes(whole[:share])
        report = organisation.export(str(tmp_path / "out"), subject.outbox)
        assert report.export is None
        assert [one.file for one in report.refused] == [path]
    Path(path).write_bytes(whole)
    assert organisation.export(str(tmp_path / "out"), subject.outbox).sessions == 1


@pytest.mark.parametrize("days", [-20, -2, 2, 20])
def test_clocks_of_two_machines_may_differ_by_days(tmp_path: Path, organisation: Organisation, days: int) -> None:
    theirs = HeldClock(organisation.clock.now() + days * 86_400)
    person = Subject(str(tmp_path / "skewed"), organisation, clock=theirs)
    person.record()
    person.release()
    assert organisation.export(str(tmp_path / "out"), person.outbox).sessions == 1
    taken, refused = acknowledged.take_in(person.home, theirs, [person.outbox])
    assert (taken, refused) == (1, [])
    (said,) = acknowledged.exports(ledger.Ledger(person.home, theirs).entries())
    assert said.purpose == "improve-tools"
