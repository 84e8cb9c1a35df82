"""Non-interference from outside, through whole processes; ``make soak`` runs fifty pairs."""

from __future__ import annotations

from tests import processes


def test_two_texts_leave_the_same_records_sizes_reports_and_statuses() -> None:
    assert processes.differing(len(processes.STREAMS)) == []
