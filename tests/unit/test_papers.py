"""What is made from policy and registry: the papers and the page of the policy's keys. Both are current and whole."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from desktop_logger import policy, sealing
from desktop_logger.admin import configuration, papers
from desktop_logger.errors import IntegrityError, UsageError
from desktop_logger.records import registry
from tests.unit.test_notices import NEVER_SAID
from tests.unit.test_policy import organisation

OFFERED = ("any", "keyboard", "pointer")
"""The scopes of the example's policy, and what belongs to each."""

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@pytest.fixture
def made(tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "policy.toml"
    file.write_text(organisation(sealing.Signer.generate()))
    paths = papers.write(str(tmp_path / "papers"), str(file))
    again = papers.write(str(tmp_path / "papers"), str(file))
    assert paths == again
    return {os.path.basename(path): Path(path).read_text() for path in paths}


def test_the_papers_say_what_policy_and_registry_say(made: dict[str, str]) -> None:
    assert set(made) == set(papers.PAPERS)
    inventory = made["dpia-inventory.md"]
    for field in (one for one in registry.FIELDS if one.scope in OFFERED):
        if "bursts" in field.values or "coarse" in field.values or "counts" in field.values:
            assert f"| {field.record} | {field.name} | {field.scope} | {field.description} |" in inventory
    for kind in (one for one in registry.KINDS if one.scope in OFFERED):
        assert kind.description in made["record-of-processing.md"]
        assert kind.description in made["works-agreement-annex.md"]
    for name in ("record-of-processing.md", "works-agreement-annex.md", "information-sheet.md"):
        assert "train models that operate computer programs" in made[name]
    record = made["record-of-processing.md"]
    assert re.findall(r"^\((\w)\)", record, re.MULTILINE) == list("abcdefg")
    assert "Example Works" in record
    assert "after 30 days" in record
    assert "technical precondition, always" in record
    assert "No list of people who refuse exists" in made["works-agreement-annex.md"]
    for language in ("## en", "## de", "## fr"):
        assert language in made["information-sheet.md"]
    assert not NEVER_SAID.search(made["information-sheet.md"])


def test_the_signed_policy_makes_the_same_papers(tmp_path: Path) -> None:
    signer = sealing.Signer.generate()
    text = organisation(signer).encode()
    plain, signed = tmp_path / "policy.toml", tmp_path / "policy.signed.json"
    plain.write_bytes(text)
    signed.write_bytes(policy.sign(text, signer))
    one, two = (papers.write(str(tmp_path / file.stem), str(file)) for file in (plain, signed))
    assert [Path(path).read_bytes() for path in one] == [Path(path).read_bytes() for path in two]
    signed.write_bytes(signed.read_bytes().replace(b'"sig":"', b'"sig":"AA'))
    with pytest.raises((UsageError, IntegrityError)):
        papers.write(str(tmp_path / "altered"), str(signed))
    with pytest.raises(UsageError, match="JSON, not TOML"):
        policy.parse(signed.read_bytes(), "policy.signed.json")


def test_two_versions_of_a_policy_differ_only_where_they_differ() -> None:
    signer, reader = sealing.Signer.generate(), sealing.ReaderKey.generate()
    text = organisation(signer, reader=reader)
    one = policy.parse(text.encode(), "p")
    two = policy.parse(text.replace("retention_days = 30", "retention_days = 20").encode(), "p")
    for paper in papers.PAPERS.values():
        old, new = paper(one, "0" * 64).splitlines(), paper(two, "0" * 64).splitlines()
        assert len(old) == len(new)
        assert all("20" in line for before, line in zip(old, new, strict=True) if before != line)


def test_a_policy_that_is_none_makes_no_papers(tmp_path: Path) -> None:
    for text in (None, "colour = 'red'"):
        file = tmp_path / "policy.toml"
        if text:
            file.write_text(text)
        with pytest.raises(UsageError):
            papers.write(str(tmp_path / "papers"), str(file))
    assert not (tmp_path / "papers").exists()


def test_the_configuration_page_says_every_value_in_words() -> None:
    page = configuration.page()
    assert "table: name of an application = `other` or" in page
    assert not [word for word in ("typing.", "dict[", "StringConstraints", "<class") if word in page]


def test_the_configuration_page_is_current() -> None:
    with open(os.path.join(ROOT, "docs", "reference", "configuration.md"), encoding="utf-8") as file:
        assert file.read() == configuration.page(), "run: python -m desktop_logger.admin.configuration"
