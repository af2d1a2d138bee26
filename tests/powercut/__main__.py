"""`python -m tests.powercut --help`. It mounts, so it runs in a mount namespace of its own, which goes with it."""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.powercut import campaign
from tests.powercut.box import ENVIRONMENT
from tests.powercut.cutter import BETWEEN, PHASES
from tests.powercut.disk import KINDS, CannotMount, why_not
from tests.powercut.syncing import WAYS, do_not_sync

INSIDE = "KELVIN_PROVISION_POWERCUT"


def main() -> int:
    options = _options()
    kinds = options.filesystem or list(KINDS)
    if reason := why_not(kinds):
        print(reason, file=sys.stderr)
        return os.EX_TEMPFAIL
    if INSIDE not in os.environ:
        command = [sys.executable, "-m", "tests.powercut", *sys.argv[1:]]
        os.execvpe("unshare", ["unshare", "--mount", "--propagation", "private", *command], os.environ | {INSIDE: "1"})  # noqa: S606
    for name in [name for name in os.environ if name.startswith("KELVIN_PROVISION_")]:
        del os.environ[name]
    os.environ.update(ENVIRONMENT)
    found = [outcome for kind in kinds if (outcome := _one(kind, options))]
    if not found:
        return os.EX_TEMPFAIL
    if options.without_sync:
        return int(not all(outcome.lost.total() for outcome in found))
    return int(any(outcome.said for outcome in found))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make powercut", description="Cut the power of a box at random instants, and see what is lost.")
    parser.add_argument("--filesystem", action="append", choices=list(KINDS), help="may be repeated; default: all")
    parser.add_argument("--cuts", type=int, default=18, help="of each phase, at least")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument(
        "--without-sync",
        action="append",
        choices=WAYS,
        help="the control: these are not synced, and something must be lost; may be repeated",
    )
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _one(kind: str, options: argparse.Namespace) -> campaign.Outcome | None:
    """None where this kernel has no such filesystem."""
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="powercut-") as folder:
            outcome = campaign.run(kind, options.cuts, options.seed, Path(folder), lambda: do_not_sync(*options.without_sync or ()))
    except CannotMount as error:
        print(json.dumps({"filesystem": kind, "not_here": str(error)}) if options.json else f"{kind}: {error}", flush=True)
        return None
    if options.json:
        print(json.dumps({"filesystem": kind, "cuts": outcome.cuts, "lost": outcome.lost, "said": outcome.said}), flush=True)
        return outcome
    phases = [phase for phase in (*PHASES, "stage", "undeploy", BETWEEN) if outcome.cuts[phase]]
    shown = ", ".join(f"{phase} {outcome.lost[phase]}/{outcome.cuts[phase]}" for phase in phases)
    print(
        f"{kind}: {outcome.cuts.total()} cuts, {outcome.lost.total()} with losses in {time.monotonic() - began:.0f} s (lost/cuts: {shown}); seed {options.seed}",
        flush=True,
    )
    for sentence in outcome.said[:20]:
        print(f"  {sentence}", flush=True)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
