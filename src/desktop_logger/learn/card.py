"""The model card, under the front matter that the Hugging Face hub reads: what it is for, from what, and how well."""

# ruff: noqa: E501 - the lines of a page
from __future__ import annotations

import json
from typing import Any

from desktop_logger.dataset.card import leaked

from .measuring import HEAD, line


def card(record: dict[str, Any], facts: list[dict[str, Any]]) -> str:
    """The card as Markdown; ``facts`` are the cards of the datasets."""
    config, metrics = record["config"], record["metrics"]
    found = metrics["model"]["action"]
    sources = "\n".join(
        f"- dataset `{one['dataset']}` ({one['profile']}, {one['rows']:,} sequences), SHA-256 of its parts `{one['digest']}`"
        for one in record["sources"]
    )
    forbidden = sorted({use for one in facts for use in one["forbidden_uses"]})
    texts = sorted({text for one in facts for text in one["purpose_texts"]})
    said = (("this model", metrics["model"]), *metrics["baselines"].items())
    rows, still, pauses = (
        "\n".join([HEAD, *(line(name, report, key) for name, report in said if report.get(key))])
        for key in ("action", "action_without_moves", "wait")
    )
    switches = "\n".join(
        f"| {name} | {one['bits']['value']:.3f} | {one['average_precision']:.2f} | {100 * one['where_to']['value']:.1f} % |"
        for name, report in said
        if (one := report.get("switch"))
    )
    alone = metrics["model"].get("switch") or {"share": 0.0, "bits_by_frequency": 0.0}
    switched = "Whether the application changes next: " + (
        f"{100 * alone['share']:.1f} % of actions; its frequency alone costs {alone['bits_by_frequency']:.3f} bits.\n\n"
        "| | bits | average precision | where to: right |\n|---|---|---|---|\n" + switches
        if switches
        else "this data does not say."
    )
    classes = "\n".join(
        f"| {name} | {one['questions']:,} | {100 * one['recall']:.1f} % | {100 * one['precision']:.1f} % | {one['bits']:.2f} |"
        for name, one in metrics["model"]["classes"].items()
    )
    narrow = (
        ""
        if record["split"]["by"] == "group"
        else " Fewer than five groups were there to test on, so sessions were drawn again instead: **these intervals are too"
        " narrow**, because sessions of one person are alike."
    )
    return f"""\
---
license: other
license_name: {record["sources"][0]["purpose"]}-only
license_link: README.md
library_name: desktop-logger
tags:
- desktop-logger
- computer-use
- next-action-prediction
datasets:
{chr(10).join(f"- desktop-logger-{one['dataset'][:8]}" for one in record["sources"])}
metrics:
- accuracy
model-index:
- name: {record["run"][:8]}
  results:
  - task:
      type: tabular-classification
      name: next action
    dataset:
      type: desktop-logger-{record["sources"][0]["dataset"][:8]}
      name: desktop action sequences, redacted
    metrics:
    - type: accuracy
      value: {found["accuracy"]["value"]:.4f}
    - type: log-loss
      name: log-loss in bits
      value: {found["bits"]["value"]:.4f}
---

# Next action on the desktop: model of run {record["run"]}

Foresees what somebody does next (the class or named command, never which key or where) and after what pause, from what
they did before. Kind: **{config["model"]["kind"]}**, {record["weights"]["parameters"]:,} numbers. Made {record["made"]} with
{record["made_by"]}.

It is a prior over actions, order and pace. Without pixels, text or positions **it cannot operate a computer**, and it says
nothing about how well anybody works.

## What it may be used for

For the purpose **{record["sources"][0]["purpose"]}** and no other: {"; ".join(texts)}.

**Not allowed:** {", ".join(forbidden) or "see the policy"}; recognising or comparing people; any other purpose.

## What it was trained on

{sources}

Split: {record["split"]["how"]}; {record["split"]["questions"]["train"]:,} actions to learn from,
{record["split"]["questions"]["validation"]:,} to stop by, {record["split"]["questions"]["test"]:,} to measure on. Nobody is in
two of them{"" if record["split"]["how"] == "groups" else " within one export; people of the last round can be in earlier ones"}.

People can ask for erasure at any time; then this model is stale and `desktop-logger learn predict` refuses it.

## How well it foresees

Next action (right, among the first three, log-loss; 95 % intervals over whole {record["split"]["by"]}s).{narrow}

```
{rows}
```

The same where the answer is no movement, movements taken out of the choices:

```
{still}
```

The pause before it, as a log2 bucket of seconds:

```
{pauses}
```

{switched}

Calibration error of the first choice: {100 * found["calibration_error"]:.1f} %.

| action | asked | foreseen | right when named | bits |
|---|---|---|---|---|
{classes}

## What its data still tells of people

{facts[0]["leakage"]["measured"]}.

{leaked(facts[0])}

A model can repeat what it saw; weights are as confidential as the rows they were made from.

## To make it again

```toml
{record["config_text"]}```

Environment: `{json.dumps(record["environment"], sort_keys=True)}`
"""
