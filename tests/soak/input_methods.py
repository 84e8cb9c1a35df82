"""``python -m pytest tests/soak/input_methods.py``: each input method by the other way that it has to the window."""

from __future__ import annotations

import pytest

from tests.desktop import test_input_methods as methods
from tests.desktop.test_input_methods import Composing, composing

__all__ = ["composing"]


@pytest.mark.parametrize("composing", methods.OTHERS, ids="-".join, indirect=True)
def test_what_is_composed_counts_by_the_keys_and_once(composing: Composing, display: str) -> None:
    methods.test_what_is_composed_counts_by_the_keys_and_once(composing, display)
