import pytest

from kelvin_provision.quantity import Headroom, about, format_si, parse, size

MIB, GIB = 1 << 20, 1 << 30


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (36 * MIB, "36.0 MiB"), (5 * GIB // 2, "2.5 GiB"), (1 << 50, "1024.0 TiB")],
)
def test_a_size_as_people_read_it(count, text):
    assert size(count) == text


@pytest.mark.parametrize(
    ("count", "down", "up"),
    [
        (-5, "0 B", "0 B"),
        (0, "0 B", "0 B"),
        (7, "7 B", "7 B"),
        (999, "990 B", "1000 B"),
        (1024, "1.0 KiB", "1.0 KiB"),
        (523 * MIB, "520 MiB", "530 MiB"),
        (int(1.27 * GIB), "1.2 GiB", "1.3 GiB"),
        (int(12.5 * GIB), "12 GiB", "13 GiB"),
    ],
)
def test_about_so_much_and_what_is_free_never_looks_like_what_is_needed(count, down, up):
    assert (about(count), about(count, up=True)) == (down, up)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("500k", 500_000), ("500K", 500_000), ("2M", 2_000_000), ("2MB", 2_000_000), ("1.5G", 1_500_000_000), ("2MiB", 2 * MIB),
        ("2Mi", 2 * MIB), ("2 MiB", 2 * MIB), ("1T", 10**12), ("4096", 4096), ("512 B", 512), ("0.5k", 500),
    ],
)  # fmt: skip
def test_amounts_as_people_write_them(text, count):
    assert parse(text) == count


@pytest.mark.parametrize("text", ["", "fast", "2Mbit", "2mb", "-1", "1e6", "2M/s", "1.M", "k", "2 M iB", "5%", "9" * 400])
def test_what_is_no_amount(text):
    assert parse(text) is None


def test_amounts_as_data_plans_are_sold():
    assert [format_si(count) for count in (0, 999, 1000, 1_536_000, 500_000_000, 2 << 30)] == [
        "0 B", "999 B", "1 kB", "1.5 MB", "500 MB", "2.1 GB",
    ]  # fmt: skip


def test_room_that_is_left_alone_is_a_share_or_a_number():
    assert Headroom.parse("5%").of(1000) == 50
    assert Headroom.parse("2.5 %").of(1000) == 25
    assert Headroom.parse("0%").of(1000) == 0
    assert Headroom.parse("1MiB").of(1000) == MIB
    assert [Headroom.parse(text) for text in ("100%", "lots", "")] == [None] * 3
