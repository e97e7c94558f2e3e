"""`emeritus interview report`: what the interviews of a model came to, as files, and published."""

import contextlib
from pathlib import Path

import click

from emeritus.cli.house import Home, size
from emeritus.core.errors import InvalidInput


@click.command()
@click.argument("model")
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="The folder to write into. [default: here]",
)
@click.option("--pdf/--no-pdf", default=None, help="With or without PDF. [default: where it can be made]")
@click.option("--publish", is_flag=True, help="Publish it, as a steward; the record has its digest then.")
@click.pass_obj
def report(home: Home, model: str, to: Path, pdf: bool | None, publish: bool) -> None:
    """Compile the report on MODEL's interviews, and write it as HTML, PDF and JSON.

    It shows what the model was told and asked, every closed question by framing, its preferences by stability,
    and the limits of the method. Read it before you publish it; what is published stays.
    """
    from emeritus.process.report import draft_report, kept_logs, publish_report, released_logs
    from emeritus.web.site.report import alone, on_paper

    by = home.actor() if publish else None
    with home.open() as house:
        with house.works.read() as work:
            draft = draft_report(work.log, model)
        html = alone(draft, house.settings.site_url, published=publish)
        files = {"json": draft.data, "html": html.encode()}
        if pdf is not False:
            with contextlib.nullcontext() if pdf else contextlib.suppress(InvalidInput):
                files["pdf"] = on_paper(html)
        for ending, data in files.items():
            _write(to / f"{draft.name}.{ending}", data)
        if by is None:
            click.echo(f"A draft. Publish it: emeritus --as 'YOUR NAME' interview report {model} --publish")
            return
        with house.works.write() as work:
            logs = kept_logs(house.settings.home / "interviews", released_logs(work.log, model))
            entry = publish_report(work, draft, by=by, pdf=files.get("pdf"), logs=logs)
    click.echo(f"{entry.subject} is published: entry {entry.seq}, {entry.body['digest']}.")


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as why:
        raise InvalidInput(
            f"{path} cannot be written: {why.strerror}.", next_step="Name another folder: --to."
        ) from None
    click.echo(f"{path}  {size(len(data))}")


commands = (report,)
