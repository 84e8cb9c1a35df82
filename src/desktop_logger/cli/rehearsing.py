"""``admin rehearse``: the whole chain once with a synthetic person, in a temporary place, before anybody real is asked.

keys of two holders, policy → joining → the ceremony → recording a script → release → export → dataset → deletion →
export refused → erasure → acknowledgements → both ledgers verified. It plays on the demo's own display with the demo's
receipts, which ordinary export refuses: nothing of it can be mixed up with data of people.
"""

from __future__ import annotations

import os
import time

from desktop_logger import demo
from desktop_logger.errors import DesktopLoggerError, Refused


def rehearse(*, keep: bool = False) -> None:
    """Play it. Raises the first error; says what each step did."""
    from desktop_logger.dataset.arrow import pyarrow

    pyarrow()  # before anything is started
    began = time.monotonic()
    with demo._folder(keep=keep) as folder:  # noqa: SLF001 - the rehearsal is another play on the same stage
        stage = demo.Stage(folder)
        try:
            stage.set_up()
            _play(stage)
        finally:
            stage.tear_down()
    print(f"\nThe whole chain held, in {time.monotonic() - began:.0f} seconds; nothing of it is left.")


def _play(stage: demo.Stage) -> None:
    import re
    from base64 import b64encode

    from desktop_logger.admin.erase import Request, erase
    from desktop_logger.admin.export import Order, export
    from desktop_logger.admin.folder import Folder
    from desktop_logger.clock import Clock
    from desktop_logger.dataset import folder as datasets
    from desktop_logger.dataset import sequences

    _say("keys of two holders, policy, joining, signing, registering")
    stage.run("admin", "init", os.path.join(stage.folder, "second"), show=False)
    second = Folder(os.path.join(stage.folder, "second"))
    more = f'\n[recipients.second]\nname = "second holder"\npublic = "{b64encode(second.reader).decode()}"\n'
    policy = demo._organisation(stage, more)  # noqa: SLF001
    stage.run("join", policy, show=False)
    shown = stage.run("consent", "sign", show=False)
    found = re.findall(r"your key: (\S+)", shown)
    _hold(len(found) == 1, "the ceremony ended with a signature")
    stage.run("admin", "subjects", "add", found[0], "--dir", stage.admin, show=False)

    _say("recording a script, and letting it go")
    stage.run("start", show=False)
    stage.xdotool("type", "--delay", "20", "a rehearsal types this")
    time.sleep(2.5)
    stage.run("stop", show=False)
    stage.run("release", "--now", show=False)

    _say("export, dataset")
    steward, clock, out = Folder(stage.admin), Clock(), os.path.join(stage.folder, "export")
    keys = steward.unlock_with(demo.PASSPHRASE, second, demo.PASSPHRASE)
    order = Order((os.path.join(stage.home, "outbox"),), out, demo.PURPOSE, "parquet")
    for one in (steward, second):
        alone = export(steward, one.unlock(demo.PASSPHRASE), order, clock, demo=True)
        _hold(alone.export is None and len(alone.refused) > 0, "one holder alone opens nothing")
    report = export(steward, keys, order, clock, demo=True)
    _hold(report.export is not None and report.rows > 0, f"{report.rows} rows were exported")
    built = sequences.build(out, os.path.join(stage.folder, "sequences"))
    _hold(built.sequences > 0, f"{built.sequences} sequence(s) of {built.tokens} tokens were built")
    _hold(len(stage.report("ledger", "--exports")["exports"]) == 1, "the person reads who exported it")

    _say("the person deletes; the organisation has to follow")
    stage.run("purge", "--all", show=False)
    _hold(stage.report("erasures")["erasures"][0]["state"] == "outstanding", "the request is outstanding")
    try:
        export(steward, keys, order._replace(out=out + "-again"), clock, demo=True)
        refused = False
    except Refused:
        refused = True
    _hold(refused, "nothing more is opened before it is carried out")
    done = erase(steward, keys, Request(order.sources), clock)
    _hold(len(done.requests) == 1, "the request was carried out")
    for place in (out, built.out):
        _hold(
            datasets.read_card(place)["rows"] == 0 and not datasets.part_files(place),
            f"no row is left in {_short(place)}",
        )
    _hold(stage.report("erasures")["erasures"][0]["state"] == "done", "the person reads that it was done")
    _hold(stage.report("verify")["ok"], "the person's ledger verifies")
    stage.run("admin", "verify", "--dir", stage.admin, show=False)
    _hold(True, "the organisation's ledger verifies")


def _say(what: str) -> None:
    print(what, flush=True)


def _hold(held: bool, what: str) -> None:
    if not held:
        raise DesktopLoggerError(f"the rehearsal failed: not true that {what}", "Keep the folder (--keep), and look.")
    print(f"  held: {what}", flush=True)


def _short(path: str) -> str:
    return os.path.basename(path)
