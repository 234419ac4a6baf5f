"""Any weight file: told by its content, written whole or not at all, and loaded whole or not at all."""

import gzip
import io
import json
import mmap
import os
import struct
import sys
import tarfile
import zipfile

import numpy as np
import pytest
from torch_files import tensor, zip_file

from minitorch_cnn import nn, optim, weights
from minitorch_cnn.train import save_checkpoint
from minitorch_cnn.weights import WeightsError


def network():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


def values(model):
    return {key: tensor.numpy().copy() for key, tensor in model.state_dict().items()}


def assert_same(got, expected):
    assert sorted(got) == sorted(expected)
    for key, array in expected.items():
        assert got[key].dtype == array.dtype, key
        np.testing.assert_array_equal(got[key], array, err_msg=key)


def assert_rejected(path, what):
    with pytest.raises(WeightsError) as caught:
        weights.read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert what in message, message


# there and back --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.npz", "b.NPZ", "folder/that/is/new/c.npz", "d.safetensors"])
def test_what_is_saved_is_loaded(name, tmp_path):
    if name.endswith("safetensors"):
        pytest.importorskip("safetensors")
    model, other = network(), network()
    model[1].running_mean.data[...] = [1, np.nan, np.inf, -0.0]
    model.save_weights(tmp_path / name)
    assert other.load_weights(tmp_path / name) == ([], [])
    assert_same(values(other), values(model))
    assert_same(weights.read(str(tmp_path / name)), values(model))


def test_the_content_and_not_the_name_says_what_a_file_is(tmp_path):
    model, other = network(), network()
    model.save_weights(tmp_path / "a.npz")
    os.rename(tmp_path / "a.npz", tmp_path / "a.pth")
    other.load_weights(tmp_path / "a.pth")
    zip_file(tmp_path / "b.npz", {key: tensor(array) for key, array in values(model).items()})
    other.load_weights(tmp_path / "b.npz")
    assert_same(values(other), values(model))


def test_the_same_weights_give_the_same_file(tmp_path):
    model = network()
    model.save_weights(tmp_path / "a.npz")
    model.save_weights(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_numpy_reads_what_is_written_and_what_it_writes_is_read(tmp_path, rng):
    arrays = {
        "file": rng.standard_normal((2, 3)),
        "args": np.asfortranarray(rng.standard_normal((3, 4))),
        "scalar": np.array(3),
        "empty": np.zeros((0, 2), np.float16),
        "big": np.arange(3, dtype=">f4"),
        "flags": np.array([True, False]),
        "strided": np.arange(12.0)[::2],
    }
    weights.write(tmp_path / "a.npz", arrays)
    with np.load(tmp_path / "a.npz") as loaded:
        assert_same(loaded, arrays)
    native = {key: a.astype(a.dtype.newbyteorder("=")) for key, a in arrays.items()}
    assert_same(weights.read(tmp_path / "a.npz"), native)
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "b.npz", **{key: a for key, a in arrays.items() if key != "file"})
        assert_same(weights.read(tmp_path / "b.npz"), {key: a for key, a in native.items() if key != "file"})


@pytest.mark.parametrize("name", ["a.pth", "a.pt", "a.th", "a.PTH", "a.npy", "a", "a.npz.gz"])
def test_other_endings_are_not_written(name, tmp_path):
    with pytest.raises(WeightsError, match=r"must end with \.npz or \.safetensors") as caught:
        network().save_weights(tmp_path / name)
    assert ("can run code" in str(caught.value)) == (name.lower() in ("a.pth", "a.pt", "a.th"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.npz", "a.safetensors"])
def test_tensors_are_written_as_arrays_are(name, tmp_path):
    pytest.importorskip("safetensors")
    weight = network()[0].weight
    weights.write(tmp_path / name, {"w": weight, "x": weight.numpy()})
    assert_same(weights.read(tmp_path / name), {"w": weight.numpy(), "x": weight.numpy()})


@pytest.mark.parametrize("name", ["a.npz", "a.safetensors"])
@pytest.mark.parametrize(
    "arrays, found",
    [
        ({"a": [1, 2]}, "got a list under 'a'"),
        ({"a": 3.0}, "got a float under 'a'"),
        ({1: np.ones(1)}, "got an array of float64 under 1"),
        ({"good": np.ones(1), "a": np.array([None])}, "got an array of object under 'a'"),
        ({"a": np.array([1j])}, "got an array of complex128 under 'a'"),
        ({"a": np.array("text")}, "got an array of <U4 under 'a'"),
    ],
)
def test_what_is_no_array_by_name_is_not_written(name, arrays, found, tmp_path):
    with pytest.raises(TypeError, match=r"weights\.write: the keys must be texts, and the values arrays.*" + found):
        weights.write(tmp_path / name, arrays)
    assert not list(tmp_path.iterdir())


def test_a_dtype_that_safetensors_does_not_have(tmp_path):
    pytest.importorskip("safetensors")
    if np.dtype(np.longdouble) == np.float64:
        pytest.skip("a long double is a double here")
    with pytest.raises(TypeError, match=r"'a' is an array of .*, which safetensors doesn't have"):
        weights.write(tmp_path / "a.safetensors", {"a": np.ones(2, np.longdouble)})
    assert not list(tmp_path.iterdir())


def test_a_tilde_is_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    weights.write("~/x.npz", {"a": np.ones(2)})
    assert (tmp_path / "x.npz").exists() and list(weights.read("~/x.npz")) == ["a"]


def test_an_error_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    network().save_weights(tmp_path / "a.npz")
    before = (tmp_path / "a.npz").read_bytes()
    monkeypatch.setattr(np.lib.format, "write_array", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        network().save_weights(tmp_path / "a.npz")
    assert (tmp_path / "a.npz").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_a_file_can_be_replaced_while_its_arrays_are_in_use(tmp_path):
    x = np.arange(1000.0)
    path = zip_file(tmp_path / "a.npz", {"x": tensor(x)})
    got = weights.read(path)["x"]
    weights.write(path, {"x": x + 1})
    np.testing.assert_array_equal(got, x)
    np.testing.assert_array_equal(weights.read(path)["x"], x + 1)


# loading into a model ----------------------------------------------------------------------------------------------------


def test_what_does_not_fit_is_listed_with_the_files_name_and_nothing_is_loaded(tmp_path):
    model = network()
    before = values(model)
    arrays = {key: array + 1 for key, array in before.items()}
    del arrays["0.bias"]
    arrays["3.weight"] = np.zeros((2, 5))
    arrays["extra"] = np.zeros(1)
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(WeightsError) as caught:
        model.load_weights(tmp_path / "a.npz")
    message = str(caught.value)
    assert message.startswith(
        f"{tmp_path / 'a.npz'}: load_state_dict: the state doesn't fit Sequential; nothing was loaded"
    )
    assert "missing: 0.bias" in message
    assert "unexpected: extra" in message
    assert "3.weight: the model has (2, 4), the state (2, 5)" in message
    assert_same(values(model), before)
    del arrays["3.weight"]
    np.savez(tmp_path / "a.npz", **arrays)
    assert model.load_weights(tmp_path / "a.npz", strict=False) == (["0.bias", "3.weight"], ["extra"])
    np.testing.assert_array_equal(model[0].weight.numpy(), before["0.weight"] + 1)


def test_halves_are_cast_to_the_models_dtype(tmp_path):
    model, other = network(), network()
    zip_file(
        tmp_path / "a",
        {key: tensor(a.astype(np.float16) if a.dtype.kind == "f" else a) for key, a in values(model).items()},
    )
    other.load_weights(tmp_path / "a")
    assert other[0].weight.dtype == np.float32
    np.testing.assert_array_equal(
        other[0].weight.numpy(), model[0].weight.numpy().astype(np.float16).astype(np.float32)
    )


def test_a_loaded_model_does_not_depend_on_the_file(tmp_path):
    model = network()
    path = zip_file(tmp_path / "a", {key: tensor(a) for key, a in values(model).items()})
    model.load_weights(path)
    before = values(model)
    path.write_bytes(b"\0" * path.stat().st_size)
    assert_same(values(model), before)
    model[0].weight.data[...] = 0  # and can be written to


def test_the_model_of_a_checkpoint_is_loaded(tmp_path):
    model, other = network(), network()
    optimizer = optim.Adam(model.parameters())
    save_checkpoint(tmp_path / "run.npz", model=model, optimizer=optimizer, epoch=3)
    other.load_weights(tmp_path / "run.npz")
    assert_same(values(other), values(model))
    save_checkpoint(tmp_path / "other.npz", student=model, teacher=other)
    assert_rejected(
        tmp_path / "other.npz", "a checkpoint without a `model`; it has student, teacher: train.load_checkpoint(path"
    )


# other files -----------------------------------------------------------------------------------------------------------------


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.pth"):
        network().load_weights(tmp_path / "none.pth")


def tar_of(name):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content, what",
    [
        (b"", "the file is empty"),
        (b"\x00", "no weight file"),
        (b"P", "no weight file"),
        (b"hello, world\n", "it looks like a text, and begins with b'hello, world"),
        (b"\n <!DOCTYPE html>\n<html>404", "a web page, probably a message in the file's place: '<!DOCTYPE html>"),
        (b"<html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "git lfs pull"),
        (gzip.compress(b"abc"), "a gzip file; unpack it"),
        (b"\x93NUMPY\x01\x00v\x00", "a single array (.npy)"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (tar_of("sys_info"), "the tar format of PyTorch before 0.1.10"),
        (tar_of("resnet18.pth"), "a tar archive that begins with 'resnet18.pth'; unpack it"),
        (bytes(range(256)), "it looks like something else"),
        (b"PK\5\6" + bytes(18), "neither PyTorch's"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else "",
)
def test_files_that_are_something_else_are_told_what_they_look_like(content, what, tmp_path):
    (tmp_path / "a.pth").write_bytes(content)
    assert_rejected(tmp_path / "a.pth", what)


def test_a_folder(tmp_path):
    assert_rejected(tmp_path, "this is a folder; name the file in it")


def test_a_zip_of_other_things_is_listed(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        for i in range(7):
            archive.writestr(f"net{i}.pth", b"")
    assert_rejected(tmp_path / "a.pth", "it holds net0.pth, net1.pth, net2.pth, net3.pth, net4.pth, ...")


# .npz ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("array", [np.array([print]), np.array(["text"]), np.array([1j]), np.array([(1, 2)], "i4,i4")])
def test_arrays_of_other_things_than_numbers_are_refused(array, tmp_path):
    np.savez(tmp_path / "a.npz", good=np.zeros(2), bad=array)
    assert_rejected(tmp_path / "a.npz", "'bad.npy' is an array of ")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "{",
        "[" * 5000,
        "{'descr': '<f4'}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-2, -1), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2**9,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 'no', }",
        "{'descr': 'nonsense', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': " + "(" * 3000 + ")" * 3000 + ", }",
        "__import__('os').system('true')",
        "'''",
    ],
    ids=range(13),
)
def test_headers_of_arrays_that_make_no_sense(header, tmp_path):
    content = header.encode() + b"\n"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + len(content).to_bytes(2, "little") + content + bytes(8))
    assert_rejected(tmp_path / "a.npz", "x.npy")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_npz_cut_short_anywhere_and_flipped_anywhere(save, tmp_path, rng):
    arrays = {"a": rng.standard_normal((2, 3)), "b": np.arange(4)}
    save(tmp_path / "good.npz", **arrays)
    content = (tmp_path / "good.npz").read_bytes()
    path = tmp_path / "a.npz"
    for end in range(len(content)):
        path.write_bytes(content[:end])
        assert_rejected(path, "")
    for i in range(len(content)):
        path.write_bytes(content[:i] + bytes([content[i] ^ 1 << i % 8]) + content[i + 1 :])
        try:
            got = weights.read(path)
        except WeightsError as error:
            assert str(error).startswith(f"{path}: ")
        else:
            for key, array in got.items():  # a name may change in both places at once, a number can't
                np.testing.assert_array_equal(array, arrays.get(key, array))


def overlapping(path, count):
    """An .npz whose table has many names for one entry."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("000.npy", b"\x93NUMPY")
    content = path.read_bytes()
    end = content.rindex(b"PK\5\6")
    start = struct.unpack("<I", content[end + 16 : end + 20])[0]
    row = content[start:end]
    table = b"".join(row.replace(b"000.npy", b"%03d.npy" % i) for i in range(count))
    tail = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, count, count, len(table), start, 0)
    path.write_bytes(content[:start] + table + tail)


def test_entries_that_share_their_place_are_refused(tmp_path):
    overlapping(tmp_path / "a.npz", 40)
    assert_rejected(tmp_path / "a.npz", "'001.npy' is damaged: at its place lies one of another name")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", bytes(500))
        archive.writestr("b.npy", bytes(500))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    table = content.rindex(b"a.npy") - 46
    content[table + 20 : table + 28] = struct.pack("<II", 600, 600)  # a reaches into b
    (tmp_path / "a.npz").write_bytes(content)
    assert_rejected(tmp_path / "a.npz", "entries overlap")


def test_zeros_that_would_fill_the_memory_are_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr("minitorch_cnn.weights.archive.MOST_UNPACKED", 1_000_000)
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(100_000), y=np.zeros(20_000))
    assert len(weights.read(tmp_path / "a.npz")) == 2
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(100_000), y=np.zeros(30_000))
    assert_rejected(tmp_path / "a.npz", "would unpack to 1,040,")
    np.savez(tmp_path / "a.npz", x=np.zeros(100_000), y=np.zeros(30_000))
    assert len(weights.read(tmp_path / "a.npz")) == 2


def test_too_little_memory_names_the_file(tmp_path, monkeypatch):
    def fails(archive):
        raise MemoryError

    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    monkeypatch.setattr("minitorch_cnn.weights.files.read_npz", fails)
    with pytest.raises(MemoryError, match=r"a\.npz: there isn't enough memory"):
        weights.read(tmp_path / "a.npz")


# .safetensors ------------------------------------------------------------------------------------------------------------------


def safetensors_file(path, header, data):
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    return path


def test_each_dtype_of_safetensors(tmp_path, rng):
    pytest.importorskip("safetensors")
    names = {"F64": "f8", "F32": "f4", "F16": "f2", "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1"}
    names |= {"U64": "u8", "U32": "u4", "U16": "u2", "U8": "u1", "BOOL": "?"}
    for name, dtype in names.items():
        x = (rng.standard_normal((2, 3)) * 9).astype(dtype)
        header = {"x": {"dtype": name, "shape": [2, 3], "data_offsets": [0, x.nbytes]}}
        assert_same(weights.read(safetensors_file(tmp_path / "a", header, x.tobytes())), {"x": x})
    bits = np.arange(2**16, dtype=np.uint16)
    header = {"x": {"dtype": "BF16", "shape": [2**16], "data_offsets": [0, 2**17]}}
    got = weights.read(safetensors_file(tmp_path / "a", header, bits.tobytes()))["x"]
    np.testing.assert_array_equal(got.view(np.uint32), bits.astype(np.uint32) << 16)


def test_safetensors_of_kinds_that_are_not_read_are_named(tmp_path):
    pytest.importorskip("safetensors")
    header = {"x": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}}
    assert_rejected(safetensors_file(tmp_path / "a", header, bytes(2)), "'x' is of F8_E4M3, which can't be read")


def test_arrays_of_a_safetensors_file_are_views_of_the_mapped_file(tmp_path, rng):
    pytest.importorskip("safetensors")
    x = rng.standard_normal((7, 5))
    for header_length in (80, 81):  # at an even address; at an odd one they are copied
        header = json.dumps({"x": {"dtype": "F64", "shape": [7, 5], "data_offsets": [0, x.nbytes]}}).ljust(
            header_length
        )
        got = weights.read(safetensors_file(tmp_path / "a", header.encode(), x.tobytes()))["x"]
        np.testing.assert_array_equal(got, x)
        assert got.flags.aligned
        owner = got
        while getattr(owner, "base", None) is not None:
            owner = owner.base
        assert isinstance(getattr(owner, "obj", owner), mmap.mmap) == (header_length == 80)
        with pytest.raises(ValueError, match="read-only"):
            got[0, 0] = 1


def test_tensors_of_a_safetensors_file_come_in_the_order_of_their_values(tmp_path):
    pytest.importorskip("safetensors")
    header = {
        "b": {"dtype": "I16", "shape": [2], "data_offsets": [4, 8]},
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "I16", "shape": [2], "data_offsets": [0, 4]},
    }
    got = weights.read(safetensors_file(tmp_path / "a", header, np.arange(4, dtype="<i2").tobytes()))
    assert {key: array.tolist() for key, array in got.items()} == {"a": [0, 1], "b": [2, 3]} and list(got) == ["a", "b"]
    header["b"]["data_offsets"] = [2, 6]
    assert_rejected(safetensors_file(tmp_path / "a", header, bytes(8)), "a safetensors file that is damaged")


def test_a_safetensors_file_cut_short_anywhere_and_flipped_anywhere(tmp_path, rng):
    pytest.importorskip("safetensors")
    x = rng.standard_normal((2, 3)).astype(np.float32)
    weights.write(tmp_path / "good.safetensors", {"x": x, "y": np.arange(3)})
    content = (tmp_path / "good.safetensors").read_bytes()
    path = tmp_path / "a.safetensors"
    for end in range(len(content)):
        path.write_bytes(content[:end])
        assert_rejected(path, "")
    for i in range(len(content)):
        for bit in range(8):
            path.write_bytes(content[:i] + bytes([content[i] ^ 1 << bit]) + content[i + 1 :])
            try:
                assert all(isinstance(a, np.ndarray) for a in weights.read(path).values())
            except WeightsError as error:
                assert str(error).startswith(f"{path}: ")


def test_without_the_library_safetensors_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    path = safetensors_file(tmp_path / "a", {"x": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}, b"\0")
    for call in (lambda: weights.read(path), lambda: network().save_weights(tmp_path / "b.safetensors")):
        with pytest.raises(ImportError, match=rf"{tmp_path}/[ab]\S*: .*pip install 'minitorch_cnn\[safetensors\]'"):
            call()
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_arrays_in_any_order_are_written_to_safetensors_in_c_order(tmp_path, rng):
    pytest.importorskip("safetensors")
    arrays = {
        "f": np.asfortranarray(rng.standard_normal((3, 4))),
        "strided": np.arange(12.0)[::2],
        "scalar": np.array(3),
    }
    weights.write(tmp_path / "a.safetensors", arrays)
    assert_same(weights.read(tmp_path / "a.safetensors"), arrays)
