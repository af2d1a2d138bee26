"""Makes a delta, or rebuilds a layer, in a process that does nothing else: `python -m bench.delta_process make|rebuild OLD NEW DELTA`.

Prints what it took of the processor, and its peak memory in bytes, as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from bench.measure import peak_of
from kelvin_provision.deltas.artifact import LAYER_TYPE, DeltaLayer
from kelvin_provision.refs import Descriptor


def make(old: Path, new: Path, delta: Path) -> None:
    from kelvin_provision.deltas.making import make_layer

    with old.open("rb") as source, new.open("rb") as target, delta.open("wb") as output:
        made = make_layer(source, target, output, delta.parent)
    fields = asdict(made) | {"sources": [source.diff_id for source in made.sources]}
    delta.with_suffix(".json").write_text(json.dumps(fields))


def rebuild(old: Path, new: Path, delta: Path) -> None:
    from kelvin_provision.deltas.rebuilding import rebuild as rebuilding

    made = json.loads(delta.with_suffix(".json").read_text())
    blob = Descriptor(LAYER_TYPE, made["digest"], made["size"])
    layer = DeltaLayer(blob, made["target"], made["target_size"], tuple(made["sources"]), made["digest"], made["memory"])
    rebuilding(delta, layer, lambda _: old.open("rb", buffering=0), new)


if __name__ == "__main__":
    {"make": make, "rebuild": rebuild}[sys.argv[1]](*map(Path, sys.argv[2:5]))
    sys.stdout.write(json.dumps({"cpu": time.process_time(), "peak": peak_of("self")}))
