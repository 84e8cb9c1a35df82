"""Erasure reaches a model, end to end with real commands: trained, erased, stale, refused, trained again without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from desktop_logger import store
from desktop_logger.dataset import folder as datasets
from desktop_logger.dataset import sequences, splitting
from desktop_logger.sealing import fingerprint
from tests.organisation import PASSPHRASE, HeldClock, Organisation, Subject
from tests.people import Person

SMALL = """
[model]
kind = "ngram"
[data]
least = 1
[baselines]
boosting = false
"""


def people(tmp_path: Path, organisation: Organisation, number: int) -> list[Subject]:
    found = [Subject(str(tmp_path / f"person{one}"), organisation) for one in range(number)]
    for which, person in enumerate(found):
        for one in range(2):
            person.record(20 + 30 * one + which)
    organisation.clock.time += 700  # type: ignore[attr-defined]
    for person in found:
        person.release()
    return found


def split_of_people(root: str, groups: list[int]) -> None:
    """A split in which each part has people, whatever groups chance gave them."""
    some = groups[2:] + [one for one in range(16) if one not in groups]
    datasets.write_card(
        root,
        {**datasets.read_card(root), "split_groups": {"train": some, "validation": groups[:1], "test": groups[1:2]}},
    )


def group_of(person: Subject, organisation: Organisation, export: str, root: str) -> int:
    """The split group of a person, which only the steward's lineage can tell."""
    own = fingerprint(person.identity.signer.public)
    kept = organisation.lineage(export)
    theirs = {one["session"] for one in kept if one["subject"] == own}
    rows = [row for batch in sequences.stream(root) for row in batch.to_pylist()]
    return next(int(row["split_group"]) for row in rows if row["session"] in theirs)


def test_a_model_follows_an_erasure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    clock = HeldClock()
    organisation = Organisation(str(tmp_path), clock)
    some = people(tmp_path, organisation, 8)
    out, root, model = str(tmp_path / "out"), str(tmp_path / "sequences"), str(tmp_path / "far" / "model")
    (tmp_path / "far").mkdir()
    (tmp_path / "small.toml").write_text(SMALL)
    outboxes = [person.outbox for person in some]
    export = str(organisation.export(out, *outboxes, form="parquet").export)
    sequences.build(out, root, deduplicate=False)
    groups = [n for n, rows in enumerate(datasets.read_card(root)["rows_by_group"]) if rows]
    assert splitting.counts(datasets.read_card(root))
    split_of_people(root, groups)
    engineer = Person(str(tmp_path / "engineer"))

    def learn(*words: str, status: int = 0) -> str:
        done = engineer.run("learn", *words)
        assert done.returncode == status, done.stderr
        return str(done.stdout + done.stderr)

    learn("train", root, "--out", model, "--config", str(tmp_path / "small.toml"))
    first: dict[str, Any] = json.loads(Path(model, "run.json").read_text())
    assert "STALE" not in learn("models", str(tmp_path))
    # somebody whose rows it learned from asks for erasure
    gone, other = [person for person in some if group_of(person, organisation, export, root) in groups[2:]][:2]
    store.purge(gone.home, clock, [one.id for one in store.segments(gone.home)])
    done = organisation.erase(*outboxes)
    assert [one.run for one in done.models] == [first["run"]]
    assert "STALE" in learn("models", str(tmp_path))
    said = learn("predict", model, "--after", "TYPE", status=1)
    assert "stale" in said
    assert "retrain" in said
    assert "%" in learn("predict", model, "--after", "TYPE", "--stale", first["run"])
    # trained again: without the rows, in the same place, not stale
    groups = [n for n, rows in enumerate(datasets.read_card(root)["rows_by_group"]) if rows]
    split_of_people(root, groups)
    learn("retrain", model)
    again: dict[str, Any] = json.loads(Path(model, "run.json").read_text())
    assert again["replaces"] == [first["run"]]
    assert again["sources"][0]["rows"] == first["sources"][0]["rows"] - 2
    assert again["weights"]["sha256"] != first["weights"]["sha256"]
    assert again["sources"][0]["digest"] != first["sources"][0]["digest"]
    assert "STALE" not in learn("models", str(tmp_path))
    assert "%" in learn("predict", model, "--after", "TYPE")
    # and it is noted again, for the next one
    store.purge(other.home, clock, [one.id for one in store.segments(other.home)])
    assert [one.run for one in organisation.erase(*outboxes).models] == [again["run"]]
    assert PASSPHRASE not in json.dumps(again)
