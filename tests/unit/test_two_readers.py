"""A store is damaged in one way: the program and the independent reader say the same of it, and neither falls over."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from desktop_logger import keystore, store
from desktop_logger.clock import Clock
from desktop_logger.errors import IntegrityError, Unavailable
from desktop_logger.ledger import Ledger
from desktop_logger.ledger.chain import KINDS
from desktop_logger.paths import Home
from tests.storage import Person
from tests.vectors import verify_store

Damage = Callable[[Path], None]


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Person, Path, dict[str, str]]:
    """A person, a copy of their home from before a deletion, and their segments by what became of them."""
    root = tmp_path_factory.mktemp("readers")
    person = Person(str(root / "home"))
    sealed, erased = person.record(2), person.record(1)
    shutil.copytree(root / "home", root / "before")
    torn = person.open()
    torn.tick("own")
    torn.abandon()
    store.recover(person.home, person.clock)
    store.purge(person.home, person.clock, [erased])
    left = person.open()
    left.abandon()
    return person, root / "before", {"sealed": sealed, "erased": erased, "recovered": torn.id, "open": left.id}


def outsider(home: Path, *more: str) -> tuple[int, dict[str, str]]:
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        status = verify_store.main([str(home), *more])
    return status, dict(line.split(None, 1) for line in told.getvalue().splitlines())


def insider(home: Path) -> tuple[int, dict[str, str]]:
    """What ``desktop-logger verify`` finds, papers aside; the ledger is only right or wrong."""
    place = Home(str(home), str(home / "run"))
    kek, lost = None, ""
    try:
        kek = keystore.load_kek(place)[1]
    except Unavailable:
        pass
    except IntegrityError as error:
        lost = error.message
    report = store.verify(place, None, kek, lost=lost)
    head = {"ledger": "ok" if report.ledger_ok else "wrong", "head": report.head}
    return 0 if report.ok else 4, {**head, **{one.id: one.verdict for one in report.segments}}


def agreed(home: Path) -> tuple[int, dict[str, str]]:
    status, told = outsider(home)
    told["ledger"] = told["ledger"] if told["ledger"] == "ok" else "wrong"
    assert (status, told) == insider(home)
    return status, told


def _garbage(path: Path) -> None:
    path.write_bytes(b"{}\n[]\n1\n\xff\xfe" * 9)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _zeros(path: Path) -> None:
    path.write_bytes(bytes(300))


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _link(path: Path) -> None:
    path.rename(path.with_name("aside"))
    path.symlink_to(path.with_name("aside"))


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


WAYS: dict[str, Callable[[Path], None]] = {
    "gone": Path.unlink,
    "empty": _empty,
    "garbage": _garbage,
    "zeros": _zeros,
    "cut": lambda path: os.truncate(path, path.stat().st_size - 1),
    "folder": _folder,
    "link": _link,
    "pipe": _pipe,
}
FILES = ("segments/{sealed}.own", "segments/{recovered}.own", "segments/{sealed}.release", "keystore/{sealed}.key",
         "keystore/keys", "kek/2.key", "kek/place.json", "ledger/signer", "ledger/ledger.jsonl")  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("file", FILES)
def test_of_a_damaged_file(homes: tuple[Person, Path, dict[str, str]], tmp_path: Path, file: str, way: str) -> None:
    person, _, ids = homes
    home = Path(shutil.copytree(person.home.root, tmp_path / "home"))
    assert agreed(home)[0] == 0
    WAYS[way](home / file.format(**ids))
    if file == "ledger/ledger.jsonl" and way in ("folder", "link", "pipe"):
        assert outsider(home)[0] == 4
        with pytest.raises(Unavailable, match="the ledger cannot be read"):  # perhaps it can in a moment: no verdicts
            insider(home)
        return
    assert agreed(home)[0] == 4


@pytest.mark.parametrize("folder", ["segments", "keystore", "kek", "ledger"])
def test_of_a_folder_that_is_gone_or_from_before(
    homes: tuple[Person, Path, dict[str, str]], tmp_path: Path, folder: str
) -> None:
    person, before, _ = homes
    home = Path(shutil.copytree(person.home.root, tmp_path / "home"))
    shutil.rmtree(home / folder)
    assert agreed(home)[0] == 4
    shutil.copytree(before / folder, home / folder)
    assert agreed(home)[0] == 4


def test_of_keys_from_before_a_deletion(tmp_path: Path) -> None:
    """With key and keystore put back, everything kept opens again; so would a copy of what was deleted."""
    person = Person(str(tmp_path / "home"))
    kept, erased = person.record(1), person.record(1)
    home, before = Path(person.home.root), Path(shutil.copytree(person.home.root, tmp_path / "before"))
    store.purge(person.home, person.clock, [erased])
    assert agreed(home)[0] == 0
    for folder in ("keystore", "kek"):
        shutil.rmtree(home / folder)
        shutil.copytree(before / folder, home / folder)
    status, told = agreed(home)
    assert (status, told[kept], told[erased]) == (4, "key-mismatch", "erased")


def test_of_a_note_that_says_another_place_for_the_key(
    homes: tuple[Person, Path, dict[str, str]], tmp_path: Path
) -> None:
    person, _, ids = homes
    home = Path(shutil.copytree(person.home.root, tmp_path / "home"))
    note = home / "kek" / "place.json"
    note.write_bytes(note.read_bytes().replace(b'"file"', b'"keyring"'))
    status, told = agreed(home)
    assert (status, told[ids["sealed"]]) == (4, "key-mismatch")


def _shapes(segment: str) -> list[dict[str, Any]]:
    end = {"frames": 1, "bytes": 1, "head": "0" * 64}
    return [
        *({"kind": kind} for kind in sorted(KINDS - {"checkpoint"})),
        {"kind": "segment.opened", "segment": segment, "streams": 5, "stanzas": []},
        {"kind": "segment.opened", "segment": segment, "streams": {"../x": "0" * 64}, "stanzas": []},
        {"kind": "segment.opened", "segment": "../../x", "streams": {"own": "0" * 64}, "stanzas": []},
        {"kind": "segment.opened", "segment": segment, "streams": {"own": "0" * 64}, "stanzas": [1]},
        {"kind": "segment.sealed", "segment": segment, "streams": {}},
        {"kind": "segment.sealed", "segment": segment, "streams": {"own": None, "release": None}},
        {"kind": "segment.sealed", "segment": segment, "streams": {"own": end}},
        {"kind": "segment.recovered", "segment": segment, "streams": {"own": end}},
        {"kind": "segment.recovered", "segment": segment, "streams": {"own": None, "release": None}},
        {"kind": "segment.sealed", "segment": [], "streams": {"own": end}},
        {"kind": "approved", "segment": segment, "stanzas": "x"},
        {"kind": "released", "segments": 5, "bundle": "0" * 64, "file": "f"},
        {"kind": "erased.done", "segments": [segment], "epoch": "2"},
        {"kind": "acknowledged", "segments": ["7" * 32]},
    ]


@pytest.mark.parametrize("number", range(len(_shapes(""))))
def test_of_an_entry_without_its_facts(homes: tuple[Person, Path, dict[str, str]], tmp_path: Path, number: int) -> None:
    """Signed as it should be, and added by anybody: what it says of segments is not believed because it is there."""
    person, _, ids = homes
    home = Path(shutil.copytree(person.home.root, tmp_path / "home"))
    fact = _shapes(ids["sealed"])[number]
    stranger = json.dumps(fact).encode()
    kind = fact.pop("kind")
    if kind != "ledger.created":
        Ledger(Home(str(home)), Clock()).append(kind, **fact)
        harmless = ("consent.given", "consent.narrowed", "consent.withdrawn", "started", "stopped", "acknowledged")
        assert agreed(home)[0] == (0 if kind in harmless else 4)
    with (home / "ledger" / "ledger.jsonl").open("ab") as file:
        file.write(stranger + b"\n")
    assert agreed(home)[0] == 4


def test_of_a_head_that_somebody_kept(homes: tuple[Person, Path, dict[str, str]]) -> None:
    person, before, _ = homes
    home = Path(person.home.root)
    lines = (home / "ledger" / "ledger.jsonl").read_bytes().splitlines()
    book = Ledger(person.home, person.clock)
    from desktop_logger.ledger import short_code

    old = short_code(Ledger(Home(str(before)), Clock()).head())
    for kept in (book.head(), short_code(book.head()), old, old.lower().replace("-", "")):
        assert outsider(home, "--anchor", kept)[0] == 0
    for wrong in ("0" * 64, short_code("0" * 64), "", old[:-1], f"{old}A", "x"):
        status, told = outsider(home, "--anchor", wrong)
        assert (status, told["ledger"]) == (4, "anchor")
    assert len(lines) > 5


def test_an_outsider_is_told_where_there_is_no_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for nowhere in (tmp_path, tmp_path / "nowhere"):
        assert verify_store.main([str(nowhere)]) == 2
        said = capsys.readouterr()
        assert str(nowhere) in said.err
        assert not said.out
