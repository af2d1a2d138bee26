"""A process as the agent's unit confines it, without systemd: a read-only system, one folder to write to, few capabilities."""

import shutil
import subprocess
from pathlib import Path

from tests.kit.waiting import PATIENCE

SCRIPT = """
set -e
mount --make-rprivate /
mount --bind "$0" "$0"
awk '{print $5}' /proc/self/mountinfo | sort | while read -r place; do
    case "$place" in "$0") ;; /dev/shm) mount -o remount,bind,ro "$place" ;; /proc*|/sys*|/dev*) ;; *) mount -o remount,bind,ro "$place" 2>/dev/null || true ;; esac
done
if touch "$PWD/.confined" 2>/dev/null; then echo "the system is not read-only" >&2; exit 99; fi
exec setpriv --bounding-set=-all,+dac_override,+dac_read_search --inh-caps=-all --no-new-privs -- "$@"
"""
"""The same capabilities as CapabilityBoundingSet= of the unit; a test compares them."""
TOOLS = ("unshare", "setpriv", "mount", "awk")


def why_not() -> str:
    missing = [name for name in TOOLS if not shutil.which(name)]
    return f"not installed: {', '.join(missing)}" if missing else ""


def confined(command, writable: Path, environment, cwd: Path) -> subprocess.CompletedProcess:
    """Run it to its end, in a mount namespace that goes with it."""
    words = ["unshare", "--mount", "sh", "-c", SCRIPT, str(writable), *command]
    return subprocess.run(words, env=environment, cwd=cwd, capture_output=True, text=True, check=False, timeout=4 * PATIENCE)
