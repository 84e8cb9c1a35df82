"""The organisation's commands: keys, policy, registered people, export. They never see a subject's machine."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from . import requests, stewarding
from .narrow import hanging, lines

if TYPE_CHECKING:
    from desktop_logger.admin.folder import Folder, Keys

app = typer.Typer(no_args_is_help=True, help="For the organisation: keys, policy, registered people, export.")
policy = typer.Typer(no_args_is_help=True, help="Sign a policy, or sign it a second time.")
subjects = typer.Typer(no_args_is_help=True, help="Register people by their key's fingerprint.")
app.add_typer(policy, name="policy")
app.add_typer(subjects, name="subjects")
stewarding.register(app)
app.command("ask", epilog="Example: desktop-logger admin ask draft.json --policy p.json --dir steward --out ask.json")(
    requests.ask
)

_Dir = Annotated[str, typer.Option("--dir", help="The admin folder that `admin init` made.", metavar="DIR")]
_PassphraseFd = Annotated[
    int | None, typer.Option("--passphrase-fd", help="Read the passphrase from this descriptor.", metavar="N")
]
_WithFd = Annotated[
    int | None, typer.Option("--with-passphrase-fd", help="The other holder's, from this descriptor.", metavar="N")
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


_EXAMPLE = ("@example.org", "to be named by", "(title and date)", '"Example organisation"')


@app.command("init", epilog="Example: desktop-logger admin init steward")
def init(
    folder: Annotated[str, typer.Argument(help="A new folder for keys, ledger and policy.", metavar="DIR")],
    organisation: Annotated[
        str, typer.Option("--organisation", help="Its name, as people will read it.", metavar="NAME")
    ] = "Example organisation",
) -> None:
    """Make the organisation's keys, locked with a passphrase, and a policy to fill in."""
    from desktop_logger import disk
    from desktop_logger.admin.folder import check_new, create
    from desktop_logger.clock import Clock
    from desktop_logger.sealing import fingerprint

    from . import passphrase

    passphrase.need_terminal("Making keys")
    disk.need_folder_above(folder)
    check_new(folder)
    made = create(folder, passphrase.ask_twice(), Clock(), organisation=organisation)
    print(f"made {made.root}")
    print(f"  controller  {fingerprint(made.controller)}")
    print("              signs policies; people compare it when they join")
    print(f"  reader      {fingerprint(made.reader)}")
    print("              opens what people release; it is shown when they sign")
    print("Keep a copy of the folder offline. Without it and the passphrase, nothing that")
    print("was released to it can be opened.")
    print(f"Next: edit {made.policy_file}, then:")
    print(f"  desktop-logger admin policy sign {made.policy_file} --dir {folder}")


@policy.command("sign", epilog="Example: desktop-logger admin policy sign steward/policy.toml --dir steward")
def policy_sign(
    file: Annotated[str, typer.Argument(help="The policy (TOML).", metavar="FILE")],
    directory: _Dir,
) -> None:
    """Check a policy and sign it with the controller's key."""
    from desktop_logger.admin.folder import Folder
    from desktop_logger.admin.registry import readers_of, sign_policy
    from desktop_logger.clock import Clock
    from desktop_logger.sealing import fingerprint

    from . import passphrase

    folder = Folder(directory)
    passphrase.need_terminal("Signing a policy")
    _say_what_is_still_the_example(file)
    target = sign_policy(folder, file, passphrase.ask, Clock())
    print(f"signed {target}")
    for reader, name in readers_of(file):
        print(f"  reader      {reader}   {name}")
    print("Hand it out with the controller's fingerprint:")
    print(f"  {fingerprint(folder.controller)}")
    print("People adopt it with:")
    print(f"  desktop-logger join {target}")


def _say_what_is_still_the_example(file: str) -> None:
    """Before anybody signs: the lines of the example policy that nobody has replaced."""
    try:
        with open(file, encoding="utf-8") as text:
            left = [
                line.strip() for line in text if any(mark in line for mark in _EXAMPLE) and not line.startswith("#")
            ]
    except (OSError, UnicodeDecodeError):
        return  # signing says what is wrong with it
    for line in left:
        print(hanging(f"note: still as in the example: {line}", "  "))


@policy.command(
    "countersign", epilog="Example: desktop-logger admin policy countersign policy.signed.json --dir council"
)
def policy_countersign(
    file: Annotated[str, typer.Argument(help="The signed policy.", metavar="FILE")],
    directory: _Dir,
) -> None:
    """Sign a signed policy a second time, as the works council or data protection officer that it names."""
    from desktop_logger.admin.countersigning import countersign
    from desktop_logger.admin.folder import Folder
    from desktop_logger.clock import Clock

    from . import passphrase

    folder = Folder(directory)
    passphrase.need_terminal("Countersigning a policy")
    checked = countersign(folder, file, passphrase.ask, Clock())
    print(f"countersigned {file}: {checked.id} version {checked.version}")


@app.command("papers", epilog="Example: desktop-logger admin papers papers --policy steward/policy.toml")
def papers(
    folder: Annotated[str, typer.Argument(help="A folder for the papers.", metavar="DIR")],
    policy_file: Annotated[str, typer.Option("--policy", help="Their policy, TOML or signed.", metavar="FILE")],
) -> None:
    """Write what an organisation needs beside the program: DPIA inventory, Art. 30 record, annex, information sheet."""
    from desktop_logger.admin.papers import write

    for path in write(folder, policy_file):
        print(path)


@subjects.command(
    "add",
    epilog="Example: desktop-logger admin subjects add ABCD-EFGH-IJKL-MNOP-QRST-UVWX-YZ23-4567 --dir steward",
)
def subjects_add(
    fingerprint: Annotated[str, typer.Argument(help="The fingerprint that the person reads out to you.")],
    directory: _Dir,
) -> None:
    """Register a person's fingerprint, read out in person. Only registered people's data can be opened."""
    from desktop_logger.admin.folder import Folder
    from desktop_logger.admin.registry import add_subject
    from desktop_logger.clock import Clock

    added = add_subject(Folder(directory), fingerprint, Clock())
    print("registered" if added else "was registered already; nothing changed")


@subjects.command(
    "remove",
    epilog="Example: desktop-logger admin subjects remove ABCD-EFGH-IJKL-MNOP-QRST-UVWX-YZ23-4567 --dir steward",
)
def subjects_remove(
    fingerprint: Annotated[str, typer.Argument(help="A fingerprint that was registered.")],
    directory: _Dir,
) -> None:
    """Take a person off the list: from now on nothing of theirs is opened. It erases nothing; people ask for that."""
    from desktop_logger.admin.folder import Folder
    from desktop_logger.admin.registry import remove_subject
    from desktop_logger.clock import Clock

    removed = remove_subject(Folder(directory), fingerprint, Clock())
    print("removed" if removed else "was not registered; nothing changed")


@subjects.command("list", epilog="Example: desktop-logger admin subjects list --dir steward")
def subjects_list(directory: _Dir, as_json: _Json = False) -> None:
    """Show the registered fingerprints with the day of each. Names are in your own papers, not here."""
    from desktop_logger.admin.folder import Folder
    from desktop_logger.admin.registry import subjects as registered

    found = registered(Folder(directory))
    if as_json:
        print(json.dumps([{"fingerprint": one, "day": day} for one, day in found]))
        return
    for one, day in found:
        print(f"{one}  since {day}")
    print(f"{len(found)} registered", file=sys.stderr)


@app.command(
    "export",
    epilog="Example: desktop-logger admin export --from outbox --out data --purpose improve-tools --dir steward",
)
def export(  # noqa: PLR0917 - one parameter an option, which typer reads by name
    out: Annotated[str, typer.Option("--out", help="A new folder for the dataset, or s3://….", metavar="DIR")],
    purpose: Annotated[str, typer.Option("--purpose", help="The purpose, by its id in the policy.", metavar="NAME")],
    directory: _Dir,
    source: Annotated[
        list[str], typer.Option("--from", help="A folder with bundles, or s3://…; may be repeated.", metavar="OUTBOX")
    ],
    form: Annotated[str, typer.Option("--format", help="parquet, jsonl or csv.", metavar="NAME")] = "parquet",
    published: Annotated[
        bool, typer.Option("--published", help="For others too: the policy's minimum_group applies.")
    ] = False,
    profile: Annotated[
        str, typer.Option("--profile", help="Only what was recorded as this profile.", metavar="NAME")
    ] = "",
    engine: Annotated[
        str, typer.Option("--engine", help="local (this machine) or ray (a cluster).", metavar="NAME")
    ] = "local",
    address: Annotated[
        str | None, typer.Option("--address", help="The Ray cluster; none: one on this machine.", metavar="HOST:PORT")
    ] = None,
    other: Annotated[
        str | None,
        typer.Option("--with", help="The other holder's folder, where the policy asks for two.", metavar="DIR"),
    ] = None,
    passphrase_fd: _PassphraseFd = None,
    with_passphrase_fd: _WithFd = None,
    as_json: _Json = False,
) -> None:
    """Open the bundles that grant the purpose, and write redacted rows with a data card.

    While an erasure request waits for an earlier export, nothing is opened: `admin erase` comes first. What is refused
    is listed with its reason and stops nothing. What was interrupted goes on when the same command runs again.
    Where two people hold the key, both type their passphrases; the other one's folder keeps an entry of it too.
    """
    from desktop_logger.admin import engines
    from desktop_logger.admin.export import Order
    from desktop_logger.admin.export import export as run
    from desktop_logger.admin.folder import Folder
    from desktop_logger.clock import Clock

    order = Order(tuple(source), out, purpose, form, published, profile)
    folder = Folder(directory)
    order.check()
    engines.check(engine)
    keys = _keys(folder, other, purpose, passphrase_fd, with_passphrase_fd)
    report = run(folder, keys, order, Clock(), progress=_progress(), engine=engine, address=address)
    for piece in report.json() if as_json else report.lines():
        print(piece if as_json else lines(piece), end="" if as_json else "\n")
    print(end="\n" if as_json else "")
    if report.export is None:
        raise typer.Exit(1)


def _keys(folder: Folder, other: str | None, purpose: str, ours: int | None, theirs: int | None) -> Keys:
    """The keys of one holder, or of two; the second one's ledger says so before anything is opened."""
    from desktop_logger.admin.folder import Folder
    from desktop_logger.clock import Clock
    from desktop_logger.errors import UsageError

    from . import passphrase

    if other is None:
        if theirs is not None:
            raise UsageError("--with-passphrase-fd goes with --with", "Name the other holder's folder: --with DIR.")
        return folder.unlock(passphrase.obtain(ours))
    second = Folder(other)
    first = passphrase.obtain(ours, f"Passphrase of {folder.who[:9]}:")
    keys = folder.unlock_with(first, second, passphrase.obtain(theirs, f"Passphrase of {second.who[:9]}:"))
    second.ledger.append(Clock(), "opened.together", keys.who, purpose=purpose)
    return keys


def _progress() -> bool:
    """Whether a moving line helps: only where somebody watches."""
    return sys.stderr.isatty()
