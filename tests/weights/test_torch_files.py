"""PyTorch's two formats, written here without PyTorch: tensors come out as they went in, damage and nonsense are named."""

import json
import mmap
import struct
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch_files
from torch_files import Call, Name, Raw, Storage, dumped, legacy_file, tensor, zip_file

from minitorch_cnn import nn, weights
from minitorch_cnn.backend import pickle_reader
from minitorch_cnn.weights import WeightsError, torch_zip
from minitorch_cnn.weights.archive import Archive

SHARED = Path(__file__).parents[2] / "../shared"
both = pytest.mark.parametrize("write", [zip_file, legacy_file])


def linear(rng, dtype=np.float32):
    return {"weight": rng.standard_normal((2, 3)).astype(dtype), "bias": rng.standard_normal(2).astype(dtype)}


def tensors(arrays):
    return {key: tensor(array) for key, array in arrays.items()}


def assert_same(got, expected):
    assert list(got) == list(expected)
    for key, array in expected.items():
        assert got[key].dtype == array.dtype, key
        np.testing.assert_array_equal(got[key], array, err_msg=key)


@both
@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u1", "?"])
def test_each_dtype_and_shape(write, dtype, tmp_path, rng):
    arrays = {
        f"x{shape}": (rng.standard_normal(shape) * 50).astype(dtype)
        for shape in [(), (1,), (5,), (2, 3), (4, 1, 0), (2, 1, 3, 2)]
    }
    assert_same(weights.read(write(tmp_path / "a", tensors(arrays))), arrays)


@both
def test_bfloat16_becomes_float32_exactly(write, tmp_path):
    bits = np.arange(2**16, dtype=np.uint16)  # each bfloat16 there is
    storage = Storage(bits, type="BFloat16Storage")
    got = weights.read(write(tmp_path / "a", {"x": tensor(bits, storage)}))["x"]
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got.view(np.uint32), bits.astype(np.uint32) << 16)


@both
def test_transposed_sliced_and_expanded_tensors_share_a_storage(write, tmp_path, rng):
    row = rng.standard_normal(24).astype(np.float32)
    storage = Storage(row)
    state = {
        "whole": tensor(row, storage, 0, (4, 6), (6, 1)),
        "transposed": tensor(row, storage, 0, (6, 4), (1, 6)),
        "sliced": tensor(row, storage, 7, (3, 2), (6, 2)),
        "expanded": tensor(row, storage, 5, (2, 3, 4), (0, 1, 0)),
        "scalar": tensor(row, storage, 23, (), ()),
        "empty at the end": tensor(row, storage, 24, (0, 2), (2, 1)),
    }
    whole = row.reshape(4, 6)
    expected = {
        "whole": whole,
        "transposed": whole.T,
        "sliced": whole[1:4, 1:5:2],
        "expanded": np.broadcast_to(row[5:8][:, None], (2, 3, 4)),
        "scalar": row[23].reshape(()),
        "empty at the end": np.zeros((0, 2), np.float32),
    }
    got = weights.read(write(tmp_path / "a", state))
    assert_same(got, expected)
    assert np.shares_memory(got["whole"], got["transposed"])


def test_arrays_of_a_zip_are_views_of_the_mapped_file(tmp_path, rng):
    x = rng.standard_normal((7, 5))
    got = weights.read(zip_file(tmp_path / "a", {"x": tensor(x)}))["x"]
    np.testing.assert_array_equal(got, x)
    assert got.flags.aligned
    owner = got
    while getattr(owner, "base", None) is not None:
        owner = owner.base
    assert isinstance(owner.obj if isinstance(owner, memoryview) else owner, mmap.mmap)
    with pytest.raises(ValueError, match="read-only"):
        got[0, 0] = 1


def test_views_of_storages_in_the_oldest_files(tmp_path):
    row = np.arange(10.0)
    storage = Storage(row, module="torch.cuda", view=("12", 3, 5))
    assert_same(weights.read(legacy_file(tmp_path / "a", {"x": tensor(row, storage, 1, (4,), (1,))})), {"x": row[4:8]})
    storage = Storage(row, view=("12", 3, 5))
    with pytest.raises(WeightsError, match="beyond its storage of 5 values"):
        weights.read(legacy_file(tmp_path / "a", {"x": tensor(row, storage, 1, (5,), (1,))}))
    storage = Storage(row, view=("12", 6, 5))
    with pytest.raises(WeightsError, match="a view outside storage"):
        weights.read(legacy_file(tmp_path / "a", {"x": tensor(row, storage, 0, (1,), (1,))}))


def test_numbers_of_a_big_endian_machine(tmp_path, rng):
    arrays = linear(rng) | {"half": np.arange(5, dtype=np.float16), "count": np.array(7)}
    assert_same(weights.read(zip_file(tmp_path / "a", tensors(arrays), byteorder="big")), arrays)
    with pytest.raises(WeightsError, match=r"byte order .* neither little nor big"):
        weights.read(zip_file(tmp_path / "a", tensors(arrays), byteorder="middle"))


def test_files_before_2_1_say_no_byte_order_and_other_programs_compress(tmp_path, rng):
    arrays = linear(rng)
    for options in ({"byteorder": None}, {"compression": zipfile.ZIP_DEFLATED}, {"folder": "résumé net"}):
        assert_same(weights.read(zip_file(tmp_path / "a", tensors(arrays), **options)), arrays)


def test_files_without_checksums_are_read(tmp_path, rng):
    """torch.serialization.set_crc32_options(False) writes 0 for each."""
    arrays = linear(rng)
    path = zip_file(tmp_path / "a", tensors(arrays))
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            content = content.replace(struct.pack("<I", entry.CRC), bytes(4))
    path.write_bytes(content)
    assert_same(weights.read(path), arrays)


# which part of it ----------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("name", ["state_dict", "model_state_dict", "model", "net"])
def test_a_checkpoints_weights_are_found_and_the_rest_left(name, write, tmp_path, rng):
    arrays = linear(rng)
    checkpoint = {
        "epoch": 90,
        "arch": "resnet18",
        name: Call(Name("collections", "OrderedDict"), ([[key, value] for key, value in tensors(arrays).items()],)),
        "best_acc1": tensor(np.float32(71.5)),
        "optimizer": {
            "state": {0: {"exp_avg": tensor(np.zeros(3))}},
            "param_groups": [{"lr": 0.1, "betas": (0.9, 0.999)}],
        },
        "model_config": {"depth": 18},
        "device": Call(Name("torch", "device"), ("cuda", 0)),
        "dtype": Name("torch", "float32"),
        "key": Call(Name("_codecs", "encode"), ("\xff", "latin1")),
    }
    assert_same(weights.read(write(tmp_path / "a", checkpoint)), arrays)


@both
@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_prefixes_go_if_each_key_has_them(prefix, write, tmp_path, rng):
    arrays = linear(rng)
    state = {prefix + key: value for key, value in tensors(arrays).items()}
    assert_same(weights.read(write(tmp_path / "a", state)), arrays)
    mixed = state | {"other": tensor(np.zeros(1))}
    assert list(weights.read(write(tmp_path / "a", mixed))) == list(mixed)


def test_a_name_of_a_thousand_prefixes(tmp_path):
    (key,) = weights.read(zip_file(tmp_path / "a", {"module." * 3000 + "x": tensor(np.zeros(1))}))
    assert key == "module." * 2996 + "x"


def test_a_prefix_that_the_model_has_too_stays(tmp_path):
    class Wrapper(nn.Module):
        def __init__(self):
            self.module = nn.Linear(3, 2)

    model, other = Wrapper(), Wrapper()
    model.save_weights(tmp_path / "a.npz")
    other.load_weights(tmp_path / "a.npz")
    np.testing.assert_array_equal(other.module.weight.numpy(), model.module.weight.numpy())


def test_parameters_are_tensors(tmp_path):
    x = np.arange(3.0)
    hooks = Call(Name("collections", "OrderedDict"), ())
    state = {"x": Call(Name("torch._utils", "_rebuild_parameter"), (tensor(x), True, hooks))}
    assert_same(weights.read(zip_file(tmp_path / "a", state)), {"x": x})


@both
@pytest.mark.parametrize(
    "saved, what",
    [
        ([1, 2], "it holds a list of 2, not a dict of tensors"),
        (tensor(np.zeros(2)), "it holds a tensor, not a dict"),
        ({}, "it is an empty dict"),
        ({"state_dict": {}}, r"something else: state_dict \(a dict of 0\)"),
        ({"epoch": 3, "lr": 0.1}, r"something else: epoch \(int\), lr \(float\)"),
        (
            {"a": tensor(np.zeros(2)), "b": [1]},
            r"something else: b \(a list of 1\).*looked for under state_dict, model_state",
        ),
        ({"gen": {"a": tensor(np.zeros(2))}, "n": 1}, r"gen \(a dict of 1 tensors\), n \(int\)"),
        (
            {"model": {"a": tensor(np.zeros(2))}, "net": {"a": tensor(np.ones(2))}},
            "several dicts .*: model, net; save one",
        ),
        ({"state_dict": {"a": 1}}, r"something else: state_dict \(a dict of 1\)"),
        ({"net": {"a": 1, "b": tensor(np.zeros(1))}}, r"its net is not a dict of tensors .*: a \(int\)"),
        ({1: tensor(np.zeros(2))}, r"1 \(a tensor\)"),
    ],
)
def test_what_is_not_clear_is_an_error_that_lists_what_is_there(saved, what, write, tmp_path):
    path = write(tmp_path / "a.pth", saved)
    with pytest.raises(WeightsError, match=rf"a\.pth: .*{what}"):
        weights.read(path)


@both
def test_a_whole_pickled_model_is_refused_by_its_class(write, tmp_path):
    path = write(tmp_path / "a.pth", None, pickle=b"\x80\x02ctorchvision.models.resnet\nResNet\nq\x00)\x81}b.")
    with pytest.raises(
        WeightsError, match=r"a\.pth: .*asks for torchvision\.models\.resnet\.ResNet.*torch\.save\(model\.state"
    ):
        weights.read(path)


def test_torchscript_is_named(tmp_path):
    path = zip_file(tmp_path / "a.pt", {}, extra=[("constants.pkl", b"N."), ("code/net.py", b"")])
    with pytest.raises(WeightsError, match=r"TorchScript archive.*torch\.jit\.load\(path\)\.state_dict"):
        weights.read(path)


def test_a_dict_of_settings_under_a_customary_name_is_no_state(tmp_path, rng):
    arrays = linear(rng)
    path = zip_file(tmp_path / "a", {"model": {"depth": 18}, "net": {}, "state_dict": tensors(arrays)})
    assert_same(weights.read(path), arrays)


def test_texts_of_python_2_are_texts(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(torch_files, "text", lambda s: b"U" + bytes([len(s)]) + s.encode())
    arrays = linear(rng)
    path = legacy_file(tmp_path / "a", tensors(arrays))
    assert b"U\x06weight" in path.read_bytes()
    assert_same(weights.read(path), arrays)


# nonsense ------------------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    "offset, size, stride",
    [
        (0, (5,), (1,)),
        (1, (4,), (1,)),
        (0, (2, 2), (3, 1)),
        (-1, (2,), (1,)),
        (0, (-2,), (1,)),
        (3, (2,), (-1,)),
        (5, (0,), (1,)),
        (0, (2,), (1, 1)),
        (0, (2**61, 2**61), (0, 1)),
        (0, (2**70,), (0,)),
        (0, (2**40, 2**40), (0, 0)),
        (0, (1,) * 33, (1,) * 33),
        (0, (True,), (1,)),
        (0, (1.0,), (1,)),
        (0, ("a",), (1,)),
        ("a", (1,), (1,)),
        (None, (1,), (1,)),
    ],
)
def test_tensors_outside_their_storage_and_sizes_that_count_nothing(write, offset, size, stride, tmp_path):
    row = np.arange(4.0)
    path = write(tmp_path / "a.pth", {"x": tensor(row, Storage(row), offset, size, stride)})
    with pytest.raises(WeightsError, match=r"a\.pth: .*a tensor in it"):
        weights.read(path)


@both
@pytest.mark.parametrize("numel", [0, 3, 5, 2**61, 2**63, 2**70])
def test_a_storage_of_another_length_than_the_pickle_says(write, numel, tmp_path):
    row = np.arange(4.0)
    good, bad = Storage(row, key="0"), Storage(row, key="0", numel=numel)
    state = {"a": tensor(row, good), "b": tensor(row, bad, 0, (min(numel, 5),), (1,))}
    with pytest.raises(WeightsError, match=r"storage '0' should have|refers to something that is no storage"):
        weights.read(write(tmp_path / "a.pth", state))


@both
@pytest.mark.parametrize(
    "value",
    [
        Call(Name("torch._utils", "_rebuild_tensor_v2"), (1, 0, (), (), False, None)),
        Call(Name("torch._utils", "_rebuild_tensor_v2"), (Storage(np.zeros(1)), 0, 1, 1, False, None)),
        Call(
            Name("torch._utils", "_rebuild_tensor_v2"), (Storage(np.zeros(1)), 0, (), (), False, None, {"conj": True})
        ),
        Call(Name("torch._utils", "_rebuild_tensor_v2"), (Storage(np.zeros(1)),)),
        Call(Name("torch._utils", "_rebuild_tensor_v3"), (Storage(np.zeros(1)), 0, (), (), False, None, "float32")),
        Call(
            Name("torch._utils", "_rebuild_tensor_v3"),
            (Storage(np.zeros(1)), 0, (2,), (1,), False, None, Name("torch", "float64")),
        ),
        Call(Name("torch", "Size"), (5,)),
        Call(Name("collections", "OrderedDict"), ([1],)),
        Call(Name("collections", "Counter"), (7,)),
        Call(Name("builtins", "set"), ([[]],)),
        Call(Name("_codecs", "encode"), ("\u20ac", "latin1")),
        Call(Name("_codecs", "encode"), ("a", "idna")),
        Call(Name("torch", "device"), ([],)),
        Raw(b"(X\x07\x00\x00\x00storagetQ"),
        Raw(b"(X\x06\x00\x00\x00module" + b"N" * 4 + b"tQ"),
        Raw(b"(X\x07\x00\x00\x00storagectorch\nfloat32\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQ"),
        Raw(b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nK\x00X\x03\x00\x00\x00cpuK\x01tQ"),
        Raw(b")Q"),
        Raw(b"NQ"),
    ],
)
def test_calls_of_known_functions_with_nonsense(write, value, tmp_path):
    if "float64" in str(value):
        value.arguments[0].row = np.zeros(1, np.float32)
    with pytest.raises(WeightsError, match=r"a\.pth: "):
        weights.read(write(tmp_path / "a.pth", {"x": value}))


@pytest.mark.parametrize(
    "name",
    ["torch.ComplexFloatStorage", "torch.QInt8Storage", "torch.float8_e4m3fn", "torch._utils._rebuild_sparse_tensor"],
)
def test_kinds_of_tensors_that_are_not_read_are_named(name, tmp_path):
    module, _, last = name.rpartition(".")
    with pytest.raises(WeightsError, match=rf"asks for {name}"):
        weights.read(zip_file(tmp_path / "a", {"x": Name(module, last)}))


def test_a_storage_may_be_missing_if_nothing_wanted_lies_in_it(tmp_path):
    """What isn't wanted isn't read: a checkpoint's optimizer costs nothing."""
    x = np.arange(3.0)
    path = zip_file(tmp_path / "a", {"model": {"x": tensor(x)}, "optimizer": tensor(np.zeros(1000))})
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(tmp_path / "b", "w") as less:
        for name in ("archive/data.pkl", "archive/data/0"):
            less.writestr(name, archive.read(name))
    assert_same(weights.read(tmp_path / "b"), {"x": x})
    with zipfile.ZipFile(tmp_path / "c", "w") as less:
        less.writestr("archive/data.pkl", zipfile.ZipFile(path).read("archive/data.pkl"))
    with pytest.raises(WeightsError, match="no entry 'archive/data/0'"):
        weights.read(tmp_path / "c")


@pytest.mark.parametrize(
    "content, what",
    [
        (dumped({"a": 1}, {}), "a pickle, but not one of torch.save"),
        (
            dumped(0x1950A86A20F9469CFC6C, {}) + b"\x80\x02K\x01" + b"2\x86" * 60 + b".",
            "version of its format is a tuple",
        ),
        (dumped(0x1950A86A20F9469CFC6C, {}) + dumped(1002, {}), "version of its format is 1002"),
        (b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n.", "asks for numpy.core.multiarray._reconstruct"),
    ],
)
def test_other_pickles_are_named(content, what, tmp_path):
    (tmp_path / "a.pkl").write_bytes(content)
    with pytest.raises(WeightsError, match=rf"a\.pkl: .*{what}"):
        weights.read(tmp_path / "a.pkl")


def test_bytes_behind_the_last_storage_are_an_error(tmp_path, rng):
    path = legacy_file(tmp_path / "a", tensors(linear(rng)))
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(WeightsError, match="1 bytes follow on its last storage"):
        weights.read(path)


def test_a_zip_bomb_is_not_unpacked_beyond_what_its_table_says(tmp_path):
    path = zip_file(tmp_path / "a", {"x": tensor(np.zeros(3_000_000))}, compression=zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    table = content.rindex(b"archive/data/0") - 46
    content[table + 24 : table + 28] = struct.pack("<I", 8)  # the size that the table promises
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="'archive/data/0' is damaged"):
        weights.read(path)


@pytest.mark.parametrize("what, value", [("file_size", 2**64 - 1), ("header_offset", 2**64 - 1), ("header_offset", -1)])
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_sizes_and_places_beyond_any_file_are_damage(what, value, compression, tmp_path):
    with open(zip_file(tmp_path / "a", {"x": tensor(np.zeros(100))}, compression=compression), "rb") as file:
        archive = Archive(file)
    setattr(archive.entries["archive/data/0"], what, value)
    with pytest.raises(WeightsError, match="'archive/data/0' is damaged"):
        archive.read("archive/data/0")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name_are_an_error(tmp_path):
    path = zip_file(tmp_path / "a", {"x": tensor(np.zeros(3))}, extra=[("data/0", np.ones(3).tobytes())])
    with pytest.raises(WeightsError, match="two entries of the same name"):
        weights.read(path)


def test_a_pickle_of_gigabytes_is_refused(tmp_path, monkeypatch):
    content = b"X" + struct.pack("<I", 1000) + b"a" * 1000 + b"."
    monkeypatch.setattr(torch_zip, "LONGEST", 100)
    with pytest.raises(WeightsError, match=r"its data\.pkl has 1,0\d\d bytes, which no state dict needs"):
        weights.read(zip_file(tmp_path / "a", None, pickle=content))


@pytest.mark.parametrize(
    "content", [b"(" + b"}" * 10_000_000 + b"l.", b"X\xff\xff\xff\x04" + b"a" * (0x4FFFFFF + 1) + b"."]
)
def test_a_pickle_of_too_many_bytes_or_opcodes_is_refused_in_the_older_format(content, tmp_path, monkeypatch):
    monkeypatch.setattr(pickle_reader, "MOST_OPCODES", 100_000)
    with pytest.raises(WeightsError, match=r"the pickle in it has more than (100,000 opcodes|67,108,864 bytes)"):
        weights.read(legacy_file(tmp_path / "a", None, pickle=content))


def test_a_compressed_pickle_is_refused_unread(tmp_path):
    """40 kB of zeros and ones may say: forty million dicts."""
    with zipfile.ZipFile(tmp_path / "a.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"(" + b"}" * 40_000_000 + b"l.")
    assert (tmp_path / "a.pth").stat().st_size < 50_000
    begin = time.perf_counter()
    with pytest.raises(WeightsError, match=r"a\.pth: its data\.pkl is compressed, which PyTorch doesn't do"):
        weights.read(tmp_path / "a.pth")
    assert time.perf_counter() - begin < 1


@both
def test_what_is_shown_of_a_file_is_little(write, tmp_path):
    """A dict of 20,000 entries under 20,000 names: each is counted, twenty are described."""
    number = [b"J" + struct.pack("<i", i) for i in range(20_000)]
    inner = b"}(" + b"".join(n + b"N" for n in number) + b"uq\x020"
    content = b"\x80\x02" + inner + b"}(" + b"".join(n + b"h\x02" for n in number) + b"u."
    begin = time.perf_counter()
    with pytest.raises(WeightsError, match=r"19 \(a dict of 20000\) and 19980 more"):
        weights.read(write(tmp_path / "a", None, pickle=content))
    assert time.perf_counter() - begin < 2


# damage --------------------------------------------------------------------------------------------------------------


@both
def test_cut_short_anywhere(write, tmp_path, rng):
    path = write(tmp_path / "a.pth", tensors(linear(rng)))
    content = path.read_bytes()
    for end in range(len(content)):
        path.write_bytes(content[:end])
        with pytest.raises(WeightsError, match=r"a\.pth: "):
            weights.read(path)


@both
def test_a_flip_anywhere_is_found_or_does_no_harm(write, tmp_path, rng):
    """In a zip every byte that matters is under a checksum; in the older format a changed number can't be seen."""
    arrays = linear(rng)
    path = write(tmp_path / "a.pth", tensors(arrays))
    content = path.read_bytes()
    found = 0
    for i in range(len(content)):
        path.write_bytes(content[:i] + bytes([content[i] ^ 1 << i % 8]) + content[i + 1 :])
        try:
            got = weights.read(path)
        except WeightsError as error:
            assert str(error).startswith(f"{path}: ")
            found += 1
        else:
            if write is zip_file:
                assert_same(got, arrays)
            assert all(isinstance(a, np.ndarray) for a in got.values())
    assert found > len(content) // 2


@both
def test_bytes_at_random_in_the_pickle(write, tmp_path, rng):
    good = dumped(tensors(linear(rng)), {}, legacy=write is legacy_file)
    for _ in range(300):
        content = bytearray(good)
        for place in rng.integers(0, len(good), 3):
            content[place] = rng.integers(256)
        try:
            weights.read(write(tmp_path / "a.pth", None, pickle=bytes(content)))
        except WeightsError as error:
            assert "a.pth: " in str(error)


# real ----------------------------------------------------------------------------------------------------------------


def test_published_weights():
    path = SHARED / "data/weights/squeezenet1_1.pth"
    if not path.exists():
        pytest.skip(f"needs {path.name} in the shared data")
    got = weights.read(path)
    assert len(got) == 52
    assert sum(a.size for a in got.values()) == 1_235_496
    expected = json.loads((SHARED / "facts/state_dict_keys.json").read_text())
    assert [[key, list(a.shape), a.dtype.name] for key, a in got.items()] == expected["squeezenet1_1"]
    assert all(a.dtype == np.float32 and a.flags.aligned and np.isfinite(a).all() for a in got.values())
    first = got["features.0.weight"]
    assert first.shape == (64, 3, 3, 3)
    with zipfile.ZipFile(path) as archive:
        raw = archive.read("squeezenet1_1/data/0")
    assert zlib.crc32(np.ascontiguousarray(first)) == zlib.crc32(raw)
