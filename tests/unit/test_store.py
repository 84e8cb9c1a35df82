from __future__ import annotations

import os
import shutil
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest

from desktop_logger import disk, keystore, store
from desktop_logger.errors import IntegrityError, OtherVersion, Refused, Unavailable, Unreadable, UsageError
from desktop_logger.ledger import Ledger
from desktop_logger.paths import Home
from desktop_logger.records.classes import Reason
from desktop_logger.records.layout import END, RECORD, RECORD_BYTES, Redacted
from desktop_logger.records.profiles import PROFILES
from desktop_logger.sealing import ReaderKey, Signer
from desktop_logger.segments import format as form
from desktop_logger.segments import reading
from tests.storage import SCOPES, HeldClock, Person, gap_record, keys
from tests.vectors import verify_store


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(str(tmp_path / "home"))


def paths(person: Person, segment: str) -> dict[str, Path]:
    folder = Path(person.home.segments)
    return {stream: folder / f"{segment}.{stream}" for stream in ("own", "release")}


# Writing and reading back


def test_what_is_appended_is_read_back_by_its_subject_only(person: Person) -> None:
    segment = person.record(3)
    found = person.read(segment)
    assert {scope: len(data) // RECORD_BYTES for scope, data in found.items()} == {"keyboard": 15, "pointer": 15}
    assert person.read(segment, "release") == found
    with pytest.raises(Unreadable):
        list(store.open_stream(person.home, person.kek()[1], segment, "own", ReaderKey.generate()))
    assert person.verdicts() == {segment: "ok"}
    assert store.verify(person.home, kek=person.kek()[1]).ok
    kinds = [entry["kind"] for entry in Ledger(person.home, person.clock).verify()]
    assert kinds == ["ledger.created", "segment.opened", "segment.sealed"]


def test_files_are_private_and_all_frames_have_one_size(person: Person) -> None:
    segment = person.record(4)
    for stream, path in paths(person, segment).items():
        assert path.stat().st_mode & 0o777 == 0o600
        body = form.scan(path.read_bytes())
        assert (path.stat().st_size - len(body.header.to_bytes())) % body.header.frame_bytes == 0
        assert len(body.frames) == 6  # four ticks, what came last, and the end
        assert (body.header.opened is None) == (stream == "release")
        assert body.header.tick_s == (60 if stream == "release" else 5)


def test_the_file_grows_by_one_frame_a_tick_whatever_was_typed(person: Person) -> None:
    segment = person.open(release=None)
    sizes = [segment.size]
    for count in (0, 1, 7, 0):
        segment.append("own", keys(1, count))
        segment.tick("own")
        sizes.append(segment.size)
    assert len({after - before for before, after in pairwise(sizes)}) == 1
    segment.seal()


def test_alone_there_is_no_release_stream(person: Person) -> None:
    segment = person.open(release=None)
    with pytest.raises(Refused):
        segment.append("release", keys(0, 1))
    segment.seal()
    assert segment.streams == ("own",)
    with pytest.raises(Refused):
        store.for_release(person.home, person.kek()[1], segment.id)


def test_a_record_of_another_scope_or_kind_is_never_stored(person: Person) -> None:
    segment = person.open(scopes=("keyboard",), release=None)
    for wrong in (
        keys(0, 2, ("pointer",)),
        keys(0, 2),
        Redacted(RECORD.pack(0, END, 0, 0, 0, 0, 0)),
        Redacted(b"x" * 15),
    ):
        with pytest.raises(Refused):
            segment.append("own", wrong)
    segment.append("own", keys(0, 2, ("keyboard",)))
    segment.seal()
    assert person.read(segment.id) == {"keyboard": keys(0, 2, ("keyboard",))}


def test_a_gap_goes_into_every_granted_scope(person: Person) -> None:
    segment = person.open(release=None)
    segment.append("own", Redacted(keys(0, 1, ("keyboard",)) + gap_record(60) + keys(0, 1, ("pointer",))))
    segment.seal()
    found = person.read(segment.id)
    assert found["keyboard"] == keys(0, 1, ("keyboard",)) + gap_record(60)
    assert found["pointer"] == gap_record(60) + keys(0, 1, ("pointer",))


def test_overflow_waits_is_bounded_and_becomes_a_gap(person: Person) -> None:
    segment = person.open(scopes=("keyboard",))
    burst = Redacted(b"".join(keys(t, 1000, ("keyboard",)) for t in range(70)))
    for stream in segment.streams:
        segment.append(stream, burst)
        assert segment.waiting(stream) < store.QUEUE_RECORDS
        segment.append(stream, keys(80, 1, ("keyboard",)))
        segment.tick(stream)
    segment.seal()
    for stream, reason in (("own", Reason.OVERFLOW), ("release", Reason.UNOBSERVED)):
        data = person.read(segment.id, stream)["keyboard"]
        records = list(RECORD.iter_unpack(data))
        gaps = [record for record in records if record[1] == 1]
        assert [gap[2] for gap in gaps] == [reason]
        assert gaps[0][6] > 0
        assert len(records) == store.QUEUE_RECORDS
        assert data[: 65_000 * RECORD_BYTES] == burst[: 65_000 * RECORD_BYTES]
    (gap,) = [record for record in RECORD.iter_unpack(person.read(segment.id)["keyboard"]) if record[1] == 1]
    assert gap[0] == 65
    assert gap[6] == 16  # from second 65 to second 80, both included


def test_recording_goes_on_after_an_overflow(person: Person) -> None:
    segment = person.open(scopes=("keyboard",), release=None, own="events")
    segment.append("own", Redacted(keys(7, 70_000, ("keyboard",))))
    while segment.waiting("own") > 1000:
        segment.tick("own")
    segment.append("own", keys(9, 2, ("keyboard",)))
    segment.seal()
    records = list(RECORD.iter_unpack(person.read(segment.id)["keyboard"]))
    assert [record[:3] for record in records[-3:]] == [(7, 1, Reason.OVERFLOW), (9, 2, 1), (9, 2, 1)]


# Keys


@pytest.mark.parametrize("granted", [("keyboard",), ("pointer",), SCOPES])
@pytest.mark.parametrize("allowed", [("keyboard",), ("pointer",), SCOPES])
def test_an_admin_opens_exactly_the_granted_scopes_of_the_release_stream(
    person: Person, granted: tuple[str, ...], allowed: tuple[str, ...]
) -> None:
    segment = person.record(2, scopes=granted, admin_scopes=allowed)
    data, stanzas = store.for_release(person.home, person.kek()[1], segment)
    body = form.scan(data)
    opened = {
        stanza.scope: reading.open_stanza(body, "admin", stanza.scope, stanza.sealed, person.admin)
        for stanza in stanzas
    }
    assert set(opened) == set(granted) & set(allowed)
    found: dict[str, bytes] = {}
    for scope, _, part in reading.parts(body, opened):
        found[scope] = found.get(scope, b"") + reading.unpack(part).tobytes()
    mine = person.read(segment, "release")
    assert found == {scope: mine[scope] for scope in opened}
    own = form.scan(paths(person, segment)["own"].read_bytes())
    for scope, key in opened.items():
        with pytest.raises(Unreadable):
            list(reading.parts(own, {scope: key}))
    for stanza in keystore.read_entry(person.home, person.kek()[1], segment):
        if stanza.role == "subject":
            with pytest.raises(Unreadable):
                person.admin.open(stanza.sealed, form.stanza_info("subject", "*", body.header_digest))


def test_without_approval_no_admin_stanza_exists(person: Person) -> None:
    grant = person.grant(mode="approved")
    segment = person.open(mode="approved")
    kek = person.kek()[1]
    with pytest.raises(Refused):
        store.approve(person.home, person.clock, kek, segment.id, reader=person.reader, grant=grant)
    segment.append("release", keys(1, 4))
    segment.seal()
    assert store.for_release(person.home, kek, segment.id)[1] == []
    with pytest.raises(Unreadable):
        store.approve(person.home, person.clock, kek, segment.id, reader=ReaderKey.generate(), grant=grant)
    assert store.for_release(person.home, kek, segment.id)[1] == []
    for _ in range(2):
        assert store.approve(person.home, person.clock, kek, segment.id, reader=person.reader, grant=grant) == 2
    data, stanzas = store.for_release(person.home, kek, segment.id)
    body = form.scan(data)
    keys_of = {
        each.scope: reading.open_stanza(body, "admin", each.scope, each.sealed, person.admin) for each in stanzas
    }
    assert sum(len(reading.unpack(part)) for _, _, part in reading.parts(body, keys_of)) == 8
    report = store.verify(person.home, kek=kek)
    assert report.ok
    assert report.entries == 4


def test_a_writer_that_gives_two_keys_is_rejected(person: Person) -> None:
    segment = person.record(1)
    other = person.record(1)
    _, kek = person.kek()
    mine, theirs = (keystore.read_entry(person.home, kek, each) for each in (segment, other))
    keystore.replace_entry(person.home, kek, segment, [*mine[:-1], theirs[-1]])
    assert person.verdicts(kek=kek)[segment] == "key-mismatch"
    with pytest.raises(IntegrityError):
        store.for_release(person.home, kek, segment)
    body = form.scan(paths(person, segment)["release"].read_bytes())
    wrong = form.scan(paths(person, other)["release"].read_bytes())
    foreign = reading.open_stanza(wrong, "admin", theirs[-1].scope, theirs[-1].sealed, person.admin)
    with pytest.raises(Unreadable):
        list(reading.parts(body, {theirs[-1].scope: foreign}))


def test_a_writer_does_not_outlive_its_epoch(person: Person) -> None:
    epoch, kek = person.kek()
    store.purge(person.home, person.clock, [person.record(1)])
    with pytest.raises(Unavailable, match="rotated"):
        store.open_segment(person.home, person.clock, person.grant(), kek, epoch)
    person.record(1)


# The ceremony


def test_creating_again_keeps_everything_and_another_identity_is_refused(person: Person) -> None:
    segment = person.record(1)
    head = Ledger(person.home, person.clock).head()
    store.create(person.home, person.clock, person.identity, "file")
    assert Ledger(person.home, person.clock).head() == head
    assert person.read(segment)
    with pytest.raises(Refused):
        store.create(person.home, person.clock, Signer.generate(), "file")
    fresh = Signer.generate()
    store.create(person.home, person.clock, fresh, "file", fresh=True)
    assert store.segments(person.home) == []
    assert Ledger(person.home, person.clock).verify()[0]["subject"] == fresh.public.hex()
    person.record(1)
    assert store.verify(person.home).ok


def test_where_there_is_no_store_nothing_is_created(tmp_path: Path) -> None:
    home = Home(str(tmp_path / "none"), str(tmp_path / "run"))
    assert store.recover(home, HeldClock()) == ([], 0, [])
    assert store.verify(home).ok
    assert store.segments(home) == []
    assert store.purge(home, HeldClock(), []).segments == []
    assert not os.path.exists(home.root)


# Errors of the system


class Full:
    """Writes ``left`` more times, then the disk is full: nothing, or only half, is written."""

    def __init__(self, left: int, *, half: bool) -> None:
        self.left, self.half = left, half

    def __call__(self, descriptor: int, data: bytes) -> int:
        self.left -= 1
        if self.left >= 0:
            return REAL_WRITE(descriptor, data)
        if self.half:
            return REAL_WRITE(descriptor, data[: len(data) // 2])
        raise OSError(28, "No space left on device")


REAL_WRITE = os.write
NOBODY = 65534


@pytest.mark.parametrize("half", [False, True])
def test_a_full_disk_ends_the_segment_and_loses_nothing_acknowledged(
    person: Person, monkeypatch: pytest.MonkeyPatch, half: bool
) -> None:
    segment = person.open(release=None)
    segment.append("own", keys(1, 3))
    segment.tick("own")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", Full(0, half=half))
        segment.append("own", keys(2, 3))
        with pytest.raises(Unavailable):
            segment.tick("own")
    with pytest.raises(Unavailable):  # never retried
        segment.tick("own")
    with pytest.raises(Unavailable):
        segment.seal()
    assert person.verdicts() == {segment.id: "open"}
    assert store.recover(person.home, person.clock).segments == [segment.id]
    assert person.verdicts() == {segment.id: "recovered"}
    assert person.read(segment.id)["keyboard"] == keys(1, 3, ("keyboard",))


def test_a_full_disk_at_any_write_leaves_a_store_that_verifies(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    for left in range(24):
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", Full(left, half=bool(left % 2)))
            try:
                person.record(1)
                break
            except Unavailable:
                pass
        store.recover(person.home, person.clock)
        report = store.verify(person.home, kek=person.kek()[1])
        assert report.ok, (left, report)
    else:
        pytest.fail("the segment never got through")
    assert len(keystore.listed(person.home)) == len(store.segments(person.home))


def test_a_failed_sync_is_never_retried(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    segment = person.open()
    calls = 0

    def fail(_descriptor: int) -> None:
        nonlocal calls
        calls += 1
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(disk, "sync", fail)
        with pytest.raises(Unavailable, match="Input/output"):
            segment.tick("own")
        with pytest.raises(Unavailable):
            segment.tick("own")
    assert calls == 1


@pytest.mark.parametrize("name", ["segments", "keystore", "ledger"])
def test_a_home_that_cannot_be_written_is_said(name: str) -> None:
    """In a child without root's rights, since root writes everywhere."""
    with tempfile.TemporaryDirectory() as root:
        os.chmod(root, 0o755)  # noqa: S103 - the other account has to get through
        Person(os.path.join(root, "mine")).record(1)  # what is loaded late may not be readable for the other account
        child = os.fork()
        if child == 0:
            status = 1
            try:
                if os.getuid() == 0:
                    os.makedirs(os.path.join(root, "theirs"))
                    os.chown(os.path.join(root, "theirs"), NOBODY, NOBODY)
                    os.setresgid(NOBODY, NOBODY, NOBODY)
                    os.setresuid(NOBODY, NOBODY, NOBODY)
                person = Person(os.path.join(root, "theirs", "home"))
                kept = person.record(1)
                folder = os.path.join(person.home.root, name)
                os.chmod(folder, 0o500)
                try:
                    person.record(1)
                except Unavailable as error:
                    status = 7 if error.hint and "cannot be" in error.message else 2
                os.chmod(folder, 0o700)
                store.recover(person.home, person.clock)
                if person.verdicts() != {kept: "ok"}:
                    status = 3
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_a_lock_that_is_held_too_long_names_its_holder(person: Person) -> None:
    holder = os.open(person.home.store_lock, os.O_RDWR | os.O_CREAT, 0o600)
    os.ftruncate(holder, 0)
    os.pwrite(holder, b"%d\n" % os.getppid(), 0)
    disk.lock(holder)
    with pytest.raises(Unavailable, match=f"process {os.getppid()}"), store.locked(person.home, 0.05):
        pass
    os.close(holder)
    with store.locked(person.home, 0.05), store.locked(person.home, 0.05):
        person.record(1)


# Choosing and retention


def test_a_disk_too_full_for_a_number_still_lets_people_look_and_delete(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = person.record(1)
    real = os.pwrite

    def full(descriptor: int, data: bytes, at: int) -> int:
        if os.readlink(f"/proc/self/fd/{descriptor}") == person.home.store_lock:
            raise OSError(28, "No space left on device")
        return real(descriptor, data, at)

    monkeypatch.setattr(os, "pwrite", full)
    assert person.verdicts() == {segment: "ok"}
    store.purge(person.home, person.clock, [segment])
    assert person.verdicts() == {segment: "erased"}


def test_a_range_is_rounded_outward_to_whole_segments(person: Person) -> None:
    ids, times = [], []
    for number in range(3):
        person.clock.time = 1_790_000_040.0 + 3600 * number
        ids.append(person.record(1))
        times.append(person.clock.time)
        for path in paths(person, ids[-1]).values():
            os.utime(path, (times[-1] + 300, times[-1] + 300))
    infos = {info.id: info for info in store.segments(person.home)}
    assert [infos[name].opened for name in ids] == [int(time // 60) for time in times]
    assert [infos[name].until for name in ids] == [int(time // 60) + 5 for time in times]
    assert store.choose_range(person.home, times[1] + 200, times[1] + 210) == [ids[1]]
    assert store.choose_range(person.home, times[0] + 60, times[1]) == ids[:2]
    assert store.choose_range(person.home, times[1] + 400, times[2] - 100) == []
    assert store.choose_range(person.home, 0, 2**40) == ids
    os.utime(paths(person, ids[0])["own"], (2**31, 2**31))  # a time that cannot be is not believed
    assert store.choose_range(person.home, times[1] + 400, times[2] - 100) == []


def test_retention_deletes_what_is_old_and_what_is_too_much(person: Person) -> None:
    old = person.record(1)
    for path in paths(person, old).values():
        os.utime(path, (person.clock.time, person.clock.time))
    assert store.retention(person.home, person.clock, 30) is None
    person.clock.time += 31 * 86_400
    new, newest = person.record(1), person.record(1)
    receipt = store.retention(person.home, person.clock, 30)
    assert receipt is not None
    assert receipt.segments == [old]
    size = sum(info.bytes for info in store.segments(person.home))
    assert store.retention(person.home, person.clock, 30, cap_bytes=size) is None
    receipt = store.retention(person.home, person.clock, 30, cap_bytes=size - 1)
    assert receipt is not None
    assert len(receipt.segments) == 1
    assert {info.id for info in store.segments(person.home)} | set(receipt.segments) == {new, newest}
    assert store.verify(person.home, kek=person.kek()[1]).ok


def test_unknown_ids_are_refused_and_nothing_is_a_quiet_success(person: Person) -> None:
    with pytest.raises(UsageError):
        store.purge(person.home, person.clock, ["f" * 32])
    receipt = store.purge(person.home, person.clock, [])
    assert (receipt.segments, receipt.kek_epoch) == ([], 1)


# Verdicts


def test_every_tampering_has_its_verdict(person: Person) -> None:
    segment, other = person.record(2), person.record(2)
    own, release = paths(person, segment).values()
    good = {path: path.read_bytes() for path in (own, release)}

    def verdict_after(path: Path, data: bytes | None) -> str:
        if data is None:
            path.unlink()
        else:
            path.write_bytes(data)
        report = store.verify(person.home)
        found = {each.id: each.verdict for each in report.segments}[segment]
        assert report.ok == (found == "ok")
        path.write_bytes(good[path])
        return found

    for path, data in good.items():
        assert verdict_after(path, data) == "ok"
        assert verdict_after(path, None) == "missing"
        assert verdict_after(path, data + b"\0") == "altered"
        size = form.scan(data).header.frame_bytes
        for length in {*range(0, len(data), 97), len(data) - 1, len(data) - size, len(data) - 2 * size}:
            assert verdict_after(path, data[:length]) == "truncated", length
        for position in range(0, len(data), 53):
            assert (
                verdict_after(path, data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]) == "altered"
            )
        start = len(data) - 3 * size
        frames = [data[start + n * size :][:size] for n in range(3)]
        for order in ([1, 0, 2], [0, 0, 2], [0, 2, 2], [0, 1, 2, 2]):
            assert verdict_after(path, data[:start] + b"".join(frames[n] for n in order)) == "altered"
        assert verdict_after(path, paths(person, other)[path.suffix[1:]].read_bytes()) == "altered"
    assert verdict_after(own, good[release]) == "altered"
    entry = Path(keystore.entry_path(person.home, segment))
    sealed = entry.read_bytes()
    for wrong in (None, b"", sealed[:-1], Path(keystore.entry_path(person.home, other)).read_bytes()):
        if wrong is None:
            entry.unlink()
        else:
            entry.write_bytes(wrong)
        assert person.verdicts(kek=person.kek()[1])[segment] == "key-mismatch"
    entry.write_bytes(sealed)
    shutil.copy(own, own.with_name("f" * 32 + ".own"))
    assert person.verdicts()["f" * 32] == "foreign"
    store.recover(person.home, person.clock)
    assert person.verdicts()["f" * 32] == "foreign"  # recovery never removes what holds a frame


def test_a_crash_while_a_segment_is_opened_is_no_alarm(person: Person) -> None:
    """Files that hold no frame and that the ledger does not know are called open, and are gone after the next start."""
    segment = person.record(2)
    data = paths(person, segment)["own"].read_bytes()
    header, first = form.parse_header(data)
    begun = {"a" * 32: b"", "b" * 32: data[:100], "c" * 32: data[:first], "d" * 32: bytes(300)}
    for name, left in begun.items():
        Path(person.home.segments, name + ".own").write_bytes(left)
    assert {person.verdicts()[name] for name in begun} == {"open"}
    assert store.verify(person.home).ok
    assert {verify_store.store(person.home.root)[0][name] for name in begun} == {"open"}
    store.recover(person.home, person.clock)
    assert not set(begun) & set(person.verdicts())
    Path(person.home.segments, "e" * 32 + ".own").write_bytes(data[: first + header.frame_bytes])
    assert person.verdicts()["e" * 32] == verify_store.store(person.home.root)[0]["e" * 32] == "foreign"


def test_what_a_later_version_wrote_is_said_and_left_alone(person: Person) -> None:
    """Going back to this version must not cost anything: not a file, and not the segment's end in the ledger."""
    segment = person.open()
    segment.tick("own")
    segment.abandon()
    later = paths(person, segment.id)["own"].read_bytes().replace(b"/v1\n", b"/v2\n", 1)
    paths(person, segment.id)["own"].write_bytes(later)
    Path(person.home.segments, "e" * 32 + ".own").write_bytes(later)
    before = Ledger(person.home, person.clock).lines()
    done = store.recover(person.home, person.clock)
    assert (done.segments, len(done.notes)) == ([], 1)
    assert segment.id in done.notes[0]
    assert "newer desktop-logger" in done.notes[0]
    assert Ledger(person.home, person.clock).lines() == before
    report = {one.id: one for one in store.verify(person.home).segments}
    assert {name: report[name].verdict for name in (segment.id, "e" * 32)} == {
        segment.id: "altered", "e" * 32: "foreign",
    }  # fmt: skip
    assert "another format version" in report[segment.id].detail
    assert verify_store.store(person.home.root)[0] == {name: one.verdict for name, one in report.items()}
    with pytest.raises(OtherVersion, match="another format version") as refused:
        person.read(segment.id)
    assert "newer desktop-logger" in str(refused.value.hint)


def test_recovery_vouches_only_for_what_is_on_the_medium(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer ended between writing and syncing a frame: it is synced before the ledger says that it is there."""
    segment = person.open(release=None)
    monkeypatch.setattr(segment._streams["own"], "sync", lambda: None)
    segment.tick("own")
    segment.abandon()
    order: list[str] = []
    sync = disk.sync

    def noted(descriptor: int) -> None:
        order.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
        sync(descriptor)

    monkeypatch.setattr(disk, "sync", noted)
    store.recover(person.home, person.clock)
    assert order.index(f"{segment.id}.own") < order.index("ledger.jsonl")


def test_an_altered_segment_is_never_shown(person: Person) -> None:
    segment = person.record(2)
    own = paths(person, segment)["own"]
    data = own.read_bytes()
    for wrong in (data[:-1], data[:-9] + bytes([data[-9] ^ 1]) + data[-8:], data + b"x"):
        own.write_bytes(wrong)
        with pytest.raises(IntegrityError):
            person.read(segment)
    own.unlink()
    with pytest.raises(IntegrityError):
        person.read(segment)


def test_a_kept_head_finds_a_whole_older_home(person: Person, tmp_path: Path) -> None:
    person.record(1)
    shutil.copytree(person.home.root, tmp_path / "old")
    person.record(1)
    kept = store.verify(person.home).head
    old = Home(str(tmp_path / "old"), person.home.run)
    assert store.verify(old).ok
    assert not store.verify(old, kept).ok
    assert store.verify(person.home, kept).ok


def test_a_live_segment_is_open_and_recovery_leaves_it_alone(person: Person) -> None:
    segment = person.open()
    segment.tick("own")
    assert person.verdicts() == {segment.id: "open"}
    assert [info.state for info in store.segments(person.home)] == ["live"]
    assert store.recover(person.home, person.clock).segments == []
    segment.append("own", keys(3, 2))
    segment.tick("own")
    assert len(person.read(segment.id)["keyboard"]) == 2 * RECORD_BYTES  # so far
    segment.seal()
    assert person.verdicts() == {segment.id: "ok"}


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_every_profile_fits_its_frames(person: Person, name: str) -> None:
    segment = person.record(1, own=name, release="coarse")
    assert form.scan(paths(person, segment)["own"].read_bytes()).header.profile == name
