"""``verify`` looks at receipts, keys and what else consent leaves, and says which file is not what it was."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from desktop_logger import disk, sealing
from desktop_logger.cli.books import StoreBooks
from desktop_logger.consent import checking, examining, gate, identity, narrowing, withdrawing
from desktop_logger.consent.ceremony import Ceremony
from desktop_logger.daemon import keeper
from desktop_logger.errors import IntegrityError, NoConsent
from desktop_logger.ledger import Ledger
from desktop_logger.paths import Home
from tests.people import Person, quick_passphrases
from tests.signing import HeldClock, Scripted, home_in

CLOCK = HeldClock()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A real store, a consent that was narrowed, and a second one that renewed it."""
    made = home_in(tmp_path)
    for number in range(2):
        signed = Ceremony(made, CLOCK, Scripted(), StoreBooks(made, CLOCK))
        with quick_passphrases():
            signed.hold(choose=True)
        if not number:
            data = disk.read(made.receipt, 1 << 20)
            from desktop_logger.consent.receipt import verify

            one = verify(data)
            left = narrowing.Left(("keyboard",), one.granted_purposes, one.processing.profile)
            narrowing.narrow(made, CLOCK, one, sealing.hexdigest(data), left)
    return made


def found(home: Home) -> list[str]:
    ledger = Ledger(home, CLOCK)
    return examining.problems(home, ledger.entries(), sealing.hexdigest(ledger.lines()[0]))


def papers(home: Home) -> list[Path]:
    return sorted(Path(home.receipts).glob("*.json"))


def test_what_the_ceremony_left_is_good(home: Home) -> None:
    assert found(home) == []
    assert len(papers(home)) == 3


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


CHANGES: dict[str, Callable[[Home], Path]] = {
    "copy": lambda home: next(path for path in papers(home) if path.name.count(".") == 1),
    "narrowing": lambda home: next(path for path in papers(home) if "narrowed" in path.name),
    "identity": lambda home: Path(home.identity),
    "receipt": lambda home: Path(home.receipt),
}


@pytest.mark.parametrize("which", CHANGES)
def test_a_changed_file_is_named(home: Home, which: str) -> None:
    path = CHANGES[which](home)
    _flip(path)
    assert any(line.startswith(str(path)) for line in found(home))


def test_a_device_key_that_is_gone_or_another_is_named(home: Home) -> None:
    for change in (lambda: Path(home.device).write_bytes(os.urandom(32)), lambda: os.unlink(home.device)):
        change()
        assert [line.startswith(home.device) for line in found(home)] == [True]


def test_a_genuine_receipt_that_was_never_signed_here_is_named(home: Home, tmp_path: Path) -> None:
    other = home_in(tmp_path / "other")
    Ceremony(other, CLOCK, Scripted(), StoreBooks(other, CLOCK)).hold(choose=True)
    theirs = papers(other)[0]
    put = Path(home.receipts, theirs.name)
    put.write_bytes(theirs.read_bytes())
    assert found(home) == [f"{put}: it is not the receipt that the ledger says was signed"]
    put.rename(put.with_name("5e" * 16 + ".json"))
    assert "another receipt than its name" in found(home)[0]


def test_another_ledger_brings_no_withdrawn_consent_back(home: Home, tmp_path: Path) -> None:
    """Whoever exchanges the whole ledger forges its entries too; what was signed names the one it was given in."""
    keeper.refuse_replayed(home, CLOCK, gate.check(home, CLOCK))
    other = home_in(tmp_path / "other")
    Ceremony(other, CLOCK, Scripted(), StoreBooks(other, CLOCK)).hold(choose=True)
    StoreBooks(other, CLOCK).record("consent.given", receipt=sealing.hexdigest(disk.read(home.receipt, 1 << 20)))
    shutil.rmtree(home.ledger)
    shutil.copytree(other.ledger, home.ledger)
    assert any("another ledger" in line for line in found(home))
    with pytest.raises(NoConsent, match="not the one that your receipt names"):
        keeper.refuse_replayed(home, CLOCK, gate.check(home, CLOCK))


def test_verify_ends_with_four_and_changes_nothing(home: Home) -> None:
    person = Person(home.root)
    assert person.json("verify")["papers"] == []
    _flip(Path(home.identity))
    done = person.run("verify")
    assert (done.returncode, done.stderr.count("identity.json")) == (4, 1)
    done = person.run("verify", "--json")
    assert done.returncode == 4
    assert json.loads(done.stdout)["ok"] is False
    with open(home.identity, "ab") as file:
        file.write(b" ")
    done = person.run("inspect", passphrase="x")  # noqa: S106
    assert home.identity in done.stderr


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("withdrawn", 10**15),
        ("withdrawn", True),
        ("receipt", "5e\ngood: receipt"),
        ("receipt_sha256", 7),
        ("state", "x"),
    ],
)
def test_a_withdrawal_that_somebody_signed_themselves_says_nothing_of_its_own(
    home: Home, field: str, value: object
) -> None:
    """Whoever has a key can sign anything; what is printed of it must be an id and a day."""
    path = withdrawing.withdraw(home, CLOCK)
    assert path
    document = json.loads(Path(path).read_bytes())
    assert checking.check(Path(path).read_bytes(), "file")["kind"] == "withdrawal"
    del document["signature"]
    document[field] = value
    made = identity.device(home).sign("withdrawal", sealing.canonical(document))
    from base64 import b64encode

    data = sealing.canonical({**document, "signature": b64encode(made).decode()})
    with pytest.raises(IntegrityError, match=field):
        checking.check(data, "file")
