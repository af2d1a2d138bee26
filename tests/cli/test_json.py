"""The documents of --json: the page shows what the program prints now, and no key goes or comes unnoticed.

A key that is new here is fine: add it. One that is gone, or means something else, needs another schema number.
"""

import pytest

from kelvin_provision.cli.frame.command_table import commands
from kelvin_provision.cli.render.report import SCHEMA
from tests import json_page

EMPTY = "command items schema status warnings"
ENVELOPE = "command items items[].detail items[].kind items[].name items[].outcome schema status warnings"
ERROR = "error error.code error.evidence error.hint error.message status"
STATUS = "status status.message status.state status.warnings"
ITEM = (
    "acp_name app_name app_version cluster_name created download_error download_status enabled instantly_apply name node_name pre_download staged"
    f" staged.app_name staged.app_version staged.ready {' '.join(f'staged.{key}' for key in STATUS.split())} {STATUS} status.last_seen title updated"
)
LIST = f"data pagination pagination.next_page pagination.previous_page {' '.join(f'data[].{key}' for key in ITEM.split())}"
KEYS = {
    "workloads deploy": ENVELOPE,
    "not ready": ERROR,
    "workloads list": LIST,
    "workloads list, a page": LIST,
    "workloads apply": ENVELOPE,
    "nothing to do": EMPTY,
    "workloads show": (
        f"{ITEM} networking payload staged.instantly_apply staged.payload images images[].additional images[].app_version images[].cached images[].delta images[].doing"
        " images[].fetched images[].here images[].image images[].medium images[].rate images[].seconds_left images[].signatures images[].size images[].source images[].taken"
        " followed last_failure orders rehearsal"
    ),
    "workloads diff": (
        f"{ENVELOPE} changes workloads workloads[].changes workloads[].downtime workloads[].downtime.expected workloads[].downtime.why"
        " workloads[].drift workloads[].findings workloads[].images workloads[].images[].new workloads[].images[].new.additional workloads[].images[].new.digest workloads[].images[].old.additional"
        " workloads[].images[].new.reference workloads[].images[].new.size workloads[].images[].new_bytes workloads[].images[].old"
        " workloads[].images[].old.digest workloads[].images[].old.reference workloads[].images[].old.size"
        " workloads[].images[].shared_bytes workloads[].name workloads[].new workloads[].new.app_name workloads[].new.app_version"
        " workloads[].new.revision workloads[].objects workloads[].objects[].fields workloads[].objects[].fields[].new"
        " workloads[].objects[].fields[].old workloads[].objects[].fields[].path workloads[].objects[].forbidden"
        " workloads[].objects[].object workloads[].objects[].op workloads[].objects[].replaced_by workloads[].objects[].replaces"
        " workloads[].objects[].why workloads[].old workloads[].old.app_name workloads[].old.app_version workloads[].old.revision"
        " workloads[].rewritten workloads[].rewritten[].new workloads[].rewritten[].object workloads[].rewritten[].old"
        " workloads[].rewritten[].path"
    ),
    "workloads check": (
        "checks checks[].found checks[].id checks[].next checks[].status checks[].title checks[].why checks[].workload command counts"
        " counts.error counts.ok counts.skipped counts.warning schema status warnings"
    ),
    "workloads hold": ENVELOPE,
    "workloads release": ENVELOPE,
    "images list": (
        "command images images[].config images[].digest images[].in_runtime images[].in_store images[].local images[].name images[].pinned"
        " images[].platform images[].rebuilt images[].reference images[].size images[].stored images[].used_by images[].used_by[].revision"
        " images[].used_by[].additional images[].used_by[].slot images[].used_by[].version images[].used_by[].workload images[].variants orphans schema store store.path"
        " store.prunable warnings"
    ),
    "images verify": ENVELOPE,
    "images prune": EMPTY,
    "doctor": "checks checks[].id checks[].title checks[].why schema",
    "bundle inspect": (
        "annotations blobs boxes command digest images images[].as_deltas images[].layers images[].on_box images[].platform images[].reference images[].signatures images[].size"
        " images[].unpacked made_by name needs parts parts[].number parts[].path parts[].size platforms requests requests[].digest"
        " requests[].error requests[].name requests[].signed requests[].size requests[].workloads requests[].workloads[].name"
        " requests[].workloads[].version schema serial signatures signatures.expected signatures.signers signatures.trusted"
        " signatures.unknown size trust trust.ignored trust.new trust.number warnings"
    ),
    "bundle verify": (
        "bad bytes chunks chunks.bad chunks.total chunks.verified command digest missing name schema signatures signatures.expected"
        " signatures.signers signatures.trusted signatures.unknown status warnings"
    ),
    "bundle import": (
        f"{ENVELOPE} accepted accepted[].revision accepted[].workload boxes digest files images images[].new images[].reference images[].size kept_images left missing name"
        " new_bytes older serial signatures signatures.expected signatures.signers signatures.trusted signatures.unknown"
        " trust trust.ignored trust.new trust.number workloads"
        " workloads[].app_name workloads[].app_version workloads[].elsewhere workloads[].images workloads[].method workloads[].name"
        " workloads[].running workloads[].staged"
    ),
    "workloads wait": ENVELOPE,
    "workloads rollback": ENVELOPE,
    "workloads history": (
        "command entries entries[].action entries[].detail entries[].digest entries[].evidence entries[].outcome entries[].revision entries[].time"
        " entries[].version entries[].who entries[].workload schema sealed verified verified.head verified.lines"
    ),
    "workloads logs": "logs",
    "workloads logs --follow": "container line pod time",
    "workloads stop": ENVELOPE,
    "workloads start": ENVELOPE,
    "workloads undeploy": ENVELOPE,
    "refused": ERROR,
    "agent status": (
        "agent agent.alive agent.log agent.pid agent.service agent.since agent.user appointed budget deltas deltas.bytes deltas.instead_of deltas.layers orders pending schema waiting work work.doing work.next_turn work.since work.tasks"
        " work.tasks[].done work.tasks[].name work.tasks[].next_try work.tasks[].rate work.tasks[].total work.tasks[].trouble work.tasks[].verb"
        " work.updated"
    ),
    "config show": "schema settings settings[].doc settings[].key settings[].origin settings[].value",
    "config set": ENVELOPE,
    "config unset": ENVELOPE,
    "config path": "files files[].exists files[].path files[].role schema",
    "support-bundle": ENVELOPE,
    "explain": "schema words words[].kind words[].meaning words[].word",
    "explain, a state": "after kind meaning schema then word",
    "explain, an error": "after exit_code kind meaning schema temporary then word",
    "explain, an exit code": "errors kind meaning schema word",
}


@pytest.fixture(scope="module")
def outputs():
    return json_page.outputs()


def test_the_page_shows_what_the_program_prints(outputs):
    assert json_page.PAGE.read_text("utf-8") == json_page.page(outputs), "run: make docs"


def test_no_key_goes_or_comes_unnoticed(outputs):
    found = {name: set().union(*map(json_page.keys, documents)) for name, documents in outputs.items()}
    for name, keys in KEYS.items():
        assert found[name] == {*keys.split()}, name


def test_our_own_documents_say_their_schema_and_the_platforms_do_not(outputs):
    platforms = {name for name in outputs if name.startswith(("workloads list", "workloads show", "workloads logs"))}
    errors = {"not ready", "refused"}
    for name, documents in outputs.items():
        schemas = {document.get("schema") for document in documents}
        assert schemas == ({None} if name in platforms | errors else {SCHEMA}), name


def test_every_command_is_on_the_page():
    page = json_page.PAGE.read_text("utf-8")
    assert [" ".join(words) for words, _ in commands() if f"\n## `{' '.join(words)}`\n" not in page] == []
