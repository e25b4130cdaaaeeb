"""Recordings: saved without pickle, whole or refused."""

import inspect
import io
import json
import random
import time
import zipfile
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.tabulated import AXES, assert_same, assert_same_grid, profile
from vgx.grid import Grid
from vgx.recording import Ragged, read, write
from vgx.sweep import tabulate

# --- recordings ---

dtypes = st.sampled_from(["f2", "f4", "f8", "c16", "i1", "i8", "u2", "?", "U3"])


@st.composite
def ragged_arrays(draw):
    ndim = draw(st.integers(0, 3))
    shapes = hnp.array_shapes(min_dims=ndim, max_dims=ndim, min_side=0, max_side=4) if ndim else st.just(())
    return draw(st.lists(hnp.arrays(draw(dtypes), shapes), min_size=1, max_size=6))


@given(columns=st.dictionaries(st.text(max_size=5), ragged_arrays(), min_size=1, max_size=3))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ragged_arrays_survive_tabulating_and_saving_bit_for_bit(columns, tmp_path):
    n = min(map(len, columns.values()))

    def fn(k):
        return {name: arrays[k] for name, arrays in columns.items()}

    grid = tabulate(fn, {"k": range(n)}, progress=False)
    grid.save(tmp_path / "ragged.npz")
    for found in (grid, Grid.load(tmp_path / "ragged.npz", fn)):
        for k in range(n):
            assert_same(found(k=k), fn(k))


def test_nan_payloads_and_signed_zeros_survive(tmp_path):
    bits = np.array([0x7FF8000000000001, 0xFFF8DEADBEEF0000, 1 << 63, 0x7FF0000000000000], dtype=np.uint64)
    tabulate(lambda k: {"x": bits.view(float)}, {"k": [1]}, progress=False).save(tmp_path / "a.npz")
    assert np.array_equal(Grid.load(tmp_path / "a.npz")(k=1)["x"].view(np.uint64), bits)


def test_a_recording_is_the_grid_with_its_provenance(grid, tmp_path):
    path = tmp_path / "profile.npz"
    grid.save(path, provenance={"command": "make recordings", "seeds": [0, 1]})
    found = Grid.load(path)
    assert_same_grid(found, grid)
    assert found.function.endswith("tabulated:profile")
    assert found.provenance["command"] == "make recordings"
    assert found.provenance["seeds"] == [0, 1]
    assert found.provenance["fixed"] == {"seed": 0}
    assert found.provenance["versions"]["numpy"] == np.__version__
    assert set(found.provenance["versions"]) == {"vgx", "numpy", "python"}
    assert_same_grid(Grid.load(path, profile), grid)


def test_loaded_for_a_function_a_grid_has_its_signature(tmp_path):
    def f(depth: int, scale: float = 1.0):
        return {"x": depth * scale}

    tabulate(f, {"scale": [1, 2], "depth": [3]}, progress=False).save(tmp_path / "f.npz")
    assert str(inspect.signature(Grid.load(tmp_path / "f.npz"))) == "(*, depth, scale=1.0)"
    assert str(inspect.signature(Grid.load(tmp_path / "f.npz", f))) == "(*, depth: int, scale: float = 1.0)"


def test_provenance_is_json_and_says_each_thing_once(grid, tmp_path):
    path = tmp_path / "profile.npz"
    grid.save(path, provenance={"command": "make recordings"})
    for known in ("command", "versions"):
        with pytest.raises(ValueError, match=f"provenance already has: {known}"):
            Grid.load(path).save(path, provenance={known: "other"})
    with pytest.raises(ValueError, match="must be JSON values"):
        grid.save(path, provenance={"rng": np.random.default_rng(0)})
    assert_same_grid(Grid.load(path), grid)
    assert [entry.name for entry in tmp_path.iterdir()] == ["profile.npz"]


def test_equal_grids_give_equal_bytes_at_any_time(grid, recorded, tmp_path):
    Grid.load(recorded).save(tmp_path / "again.npz")
    tabulate(profile, AXES, progress=False).save(str(tmp_path / "fresh.npz"))
    assert recorded.read_bytes() == (tmp_path / "again.npz").read_bytes() == (tmp_path / "fresh.npz").read_bytes()
    with zipfile.ZipFile(recorded) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert all(member.compress_type == zipfile.ZIP_DEFLATED for member in archive.infolist())


def test_who_reads_while_it_is_saved_reads_the_old_one(grid, recorded):
    with recorded.open("rb", buffering=0) as reader:
        start = reader.read(100)
        tabulate(profile, {"depth": [2]}, progress=False).save(recorded)
        rest = reader.read()
    grid.save(recorded)
    assert start + rest == recorded.read_bytes()


def test_an_interrupted_save_leaves_the_old_recording_and_nothing_else(grid, recorded, monkeypatch):
    before = recorded.read_bytes()

    def half(stream, **members):
        stream.write(b"PK half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", half)
    with pytest.raises(KeyboardInterrupt):
        grid.save(recorded)
    assert recorded.read_bytes() == before
    assert list(recorded.parent.iterdir()) == [recorded]


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no recording '.*none\.npz'; .* save"):
        Grid.load(tmp_path / "none.npz")


def npz(**members):
    stream = io.BytesIO()
    np.savez_compressed(stream, **members)
    return stream.getvalue()


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


header = json.dumps({"format": "vgx-recording 0", "names": [], "about": {}})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cut short"),
        (b"not a recording at all", "cut short"),
        (npy(np.zeros(3)), "cut short"),
        (npz(x=np.zeros(3)), "header"),
        (npz(header=np.array("{")), "JSONDecodeError"),
        (npz(header=np.array(header)), "format 'vgx-recording 0', expected 'vgx-recording 1'"),
        (npz(header=np.array([{"a": 1}], dtype=object)), "allow_pickle=False"),
    ],
)
def test_what_is_no_recording_is_refused(content, message, tmp_path):
    (tmp_path / "odd.npz").write_bytes(content)
    with pytest.raises(ValueError, match=rf"odd\.npz' is no recording, or damaged \(.*{message}"):
        Grid.load(tmp_path / "odd.npz")


def test_another_kind_of_recording_is_no_grid(tmp_path):
    write(tmp_path / "rows.npz", {"rows": 3}, {"x": Ragged.of([np.zeros(3)])})
    assert read(tmp_path / "rows.npz")[0] == {"rows": 3}
    with pytest.raises(ValueError, match=r"rows\.npz' records no grid"):
        Grid.load(tmp_path / "rows.npz")


def test_shapes_that_do_not_fit_the_values_are_refused():
    for shapes in ([[2], [2]], [[4], [-1]]):
        with pytest.raises(ValueError, match="shapes ask for"):
            Ragged(np.zeros(3), np.array(shapes))


def test_every_truncation_is_refused(grid, recorded):
    whole = recorded.read_bytes()
    for length in [*range(0, len(whole), 97), len(whole) - 1]:
        recorded.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"profile\.npz' is no recording, or damaged"):
            Grid.load(recorded)


def test_a_damaged_byte_is_refused_or_harmless(grid, recorded):
    whole = recorded.read_bytes()
    draw, refused = random.Random(0), 0
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        recorded.write_bytes(damaged)
        try:
            found = Grid.load(recorded)
        except ValueError as error:
            assert "is no recording, or damaged" in str(error)  # noqa: PT017
            refused += 1
        else:
            assert_same_grid(found, grid)
    assert refused > 200


def test_a_recording_of_another_function_is_refused(grid, recorded):
    def other(depth, scale=1.0, activation="tanh", seed=0):
        return profile(depth, scale, activation, seed)

    def renamed(depth, gain=1.0, activation="tanh", seed=0):
        return profile(depth, gain, activation, seed)

    renamed.__qualname__ = "profile"
    for fn, message in [
        (
            other,
            r"records .*:profile over depth, scale, activation with {'seed': 0} fixed, not .*other\(depth, ",
        ),
        (renamed, r"records .*:profile over .*, not .*:profile\(depth, gain=1"),
        (partial(profile, seed=3), r"with {'seed': 0} fixed, not .*seed=3\); record it again"),
    ]:
        with pytest.raises(ValueError, match=message):
            Grid.load(recorded, fn)


def test_a_partial_is_tabulated_with_what_it_fixes(recorded):
    grid = tabulate(partial(profile, seed=3), {"depth": [2, 4]}, progress=False)
    assert grid.provenance["fixed"] == {"scale": 1.0, "activation": "tanh", "seed": 3}
    assert_same(grid(depth=4), profile(4, seed=3))


def test_the_grid_of_a_lab_tabulates_and_loads_quickly(tmp_path):
    curves = np.random.default_rng(0).normal(size=(4, 50))

    def fn(depth, scale, activation):
        return dict(zip("abcd", curves, strict=True))

    axes = {"depth": range(15), "scale": np.linspace(0.5, 2, 20).tolist(), "activation": list("stlrg")}

    def best(work):
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            result = work()
            seconds.append(time.perf_counter() - start)
        return min(seconds), result

    tabulating, grid = best(lambda: tabulate(fn, axes, progress=False))
    grid.save(tmp_path / "lab.npz")
    loading, _ = best(lambda: Grid.load(tmp_path / "lab.npz"))
    assert len(grid) == 1500
    assert tabulating < 1  # measured: 0.05; a busy machine has its reasons
    assert loading < 0.5
