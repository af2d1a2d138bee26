"""Time zones by name on a box that has none: the C library reads the zone here, once, so that no child inherits a variable."""

import os
import sys
import time

zone = os.environ.get("TZ")
if zone and "TZDIR" not in os.environ and not os.path.isdir("/usr/share/zoneinfo"):  # noqa: PTH112  (pathlib would be imported for it)
    # The C library reads a zone again only when its name is another one.
    for name, folder in (("UTC", ""), (zone, sys.prefix + "/share/zoneinfo")):
        os.environ["TZ"], os.environ["TZDIR"] = name, folder
        time.tzset()
    del os.environ["TZDIR"]
