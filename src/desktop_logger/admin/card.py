"""The data card of an export: what is in it, how it came about, and what it must not be used for.

It goes with the dataset. It names no person, no bundle, no segment and no day of recording.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from desktop_logger import __version__
from desktop_logger.clock import in_words
from desktop_logger.inspection.drawing import plural
from desktop_logger.inspection.rows import EXPORT_FIELDS, FIELDS, Row


class Tally:
    """Counts over all rows of an export, kept while they are written."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.classes: Counter[str] = Counter()
        self.scopes: Counter[str] = Counter()
        self.profiles: Counter[str] = Counter()
        self.people = 0
        self.gaps = 0
        self.minutes = 0

    def add(self, rows: list[Row], profile: str) -> None:
        """Count one session's rows."""
        self.profiles[profile] += 1
        last = 0.0
        for row in rows:
            self.rows[str(row["record"])] += 1
            self.scopes[str(row["scope"])] += 1
            if "class" in row:
                self.classes[str(row["class"])] += 1
            last = max(last, float(row["t"]))
        self.gaps += sum(1 for row in rows if row["record"] == "gap")
        self.minutes += int(last if profile == "coarse" else last // 60) + 1


class Terms(NamedTuple):
    """What the receipts and policies of this export allow."""

    purpose: str
    purpose_texts: tuple[str, ...]
    forbidden: tuple[str, ...]
    onward: tuple[str, ...]
    delete_after: str
    """The earliest day on which something in it must be deleted."""


def card(export: str, made: str, form: str, terms: Terms, tally: Tally) -> dict[str, Any]:
    """The machine-readable card."""
    return {
        "v": 1,
        "export": export,
        "made": made,
        "made_by": f"desktop-logger {__version__}",
        "format": form,
        "purpose": terms.purpose,
        "purpose_texts": list(terms.purpose_texts),
        "forbidden_uses": list(terms.forbidden),
        "onward_transfer": list(terms.onward),
        "delete_after": terms.delete_after,
        "subjects": tally.people,
        "sessions": tally.profiles.total(),
        "session_minutes": tally.minutes,
        "rows": tally.rows.total(),
        "rows_by_record": dict(sorted(tally.rows.items())),
        "rows_by_scope": dict(sorted(tally.scopes.items())),
        "rows_by_class": dict(sorted(tally.classes.items())),
        "gap_rows": tally.gaps,
        "sessions_by_profile": dict(sorted(tally.profiles.items())),
        "columns": {field.name: {"kind": field.kind, "meaning": field.meaning, "words": list(field.words)}
                    for field in (*EXPORT_FIELDS, *FIELDS)},
        "leakage": "provisional; see the consent notice for the figures that were shown",
    }  # fmt: skip


def readme(facts: dict[str, Any]) -> str:
    """The same for people."""

    def listed(mapping: dict[str, int]) -> str:
        return "\n".join(f"- {name}: {number:,}" for name, number in mapping.items()) or "- none"

    columns = "\n".join(
        f"| `{name}` | {field['kind']} | {field['meaning']} |" for name, field in facts["columns"].items()
    )
    return f"""\
# Desktop interaction, redacted: export {facts["export"]}

Made on {facts["made"]} with {facts["made_by"]}, for the purpose **{facts["purpose"]}** and no other:
{"; ".join(facts["purpose_texts"])}.

Every row comes from a person who signed for this purpose. They can ask for erasure at any time; then this export
has to be made again. Delete it by **{facts["delete_after"]}** at the latest.

**Not allowed:** {", ".join(facts["forbidden_uses"]) or "see the policy"}; any other purpose; \
giving it to others{"" if not facts["onward_transfer"] else " except " + "; ".join(facts["onward_transfer"])}.

## What is in it

{plural(facts["rows"], "row")}, {plural(facts["sessions"], "session")} (about \
{in_words(facts["session_minutes"] * 60)}), people: {facts["subjects"]:,}. \
No text, no key, no position on the screen, no time of day.

By record:

{listed(facts["rows_by_record"])}

By scope:

{listed(facts["rows_by_scope"])}

By class of key (records, not presses):

{listed(facts["rows_by_class"])}

A `gap` row means that nothing was observed, which is not the same as nothing happened. There are \
{facts["gap_rows"]:,}; a gap stands once in each scope of its session.

## What to know before using it

- The data is pseudonymous, not anonymous: the rhythm of typing and pointing can recognise a person to a degree that
  was measured and bounded. Do not try to.
- `split_group` is the same for all sessions of one person in this export. Split by it, never by row.
- `session` and `split_group` are random to this export and mean nothing in another.
- The profile of each row says its units; under `coarse` every quantity is the number of its log2 bucket.

| column | kind | meaning |
|---|---|---|
{columns}
"""
