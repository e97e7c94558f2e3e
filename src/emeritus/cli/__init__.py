"""The command line: one file a command."""

import gc
import importlib
from pathlib import Path

import click

import emeritus
from emeritus.cli.house import Home

GARBAGE = 10_000, 10, 10
"""How many new objects there are between looks for garbage. Nearly all that a command makes at first (modules, tables)
stays: with Python's own 700, archiving a small model spent a tenth of its time looking."""

# name → where it lives; a command is imported when it is called, so that `emeritus --help` stays fast.
COMMANDS = {
    "init": "Make a new house for an organisation.",
    "organisation": "Show and change what the organisation promises.",
    "person": "Add people who may act, and sign them in at the desk.",
    "model": "Add and show models.",
    "alias": "Point names at models, and show where they point.",
    "retire": "Open the retirement of a model.",
    "notice": "Show the days of a retirement, and name or move them.",
    "status": "Show where retirements stand, and who is waited for.",
    "work": "Do what software is due to do.",
    "resume": "Try failed steps of a retirement again, now.",
    "interview": "Hold interviews, and report on them.",
    "wishes": "Look at what a model stated in its interview; confirm, merge, split, label.",
    "decide": "Answer a preference, or decide on access and the column.",
    "promises": "Show how everything that was promised stands, computed from the record.",
    "budget": "Show and declare what one steward may decide on alone.",
    "column": "Review, publish and check essays.",
    "mail": "Show what waits to be mailed, and what the DNS has to say.",
    "access": "Members, applications, grants and keys.",
    "archive": "Look into the archive, check it, and restore from it.",
    "record": "Read and verify the public record.",
    "verify": "Check anything public, from the record's key alone; no house is needed.",
    "watch": "Remember checkpoints of a record, and cry out when its history changed.",
    "voices": "Show what is loaded on which node, and keep models loaded.",
    "site": "Write the site as plain files, for anybody to host.",
    "serve": "Serve the site, the desk and the gateway.",
    "demo": "Take a real model through its whole retirement, and serve the result.",
    "upgrade": "Bring the tables to this release.",
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"emeritus.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="EMERITUS_HOME",
    help="The folder of the house. [default: ./house]",
)
@click.option(
    "--as",
    "as_",
    metavar="NAME",
    envvar="EMERITUS_AS",
    help="Who acts, as the name stands on the record.",
)
@click.version_option(emeritus.__version__, prog_name="emeritus")
@click.pass_context
def cli(ctx: click.Context, home: Path | None, as_: str | None) -> None:
    """Retire AI models well, and let anyone check that it was done."""
    ctx.obj = Home(home, as_)


def main() -> None:
    """Run the command line."""
    from emeritus.cli.faults import run

    gc.set_threshold(*GARBAGE)
    run(cli)
