"""Zips as other programs write and read them: Info-ZIP around what skopeo has written, and `unzip` of a package."""

import shutil
import subprocess

import pytest

from kelvin_provision.bundles.inspection import BundlePlace, inspect, verified
from kelvin_provision.settings.model import TrustSettings
from kelvin_provision.trust.believed import Trust
from tests.kit import bundles, packages
from tests.kit.images import make_image

PLAIN = make_image([b"first " * 9000, b"second " * 100, b"first " * 9000], compress=False)
PACKED = make_image([b"first " * 9000, b"third " * 100])
NAMES = {"r.io/pump:1.0.0", "r.io/side:2", "r.io/side:3"}


def shell(*words, cwd, stdin=None):
    done = subprocess.run(words, cwd=cwd, input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def needs(*programs):
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")


def test_what_skopeo_and_zip_have_written_is_read_however_it_was_packed(tmp_path):
    needs("skopeo", "zip")
    bundles.write(tmp_path, {"r.io/pump:1.0.0": PLAIN, "r.io/side:2": PACKED}, name="all")
    content = tmp_path / "content"
    content.mkdir()
    for name, target in (
        ("r.io/pump:1.0.0", "docker-archive:content/pump.tar:r.io/pump:1.0.0"),
        ("r.io/side:2", "docker-archive:content/side.tar:r.io/side:2"),
        ("r.io/side:2", "oci:content/layout:r.io/side:3"),
    ):
        shell("skopeo", "copy", "-q", "--override-arch", "amd64", f"oci-archive:all.kpb:{name}", target, cwd=tmp_path)
    names = b"\n".join(str(path.relative_to(content)).encode() for path in content.rglob("*") if path.is_file())
    shell("zip", "-q", "-r", "../deflated.zip", ".", cwd=content)
    shell("zip", "-q", "-0", "-r", "../stored.zip", ".", cwd=content)
    (tmp_path / "piped.zip").write_bytes(shell("zip", "-q", "-r", "-", ".", cwd=content))
    (tmp_path / "listed.zip").write_bytes(shell("zip", "-q", "-", "-@", cwd=content, stdin=names))
    results = [inspect(BundlePlace((path,)), Trust(TrustSettings())) for path in sorted(tmp_path.glob("*.zip"))]
    assert len(results) == 4
    assert {image.reference.name + ":" + image.reference.tag for image in results[0].contents.images} == NAMES
    for path in tmp_path.glob("*.zip"):
        assert verified(BundlePlace((path,)), Trust(TrustSettings()), lambda event: None).error is None


def test_unzip_reads_a_package(tmp_path):
    needs("unzip")
    packages.write(tmp_path / "pump.zip", {"r.io/pump:1.0.0": PLAIN, "r.io/side:2": PACKED})
    assert b"No errors detected" in shell("unzip", "-t", "pump.zip", cwd=tmp_path)
    shell("unzip", "-q", "pump.zip", "-d", "out", cwd=tmp_path)
    for digest, data in PLAIN.blobs.items():
        assert (tmp_path / "out/images/blobs" / digest.replace(":", "/")).read_bytes() == data
