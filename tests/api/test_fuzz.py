"""schemathesis for a short time with a fixed seed; `make fuzz` is the long run."""

import pytest

from tests.fuzz.campaign import fuzz


@pytest.mark.slow
def test_what_the_description_allows_works_and_what_it_forbids_is_refused(tmp_path):
    outcome = fuzz(tmp_path, seconds=40, seed=1, examples=8, brief=True)
    assert outcome.passed, outcome.report
    assert not outcome.errors
