from __future__ import annotations

import os
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from desktop_logger import disk
from desktop_logger.clock import Clock
from desktop_logger.errors import IntegrityError, Refused, Unavailable
from desktop_logger.ledger import FIRST, Ledger, bundle_before, is_head, short_code
from desktop_logger.paths import Home
from desktop_logger.sealing import Signer, hexdigest
from tests.crash import Crash, CrashAt, counted, crash


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(str(tmp_path / "home"), str(tmp_path / "run"))


@pytest.fixture
def ledger(home: Home) -> Ledger:
    ledger = Ledger.create(home, Clock(), Signer.generate())
    ledger.append("consent.given", receipt="r")
    ledger.append("started", backend="x11")
    return ledger


def kinds(ledger: Ledger) -> list[str]:
    return [entry["kind"] for entry in ledger.verify()]


def test_entries_form_a_signed_chain_that_carries_only_days(home: Home, ledger: Ledger) -> None:
    head = ledger.append("stopped", gaps={"paused": 60})
    entries = Ledger(home, Clock()).verify()
    assert [entry["seq"] for entry in entries] == [0, 1, 2, 3]
    assert entries[3]["gaps"] == {"paused": 60}
    assert ledger.head() == head
    assert entries[0]["prev"] == FIRST
    assert all(len(entry["day"]) == 10 and "time" not in entry for entry in entries)
    assert sorted(os.listdir(home.ledger)) == ["ledger.jsonl", "signer"]
    assert all(os.stat(os.path.join(home.ledger, name)).st_mode & 0o777 == 0o600 for name in os.listdir(home.ledger))


def test_unknown_kinds_reserved_names_and_second_ledgers_are_refused(home: Home, ledger: Ledger) -> None:
    with pytest.raises(Refused):
        ledger.append("typed")
    with pytest.raises(Refused):
        ledger.append("started", seq=5)
    with pytest.raises(Refused):
        Ledger.create(home, Clock(), Signer.generate())


@pytest.mark.parametrize("length", [1, 40, 200])
@pytest.mark.parametrize("tail", [b"{torn", bytes(300), b"garbage\nwith ends\n of line"])
def test_a_torn_last_entry_is_cut_and_nothing_else(ledger: Ledger, tail: bytes, length: int) -> None:
    before = ledger.lines()
    with open(ledger.path, "ab") as file:
        file.write((tail * 40)[:length])
    ledger.append("stopped")
    assert ledger.lines()[:-1] == before
    assert kinds(ledger) == ["ledger.created", "consent.given", "started", "stopped"]


STEPS = [(disk, "write_new"), (disk, "write_all"), (disk, "sync"), (os, "replace"), (disk, "sync_folder")]


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("module", "name"), STEPS, ids=[name for _, name in STEPS])
def test_a_crash_at_any_step_of_an_append_loses_at_most_that_entry(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, *, module: object, name: str, after: bool, at: int
) -> None:
    before = ledger.lines()
    with monkeypatch.context() as patch, suppress(Crash):
        patch.setattr(module, name, CrashAt(getattr(module, name), at, after=after))
        ledger.append("started")
    found = ledger.lines()
    assert found[: len(before)] == before
    ledger.append("stopped")
    assert kinds(ledger)[len(before) :] in (["stopped"], ["started", "stopped"])
    assert ledger.lines()[: len(found)] == found


def test_every_altered_byte_and_every_missing_entry_is_found(ledger: Ledger) -> None:
    for _ in range(3):
        ledger.append("started")
    with open(ledger.path, "rb") as file:
        good = file.read()
    lines = good.splitlines(keepends=True)
    wrong = [good[:at] + bytes([good[at] ^ change]) + good[at + 1 :] for at in range(len(good)) for change in (1, 0x80)]
    wrong += [b"".join(lines[:n] + lines[n + 1 :]) for n in range(len(lines))]
    wrong += [b"".join([*lines[: n + 1], *lines[n:]]) for n in range(len(lines))]
    wrong += [good[:length] for length in range(0, len(good), 7)]
    wrong += [b"".join([*lines[:2], lines[3], lines[2], *lines[4:]])]
    for data in wrong:
        with open(ledger.path, "wb") as file:
            file.write(data)
        with pytest.raises(IntegrityError):
            ledger.verify()


def test_a_ledger_resigned_from_the_middle_is_refused(home: Home, ledger: Ledger) -> None:
    other = Ledger.create(Home(home.root + "2", home.run), Clock(), Signer.generate())
    other.append("consent.given", receipt="r")
    mixed = b"\n".join([*ledger.lines()[:1], *other.lines()[1:]]) + b"\n"
    with open(ledger.path, "wb") as file:
        file.write(mixed)
    with pytest.raises(IntegrityError):
        ledger.verify()
    with pytest.raises(IntegrityError):
        ledger.append("started")


def test_a_kept_head_finds_an_older_copy(home: Home, ledger: Ledger) -> None:
    old = {name: disk.read(os.path.join(home.ledger, name), 1 << 20) for name in os.listdir(home.ledger)}
    earlier, kept = ledger.head(), ledger.append("stopped")
    ledger.append("started")
    ledger.verify(kept)
    ledger.verify(earlier)
    for name, data in old.items():
        with open(os.path.join(home.ledger, name), "wb") as file:
            file.write(data)
    ledger.verify()  # without a head that somebody kept, this cannot be seen
    with pytest.raises(IntegrityError):
        ledger.verify(kept)


def test_folding_keeps_the_first_entry_and_one_checkpoint(ledger: Ledger) -> None:
    replaced = ledger.head()
    ledger.fold()
    ledger.append("consent.given", receipt="again")
    assert kinds(ledger) == ["ledger.created", "checkpoint", "consent.given"]
    assert ledger.verify(replaced)[1]["seq"] == 3
    first = hexdigest(ledger.lines()[0])
    ledger.fold()
    assert kinds(ledger) == ["ledger.created", "checkpoint"]
    assert first == hexdigest(ledger.lines()[0])


def test_what_is_folded_answers_for_the_heads_that_people_kept(ledger: Ledger) -> None:
    heads = [ledger.append("stopped", gaps={"paused": number}) for number in range(6)]
    last = ledger.entries()[-1]["seq"]
    ledger.append("released", segments=["s"], bundle="d" * 64, file="f")
    ledger.fold(last - 2)
    ledger.append("started")
    ledger.fold(last + 1)
    ledger.fold(last + 1)  # again: nothing is left to fold
    entries = ledger.verify()
    assert [entry["seq"] for entry in entries] == [0, *range(last + 2, entries[-1]["seq"] + 1)]
    assert bundle_before(entries) == "d" * 64
    for head in [*heads, ledger.head()]:
        for kept in (head, short_code(head), short_code(head).lower().replace("-", "")):
            assert is_head(kept)
            ledger.verify(kept)
    for kept in ("e" * 64, short_code("e" * 64), f"{int(heads[0], 16) ^ 1 << 200:064x}"):
        with pytest.raises(IntegrityError, match="head you kept"):
            ledger.verify(kept)
    assert not any(map(is_head, ("", "e" * 63, "g" * 64, "AAAA-AAAA-AAAA-AAA1", "e" * 16 + "1")))


def test_a_hole_that_no_checkpoint_explains_is_refused(ledger: Ledger) -> None:
    for number in range(4):
        ledger.append("stopped", gaps={"paused": number})
    lines = ledger.lines()
    ledger.fold(3)
    kept = ledger.lines()
    ledger.verify()
    for wrong in ([kept[0], *kept[2:]], [lines[0], *lines[2:]], [kept[0], *lines[2:3], *kept[1:]], kept[1:], kept[:-1]):
        with open(ledger.path, "wb") as file:
            file.write(b"\n".join(wrong) + b"\n")
        with pytest.raises(IntegrityError):
            ledger.verify()


@pytest.mark.parametrize("everything", [True, False])
def test_a_crash_at_any_call_while_folding_is_finished(tmp_path: Path, everything: bool) -> None:
    for number in count():
        place = Home(str(tmp_path / str(number)), str(tmp_path / "run"))
        ledger = Ledger.create(place, Clock(), Signer.generate())
        heads = [ledger.append("stopped", gaps={}) for _ in range(4)]
        crashed = False
        with counted(number, crash):
            try:
                ledger.fold(None if everything else 3)
            except Crash:
                crashed = True
        ledger.finish_fold()
        ledger.append("started")
        entries = ledger.verify(heads[3])
        assert entries[1]["seq"] in ((1, 5) if everything else (1, 4)), number
        assert (entries[1]["seq"] == 1) == (not any(entry["kind"] == "checkpoint" for entry in entries))
        if not crashed:
            break
    assert number > 6


def test_a_full_disk_is_said(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int, _data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(disk, "write_all", full)
        with pytest.raises(Unavailable, match="No space"):
            ledger.append("started")
    ledger.append("started")
    ledger.verify()


def test_long_entries_are_found_again(ledger: Ledger) -> None:
    ledger.append("erased.intent", segments=[f"{n:032x}" for n in range(12_000)])
    ledger.append("erased.done", segments=[f"{n:032x}" for n in range(12_000)])
    assert kinds(ledger)[-2:] == ["erased.intent", "erased.done"]


def test_an_entry_is_on_the_medium_before_its_key_takes_over(
    home: Home, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ended between writing and syncing an entry: who finishes it syncs first, or a loss of power breaks the chain."""
    sync, replace = disk.sync, os.replace
    order: list[str] = []

    def killed(descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}") == ledger.path:
            raise Crash
        sync(descriptor)

    def synced(descriptor: int) -> None:
        order.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        sync(descriptor)

    def replaced(old: str, new: str) -> None:
        order.append(old)
        replace(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(disk, "sync", killed)
        with pytest.raises(Crash):
            ledger.append("stopped", gaps={})
    with monkeypatch.context() as patch:
        patch.setattr(disk, "sync", synced)
        patch.setattr(os, "replace", replaced)
        ledger.settle()
    assert order == [ledger.path, os.path.join(home.ledger, "signer.new")]
    assert kinds(ledger)[-1] == "stopped"


def test_an_entry_whose_sync_failed_is_taken_back_and_never_synced_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, head = ledger.lines(), ledger.head()
    sync = disk.sync

    def failing(descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}") == ledger.path:
            raise OSError(5, "Input/output error")
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(disk, "sync", failing)
        with pytest.raises(Unavailable, match="Input/output error"):
            ledger.append("stopped", gaps={})
    assert (ledger.lines(), ledger.head()) == (before, head)
    ledger.append("stopped", gaps={})
    assert kinds(ledger)[-2:] == ["started", "stopped"]
    ledger.verify(head)


def test_an_entry_that_no_reader_would_take_is_refused_before_it_is_written(ledger: Ledger) -> None:
    before = ledger.lines()
    with pytest.raises(Refused, match="too large"):
        ledger.append("stopped", gaps={}, segments=["1" * 32] * 150_000)
    assert ledger.lines() == before
    assert kinds(ledger)
