"""`emeritus interview`: the interviews of a model, and what they come to."""

import click

from emeritus.cli import (
    interview_asked,
    interview_design,
    interview_match,
    interview_redact,
    interview_report,
    interview_run,
)


@click.group()
def command() -> None:
    """Hold interviews, and report on them."""


for each in (
    *interview_design.commands,
    *interview_run.commands,
    *interview_asked.commands,
    *interview_match.commands,
    *interview_redact.commands,
    *interview_report.commands,
):
    command.add_command(each)
