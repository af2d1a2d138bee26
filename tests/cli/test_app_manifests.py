"""App manifests of the platform's connections, as people have them: deployed, and shown with what has no effect here."""

import pytest

from tests.kit.box import Box

MANIFEST = """\
spec_version: 5.0.0
type: {kind}
name: hunt-{kind}
title: Hunt {kind}
description: minimal
version: 1.0.0
image: {{mode: manual, uri: "r.example:5000/hunt:1.0.0"}}
{kind}_io:
  - {{name: default, data_types: [number]}}
defaults:
  system:
    volumes: [{{name: data, target: data, type: persistent}}]
"""


@pytest.fixture
def box(tmp_path):
    opened = Box(tmp_path / "state")
    yield opened
    opened.close()


@pytest.mark.parametrize("kind", ["importer", "exporter"])
def test_a_connection_is_deployed_and_shown_with_what_has_no_effect_here(box, tmp_path, kind):
    (tmp_path / "app.yaml").write_text(MANIFEST.format(kind=kind))
    given = ("--payload", str(tmp_path / "app.yaml"), "-n", kind, "--staged")
    result = box.run("workloads", "deploy", *given)
    assert result.exit_code == 0, result.stderr
    lines = box.run("workloads", "show", kind).stdout.splitlines()
    assert [line for line in lines if line.startswith("Kept")] == [
        f"Kept:       for the app only, no effect on this box: description, {kind}_io"
    ]


def test_a_misspelt_key_is_refused_with_the_right_one(box, tmp_path):
    (tmp_path / "app.yaml").write_text(MANIFEST.format(kind="importer").replace("importer_io", "importer_ios"))
    result = box.run("workloads", "deploy", "--payload", str(tmp_path / "app.yaml"), "-n", "w")
    assert result.exit_code == 65
    assert "app.yaml, document 1, importer_ios: unknown key 'importer_ios'; did you mean importer_io?" in result.stderr
