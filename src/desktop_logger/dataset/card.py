"""The data card of an export: what is in it, how it came about, and what it must not be used for.

It goes with the dataset, three times the same facts: ``card.json`` for programs, ``README.md`` for people and for the
Hugging Face hub (front matter), ``croissant.json`` (MLCommons Croissant 1.1, JSON-LD) for search engines and loaders.
It names no person, no bundle, no segment and no day of recording.
"""

from __future__ import annotations

import json
import tomllib
from typing import Any, NamedTuple

from desktop_logger import __version__
from desktop_logger.clock import in_words
from desktop_logger.inspection.drawing import plural
from desktop_logger.paths import shipped
from desktop_logger.records.profiles import SCOPES

from . import thinness
from .arrow import ALL_FIELDS, dtype_of, units
from .tally import Tally

LEAKAGE = "no figures ship with this version; see the consent notice for those that were shown"
_BUDGET = ("config", "leakage-budget.toml")
_FIGURES = ("config", "leakage-figures.json")


class Terms(NamedTuple):
    """What the receipts and policies of this export allow."""

    purpose: str
    purpose_texts: tuple[str, ...]
    forbidden: tuple[str, ...]
    onward: tuple[str, ...]
    delete_after: str
    """The earliest day on which something in it must be deleted."""
    minimum_export: int
    minimum_group: int


def card(
    export: str, made: str, form: str, terms: Terms, tally: Tally, *, subjects: int, groups: int, published: bool
) -> dict[str, Any]:
    """The machine-readable card."""
    return {
        "v": 1,
        "kind": "export",
        "export": export,
        "made": made,
        "made_by": f"desktop-logger {__version__}",
        "format": form,
        "purpose": terms.purpose,
        "purpose_texts": list(terms.purpose_texts),
        "forbidden_uses": list(terms.forbidden),
        "onward_transfer": list(terms.onward),
        "delete_after": terms.delete_after,
        "minimum_export": terms.minimum_export,
        "minimum_group": terms.minimum_group,
        "published": published,
        "diversity": {
            "subjects": subjects, "split_groups": groups,
            "systems": "not recorded", "keyboard_layouts": "not recorded", "applications": "not recorded",
        },
        "columns": {
            field.name: {
                "kind": field.kind, "meaning": field.meaning, "words": list(field.words), "units": units(field.name),
            }
            for field in ALL_FIELDS
        },
        "leakage": leakage(list(tally.profiles)),
        "erasures": 0,
        **counted(tally, subjects),
    }  # fmt: skip


def leakage(profiles: list[str]) -> dict[str, Any]:
    """What attacks reached on the profiles of these sessions, and the limits that ``make leakage`` holds that to."""
    found: dict[str, Any] = {"measured": LEAKAGE, "figures": [], "limits": {}}
    try:
        with open(shipped(*_BUDGET), "rb") as file:
            limits = tomllib.load(file)
        with open(shipped(*_FIGURES), encoding="utf-8") as text:
            figures = json.load(text)
    except (OSError, ValueError):
        return found
    found["limits"] = {name: limits[name] for name in sorted(profiles) if name in limits}
    rows = [dict(zip(figures["columns"], row, strict=True)) for row in figures["figures"]]
    found["figures"] = [row for name in found["limits"] for row in rows if row["profile"] == name]
    found["measured"] = (
        f"keyboard only, by our own attackers, {figures['measured']}, so lower bounds (docs/reference/leakage.md)"
    )
    return found


def leaked(facts: dict[str, Any]) -> str:
    """The figures as a Markdown table; a card of an earlier version has the limits only."""
    limits = facts["leakage"]["limits"]
    lines = []
    for row in facts["leakage"].get("figures") or _unmeasured(limits):
        bound = limits[row["profile"]].get(row["metric"], {})
        limit = ", ".join(f"{side.replace('_', ' ')} {value:g}" for side, value in bound.items())
        lines.append(f"| {row['profile']} | {row['metric']} | {row['value']} | {row['95 % interval']} | {limit} |")
    head = ["| profile | what was tried | reached | 95 % interval | limit |", "|---|---|---|---|---|"]
    return "\n".join([*head, *lines]) if lines else ""


def _unmeasured(limits: dict[str, dict[str, Any]]) -> list[dict[str, str]]:
    return [
        {"profile": profile, "metric": metric, "value": "", "95 % interval": ""}
        for profile, metrics in limits.items()
        for metric in metrics
    ]


def counted(tally: Tally, subjects: int) -> dict[str, Any]:
    """The part of a card that is counted, and counted again after an erasure."""
    return {
        "subjects": subjects,
        "sessions": tally.profiles.total(),
        "session_minutes": tally.minutes,
        "rows": tally.rows,
        "rows_by_record": dict(sorted(tally.words["record"].items())),
        "rows_by_scope": dict(sorted(tally.words["scope"].items())),
        "rows_by_form": dict(sorted(tally.words["form"].items())),
        "rows_by_class": dict(sorted(tally.words["class"].items())),
        "rows_by_command": dict(sorted(tally.words["command"].items())),
        "rows_by_category": dict(sorted(tally.words["category"].items())),
        "rows_by_role": dict(sorted(tally.words["role"].items())),
        "rows_by_outcome": dict(sorted(tally.words["outcome"].items())),
        "gap_rows": tally.gaps,
        "unobserved_seconds_at_least": tally.unobserved,
        "sessions_by_scope": {scope: tally.scopes[scope] for scope in SCOPES if tally.scopes[scope]},
        "sessions_by_profile": dict(sorted(tally.profiles.items())),
    }


def readme(facts: dict[str, Any]) -> str:
    """The same for people, under the front matter that the Hugging Face hub and ``datasets`` read."""

    def listed(mapping: dict[str, int], total: int = 0) -> str:
        total = max(total or sum(mapping.values()), 1)
        lines = [f"- {name}: {number:,} ({100 * number / total:.1f} %)" for name, number in mapping.items()]
        return "\n".join(lines) or "- none"

    origin = _SIMULATED if facts.get("simulated") else _SIGNED.format(**facts)
    columns = "\n".join(
        f"| `{name}` | {field['kind']} | {field['meaning']} |" for name, field in facts["columns"].items()
    )
    # said, not left to be guessed from a part in which a column is empty
    features = "\n".join(f"  - name: {field.name}\n    dtype: {dtype_of(field)}" for field in ALL_FIELDS)
    return f"""\
---
pretty_name: Desktop interaction, redacted
license: other
license_name: {facts["purpose"]}-only
license_link: README.md
tags:
- desktop-logger
- computer-use
- human-computer-interaction
size_categories:
- {_size(facts["rows"])}
configs:
- config_name: default
  data_files:
  - split: train
    path: data/*.{facts["format"]}
dataset_info:
  features:
{features}
---

# Desktop interaction, redacted: export {facts["export"]}

Made on {facts["made"]} with {facts["made_by"]}, for the purpose **{facts["purpose"]}** and no other:
{"; ".join(facts["purpose_texts"])}.

{origin}

**Not allowed:** {", ".join(facts["forbidden_uses"]) or "see the policy"}; any other purpose; \
giving it to others{"" if not facts["onward_transfer"] else " except " + "; ".join(facts["onward_transfer"])}.

## What is in it

{plural(facts["rows"], "row")}, {plural(facts["sessions"], "session")} (about \
{in_words(facts["session_minutes"] * 60)}), people: {facts["subjects"]:,}. \
No text, no key, no position on the screen, no time of day. Operating systems, keyboard layouts and applications are
not recorded, so how diverse they are cannot be said. Kinds of application that got the focus: \
{_of("rows_by_category", facts)}; kinds of element that were clicked: {_of("rows_by_role", facts)}.

By record:

{listed(facts["rows_by_record"])}

By scope:

{listed(facts["rows_by_scope"])}

Sessions in which a scope was granted and something of it was recorded:

{listed(facts["sessions_by_scope"], facts["sessions"])}

By class of key (records, not presses):

{listed(facts["rows_by_class"])}

By named command:

{listed(facts["rows_by_command"])}

By kind of application that got the focus:

{listed(facts["rows_by_category"])}

By kind of element that was clicked:

{listed(facts["rows_by_role"])}

By what people said of their tasks:

{listed(facts["rows_by_outcome"])}

Recorded in `coarse` form because nobody could tell whether the field was a password's: \
{plural(facts["rows_by_form"].get("coarse", 0), "row")}.

Sessions by profile:

{listed(facts["sessions_by_profile"])}

A `gap` row means that nothing was observed, which is not the same as nothing happened. There are \
{facts["gap_rows"]:,}; a gap stands once in each scope of its session. Together, each once, they lasted at least
{in_words(facts["unobserved_seconds_at_least"])}.

Too thin to learn from (rules: docs/reference/dataset.md of desktop-logger):

{thinness.in_words(facts)}

## What to know before using it

- The data is pseudonymous, not anonymous: the rhythm of typing and pointing can recognise a person to a degree that was
  measured and bounded ({facts["leakage"]["measured"]}).
  Do not try to. Against the data steward, who holds the receipts, a pseudonym protects nobody.
- `split_group` is the same for all sessions of one person in this export. Split by it, never by row.
- `session` and `split_group` are random to this export and mean nothing in another.
- The profile of each row says its units; under `coarse` every quantity is the number of its log2 bucket.
- Under `coarse` and `counts` times are minutes, and the order of scopes within a minute is not recorded: rows of one
  minute stand scope by scope.

{leaked(facts)}

| column | kind | meaning |
|---|---|---|
{columns}
"""


def croissant(facts: dict[str, Any]) -> str:
    """The same as Croissant 1.1 (docs.mlcommons.org/croissant), JSON-LD."""
    mime = {"parquet": "application/x-parquet", "jsonl": "application/jsonlines", "csv": "text/csv"}[facts["format"]]
    types = {"words": "sc:Text", "float": "sc:Float"}
    return json.dumps(
        {
            "@context": {
                "@language": "en", "@vocab": "https://schema.org/", "cr": "http://mlcommons.org/croissant/",
                "sc": "https://schema.org/", "dct": "http://purl.org/dc/terms/", "citeAs": "cr:citeAs",
                "column": "cr:column", "conformsTo": "dct:conformsTo", "dataType": {"@id": "cr:dataType",
                "@type": "@vocab"}, "extract": "cr:extract", "field": "cr:field", "fileObject": "cr:fileObject",
                "fileSet": "cr:fileSet", "includes": "cr:includes", "recordSet": "cr:recordSet",
                "source": "cr:source", "containedIn": "cr:containedIn", "rai": "http://mlcommons.org/croissant/RAI/",
            },
            "@type": "sc:Dataset",
            "conformsTo": "http://mlcommons.org/croissant/1.1",
            "name": f"desktop-logger-{facts['export'][:8]}",
            "description": "Redacted desktop interaction of people who consented to one purpose: " + facts["purpose"],
            "license": "README.md",
            "url": "README.md",
            "version": f"1.{facts['erasures']}.0",
            "datePublished": facts["made"],
            "citeAs": f"desktop-logger export {facts['export']}",
            "creator": {"@type": "sc:Organization", "name": facts["made_by"]},
            "rai:dataUseCases": facts["purpose_texts"],
            "rai:dataLimitations": ["not to be used for: " + use for use in facts["forbidden_uses"]],
            "rai:personalSensitiveInformation": ["pseudonymous behaviour of people at work; no text"],
            "distribution": [
                {"@type": "cr:FileObject", "@id": "folder", "name": "folder", "contentUrl": ".",
                 "encodingFormat": "git+https", "sha256": "main"},
                {"@type": "cr:FileSet", "@id": "parts", "name": "parts", "containedIn": {"@id": "folder"},
                 "encodingFormat": mime, "includes": f"data/*.{facts['format']}"},
            ],
            "recordSet": [
                {
                    "@type": "cr:RecordSet", "@id": "rows", "name": "rows",
                    "field": [
                        {
                            "@type": "cr:Field", "@id": f"rows/{name}", "name": f"rows/{name}",
                            "description": field["meaning"], "dataType": types.get(field["kind"], "sc:Integer"),
                            "source": {"fileSet": {"@id": "parts"}, "extract": {"column": name}},
                        }
                        for name, field in facts["columns"].items()
                    ],
                }
            ],
        },
        indent=1,
    ) + "\n"  # fmt: skip


def _of(name: str, facts: dict[str, Any]) -> str:
    """How many words of a closed list occur."""
    words = facts["columns"][name.removeprefix("rows_by_")]["words"]
    return f"{len(facts[name])} of {len(words)}" if facts[name] else "none recorded"


_SIGNED = """\
Every row comes from a person who signed for this purpose. They can ask for erasure at any time; then
`desktop-logger admin erase` removes their rows from this folder ({erasures:,} time(s) so far), and what
was made from it has to follow. Delete all of it by **{delete_after}** at the latest."""
_SIMULATED = """\
**Simulated: no row comes from a person.** It is for trying the program, and evidence of nothing."""


def _size(rows: int) -> str:
    """The hub's size category."""
    for limit, name in ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"),
                        (10**7, "1M<n<10M"), (10**8, "10M<n<100M"), (10**9, "100M<n<1B")):  # fmt: skip
        if rows < limit:
            return name
    return "n>1B"
