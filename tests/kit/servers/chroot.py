"""A Debian of one suite, or a box with nothing but busybox, for tests of installing: a writable layer of its own, no network but loopback.

`build` makes what they start from, once a machine, by debootstrap. A holder process has the namespaces: mounts and processes end with it.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from package.tree import elf
from tests.kit.waiting import until

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kelvin-provision-chroots"
SUITES = ("bookworm", "trixie", "bullseye")
BUSYBOX = "busybox"
_BUSYBOX = Path("/bin/busybox")
_UP = """
set -e
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
mount -t proc proc "$2/root/proc"
[ -e "$2/root/etc/hosts" ] || echo "127.0.0.1 localhost" >"$2/root/etc/hosts"
mount -t tmpfs tmpfs "$2/root/run"
mount --rbind /dev "$2/root/dev"
ip link set lo up
touch "$2/up"
exec sleep infinity
"""


def why_not(base: str) -> str:
    """Why there is none, or nothing."""
    if os.geteuid() != 0:
        return "a chroot needs root"
    if base == BUSYBOX:
        return "" if _is_static() else "a box with nothing but busybox needs busybox-static"
    if not shutil.which("debootstrap"):
        return f"a chroot of {base} needs debootstrap"
    return "" if (CACHE / base / "bin").exists() else f"the chroot of {base} is not built: python -m tests.kit.servers.chroot"


def _is_static() -> bool:
    return _BUSYBOX.exists() and not elf.needed(_BUSYBOX)


def build(base: str) -> None:
    """Under its name only when it is whole."""
    if (CACHE / base).exists() or base == BUSYBOX:
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    building = CACHE / f"{base}.building"
    shutil.rmtree(building, ignore_errors=True)
    subprocess.run(["debootstrap", "--variant=minbase", "--include=ca-certificates", base, building], check=True, stdout=subprocess.DEVNULL)
    for each in (building / "var/cache/apt/archives").glob("*.deb"):
        each.unlink()
    building.rename(CACHE / base)


def _bare(folder: Path) -> Path:
    """With a shell and its tools in one program, and users; no C library, no /tmp."""
    for name in ("bin", "etc", "proc", "dev", "run", "root", "usr/bin"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_BUSYBOX, folder / "bin/busybox")
    (folder / "bin/busybox").chmod(0o755)
    (folder / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nanna:x:1000:1000::/:/bin/sh\n")
    (folder / "etc/group").write_text("root:x:0:\n")
    (folder / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.0.9 registry.box\n")
    for name in subprocess.run([_BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout.split():
        if name != "busybox":
            (folder / "bin" / name).symlink_to("busybox")
    return folder


class Chroot:
    """Use it as a context manager."""

    def __init__(self, base: str) -> None:
        self._base = base

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="kelvin-chroot-"))
        self.root = self.folder / "root"
        for name in ("upper", "work", "root", "bare"):
            (self.folder / name).mkdir()
        lower = _bare(self.folder / "bare") if self._base == BUSYBOX else CACHE / self._base
        words = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", _UP, "up", lower, self.folder]
        self._holder = subprocess.Popen(words, stdin=subprocess.DEVNULL)
        until(lambda: (self.folder / "up").exists() or self._holder.poll() is not None)
        assert self._holder.poll() is None, "the chroot did not come up"
        self.init = int(Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children").read_text())
        return self

    def __exit__(self, *error: object) -> None:
        self._holder.kill()  # with it goes the first process of the namespace, and so all of them
        self._holder.wait()
        until(lambda: not Path(f"/proc/{self.init}").exists())
        shutil.rmtree(self.folder)

    @property
    def path(self) -> Path:
        """Its root, from outside of its namespaces."""
        return Path(f"/proc/{self.init}/root{self.root}")

    def inside(self, *words: str) -> list[str]:
        """The command line of a command in it, with an environment of its own."""
        variables = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "DEBIAN_FRONTEND=noninteractive"]
        entered = ["nsenter", "-t", str(self.init), "-m", "-n", "-p", "chroot", str(self.root)]
        return [*entered, "env", "-i", *variables, *words]

    def run(self, *words: str, **more) -> subprocess.CompletedProcess:
        return subprocess.run(self.inside(*words), capture_output=True, text=True, check=False, timeout=240, **more)

    def out(self, *words: str, **more) -> str:
        done = self.run(*words, **more)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def tool(self, *words: str, **more) -> subprocess.CompletedProcess:
        """A command of ours."""
        return self.run("kelvin-provision", *words, **more)

    def files(self) -> set[str]:
        """What was written into it, or removed, since it was made; without the files of dpkg, and of the tests."""
        upper = self.folder / "upper"
        written = {str(path.relative_to(upper)) for path in upper.rglob("*") if path.is_symlink() or not path.is_dir()}
        return {
            name
            for name in written
            if not name.startswith(("var/lib/dpkg/", "var/log/", "root/", "etc/hosts", "etc/ld.so.cache", "var/cache/"))
        }

    def bring(self, *paths: Path) -> None:
        """Files of this machine, into /root."""
        for path in paths:
            shutil.copyfile(path, self.path / "root" / path.name)


if __name__ == "__main__":
    failed = []
    for suite in SUITES:
        try:
            build(suite)
        except (OSError, subprocess.CalledProcessError) as error:
            failed.append(f"{suite}: {error}")
    raise SystemExit("\n".join(failed))
