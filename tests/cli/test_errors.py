"""Every error has its own code, a number that is explained, a sentence and a next step."""

import pytest

from kelvin_provision.cli.docs.explanations import EXIT_CODES, STATES, errors, words
from kelvin_provision.spec.enums import Download, State

# Their message or whoever raises them knows the next step; a general one would be wrong as often as right.
NO_GENERAL_HINT = {
    "interrupted",
    "image-unsupported",
    "transfer-stopped",
    "runtime-unreachable",
    "cluster-unreachable",
    "cluster-refused",
}


def test_every_error_has_its_own_code():
    codes = [error.code for error in errors()]
    assert len(codes) == len(set(codes)) > 30


@pytest.mark.parametrize("error", errors(), ids=lambda error: error.code)
def test_an_error_says_what_it_means_and_what_comes_next(error):
    assert error.__doc__.strip().endswith(".")
    assert error.exit_code in EXIT_CODES
    assert bool(error.hint_default) == (error.code not in NO_GENERAL_HINT)
    assert "please" not in error.hint_default.lower()


def test_every_state_is_explained_once():
    assert set(STATES) == set(State) | {Download.PROCESSING}
    assert len(list(words())) == len(set(words()))
