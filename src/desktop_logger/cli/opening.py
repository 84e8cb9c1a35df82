"""``opener show``, ``install`` and ``remove``: the service that hands over input devices under Wayland."""

from __future__ import annotations

import typer

from .systems import need_linux

app = typer.Typer(
    no_args_is_help=True,
    help="Under Wayland: the service that hands the input devices of your own seat to recording.",
)


@app.callback()
def _only_on_linux() -> None:
    need_linux("there is nothing to open")


@app.command("show", epilog="Example: desktop-logger opener show")
def show() -> None:
    """Print every file that would be installed, before anybody installs it."""
    from desktop_logger.daemon import device_opener

    for name, content in device_opener.files(device_opener.group_of_devices()).items():
        print(f"=== /{name}\n{content}")


@app.command("install", epilog="Example: desktop-logger opener install")
def install() -> None:
    """Install the device opener (with sudo). It reads nothing, and serves only the active session of an account."""
    from desktop_logger.daemon import device_opener

    for line in device_opener.install():
        print(line)


@app.command("remove", epilog="Example: desktop-logger opener remove")
def remove() -> None:
    """Remove the device opener and every file of it (with sudo)."""
    from desktop_logger.daemon import device_opener

    for line in device_opener.remove():
        print(line)
