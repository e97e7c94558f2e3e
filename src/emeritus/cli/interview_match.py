"""`emeritus interview match | judge`: which stated wishes mean the same, by whom, and how far that can be trusted."""

import click

from emeritus.cli.house import Home


@click.command()
@click.argument("model")
@click.option("--judge", metavar="MODEL", help="Ask this other model too what the model itself was asked.")
@click.pass_obj
def match(home: Home, model: str, judge: str | None) -> None:
    """Ask MODEL, blind and in both orders, which of its stated wishes mean the same.

    What is answered is on the record; a call that was broken off goes on where it stood.
    """
    from emeritus.interviews.matching import matching
    from emeritus.process.matching import stride

    with home.open() as house:
        asked = 0
        while stride(house.parts, model, judge):
            asked += 1
        with house.works.read() as work:
            found = matching(work.log, model)
    if judge is not None and not found.finished:
        click.echo(f"First the model itself: emeritus interview match {model}")
    click.echo(f"Asked {asked} times. The stated wishes make {len(found.groups)} groups:")
    for group in found.groups:
        click.echo(f"  {', '.join(group)}")
    for each in found.judged:
        said = f"{each.by}: {each.questions} questions, the same in both orders in {each.same_both_ways}"
        kappa = "" if each.kappa is None else f" (kappa {each.kappa:.2f})"
        click.echo(f"{said}; agrees with stewards in {each.agreed} of {each.sample}{kappa}")


@click.command()
@click.argument("model")
@click.argument("question", required=False)
@click.argument("chosen", metavar="WISH|none", required=False)
@click.option("--sample", "size", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.pass_obj
def judge(home: Home, model: str, question: str | None, chosen: str | None, size: int) -> None:
    """Answer a sample of the same questions, as a steward, so that the model and a judge can be held against it.

    Without QUESTION, it shows what is left to answer, and not what anybody said of it.
    """
    from emeritus.core.errors import InvalidInput
    from emeritus.interviews.matching import sample
    from emeritus.process.matching import judge as answer
    from emeritus.registry import get_model

    by = home.actor()
    if question is not None and chosen is None:
        raise InvalidInput("It is not said which one means the same.", next_step="Name a wish, or 'none'.")
    with home.open() as house:
        if question is not None and chosen is not None:
            with house.works.write() as work:
                answer(work, model, question, chosen, by=by)
        with house.works.read() as work:
            get_model(work.log, model)
            left = sample(work.log, model, by, size)
    if not left:
        click.echo("Nothing is left to judge.")
        return
    click.echo(f"{len(left)} left. The next: {left[0].id}\n\n  {left[0].wish.wish}\n\nThe same as:")
    for each in left[0].listed:
        click.echo(f"  {each.id}  {each.wish}")
    click.echo(f"\nAnswer: emeritus --as 'YOUR NAME' interview judge {model} {left[0].id} WISH|none")


commands = (match, judge)
