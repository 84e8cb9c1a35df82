"""Makes docs/reference/dataset.md from the schema, the token table and the mapping, so that they cannot disagree.

``python -m desktop_logger.dataset.document`` rewrites it in a checkout; a test fails when it is not current.
"""

# ruff: noqa: E501 - the lines of a page
from __future__ import annotations

from desktop_logger.inspection.rows import Field
from desktop_logger.paths import rewrite

from .actions import ACTIONS, AMOUNTS, CATEGORIES, NUMBERS, POINTERS, TIMES, TOKENS, WAIT_FROM
from .arrow import ALL_FIELDS, ALWAYS, SCHEMA_VERSION, kind_of, units
from .drifting import DRAWS
from .elsewhere import mapping
from .sequences import LENGTH, SPLITS
from .thinness import FEW, FEW_GROUPS, FEW_PEOPLE, UNSEEN


def page() -> str:
    """The page, Markdown."""
    lines = [
        "# Datasets: what is in an export, and what is built from it",
        "",
        "<!-- Made by `python -m desktop_logger.dataset.document`; do not edit. -->",
        "",
        "## The folder of an export",
        "",
        "```",
        "data/g07-00000.parquet   rows; a part holds whole sessions of one split group, a row group whole sessions",
        "card.json                counts, terms, what it must not be used for; README.md and croissant.json say the same",
        "erasure-pending.json     while it is here, an erasure waits and nothing may be made from this folder",
        "derived.jsonl            what was built from it: erasure follows these paths",
        "```",
        "",
        f"Parquet (zstd), JSON Lines or CSV. Schema version {SCHEMA_VERSION}, in the Parquet metadata as",
        "`desktop-logger.schema`; each field's metadata holds `meaning` and `unit:<profile>`. No column holds text: words",
        "are closed lists, coded as dictionaries. Under `coarse` every quantity is the number of its log2 bucket: 0 → 0,",
        "1 → 1, 2-3 → 2, 4-7 → 3 and so on.",
        "",
        "| column | type | meaning | unit |",
        "|---|---|---|---|",
    ]
    lines += [_row(field) for field in ALL_FIELDS]
    lines += ["", "Closed lists:", ""]
    lines += [
        f"- `{field.name}`: " + ", ".join(f"`{word}`" for word in field.words) for field in ALL_FIELDS if field.words
    ]
    lines += [
        "",
        f"Every row has {', '.join(f'`{name}`' for name in ALWAYS)}; the other columns are empty where they do not apply.",
        "",
        "A `gap` row means that nothing was observed, which is not that nothing happened; it stands once in each scope.",
        "",
        "## Reading it",
        "",
        "```python",
        'datasets.load_dataset("data-folder")                                    # Hugging Face: README.md says where',
        'pyarrow.dataset.dataset("data-folder/data", format="parquet").to_table()',
        'polars.scan_parquet("data-folder/data/*.parquet")',
        "```",
        "",
        "```sql",
        "-- DuckDB: typing by session, with the time that was not observed beside it",
        "SELECT session, sum(1 << n_text) FILTER (record = 'typing') AS at_most_keys,",
        "       count(*) FILTER (record = 'gap') AS gaps",
        "FROM 'data-folder/data/*.parquet' GROUP BY session;",
        "-- which commands follow each other",
        "SELECT command, following, count(*) FROM (",
        "  SELECT command, lead(command) OVER (PARTITION BY session ORDER BY t) AS following",
        "  FROM 'data-folder/data/*.parquet' WHERE command IS NOT NULL) GROUP BY ALL;",
        "```",
        "",
        "## What is too thin, and drift (`dataset card`)",
        "",
        f"A card says what is too thin to learn from: fewer than {FEW_PEOPLE} people; of an action, class, category or role fewer",
        f"than {FEW} tokens or rows; a split with nobody in it, or fewer than {FEW_GROUPS} split groups to test on;",
        f"more than {100 * UNSEEN:.0f} % unobserved time. `dataset card NOW --against BEFORE` compares the actions of two rounds by",
        "the population stability index, `sum((p - q) * ln(p / q))`: under 0.1 is usually called none, over 0.25 another",
        "population. Beside it stands what rounds drawn from both, whole split groups at a time, stay under in 95 of 100",
        f"draws ({DRAWS} draws): a drift below that is chance. Exports carry no dates, so a round is an export.",
        "",
        "`diversity` on an export's card counts people and split groups. Systems, keyboard layouts and applications by",
        "name are not recorded, and the card says so ([ADR 35](../adr/0035-a-card-says-what-was-not-recorded.md)); kinds",
        "of application and of clicked element are counted in rows.",
        "",
        "## The folder of sequences (`dataset build`)",
        "",
        f"One row is one sequence of at most {LENGTH} tokens (`--length`): `session`, `split_group`, `sequence` (its number in",
        "the session), `tokens` (list of int32), `mask` (list of bool; false where nothing was observed: do not train on",
        "those). A session is START … END. Exact duplicates are dropped and counted. Splits are whole split groups:",
        "; ".join(f"{name} {_groups(groups)}" for name, groups in SPLITS.items())
        + "; `dataset split` changes them and moves",
        "no row.",
        "",
        f"A token is one number below {TOKENS:,}, the same in every dataset:",
        "",
        "```",
        f"token = ((((action * {AMOUNTS} + amount) * {TIMES} + time) * {POINTERS} + pointer) * {CATEGORIES} + category) * {NUMBERS} + task",
        "```",
        "",
        f"- *action*: {', '.join(f'{number} `{name}`' for number, name in enumerate(ACTIONS))}",
        "- *amount*: log2 bucket of how many keys, clicks or steps; 0 where there is no amount",
        "- *time*: log2 bucket of seconds: how long it lasted; for `WAIT` and `UNOBSERVED`, how long that was",
        "- *pointer*: 0 none; 1-8 the eighth of the circle that the pointer went to, from the right, clockwise",
        "- *category*: the kind of application in focus, from 1 in the order of the list above; 0: not granted, or not known",
        "- *task*: number of the task in hand; 0: none was begun in this session, or it is not known",
        "",
        "Rules:",
        "",
        "- A typing run with edits becomes `TYPE` and `EDIT`; under `coarse`, which counts them as text, `TYPE` alone. Under",
        "  `events` each press is a token of its own, `TYPE(1)`.",
        f"- A pause of bucket {WAIT_FROM} or more before a record becomes `WAIT`. Under `events` and `bursts` it is time in which",
        "  nothing was done in any scope, counted from the end of all that came before it. Under `coarse`, where times are",
        "  minutes, it is the pause within the scope of the action that follows, as its column `gap` says.",
        "- A gap stands once in each scope and is one `UNOBSERVED` token.",
        "- Where `pointer` and `target` are both granted, a click stands twice: by its button and by what was under it. Whether",
        "  it was single, double or a drag is in the rows (`click`), not in the tokens.",
        "- **Under `coarse` and `counts` the order of scopes within a minute is not recorded**: each minute's keyboard records",
        "  come first, then pointer, context, target, task, each in its own order. So what follows what across scopes is known",
        "  from one minute to the next only, and category and task are 0 in a minute in which they change. The same holds for",
        "  records of `form` `coarse` within `events` and `bursts`, which stand at the start of their minute; no `WAIT` is",
        "  counted across them.",
        "- A session knows its focus from its beginning (it is said anew); a task only if it was begun in the same session.",
        "",
        "## As other projects say it",
        "",
        "AgentNet (OpenCUA) reduces recordings to calls of PyAutoGUI and of its own `computer`; open-world-agents keeps input",
        "events in MCAP. What theirs hold and ours never does: characters, key names, screen coordinates, screenshots, window",
        "titles. What ours holds and theirs do not: how long nothing was observed, and what kind of element was clicked.",
        "Names in code are theirs: `tests/foreign/vocabularies.toml` says which version they were read in.",
        "",
        "| here | OpenCUA / AgentNet | OWA |",
        "|---|---|---|",
    ]
    lines += [f"| `{one.ours}` | {one.agentnet} | {one.owa} |" for one in mapping()]
    return "\n".join([*lines, ""])


def _row(field: Field) -> str:
    named: dict[str, list[str]] = {}
    for profile, unit in units(field.name).items():
        named.setdefault(unit, []).append(profile)
    unit = "; ".join(f"{', '.join(profiles)}: {unit}" for unit, profiles in named.items()) or "-"
    return f"| `{field.name}` | {kind_of(field)} | {field.meaning} | {unit} |"


def _groups(groups: range) -> str:
    return f"groups {groups[0]}-{groups[-1]}" if len(groups) > 1 else f"group {groups[0]}"


def main() -> None:
    """Rewrite the page of the checkout that this module lies in."""
    rewrite(page(), "docs", "reference", "dataset.md")


if __name__ == "__main__":
    main()
