"""`emeritus site`: the site as plain files."""

from pathlib import Path

import click

from emeritus.cli.house import Home, say_json


@click.group()
def command() -> None:
    """Write the site as plain files, for anybody to host."""


@command.command()
@click.option("--to", "folder", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def export(home: Home, folder: Path, as_json: bool) -> None:
    """Write every page, feed and picture, with the record to check them by; again, to bring them up to date.

    Links work from a file server under any path. What needs the living site (forms, the desk) leads there.
    """
    from emeritus.web.copying import copy_site
    from emeritus.web.serving import page_parts

    with home.open() as house:
        done = copy_site(page_parts(house, house.settings.site_url.rstrip("/")), folder)
    if as_json:
        counts = {name: getattr(done.files, name) for name in ("size", "written", "kept", "removed")}
        say_json({**counts, "pages": done.pages, "longest_page": done.longest})
        return
    click.secho(
        f"{folder} has the site: {done.pages} pages, and a record of {done.files.size} entries.", fg="green"
    )
    click.echo(f"{done.files.written} files written, {done.files.kept} kept, {done.files.removed} removed.")
    click.echo(f"Anybody checks it with: emeritus verify {folder}")
