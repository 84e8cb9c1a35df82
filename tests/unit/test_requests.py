"""Collection requests: signed, within the policy, in plain words, and without a trace for who ignores them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner

from desktop_logger import policy, sealing
from desktop_logger.admin import asking
from desktop_logger.admin.folder import create
from desktop_logger.cli import app as commands
from desktop_logger.clock import Clock
from desktop_logger.consent import requesting, validation
from desktop_logger.consent.ceremony import Ceremony
from desktop_logger.consent.terminal import Terminal
from desktop_logger.errors import DesktopLoggerError, IntegrityError, Refused, UsageError
from desktop_logger.records import classes
from desktop_logger.records.profiles import PROFILES
from tests.people import PASSPHRASE, Person
from tests.signing import HeldClock, Remembered, Scripted, home_in, signed
from tests.unit.test_policy import ROOT, home_at, organisation

FIELDS: dict[str, Any] = {
    "purpose": "model-training", "scopes": ["keyboard", "pointer"], "profile": "coarse", "category": None,
    "action": "HOTKEY(copy)", "volunteers": 12, "days": 14, "right_now": 41, "right_elsewhere": 75,
    "right_expected": 52,
}  # fmt: skip
NOW = 1_800_000_000


def a_draft(**changed: Any) -> requesting.Draft:
    return requesting.draft(json.dumps({**FIELDS, **changed}).encode(), "draft.json")


def the_policy(signer: sealing.Signer) -> policy.Policy:
    text = organisation(signer)
    first = policy.parse(text.encode(), "policy.toml").purposes[0].id
    FIELDS["purpose"] = first
    return policy.parse(text.encode(), "policy.toml")


@pytest.fixture
def signer() -> sealing.Signer:
    return sealing.Signer.generate()


def a_request(signer: sealing.Signer, **changed: Any) -> bytes:
    ours = the_policy(signer)
    return requesting.sign(a_draft(**changed), ours, signer, NOW, 30)


def tree(root: str) -> dict[str, tuple[bytes, int]]:
    """Every file and folder below a home with its bytes and the time it was last changed."""
    return {
        str(path): (path.read_bytes() if path.is_file() else b"", path.lstat().st_mtime_ns)
        for path in [Path(root), *sorted(Path(root).rglob("*"))]
    }


def test_the_schema_is_current_and_takes_what_is_signed(signer: sealing.Signer) -> None:
    text = Path(ROOT, "consent", "request.schema.json").read_text()
    assert text == requesting.schema(), "run: python -m desktop_logger.consent.requesting"
    made = json.loads(a_request(signer))
    jsonschema.Draft202012Validator(json.loads(text)).validate(made)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(json.loads(text)).validate({**made, "text": "give us more"})


def test_what_was_changed_after_signing_is_refused(signer: sealing.Signer) -> None:
    data = a_request(signer)
    assert requesting.verify(data, "r").volunteers == 12
    with pytest.raises(IntegrityError):
        requesting.verify(data.replace(b'"volunteers":12', b'"volunteers":13'), "r")
    other = sealing.Signer.generate()
    with pytest.raises(Refused, match="not the key that signs"):
        requesting.sign(a_draft(), the_policy(signer), other, NOW, 30)
    with pytest.raises(UsageError, match="not a signed collection request"):
        requesting.verify(data + b" ", "r")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"purpose": "advertising"}, "no purpose"),
        ({"scopes": ["target"]}, "does not offer"),
        ({"profile": "events"}, "coarser than events"),
        ({"category": "mail"}, "needs the scope context"),
    ],
)
def test_a_request_for_more_than_the_policy_offers_is_not_signed(
    signer: sealing.Signer, changed: dict[str, Any], says: str
) -> None:
    ours = the_policy(signer)
    with pytest.raises(Refused, match=says):
        requesting.sign(a_draft(**changed), ours, signer, NOW, 30)


@pytest.mark.parametrize("bad", [b"", b"{}", b"[1]", b'{"purpose": 3}', b"\xff", b'{"v":1}' * 4000])
def test_a_file_that_is_no_request_is_named(bad: bytes) -> None:
    with pytest.raises(UsageError, match=r"wrong.json: "):
        requesting.verify(bad, "wrong.json")
    with pytest.raises(UsageError, match=r"wrong.json: "):
        requesting.draft(bad, "wrong.json")


def test_no_words_of_the_sender_are_shown() -> None:
    for bad in ("TYPE\x1b[2J", "do it, or else", "x" * 60):
        with pytest.raises(UsageError, match="action"):
            a_draft(action=bad)


def test_every_language_says_all_of_it(signer: sealing.Signer) -> None:
    found, ours = requesting.verify(a_request(signer), "r"), the_policy(signer)
    assert len({tuple(sorted(one)) for one in requesting.TEXTS.values()}) == 1
    for language in requesting.TEXTS:
        said = requesting.in_words(found, ours, language, "ask.json")
        for fact in ("12", "14", "41", "75", "52", " (HOTKEY(copy))", "Example Works", "sign --request ask.json"):
            assert fact in said, (language, fact)
    assert "Ignoring it leaves no trace" in requesting.in_words(found, ours, "en", "ask.json")


def test_looking_and_ignoring_leaves_the_home_as_it_was(
    tmp_path: Path, signer: sealing.Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = home_in(tmp_path)
    monkeypatch.setenv("DESKTOP_LOGGER_HOME", home.root)
    policy.adopt(home, policy.sign(organisation(signer).encode(), signer), "policy")
    clock = HeldClock(NOW)
    signed(home, clock)
    monkeypatch.setattr(Clock, "now", lambda _self: NOW + 60)
    (tmp_path / "asked").mkdir()
    (tmp_path / "asked" / "one.json").write_bytes(a_request(signer))
    (tmp_path / "asked" / "two.json").write_bytes(a_request(signer, action=None, volunteers=77))
    before = tree(home.root)
    for path in ("asked", "asked/one.json"):
        found = CliRunner().invoke(commands.build(), ["requests", str(tmp_path / path)])
        assert found.exit_code == 0, found.output
        assert "about 12 people" in found.output
    assert tree(home.root) == before
    # somebody who begins to take part and then refuses leaves nothing either
    asked = requesting.verify((tmp_path / "asked" / "one.json").read_bytes(), "one.json")
    books = Remembered()
    with pytest.raises(Refused):
        Ceremony(home, clock, Scripted(type=""), books, asked).hold()
    assert tree(home.root) == before
    assert books.entries == []


def test_taking_part_is_the_ordinary_ceremony_for_a_limited_time(tmp_path: Path, signer: sealing.Signer) -> None:
    home, clock, books = home_in(tmp_path), HeldClock(NOW), Remembered()
    policy.adopt(home, policy.sign(organisation(signer).encode(), signer), "policy")
    asked = requesting.verify(a_request(signer), "r")
    person = Scripted(yes=("keyboard", "pointer", "use it to"))
    made = Ceremony(home, clock, person, books, asked).hold()
    assert made.event.expires - made.event.given == 14 * 86_400
    assert [one for one in person.asked if one.startswith("Record ")]
    assert any("about 12 people" in one for one in person.said)
    assert validation.examine(home, clock).expires == made.event.expires
    clock.seconds += 14 * 86_400 + 1
    with pytest.raises(DesktopLoggerError, match="expired"):
        validation.examine(home, clock)


@pytest.mark.parametrize("harm", ["nobody's", "another's", "closed"])
def test_a_request_that_nobody_vouches_for_is_not_taken(tmp_path: Path, signer: sealing.Signer, harm: str) -> None:
    home, clock = home_in(tmp_path), HeldClock(NOW)
    other = sealing.Signer.generate()
    if harm != "nobody's":
        ours = other if harm == "another's" else signer
        policy.adopt(home, policy.sign(organisation(ours).encode(), ours), "policy")
    if harm == "closed":
        clock.seconds += 30 * 86_400
    asked = requesting.verify(a_request(signer), "r")
    with pytest.raises(Refused, match={"nobody's": "no organisation", "another's": "not signed by"}.get(harm, "open")):
        Ceremony(home, clock, Scripted(), Remembered(), asked).hold()
    assert not os.path.exists(home.receipt)


def test_the_controller_signs_what_feedback_proposed(tmp_path: Path) -> None:
    phrase = "a made-up passphrase"
    folder = create(str(tmp_path / "steward"), phrase, Clock(), organisation="Example Works")
    ours = policy.parse(Path(folder.policy_file).read_bytes(), "policy.toml")
    FIELDS["purpose"] = ours.purposes[0].id
    out = str(tmp_path / "ask.json")
    found = asking.ask(folder, a_draft(), ours, lambda: phrase, HeldClock(NOW), out, 30)
    assert requesting.verify(Path(out).read_bytes(), "ask.json") == found
    assert folder.ledger.entries()[-1]["request"] == found.id
    with pytest.raises(Refused, match="exists already"):
        asking.ask(folder, a_draft(), ours, lambda: phrase, HeldClock(NOW), out, 30)


def test_the_names_of_a_request_are_those_of_the_program() -> None:
    for one in classes.Category:
        assert a_draft(category=one.name.lower(), scopes=["context"]).category == one.name.lower()
    for name in PROFILES:
        assert a_draft(profile=name).profile == name
    assert isinstance(Scripted(), Terminal)


def test_the_whole_way_as_people_go_it(tmp_path: Path) -> None:
    steward, person = str(tmp_path / "steward"), Person(str(tmp_path / "home"))
    folder = create(steward, PASSPHRASE, Clock(), organisation="Example Works")
    text = Path(folder.policy_file).read_bytes()
    signed_policy, asked = tmp_path / "policy.signed.json", str(tmp_path / "ask.json")
    signed_policy.write_bytes(policy.sign(text, folder.unlock(PASSPHRASE).controller))
    FIELDS["purpose"] = policy.parse(text, "policy.toml").purposes[0].id
    draft = tmp_path / "draft.json"
    draft.write_text(json.dumps(FIELDS))
    words = ("admin", "ask", str(draft), "--policy", str(signed_policy), "--dir", steward, "--out", asked)
    assert "needs a terminal" in person.run(*words).stderr
    child = person.terminal(*words)
    child.expect("Passphrase: ")
    child.sendline(PASSPHRASE)
    assert "about 12 people" in child.read()
    child.close()
    assert child.exitstatus == 0
    assert "no organisation's policy" in person.run("requests", asked).stderr
    policy.adopt(home_at(person.home), signed_policy.read_bytes(), "policy")
    shown = person.ok("requests", asked)
    assert f"desktop-logger consent sign --request {asked}" in shown
    assert max(len(line) for line in shown.replace(asked, "ask.json").splitlines()) <= 80
    for given, named in (
        (("admin", "ask", str(tmp_path), "--policy", str(signed_policy)), tmp_path),
        (("admin", "ask", str(draft), "--policy", str(tmp_path)), tmp_path),
    ):
        child = person.terminal(*given, "--dir", steward, "--out", asked + "2")
        said = child.read()
        child.close()
        assert child.exitstatus == 2
        assert f"cannot read {named}: not a plain file" in " ".join(said.split())
        assert "hint: Name the" in said
    shown = person.sign(("keyboard", "pointer"), "", True, "--request", asked)
    assert "about 12 people" in shown
    report = json.loads(Path(person.home, "consent", "receipt.json").read_text())
    assert report["event"]["expires"] - report["event"]["given"] == 14 * 86_400
    assert json.loads(person.ok("consent", "status", "--json"))["valid"]
