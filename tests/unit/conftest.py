"""What tests of the organisation's side share: a held clock, an organisation with its keys, somebody who signed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.learning import Shelf
from tests.organisation import HeldClock, Organisation, Subject


@pytest.fixture
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages in English, whatever the machine speaks."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def organisation(tmp_path: Path, clock: HeldClock) -> Organisation:
    return Organisation(str(tmp_path), clock)


@pytest.fixture
def subject(tmp_path: Path, organisation: Organisation) -> Subject:
    return Subject(str(tmp_path / "home"), organisation)


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Made-up datasets to learn from."""
    return Shelf(tmp_path_factory.mktemp("shelf"))
