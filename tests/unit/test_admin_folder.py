"""The admin's folder: keys under a passphrase, a ledger that remembers, registered people, a signed policy."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from desktop_logger import policy
from desktop_logger.admin import folder as folders
from desktop_logger.admin.folder import Folder
from desktop_logger.admin.ledger import Ledger
from desktop_logger.admin.registry import add_subject, remove_subject, sign_policy, subjects
from desktop_logger.clock import Clock
from desktop_logger.errors import IntegrityError, Refused, Unreadable, UsageError
from desktop_logger.sealing import Signer, fingerprint

PASSPHRASE = "correct horse battery"  # noqa: S105 - made up here
CLOCK = Clock()


@pytest.fixture(scope="module")
def steward(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return folders.create(str(tmp_path_factory.mktemp("admin") / "steward"), PASSPHRASE, CLOCK)


def test_keys_open_with_the_passphrase_and_no_other(steward: Folder) -> None:
    keys = steward.unlock(PASSPHRASE)
    assert keys.controller.public == steward.controller
    assert keys.reader.public == steward.reader
    with pytest.raises(Unreadable):
        steward.unlock("correct horse batterz")


def test_private_keys_lie_nowhere_in_the_clear(steward: Folder) -> None:
    keys = steward.unlock(PASSPHRASE)
    for place, _, names in os.walk(steward.root):
        assert stat.S_IMODE(os.stat(place).st_mode) == 0o700
        for name in names:
            path = os.path.join(place, name)
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
            data = Path(path).read_bytes()
            assert keys.controller.secret() not in data
            assert keys.controller.secret().hex().encode() not in data


def test_an_existing_folder_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("mine")
    with pytest.raises(Refused):
        folders.create(str(tmp_path / "there"), PASSPHRASE, CLOCK)
    assert os.listdir(tmp_path / "there") == ["file"]


def test_a_folder_that_is_none_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not an admin folder") as caught:
        Folder(str(tmp_path))
    assert "admin init" in str(caught.value.hint)


def test_the_template_is_a_valid_policy_with_our_keys(steward: Folder) -> None:
    text = Path(steward.policy_file).read_bytes()
    parsed = policy.parse(text, "policy.toml")
    assert parsed.controller is not None
    assert parsed.release is not None
    assert parsed.release.profile == "coarse"


@pytest.mark.parametrize("name", ['Firma "Nord" GmbH', "Zürich\\Werk", "A\tB"])
def test_a_name_with_odd_characters_cannot_break_the_template(name: str) -> None:
    text = folders.policy_template(name, bytes(32), bytes(1216)).encode()
    if "\t" in name:
        with pytest.raises(UsageError):  # control characters are refused, not passed on to a terminal
            policy.parse(text, "policy.toml")
    else:
        parsed = policy.parse(text, "policy.toml")
        assert parsed.organisation == name


def test_a_signed_policy_opens_and_is_never_replaced(steward: Folder) -> None:
    target = sign_policy(steward, steward.policy_file, lambda: PASSPHRASE, CLOCK)
    assert target == os.path.join(steward.root, "policy.signed.json")
    opened, text = policy.open_signed(Path(target).read_bytes())
    assert opened.id == "organisation"
    assert text == Path(steward.policy_file).read_bytes()
    with pytest.raises(Refused):
        sign_policy(steward, steward.policy_file, lambda: PASSPHRASE, CLOCK)
    assert [entry["kind"] for entry in steward.ledger.entries()].count("policy.signed") == 1
    os.unlink(target)


def test_a_malformed_policy_is_refused_before_anybody_is_asked(steward: Folder, tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("scopes = 1\n")

    def never() -> str:
        raise AssertionError("asked for a passphrase")

    with pytest.raises(UsageError, match="bad"):
        sign_policy(steward, str(bad), never, CLOCK)


def test_people_are_registered_once_by_fingerprint(steward: Folder) -> None:
    person = fingerprint(Signer.generate().public)
    assert add_subject(steward, person.lower(), CLOCK)
    assert not add_subject(steward, person, CLOCK)
    assert person in steward.ledger.known().subjects
    for bad in ("", "ABCD", person[:-1], person + "A", person.replace("-", "1", 1)):
        with pytest.raises(UsageError):
            add_subject(steward, bad, CLOCK)
        with pytest.raises(UsageError):
            remove_subject(steward, bad, CLOCK)


def test_who_is_removed_is_on_no_list_until_registered_again(steward: Folder) -> None:
    one, other = (fingerprint(Signer.generate().public) for _ in range(2))
    before = [found for found, _ in subjects(steward)]
    assert not remove_subject(steward, one, CLOCK)
    for person in (one, other):
        add_subject(steward, person, CLOCK)
    assert [found for found, _ in subjects(steward)] == [*before, one, other]
    assert remove_subject(steward, one.lower(), CLOCK)
    assert [found for found, _ in subjects(steward)] == [*before, other]
    assert steward.ledger.known().subjects == {*before, other}
    assert add_subject(steward, one, CLOCK)
    assert [found for found, _ in subjects(steward)] == [*before, other, one]


def test_the_ledger_shows_every_change_and_forgives_a_torn_tail(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(str(path))
    for number in range(4):
        ledger.append(CLOCK, "subject.added", "W", subject=str(number))
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"torn')
    assert len(ledger.entries()) == 4
    ledger.append(CLOCK, "subject.added", "W", subject="5")
    assert [entry["seq"] for entry in ledger.entries()] == [1, 2, 3, 4, 5]

    lines = whole.split(b"\n")[:-1]
    for damaged in (
        lines[1:],
        [lines[0], *lines[2:]],
        [lines[1], lines[0], *lines[2:]],
        [lines[0].replace(b'"0"', b'"9"'), *lines[1:]],
    ):
        path.write_bytes(b"".join(line + b"\n" for line in damaged))
        with pytest.raises(IntegrityError, match="line"):
            ledger.entries()
