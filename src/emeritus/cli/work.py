"""`emeritus work`: do what software is due to do."""

import functools
import logging
import signal
import time
from types import FrameType

import click

from emeritus.cli.house import Home
from emeritus.cli.progress import Bars


@click.command()
@click.option("--until-idle", is_flag=True, help="Stop when nothing is due, instead of waiting for more.")
@click.pass_obj
def command(home: Home, until_idle: bool) -> None:
    """Run stretches of software's work: archive, interview, retire, probe, draft. Stop with Ctrl-C."""
    failed: list[str] = []
    signal.signal(signal.SIGTERM, functools.partial(_stop, 143 if until_idle else 0))

    def on_failure(stage: str, subject: str, why: Exception) -> None:
        failed.append(f"{stage} of {subject}: {why}")

    # What fails is told below, in a sentence; the log would say the same again, as JSON.
    with Bars() as bars, home.open(watch=bars.watch, logs=logging.ERROR) as house:
        engine = house.engine(on_failure=on_failure)
        engine.start()
        try:
            while not (until_idle and engine.is_idle()):
                time.sleep(0.2)
        finally:
            engine.close()
    for line in failed:
        click.secho(f"failed: {line}", fg="red", err=True)
    if failed:
        click.echo("  → See `emeritus status`; try again now with `emeritus resume MODEL`.", err=True)
        raise click.exceptions.Exit(7)
    click.echo("Nothing is due.")


def _stop(code: int, _signal: int, _frame: FrameType | None) -> None:
    """Stop as on Ctrl-C: what is under way is given a moment, and the engines are ended."""
    raise SystemExit(code)
