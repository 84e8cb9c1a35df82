"""Made-up datasets for the tests of learning, made once and copied for each test."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from desktop_logger.dataset import folder, sequences, splitting
from desktop_logger.testing import office


class Shelf:
    """Datasets of simulated people, each made once."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def built(self, place: Path, profile: str = "coarse", people: int = 20, first: int = 0) -> str:
        """An export and the sequences of it, copied below ``place``; the path of the sequences."""
        made = self._root / f"{profile}-{people}-{first}"
        if not made.exists():
            made.mkdir(parents=True)
            office.write(str(made / "export"), office.Plan(people=people, sessions=1, first=first), profile)
            sequences.build(str(made / "export"), str(made / "sequences"))
            splitting.split(str(made / "sequences"), 3, 5)
        shutil.copytree(made, place, dirs_exist_ok=True)
        (place / "export" / folder.DERIVED).unlink()
        folder.register_derived(
            str(place / "export"), str(place / "sequences"), folder.read_card(str(place / "sequences"))["dataset"]
        )
        return os.path.join(place, "sequences")


def change_card(root: str, **facts: Any) -> None:
    """Other facts on a dataset's card."""
    card = folder.read_card(root)
    (Path(root) / "card.json").write_text(json.dumps({**card, **facts}))
