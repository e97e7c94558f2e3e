"""Install what the benchmark needs into the environment of the Python that runs this: pinned, with hashes.

A peer or a model that cannot be installed here is named and left out; anything else that fails ends this.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
MAY_MISS = ("blosc2", "glyd", "hf-xet", "lmzip", "z4ai")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "-q", "install", "--no-deps")


def main() -> None:
    entries = re.split(r"^(?=[a-z])", (HERE / "requirements.txt").read_text(), flags=re.MULTILINE)[1:]
    peers = [entry for entry in entries if _name(entry) in MAY_MISS]
    install([entry for entry in entries if entry not in peers])
    subprocess.run([*PIP[:-1], "-r", str(HERE / "torch.txt")], check=True)
    alone = re.split(r"^(?=[a-z])", (HERE / "alone.txt").read_text(), flags=re.MULTILINE)[1:]
    for entry in (*peers, *alone):
        try:
            install([entry])
        except subprocess.CalledProcessError:
            print(
                f"{_name(entry)} cannot be installed here; the benchmark goes on without it", file=sys.stderr
            )


def install(entries: list[str]) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as lock:
        lock.write("".join(entries))
        lock.flush()
        subprocess.run([*PIP, "--require-hashes", "-r", lock.name], check=True)


def _name(entry: str) -> str:
    return entry.partition("==")[0]


if __name__ == "__main__":
    main()
