"""Hints of what a registry answers, or does not: each fits the command that met it, and once the cause is gone, that command ends well."""

import json
import os
from contextlib import closing
from dataclasses import replace

import pytest

from kelvin_provision import errors, wiring
from kelvin_provision.registry.pushing.pusher import Pusher
from kelvin_provision.retry import Backoff
from kelvin_provision.settings.load import load
from kelvin_provision.staging.limits.policy import local_time
from kelvin_provision.trust import computing
from tests.kit.box import Box
from tests.kit.cli import run
from tests.kit.delta_images import IMAGES, NEW, OLD
from tests.kit.hints import error, request, typed
from tests.kit.images import random_image
from tests.kit.publishing import publish
from tests.kit.requests import stored_request
from tests.kit.servers.front import Front
from tests.kit.signing import computed_here, key_pair, trusting

ONCE = Backoff(deadline=0.0)
SITE = "r.io/fleet/site:stable"
REPOSITORIES = iter(f"hints/r{number}" for number in range(1000))
KEPT = "what was downloaded is kept"


@pytest.fixture
def box(tmp_path, monkeypatch):
    monkeypatch.setattr(computing, "computed", computed_here)
    monkeypatch.setenv("KELVIN_PROVISION_REGISTRY", "r.io")
    monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(tmp_path / "site.yaml"))
    with closing(Box(tmp_path / "state")) as made:
        yield made


# --- commands that read images or publications ------------------------------------------------------------


def bundle(box, folder):
    box.source.images["r.io/fan:1.0.0"] = random_image([3000])
    return "bundle", "create", request(folder / "fan.json"), "--to", str(folder)


def delta(box, folder):
    box.source.images |= IMAGES
    return "images", "delta", "--from", OLD, "--to", NEW


def look(box, folder):
    pair = key_pair()
    (key,) = trusting(folder, pair).keys
    (folder / "site.yaml").write_text(f"trust: {{keys: [{key}]}}\nfollow: {{publications: [{SITE}]}}\n")
    publish(box, SITE, pair, 1)
    return "follow", "now"


@pytest.mark.parametrize(
    ("words", "unreachable", "busy"),
    [
        (bundle, f"check the network, then try again: {KEPT}", f"try again in a few minutes: {KEPT}"),
        (delta, f"check the network, then try again: {KEPT}", f"try again in a few minutes: {KEPT}"),
        (look, "check the network; the agent asks again by itself", "nothing to do: the agent asks again"),
    ],
)
def test_a_registry_that_is_away_is_tried_again_as_the_command_can(box, tmp_path, words, unreachable, busy):
    words = words(box, tmp_path)
    for kind, hint in ((errors.RegistryUnreachable, unreachable), (errors.RegistryBusy, busy)):
        box.source.down = kind("the cause")
        found = error(box, *words)
        assert (found["code"], found["hint"]) == (kind.code, hint)
    box.source.down = None
    assert box.run(*words).exit_code == 0


def test_a_hint_of_its_own_is_the_better_one(box, tmp_path):
    words = bundle(box, tmp_path)
    box.source.down = errors.RegistryUnreachable("no secure connection", hint="check the clock of this box: date")
    assert error(box, *words)["hint"] == "check the clock of this box: date"


def test_images_of_a_delta_are_those_that_were_named(box, tmp_path):
    words = delta(box, tmp_path)
    found = error(box, *words[:-1], "r.io/pump:9")
    assert (found["code"], found["hint"]) == ("image-not-found", "check --from and --to")
    assert box.run(*words).exit_code == 0


def test_a_publication_that_is_not_there_is_published(box, tmp_path):
    words, tags = look(box, tmp_path), dict(box.source.tags)
    box.source.tags.clear()
    found = error(box, *words)
    assert (found["code"], found["hint"]) == ("image-not-found", "publish it at the desk, or correct follow.publications")
    box.source.tags |= tags
    assert box.run(*words).exit_code == 0


def test_a_bundle_whose_download_the_settings_do_not_allow_is_made_once_they_do(box, tmp_path, monkeypatch):
    words, site = bundle(box, tmp_path), tmp_path / "site.yaml"
    hour = local_time().minute // 60
    site.write_text("download:\n  window: {:02}:00-{:02}:00\n".format(*((hour + hours) % 24 for hours in (2, 3))))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    found = error(box, *words)
    shown = "try again when the limits allow a download; they are in: kelvin-provision config show"
    assert (found["code"], found["hint"]) == ("download-waits", shown)
    assert "download.window" in typed(box, found["hint"]).stdout
    assert box.run("config", "unset", "download.window").exit_code == 0
    assert load(state_dir=tmp_path, environ=os.environ, is_root=True).settings.download.window is None
    assert box.run(*words).exit_code == 0


@pytest.mark.parametrize("words", [("bundle", "create", "FILE", "--to", "."), ("publish", "-f", "FILE", "r.io/fleet:1", "--diff")])
def test_a_request_that_is_refused_at_a_desk_is_corrected_there(box, tmp_path, words):
    (tmp_path / "bad.json").write_text("{}")
    found = error(box, *(str(tmp_path / "bad.json") if word == "FILE" else word for word in words))
    ends = {"bundle": "make the bundle again; nothing was written", "publish": "publish again; nothing was pushed"}
    assert (found["code"], found["hint"]) == ("request-refused", f"correct the findings, then {ends[words[0]]}")


# --- commands that push, or read what was pushed: Debian's docker-registry, behind what breaks ----------------


@pytest.fixture
def front(registry):
    with Front(registry) as made:
        yield made


def ended(box, *words):
    """The error of a command that tries once; None if it ends well."""
    impatient = replace(box.wiring, destination=lambda settings, progress: Pusher(settings, progress, backoff=ONCE))
    result = run(*words, "--json", "--state-dir", str(box.settings.state_dir), wiring=impatient)
    return json.loads(result.stdout).get("error")


def published(box, folder, host):
    (folder / "pump.json").write_bytes(stored_request("pump", "1.0.0"))
    run("key", "generate", str(folder / "anna")).check(stderr="")
    return "publish", "-f", str(folder / "pump.json"), f"{host}/{next(REPOSITORIES)}:stable", "--sign", str(folder / "anna.key")


def sent(box, folder, host):
    (folder / "site.yaml").write_text(f"follow: {{report: {host}/hints/reports}}\n")
    return "follow", "send"


@pytest.mark.xdist_group("registry")
@pytest.mark.parametrize(
    ("words", "unreachable", "busy"),
    [
        (published, "check the network, then try again: what the registry has is not sent again", "try again in a few minutes"),
        (sent, "check the network; the agent sends it again by itself", "nothing to do: the agent sends it again"),
    ],
)
def test_what_could_not_be_pushed_is_pushed_once_the_registry_is_back(box, front, tmp_path, words, unreachable, busy):
    words = words(box, tmp_path, front.host)
    front.away = True
    found = ended(box, *words)
    assert (found["code"], found["hint"]) == ("registry-unreachable", unreachable)
    front.away, front.busy = False, dict.fromkeys(("GET", "HEAD"), 1)
    found = ended(box, *words)
    assert (found["code"], found["hint"]) == ("registry-busy", busy)
    front.busy.clear()
    assert ended(box, *words) is None


@pytest.mark.xdist_group("registry")
def test_who_waits_for_a_dead_registry_is_told_why(box, front, tmp_path):
    words = published(box, tmp_path, front.host)
    front.away = True
    twice = replace(box.wiring, destination=lambda settings, progress: Pusher(settings, progress, backoff=Backoff(0.01, 0.01, 0.001)))
    result = run(*words, "--state-dir", str(box.settings.state_dir), wiring=twice)
    why = f"the connection to the registry {front.host} broke"
    assert result.exit_code == 69
    assert [line.partition(" (")[0] for line in result.stderr.splitlines()[:2]] == [why, f"error: {why}"]
    assert result.stderr.splitlines()[0].endswith("; next try in 1s")


@pytest.mark.xdist_group("registry")
def test_two_publications_with_one_serial_are_followed_by_one_with_a_higher_serial(box, registry, tmp_path):
    first = published(box, tmp_path, registry)
    tag, key = first[3], first[5]
    other = tmp_path / "other.json"
    other.write_bytes(stored_request("pump", "2.0.0"))
    (tmp_path / "site.yaml").write_text(f"trust: {{keys: [{tmp_path}/anna.pub]}}\nfollow: {{publications: ['{tag}']}}\n")
    box.source = wiring.source(box.settings)
    box.run(*first).check(stderr=None)
    serial = json.loads(box.run("follow", "now", "--json").check(stderr=None).stdout)["publications"][0]["serial"]
    twin = json.loads(box.run(*first[:2], str(other), *first[3:], "--replace", "--serial", str(serial), "--json").check(stderr=None).stdout)
    found = error(box, "follow", "now")
    assert (found["code"], twin["publication"]["document"] in found["message"]) == ("publication-differs", True)
    (listed,) = json.loads(box.run("follow", "list", "--json").check(stderr=None).stdout)["publications"]
    assert (listed["error"]["code"], listed["document"] in found["message"]) == ("publication-differs", True)
    values = {"FILE": str(other), "REGISTRY/REPO:TAG": tag, "KEY": key, "NUMBER": str(serial + 1)}
    typed(box, found["hint"], **values).check(stderr=None)
    box.run("follow", "now").check(stderr=None)
    assert box.ledger.workload("pump").staged.spec.app_version == "2.0.0"


@pytest.mark.xdist_group("registry")
def test_a_fleet_is_looked_at_once_its_registry_is_back_and_its_name_is_right(box, front, tmp_path):
    (tmp_path / "site.yaml").write_text(f"follow: {{report: {front.host}/hints/fleet}}\n")
    assert ended(box, "follow", "send") is None
    front.away = True
    found = ended(box, "fleet", "status", f"{front.host}/hints/fleet")
    assert (found["code"], found["hint"]) == ("registry-unreachable", "check the network, then try again")
    front.away = False
    found = ended(box, "fleet", "status", f"{front.host}/hints/flaet")
    assert (found["code"], found["hint"]) == ("image-not-found", "check the name of the repository: it is follow.report of the boxes")
    assert ended(box, "fleet", "status", f"{front.host}/hints/fleet") is None
