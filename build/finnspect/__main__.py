"""``python -m finnspect`` is the command ``finnspect``."""

from finnspect.cli import main

main()
