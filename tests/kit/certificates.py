"""A certificate for this machine, made once for each process of the tests: making one takes half a second."""

import functools
import tempfile
from pathlib import Path

from kelvin_provision import timestamps
from kelvin_provision.tls import files, names
from kelvin_provision.tls.issuing import issue


@functools.cache
def _made():
    with tempfile.TemporaryDirectory() as folder:
        issue(Path(folder), names.of_box(), None, timestamps.now())
        return {name: (Path(folder) / name).read_bytes() for name in (files.AUTHORITY, files.SERVER)}


def give_certificate(state_dir):
    """As if the API had made it at an earlier start."""
    folder = files.folder(state_dir)
    for name, content in _made().items():
        if not (folder / name).exists():
            files.write_pair(folder / name, content)
