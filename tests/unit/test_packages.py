"""Each package is small enough to be read, and says what it holds."""

from pathlib import Path

import pytest

import kelvin_provision

ROOT = Path(kelvin_provision.__file__).parent
PACKAGES = sorted(path.parent for path in ROOT.rglob("__init__.py") if path.parent != ROOT)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: str(package.relative_to(ROOT)))
def test_a_package_has_a_short_readme_and_few_siblings(package):
    assert (package / "README.md").is_file()
    assert len((package / "README.md").read_text().splitlines()) <= 15
    siblings = [path for path in package.iterdir() if path.name not in ("__init__.py", "__pycache__", "README.md", "py.typed")]
    assert len(siblings) < 19


def test_each_decision_has_a_number_of_its_own():
    numbers = [path.name[:4] for path in (ROOT.parent / "docs/adr").glob("*.md")]
    assert len(numbers) > 20
    assert len(numbers) == len(set(numbers))
