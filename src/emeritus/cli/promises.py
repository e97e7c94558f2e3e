"""`emeritus promises`: how everything that was promised stands."""

import click

from emeritus.cli.house import Home, say_json
from emeritus.ledger import Followed, follow
from emeritus.registry import all_models, get_model

_COLOURS = {"due": "blue", "kept": "green", "late": "red", "broken": "red"}


@click.command()
@click.argument("model", required=False)
@click.option("--all", "everything", is_flag=True, help="Also what is kept for good, or was taken back.")
@click.option("--json", "as_json", is_flag=True, help="All of them, with the entries that show it.")
@click.pass_obj
def command(home: Home, model: str | None, everything: bool, as_json: bool) -> None:
    """Show how what was promised to MODEL stands; without MODEL, to all of them.

    It is computed from the record and the clock. What rests on a steward's word says so.
    """
    with home.open() as house, house.works.read() as work:
        wanted = [get_model(work.log, model).id] if model else [each.id for each in all_models(work.log)]
        found = [each for name in wanted for each in follow(work.log, name, house.clock.now())]
    found.sort(key=lambda each: not each.standing.wants_attention)
    if as_json:
        say_json([each.to_json() for each in found])
        return
    shown = [each for each in found if everything or each.standing.open or each.standing.wants_attention]
    for each in shown:
        _show(each)
    if not found:
        click.echo("Nothing was promised yet.")
    elif len(shown) < len(found):
        click.echo(f"{len(found) - len(shown)} more, kept for good or taken back: --all shows them.")


def _show(one: Followed) -> None:
    state = one.standing.state.value
    click.secho(f"{state:7}", fg=_COLOURS[state], bold=True, nl=False)
    click.echo(f" {one.commitment.what}  ({one.commitment.id})")
    click.echo(
        f"        {one.standing.says()} By {one.commitment.due}; {one.commitment.owner} answers for it."
    )
    how = "computed from the record" if one.commitment.check.computed else "shown by a steward"
    click.echo(f"        One knows by: {one.commitment.shown_by} ({how}).")
