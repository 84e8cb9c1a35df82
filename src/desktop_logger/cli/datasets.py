"""``dataset build``, ``split`` and ``card``: from exports to what a model is trained on. No key opens anything here."""

from __future__ import annotations

import json
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="From exports to training sequences: build, split, card.")

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_Folder = Annotated[str, typer.Argument(help="A dataset's folder.", metavar="DIR")]


@app.command("build", epilog="Example: desktop-logger dataset build data --out sequences")
def build(
    export: Annotated[str, typer.Argument(help="An export in Parquet.", metavar="EXPORT")],
    out: Annotated[str, typer.Option("--out", help="A new folder.", metavar="DIR")],
    length: Annotated[int, typer.Option("--length", help="Most tokens in a sequence.", min=16, max=1 << 16)] = 512,
    keep_duplicates: Annotated[bool, typer.Option("--keep-duplicates", help="Do not drop equal sequences.")] = False,
    as_json: _Json = False,
) -> None:
    """Make sequences of tokens: one per session, cut to length, with a mask for time that nobody observed.

    Refuses while an erasure waits for the export. The export remembers what was made of it, so that erasure follows.
    """
    from desktop_logger.dataset import sequences
    from desktop_logger.inspection.drawing import plural

    from .narrow import hanging

    built = sequences.build(export, out, length=length, deduplicate=not keep_duplicates)
    if as_json:
        print(json.dumps(built._asdict()))
        return
    made = f"{plural(built.sequences, 'sequence')} of {plural(built.tokens, 'token')}"
    print(hanging(f"wrote {made} from {plural(built.records, 'record')} to {out}", "  "))
    if built.duplicates:
        print(f"dropped {plural(built.duplicates, 'exact duplicate')}")


@app.command("split", epilog="Example: desktop-logger dataset split sequences --validation 2 --test 2")
def split(
    folder: _Folder,
    validation: Annotated[int, typer.Option("--validation", help="Split groups for validation, of 16.")] = 1,
    test: Annotated[int, typer.Option("--test", help="Split groups for test, of 16.")] = 2,
    seed: Annotated[int, typer.Option("--seed", help="The same number gives the same split.")] = 0,
    as_json: _Json = False,
) -> None:
    """Split by whole split groups, never by row: nobody is in two splits. No row moves."""
    from desktop_logger.dataset import splitting
    from desktop_logger.inspection.drawing import plural

    from .narrow import hanging

    facts = splitting.split(folder, validation, test, seed)
    counts = splitting.counts(facts)
    if as_json:
        print(json.dumps({"split_groups": facts["split_groups"], "sequences": counts}))
        return
    for name, number in counts.items():
        groups = ", ".join(map(str, facts["split_groups"][name])) or "-"
        print(hanging(f"{name:<11} {plural(number, 'sequence'):>22}, groups {groups}", " " * 43))


@app.command("card", epilog="Example: desktop-logger dataset card sequences")
def card(
    folder: _Folder,
    against: Annotated[
        str | None, typer.Option("--against", help="An earlier round: say how far this one has moved.", metavar="DIR")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Print the card of an export or a built dataset: what is in it, what for, and what it must not be used for.

    It says what is too thin to learn from; with --against, how far two rounds of sequences lie apart.
    """
    from desktop_logger.dataset import drifting, thinness
    from desktop_logger.dataset import folder as folders

    from .narrow import narrow

    facts = folders.read_card(folder)
    drift = drifting.drift(folder, against) if against is not None else None
    if as_json:
        more = {"drift": {**drift._asdict(), "verdict": drift.verdict}} if drift else {}
        print(json.dumps({**facts, "too_thin": thinness.thin(facts), **more}))
        return
    print(narrow(folders.readme_of(facts).partition("\n---\n")[2].strip()))
    if drift:
        print(narrow("\n" + "\n".join([f"Against {against}:", "", *drift.lines()])))
