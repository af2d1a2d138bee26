"""The static table says the truth about the commands."""

import inspect
from importlib import import_module

import pytest

from kelvin_provision.cli.frame.command_table import ENTRIES, commands
from kelvin_provision.cli.frame.parsing.lazy import root
from kelvin_provision.cli.frame.parsing.leaf import loaded
from kelvin_provision.cli.frame.parsing.options import SHARED

EVERY = [pytest.param(" ".join(words), entry, id=" ".join(words)) for words, entry in commands()]


@pytest.mark.parametrize(("path", "entry"), EVERY)
def test_every_command_starts_its_docstring_with_its_one_line_help(path, entry):
    module = import_module(entry.module)
    assert inspect.getdoc(module.command).splitlines()[0] == entry.help
    assert module.__doc__.splitlines()[0] == entry.help


@pytest.mark.parametrize(("path", "entry"), EVERY)
def test_every_command_has_the_shared_options_and_help_for_all_of_its_own(path, entry):
    params = loaded(path, entry).params
    assert {param.name for param in params} >= SHARED == {"output", "json", "verbose", "quiet", "no_color", "state_dir", "config"}
    assert [param.name for param in params if not param.help] == []


@pytest.mark.parametrize(("path", "entry"), EVERY)
def test_no_one_line_help_is_cut_in_eighty_columns(path, entry):
    group = root().get_command(None, path.split()[0])
    with root().make_context("kelvin-provision", [], resilient_parsing=True, terminal_width=80) as context:
        text = (root() if " " not in path else group).get_help(context)
    assert "..." not in text.replace("[ARGS]...", "")


def test_the_commands_are_those_of_the_design():
    assert [" ".join(words) for words, _ in commands(ENTRIES)] == [
        "workloads deploy",
        "workloads apply",
        "workloads diff",
        "workloads list",
        "workloads show",
        "workloads check",
        "workloads rehearse",
        "workloads wait",
        "workloads start",
        "workloads stop",
        "workloads hold",
        "workloads release",
        "workloads rollback",
        "workloads history",
        "workloads undeploy",
        "workloads logs",
        "workloads download",
        "images list",
        "images verify",
        "images prune",
        "images delta",
        "bundle create",
        "bundle sign",
        "bundle inspect",
        "bundle verify",
        "bundle import",
        "media list",
        "media arrived",
        "media install",
        "media uninstall",
        "follow list",
        "follow now",
        "follow send",
        "follow key",
        "node token",
        "node join",
        "node list",
        "node drain",
        "node remove",
        "agent run",
        "agent status",
        "agent start",
        "agent stop",
        "agent restart",
        "agent install",
        "agent uninstall",
        "api serve",
        "api status",
        "api install",
        "api uninstall",
        "api cert show",
        "api cert renew",
        "api cert export-ca",
        "api user add",
        "api user level",
        "api user list",
        "api user passwd",
        "api user remove",
        "api user unlock",
        "api token create",
        "api token list",
        "api token revoke",
        "fleet status",
        "publish",
        "key generate",
        "key show",
        "key sign",
        "key verify",
        "trust show",
        "trust history",
        "trust create",
        "trust sign",
        "trust import",
        "config show",
        "config set",
        "config unset",
        "config path",
        "self list",
        "self verify",
        "self rollback",
        "setup",
        "doctor",
        "support-bundle",
        "explain",
        "completion",
    ]
