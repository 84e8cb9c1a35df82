"""Bad policies, notices and receipts, field by field: a clear error that names the field, and nothing has changed."""

from __future__ import annotations

import copy
import json
import os
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from desktop_logger import disk, policy, sealing
from desktop_logger.consent import gate, notices
from desktop_logger.errors import DesktopLoggerError, NoConsent, Refused, Unavailable, UsageError
from desktop_logger.paths import Home, shipped
from tests.signing import HeldClock, Organisation, Scripted, home_in, signed
from tests.unit.test_policy import organisation

pytestmark = pytest.mark.usefixtures("quick_passphrases")

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def toml(value: dict[str, Any], above: str = "") -> str:
    """A mapping as TOML; strings are escaped as in JSON."""
    plain, tables = [], []
    for key, one in value.items():
        if isinstance(one, dict):
            tables.append(f"[{above}{key}]\n{toml(one, f'{above}{key}.')}")
        elif isinstance(one, list) and one and all(isinstance(part, dict) for part in one):
            tables += [f"[[{above}{key}]]\n{toml(part, f'{above}{key}.')}" for part in one]
        else:
            plain.append(f"{key} = {json.dumps(one)}")
    return "\n".join(plain + tables) + "\n"


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    text = organisation(sealing.Signer.generate())
    second = '[countersignature]\nname = "council"\ncontact = "c"\npublic = "{}"\n'
    import base64

    key = base64.b64encode(sealing.Signer.generate().public).decode()
    hours = '[schedule]\nweekdays = ["mon"]\nstart = "09:00"\nend = "17:00"\nzone = "Europe/Berlin"\n'
    text = text.replace("\n[dpo]", f"\n{second.format(key)}\n{hours}\n[dpo]")
    found = tomllib.loads(text)
    policy.parse(toml(found).encode(), "p")
    return found


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path and not isinstance(path[-1], int):
        yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def at(document: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        document = document[step]
    return document


def complaint(document: dict[str, Any]) -> str | None:
    """What is said about a policy; ``None`` when it is accepted."""
    try:
        policy.parse(toml(document).encode(), "policy.toml")
    except (UsageError, Refused) as error:
        return error.message
    return None


def test_every_key_of_a_policy_missing_mistyped_or_too_long_is_named(whole: dict[str, Any]) -> None:
    refused = 0
    for path in places(whole):
        old = at(whole, path)
        wrong: list[Any] = [{"x": 1}, [[1]], -(1 << 40), "x" * 5000 if isinstance(old, str) else "\u0007", 1.5]
        for new in [...] + [one for one in wrong if type(one) is not type(old) or isinstance(old, str | int)]:
            made = copy.deepcopy(whole)
            if new is ...:
                del at(made, path[:-1])[path[-1]]
            else:
                at(made, path[:-1])[path[-1]] = new
            said = complaint(made)
            if said is None:
                assert new is ..., (path, new)  # what may be left out
                continue
            refused += 1
            named = [str(step) for step in path if not isinstance(step, int)]
            together = path[0] in said or (new is ... and len(path) == 1)
            assert together or any(step in said for step in named), (path, new, said)
            assert said.startswith("policy.toml: ")
            assert "xxxxxxxx" not in said
    assert refused > 150


def test_an_unknown_key_in_every_table_is_named(whole: dict[str, Any]) -> None:
    tables = [(), *(path for path in places(whole) if isinstance(at(whole, path), dict))]
    for path in tables:
        made = copy.deepcopy(whole)
        at(made, path)["colour"] = "red"
        with pytest.raises(UsageError, match="colour"):
            policy.parse(toml(made).encode(), "policy.toml")


@pytest.mark.parametrize(
    "text", [b"", b"\xff\xfe", b"id = 1\nid = 2", b"[" * 50_000, b"id = 'a'\n[profile]\n[profile]\n", b"x" * 300_000]
)
def test_what_is_no_policy_at_all_is_said_with_the_file(text: bytes) -> None:
    with pytest.raises(DesktopLoggerError) as caught:
        policy.parse(text, "policy.toml")
    assert caught.value.message.startswith("policy.toml: ")


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A copy of the notices that a test may spoil."""
    folder = str(tmp_path / "consent")
    shutil.copytree(os.path.join(ROOT, "consent"), folder)
    monkeypatch.setattr(notices, "shipped", lambda *parts: os.path.join(str(tmp_path), *parts))
    return os.path.join(folder, "personal", "7.en.md")


@pytest.mark.parametrize("how", ["gone", "altered", "cut", "not text", "too large", "a folder"])
def test_a_spoilt_notice_closes_the_gate_and_ends_the_ceremony(texts: str, tmp_path: Path, how: str) -> None:
    home, clock = home_in(tmp_path), HeldClock()
    signed(home, clock)
    found = gate.check(home, clock)
    with open(texts, "rb") as file:
        data = file.read()
    os.unlink(texts)
    if how == "a folder":
        os.mkdir(texts)
    elif how != "gone":
        made = {"altered": data.replace(b"7 days", b"9 days"), "cut": data[:-1], "not text": b"\xff\xfe" + data,
                "too large": data * 40}[how]  # fmt: skip
        with open(texts, "wb") as file:
            file.write(made)
    with pytest.raises(NoConsent) as caught:
        gate.check(home, clock)
    assert caught.value.state == "ConsentInvalidated"
    with pytest.raises(NoConsent):
        gate.recheck(home, found, clock)
    if how not in ("altered", "cut"):
        before = disk.read(home.receipt, 1 << 20)
        with pytest.raises(Unavailable):
            signed(home, clock)
        assert disk.read(home.receipt, 1 << 20) == before


def test_of_two_receipts_only_the_newer_one_is_in_force(tmp_path: Path) -> None:
    home, clock = home_in(tmp_path), HeldClock()
    one = signed(home, clock, Scripted(yes=("keyboard",)))
    old = disk.read(home.receipt, 1 << 20)
    signed(home, clock, Scripted(yes=("keyboard", "pointer")))
    found = gate.check(home, clock)
    # the older one put back: a running grant ends, and what holds is what that one says, no more
    disk.replace(home.receipt, old)
    with pytest.raises(NoConsent):
        gate.recheck(home, found, clock)
    assert gate.check(home, clock).receipt_id == one.header.id
    for path in (home.receipt, shipped("config", "personal.toml")):
        assert os.path.exists(path)


def test_a_version_that_goes_down_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    home, works = home_in(tmp_path), Organisation()
    works.adopt(home, version=3)
    before = disk.read(home.policy, 1 << 20)
    for version in (1, 2):
        with pytest.raises(Refused, match="version"):
            works.adopt(home, version=version)
    with pytest.raises(Refused, match="version"):
        works.adopt(home, ("retention_days = 30", "retention_days = 7"), version=3)
    assert disk.read(home.policy, 1 << 20) == before
    assert Home(home.root, home.run).policy == home.policy
