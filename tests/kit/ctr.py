"""containerd asked by `ctr`, past the program."""

import subprocess

from kelvin_provision.runtimes import archive


class Outside:
    """`ctr` by hand."""

    def __init__(self, address: str, program: str = "ctr") -> None:
        self._command = [program, "-a", address, "-n", "k8s.io"]

    def ctr(self, *args: str, data: bytes | None = None) -> str:
        return subprocess.run([*self._command, *args], input=data, check=True, capture_output=True).stdout.decode()

    def put(self, lock, blob) -> None:
        self.ctr("images", "import", "-", data=b"".join(archive.chunks(lock, blob)))

    def holds(self, lock) -> bool:
        return bool(self.ctr("images", "ls", "-q", f"target.digest=={lock.root.digest}").strip())
