"""Errors on the command line: an id, a sentence, a next step, and a stable exit code."""

import os
import sys
import traceback
from typing import NoReturn

import click

from emeritus.core.errors import EmeritusError, InvalidInput, Unavailable


class Misused(InvalidInput):
    """The command line itself cannot be understood; nothing was done."""

    id = "cli.usage"
    exit_code = 2


class SystemRefused(Unavailable):
    """The operating system refused a file, a folder or a connection."""

    id = "system.refused"


class Defect(EmeritusError):
    """Something escaped that nobody raised on purpose."""

    id = "emeritus.defect"
    status = 500
    exit_code = 70  # EX_SOFTWARE


TRACEBACK = "EMERITUS_TRACEBACK"


def run(command: click.Command) -> NoReturn:
    """Run *command* and exit; what was raised is shown, never as a traceback."""
    try:
        # Without its standalone mode click returns the code of an Exit, instead of raising it.
        code = command.main(prog_name="emeritus", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        click.echo("\nStopped.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except click.exceptions.NoArgsIsHelpError as why:
        why.show()
        sys.exit(why.exit_code)
    except Exception as why:  # noqa: BLE001  (whatever it is, a person is shown what to do)
        if os.environ.get(TRACEBACK):
            traceback.print_exc()
        error = _as_error(why)
        show(error)
        sys.exit(error.exit_code)
    sys.exit(code if isinstance(code, int) else 0)


def _as_error(why: Exception) -> EmeritusError:
    match why:
        case EmeritusError():
            return why
        case click.ClickException():
            path = why.ctx.command_path if isinstance(why, click.UsageError) and why.ctx else "emeritus"
            sentence = " ".join(why.format_message().split())
            return Misused(sentence, next_step=f"See what it takes: {path} --help.")
        case OSError():
            about = f"{why.filename}: " if why.filename else ""
            return SystemRefused(
                f"{about}{why.strerror or why}.",
                next_step="Check the path, its permissions, and the room on that disk.",
            )
    return Defect(
        f"A defect of ours: {type(why).__name__}: {' '.join(str(why).split())[:400]}.",
        next_step=f"Report it with what {TRACEBACK}=1 prints; acts that failed were not recorded.",
    )


def show(why: EmeritusError) -> None:
    """Print an error for a person."""
    click.secho(f"{why.id}: ", fg="red", bold=True, err=True, nl=False)
    click.echo(why.sentence, err=True)
    click.echo(f"  → {why.next_step}", err=True)
