"""docs/api.md is what the program would write now, and its examples work as they stand there."""

import json
import re
import shutil
import subprocess

import pytest

from kelvin_provision.ledger import orders
from kelvin_provision.status import Verb
from tests import api_page
from tests.kit.api import PASSWORD

EXAMPLES = re.findall(r"```sh\n(.*?)```", api_page.PAGE.read_text("utf-8"), re.DOTALL)


def test_the_page_is_not_stale():
    assert api_page.PAGE.read_text("utf-8") == api_page.page(), "run: make docs"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is absent")
def test_its_examples_stage_follow_and_apply(box, api):
    box.settings = type(box.settings)(**vars(box.settings) | {"registry": "r.io"})
    box.source.images["r.io/motor-speed:2.3.0"] = box.source.images["r.io/pump:1.0.0"]
    login, deploy, follow, apply = EXAMPLES
    login = login.replace("http://127.0.0.1:30000", f"http://127.0.0.1:{api.port}")

    def run(example):
        done = subprocess.run(
            ["sh", "-euc", f"{login}\n{example}"], env={"PATH": "/usr/bin:/bin", "PASSWORD": PASSWORD}, capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, b""), done.stdout
        return done.stdout

    deployed = json.loads(run(deploy))
    assert (deployed["name"], deployed["staged"]["ready"]) == ("docs-demo-motor-speed", False)
    box.turn()
    (item,) = json.loads(run(follow))["data"]
    assert item["staged"]["ready"]
    assert run(apply) == b""
    assert orders.recent(box.ledger)[0].verb is Verb.APPLY
    box.turn()
    assert box.states()["docs-demo-motor-speed"] == ("running", None)
