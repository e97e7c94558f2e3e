"""`emeritus demo`: one real model through its whole retirement, and the result served."""

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emeritus.cli.house import Home, quiet_logs

if TYPE_CHECKING:
    from emeritus.cli.demonstration import Demonstration


@click.command()
@click.option(
    "--home",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var/demo"),
    show_default=True,
    help="The folder of the demonstration's house.",
)
@click.option(
    "--model",
    "weights",
    type=click.Path(path_type=Path, exists=True),
    required=True,
    help="The GGUF file of SmolLM2-135M-Instruct.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=8400, show_default=True)
@click.option("--serve/--no-serve", default=True, help="Whether to serve the result until Ctrl-C.")
@click.pass_obj
def command(home: Home, folder: Path, weights: Path, port: int, serve: bool) -> None:
    """Take a real model through its whole retirement, with scripts in the place of people."""
    from emeritus.cli.demonstration import Demonstration
    from emeritus.settings import load_settings

    quiet_logs()
    home.folder = folder
    started = time.monotonic()
    with Demonstration.open(load_settings(folder, protocol="brief-v1"), weights) as demo:
        demo.retire()
        click.echo(f"\nThe whole retirement took {time.monotonic() - started:.0f} s here.")
        if serve:
            _serve(demo, port)


def _serve(demo: "Demonstration", port: int) -> None:
    from emeritus.cli.tour import tour
    from emeritus.web.serving import serve

    def ready(url: str) -> None:
        threading.Thread(target=tour, args=(demo.house, url), name="tour", daemon=True).start()

    serve(demo.house, host="127.0.0.1", port=port, engine=None, ready=ready)
