"""``python -m finnspect_driver`` is ``finnspect-board``."""

import sys

from finnspect_driver.cli import main

sys.exit(main())
