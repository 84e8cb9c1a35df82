"""A short walk of the state machine; `make soak` walks on."""

from __future__ import annotations

from tests.machine import walk


def test_processes_and_model_agree_wherever_a_walk_leads(display: str) -> None:
    walk(display, 2, 3)
