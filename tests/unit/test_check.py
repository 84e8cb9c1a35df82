"""A model against one's own data: opened with one's own passphrase, counted here, written only after a yes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from desktop_logger.clock import Clock
from desktop_logger.dataset import sequences, splitting
from desktop_logger.learn import config, training
from desktop_logger.testing import office
from tests.organisation import PASSPHRASE, Organisation, Subject
from tests.people import Person


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    place = tmp_path_factory.mktemp("model")
    office.write(str(place / "export"), office.Plan(8, 1), "bursts")
    sequences.build(str(place / "export"), str(place / "made"))
    splitting.split(str(place / "made"), 4, 4)
    ask = training.Ask(
        (str(place / "made"),), str(place / "model"), config.Config(kind="ngram", boosting=False, least=50)
    )
    return training.train(ask, Clock()).path


@pytest.fixture
def subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    person = Subject(str(tmp_path / "home"), Organisation(str(tmp_path), Clock()))
    for _ in range(20):
        person.record(40)
    return person


def test_errors_are_counted_here_and_a_file_is_written_only_after_a_yes(
    subject: Subject, model: str, tmp_path: Path
) -> None:
    person, out = Person(subject.home.root), tmp_path / "counts.json"
    before = sorted(os.listdir(subject.home.root))
    assert "no terminal" in person.run("learn", "check", model).stderr
    report = person.json("learn", "check", model, passphrase=PASSPHRASE)
    assert set(report) == {"v", "kind", "run", "profile", "asked", "wrong", "classes"}
    assert report["profile"] == "bursts"
    assert report["asked"] == sum(one["asked"] for one in report["classes"].values()) >= 50
    assert 0 < report["wrong"] == sum(one["wrong"] for one in report["classes"].values())
    assert all(set(one) == {"asked", "wrong"} for one in report["classes"].values())
    assert min(one["asked"] for name, one in report["classes"].items() if name != "rare") >= 10
    # without a terminal nobody can say yes
    refused = person.run("learn", "check", model, "--out", str(out), passphrase=PASSPHRASE)
    assert (refused.returncode, out.exists()) == (1, False)
    for answer, written in (("", False), ("y", True)):
        child = person.terminal("learn", "check", model, "--out", str(out))
        child.expect("Passphrase: ")
        child.sendline(PASSPHRASE)
        child.expect(r"This and no more would be in")
        child.expect(r"\[y/N\]")
        child.sendline(answer)
        child.read()
        child.close()
        assert out.exists() == written
    assert json.loads(out.read_text()) == report
    assert sorted(os.listdir(subject.home.root)) == before
    assert not os.path.exists(subject.home.outbox) or not os.listdir(subject.home.outbox)


def test_a_model_of_another_form_or_too_little_data_is_refused(subject: Subject, model: str) -> None:
    person = Person(subject.home.root)
    done = person.run("learn", "check", model, "--until", "2020-01-01", passphrase=PASSPHRASE)
    assert done.returncode == 1
    assert "here is nothing" in done.stderr
    assert person.run("learn", "check", subject.home.root, passphrase=PASSPHRASE).returncode == 2
    for name in ("", "-"):
        assert "Traceback" not in person.run("learn", "check", model + name, passphrase=PASSPHRASE[:-1]).stderr
