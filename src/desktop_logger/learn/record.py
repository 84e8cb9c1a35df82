"""The run record, as a closed form: what a training must write down, and what a model's folder is held to.

The JSON Schema in ``docs/reference/run.schema.json`` is made from here (``python -m desktop_logger.learn.record``).
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from desktop_logger.paths import rewrite

Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Sha = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Day = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Count = Annotated[int, Field(ge=0)]


class Part(BaseModel):
    """Closed, and silent about the values that it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Source(Part):
    """One dataset that was learned from."""

    dataset: Id
    export: Id
    path: str
    digest: Sha
    """Over its parts."""
    profile: Literal["events", "bursts", "coarse"]
    purpose: str
    delete_after: Day
    rows: Count
    subjects: Count
    erasures: Count
    """How many had been carried out by then."""
    leakage: dict[str, Any]


class Split(Part):
    """How the data was divided."""

    how: Literal["groups", "last-round"]
    by: Literal["group", "session"]
    """What intervals are drawn over."""
    test_groups: Count
    questions: dict[Literal["train", "validation", "test"], Count]


class Metrics(Part):
    """Figures of the model and of its baselines on the same questions."""

    model: dict[str, Any]
    baselines: dict[str, dict[str, Any]]
    against: dict[str, dict[str, dict[str, float]]]
    """The model less each baseline, people drawn together."""


class Weights(Part):
    """The weights file."""

    sha256: Sha
    bytes: Count
    parameters: Count
    widths: list[Count] | None = None


class Cost(Part):
    """What the training took."""

    seconds: float
    training_seconds: float
    peak_memory_mb: Count | None = None


class Record(Part):
    """``run.json`` of ``learn train``, version 1."""

    v: Literal[1]
    run: Id
    datasets: Annotated[list[Id], Field(min_length=1)]
    model: str
    made: Day
    made_by: str
    replaces: list[Id]
    sources: Annotated[list[Source], Field(min_length=1)]
    config: dict[Literal["model", "data", "training", "baselines"], dict[str, str | int | float | bool]]
    config_text: str
    actions: list[str]
    split: Split
    metrics: Metrics
    curve: list[dict[str, float]]
    weights: Weights
    environment: dict[str, str | int | None]
    cost: Cost


def problem(record: object) -> str | None:
    """What is wrong with a record, as place and reason; ``None`` for nothing."""
    try:
        Record.model_validate_json(json.dumps(record), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        return f"{'.'.join(str(part) for part in first['loc']) or 'record'}: {first['msg']}"
    return None


def schema() -> str:
    """``docs/reference/run.schema.json``."""
    made = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Record.model_json_schema()}
    return json.dumps(made, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    """Rewrite the schema in a checkout."""
    rewrite(schema(), "docs", "reference", "run.schema.json")


if __name__ == "__main__":
    main()
