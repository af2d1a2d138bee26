"""What a delta is made of, and that every layer comes back as it was, whatever is in it."""

import io
import random
import tarfile

import pytest

from kelvin_provision.deltas import limits
from kelvin_provision.deltas.making import make, opened
from kelvin_provision.deltas.model import held
from tests.kit import deltas
from tests.kit.images import sha256, tar_of

SOURCE = random.Random(17)  # noqa: S311  (no secret)
TEXT = b"".join(b"def f%d():\n    return %d\n\n" % (number, SOURCE.randrange(1 << 30)) for number in range(600))
NOISE = SOURCE.randbytes(300_000)


def tar(members, form=tarfile.GNU_FORMAT, mtime=1):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.mtime, info.size = mtime, len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def test_a_file_that_changed_costs_what_changed_in_it():
    files = {f"lib/{number}.py": TEXT[number:] for number in range(40)} | {"lib/big.so": NOISE}
    changed = files | {"lib/7.py": files["lib/7.py"].replace(b"return", b"yield", 1)}
    delta = deltas.make(tar_of(files), tar_of(changed))
    assert delta.rebuilt() == delta.new
    assert len(delta.data) < 700
    assert len(delta.parsed.blocks.frames) == 1


def test_a_layer_that_is_built_again_with_other_times_costs_a_few_bytes_a_file():
    files = {f"lib/{number}/module.py": SOURCE.randbytes(1000) for number in range(300)}
    delta = deltas.make(tar(files, mtime=1_700_000_000), tar(files, mtime=1_800_000_000))
    assert delta.rebuilt() == delta.new
    assert len(delta.data) < 300 * 16


def test_a_file_that_moved_is_copied_and_one_that_is_new_is_in_the_delta():
    delta = deltas.make(tar_of({"old/a": NOISE, "b": TEXT}), tar_of({"b": TEXT, "c": NOISE[:50_000][::-1], "new/a": NOISE}))
    assert delta.rebuilt() == delta.new
    assert 50_000 < len(delta.data) < 51_000


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_every_form_of_tar_is_understood_to_its_end(form):
    name = "/".join(["folder"] * 20) + "/" + "n" * (80 if form == tarfile.USTAR_FORMAT else 180)
    old, new = (tar({name: NOISE, "b": TEXT, "c": NOISE[:100]}, form, mtime) for mtime in (1, 2))
    delta = deltas.make(old, new)
    assert delta.rebuilt() == new
    assert len(delta.data) < 900


def test_a_sparse_file_costs_what_changed():
    """Written by GNU tar: a map with a continuation stands between its header and its content."""
    head = bytearray(tar({"sparse": b""})[:512])
    head[156:157], head[482] = b"S", 1
    head[124:136] = b"%011o\0" % len(NOISE[:1024])
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    sparse = bytes(head) + bytes(512) + NOISE[:1024]
    delta = deltas.make(sparse + tar({"after": NOISE}), sparse + tar({"other": NOISE}))
    assert delta.rebuilt() == delta.new
    assert len(delta.data) < 600


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"", TEXT),
        (TEXT, b""),
        (NOISE, NOISE[:1000] + NOISE[2000:]),
        (tar_of({"a": NOISE})[:150_000], tar_of({"a": NOISE})),
        (tar_of({"a": NOISE}), tar_of({"a": NOISE})[:-700]),
        (tar_of({"a": b"x"}), tar_of({"a": b"y"}) + NOISE),
        (tar_of({"a": NOISE}) + tar_of({"b": TEXT}), tar_of({"b": TEXT}) + tar_of({"a": NOISE})),
    ],
    ids=range(7),
)
def test_what_is_no_tar_or_is_cut_off_comes_back_as_well(old, new):
    delta = deltas.make(old, new)
    assert delta.rebuilt() == new


@pytest.mark.parametrize("seed", range(12))
def test_random_changes_come_back(seed):
    source = random.Random(seed)  # noqa: S311  (no secret)
    names = [f"{source.randrange(8)}/{source.randrange(50)}" for _ in range(60)]
    old = {name: source.randbytes(source.choice((0, 1, 511, 512, 513, 5000))) for name in names}
    new = dict(old)
    for name in source.sample(sorted(old), 20):
        match source.randrange(4):
            case 0:
                del new[name]
            case 1:
                new[name + "x"] = new.pop(name)
            case 2:
                new[name] = new[name][: source.randrange(600)] + source.randbytes(9) + new[name][source.randrange(600) :]
            case _:
                new[name] = source.randbytes(700)
    delta = deltas.make(tar(old), tar(new, mtime=source.choice((1, 2))))
    assert delta.rebuilt() == delta.new


def test_large_files_are_cut_and_their_dictionaries_fit_into_memory():
    big = SOURCE.randbytes(18 << 20)
    changed = b"inserted" + big[: 9 << 20] + b"between" + big[9 << 20 :]
    delta = deltas.make(tar_of({"a": TEXT, "big": big, "z": TEXT}), tar_of({"a": TEXT + b"#", "big": changed, "z": TEXT + b"#"}))
    assert delta.rebuilt() == delta.new
    assert len(delta.data) < 20_000
    assert max(delta.parsed.blocks.lengths) == limits.BLOCK
    assert 12 << 20 < delta.parsed.memory == held(delta.parsed.blocks, delta.parsed.ranges) <= limits.HELD


def test_many_new_files_that_resemble_one_leave_the_dictionaries_within_their_limit():
    big = SOURCE.randbytes(6 << 20)
    new = tar_of({f"{number}/big": big[:-1] + bytes((number,)) for number in range(6)})
    delta = deltas.make(tar_of({"big": big}), new)
    assert delta.rebuilt() == new
    assert delta.parsed.memory <= limits.HELD


def test_of_several_old_layers_those_are_used_from_which_enough_is_taken():
    layers = [tar_of({"usr/a": NOISE}), tar_of({"other": TEXT}), tar_of({"opt/b": NOISE[::-1]})]
    new = tar_of({"opt/b": NOISE[::-1], "usr/a": NOISE + b"!"})
    first, second, third = (opened(io.BytesIO(layer)) for layer in layers)
    output = io.BytesIO()
    with first as a, second as b, third as c, opened(io.BytesIO(new)) as target:
        made = make([b, c, a], target, output)
    assert [source.diff_id for source in made.sources] == [sha256(layers[2]), sha256(layers[0])]
    bases = {sha256(layer): layer for layer in layers}
    assert deltas.rebuilt(output.getvalue(), deltas.described(made), bases) == new
    assert made.size < 600
    assert (made.digest, made.size) == (sha256(output.getvalue()), len(output.getvalue()))
    assert (made.target, made.target_size) == (sha256(new), len(new))


def test_the_same_layers_give_the_same_bytes():
    old, new = tar_of({"a": NOISE, "b": TEXT}), tar_of({"a": NOISE[1:], "b": TEXT[1:]})
    assert deltas.make(old, new) == deltas.make(old, new)


def test_a_folder_that_got_another_name_costs_a_few_bytes_a_file():
    files = {f"python3.11/{number}/module.py": SOURCE.randbytes(700) for number in range(300)}
    delta = deltas.make(tar(files), tar({name.replace("3.11", "3.12"): data for name, data in files.items()}))
    assert delta.rebuilt() == delta.new
    assert len(delta.data) < 300 * 20


def test_a_changed_file_elsewhere_resembles_the_one_of_its_name_that_is_nearest_in_size():
    pages = {f"old/{number}/index.js": SOURCE.randbytes(1024 * number + 700) for number in range(1, 30)}
    new = {f"new/{name}": data[:300] + b"changed" + data[307:] for name, data in pages.items()}
    delta = deltas.make(tar(pages), tar(new))
    assert delta.rebuilt() == delta.new
    assert len(delta.data) < 29 * 60
