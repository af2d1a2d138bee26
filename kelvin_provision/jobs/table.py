"""The jobs by name, and the process that answers them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from kelvin_provision.agent.lifecycle.launcher import same_box
from kelvin_provision.agent.questions.jobs import Jobs
from kelvin_provision.files.processes import own_process
from kelvin_provision.jobs import box, bundles
from kelvin_provision.jobs.place import Job

JOBS: Mapping[str, Job] = MappingProxyType(
    {
        "doctor": box.doctor,
        "follow": box.follow,
        "import-bundle": bundles.import_bundle,
        "inspect-bundle": bundles.inspect_bundle,
        "make-package": bundles.make_package,
        "media": bundles.media,
        "report": box.report,
        "settings": box.settings,
        "support-bundle": box.support_bundle,
        "verify-bundle": bundles.verify_bundle,
        "verify-history": box.verify_history,
        "verify-images": box.verify_images,
    }
)


def of_box(state_dir: Path, config: Path | None) -> Jobs:
    """The jobs of an agent on this box."""
    return Jobs(frozenset(JOBS), (*own_process("kelvin_provision.jobs"), *same_box(state_dir, config)))
