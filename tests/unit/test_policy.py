"""Policies: strict, closed, signed, and never half obeyed."""

from __future__ import annotations

import base64
import json
import os
import re

import pytest

from desktop_logger import policy, sealing
from desktop_logger.errors import DesktopLoggerError, IntegrityError, Refused, UsageError
from desktop_logger.paths import Home
from desktop_logger.records.applications import Applications, category_of
from desktop_logger.records.classes import Category

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def organisation(signer: sealing.Signer, *, version: int = 1, reader: sealing.ReaderKey | None = None) -> str:
    """The shipped template, filled in."""
    with open(os.path.join(ROOT, "config", "policy.example.toml"), encoding="utf-8") as file:
        text = file.read()
    reader = reader or sealing.ReaderKey.generate()
    for hole, filling in (
        ("<controller key>", base64.b64encode(signer.public).decode()),
        ("<reader key>", base64.b64encode(reader.public).decode()),
        ("<organisation>", "Example Works"),
        ("\nversion = 1 ", f"\nversion = {version} "),
    ):
        text = text.replace(hole, filling)
    return text


def home_at(folder: object) -> Home:
    return Home(str(folder), os.path.join(str(folder), "run"))


def test_the_policy_out_of_the_box_names_nobody() -> None:
    ours, _ = policy.load_personal()
    assert (ours.id, ours.recipients, ours.release, ours.controller) == ("personal", (), None, None)
    assert (ours.scopes, ours.profile.default, ours.retention_days) == (("keyboard", "pointer"), "events", 7)
    assert ours.applications.mode == "deny"
    for name in ("keepassxc", "org.keepassxc.keepassxc", "bitwarden", "remmina", "org.remmina.remmina", "xfreerdp"):
        assert not ours.applications.rule.allows((name,)), name
    for name in policy.shipped_categories():
        if "*" not in name and name != "seahorse":
            assert ours.applications.rule.allows((name,)), name
    assert ours.applications.rule.allows(("xterm", "XTerm"))


def test_the_template_filled_in_is_a_policy_and_its_own_defaults_are_careful() -> None:
    signer = sealing.Signer.generate()
    theirs = policy.parse(organisation(signer).encode(), "policy.toml")
    assert theirs.profile.default == "bursts"
    assert theirs.release
    assert theirs.release.profile == "coarse"
    assert theirs.onward_transfer == ()


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("colour = 'red'", "colour"),
        ("[profile]\nceiling = 'events'\ndefault = 'events'\nsecret = 1", "profile.secret"),
        ("disk_cap_mib = 'much'", "disk_cap_mib"),
        ("disk_cap_mib = 1.5", "disk_cap_mib"),
        ("disk_cap_mib = 2026-01-01", "date"),
        ("consent_days = 366", "consent_days"),
        ("consent_days = 0", "consent_days"),
        ("legal_basis = 'a\\u001b[2J'", "legal_basis"),
        ('legal_basis = "a\\u202eb"', "legal_basis"),
        ("forbidden_uses = ['NOT A NAME']", "forbidden_uses"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_file(line: str, key: str) -> None:
    base = 'id = "a"\nversion = 1\nnotice = {id = "personal", version = 1}\nscopes = ["keyboard"]\nretention_days = 1\n'
    end = '\n[[purposes]]\nid = "p"\ntext = {en = "q"}\n'
    with pytest.raises(UsageError) as caught:
        policy.parse((base + line.replace("'a\\u001b", '"a\\u001b').replace("[2J'", '[2J"') + end).encode(), "x.toml")
    assert caught.value.message.startswith("x.toml: ")
    assert key in caught.value.message


def test_applications_categories_and_tasks_of_a_policy() -> None:
    text = organisation(sealing.Signer.generate())
    text = text.replace('"keyboard", "pointer"]   #', '"keyboard", "pointer", "context", "target", "task"] #')
    text = re.sub(r"(?m)^applications = .*$", 'applications = { mode = "deny", names = ["org.keepassxc.*"] }', text)
    text += '\n[categories]\nfirefox = "business"\n"our-crm*" = "business"\n'
    text += '[[tasks]]\nid = "invoice"\ntext = {en = "an invoice"}\n'
    made = policy.parse(text.encode(), "policy.toml")
    assert made.applications.rule == Applications("deny", ("org.keepassxc.*",))
    assert made.unanswered == "coarse"
    assert category_of(("firefox",), made.category_table) == Category.BUSINESS
    assert category_of(("our-crm-4",), made.category_table) == Category.BUSINESS
    assert category_of(("xterm",), made.category_table) == Category.TERMINAL
    assert category_of(("never-heard-of",), made.category_table) == Category.OTHER
    assert policy.Applications().rule == Applications("allow", ()), "an organisation that says nothing records nothing"


def test_what_ships_as_categories_is_a_pattern_each_and_small() -> None:
    table = policy.shipped_categories()
    assert len(table) > 200
    assert all(re.fullmatch(r"\*?[^*A-Z]+\*?", name) for name in table)
    assert set(table.values()) == {int(one) for one in Category} - {int(Category.OTHER)}


@pytest.mark.parametrize(
    ("now", "signed", "within"),
    [
        (("all", ()), ("all", ()), True),
        (("deny", ("a",)), ("all", ()), True),
        (("all", ()), ("deny", ("a",)), False),
        (("deny", ("a", "b")), ("deny", ("a",)), True),
        (("deny", ("b",)), ("deny", ("a",)), False),
        (("deny", ("a*",)), ("deny", ("ab",)), True),
        (("allow", ("x",)), ("deny", ("a",)), True),
        (("allow", ("a",)), ("deny", ("a*",)), False),
        (("allow", ("*z",)), ("deny", ("a*",)), False),
        (("allow", ("a",)), ("allow", ("a", "b")), True),
        (("allow", ("ab*",)), ("allow", ("a*",)), True),
        (("allow", ("a", "c")), ("allow", ("a", "b")), False),
        (("deny", ("a",)), ("allow", ("a",)), False),
    ],
)
def test_more_applications_are_wider(
    now: tuple[str, tuple[str, ...]],
    signed: tuple[str, tuple[str, ...]],
    within: bool,
) -> None:
    assert Applications(*now).within(Applications(*signed)) is within


def test_the_name_of_an_application_has_up_to_63_letters_beside_its_star() -> None:
    names = ["é" * 63, "é" * 63 + "*", "*" + "é" * 63]
    text = re.sub(r"(?m)^applications = .*$", "", organisation(sealing.Signer.generate()))
    line = f'applications = {{mode = "deny", names = {json.dumps(names, ensure_ascii=False)}}}\n'
    made = policy.parse(text.replace("named_commands", line + "named_commands", 1).encode(), "policy.toml")
    assert made.applications.names == tuple(names)


@pytest.mark.parametrize(
    "line", ['unanswered = "events"', 'applications = "all"', 'applications = {mode = "all", names = ["a"]}',
             'applications = {mode = "deny", names = ["A"]}', 'applications = {mode = "deny", names = ["*"]}',
             f'applications = {{mode = "deny", names = ["{"é" * 64}"]}}', f'categories = {{"{"a" * 64}*" = "mail"}}',
             'categories = {a = "secret"}', 'tasks = [{id = "a", text = {en = "b"}}]'],
)  # fmt: skip
def test_what_no_policy_can_ask_for(line: str) -> None:
    text = re.sub(r"(?m)^applications = .*$", "", organisation(sealing.Signer.generate()))
    with pytest.raises(UsageError):
        policy.parse(text.replace("named_commands", line + "\nnamed_commands", 1).encode(), "policy.toml")


@pytest.mark.parametrize(
    "change",
    [
        ('default = "bursts"', 'default = "events"'),
        ('mode = "cooling-off"', 'mode = "at-once"'),
        ('ceiling = "bursts"\ndefault = "bursts"', 'ceiling = "coarse"\ndefault = "bursts"'),
        ('ceiling = "bursts"\ndefault = "bursts"', 'ceiling = "counts"\ndefault = "counts"'),  # not coarse
        ('id = "improve-tools"', 'id = "train-models"'),
        ("cooling_off_hours = 24", "cooling_off_hours = -1"),
    ],
)
def test_contradictions_are_refused(change: tuple[str, str]) -> None:
    text = organisation(sealing.Signer.generate())
    assert change[0] in text
    with pytest.raises(UsageError):
        policy.parse(text.replace(*change).encode(), "policy.toml")


def test_the_unfilled_template_is_refused() -> None:
    with open(os.path.join(ROOT, "config", "policy.example.toml"), "rb") as file, pytest.raises(UsageError):
        policy.parse(file.read(), "policy.example.toml")


def test_a_signed_policy_opens_to_exactly_its_bytes() -> None:
    signer = sealing.Signer.generate()
    text = organisation(signer).encode()
    opened, payload = policy.open_signed(policy.sign(text, signer))
    assert payload == text
    assert opened.organisation == "Example Works"


def test_only_the_controller_can_sign() -> None:
    text = organisation(sealing.Signer.generate()).encode()
    with pytest.raises(Refused):
        policy.sign(text, sealing.Signer.generate())


def test_no_altered_envelope_opens() -> None:
    signer, other = sealing.Signer.generate(), sealing.Signer.generate()
    good = json.loads(policy.sign(organisation(signer).encode(), signer))
    swapped = json.loads(policy.sign(organisation(other).encode(), other))
    bad = [
        {**good, "payload": swapped["payload"]},
        {**good, "signatures": swapped["signatures"]},
        {**good, "signatures": []},
        {**good, "signatures": good["signatures"] * 2},
        {**good, "payloadType": "text/plain"},
        {**good, "more": 1},
        {**good, "payload": base64.b64encode(organisation(signer, version=2).encode()).decode()},
        {**good, "signatures": [{**good["signatures"][0], "sig": "AAAA"}]},
        {**good, "signatures": [{**good["signatures"][0], "keyid": "other"}]},
        [good],
        "text",
    ]
    for envelope in bad:
        with pytest.raises((UsageError, IntegrityError)):
            policy.open_signed(json.dumps(envelope).encode())
    for data in (b"", b"\xff", b"[" * 100_000, b'{"payload":1,"payload":2}'):
        with pytest.raises(UsageError):
            policy.open_signed(data)


def test_versions_only_go_up(tmp_path: object) -> None:
    signer, reader = sealing.Signer.generate(), sealing.ReaderKey.generate()
    home = home_at(tmp_path)
    os.chmod(home.root, 0o700)

    def signed(version: int) -> bytes:
        return policy.sign(organisation(signer, version=version, reader=reader).encode(), signer)

    policy.adopt(home, signed(2), "two")
    policy.adopt(home, signed(2), "two again")
    with pytest.raises(Refused, match="version 1"):
        policy.adopt(home, signed(1), "one")
    assert policy.active(home)[0].version == 2
    policy.adopt(home, signed(3), "three")
    assert policy.active(home)[0].version == 3


def test_an_altered_adopted_policy_is_never_in_force(tmp_path: object) -> None:
    home = home_at(tmp_path)
    os.chmod(home.root, 0o700)
    signer = sealing.Signer.generate()
    policy.adopt(home, policy.sign(organisation(signer).encode(), signer), "one")
    with open(home.policy, "r+b") as file:
        data = file.read()
        file.seek(0)
        file.write(data.replace(b'"sig":"', b'"sig":"A')[: len(data)])
    with pytest.raises(DesktopLoggerError):
        policy.active(home)
