"""The subject's consent on the command line: read, sign, look, withdraw; and adopting an organisation's policy.

Signing and joining need a person at a terminal. Withdrawing needs nothing: no passphrase, no terminal, no daemon.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import Annotated, Any

import typer

from desktop_logger.clock import day
from desktop_logger.errors import DesktopLoggerError, NoConsent, Refused, UsageError

from .systems import need_linux

app = typer.Typer(
    help="Read the notice, sign, look at what you signed, withdraw.", no_args_is_help=True, rich_markup_mode=None,
    epilog="Example: desktop-logger consent sign",
)  # fmt: skip

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command(epilog="Example: desktop-logger consent show")
def show(
    summary: Annotated[bool, typer.Option("--summary", help="Only the first screen.")] = False,
    language: Annotated[str | None, typer.Option("--language", help="en, de or fr; else the terminal's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the notice that you would sign, and the policy in words. Nothing is recorded by reading it."""
    from desktop_logger import policy as policies
    from desktop_logger.consent import notices, saying
    from desktop_logger.consent.ceremony import policy_in_words
    from desktop_logger.paths import home

    if language is not None and language not in notices.LANGUAGES:
        raise UsageError(f"--language {language[:20]}: not one of {', '.join(notices.LANGUAGES)}")
    policy, _ = policies.active(home())
    spoken = language or notices.language()
    notice = notices.load(policy.notice.id, policy.notice.version, spoken)
    words = f"{policy_in_words(policy, spoken)}\n\n{saying.fields_in_words(policy, spoken)}"
    if as_json:
        report = {"id": notice.id, "version": notice.version, "language": notice.language, "sha256": notice.sha256,
                  "summary": notice.summary, "text": notice.rest, "policy": words}  # fmt: skip
        print(json.dumps(report, ensure_ascii=False))
        return
    print(notice.summary if summary else f"{notice.summary}\n\n{notice.rest}\n\n{words}")


@app.command(epilog="Example: desktop-logger consent sign")
def sign(
    new_identity: Annotated[
        bool, typer.Option("--new-identity", help="Start with new keys: what was recorded becomes unreadable.")
    ] = False,
    choose: Annotated[
        bool, typer.Option("--choose", help="Ask about everything again, also when this is a renewal.")
    ] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="For a screen reader: whole sentences, no columns, no paging.")
    ] = False,
    copy: Annotated[
        str | None, typer.Option("--copy", help="Put a copy of the receipt into this file or folder.", metavar="PATH")
    ] = None,
    request: Annotated[
        str | None, typer.Option("--request", help="Answer this collection request, for its time.", metavar="FILE")
    ] = None,
) -> None:
    """Read, choose and sign at a terminal; every question is answered no unless you say yes.

    Renewing shows what has changed since you signed, and asks only about that.
    """
    from desktop_logger.clock import Clock
    from desktop_logger.consent.ceremony import Ceremony
    from desktop_logger.consent.terminal import Terminal
    from desktop_logger.paths import home

    from .books import StoreBooks

    need_linux("there is nothing to sign for")
    place, clock = home(), Clock()
    asked = None
    if request is not None:
        from .requests import read

        asked = read(request)
    terminal = Terminal(plain=plain)
    ceremony = Ceremony(place, clock, terminal, StoreBooks(place, clock), asked)
    ceremony.hold(new_identity=new_identity, choose=choose, copy=copy)
    _tell_daemon(place)


@app.command(epilog="Example: desktop-logger consent status --json")
def status(as_json: AsJson = False) -> None:
    """Say whether the consent is valid now, and what it covers; look at everything that the gate looks at."""
    from desktop_logger.consent import words

    report = _state()
    if as_json:
        print(json.dumps(report, ensure_ascii=False))
        return
    print(f"consent: {report['state']}" + ("" if report["valid"] else " (not valid: nothing is recorded)"))
    if report["reason"]:
        print(f"  {report['reason']}")
        if report["hint"]:
            print(f"  {report['hint']}")
    if report["valid"]:
        print(f"  recorded: {', '.join(report['scopes'])} as {report['profile']}, kept {report['retention_days']} days")
        if report["recipients"]:
            print(f"  shared as {report['release']} for {', '.join(report['purposes'])} with:")
            for one in report["recipients"]:
                print(f"    {one['name']}: {', '.join(one['scopes'])} · {one['fingerprint']}")
        else:
            print("  shared with nobody")
        if report["hours"]:
            print(f"  {words.hours('en', report['hours'])}")
        if report["narrowed"]:
            print("  narrower than what you signed")
        print(f"  until {day(report['expires'])}")
        print(f"  your key: {report['identity']}")
    if report["reminder"]:
        print(f"  {report['reminder']}")
    for note in report["notes"]:
        print(f"  {note}")


def _tell_daemon(place: Any) -> None:
    """Make a running daemon look at the consent now; nothing happens where none runs."""
    from desktop_logger import control

    with contextlib.suppress(DesktopLoggerError):
        control.ask(place, {"verb": "look"})


def _state() -> dict[str, Any]:
    from desktop_logger.clock import Clock
    from desktop_logger.consent import gate, narrowing, validation, words
    from desktop_logger.paths import home

    report: dict[str, Any] = {
        "state": "ConsentUnknown", "valid": False, "reason": None, "hint": None, "receipt": None, "given": None,
        "expires": None, "scopes": [], "profile": None, "release": None, "purposes": [], "recipients": [],
        "identity": None, "retention_days": None, "hours": None, "narrowed": False, "reminder": None, "demo": False,
        "renewal_shows_changes": False, "notes": [],
    }  # fmt: skip
    place, clock = home(), Clock()
    try:
        grant = gate.check(place, clock)
        valid = validation.examine(place, clock)
    except NoConsent as error:
        return {**report, "state": error.state, "reason": error.message, "hint": error.hint}
    return {
        **report, "state": valid.receipt.event.state, "valid": True, "receipt": grant.receipt_id,
        "given": grant.given,
        "identity": valid.receipt.parties.subject.identity_fingerprint,
        "expires": grant.expires, "scopes": list(grant.scopes), "profile": grant.own.name,
        "release": grant.release.name if grant.release else None, "purposes": list(grant.purposes),
        "recipients": [
            {"name": one.name, "fingerprint": one.fingerprint, "scopes": list(one.scopes)} for one in grant.admins
        ],
        "retention_days": grant.retention_days, "hours": grant.schedule,
        "narrowed": valid.left != narrowing.whole_of(valid.receipt),
        "reminder": gate.reminder(grant.expires, clock.now()),
        "demo": grant.demo, "renewal_shows_changes": valid.rewording,
        "notes": [words.say("en", key) for key in valid.notes],
    }  # fmt: skip


@app.command(epilog="Example: desktop-logger consent withdraw")
def withdraw(as_json: AsJson = False) -> None:
    """Take your consent back, now: recording ends. Then you are asked whether to delete what was recorded."""
    from desktop_logger import control
    from desktop_logger.clock import Clock
    from desktop_logger.consent import withdrawing
    from desktop_logger.paths import home

    place, clock = home(), Clock()
    path = withdrawing.withdraw(place, clock)
    with contextlib.suppress(DesktopLoggerError):
        control.halt(place, "stop")  # whatever it answers, the gate is closed by the marker
    if not as_json:
        print(
            "Withdrawn. Nothing is recorded any more." + (f" Your receipt of this: {path}" if path else ""), flush=True
        )
    from desktop_logger import store

    from .books import StoreBooks

    books = StoreBooks(place, clock, patience_s=0.3)
    try:
        withdrawing.record_pending(place, books.record_withdrawal)
    except DesktopLoggerError as error:
        if not as_json:
            print(f"note: the ledger will say so later ({error.message})")
    for line in () if as_json else books.notes:
        print(f"note: {line}")
    deleted = False
    if not as_json and os.isatty(0) and os.isatty(1):
        deleted = _offer_purge(place, clock)
    gone = books.end_if_withdrawn()
    if as_json:
        print(json.dumps({"withdrawn": True, "receipt": path, "device_key_destroyed": gone, "deleted": False}))
    elif not deleted and store.segments(place):
        print("What was recorded is still here. Delete it: desktop-logger purge --all")
    if not gone and not as_json:
        print("One key stays, so that you can still ask for what was shared to be erased. It goes when you delete it.")


def _offer_purge(place: Any, clock: Any) -> bool:
    """Ask, default yes; delete everything that was recorded. Whether it was deleted."""
    from desktop_logger import store
    from desktop_logger.consent import notices, words
    from desktop_logger.consent.terminal import Terminal

    language = notices.language()
    try:
        answer = Terminal().ask(words.say(language, "purge"))
        while not words.answers(language, answer):
            answer = Terminal().ask(words.say(language, "purge"))
    except (Refused, KeyboardInterrupt):
        print()
        return False
    if not words.affirms(language, answer, default=True):
        return False
    done = store.purge(place, clock, lambda: [one.id for one in store.segments(place)])
    print(f"Deleted: {len(done.segments)} segment(s).")
    for note in done.notes:
        print(f"note: {note}")
    return True


@app.command(epilog="Example: desktop-logger consent history")
def history(as_json: AsJson = False) -> None:
    """List every consent that was signed here, and what became of it."""
    found = _history()
    if as_json:
        print(json.dumps({"receipts": found}))
        return
    if not found:
        print("nothing was ever signed here")
    for one in found:
        if one["given"] is None:
            print(f"{one['receipt']}  {one['state']}")
            continue
        end = f"withdrawn {day(one['withdrawn'])}" if one["withdrawn"] else f"until {day(one['expires'])}"
        mark = "  in force" if one["in_force"] else ""
        print(f"{day(one['given'])}  {one['state']}, {end}  {one['receipt']}{mark}")


def _history() -> list[dict[str, Any]]:
    from desktop_logger import disk
    from desktop_logger.consent import receipt, withdrawing
    from desktop_logger.paths import home

    place = home()
    try:
        names = sorted(os.listdir(place.receipts))
    except OSError:
        return []
    try:
        current = disk.read(place.receipt, receipt.LARGEST)
    except OSError:
        current = b""
    found: list[dict[str, Any]] = []
    for name in names:
        if not name.endswith(".json") or name.count(".") > 1:  # .withdrawn.json, .narrowed.json
            continue
        path = os.path.join(place.receipts, name)
        one: dict[str, Any] = {"receipt": name.removesuffix(".json"), "state": "ConsentInvalidated", "given": None,
                               "expires": None, "withdrawn": None, "in_force": False, "path": path}  # fmt: skip
        found.append(one)
        try:
            data = disk.read(path, receipt.LARGEST)
            signed = receipt.verify(data)
        except (OSError, DesktopLoggerError):
            continue
        one.update(state=signed.event.state, given=signed.event.given, expires=signed.event.expires)
        one["in_force"] = data == current and not os.path.lexists(place.withdrawn)
        try:
            ended = withdrawing.verify(disk.read(path.removesuffix(".json") + ".withdrawn.json", 16 * 1024))
        except (OSError, DesktopLoggerError):
            continue
        one.update(withdrawn=ended["withdrawn"], state="ConsentWithdrawn", in_force=False)
    return sorted(found, key=lambda one: one["given"] or 0)


@app.command(epilog="Example: desktop-logger consent narrow --without pointer --profile coarse")
def narrow(
    without: Annotated[
        list[str] | None, typer.Option("--without", help="A scope that is no longer recorded.", metavar="SCOPE")
    ] = None,
    profile: Annotated[
        str | None, typer.Option("--profile", help="A coarser profile: bursts, coarse or counts.", metavar="NAME")
    ] = None,
    not_for: Annotated[
        list[str] | None, typer.Option("--not-for", help="A purpose that it is no longer for.", metavar="PURPOSE")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Allow less from now on: at once, without your passphrase. Getting it back needs your signature."""
    from desktop_logger.clock import Clock
    from desktop_logger.consent import narrowing, validation, words
    from desktop_logger.paths import home

    if not without and not not_for and profile is None:
        raise UsageError("nothing was named", "Name a --without SCOPE, a --profile or a --not-for PURPOSE.")
    place, clock = home(), Clock()
    valid = validation.examine(place, clock)
    left = narrowing.chosen(valid.left, without or [], not_for or [], profile)
    path = narrowing.narrow(place, clock, valid.receipt, valid.sha256, left)
    _tell_daemon(place)
    from .books import StoreBooks

    try:
        StoreBooks(place, clock, patience_s=2.0).record(
            "consent.narrowed", receipt=valid.receipt.header.id, scopes=list(left.scopes), profile=left.profile,
            purposes=list(left.purposes),
        )  # fmt: skip
    except DesktopLoggerError as error:
        if not as_json:
            print(f"note: the ledger does not say so ({error.message}); it holds all the same")
    if as_json:
        print(json.dumps({"scopes": left.scopes, "profile": left.profile, "purposes": left.purposes, "path": path}))
        return
    language = valid.receipt.header.language
    purposes = words.say(language, "for_purposes", purposes=", ".join(left.purposes))
    if not valid.receipt.processing.recipients or not left.purposes:
        purposes = words.say(language, "for_nothing")
    scopes = words.scopes(language, left.scopes)
    print(words.say(language, "narrowed", scopes=scopes, profile=left.profile, purposes=purposes))


@app.command(epilog="Example: desktop-logger consent verify receipt.json --controller ABCD-EFGH-…")
def verify(
    file: Annotated[str, typer.Argument(help="A receipt, narrowing, withdrawal or signed policy.")],
    controller: Annotated[
        str | None, typer.Option("--controller", help="The organisation's fingerprint, as you were given it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a file on any computer: it needs nothing but the file, and the organisation's fingerprint to compare."""
    from desktop_logger import disk
    from desktop_logger.consent import checking

    try:
        data = disk.read(file, checking.LARGEST)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror or 'cannot be read'}") from None
    report = checking.check(data, os.path.basename(file), controller)
    if as_json:
        print(json.dumps(report, ensure_ascii=False))
        return
    print("\n".join(checking.in_words(report)))


@app.command("receipt", epilog="Example: desktop-logger consent receipt --format text")
def print_receipt(
    receipt_id: Annotated[str | None, typer.Argument(help="Which receipt; the one in force if left out.")] = None,
    form: Annotated[
        str, typer.Option("--format", help="json (exactly what was signed), dpv (JSON-LD) or text.")
    ] = "json",
    out: Annotated[
        str | None, typer.Option("--out", help="Write it to this new file or folder instead.", metavar="PATH")
    ] = None,
) -> None:
    """Print a receipt: exactly the bytes that were signed, the same as JSON-LD in W3C DPV terms, or in words."""
    from desktop_logger import disk
    from desktop_logger.consent import receipt
    from desktop_logger.paths import home

    if form not in ("json", "dpv", "text"):
        raise UsageError(f"--format {form[:20]}: not one of json, dpv, text")
    place = home()
    if receipt_id is not None and not (len(receipt_id) == 32 and all(one in "0123456789abcdef" for one in receipt_id)):
        raise UsageError("a receipt's name is 32 hexadecimal digits", "See: desktop-logger consent history")
    path = os.path.join(place.receipts, f"{receipt_id}.json") if receipt_id else place.receipt
    try:
        data = disk.read(path, receipt.LARGEST)
    except OSError:
        raise NoConsent("there is no such receipt", "See: desktop-logger consent history") from None
    signed = receipt.verify(data)
    if form == "json":
        printed = data
    elif form == "dpv":
        from desktop_logger.consent.linked import linked

        printed = json.dumps(linked(signed), indent=1, ensure_ascii=False).encode()
    else:
        from desktop_logger.consent.wording import receipt_in_words

        printed = receipt_in_words(signed).encode()
    if out is None:
        sys.stdout.write(printed.decode() + "\n")
        return
    from desktop_logger.consent.ceremony import save_copy

    try:
        print(save_copy(out, signed.header.id, printed))
    except OSError as error:
        raise UsageError(f"{out}: {error.strerror or 'cannot be written'}", "Name a new file or a folder.") from None


def join(
    file: Annotated[str, typer.Argument(help="The signed policy that your organisation gave you.")],
) -> None:
    """Adopt an organisation's signed policy, after comparing its fingerprint. Sends nothing, records nothing."""
    from desktop_logger import disk
    from desktop_logger import policy as policies
    from desktop_logger.consent import notices, words
    from desktop_logger.consent.ceremony import policy_in_words
    from desktop_logger.consent.digest import fingerprint_of
    from desktop_logger.consent.terminal import Terminal
    from desktop_logger.paths import home

    try:
        data = disk.read(file, 1 << 20)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror or 'cannot be read'}") from None
    policy, _ = policies.open_signed(data, os.path.basename(file))
    if policy.controller is None:
        raise UsageError(f"{file}: controller: missing")
    terminal, language = Terminal(), notices.language()
    notices.load(policy.notice.id, policy.notice.version, language)
    try:
        terminal.say(policy_in_words(policy, language) + "\n")
        terminal.say(words.say(language, "fingerprint", fingerprint=fingerprint_of(policy.controller.public)))
        agreed = words.affirms(language, terminal.ask(words.say(language, "match")))
    except KeyboardInterrupt:
        agreed = False
    if not agreed:
        raise Refused("the policy was not adopted", "Nothing was changed. Ask the organisation for its fingerprint.")
    place = home()
    policies.adopt(place, data, os.path.basename(file))
    terminal.say(words.say(language, "joined", organisation=policy.controller.name))
