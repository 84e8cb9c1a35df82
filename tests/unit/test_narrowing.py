"""Narrowing takes away at once and for good; nothing that calls itself one can give."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from typing import Any

import pytest

from desktop_logger import disk, sealing
from desktop_logger.consent import checking, gate, identity, narrowing, validation
from desktop_logger.errors import DesktopLoggerError, NoConsent, Refused, UsageError
from desktop_logger.paths import Home
from desktop_logger.records.profiles import COARSE
from tests.signing import HeldClock, Organisation, Scripted, home_in, signed

pytestmark = pytest.mark.usefixtures("quick_passphrases")


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def home(tmp_path: object, clock: HeldClock) -> Home:
    place = home_in(tmp_path)
    Organisation().adopt(place)
    signed(place, clock, Scripted(yes=("keyboard", "pointer", "train models", "find out")))
    return place


def narrow(
    home: Home, clock: HeldClock, *without: str, not_for: tuple[str, ...] = (), profile: str | None = None
) -> str:
    valid = validation.examine(home, clock)
    left = narrowing.chosen(valid.left, without, not_for, profile)
    return narrowing.narrow(home, clock, valid.receipt, valid.sha256, left)


def test_a_running_grant_ends_and_the_next_one_is_narrower(home: Home, clock: HeldClock) -> None:
    before = gate.check(home, clock)
    narrow(home, clock, "pointer", not_for=("improve-tools",), profile="coarse")
    with pytest.raises(NoConsent) as caught:
        gate.recheck(home, before, clock)
    assert caught.value.state == "ConsentInvalidated"  # a mere narrowing: the full check then goes on
    after = gate.check(home, clock)
    gate.recheck(home, after, clock)
    assert (after.scopes, after.own, after.purposes) == (("keyboard",), COARSE, ("train-models",))
    assert [one.scopes for one in after.admins] == [("keyboard",)]
    assert after.receipt_hash == before.receipt_hash


def test_narrowing_goes_on_step_by_step_and_never_back(home: Home, clock: HeldClock) -> None:
    narrow(home, clock, "pointer")
    with pytest.raises(UsageError):
        narrow(home, clock, "pointer")
    with pytest.raises(Refused, match="nothing would be left"):
        narrow(home, clock, "keyboard")
    with pytest.raises((Refused, UsageError)):
        narrow(home, clock, profile="events")
    with pytest.raises(Refused, match="already"):
        narrow(home, clock, profile="bursts")
    narrow(home, clock, not_for=("train-models", "improve-tools"))
    found = gate.check(home, clock)
    assert (found.scopes, found.release, found.admins) == (("keyboard",), None, ())


def test_no_written_narrowing_gives_anything(home: Home, clock: HeldClock, tmp_path: object) -> None:
    valid = validation.examine(home, clock)
    path = narrowing.path_of(home, valid.receipt.header.id)
    genuine = narrow(home, clock, "pointer")
    assert genuine == path
    good = disk.read(path, 1 << 20)

    other = home_in(f"{tmp_path}/other")
    signed(other, clock, Scripted(yes=("keyboard",)))
    theirs = validation.examine(other, clock)
    foreign = narrowing.narrow(
        other, clock, theirs.receipt, theirs.sha256, narrowing.Left(("keyboard",), theirs.left.purposes, "coarse")
    )
    wrong = [b"", b"{}", b"\xff", good[:-1], good.replace(b'"keyboard"', b'"pointer"'), disk.read(foreign, 1 << 20)]
    device = identity.device(home)
    changes: tuple[dict[str, Any], ...] = (
        {"profile": "events"}, {"scopes": ["keyboard", "pointer", "context"]}, {"scopes": []},
        {"purposes": ["sell"]}, {"receipt": "0" * 32}, {"receipt_sha256": "0" * 64},
    )  # fmt: skip
    for change in changes:
        body = {**json.loads(good), **change}
        del body["signature"]
        made = b64encode(device.sign("narrowing", sealing.canonical(body))).decode()
        wrong.append(sealing.canonical({**body, "signature": made}))
    for data in wrong:
        disk.replace(path, data)
        with pytest.raises(NoConsent) as caught:
            gate.check(home, clock)
        assert caught.value.state == "ConsentInvalidated"
        assert caught.value.hint
    disk.replace(path, good)
    assert gate.check(home, clock).scopes == ("keyboard",)


def test_taking_the_file_away_is_noticed_by_a_running_grant(home: Home, clock: HeldClock) -> None:
    path = narrow(home, clock, "pointer")
    found = gate.check(home, clock)
    os.unlink(path)
    with pytest.raises(NoConsent):
        gate.recheck(home, found, clock)


def test_a_narrowing_does_not_outlive_its_receipt(home: Home, clock: HeldClock) -> None:
    narrow(home, clock, "pointer")
    again = signed(home, clock, Scripted(yes=("keyboard", "pointer", "train models")))
    assert again.granted_scopes == ("keyboard",)  # a renewal starts from what was left
    from desktop_logger.consent.ceremony import Ceremony
    from tests.signing import Remembered

    whole = Ceremony(home, clock, Scripted(yes=("keyboard", "pointer")), Remembered()).hold(choose=True)
    assert whole.granted_scopes == ("keyboard", "pointer")
    assert gate.check(home, clock).scopes == ("keyboard", "pointer")


def test_each_file_is_checked_anywhere_by_itself(home: Home, clock: HeldClock) -> None:
    from desktop_logger.consent import withdrawing

    receipt_file = disk.read(home.receipt, 1 << 20)
    policy_file = disk.read(home.policy, 1 << 20)
    controller = checking.check(policy_file, "policy")["signed_by"]
    found = checking.check(receipt_file, "receipt", controller)
    assert (found["kind"], found["scopes"]) == ("receipt", ["keyboard", "pointer"])
    assert checking.check(receipt_file, "receipt", controller.lower().replace("-", " "))["ok"]
    assert "Example Works" in "\n".join(checking.in_words(found))
    made = checking.check(disk.read(narrow(home, clock, "pointer"), 1 << 20), "narrowing")
    assert (made["kind"], made["signed_by"]) == ("narrowing", found["device"])
    path = withdrawing.withdraw(home, clock)
    assert path
    assert checking.check(disk.read(path, 1 << 20), "withdrawal")["state"] == "ConsentWithdrawn"
    for data in (receipt_file, policy_file):
        with pytest.raises(DesktopLoggerError, match="not the one you named"):
            checking.check(data, "x", "AAAA-" * 7 + "AAAA")
        with pytest.raises(DesktopLoggerError):
            checking.check(data + b"\n", "x")
    for data in (b"", b"{}", b"[]", b"7", b"\x00" * 10):
        with pytest.raises(DesktopLoggerError):
            checking.check(data, "x")
