"""What can be typed: names, options and help. The work is in the modules that commands import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

EXIT_CODES = (
    "Exit codes: 0 done; 1 failed, or trees differ; 2 wrong command line or configuration; "
    "3 no hub, or it refused; 130 interrupted. The environment works too: "
    "PYZSYNC_HUB__LISTEN, PYZSYNC_CLIENT__HUB, PYZSYNC_LOG__FORMAT and so on."
)

app = typer.Typer(
    help="Keep many replicas of one directory: a hub publishes it, clients follow.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,  # cli.main says what went wrong
)

Root = Annotated[
    Path | None,
    typer.Argument(metavar="[ROOT]", help="The directory; the working directory if not given."),
]
State = Annotated[
    Path | None, typer.Option(help="Where the daemon keeps its own files [in ROOT/.pyzsync].")
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="A TOML file; see config.example.toml.")
]
TokenFile = Annotated[
    Path | None, typer.Option(help="A file that holds the token hub and clients share.")
]
MassDelete = Annotated[
    bool | None,
    typer.Option("--allow-mass-delete", help="Believe it when most of the tree is gone."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
ReadableFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        from pyzsync import kernel

        typer.echo(f"pyzsync-daemon {version('pyzsync-daemon')} (kernel: {kernel.name})")
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Version and kernel."),
    ] = False,
) -> None:
    """Keep many replicas of one directory: a hub publishes it, clients follow."""


@app.command(
    epilog="Example: [bold]pyzsync hub /srv/data --listen 0.0.0.0:8471 --token-file token[/bold]"
)
def hub(
    root: Root = None,
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Port 0 picks a free one.")
    ] = None,
    state: State = None,
    config: ConfigFile = None,
    token_file: TokenFile = None,
    allow_mass_delete: MassDelete = None,
) -> None:
    """Publish a directory: watch it, and tell every client what changed.

    Prints "listening on ws://HOST:PORT" once it serves. Ctrl-C or SIGTERM drains and ends it.
    """
    from pyzsync_daemon.cli.daemons import run_hub

    options = {
        "root": root,
        "listen": listen,
        "state": state,
        "token_file": token_file,
        "allow_mass_delete": allow_mass_delete,
    }
    run_hub(config, options)


@app.command(
    epilog="Example: [bold]pyzsync client replica --hub ws://hub.example:8471 --once[/bold]"
)
def client(
    root: Root = None,
    hub: Annotated[str | None, typer.Option(metavar="URL", help="ws://... or wss://...")] = None,
    once: Annotated[bool, typer.Option("--once", help="Bring it up to date, then exit.")] = False,
    state: State = None,
    config: ConfigFile = None,
    token_file: TokenFile = None,
    tls_ca: Annotated[
        Path | None, typer.Option(help="Trust only this CA (PEM) for wss://.")
    ] = None,
    conflict: Annotated[
        str | None,
        typer.Option(metavar="keep|overwrite|refuse", help="What becomes of local edits."),
    ] = None,
    mirror: Annotated[
        bool | None, typer.Option("--mirror", help="Also move aside what the hub never had.")
    ] = None,
    accept_new_hub: Annotated[
        bool | None, typer.Option("--accept-new-hub", help="Follow another hub than before.")
    ] = None,
    allow_mass_delete: MassDelete = None,
    as_json: AsJson = False,
) -> None:
    """Keep a replica of a hub's directory.

    Reconnects by itself. A file that was edited here is kept aside before it is replaced.
    """
    from pyzsync_daemon.cli.daemons import run_client

    options = {
        "root": root,
        "hub": hub,
        "state": state,
        "token_file": token_file,
        "tls_ca": tls_ca,
        "conflict": conflict,
        "mirror": mirror,
        "accept_new_hub": accept_new_hub,
        "allow_mass_delete": allow_mass_delete,
    }
    run_client(config, options, once=once, as_json=as_json)


@app.command(epilog="Example: [bold]pyzsync demo[/bold]")
def demo() -> None:
    """Show it: a hub, three clients, some edits, and what travelled."""
    from pyzsync_daemon.demo import run_demo

    run_demo()


@app.command(
    epilog="Examples: [bold]pyzsync loadtest --clients 1000 --memory[/bold], "
    "[bold]pyzsync loadtest --clients 100 --change all --rounds 1[/bold], "
    "[bold]pyzsync loadtest --memory --change herds --slow 100[/bold]"
)
def loadtest(
    clients: Annotated[int, typer.Option(min=1, help="Simulated clients.")] = 100,
    processes: Annotated[int, typer.Option(min=1, help="Worker processes they share.")] = 2,
    files: Annotated[int, typer.Option(min=1, help="Files in the tree.")] = 1,
    file_size: Annotated[str, typer.Option(metavar="SIZE", help="Of each.")] = "1 MB",
    change: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND",
            help="append, edit (in ten places), insert (at the front), new, rename, replace, small "
            "(many small files), burst (a hundred writes a second), or [bold]all[/bold] of these; "
            "first (all sync anew at once), restart (of the hub), missed (three changes), or "
            "[bold]herds[/bold]. May be repeated.  [edit]",
        ),
    ] = None,
    change_size: Annotated[str, typer.Option(metavar="SIZE", help="Bytes of a change.")] = "100 kB",
    rounds: Annotated[int, typer.Option(min=1, help="Of each kind.")] = 3,
    slow: Annotated[int, typer.Option(min=0, help="Clients that do not read meanwhile.")] = 0,
    churn: Annotated[float, typer.Option(min=0, help="Clients cut off each second.")] = 0.0,
    fair: Annotated[
        str,
        typer.Option(
            metavar="SIZE",
            help="In every other round one client pulls a file of this size; needs --memory.",
        ),
    ] = "0",
    tls: Annotated[bool, typer.Option("--tls", help="Use wss:// throughout.")] = False,
    memory: Annotated[
        bool,
        typer.Option(
            "--memory",
            help="Replicas in memory, as edits of one shared base, which all have at the start. "
            "Without it they are on disk, and begin empty.",
        ),
    ] = False,
    bare: Annotated[
        bool, typer.Option(help="Compare with a bare WebSocket server that sends as many bytes.")
    ] = True,
    daemons: Annotated[int, typer.Option(min=0, help="Real client daemons beside.")] = 0,
    pulls: Annotated[int, typer.Option(min=0, help="Pulls of rsync to measure each round.")] = 0,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write everything measured.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw the times; needs matplotlib.")
    ] = None,
    patience: Annotated[float, typer.Option(min=1, help="Seconds that a round may take.")] = 60.0,
) -> None:
    """Measure a hub with many clients: real connections, every replica compared at the end.

    Each client runs the daemon's own session. Times count from the last write on the hub to the
    verified replacement, and (received) to the last byte that a client was sent. Clients,
    hub and bare server share this machine: compare, and do not extrapolate.
    """
    from pyzsync_daemon.cli.loading import load_test

    options = dict(locals())
    del options["load_test"], options["change"]
    load_test(change or ["edit"], options)


@app.command(epilog="Example: [bold]pyzsync hashlist disk.img --json[/bold]")
def hashlist(file: ReadableFile, as_json: AsJson = False) -> None:
    """Hash a file: its version, its length, the leaves of its hash tree."""
    from pyzsync_daemon.cli.measure import show_hashlist

    show_hashlist(file, as_json=as_json)


@app.command(epilog="Example: [bold]pyzsync blueprint release-1.tar release-2.tar[/bold]")
def blueprint(old: ReadableFile, new: ReadableFile, as_json: AsJson = False) -> None:
    """Tell what a client that has OLD must fetch for NEW, and what each step finds."""
    from pyzsync_daemon.cli.measure import show_blueprint

    show_blueprint(old, new, as_json=as_json)


@app.command(epilog="Example: [bold]pyzsync blocksizes old.tar new.tar --plot sizes.png[/bold]")
def blocksizes(
    old: ReadableFile,
    new: ReadableFile,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw it; needs matplotlib.")
    ] = None,
) -> None:
    """Compare blocksizes from 1 byte to 1 MiB (the library's classic API): time and bytes.

    Small blocks are for small files: a blocksize that would make over a million blocks is skipped.
    """
    from pyzsync_daemon.cli.blocksizes import show_blocksizes

    show_blocksizes(old, new, plot)


@app.command(epilog="Example: [bold]pyzsync check-config pyzsync.toml[/bold]")
def check_config(file: Path) -> None:
    """Check a configuration file; names every wrong key or value and what is allowed."""
    from pyzsync_daemon.cli.checking import check

    check(file)
