"""`python -m gmi_ros.cli`."""

import sys

from gmi_ros.cli.main import main

sys.exit(main())
