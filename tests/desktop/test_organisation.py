"""The whole way with real commands: keys, policy, joining, signing, recording, release, export; and a deletion."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.answering import Answering
from tests.people import PASSPHRASE, Person
from tests.testbed import wait_until

LINEAGE = ("session", "split_group", "profile", "segment")


def replay(path: Path, presses: int) -> str:
    """Typing, clicks and motion for about two seconds, and a pause that ends the runs."""
    lines: list[dict[str, Any]] = []
    for n in range(presses):
        lines += [{"t": 0.1 + n * 0.04, "key": "x", "down": True}, {"t": 0.11 + n * 0.04, "key": "x", "down": False}]
    end = 0.2 + presses * 0.04
    lines += [{"t": end, "move": [300, 40]}, {"t": end, "button": 1, "down": True}]
    lines += [{"t": end + 0.1, "scroll": [0, -3]}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


def answer(child: Any, *pairs: tuple[str, str]) -> str:
    """Answer prompts in order; the command must succeed."""
    said = ""
    for prompt, words in pairs:
        child.expect(prompt)
        said += str(child.before)
        if "assphrase" in prompt:
            wait_until(lambda: not child.getecho(), 5, "echo off")
        child.sendline(words)
    said += str(child.read())
    child.close()
    assert child.exitstatus == 0, said
    return said


def bare(lines: str) -> list[str]:
    rows = [json.loads(line) for line in lines.splitlines()]
    return sorted(json.dumps({k: v for k, v in row.items() if k not in LINEAGE}, sort_keys=True) for row in rows)


def rows_in(folder: Path) -> str:
    return "".join(path.read_text() for path in sorted((folder / "data").iterdir()))


@pytest.fixture
def steward(tmp_path: Path) -> tuple[Person, str]:
    """An admin with keys and a signed policy that releases at once."""
    admin = Person(str(tmp_path / "admin-home"))
    folder = str(tmp_path / "steward")
    answer(
        admin.terminal("admin", "init", folder, "--organisation", "Werkstatt Nord"),
        ("New passphrase:", PASSPHRASE), ("Repeat passphrase:", PASSPHRASE),
    )  # fmt: skip
    path = Path(folder, "policy.toml")
    text = path.read_text().replace("cooling_off_hours = 24", "cooling_off_hours = 0")
    path.write_text(text.replace('injected = "exclude"', 'injected = "record"'))  # these tests type through XTEST
    answer(admin.terminal("admin", "policy", "sign", str(path), "--dir", folder), ("Passphrase:", PASSPHRASE))
    return admin, folder


@pytest.fixture
def person(tmp_path: Path, display: str, steward: tuple[Person, str]) -> Person:
    """Somebody who joined, signed and was registered."""
    someone = Person(str(tmp_path / "home"), display)
    answer(someone.terminal("join", os.path.join(steward[1], "policy.signed.json")), (r"\[y/N\]", "y"))
    said = someone.sign()
    assert "Werkstatt Nord" in said
    receipt = json.loads(someone.ok("consent", "receipt"))
    fingerprint = receipt["parties"]["subject"]["identity_fingerprint"]
    assert "registered" in steward[0].ok("admin", "subjects", "add", fingerprint, "--dir", steward[1])
    return someone


def record(person: Person, file: str) -> None:
    person.start("--backend", f"replay:{file}")
    person.settle(4.0)
    person.stop()


def test_from_keys_to_a_dataset_and_back(person: Person, steward: tuple[Person, str], tmp_path: Path) -> None:
    admin, folder = steward
    file = replay(tmp_path / "input.jsonl", 40)
    record(person, file)
    own = person.inspect()
    assert own["keys"] == {"TEXT": 40}
    assert own["pointer"]["clicks"] == 1

    shown = person.ok("inspect", "--as-admin", "--events", "--json", passphrase=PASSPHRASE)
    assert shown == person.ok("release", "--preview", "--json", passphrase=PASSPHRASE)
    released = person.json("release")
    assert len(released["released"]) == 1
    outbox = os.path.join(person.home, "outbox")
    order = ("admin", "export", "--from", outbox, "--purpose", "improve-tools", "--dir", folder)
    said = admin.ok(*order, "--out", str(tmp_path / "one"), "--format", "jsonl", passphrase=PASSPHRASE)
    assert "1 session" in said
    assert bare(rows_in(tmp_path / "one")) == bare(shown) != []

    # and on to what a model is trained on
    two, built = str(tmp_path / "parquet"), str(tmp_path / "sequences")
    admin.ok(*order, "--out", two, passphrase=PASSPHRASE)
    assert admin.json("dataset", "build", two, "--out", built)["sequences"] == 1
    assert "people are in 1 of the 16 split groups" in admin.run("dataset", "split", built).stderr
    whole = admin.json("dataset", "split", built, "--validation", "0", "--test", "0")
    assert sum(whole["sequences"].values()) == 1
    assert "Not allowed" in admin.ok("dataset", "card", built)

    assert person.run("verify").returncode == 0
    purged = person.json("purge", "--all")
    assert purged["segments"] == released["released"] == purged["released"]
    # they hear who exported it; until the erasure is carried out, nothing more is opened
    for exported in (found := person.json("ledger", "--exports")["exports"]):
        assert (exported["purpose"], exported["segments"]) == ("improve-tools", released["released"])
    assert len(found) == 2
    assert person.json("erasures")["erasures"][0]["state"] == "outstanding"
    refused = admin.run(*order, "--out", str(tmp_path / "three"), passphrase=PASSPHRASE)
    assert refused.returncode == 1
    assert "admin erase" in refused.stderr
    assert "erasure waits" in admin.run("dataset", "build", two, "--out", built + "-again").stderr
    done = admin.json("admin", "erase", "--from", outbox, "--dir", folder, passphrase=PASSPHRASE)
    assert len(done["requests"]) == 1
    assert {one["path"] for one in done["exports"]} == {str(tmp_path / "one"), two, built}
    assert rows_in(tmp_path / "one") == ""
    assert os.listdir(os.path.join(two, "data")) == os.listdir(os.path.join(built, "data")) == []
    assert admin.json("dataset", "card", built)["rows"] == 0
    (answer,) = person.json("erasures")["erasures"]
    assert answer["state"] == "done"
    assert admin.json("admin", "verify", "--dir", folder)["ok"]
    assert person.json("verify")["ok"]


def test_purging_while_recording_goes_on_afterwards(
    person: Person, answering: Answering, xdotool: Callable[..., str]
) -> None:
    person.start()
    xdotool("windowfocus", "--sync", answering.window)
    xdotool("type", "--delay", "8", "before")
    person.settle()
    before = person.status()["pids"]
    purged = person.json("purge", "--last", "15m")
    assert len(purged["segments"]) == 1
    wait_until(lambda: person.status()["state"] == "recording", 10, "recording again")
    after = person.status()["pids"]
    assert after["supervisor"] == before["supervisor"]
    assert after["writer"] != before["writer"]
    xdotool("type", "--delay", "8", "afterwards")
    person.settle()
    person.stop()
    assert person.inspect()["keys"] == {"TEXT": len("afterwards")}
    verdicts = {one["id"]: one["verdict"] for one in person.json("verify")["segments"]}
    assert verdicts[purged["segments"][0]] == "erased"


def test_a_steward_is_made_and_signs_only_at_a_terminal(steward: tuple[Person, str], tmp_path: Path) -> None:
    admin, folder = steward
    for words in (
        ("admin", "init", str(tmp_path / "other")),
        ("admin", "policy", "sign", os.path.join(folder, "policy.toml"), "--dir", folder),
    ):
        done = admin.run(*words, stdin=f"{PASSPHRASE}\n{PASSPHRASE}\n")
        assert done.returncode == 1
        assert "terminal" in done.stderr
    assert not os.path.exists(tmp_path / "other")
    child = admin.terminal("admin", "init", str(tmp_path / "other"))
    child.expect("New passphrase:")
    child.sendintr()
    assert "nothing was done" in child.read()
    child.close()
    assert child.exitstatus == 1
    assert not os.path.exists(tmp_path / "other")


def test_a_rehearsal_goes_the_whole_way(tmp_path: Path) -> None:
    said = Person(str(tmp_path / "unused")).ok("admin", "rehearse")
    assert said.count("held:") >= 10
    assert "The whole chain held" in said
    assert not os.path.exists(tmp_path / "unused")
