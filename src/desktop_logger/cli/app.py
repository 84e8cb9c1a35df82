"""The whole command line: every command's words, in one typer app behind the fast door.

Errors of ours become ``error:`` and ``hint:`` lines with their exit status; what typer itself refuses (unknown words
and options) is exit status 2. No traceback reaches a user.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer import core

from desktop_logger import __version__
from desktop_logger.errors import DesktopLoggerError, UsageError

from . import door

_WRONG_LOGGER = (
    "If you wanted the system's logger, that is /usr/bin/logger; see all commands with: desktop-logger --help"
)


class Commands(core.TyperGroup):
    """Commands in the order of a person's way through them, with a hint for words that are not ours."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  click's signature
        """In the order in which they were added."""
        return list(self.commands)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Refuse a word that is no command, and think of the other ``logger``."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise UsageError(f"unknown command: {args[0][:40]}", _WRONG_LOGGER)
        return super().resolve_command(ctx, args)


app = typer.Typer(
    name="desktop-logger", cls=Commands, no_args_is_help=True, add_completion=False, rich_markup_mode=None,
    pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)  # fmt: skip


@app.callback(invoke_without_command=True)
def _main(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)] = False,
) -> None:
    """Record how a desktop is used, only after you signed, without text, sealed, and deletable by you.

    Begin with: desktop-logger consent show
    """
    if version:
        print(f"desktop-logger {__version__}")
        raise typer.Exit


def _fast(verb: str) -> Any:
    """A full command for one verb of the door's table: the same help, the same act, the same words."""

    def plain() -> None:
        print(door.say(verb, door.act(verb)))

    def with_json(
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    ) -> None:
        report = door.act(verb)
        if as_json:
            import json

            print(json.dumps(report))
        else:
            print(door.say(verb, report))

    def with_duration(
        duration: Annotated[str | None, typer.Argument(help="How long, such as 90s, 15m or 1h30m.")] = None,
    ) -> None:
        print(door.say(verb, door.act(verb, duration)))

    if verb == "status":
        return with_json
    return with_duration if door.VERBS[verb].takes_duration else plain


def example(text: str) -> str:
    """The last paragraph of every help: one line to copy."""
    return f"Example: {text}"


def build() -> typer.Typer:
    """Add every command, in order."""
    from . import admin, consent, data, datasets, insights, learning, opening, service, subject, tasks

    app.add_typer(consent.app, name="consent")
    app.command("join", epilog=example("desktop-logger join policy.signed.json"))(consent.join)
    app.command("start", epilog=example("desktop-logger start"))(subject.start)
    for name, verb in door.VERBS.items():
        app.command(name, help=verb.help, epilog=example(verb.example))(_fast(name))
    app.add_typer(tasks.app, name="task")
    data.register(app)
    app.add_typer(service.app, name="service")
    app.command("doctor", epilog=example("desktop-logger doctor"))(subject.doctor)
    app.add_typer(opening.app, name="opener")
    app.command("uninstall", epilog=example("desktop-logger uninstall"))(service.uninstall)
    app.add_typer(admin.app, name="admin")
    app.add_typer(datasets.app, name="dataset")
    app.add_typer(learning.app, name="learn")
    app.add_typer(insights.app, name="insights")
    app.command("demo", epilog=example("desktop-logger demo"))(subject.demo)
    return app


def _only(whole: typer.Typer, word: str) -> typer.Typer:
    """The command line without what ``word`` does not name: to read the words of all commands takes a sixth of a start.

    All of it where ``word`` names nothing, so that help and errors know every command.
    """
    groups = [group for group in whole.registered_groups if group.name == word]
    commands = [command for command in whole.registered_commands if command.name == word]
    if groups or commands:
        whole.registered_groups, whole.registered_commands = groups, commands
    return whole


def run(argv: list[str]) -> int:
    """Run one command and return the exit status."""
    command = typer.main.get_command(_only(build(), argv[0] if argv else ""))
    try:
        status = command.main(argv, prog_name="desktop-logger", standalone_mode=False)
    except DesktopLoggerError as error:
        return door.complain(error)
    except Exception as error:
        # typer carries its own copy of click in some versions: known by its shape, not by its module
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):
            if type(error).__name__ == "NoArgsIsHelpError":
                print(error.format_message())
                return 2
            return door.complain(UsageError(str(error.format_message()).rstrip("."), _hint_for(error)))
        if type(error).__name__ in ("Abort", "Exit"):
            return _left(int(getattr(error, "exit_code", 1)))
        raise
    return _left(int(status or 0))


def _left(status: int) -> int:
    """The exit status of a command that left by itself."""
    if status == 130:  # typer's, for an interrupt
        return door.interrupted()
    return status


def _hint_for(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    path = getattr(context, "command_path", "desktop-logger")
    return f"See: {path} --help"


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
