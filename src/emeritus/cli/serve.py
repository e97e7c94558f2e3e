"""`emeritus serve`: the site, the desk and the gateway, and the worker beside them."""

import click

from emeritus.cli.house import Home


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8400, show_default=True)
@click.option("--no-work", is_flag=True, help="Only serve; workers run elsewhere (`emeritus work`).")
@click.pass_obj
def command(home: Home, host: str, port: int, no_work: bool) -> None:
    """Serve until Ctrl-C."""
    from emeritus.web.serving import serve

    with home.open() as house:
        engine = None if no_work else house.engine()
        serve(
            house,
            host=host,
            port=port,
            engine=engine,
            ready=lambda url: click.echo(f"Serving {url} — stop with Ctrl-C."),
        )
