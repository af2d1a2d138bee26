"""Specs of workloads, as requests become."""

from kelvin_provision.spec.enums import Method
from kelvin_provision.spec.workload import Spec


def spec(name="docs-demo", version="1.0.0", method=Method.STAGED, **more):
    return Spec(
        name=name, title="Docs Demo", app_name="motor-speed", app_version=version, cluster_name="edge", method=method,
        image=f"registry.example:5000/motor-speed:{version}", **more
    )  # fmt: skip
