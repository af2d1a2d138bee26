"""What is in `dist`: the same bytes from every build, sums and a list of everything inside; nothing that lintian or PyPI would refuse."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from package.inputs import lock
from tests.kit.servers import packages

pytestmark = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs dpkg-deb")


def test_a_second_build_from_nothing_gives_the_same_bytes(first):
    again = packages.first("--arch", "amd64", "--fresh", name="again")
    assert (again / "SHA256SUMS").read_text() == (first / "SHA256SUMS").read_text()
    done = subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=again, check=False, capture_output=True)
    assert done.returncode == 0, done.stdout
    names = {path.name.partition(".")[0].partition("-")[0].partition("_")[0] for path in first.iterdir()}
    assert (names, len(list(first.iterdir()))) == ({"kelvin", "SHA256SUMS"}, 6)


def test_everything_in_it_is_listed_with_digest_and_licence(first):
    (path,) = first.glob("*-amd64.cdx.json")
    document = json.loads(path.read_text())
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.5")
    listed = {(each["name"], each["version"], each["hashes"][0]["content"]) for each in document["components"]}
    locked = lock.read()
    assert listed == {(row.name, row.version, row.sha256) for row in (*locked.debs_for("amd64"), *locked.wheels_for("amd64"))}
    assert len({each["bom-ref"] for each in document["components"]}) == len(listed)
    for each in document["components"]:
        assert each["licenses"][0]["license"]["name"], each["name"]


@pytest.mark.skipif(not shutil.which("lintian"), reason="needs lintian")
def test_lintian_finds_no_error(first, tmp_path):
    (path,) = first.glob("*.deb")
    own = os.environ | {"TMPDIR": str(tmp_path)}  # it leaves files there
    done = subprocess.run(["lintian", "--fail-on", "error", "--allow-root", path], env=own, check=False, capture_output=True, text=True)
    assert [line for line in done.stdout.splitlines() if line.startswith("E:")] == []
    assert done.returncode == 0, done.stdout + done.stderr


def test_pypi_would_take_sdist_and_wheel(first):
    files = [*first.glob("*.whl"), *first.glob("*.tar.gz")]
    done = subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *files], check=False, capture_output=True, text=True)
    assert (len(files), done.returncode) == (2, 0), done.stdout
