"""`python -m kelvin_provision.api`: what `api serve` becomes."""

import sys

from kelvin_provision.api.process import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
