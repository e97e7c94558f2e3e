"""Errors on the command line: an id, a sentence, a next step, and a stable exit code."""

import os
import sys

import click

from emeritus.core.errors import EmeritusError

DEFECT = 70  # EX_SOFTWARE


def run(command: click.Command) -> None:
    """Run *command* and exit; what was raised on purpose is shown, never as a traceback."""
    try:
        command.main(standalone_mode=False)
    except EmeritusError as why:
        show(why)
        sys.exit(why.exit_code)
    except click.exceptions.Exit as why:
        sys.exit(why.exit_code)
    except click.ClickException as why:
        why.show()
        sys.exit(why.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("\nStopped.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


def show(why: EmeritusError) -> None:
    """Print an error for a person."""
    click.secho(f"{why.id}: ", fg="red", bold=True, err=True, nl=False)
    click.echo(why.sentence, err=True)
    click.echo(f"  → {why.next_step}", err=True)
