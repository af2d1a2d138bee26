"""`python -m kelvin_provision` is `kelvin-provision`."""

import sys

from kelvin_provision.cli.main import entry

if __name__ == "__main__":
    sys.exit(entry())
