"""docs/installation.md and docs/images.md: their commands exist, their examples parse, and those for images are carried out."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from kelvin_provision.access import users as module
from kelvin_provision.access.passwords import Cost
from kelvin_provision.access.users import Users
from kelvin_provision.cli.frame.command_table import ENTRIES
from kelvin_provision.cli.frame.parsing.leaf import loaded
from kelvin_provision.ledger.ledger import utc_now
from kelvin_provision.settings.load import load
from tests.kit.box import Box
from tests.kit.cli import run
from tests.kit.signing import key_pair

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {name: (DOCS / name).read_text() for name in ("installation.md", "images.md")}
BLOCKS = [(kind, text) for page in PAGES.values() for kind, text in re.findall(r"```(\w*)\n(.*?)```", page, re.DOTALL)]
COMMANDS = sorted({found.strip() for _, text in BLOCKS for found in re.findall(r"^kelvin-provision ([^#\n>]+)", text, re.MULTILINE)})
INLINE = [line for kind, text in BLOCKS if kind == "hcl" for line in re.findall(r'^ +"(.*)",$', text, re.MULTILINE)]
CLOUD = [yaml.safe_load(text) for kind, text in BLOCKS if kind == "yaml"]


@pytest.mark.parametrize("line", [line for line in COMMANDS if line != "--version"])
def test_commands_of_the_pages_and_their_options_exist(line):
    run(*shlex.split(line), "--help").check(stderr="")


def test_every_option_of_setup_is_on_the_page():
    own = {name for param in loaded("setup", ENTRIES["setup"]).params for name in (*param.opts, *param.secondary_opts)}
    shared = {"--output", "--json", "--verbose", "--quiet", "--no-color", "--state-dir", "--config", "--help"}
    missing = [name for name in own - shared if name.startswith("--") and f"`{name}" not in PAGES["installation.md"]]
    assert missing == []


def test_the_shell_of_the_pages_is_shell():
    for text in [text for kind, text in BLOCKS if not kind and "error:" not in text] + ["\n".join(INLINE)]:
        subprocess.run(["bash", "-n"], input=text.encode(), check=True)


@pytest.fixture
def box(tmp_path, monkeypatch):
    monkeypatch.setattr(module.Users.__init__, "__defaults__", (Cost(2, 1, 1),))
    (tmp_path / "kubeconfig").touch()
    for name, path in {"SITE_CONFIG": "site/config.yaml", "UNIT_DIR": "etc/systemd/system", "STATE_DIR": "state"}.items():
        monkeypatch.setenv(f"KELVIN_PROVISION_{name}", str(tmp_path / path))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    return tmp_path


def settings(box):
    environ = {"KELVIN_PROVISION_SITE_CONFIG": str(box / "site/config.yaml")}
    return load(environ=environ, is_root=True, state_dir=box / "state").settings


def test_what_packer_runs_makes_an_image(box):
    (box / "anna.pub").write_bytes(key_pair()[1].pem)
    (line,) = [line for line in INLINE if line.startswith("kelvin-provision ")]
    run(*shlex.split(line)[1:5], *shlex.split(line.replace("/tmp/", f"{box}/"))[5:]).check(stderr=None)
    found = settings(box)
    assert (found.registry, found.trust.keys) == ("registry.example.com:5000", (box / "site/keys/anna.pub",))
    assert list((box / "state").iterdir()) == []
    assert (box / "etc/systemd/system/multi-user.target.wants/kelvin-provision-agent.service").is_symlink()


@pytest.mark.parametrize("document", CLOUD, ids=["after an image", "alone"])
def test_what_cloud_init_runs_sets_up_a_box(box, document):
    """Files are written and commands run as cloud-init does, below another folder than /root."""
    assert set(document) == {"write_files", "runcmd"}
    for file in document["write_files"]:
        path = box / file["path"].lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file["content"])
        path.chmod(int(file["permissions"], 8))
    for program, *words in document["runcmd"]:
        moved = [word.replace("/root/", f"{box}/root/") for word in words]
        if program == "kelvin-provision":
            inside = Box(box / "state")
            assert run(*moved, wiring=inside.wiring).exit_code in {0, 1}
            inside.close()
        else:
            subprocess.run([program, *moved], check=True)
    assert settings(box).cluster.name == "line-3"
    assert [user.name for user in Users(box / "state", utc_now).all()] == ["admin"]
    assert not (box / "root/setup").exists()
