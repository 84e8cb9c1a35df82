"""What is too thin to learn from, by stated rules, from the counts that stand on a card."""

from __future__ import annotations

from typing import Any

from desktop_logger.inspection.drawing import plural

FEW = 100
"""Of an action or a word fewer than this, and there is little to learn of it."""
FEW_PEOPLE = 5
FEW_GROUPS = 5
"""Split groups with people that a test needs, for intervals over people."""
UNSEEN = 0.25
"""Share of unobserved time from which what is left may not stand for the whole."""
NO_ACTIONS = ("PAD", "START", "END", "UNOBSERVED")


def thin(facts: dict[str, Any]) -> list[str]:
    """What the card's own counts say is too thin, one sentence each; empty for nothing."""
    found = []
    if facts["subjects"] < FEW_PEOPLE:
        found.append(f"people: {facts['subjects']}, fewer than {FEW_PEOPLE}, so nothing here can be said of people")
    if facts["kind"] == "sequences":
        filled = {
            name: sum(1 for group in groups if facts["rows_by_group"][group])
            for name, groups in facts["split_groups"].items()
        }
        found += [f"the split {name} has nobody in it" for name, number in filled.items() if not number]
        if 0 < filled["test"] < FEW_GROUPS:
            found.append(f"{plural(filled['test'], 'split group')} to test on: intervals over people need {FEW_GROUPS}")
        counts, share = facts["tokens_by_action"], facts["tokens_unobserved"] / max(facts["tokens"], 1)
        rare = [name for name, number in counts.items() if number < FEW and name not in NO_ACTIONS]
        what = "tokens"
    else:
        seconds = 60 * max(facts["session_minutes"], 1)
        share = min(facts["unobserved_seconds_at_least"] / seconds, 1.0)
        rare = [
            name
            for key in ("rows_by_class", "rows_by_category", "rows_by_role")
            for name, number in facts.get(key, {}).items()
            if number < FEW
        ]
        what = "rows"
    if rare:
        found.append(f"fewer than {FEW} {what} each: {', '.join(rare)}")
    if share > UNSEEN:
        found.append(f"{100 * share:.0f} % of it is unobserved time: what is left may not stand for the whole")
    return found


def in_words(facts: dict[str, Any]) -> str:
    """The same as lines of a page."""
    return "\n".join(f"- {one}" for one in thin(facts)) or "- nothing by these rules"
