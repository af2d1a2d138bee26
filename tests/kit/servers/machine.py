"""A virtual machine (Debian's qemu and kernel) with a real systemd and udev, in which sticks are plugged in and pulled out.

It starts from the tree of `servers.systemd`, read-only, with a writable layer in memory; no network at all. `build` fetches kernel and
udev, once a machine, and installs neither. KELVIN_PROVISION_TEST_MACHINE=emulated does without KVM, and takes minutes.
"""

import gzip
import json
import os
import shutil
import socket
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Self

from tests.kit.servers import systemd
from tests.kit.servers.process import dying_with_us

_KVM = Path("/dev/kvm")
_VIRTUAL = [Path("/sys/module/kvm_intel"), Path("/sys/module/kvm_amd")]
"""Others that have a /dev/kvm run only kernels that are made for them."""
_ACCELERATED = {True: ("-accel", "kvm", "-cpu", "host"), False: ("-accel", "tcg", "-cpu", "qemu64")}
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kelvin-provision-machine"
QEMU = "qemu-system-x86_64"
_TREE = CACHE / "tree"
"""Over the tree with systemd: udev, and modules of the kernel."""
_PACKAGES = ("udev", "kmod", "libkmod2")
_ROOT_MODULES = ("virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay")
_MODULES = {
    *(*_ROOT_MODULES, "virtio", "virtio_ring", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "9pnet", "netfs", "fscache"),
    *("usb-common", "usbcore", "xhci-hcd", "xhci-pci", "usb-storage", "scsi_common", "scsi_mod", "sd_mod", "t10-pi", "uas"),
    *("crc64", "crc64-rocksoft", "crc64_rocksoft_generic", "crc-t10dif", "crct10dif_common", "crct10dif_generic"),
    *("fat", "vfat", "nls_ascii", "nls_cp437", "nls_utf8", "nls_iso8859-1"),
}
_INIT = """#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b modprobe -a %s
share() { $b mkdir -p $2 && $b mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=loose,ro $1 $2; }
share base /base
share over /over
$b mount -t tmpfs -o size=70%% tmpfs /top
$b mkdir -p /top/files /top/work /root
$b mount -t overlay -o lowerdir=/over:/base,upperdir=/top/files,workdir=/top/work overlay /root
for word in $($b cat /proc/cmdline); do
	case $word in share*=*) share ${word%%%%=*} /root${word#*=} ;; esac
done
exec $b switch_root /root /sbin/init
"""
_LISTENER = """
import json, os, subprocess
with open("/dev/virtio-ports/commands", "r+b", buffering=0) as port:
    port.write(b"up\\n")
    for line in port:
        done = subprocess.run(json.loads(line), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
        answer = memoryview(json.dumps([done.returncode, done.stdout, done.stderr]).encode() + b"\\n")
        while answer:
            answer = answer[port.write(answer):]
os.execvp("systemctl", ["systemctl", "poweroff", "--force", "--force"])
"""
_LISTENER_UNIT = """[Unit]
Requires=dev-virtio\\x2dports-commands.device
After=dev-virtio\\x2dports-commands.device
[Service]
Environment=HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ExecStart=python3 /usr/lib/commands.py
"""
_RULE = 'SUBSYSTEM=="virtio-ports", TAG+="systemd"\n'


def is_virtualized() -> bool:
    return os.access(_KVM, os.R_OK | os.W_OK) and any(path.exists() for path in _VIRTUAL)


def why_not() -> str:
    """Why there is none, or nothing."""
    if not is_virtualized() and os.environ.get("KELVIN_PROVISION_TEST_MACHINE") != "emulated":
        return f"a virtual machine needs {_KVM} of kvm_intel or kvm_amd, or KELVIN_PROVISION_TEST_MACHINE=emulated"
    if not shutil.which(QEMU):
        return "a virtual machine needs qemu-system-x86"
    if why := systemd.why_not():
        return why
    return "" if (CACHE / "complete").exists() else "the virtual machine is not built: python -m tests.kit.servers.machine"


def build() -> None:
    if (CACHE / "complete").exists():
        return
    shutil.rmtree(CACHE, ignore_errors=True)
    for name in ("bin", "sbin", "lib"):
        (_TREE / "usr" / name).mkdir(parents=True)
        (_TREE / name).symlink_to(f"usr/{name}")
    wanted = subprocess.run(["apt-cache", "depends", "linux-image-amd64"], check=True, capture_output=True, text=True).stdout
    kernel = wanted.split("Depends: ")[1].split()[0]
    for package in (kernel, *_PACKAGES):
        subprocess.run(["apt-get", "-qq", "-o", "Acquire::Retries=5", "download", package], cwd=CACHE, check=True)
        (archive,) = CACHE.glob(f"{package}_*.deb")
        _unpack(archive, only_modules=package == kernel)
        archive.unlink()
    (version,) = (path.name for path in (_TREE / "lib/modules").iterdir())
    subprocess.run(["depmod", "-b", _TREE, version], executable=_TREE / "bin/kmod", check=True)
    (_TREE / "boot" / f"vmlinuz-{version}").rename(CACHE / "vmlinuz")
    _listening(_TREE)
    _write_initramfs(CACHE / "initramfs", _TREE / "lib/modules")
    (CACHE / "complete").touch()


def _unpack(archive: Path, *, only_modules: bool) -> None:
    sent = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE)
    with sent, tarfile.open(fileobj=sent.stdout, mode="r|") as files:
        wanted = (file for file in files if not only_modules or _is_wanted(Path(file.name)))
        files.extractall(_TREE, members=wanted, filter="tar")
    assert sent.returncode == 0, archive


def _is_wanted(path: Path) -> bool:
    """Of the kernel's package, which has 400 MB."""
    return path.name.startswith(("vmlinuz-", "modules.")) or (path.suffix == ".ko" and path.stem in _MODULES)


def _listening(tree: Path) -> None:
    """Commands are run as they come."""
    (tree / "usr/lib/commands.py").write_text(_LISTENER)
    units = tree / "etc/systemd/system"
    (units / "multi-user.target.wants").mkdir(parents=True)
    (units / "commands.service").write_text(_LISTENER_UNIT)
    (units / "multi-user.target.wants/commands.service").symlink_to("../commands.service")
    (tree / "lib/udev/rules.d/99-commands.rules").write_text(_RULE)


def _write_initramfs(place: Path, modules: Path) -> None:
    """In the format "newc" of cpio."""
    files: dict[str, bytes | None] = dict.fromkeys(("bin", "proc", "base", "over", "top", "lib", "lib/modules"))
    files |= {"bin/busybox": Path("/bin/busybox").read_bytes(), "init": (_INIT % " ".join(_ROOT_MODULES)).encode()}
    for path in sorted(modules.rglob("*")):
        files[f"lib/modules/{path.relative_to(modules)}"] = None if path.is_dir() else path.read_bytes()
    with gzip.open(place, "wb", compresslevel=1) as file:
        for number, (name, data) in enumerate([*files.items(), ("TRAILER!!!", b"")], 1):
            mode = 0o40755 if data is None else 0o100755
            fields = (number, mode, 0, 0, 1, 0, len(data or b""), 0, 0, 0, 0, len(name) + 1, 0)
            head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
            file.write(_padded(head) + _padded(data or b""))


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


class Machine:
    """Use it as a context manager."""

    def __init__(self, folder: Path, binds: Mapping[str | Path, str] = MappingProxyType({})) -> None:
        """`binds`: folders of this machine, with their places in it, read-only. `folder`: for what its kernel says."""
        self._log = folder / "console"
        self._binds = binds

    def __enter__(self) -> Self:
        self._commands, theirs = socket.socketpair()
        self._control, other = socket.socketpair()
        words = [*self._hardware(), "-serial", f"file:{self._log}"]
        words += ["-chardev", f"socket,id=commands,fd={theirs.fileno()}", "-device", "virtserialport,chardev=commands,name=commands"]
        words += ["-chardev", f"socket,id=control,fd={other.fileno()}", "-mon", "chardev=control,mode=control"]
        self._process = subprocess.Popen(
            dying_with_us(words), stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(), other.fileno()), start_new_session=True
        )
        for mine, given in ((self._commands, theirs), (self._control, other)):
            given.close()
            mine.settimeout(300)
        self._answers, self._events = self._commands.makefile("rb"), self._control.makefile("rb")
        try:
            self._events.readline()
            self.order("qmp_capabilities")
            assert self._answers.readline() == b"up\n", self._log.read_text()[-3000:]
        except BaseException:
            self.__exit__()
            raise
        return self

    def _hardware(self) -> list[str]:
        shares = {"base": str(systemd.TREE), "over": str(_TREE)} | {f"share{n}": str(path) for n, path in enumerate(self._binds)}
        places = [f"share{n}={place}" for n, place in enumerate(self._binds.values())]
        words = [QEMU, "-machine", "q35", *_ACCELERATED[is_virtualized()], "-smp", "1", "-m", "512", "-display", "none"]
        words += ["-nodefaults", "-no-user-config", "-no-reboot", "-device", "qemu-xhci,id=usb", "-device", "virtio-serial"]
        for tag, path in shares.items():
            words += ["-virtfs", f"local,path={path},mount_tag={tag},security_model=none,readonly=on,multidevs=remap"]
        words += ["-kernel", str(CACHE / "vmlinuz"), "-initrd", str(CACHE / "initramfs")]
        return [*words, "-append", " ".join(["console=ttyS0", "quiet", "panic=-1", *places])]

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()
        for each in (self._answers, self._events, self._commands, self._control):
            each.close()

    def run(self, *words: str) -> subprocess.CompletedProcess:
        """A command in it, as root."""
        self._commands.sendall(json.dumps(words).encode() + b"\n")
        return subprocess.CompletedProcess(words, *json.loads(self._answers.readline()))

    def out(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def order(self, name: str, *, event: str = "", **arguments) -> object:
        """To qemu; returns when it has answered, and has told of the event."""
        self._control.sendall(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        answer, missing = None, {event} - {""}
        while answer is None or missing:
            message = json.loads(self._events.readline())
            assert "error" not in message, message
            missing -= {message.get("event")}
            answer = message.get("return", answer)
        return answer

    def plug(self, name: str, image: Path, speed: int = 0) -> None:
        """A stick with what is in the file; `speed` in bytes a second."""
        self.order("object-add", **{"qom-type": "throttle-group", "id": f"speed-{name}", "limits": {"bps-read": speed}})
        below = {"driver": "raw", "file": {"driver": "file", "filename": str(image)}}
        self.order("blockdev-add", **{"driver": "throttle", "node-name": name, "throttle-group": f"speed-{name}", "file": below})
        self.order("device_add", driver="usb-storage", id=f"stick-{name}", bus="usb.0", drive=name, removable=True, serial=name)

    def pull(self, name: str) -> int:
        """At once. Returns how many bytes were read from it."""
        (read,) = (each["stats"]["rd_bytes"] for each in self.order("query-blockstats") if f"/stick-{name}/" in each.get("qdev", ""))
        self.order("device_del", id=f"stick-{name}", event="DEVICE_DELETED")
        self.order("blockdev-del", **{"node-name": name})
        self.order("object-del", id=f"speed-{name}")
        return read


if __name__ == "__main__":
    build()
