"""One file after the other, changed at random: it is read as it says, or refused with its reason, in little time."""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kelvin_provision.bundles.acceptance import Accepted
from kelvin_provision.bundles.inspection import BundlePlace, inspect, verified
from kelvin_provision.errors import ProvisionError
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.trust.believed import Trust

REFUSED = {65, 66, 75}
_LONGEST = 1000
"""Characters of a reason."""
SECONDS = 5.0
"""Of processor time for one, ten times what the largest takes."""


@dataclass(frozen=True)
class Campaign:
    """One file after the other. `suffix` is that of the file."""

    suffix: str
    mutated: Callable[[random.Random], bytes]

    def outcome(self, folder: Path, data: bytes) -> str:
        """What became of it. Raises AssertionError for what must not happen."""
        raise NotImplementedError

    def run(self, folder: Path, seed: int, *, count: int = sys.maxsize, seconds: float = 1e9) -> Counter[str]:
        """How many came to what."""
        outcomes: Counter[str] = Counter()
        ends = time.monotonic() + seconds
        for number in range(count):
            if time.monotonic() > ends:
                break
            data = self.mutated(random.Random(f"{seed} {number}"))  # noqa: S311  (no secret)
            try:
                outcomes[self.outcome(folder, data)] += 1
            except Exception as error:
                kept = Path(tempfile.gettempdir()) / f"fuzzed-{seed}-{number}{self.suffix}"
                kept.write_bytes(data)
                raise AssertionError(f"seed {seed}, number {number}, kept as {kept}: {error!r}") from error
        return outcomes

    def main(self, about: str) -> None:
        parser = argparse.ArgumentParser(prog="make fuzz", description=about)
        parser.add_argument("--seconds", type=float, default=60)
        parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))  # noqa: S311  (no secret)
        words, _ = parser.parse_known_args()
        with tempfile.TemporaryDirectory() as place:
            sys.stdout.write(f"{dict(self.run(Path(place), words.seed, seconds=words.seconds))}\nseed {words.seed}\n")


@dataclass(frozen=True)
class Fuzzer(Campaign):
    """Of archives: `read_all` reads to the end what was accepted, and `word` names what is whole or, if true, damaged."""

    read_all: Callable[[Path], None]
    word: Callable[[Accepted, bool, bytes], str]

    def outcome(self, folder: Path, data: bytes) -> str:
        path = folder / f"fuzzed{self.suffix}"
        path.write_bytes(data)
        began = time.process_time()
        try:
            accepted = inspect(BundlePlace((path,)), Trust(TrustSettings())).accepted
            bad = verified(BundlePlace((path,)), Trust(TrustSettings()), lambda event: None).result.bad
            self.read_all(path)
        except ProvisionError as error:
            if error.exit_code not in REFUSED or not 0 < len(str(error)) < _LONGEST + 2 * len(str(folder)):
                raise AssertionError((error.code, str(error))) from error
            return error.code
        finally:
            assert time.process_time() - began < SECONDS
        return self.word(accepted, bool(bad), data)
