"""``learn``: train, measure, use and renew models of what people do next. No key opens anything here."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Annotated, Any

import typer

from . import checking

app = typer.Typer(no_args_is_help=True, help="Models of what people do next, from datasets: train, evaluate, predict.")

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_Model = Annotated[str, typer.Argument(help="A model's folder.", metavar="MODEL")]
_Config = Annotated[
    str | None, typer.Option("--config", help="A TOML file; docs/reference/learning.md.", metavar="FILE")
]
_Kind = Annotated[str | None, typer.Option("--model", help="ngram, gru or transformer.", metavar="KIND")]
_Stale = Annotated[
    str | None, typer.Option("--stale", help="Use a stale model all the same: the name of its run.", metavar="RUN")
]


@app.command("train", epilog="Example: desktop-logger learn train sequences --out model --model gru")
def train(
    datasets: Annotated[list[str], typer.Argument(help="Built datasets; rounds in their order.", metavar="DIR...")],
    out: Annotated[str, typer.Option("--out", help="A new folder for the model.", metavar="MODEL")],
    config: _Config = None,
    kind: _Kind = None,
    as_json: _Json = False,
) -> None:
    """Train a model of the next action and the pause before it, beside baselines, and write its card.

    What was interrupted goes on when the same command runs again.
    """
    from desktop_logger.clock import Clock
    from desktop_logger.learn import training

    shown = Shown()
    ask = training.Ask(tuple(datasets), out, _config(config, kind), shown.say, shown.step)
    made = training.train(ask, Clock())
    shown.end()
    _report(made.path, made.record, as_json=as_json)


@app.command("retrain", epilog="Example: desktop-logger learn retrain model")
def retrain(model: _Model, as_json: _Json = False) -> None:
    """Train a model again on what its datasets hold now, without rows that were erased. The old one is gone then."""
    from desktop_logger.clock import Clock
    from desktop_logger.learn import training

    shown = Shown()
    made = training.retrain(model, Clock(), shown.say, shown.step)
    shown.end()
    _report(made.path, made.record, as_json=as_json)


@app.command("evaluate", epilog="Example: desktop-logger learn evaluate model --on sequences")
def evaluate(
    model: _Model,
    on: Annotated[
        str | None, typer.Option("--on", help="A dataset; none: the first it learned from.", metavar="DIR")
    ] = None,
    part: Annotated[str, typer.Option("--split", help="train, validation, test or all.", metavar="NAME")] = "test",
    stale: _Stale = None,
    as_json: _Json = False,
) -> None:
    """Measure a model on a dataset, and write where its errors lie beside the model."""
    from desktop_logger.learn import evaluating, models
    from desktop_logger.learn.measuring import HEAD, line, switches

    whole = _part(part) == "all"
    opened = models.load(model, stale=stale)
    report = evaluating.evaluate(opened, on or opened.record["sources"][0]["path"], None if whole else part)
    path = evaluating.keep(opened, report)
    if as_json:
        print(json.dumps(report))
        return
    print(HEAD)
    for name, key in (("next action", "action"), ("without movements", "action_without_moves"), ("pause", "wait")):
        print(line(name, report["metrics"], key))
    if said := switches(report["metrics"]):
        print(said)
    print("where it costs most (share of questions, right, bits):")
    for kind, name, one in evaluating.worst(report, 6):
        print(
            f"  {kind + ': ' + name:<38} {100 * one['share']:5.1f} %  {100 * one['accuracy']['value']:5.1f} %"
            f"  {one['bits']['value']:.2f}"
        )
    print(f"wrote {path}")


@app.command(
    "predict", epilog='Example: desktop-logger learn predict model --after "HOTKEY(copy) HOTKEY(switch_window)"'
)
def predict(  # noqa: PLR0917 - one parameter an option, which typer reads by name
    model: _Model,
    after: Annotated[
        str | None, typer.Option("--after", help="Actions by name, oldest first.", metavar="ACTIONS")
    ] = None,
    on: Annotated[
        str | None, typer.Option("--on", help="A dataset: foresee what follows each of its sessions.", metavar="DIR")
    ] = None,
    most: Annotated[int, typer.Option("--most", help="How many actions to name.", min=1, max=20)] = 3,
    stale: _Stale = None,
    as_json: _Json = False,
) -> None:
    """Say what probably comes next, and after what pause. Refuses a stale model unless it is asked for by name."""
    from desktop_logger.errors import UsageError
    from desktop_logger.learn import foreseeing, models

    if (after is None) == (on is None):
        raise UsageError("say after what: --after ACTIONS or --on DIR", "See: desktop-logger learn predict --help")
    opened = models.load(model, stale=stale)
    rows = foreseeing.after(opened, after, most) if after is not None else foreseeing.sessions(opened, str(on), most)
    for row in rows:
        if as_json or on is not None:
            print(json.dumps(row))
            continue
        for one in row["next"]:
            print(f"  {100 * one['probability']:5.1f} %  {one['action']}")
        print(f"  pause before it: {row['pause']}")


@app.command("feedback", epilog="Example: desktop-logger learn feedback model --out draft.json")
def feedback(  # noqa: PLR0917 - one parameter an option, which typer reads by name
    model: _Model,
    out: Annotated[str, typer.Option("--out", help="A new file for the draft of a request.", metavar="FILE")],
    on: Annotated[
        str | None, typer.Option("--on", help="A dataset to ask about; none: the first it learned from.", metavar="DIR")
    ] = None,
    part: Annotated[str, typer.Option("--split", help="train, validation, test or all.", metavar="NAME")] = "test",
    days: Annotated[int, typer.Option("--days", help="For how long volunteers are asked.", min=1, max=180)] = 14,
    as_json: _Json = False,
) -> None:
    """Estimate which data would help most, from a learning curve, and draft a request for it.

    The controller signs the draft with: desktop-logger admin ask. Nobody is asked anything by this.
    """
    from desktop_logger import disk
    from desktop_logger.errors import Refused
    from desktop_logger.learn import feedback as asking
    from desktop_logger.learn import models

    shown = Shown()
    out = disk.new_place(out)
    opened = models.load(model)
    place = on or opened.record["sources"][0]["path"]
    found = asking.gains(opened, place, None if _part(part) == "all" else part, shown.say)
    if not found:
        raise Refused(
            "no kind of data was shown to help: no curve falls by more than chance",
            "More people to test on make smaller differences visible; or nothing is missing.",
        )
    proposal = asking.draft(opened, found[0], days)
    asking.write(opened, found, proposal, out)
    if as_json:
        print(json.dumps({"draft": proposal, "gains": [one._asdict() for one in found]}))
        return
    shown_ = found[:8]
    print("\n".join([*asking.HEAD, *(one.line() for one in shown_)]))
    if any(one.borrowed for one in shown_):
        print("* hardly an example to learn from: by the curves of the others")
    print(f"an estimate; best for each volunteer first; all of them: {os.path.join(model, 'feedback.json')}")
    print(f"wrote {out} for the first line\nto ask people, sign it with: desktop-logger admin ask")


@app.command("compare", epilog="Example: desktop-logger learn compare first second --plot frontier.png")
def compare(
    models_: Annotated[list[str], typer.Argument(help="Models' folders.", metavar="MODEL...")],
    truth: Annotated[
        str | None, typer.Option("--on", help="Ask all of them about this dataset's test split.", metavar="DIR")
    ] = None,
    plot: Annotated[
        str | None, typer.Option("--plot", help="Draw use beside leakage (PNG; needs matplotlib).", metavar="FILE")
    ] = None,
    within: Annotated[
        str | None, typer.Option("--slice", help="With --on: only there, as category:mail.", metavar="KIND:NAME")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Models beside each other: how well they foresee, and what their profile was measured to tell of people.

    With --on, each is held against the first one named on the same questions: did the last round of data help?
    """
    from desktop_logger import disk
    from desktop_logger.errors import UsageError
    from desktop_logger.learn import comparing
    from desktop_logger.learn import models as shelf

    if within is not None and (truth is None or ":" not in within):
        raise UsageError("--slice goes with --on and is KIND:NAME", "As in: --on sequences --slice category:mail")
    if plot is not None:
        plot = disk.new_place(plot)
    rows = comparing.compare(models_, truth)
    against = []
    if truth is not None:
        kind, _, name = (within or "").partition(":")
        answered = [shelf.load(one) for one in models_]
        against = comparing.differences(answered, truth, "test", (kind, name) if within else None)
    if plot is not None:
        comparing.draw(plot, rows)
    if as_json:
        differ = {one.path: {"accuracy": one.accuracy, "bits": one.bits} for one in against}
        print(json.dumps([{**one._asdict(), "against_first": differ.get(one.path)} for one in rows]))
        return
    print("\n".join(comparing.table(rows)))
    if against:
        print(f"against {models_[0]}, on the same {against[0].questions:,} actions{f' ({within})' if within else ''}:")
        print("\n".join(one.line() for one in against[1:]))
    if plot is not None:
        print(f"wrote {plot}")


app.command("check", epilog="Example: desktop-logger learn check model --last 2d")(checking.check)


@app.command("models", epilog="Example: desktop-logger learn models .")
def models(
    folder: Annotated[str, typer.Argument(help="Where to look, folders below included.", metavar="DIR")] = ".",
    as_json: _Json = False,
) -> None:
    """List models, how well they foresee, and which are stale because rows they learned from were erased.

    A model whose record or weights are damaged is named, and the command then exits with 4.
    """
    from desktop_logger.errors import IntegrityError
    from desktop_logger.learn.models import listed

    rows = list(listed(folder))
    if as_json:
        print(json.dumps([one._asdict() for one in rows]))
    elif not rows:
        print(f"no model below {folder}")
    else:
        print("\n".join(line for one in rows for line in one.lines()))
    if any(one.damaged for one in rows):
        raise typer.Exit(IntegrityError.exit_status)


def _part(part: str) -> str:
    from desktop_logger.errors import UsageError

    if part not in ("train", "validation", "test", "all"):
        raise UsageError(f"'{part[:20]}' is not a split", "Splits: train, validation, test, all.")
    return part


def _config(path: str | None, kind: str | None) -> Any:
    from desktop_logger.errors import UsageError
    from desktop_logger.learn import config

    found = config.load(path)
    if kind is None:
        return found
    if kind not in config.KINDS:
        raise UsageError(f"'{kind[:20]}' is not a kind of model", f"Kinds: {', '.join(config.KINDS)}.")
    return found._replace(kind=kind, layers=2 if kind == "transformer" and path is None else found.layers)


def _report(path: str, record: dict[str, Any], *, as_json: bool) -> None:
    from desktop_logger.learn import curves
    from desktop_logger.learn.measuring import HEAD, line, switches

    if as_json:
        print(json.dumps({"model": path, **record}))
        return
    metrics = record["metrics"]
    said = [*metrics["baselines"].items(), (record["config"]["model"]["kind"], metrics["model"])]
    print("\n".join(curves.text(record["curve"], ascii_only=not _blocks())))
    for title, key in (
        ("next action", "action"),
        ("the same, where it is no movement", "action_without_moves"),
        ("pause before it", "wait"),
    ):
        print(f"{title}; intervals over {record['split']['by']}s\n  {HEAD}")
        print("\n".join(f"  {line(name, report, key)}" for name, report in said if report.get(key)))
    if changes := switches(metrics["model"]):
        print(changes)
    if record["split"]["by"] == "session":
        print("note: fewer than 5 split groups to test on: intervals are over sessions, and too narrow")
    print(f"wrote {path} (run {record['run']})")


def _blocks() -> bool:
    return (sys.stdout.encoding or "").lower().startswith("utf")


class Shown:
    """What is being done, on standard error: a bar where somebody watches, else a line a step."""

    def __init__(self, write: Callable[[str], object] = sys.stderr.write) -> None:
        self._write, self._watched = write, sys.stderr.isatty()
        self._open = False
        self._last = 0.0

    def say(self, what: str) -> None:
        """A new step."""
        self.end()
        self._write(f"{what}\n")

    def step(self, done: int, total: int, figures: dict[str, float]) -> None:
        """How far the training is, ten times a second at most."""
        now = time.monotonic()
        if not self._watched or (now - self._last < 0.1 and done < total):
            return
        self._last = now
        width = 30
        ink = "#" * (width * done // max(total, 1))
        facts = f"  epoch {figures['epoch']:.0f}: validation {figures['validation']:.3f}" if figures else ""
        self._write(f"\r[{ink:<{width}}] {100 * done // max(total, 1):3d} %{facts}  ")
        sys.stderr.flush()
        self._open = True

    def end(self) -> None:
        """The bar's line is over."""
        if self._open:
            self._write("\n")
            self._open = False
