"""``python -m emeritus``."""

from emeritus.cli import main

main()
