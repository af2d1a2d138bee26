"""A box on each real backend that is here."""

import pytest

from tests.kit.real_box import Box, docker_settings, kubernetes_settings, push_versions


@pytest.fixture(
    params=[
        pytest.param(docker_settings, id="docker", marks=pytest.mark.docker),
        pytest.param(kubernetes_settings, id="kubernetes", marks=pytest.mark.kubernetes),
    ]
)
def box(request, tmp_path, registry):
    settings = request.param(request)
    push_versions(registry)
    found = Box(tmp_path, registry, settings)
    yield found
    found.end()
