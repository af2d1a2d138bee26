"""config set, unset and path, whole."""

import json
import os
import stat
import subprocess
import sys

import pytest

from kelvin_provision.errors import Locked
from kelvin_provision.files.lock import exclusive
from kelvin_provision.settings import files
from kelvin_provision.usecases.config import SetSetting, set_setting
from tests.kit.cli import run


@pytest.fixture
def site(tmp_path, monkeypatch):
    found = tmp_path / "etc" / "config.yaml"
    monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(found))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return found


@pytest.fixture
def person(site, tmp_path, monkeypatch):
    """Somebody who is not root: both files count."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return tmp_path / "home" / ".config" / "kelvin-provision" / "config.yaml"


def test_a_key_is_set_in_the_file_of_the_box_and_counts(site):
    result = run("config", "set", "registry", "r.example.com:5000")
    result.check(stderr="")
    assert result.stdout == f"setting registry: set, r.example.com:5000, in {site}\n"
    assert site.read_text() == "registry: r.example.com:5000\n"
    assert (stat.S_IMODE(site.stat().st_mode), stat.S_IMODE(site.parent.stat().st_mode)) == (0o644, 0o755)
    rows = {row["key"]: row for row in json.loads(run("config", "show", "--json").stdout)["settings"]}
    assert (rows["registry"]["value"], rows["registry"]["origin"]) == ("r.example.com:5000", str(site))


def test_comments_order_and_mode_stay(site):
    site.parent.mkdir()
    site.write_text("# ours\nregistry: a.io  # old\n# end\n")
    site.chmod(0o640)
    run("config", "set", "download.parallel", "2")
    run("config", "set", "registries.a.io:5000.mirrors", "m.io,n.io/x")
    assert site.read_text() == (
        "# ours\nregistry: a.io  # old\n# end\ndownload:\n  parallel: 2\nregistries:\n  a.io:5000:\n    mirrors: [m.io, n.io/x]\n"
    )
    assert stat.S_IMODE(site.stat().st_mode) == 0o640
    assert run("config", "unset", "registries.a.io:5000.mirrors").stdout == f"setting registries.a.io:5000.mirrors: unset, in {site}\n"
    assert site.read_text() == "# ours\nregistry: a.io  # old\n# end\ndownload:\n  parallel: 2\n"


def test_a_link_stays_a_link(site, tmp_path):
    site.parent.mkdir()
    (tmp_path / "real.yaml").write_text("registry: a.io\n")
    site.symlink_to(tmp_path / "real.yaml")
    run("config", "set", "registry", "b.io")
    assert (site.is_symlink(), (tmp_path / "real.yaml").read_text()) == (True, "registry: b.io\n")


def test_the_same_again_writes_nothing(site):
    run("config", "set", "keep_revisions", "5")
    before = site.stat().st_ino
    result = run("config", "set", "keep_revisions", "5", "--json")
    assert json.loads(result.stdout)["items"] == [
        {"kind": "setting", "name": "keep_revisions", "outcome": "unchanged", "detail": f"5, in {site}"}
    ]
    assert site.stat().st_ino == before
    assert run("config", "unset", "registry").stdout == f"setting registry: unchanged, it is not in {site}\n"


@pytest.mark.parametrize(
    ("words", "stderr"),
    [
        (["set", "registri", "x"], "error: unknown setting registri\n hint: kelvin-provision config set registry VALUE\n"),
        (
            ["set", "registries.r.io.insecur", "true"],
            "error: unknown setting registries.r.io.insecur\n hint: kelvin-provision config set registries.r.io.insecure VALUE\n",
        ),
        (["set", "zzz", "1"], "error: unknown setting zzz\n hint: kelvin-provision config set KEY VALUE\n"),
        (["unset", "registri"], "error: unknown setting registri\n hint: kelvin-provision config unset registry\n"),
        (
            ["set", "download.parallel", "99"],
            "error: download.parallel: expected an integer from 1 to 16, or auto, got 99\n hint: kelvin-provision config show -o wide\n",
        ),
        (
            ["set", "workload_deploy.instantly_apply", "false"],
            (
                "error: the settings would be invalid; nothing was written\n"
                "  workload_deploy: staged and instantly_apply are both false, so nothing would be done; set staged: true\n"
                " hint: kelvin-provision config show\n"
            ),
        ),
    ],
)
def test_what_is_not_right_is_refused_and_nothing_is_written(site, words, stderr):
    result = run("config", *words)
    assert (result.stdout, result.stderr) == ("", stderr)
    assert result.exit_code == (78 if "nothing was written" in stderr else 2)
    assert not site.exists()


def test_a_misspelt_key_in_the_file_is_repaired_key_by_key(site):
    site.parent.mkdir()
    site.write_text("registri: a.io\ncluster: {namespace: x}\n")
    assert run("config", "set", "registry", "a.io").exit_code == 0
    assert run("config", "unset", "registri").exit_code == 0
    assert site.read_text() == "cluster: {namespace: x}\nregistry: a.io\n"
    refused = run("config", "set", "cluster.name", "y")
    refused.check(
        exit_code=78,
        stderr=f'error: {site} is written in a way that cannot be changed here without losing something\n hint: write cluster.name: "y" by hand\n',
    )


def test_who_wins_over_the_file_is_said(person, site, monkeypatch):
    monkeypatch.setenv("KELVIN_PROVISION_KEEP_REVISIONS", "7")
    result = run("config", "set", "keep_revisions", "3")
    assert result.stdout == f"setting keep_revisions: set, 3, in {person}\n"
    assert result.stderr == f"warning: KELVIN_PROVISION_KEEP_REVISIONS overrides {person}: keep_revisions is 7\n"
    assert (stat.S_IMODE(person.stat().st_mode), stat.S_IMODE(person.parent.stat().st_mode)) == (0o600, 0o700)
    run("config", "set", "registry", "mine.io")
    assert run("config", "set", "--site", "registry", "box.io").stderr == f"warning: {person} overrides {site}: registry is mine.io\n"
    assert run("config", "unset", "registry").stderr == f"warning: {site} overrides {person}: registry is box.io\n"


def test_changes_at_the_same_moment_are_all_kept(site):
    """Read, change and write happen under one lock, also between processes."""
    site.parent.mkdir()
    site.write_text("# ours\n")
    hosts = [f"r{number}.io" for number in range(8)]
    command = [sys.executable, "-m", "kelvin_provision", "config", "set", "--config", str(site)]
    running = [subprocess.Popen([*command, f"registries.{host}.insecure", "true"], stdout=subprocess.PIPE, text=True) for host in hosts]
    outputs = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * len(hosts)
    assert outputs == [f"setting registries.{host}.insecure: set, true, in {site}\n" for host in hosts]
    lines = site.read_text().splitlines()
    assert lines[:2] == ["# ours", "registries:"]
    assert sorted(lines[2:]) == sorted(line for host in hosts for line in (f"  {host}:", "    insecure: true"))


def test_a_change_waits_for_the_lock_and_names_its_holder(site):
    site.parent.mkdir()
    sources = files.Sources(os.environ, is_root=True, lock_timeout=0.05)
    with exclusive(site.with_name(".config.yaml.lock"), command="config set"):
        with pytest.raises(Locked, match=f"{site.parent}/.config.yaml.lock is held by "):
            set_setting(sources, SetSetting("registry", "a.io"))
        assert run("config", "unset", "registry").exit_code == 0
    assert not site.exists()
    assert run("config", "set", "registry", "a.io").exit_code == 0


def test_what_only_root_may_say_is_refused_in_a_persons_own_file(person, site):
    result = run("config", "set", "registries.r.io.insecure", "true")
    assert result.exit_code == 2
    assert result.stderr.endswith(" hint: sudo kelvin-provision config set registries.r.io.insecure VALUE\n")
    assert run("config", "set", "--site", "registries.r.io.insecure", "true").exit_code == 0
    assert site.read_text() == "registries:\n  r.io:\n    insecure: true\n"


def test_another_file_may_be_named(site, tmp_path):
    other = tmp_path / "other.yaml"
    assert run("config", "set", "registry", "a.io", "--config", str(other)).stdout == f"setting registry: set, a.io, in {other}\n"
    assert (other.read_text(), site.exists()) == ("registry: a.io\n", False)
    assert run("config", "set", "registry", "a.io", "--site", "--config", str(other)).exit_code == 2


def test_the_files_that_are_read(person, site):
    run("config", "set", "--site", "registry", "a.io")
    result = run("config", "path")
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["PATH", "ROLE", "EXISTS"],
        [str(site), "site", "yes"],
        [str(person), "user", "no"],
    ]
    assert json.loads(run("config", "path", "--json").stdout) == {
        "schema": 1,
        "files": [{"path": str(site), "role": "site", "exists": True}, {"path": str(person), "role": "user", "exists": False}],
    }
    assert run("config", "path", "-o", "name", "--config", "/x/y.yaml").stdout == "/x/y.yaml\n"


def test_every_setting_can_be_set_to_its_own_default(site):
    from kelvin_provision.settings.keys import KEYS

    for key in KEYS:
        if key.default:
            name = key.name.replace("<host>", "r.io")
            assert run("config", "set", name, key.default).exit_code == 0, name
    assert run("config", "show").exit_code == 0


def test_trusted_keys_are_set_before_what_must_be_signed(site):
    refused = run("config", "set", "trust.require_signature", "request")
    assert (refused.exit_code, "set trust.keys first" in refused.stderr, site.exists()) == (78, True, False)
    run("config", "set", "trust.keys", "/etc/a.pub,/etc/b.pub").check()
    run("config", "set", "trust.require_signature", "bundle,request").check()
    assert site.read_text() == "trust:\n  keys: [/etc/a.pub, /etc/b.pub]\n  require_signature: [bundle, request]\n"
    rows = {row["key"]: row["value"] for row in json.loads(run("config", "show", "--json").stdout)["settings"]}
    assert (rows["trust.keys"], rows["trust.require_signature"]) == ("/etc/a.pub, /etc/b.pub", "bundle, request")
    assert run("config", "unset", "trust.keys").exit_code == 78
    run("config", "set", "trust.require_signature", "none").check()
    assert "require_signature: []" in site.read_text()
