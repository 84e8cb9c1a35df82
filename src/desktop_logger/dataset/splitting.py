"""Splits of a built dataset: whole split groups, so that nobody is in two of them. Splitting anew moves no row."""

from __future__ import annotations

import random
from typing import Any

from desktop_logger.errors import Refused, UsageError
from desktop_logger.inspection.drawing import plural

from . import folder
from .card import leaked
from .thinness import in_words

GROUPS = 16


def split(root: str, validation: int, test: int, seed: int = 0) -> dict[str, Any]:
    """Give ``validation`` and ``test`` of the 16 split groups to those splits, the rest to train; the new card.

    Raises ``UsageError`` when no group would be left for training, ``Refused`` where people are in too few groups for
    every split that is asked for. Which groups is drawn from ``seed``.
    """
    if validation < 0 or test < 0 or validation + test >= GROUPS:
        raise UsageError("too many groups for validation and test", f"Together fewer than {GROUPS}.")
    facts = folder.read_card(root)
    if facts["kind"] != "sequences":
        raise UsageError(f"{root} holds no sequences", "Build them with: desktop-logger dataset build")
    filled = [group for group in range(GROUPS) if facts["rows_by_group"][group]]
    empty = [group for group in range(GROUPS) if not facts["rows_by_group"][group]]
    if len(filled) < (needed := 1 + bool(validation) + bool(test)):
        raise Refused(
            f"people are in {len(filled)} of the {GROUPS} split groups; {needed} splits need {needed}, or one is empty",
            "Export more people; or ask for fewer splits, as in: --validation 0",
        )
    order = random.Random(seed)  # noqa: S311 - a split that can be made again, not a secret
    order.shuffle(filled)
    # groups with people first, in proportion, so that a small dataset has people in each split it can
    total = max(len(filled), 1)
    parts = {"validation": round(validation * total / GROUPS), "test": round(test * total / GROUPS)}
    parts = {name: max(number, bool(wanted)) for (name, number), wanted in
             zip(parts.items(), (validation, test), strict=True)}  # fmt: skip
    if sum(parts.values()) >= len(filled):  # one is left to learn from
        parts = {name: min(number, 1) for name, number in parts.items()}
    groups: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
    for name, number in parts.items():
        groups[name], filled = filled[:number], filled[number:]
    groups["train"] = filled + empty
    facts["split_groups"] = {name: sorted(found) for name, found in groups.items()}
    folder.write_card(root, facts)
    return facts


def counts(facts: dict[str, Any]) -> dict[str, int]:
    """Sequences in each split."""
    rows = facts["rows_by_group"]
    return {name: sum(rows[group] for group in groups) for name, groups in facts["split_groups"].items()}


def readme(facts: dict[str, Any]) -> str:
    """The card of sequences for people, under the front matter that ``datasets`` reads."""
    here = counts(facts)
    files = "\n".join(
        f"  - split: {name}\n    path:\n"
        + "\n".join(f"    - data/g{group:02d}-*.parquet" for group in groups if facts["rows_by_group"][group])
        for name, groups in facts["split_groups"].items()
        if here[name]
    )
    listed = "\n".join(f"- {name}: {plural(number, 'sequence')}" for name, number in here.items())
    total = max(facts["tokens"], 1)
    balance = "\n".join(
        f"- {name}: {number:,} ({100 * number / total:.1f} %)" for name, number in facts["tokens_by_action"].items()
    )
    return f"""\
---
pretty_name: Desktop action sequences, redacted
license: other
license_name: {facts["purpose"]}-only
license_link: README.md
tags: [desktop-logger, computer-use]
configs:
- config_name: default
  data_files:
{files}
---

# Desktop action sequences: dataset {facts["dataset"]}

Made from export {facts["export"]}, for the purpose **{facts["purpose"]}** and no other. Not allowed:
{", ".join(facts["forbidden_uses"])}. Delete it by **{facts["delete_after"]}**.

{plural(facts["rows"], "sequence")} of {plural(facts["tokens"], "token")}; tokens of time that nobody observed: \
{facts["tokens_unobserved"]:,}.
Built from {plural(facts["records"], "record")}; exact duplicates that were dropped: {facts["duplicates_dropped"]:,}.
Erasures since: {facts["erasures"]:,}.

{listed}

`mask` is false where nothing was observed: do not train on those tokens. Splits are whole split groups, so nobody is in
two of them. Tokens, their parts and how they map to OpenCUA and OWA: docs/reference/dataset.md of desktop-logger.

By action:

{balance}

Too thin to learn from (rules: docs/reference/dataset.md):

{in_words(facts)}

What the records still tell of people: they are pseudonymous, measured and bounded, never anonymous
({facts["leakage"]["measured"]}).

{leaked(facts)}
"""
