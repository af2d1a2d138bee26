"""The body of Docker Engine's `POST /containers/create`. Pure."""

from __future__ import annotations

from typing import Any

from kelvin_provision.cluster.docker.containers import INACTIVE, NETWORK
from kelvin_provision.spec.workload import Object

NANO = 10**9
MIN_NANO_CPUS = NANO // 100  # the engine refuses less
LOG_CONFIG = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}


def create_body(container: Object, *, cpus: int, log_driver: str) -> dict[str, Any]:
    """A CPU limit above the CPUs of the box means "no limit" to Kubernetes and is an error to Docker: it is cut to `cpus`.

    One below 0.01 CPU is raised to that. The restart policy is `no`: an unverified version must not start after a power cut.
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
        "RestartPolicy": {"Name": INACTIVE},
        "Privileged": spec["privileged"],
        "PortBindings": bindings,
        "Binds": [f"{bind['source']}:{bind['target']}" for bind in spec["binds"]],
        "Mounts": [{"Type": "volume", "Source": volume["name"], "Target": volume["target"]} for volume in spec["volumes"]],
        "NanoCpus": min(max(resources["nano_cpus"], MIN_NANO_CPUS), cpus * NANO) if resources["nano_cpus"] else 0,
        "CpuShares": resources["cpu_shares"],
        "Memory": resources["memory"],
        "MemoryReservation": resources["memory_reservation"],
    }
    if log_driver == LOG_CONFIG["Type"]:  # without limits it would grow for ever; another driver is the administrator's choice
        host["LogConfig"] = LOG_CONFIG
    return {
        "Image": spec["image"],
        "Env": [f"{name}={value}" for name, value in spec["environment"].items()],
        "Labels": metadata["labels"] | metadata["annotations"],
        "ExposedPorts": {key: {} for key, _ in ports},
        "HostConfig": host,
    }
