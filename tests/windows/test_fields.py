"""Password fields on Windows: real windows' fields, and what Wine lacks of UI Automation by tables of the tests."""

from __future__ import annotations

import json
from pathlib import Path

from tests.windows import wine


def test_a_password_field_is_told_and_no_field_is_called_safe(display: str) -> None:
    status, out, errors = wine.run(wine.path(Path(__file__).parent / "inside_fields.py"), DISPLAY=display)
    assert status == 0, errors
    assert json.loads(out) == {
        "looks": {
            "lacks": ["fields", "windows"], "plain": "UNANSWERED", "password": "UNSAFE", "plain again": "UNANSWERED",
            "nothing": "UNANSWERED",
        },
        "automation": {"yes": "UNSAFE", "no": "UNANSWERED", "fails": "UNKNOWN", "none": "UNANSWERED"},
    }  # fmt: skip
