"""`python -m kelvin_provision.api`: what `api serve` becomes."""

import sys

from kelvin_provision.api.memory import start_with_rules

if __name__ == "__main__":
    start_with_rules()

    from kelvin_provision.api.process import main

    sys.exit(main(sys.argv[1:]))
