"""Containers as Docker Engine describes them, with the fields that the program reads."""

from kelvin_provision.cluster.docker.containers import LiveContainer


def live_container(
    name="motor", *, workload="motor", revision=1, spec_hash="a" * 64, policy="no", ports=(), volumes=(), restarts=0, memory=0, **state
):
    status = state.pop("Status", "running")
    return LiveContainer.of(
        {
            "Id": f"id-of-{name}",
            "Name": f"/{name}",
            "Created": "2026-11-23T03:00:00.5Z",
            "Image": "sha256:" + "1" * 64,
            "RestartCount": restarts,
            "Config": {
                "Labels": {
                    "kelvin-provision/workload": workload,
                    "kelvin-provision/revision": str(revision),
                    "kelvin-provision/spec-hash": spec_hash,
                }
            },
            "HostConfig": {
                "RestartPolicy": {"Name": policy},
                "PortBindings": {f"{port}/{protocol}": [{"HostIp": "", "HostPort": str(port)}] for port, protocol in ports},
                "Memory": memory,
            },
            "NetworkSettings": {"Networks": {"kelvin": {"IPAddress": "172.18.0.2"}}},
            "Mounts": [{"Type": "volume", "Name": volume} for volume in volumes],
            "State": {
                "Status": status,
                "Running": status in {"running", "restarting", "paused"},
                "Restarting": status == "restarting",
                "Paused": status == "paused",
                "OOMKilled": False,
                "ExitCode": 0,
                "Error": "",
                "StartedAt": "0001-01-01T00:00:00Z" if status == "created" else "2026-11-23T03:00:00.123456789Z",
            }
            | state,
        }
    )
