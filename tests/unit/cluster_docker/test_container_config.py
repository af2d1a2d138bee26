import io
import tarfile

import pytest

from kelvin_provision.cluster.docker.render.container_config import create_body
from kelvin_provision.cluster.docker.render.files import files_archive


def container(nano_cpus=0):
    return {
        "metadata": {"name": "motor", "labels": {"a": "b"}, "annotations": {"c": "d"}},
        "spec": {
            "image": "sha256:1",
            "environment": {"A": "b=c"},
            "resources": {"nano_cpus": nano_cpus, "cpu_shares": 2, "memory": 3, "memory_reservation": 4},
            "privileged": True,
            "ports": [
                {"name": "a", "port": 80, "protocol": "tcp", "published": 8080},
                {"name": "b", "port": 80, "protocol": "tcp", "published": 8081},
                {"name": "c", "port": 53, "protocol": "udp", "published": None},
            ],
            "binds": [{"source": "/dev", "target": "/host/dev"}],
            "volumes": [{"name": "kelvin-motor-data", "target": "/data"}],
        },
    }


def test_the_body_of_a_create_request():
    assert create_body(container(), cpus=2, log_driver="json-file") == {
        "Image": "sha256:1",
        "Env": ["A=b=c"],
        "Labels": {"a": "b", "c": "d"},
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
        "HostConfig": {
            "NetworkMode": "kelvin",
            "RestartPolicy": {"Name": "no"},
            "Privileged": True,
            "PortBindings": {"80/tcp": [{"HostPort": "8080"}, {"HostPort": "8081"}]},
            "Binds": ["/dev:/host/dev"],
            "Mounts": [{"Type": "volume", "Source": "kelvin-motor-data", "Target": "/data"}],
            "NanoCpus": 0,
            "CpuShares": 2,
            "Memory": 3,
            "MemoryReservation": 4,
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
        },
    }


def test_an_administrators_log_driver_stays():
    assert "LogConfig" not in create_body(container(), cpus=2, log_driver="journald")["HostConfig"]


@pytest.mark.parametrize(("limit", "nano_cpus"), [(0, 0), (1_000_000, 10_000_000), (500_000_000, 500_000_000), (9 * 10**9, 2 * 10**9)])
def test_cpu_is_kept_between_what_the_engine_takes(limit, nano_cpus):
    assert create_body(container(limit), cpus=2, log_driver="none")["HostConfig"]["NanoCpus"] == nano_cpus


def test_files_have_their_modes_and_bytes_and_no_folders_beside_them():
    files = [{"path": "/etc/a/b", "mode": "0640", "base64": "/w=="}, {"path": "/run/k", "mode": "0400", "text": "\u00fc"}]
    with tarfile.open(fileobj=io.BytesIO(files_archive(files))) as tar:
        entries = [(entry.name, entry.mode, entry.uid, tar.extractfile(entry).read()) for entry in tar]
    assert entries == [("etc/a/b", 0o640, 0, b"\xff"), ("run/k", 0o400, 0, "\u00fc".encode())]
