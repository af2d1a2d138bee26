"""A real Kubernetes that the environment names, and putting images into its containerd."""

import io
import itertools
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.kit.images import TALKING, Image, program, sha256, web_image

KUBECONFIG = "KELVIN_PROVISION_TEST_KUBECONFIG"
CONTAINERD = "KELVIN_PROVISION_TEST_CONTAINERD"
_NUMBERS = itertools.count(1)


def kubeconfig() -> Path:
    """The file, or the test is skipped with the reason."""
    if not os.environ.get(KUBECONFIG):
        pytest.skip(f"{KUBECONFIG} is not set")
    return Path(os.environ[KUBECONFIG])


def containerd_socket() -> str:
    """The socket of the node's containerd, or the test is skipped with the reason."""
    if not os.environ.get(CONTAINERD):
        pytest.skip(f"{CONTAINERD} is not set: images cannot be put on the node")
    if not shutil.which("ctr"):
        pytest.skip("ctr is not installed")
    return os.environ[CONTAINERD]


def fresh_namespace() -> str:
    return f"provision-test-{os.getpid()}-{next(_NUMBERS)}"


def archive(image: Image, name: str) -> bytes:
    """An OCI archive of one image."""
    described = {
        "mediaType": image.media_type,
        "digest": image.digest,
        "size": len(image.manifest),
        "annotations": {"io.containerd.image.name": name},
    }
    index = {"schemaVersion": 2, "manifests": [described]}
    files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": json.dumps(index).encode()}
    blobs = image.blobs | {sha256(image.manifest): image.manifest}
    files |= {f"blobs/{digest.replace(':', '/')}": data for digest, data in blobs.items()}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, data in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def load(socket: str, image: Image, name: str) -> None:
    """Into the namespace of the kubelet."""
    command = ["ctr", "--address", socket, "--namespace", "k8s.io", "images", "import", "-"]
    subprocess.run(command, input=archive(image, name), check=True, capture_output=True)


def unload(socket: str, names: list[str]) -> None:
    subprocess.run(["ctr", "--address", socket, "--namespace", "k8s.io", "images", "rm", *names], check=False, capture_output=True)


@pytest.fixture(scope="session")
def cluster_images():
    """`one` and `two` answer, `dying` ends with 3 after a second, `talking` writes; `missing` is nowhere. Word to reference."""
    kubeconfig()
    socket = containerd_socket()
    made = {
        "one": web_image("one"),
        "two": web_image("two"),
        "dying": program("echo going down; sleep 1; exit 3"),
        "talking": program(TALKING),
    }
    names = {word: f"provision.test/{os.getpid()}/{word}:1" for word in made}
    for word, image in made.items():
        load(socket, image, names[word])
    yield names | {"missing": "127.0.0.1:9/provision/missing:1"}
    unload(socket, list(names.values()))
