"""What Docker Engine is told when it creates a container: our object in the words of its API. Pure."""

from __future__ import annotations

from typing import Any

from kelvin_provision.cluster.docker.live import NETWORK
from kelvin_provision.spec.workload import Object

NANO = 10**9
LEAST = NANO // 100  # the engine refuses less
LOGS = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}


def config(container: Object, *, cpus: int, log_driver: str) -> dict[str, Any]:
    """The body of `POST /containers/create`.

    A CPU limit above what the box has means "no limit" to Kubernetes and is an error to Docker, so it is cut to `cpus`;
    one below a hundredth of a CPU is raised to that.
    The restart policy is `no`: an unverified version must not come back after a power cut.
    """
    spec, metadata = container["spec"], container["metadata"]
    resources = spec["resources"]
    ports = [(f"{port['port']}/{port['protocol']}", port["published"]) for port in spec["ports"]]
    bindings: dict[str, list[dict[str, str]]] = {}
    for key, published in ports:
        if published:
            bindings.setdefault(key, []).append({"HostPort": str(published)})
    host = {
        "NetworkMode": NETWORK,
        "RestartPolicy": {"Name": "no"},
        "Privileged": spec["privileged"],
        "PortBindings": bindings,
        "Binds": [f"{bind['source']}:{bind['target']}" for bind in spec["binds"]],
        "Mounts": [{"Type": "volume", "Source": volume["name"], "Target": volume["target"]} for volume in spec["volumes"]],
        "NanoCpus": min(max(resources["nano_cpus"], LEAST), cpus * NANO) if resources["nano_cpus"] else 0,
        "CpuShares": resources["cpu_shares"],
        "Memory": resources["memory"],
        "MemoryReservation": resources["memory_reservation"],
    }
    if log_driver == LOGS["Type"]:  # an administrator's other choice stays; this one would grow without end
        host["LogConfig"] = LOGS
    return {
        "Image": spec["image"],
        "Env": [f"{name}={value}" for name, value in spec["environment"].items()],
        "Labels": metadata["labels"] | metadata["annotations"],
        "ExposedPorts": {key: {} for key, _ in ports},
        "HostConfig": host,
    }
