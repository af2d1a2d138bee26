"""CPU and memory quantities."""

from decimal import Decimal

import pytest

from kelvin_provision.cluster.quantities import kubernetes_spelling, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("100m", "0.1"),
        ("0.4", "0.4"),
        (".5", "0.5"),
        ("2", "2"),
        ("1Gi", "1073741824"),
        ("1.5Ki", "1536"),
        ("1e3", "1000"),
        ("5M", "5000000"),
        ("12E", "12000000000000000000"),
        ("500K", "500000"),
        ("500k", "500000"),
        ("250000n", "0.00025"),
        ("-1", "-1"),
    ],
)
def test_a_quantity_has_an_exact_value(text, value):
    assert parse(text) == Decimal(value)


@pytest.mark.parametrize("text", ["nonsense", "", "1x", "1 Gi", "1.2.3", "Mi", "1Gib", "."])
def test_what_is_not_a_quantity_has_none(text):
    assert parse(text) is None


def test_the_platforms_thousand_is_spelled_in_lower_case_for_kubernetes():
    assert (kubernetes_spelling("500K"), kubernetes_spelling("500Ki"), kubernetes_spelling("1M")) == ("500k", "500Ki", "1M")
