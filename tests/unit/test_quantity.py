import pytest

from kelvin_provision.quantity import (
    Headroom,
    InvalidQuantity,
    format_bytes,
    format_duration,
    format_rate,
    format_rounded,
    format_si,
    parse_bytes,
    parse_duration,
    parse_rate,
)

MIB, GIB = 1 << 20, 1 << 30


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (36 * MIB, "36.0 MiB"), (5 * GIB // 2, "2.5 GiB"), (1 << 50, "1024.0 TiB")],
)
def test_bytes_as_people_read_them(count, text):
    assert format_bytes(count) == text


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
def test_rounded_to_two_digits(count, down, up):
    assert (format_rounded(count), format_rounded(count, up=True)) == (down, up)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("500k", 500_000), ("500K", 500_000), ("2M", 2_000_000), ("2MB", 2_000_000), ("1.5G", 1_500_000_000), ("2MiB", 2 * MIB),
        ("2Mi", 2 * MIB), ("2 MiB", 2 * MIB), ("1T", 10**12), ("4096", 4096), ("512 B", 512), ("0.5k", 500),
    ],
)  # fmt: skip
def test_bytes_as_people_write_them(text, count):
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "fast", "2Mbit", "2mb", "-1", "1e6", "2M/s", "1.M", "k", "2 M iB", "5%", "9" * 400])
def test_what_is_not_a_number_of_bytes(text):
    with pytest.raises(InvalidQuantity) as error:
        parse_bytes(text)
    assert str(error.value) == (
        "expected a size, such as 500k, 2M or 1.5G (powers of 1000), 512Ki or 2MiB (powers of 1024), or a number of bytes, "
        f"got {text or 'nothing'}"
    )


def test_a_rate_is_bytes_a_second():
    assert [parse_rate(text) for text in ("500k", "500k/s", " 2MiB/s ")] == [500_000, 500_000, 2 * MIB]
    assert format_rate(1.25 * MIB) == "1.2 MiB/s"
    with pytest.raises(InvalidQuantity, match=r"expected a size of at least 1 kB, such as 500k, .*, got 999$"):
        parse_rate("999", minimum=1000)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90.0), ("1.5", 1.5), ("0", 0.0), ("30s", 30.0), ("5m", 300.0), ("2h", 7200.0), ("1d", 86400.0), ("500ms", 0.5),
        ("1h30m", 5400.0), ("2h05m", 7500.0), (" 5m ", 300.0), ("366d", 366 * 86400.0),
    ],
)  # fmt: skip
def test_durations_as_people_write_them(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "10x", "-5m", "5 minutes", "1e3", "5m 30s", "\u00b2", "\u0663m", "inf", "nan", "9" * 400])
def test_what_is_not_a_duration(text):
    with pytest.raises(InvalidQuantity) as error:
        parse_duration(text)
    assert str(error.value) == f"expected a duration such as 90, 30s, 5m or 2h, got {text or 'nothing'}"


def test_a_duration_has_bounds():
    with pytest.raises(InvalidQuantity, match=r"^expected a duration of at most 366d, got 367d$"):
        parse_duration("367d")
    with pytest.raises(InvalidQuantity, match=r"^expected a duration of at least 1s, got 500ms$"):
        parse_duration("500ms", minimum=1)
    assert parse_duration("400d", maximum=1000 * 86400) == 400 * 86400.0


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59.9, "59s"), (60, "1m00s"), (200, "3m20s"), (7500, "2h05m"), (86400, "1d"), (90000, "25h00m")]
)
def test_a_duration_as_people_read_it(seconds, text):
    assert format_duration(seconds) == text


def test_decimal_units():
    assert [format_si(count) for count in (0, 999, 1000, 1_536_000, 500_000_000, 2 << 30)] == [
        "0 B", "999 B", "1 kB", "1.5 MB", "500 MB", "2.1 GB",
    ]  # fmt: skip


def test_headroom_is_a_share_or_a_number_of_bytes():
    assert Headroom.parse("5%").of(1000) == 50
    assert Headroom.parse("2.5 %").of(1000) == 25
    assert Headroom.parse("0%").of(1000) == 0
    assert Headroom.parse("1MiB").of(1000) == MIB


@pytest.mark.parametrize("text", ["100%", "lots", ""])
def test_what_is_not_headroom(text):
    with pytest.raises(InvalidQuantity, match=r"^expected a size such as 2GiB or 500MiB, or a share of the filesystem such as 5%, got "):
        Headroom.parse(text)
