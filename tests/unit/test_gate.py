"""The gate: open for exactly what was signed and is still in force, closed in every other case."""

from __future__ import annotations

import ast
import copy
import os
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from desktop_logger import disk, policy, sealing
from desktop_logger.consent import digest, gate, grant, identity, notices, person, validation, withdrawing
from desktop_logger.errors import ClockSetBack, NoConsent, Refused
from desktop_logger.paths import Home
from desktop_logger.records import registry
from desktop_logger.records.profiles import BURSTS, COARSE, EVENTS
from tests.signing import HeldClock, Organisation, Remembered, Scripted, home_in, signed
from tests.testbed import Server

SOURCE = os.path.dirname(os.path.abspath(gate.__file__))


@pytest.fixture
def home(tmp_path: object) -> Home:
    return home_in(tmp_path)


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


def refused(home: Home, clock: HeldClock) -> str:
    """The state with which the gate is closed."""
    with pytest.raises(NoConsent) as caught:
        gate.check(home, clock)
    assert caught.value.hint
    return caught.value.state


def test_without_a_receipt_the_gate_is_closed_and_creates_nothing(home: Home, clock: HeldClock) -> None:
    assert refused(home, clock) == "ConsentUnknown"
    assert not os.path.exists(home.root)


def test_alone_the_grant_is_what_was_signed(home: Home, clock: HeldClock) -> None:
    signed(home, clock, Scripted(yes=("keyboard",)))
    found = gate.check(home, clock)
    assert (found.scopes, found.own, found.release, found.admins) == (("keyboard",), EVENTS, None, ())
    assert (found.retention_days, found.release_mode, found.demo, found.uid) == (7, "none", False, os.getuid())
    assert found.expires == found.given + 180 * 86_400
    assert len(found.device_public) == 32
    assert len(found.subject_reader) == sealing.READER_BYTES


def test_in_an_organisation_readers_get_only_granted_scopes(home: Home, clock: HeldClock) -> None:
    works = Organisation()
    works.adopt(home)
    signed(home, clock, Scripted(yes=("pointer", "train models")))
    found = gate.check(home, clock)
    assert (found.own, found.release, found.purposes) == (BURSTS, COARSE, ("train-models",))
    (reader,) = found.admins
    assert (reader.public, reader.scopes) == (works.reader.public, ("pointer",))
    assert (found.release_mode, found.cooling_off_s) == ("cooling-off", 24 * 3600)


def test_without_any_purpose_nothing_leaves(home: Home, clock: HeldClock) -> None:
    Organisation().adopt(home)
    signed(home, clock, Scripted(yes=("keyboard", "pointer")))
    found = gate.check(home, clock)
    assert (found.release, found.admins, found.purposes, found.release_mode) == (None, (), (), "none")


def test_an_own_profile_coarser_than_the_release_makes_that_coarser_too(home: Home, clock: HeldClock) -> None:
    Organisation().adopt(home, ('profile = "coarse"', 'profile = "bursts"'))
    signed(home, clock, Scripted(yes=("keyboard", "train models"), profile="coarse"))
    assert gate.check(home, clock).release == COARSE


def test_a_grant_crosses_to_a_child_process_whole(home: Home, clock: HeldClock) -> None:
    Organisation().adopt(home)
    signed(home, clock, Scripted(yes=("keyboard", "pointer", "train models")))
    found = gate.check(home, clock)
    other = gate.inherit(found.to_wire())
    assert all(getattr(found, name) == getattr(other, name) for name in grant.Grant.__slots__)
    for broken in (b"", b"[]", b"{}", found.to_wire()[:-1], found.to_wire().replace(b'"events"', b'"raw"')):
        if broken != found.to_wire():
            with pytest.raises(Refused):
                gate.inherit(broken)


def test_only_the_gate_makes_a_grant(home: Home, clock: HeldClock) -> None:
    with pytest.raises(Refused):
        grant.Grant(object())
    signed(home, clock)
    found = gate.check(home, clock)
    with pytest.raises(AttributeError):
        found.scopes = ()
    with pytest.raises(AttributeError):
        del found.scopes
    package = os.path.dirname(SOURCE)
    for folder, _, names in os.walk(package):
        for name in names:
            path = os.path.join(folder, name)
            if not name.endswith(".py") or path in (gate.__file__, grant.__file__):
                continue
            with open(path, encoding="utf-8") as file:
                used = {getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(ast.parse(file.read()))}
            assert "MAKER" not in used, path


def test_expiry_closes_to_the_second(home: Home, clock: HeldClock) -> None:
    signed(home, clock)
    found = gate.check(home, clock)
    clock.seconds = found.expires - 1
    gate.recheck(home, found, clock)
    gate.check(home, clock)
    clock.seconds = found.expires
    assert refused(home, clock) == "ConsentExpired"
    with pytest.raises(NoConsent) as caught:
        gate.recheck(home, found, clock)
    assert caught.value.state == "ConsentExpired"


def test_a_clock_that_was_set_back_closes_until_it_is_right_or_signed_again(home: Home, clock: HeldClock) -> None:
    signed(home, clock)
    found = gate.check(home, clock)
    clock.seconds += 3600
    gate.recheck(home, found, clock)
    clock.seconds -= gate.CLOCK_TOLERANCE_S
    gate.recheck(home, found, clock)
    clock.seconds -= 1
    for look in (lambda: gate.recheck(home, found, clock), lambda: gate.check(home, clock)):
        with pytest.raises(ClockSetBack):
            look()
    signed(home, clock)
    gate.check(home, clock)


@pytest.mark.parametrize("junk", [b"", b"soon", b"99999999999999999999999999999999999999"])
def test_an_unreadable_last_seen_time_closes(home: Home, clock: HeldClock, junk: bytes) -> None:
    signed(home, clock)
    with open(home.last_seen, "wb") as file:
        file.write(junk)
    assert refused(home, clock) == "ConsentUnknown"


def test_a_receipt_from_the_future_is_not_valid(home: Home, clock: HeldClock) -> None:
    signed(home, clock)
    os.unlink(home.last_seen)
    clock.seconds -= 10_000
    assert refused(home, clock) == "ConsentInvalidated"


def test_withdrawal_closes_at_once_and_for_good(home: Home, clock: HeldClock) -> None:
    signed(home, clock)
    found = gate.check(home, clock)
    kept = disk.read(home.receipt, 1 << 20)
    path = withdrawing.withdraw(home, clock)
    assert path
    assert withdrawing.verify(disk.read(path, 1 << 20))["state"] == "ConsentWithdrawn"
    assert refused(home, clock) == "ConsentWithdrawn"
    with pytest.raises(NoConsent) as caught:
        gate.recheck(home, found, clock)
    assert caught.value.state == "ConsentWithdrawn"
    # putting the old receipt back and removing the marker does not bring it back
    os.unlink(home.withdrawn)
    with open(home.receipt, "wb") as file:
        file.write(kept)
    assert refused(home, clock) == "ConsentWithdrawn"
    os.unlink(path)
    assert withdrawing.finish(home, released_remains=False)
    assert not os.path.exists(home.device)
    assert refused(home, clock) == "ConsentInvalidated"


def test_withdrawing_works_with_an_altered_receipt_and_twice(home: Home, clock: HeldClock) -> None:
    signed(home, clock)
    with open(home.receipt, "ab") as file:
        file.write(b"x")
    assert withdrawing.withdraw(home, clock) is None
    assert withdrawing.withdraw(home, clock) is None
    assert refused(home, clock) == "ConsentWithdrawn"


def test_the_marker_alone_is_a_withdrawal(home: Home, clock: HeldClock) -> None:
    signed(home, clock)
    with open(home.withdrawn, "w", encoding="ascii"):
        pass
    assert refused(home, clock) == "ConsentWithdrawn"


def test_there_is_nothing_to_withdraw_where_nothing_was_signed(home: Home, clock: HeldClock) -> None:
    with pytest.raises(NoConsent):
        withdrawing.withdraw(home, clock)
    assert not os.path.exists(home.root)


def test_a_withdrawal_reaches_the_ledger_later_if_not_now(home: Home, clock: HeldClock) -> None:
    signed(home, clock)
    withdrawing.withdraw(home, clock)
    books = Remembered()
    assert withdrawing.record_pending(home, books.record)
    assert not withdrawing.record_pending(home, books.record)
    assert [kind for kind, _ in books.entries] == ["consent.withdrawn"]


def test_a_device_key_stays_while_something_released_could_be_erased(home: Home, clock: HeldClock) -> None:
    signed(home, clock)
    withdrawing.withdraw(home, clock)
    assert not withdrawing.finish(home, released_remains=True)
    assert os.path.exists(home.device)


def test_a_receipt_of_another_home_is_foreign(home: Home, clock: HeldClock, tmp_path: object) -> None:
    signed(home, clock)
    other = Home(str(tmp_path) + "/other", str(tmp_path) + "/other/run")
    signed(other, clock)
    shutil.copy(other.receipt, home.receipt)
    assert refused(home, clock) == "ConsentInvalidated"
    shutil.copy(other.identity, home.identity)
    assert refused(home, clock) == "ConsentInvalidated"  # the device key still is another one


@pytest.mark.parametrize(
    ("what", "value"),
    [("os.getuid", lambda: 4242), ("machine", lambda _receipt: "0" * 64), ("machine", lambda _: None)],
)
def test_a_receipt_of_another_account_or_machine_is_foreign(
    home: Home, clock: HeldClock, monkeypatch: pytest.MonkeyPatch, what: str, value: Callable[..., object]
) -> None:
    if what == "machine":
        monkeypatch.setattr(person, "machine", lambda _receipt: "1" * 64)
    signed(home, clock)
    gate.check(home, clock)
    if what == "machine":
        monkeypatch.setattr(person, "machine", value)
    else:
        monkeypatch.setattr(Home, "check", lambda _self: None)
        monkeypatch.setattr(validation.os, "getuid", value)  # type: ignore[attr-defined]
    assert refused(home, clock) == "ConsentInvalidated"


@pytest.mark.parametrize("name", ["SUDO_UID", "PKEXEC_UID", "DOAS_USER"])
def test_nobody_acts_for_somebody_else(
    home: Home, clock: HeldClock, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    signed(home, clock)
    monkeypatch.setenv(name, "1000")
    assert refused(home, clock) == "ConsentUnknown"
    with pytest.raises(Refused):
        signed(home, clock)


def test_a_login_uid_that_differs_is_refused(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    path = os.path.join(str(tmp_path), "loginuid")
    monkeypatch.setattr(person, "LOGIN_UID", path)
    monkeypatch.setattr(person, "SESSIONS", str(tmp_path) + "/none")
    for text, fine in ((str(os.getuid()), True), ("4294967295", True), (str(os.getuid() + 1), False)):
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        if fine:
            person.act_for_yourself()
        else:
            with pytest.raises(Refused):
                person.act_for_yourself()


def test_root_does_not_record_where_somebody_else_is_logged_in(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = os.path.join(str(tmp_path), "sessions")
    os.mkdir(folder)
    monkeypatch.setattr(person, "SESSIONS", folder)
    monkeypatch.setattr(person, "LOGIN_UID", folder + "/none")
    monkeypatch.setattr(os, "getresuid", lambda: (0, 0, 0))
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert person.other_sessions() == []
    person.act_for_yourself()
    with open(os.path.join(folder, "c1"), "w", encoding="utf-8") as file:
        file.write("# private\nUID=0\nCLASS=user\n")
    person.act_for_yourself()
    with open(os.path.join(folder, "c2"), "w", encoding="utf-8") as file:
        file.write("UID=1000\nUSER=somebody\nCLASS=user\nSTATE=active\n")
    with pytest.raises(Refused):
        person.act_for_yourself()


WIDER = [
    ('injected = "exclude"', 'injected = "record"'),
    ("named_commands = false", "named_commands = true"),
    ("retention_days = 30", "retention_days = 31"),
    ("cooling_off_hours = 24", "cooling_off_hours = 23"),
    ('ceiling = "bursts"', 'ceiling = "events"'),
    ("onward_transfer = []", 'onward_transfer = ["a partner"]'),
    ('"re-identification"', '"something-else"'),
    ('profile = "coarse"', 'profile = "bursts"'),
    ("find out where its programs get in the way", "compare departments"),
]
NARROWER = [
    ('scopes = ["keyboard", "pointer"]   # what', 'scopes = ["keyboard"] # what'),
    ("retention_days = 30", "retention_days = 3"),
    ("cooling_off_hours = 24", "cooling_off_hours = 48"),
    ('mode = "cooling-off"', 'mode = "approved"'),
    ('ceiling = "bursts"\ndefault = "bursts"', 'ceiling = "coarse"\ndefault = "coarse"'),
    ("consent_days = 180", "consent_days = 10"),
    ("disk_cap_mib = 512", "disk_cap_mib = 64"),
]


@pytest.mark.parametrize("change", WIDER, ids=lambda change: change[1])
def test_a_policy_that_asks_for_more_closes_the_gate_until_signed_again(
    home: Home, clock: HeldClock, change: tuple[str, str]
) -> None:
    works = Organisation()
    works.adopt(home)
    signed(home, clock, Scripted(yes=("keyboard", "pointer", "train models")))
    found = gate.check(home, clock)
    works.adopt(home, change, version=2)
    with pytest.raises(NoConsent) as caught:
        gate.recheck(home, found, clock)
    assert caught.value.state == "ConsentInvalidated"
    assert refused(home, clock) == "ConsentInvalidated"
    signed(home, clock, Scripted(yes=("keyboard", "pointer", "train models")))
    gate.check(home, clock)


@pytest.mark.parametrize("change", NARROWER, ids=lambda change: change[1])
def test_a_policy_that_asks_for_less_holds_at_once(home: Home, clock: HeldClock, change: tuple[str, str]) -> None:
    works = Organisation()
    works.adopt(home)
    signed(home, clock, Scripted(yes=("keyboard", "pointer", "train models")))
    before = gate.check(home, clock)
    extra = [('scopes = ["keyboard", "pointer"]\n', 'scopes = ["keyboard"]\n')] if "what" in change[0] else []
    works.adopt(home, change, *extra, version=2)
    with pytest.raises(NoConsent):
        gate.recheck(home, before, clock)
    after = gate.check(home, clock)
    gate.recheck(home, after, clock)
    assert set(after.scopes) <= set(before.scopes)
    assert after.own.rank >= before.own.rank
    assert after.retention_days <= before.retention_days
    assert after.cooling_off_s >= before.cooling_off_s
    assert after.expires <= before.expires
    assert after.disk_cap_bytes <= before.disk_cap_bytes
    assert after.to_wire() != before.to_wire()


def test_a_new_reader_is_wider_and_a_removed_one_narrower(home: Home, clock: HeldClock) -> None:
    works, other = Organisation(), Organisation()
    works.adopt(home)
    signed(home, clock, Scripted(yes=("keyboard", "train models")))
    works.reader = other.reader
    works.adopt(home, version=2)
    assert refused(home, clock) == "ConsentInvalidated"


def test_leaving_the_policy_or_joining_one_needs_a_new_signature(home: Home, clock: HeldClock) -> None:
    signed(home, clock)
    Organisation().adopt(home)
    assert refused(home, clock) == "ConsentInvalidated"


def test_wider_is_never_found_between_equal_meanings_and_unknown_parts_are_wider() -> None:
    ours, _ = policy.load_personal()
    ours = ours.model_copy(update={"applications": policy.Applications(mode="all")})
    meaning = digest.meaning_of(ours, notices.load("personal", 1, "en"))
    assert digest.wider(meaning, meaning) == []
    assert digest.consent_digest(meaning) == digest.consent_digest(
        digest.meaning_of(ours, notices.load("personal", 1, "de"))
    )
    assert digest.wider(meaning, {**meaning, "new": 1})
    for part in ("registry", "classes", "profiles"):
        assert digest.wider(meaning, {**meaning, part: "other"})
    fewer = {**meaning, "applications": {"mode": "deny", "names": ["org.keepassxc.*"]}, "unanswered": "nothing"}
    assert digest.wider(meaning, fewer) == []
    assert {one.key for one in digest.narrowing(meaning, fewer)} == {"n_applications", "n_unanswered"}
    assert {one.key for one in digest.widening(fewer, meaning)} == {"w_applications", "w_unanswered"}
    told = {**meaning, "scopes": ["context", *meaning["scopes"]]}
    table = {**told, "categories": {**told["categories"], "own": {"our-crm": "business"}}}
    assert {one.key for one in digest.widening(told, table)} == {"w_categories"}
    assert digest.wider(meaning, {**table, "scopes": meaning["scopes"]}) == [], "without the scope nobody is told any"
    assert {one.key for one in digest.widening(meaning, {**meaning, "tasks": {"invoice": "0" * 64}})} == {"w_tasks"}
    later = {**meaning, "notice": {"id": "personal", "version": 2}}
    assert digest.wider(meaning, later) == []
    assert digest.rewording(meaning, later)


def test_a_consent_to_the_coarse_of_before_is_asked_for_again(
    home: Home, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it told how long a run took and how many of its keys were corrections (ADR 0042)."""
    before: list[Any] = copy.deepcopy(registry.meaning())
    for record, field, _, values in before:
        if record == "typing" and field in ("n_edit", "duration"):
            values[-1][1] = {"n_edit": 4, "duration": 7}[field]
    assert before != registry.meaning()
    with monkeypatch.context() as earlier:
        earlier.setattr(registry, "meaning", lambda: before)
        signed(home, clock)
        gate.check(home, clock)
    assert refused(home, clock) == "ConsentInvalidated"
    person = Scripted(yes=("keyboard",))
    signed(home, clock, person)
    assert "Type " in person.asked[-1]
    gate.check(home, clock)


def test_a_notice_that_is_not_the_one_shown_closes(
    home: Home, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed(home, clock)
    load = notices.load
    monkeypatch.setattr(notices, "load", lambda *words: load(*words)._replace(sha256="0" * 64))
    assert refused(home, clock) == "ConsentInvalidated"


def test_a_home_that_others_could_change_closes(home: Home, clock: HeldClock) -> None:
    signed(home, clock)
    os.chmod(home.root, 0o755)  # noqa: S103 - that is the point
    assert refused(home, clock) == "ConsentUnknown"


def demo(home: Home, works: Organisation) -> None:
    works.adopt(home, ('id = "organisation", version = 7', 'id = "demo", version = 1'))


def test_a_demo_consent_is_valid_only_on_the_display_of_the_demo(
    home: Home, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo(home, Organisation())
    path = os.path.join(home.root, validation.DEMO_DISPLAY)

    def names(text: str) -> None:
        with open(path, "w", encoding="ascii") as file:
            file.write(text)

    server, other = Server(), Server()
    try:
        monkeypatch.setenv("DISPLAY", server.display)
        with pytest.raises(Refused):
            signed(home, clock)
        names(f"{server.display} {server.pid}\n")
        monkeypatch.setattr("tempfile.gettempdir", lambda: os.path.dirname(home.root))
        signed(home, clock)
        assert gate.check(home, clock).demo
        monkeypatch.setenv("DISPLAY", other.display)
        assert refused(home, clock) == "ConsentInvalidated"
        names(f"{other.display} {server.pid}\n")  # a real display's name with the demo's process
        assert refused(home, clock) == "ConsentInvalidated"
        names(f"{other.display} {os.getpid()}\n")  # a process that is no Xvfb
        assert refused(home, clock) == "ConsentInvalidated"
        monkeypatch.setenv("DISPLAY", server.display)
        names(f"{server.display} {server.pid}\n")
        assert gate.check(home, clock).demo
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr("tempfile.gettempdir", lambda: "/elsewhere")
            assert refused(home, clock) == "ConsentInvalidated"
    finally:
        server.stop()
        other.stop()
    assert refused(home, clock) == "ConsentInvalidated"  # a kept home, after the demo


def test_the_receipt_is_bound_to_the_identity_here(home: Home, clock: HeldClock) -> None:
    signed(home, clock)
    identity.save(home, identity.generate(), "another passphrase")
    assert refused(home, clock) == "ConsentInvalidated"
