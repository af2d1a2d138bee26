"""`python -m tests.fuzz [--seconds 300] [--seed N] [--examples N]`: a long run; ends with 1 when something was noticed."""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.fuzz.campaign import PHASES, fuzz

parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
parser.add_argument("--seconds", type=int, default=300)
parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))  # noqa: S311  (no secret)
parser.add_argument("--examples", type=int, default=200)
parser.add_argument("--phases", nargs="+", choices=PHASES, default=tuple(PHASES))
parser.add_argument("more", nargs="*", help="of schemathesis, after --")
words = parser.parse_args()
with tempfile.TemporaryDirectory() as folder:
    outcome = fuzz(Path(folder), seconds=words.seconds, seed=words.seed, examples=words.examples, phases=words.phases, more=words.more)
sys.stdout.write(f"{outcome.report}\nseed {words.seed}\n{outcome.errors}")
sys.exit(1 if outcome.errors or not outcome.passed else 0)
