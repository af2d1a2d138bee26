"""follow list and now, and the same over the API: what is printed, and what is refused."""

import json
import os
from contextlib import closing
from dataclasses import replace

import pytest

from kelvin_provision.access.levels import Level
from kelvin_provision.agent.questions.jobs import Jobs
from kelvin_provision.errors import OurBug, SettingsInvalid
from kelvin_provision.following.taking import take_all
from kelvin_provision.jobs import table as job_table
from kelvin_provision.settings.model import FollowSettings
from kelvin_provision.trust import computing
from tests.kit import hints
from tests.kit.agent_thread import serving_beside_agent
from tests.kit.api import serving
from tests.kit.box import Box
from tests.kit.browser import as_level, plain
from tests.kit.publishing import publish, request
from tests.kit.signing import computed_here, key_pair, trusting

SITE, LINE = "r.io/fleet/site:stable", "r.io/fleet/line:stable"
ANNA, OTTO = key_pair(), key_pair(name="otto")
SIGNED = f"anna ({ANNA[1].key_id[:12]})"


@pytest.fixture
def box(tmp_path, monkeypatch):
    monkeypatch.setattr(computing, "computed", computed_here)
    with closing(Box(tmp_path / "state")) as box:
        yield box


@pytest.fixture
def site(tmp_path):
    (key,) = trusting(tmp_path, ANNA).keys
    path = tmp_path / "site.yaml"
    path.write_text(f"trust: {{keys: [{key}]}}\nfollow: {{publications: [{SITE}, {LINE}]}}\n")
    return path


def test_now_stages_and_list_has_what_became_of_it(box, site):
    publish(box, SITE, ANNA, 3, request("pump"), request("fan"))
    publish(box, LINE, ANNA, 1)
    assert box.run("--config", str(site), "follow", "now").check().stdout == (
        "workload pump: staged, 1.0.0\n"
        "workload fan: staged, 1.0.0\n"
        f"publication {SITE}: taken in, serial 3, signed by {SIGNED}\n"
        f"publication {LINE}: unchanged, serial 1, signed by {SIGNED}\n"
    )
    box.turn()
    publish(box, SITE, ANNA, 4, request("pump"), withdrawn=("fan",))
    again = json.loads(box.run("--config", str(site), "follow", "now", SITE, "--json").check().stdout)
    assert (again["status"], again["publications"][0]["withdrawn"]) == ("success", ["fan"])
    listed = json.loads(box.run("--config", str(site), "follow", "list", "--json").check().stdout)["publications"]
    assert [(each["reference"], each["serial"], each["signers"], each["error"]) for each in listed] == [
        (SITE, 4, [SIGNED], None),
        (LINE, 1, [SIGNED], None),
    ]
    assert [(row["name"], row["state"], row["staged"], row["withdrawn"]) for row in listed[0]["workloads"]] == [
        ("fan", "withdrawn", "1.0.0", 4),
        ("pump", "staged", "1.0.0", None),
    ]
    shown = box.run("--config", str(site), "workloads", "show", "pump").check().stdout
    assert f"Followed:   {SITE}, since serial 3: staged\n" in shown
    assert f"fan is withdrawn by {SITE}; it stays until it is undeployed" in " ".join(
        box.run("--config", str(site), "workloads", "list").check().stderr.split()
    )
    assert box.run("--config", str(site), "follow", "list", "-o", "name").check().stdout == f"{SITE}\n{LINE}\n"


def test_what_is_wrong_with_one_is_said_and_the_others_are_taken_in(box, site):
    publish(box, SITE, OTTO, 3, request("fan"))
    publish(box, LINE, ANNA, 1, request("pump"))
    result = box.run("--config", str(site), "follow", "now").check(exit_code=65)
    assert result.stdout.splitlines()[0].startswith(f"publication {SITE}: not taken in, signed with key {OTTO[1].key_id[:12]}")
    assert box.ledger.names() == ["pump"]
    text = box.run("--config", str(site), "follow", "list").check().stdout
    assert f"signed with key {OTTO[1].key_id[:12]}, which is not one of the trusted keys" in " ".join(text.split())
    assert f"{SITE} was not taken in: signed with key" in " ".join(
        box.run("--config", str(site), "workloads", "list").check().stderr.split()
    )
    document = json.loads(box.run("--config", str(site), "follow", "now", "--json").check(exit_code=65).stdout)
    assert (document["status"], document["error"]["code"]) == ("error", "signer-unknown")


def test_a_publication_that_is_not_followed_is_refused(box, site):
    result = box.run("--config", str(site), "follow", "now", "r.io/other:1").check(exit_code=2)
    assert "this box does not follow r.io/other:1" in result.stderr


@pytest.mark.parametrize("words", [("follow", "now"), ("follow", "now", SITE)])
def test_a_box_that_follows_nothing_looks_once_the_settings_that_the_hint_names_are_set(box, site, tmp_path, monkeypatch, words):
    assert "follows no publication (follow.publications)" in box.run("follow", "list").check().stderr
    own = tmp_path / "own.yaml"
    own.write_text("")
    monkeypatch.setenv("KELVIN_PROVISION_SITE_CONFIG", str(own))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    publish(box, SITE, ANNA, 1, request("pump"))
    found = hints.error(box, *words)
    assert (found["code"], found["message"]) == ("setting-missing", "this box follows no publication: follow.publications is not set")
    first = "set trust.keys to the keys of its publisher, then: "
    assert found["hint"] == f"{first}sudo kelvin-provision config set follow.publications REGISTRY/REPO:TAG"
    (key,) = trusting(tmp_path, ANNA).keys
    box.run("config", "set", "trust.keys", str(key)).check(stderr=None)
    assert not hints.error(box, *words)["hint"].startswith("set trust.keys")
    hints.typed(box, found["hint"], **{"REGISTRY/REPO:TAG": SITE}).check(stderr=None)
    assert "workload pump: staged" in box.run(*words).check().stdout


def test_a_box_that_follows_nothing_says_so_over_the_api_and_on_its_page_too(box, tmp_path, monkeypatch):
    monkeypatch.setenv("KELVIN_PROVISION_CLUSTER__TYPE", "docker")
    own = tmp_path / "own.yaml"
    own.write_text("{}")
    with serving_beside_agent(box, jobs=job_table.of_box(box.settings.state_dir, own)) as api:
        answer = api.post("/edge/v1/following", {}, Level.DEPLOY)
        (error,) = answer.json["errors"]
        assert (answer.status, error["name"]) == (409, "setting-missing")
        assert error["description"] == "this box follows no publication: follow.publications is not set"
        assert error["solution"].endswith("kelvin-provision config set follow.publications REGISTRY/REPO:TAG")
        page = as_level(api, Level.DEPLOY).post("/ui/box/follow", {})
        assert page.status == 409
        assert "this box follows no publication: follow.publications is not set" in plain(page.body.decode())


def test_a_job_of_the_agent_has_a_result_or_an_error(tmp_path):
    command = ("sh", "-c", 'read line; case "$line" in *good*) echo \'{"result": 7}\';; *bad*) ;; esac')
    running = Jobs(frozenset({"follow"}), command)
    assert running.result("follow", {"publications": ["good"]}, lambda: False) == 7
    with pytest.raises(OurBug, match="ended without a result"):
        running.result("follow", {"publications": ["bad"]}, lambda: False)
    long = ("sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' ' '; echo '{\"result\": 8}'")  # more than a socket takes
    assert Jobs(frozenset({"follow"}), long).result("follow", {}, lambda: False) == 8
    with pytest.raises(OurBug, match="ended without a result"):
        Jobs(frozenset({"follow"}), ("echo", '{"result":')).result("follow", {}, lambda: False)
    of_nothing = job_table.of_box(tmp_path / "state", tmp_path / "absent.yaml")
    with pytest.raises(SettingsInvalid, match=r"absent\.yaml"):
        of_nothing.result("follow", {}, lambda: False)


def test_the_same_over_the_api(box, site, tmp_path):
    publish(box, SITE, ANNA, 3, request("pump"))
    box.settings = replace(box.settings, follow=FollowSettings((SITE,)), trust=trusting(tmp_path, ANNA))
    box._connections = None
    with serving(box) as api:
        empty = api.get("/edge/v1/following", Level.READ).json
        assert (empty["apply"], empty["interval"], empty["publications"][0]["serial"]) == ("never", 300, 0)
        box.run("--config", str(site), "follow", "now", SITE).check()
        (publication,) = api.get("/edge/v1/following", Level.READ).json["publications"]
        assert (publication["serial"], publication["workloads"][0]["state"]) == (3, "staged")
        assert api.post("/edge/v1/following", {}, Level.OPERATE).status == 403
        assert api.post("/edge/v1/following", {"publications": 7}, Level.DEPLOY).status == 400


def test_doctor_says_what_is_followed_what_is_wrong_and_what_is_withdrawn(box, site):
    publish(box, SITE, ANNA, 3, request("pump"))
    publish(box, LINE, OTTO, 1)
    box.run("--config", str(site), "follow", "now").check(exit_code=65)

    def checks():
        document = json.loads(box.run("--config", str(site), "doctor", "--json").stdout)
        return [(check["status"], check["found"]) for check in document["checks"] if check["id"] == "following"]

    (first, second) = checks()
    assert first == ("ok", f"{SITE}: serial 3, signed by {SIGNED}")
    assert second[0] == "warning"
    assert f"{LINE}: signed with key {OTTO[1].key_id[:12]}, which is not one of the trusted keys (since " in second[1]
    publish(box, SITE, ANNA, 4, withdrawn=("pump",))
    publish(box, LINE, ANNA, 1)
    box.run("--config", str(site), "follow", "now").check()
    assert checks() == [
        ("ok", f"{SITE}: serial 4, signed by {SIGNED}"),
        ("warning", f"{SITE} does not have pump any more"),
        ("ok", f"{LINE}: serial 1, signed by {SIGNED}"),
    ]


def test_the_page_of_the_box_has_what_is_followed(box, tmp_path):
    with serving(box) as api:
        assert "Publications" not in plain(as_level(api, Level.READ).get("/ui/box").body.decode())
    publish(box, SITE, ANNA, 3, request("pump"))
    box.settings = replace(box.settings, follow=FollowSettings((SITE, LINE), report="r.io/reports"), trust=trusting(tmp_path, ANNA))
    box._connections = None
    take_all(box.ctx)
    with serving(box) as api:
        text = plain(as_level(api, Level.READ).get("/ui/box").body.decode())
        assert f"Serial 3, signed by {SIGNED}." in text
        assert "pump staged" in text
        assert f"{LINE}: not found" in text
        assert "Reports to r.io/reports." in text
        assert "Look now" not in text
        assert "Look now" in plain(as_level(api, Level.DEPLOY).get("/ui/box").body.decode())


def test_the_key_of_the_box_is_made_once_and_printed(box):
    first, again = (box.run("follow", "key").check().stdout for _ in range(2))
    assert first == again
    assert first.startswith("-----BEGIN PUBLIC KEY-----\n")
    document = json.loads(box.run("follow", "key", "--json").check().stdout)
    assert (document["type"], document["pem"]) == ("ed25519", first)
    assert "follow.report is not set" in box.run("follow", "send").check(exit_code=78).stderr
