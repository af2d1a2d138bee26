"""Time zones by name on a box that has none: the C library reads the zone here, once, so that no child inherits a variable."""

import os
import sys
import time

if os.environ.get("TZ") and "TZDIR" not in os.environ and not os.path.isdir("/usr/share/zoneinfo"):  # noqa: PTH112  (pathlib would be imported for it)
    os.environ["TZDIR"] = sys.prefix + "/share/zoneinfo"
    time.tzset()
    del os.environ["TZDIR"]
