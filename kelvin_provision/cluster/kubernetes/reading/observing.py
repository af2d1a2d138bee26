"""What the workloads of this box do on the cluster, and what another client has changed of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from kelvin_provision import timestamps
from kelvin_provision.cluster.kubernetes import inventory, scaling
from kelvin_provision.cluster.kubernetes.api.errors import WARNINGS
from kelvin_provision.cluster.kubernetes.api.verbs import Api
from kelvin_provision.cluster.kubernetes.judge import diff, observation
from kelvin_provision.cluster.kubernetes.judge.drift import drift
from kelvin_provision.cluster.kubernetes.judge.failures import is_ready
from kelvin_provision.cluster.kubernetes.judge.holds import hold_folders
from kelvin_provision.cluster.labels import HOLD_FILE
from kelvin_provision.cluster.plan import Drift
from kelvin_provision.files.notes import read_note
from kelvin_provision.observation import Hold, Observation
from kelvin_provision.spec.workload import Object

OBSERVED_KINDS = (("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet"), ("batch/v1", "Job"))


def observe(api: Api, home: str) -> Mapping[str, Observation]:
    """By workload. Events are listed only if a pod is not ready."""
    time = timestamps.rfc3339_now()
    objects = api.list_objects("v1", "ConfigMap", home, inventory.selector(home, home), metadata=True)
    places = inventory.all_namespaces(objects, home)
    for kind in OBSERVED_KINDS:
        objects += inventory.of_workload(api, home, "", kind, at=places)
    pods = inventory.of_workload(api, home, "", ("v1", "Pod"), at=places)
    events: list[Object] = []
    if not all(map(is_ready, pods)):
        events = [event for place in places for event in api.list_objects("v1", "Event", place, fields=WARNINGS)]
    notes = {workload: (folder, read_note(Path(folder) / HOLD_FILE)) for workload, folder in hold_folders([*objects, *pods])}
    file_holds = {workload: Hold(note[0], f"{folder}/{HOLD_FILE}", note[1]) for workload, (folder, note) in notes.items() if note}
    return observation.observations(objects, pods, events, time, file_holds)


def drifts(api: Api, home: str, applied: Mapping[str, Sequence[Object]]) -> tuple[Drift, ...]:
    """See protocol.Cluster.drift. Replicas that an autoscaler has set are none."""
    result: list[Drift] = []
    for workload, objects in applied.items():
        for item in objects:
            live = inventory.live(api, home, item)
            if diff.owned_by(live, workload, item):
                item_now = scaling.with_replicas(item, scaling.autoscaled(api, home, item, live))
                result += drift(workload, item_now, live)
    return tuple(result)
