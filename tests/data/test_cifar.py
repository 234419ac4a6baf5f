"""CIFAR10 and CIFAR100: both versions, from folders and archives, and what is said of files that are wrong."""

import gzip
import hashlib
import io
import os
import pickle
import subprocess
import sys
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from minitorch_cnn.data import CIFAR10, CIFAR100, cifar_files

SHARED = Path(__file__).parents[2] / "../shared/data/cifar10"
EACH = 7  # images in a file of the small copies

needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason=f"CIFAR-10 is not in {SHARED}")


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch, tmp_path):
    """No data folder named, nothing in the cache, and data sets of a few images, whose checksums nobody published."""
    monkeypatch.delenv("MINITORCH_CNN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(CIFAR10, "sizes", (5 * EACH, EACH))
    monkeypatch.setattr(CIFAR100, "sizes", (2 * EACH, EACH))
    monkeypatch.setattr(CIFAR10, "verify", False)


def records(kind, train, seed=0):
    """{file of the binary version: (count, columns + 3072) uint8}"""
    rng = np.random.default_rng([seed, train])
    files = (kind.versions[0].train if train else kind.versions[0].test).keys()
    count = kind.sizes[0 if train else 1] // len(files)
    return {
        name: np.concatenate(
            [
                *(rng.integers(0, len(classes), (count, 1)) for classes in kind.label_columns.values()),
                rng.integers(0, 256, (count, 3072)),
            ],
            axis=1,
        ).astype(np.uint8)
        for name in files
    }


def write(kind, folder, version, train=True, protocol=2, keys=bytes, order="C"):
    """Both splits' files, as the binary version (0) or the python version (1) has them; returns the records of one."""
    place = Path(folder) / kind.versions[version].folder
    place.mkdir(parents=True, exist_ok=True)
    for split in (True, False):
        for name, rows in records(kind, split).items():
            if version == 0:
                (place / name).write_bytes(rows.tobytes())
                continue
            columns = len(kind.label_columns)
            batch = {"data": np.asarray(rows[:, columns:], order=order), "batch_label": "x", "filenames": ["a.png"]}
            batch |= {key: rows[:, n].tolist() for n, key in enumerate(kind.label_columns)}
            batch = {keys(key, "ascii") if keys is bytes else key: value for key, value in batch.items()}
            (place / name.removesuffix(".bin")).write_bytes(pickle.dumps(batch, protocol))
    return np.concatenate(list(records(kind, train).values()))


def pack(folder, kind, version, path, reverse=True):
    """The archive of a folder, its files in another order, with some that nobody needs."""
    with gzip.open(path, "wb", compresslevel=1) as zipped, tarfile.open(fileobj=zipped, mode="w|") as archive:
        place = Path(folder) / kind.versions[version].folder
        archive.add(place, kind.versions[version].folder, recursive=False)
        (place / "readme.html").write_text("<html>")
        for file in sorted(place.iterdir(), reverse=reverse):
            archive.add(file, f"{kind.versions[version].folder}/{file.name}")
    return path


@pytest.mark.parametrize("kind", [CIFAR10, CIFAR100])
@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("train", [True, False])
def test_both_versions_give_the_same_images_from_folders_and_archives(kind, version, train, tmp_path):
    rows = write(kind, tmp_path, version, train)
    (tmp_path / "packed").mkdir()
    archive = pack(tmp_path, kind, version, tmp_path / "packed" / kind.versions[version].archive)
    for root in (tmp_path, tmp_path / kind.versions[version].folder, tmp_path / "packed", archive):
        ds = kind(root, train=train)
        assert ds.data.shape == (len(rows), 3, 32, 32) and ds.data.dtype == np.uint8 and ds.data.flags.c_contiguous
        np.testing.assert_array_equal(ds.data.reshape(len(rows), 3072), rows[:, len(kind.label_columns) :])
        np.testing.assert_array_equal(ds.targets, rows[:, len(kind.label_columns) - 1])  # the fine ones come last
        assert ds.targets.dtype == np.int64
        if kind is CIFAR100:
            np.testing.assert_array_equal(ds.coarse_targets, rows[:, 0])


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("keys", [bytes, str])
@pytest.mark.parametrize("order", "CF")
def test_pickles_of_every_protocol(protocol, keys, order, tmp_path):
    rows = write(CIFAR10, tmp_path, 1, protocol=protocol, keys=keys, order=order)
    if protocol == 5:  # keeps an array's bytes in another way, which the published files don't have
        with pytest.raises(
            ValueError,
            match=r"data_batch_1: the pickle in it asks for numpy.*, which is refused: only NumPy arrays are read",
        ):
            CIFAR10(tmp_path)
        return
    ds = CIFAR10(tmp_path)
    np.testing.assert_array_equal(ds.data.reshape(-1, 3072), rows[:, 1:])
    np.testing.assert_array_equal(ds.targets, rows[:, 0])


def test_classes():
    assert len(CIFAR10.classes) == 10 and len(CIFAR100.classes) == 100 and len(CIFAR100.coarse_classes) == 20
    for names in (CIFAR10.classes, CIFAR100.classes, CIFAR100.coarse_classes):
        assert names == sorted(set(names))
    assert CIFAR100.classes[53] == "orange" and CIFAR100.coarse_classes[4] == "fruit_and_vegetables"


def test_samples_batches_and_transforms(tmp_path):
    rows = write(CIFAR10, tmp_path, 0)
    ds = CIFAR10(tmp_path)
    image, label = ds[3]
    np.testing.assert_array_equal(image, rows[3, 1:].reshape(3, 32, 32).astype(np.float32) / np.float32(255))
    assert image.dtype == np.float32 and label == rows[3, 0] and ds.class_to_idx["truck"] == 9
    images, labels = CIFAR10(tmp_path, transform=lambda x: x[:, :, ::2], target_transform=lambda t: -t).batch([2, 0])
    np.testing.assert_array_equal(images, rows[[2, 0], 1:].reshape(2, 3, 32, 32)[:, :, ::2])
    assert images.dtype == np.uint8 and labels.tolist() == [-int(rows[2, 0]), -int(rows[0, 0])]
    with pytest.raises(IndexError, match="CIFAR10: index 35 is out of range for 35 samples"):
        ds[35]


def test_not_found_tells_where_it_looked_and_what_helps(tmp_path):
    write(CIFAR10, tmp_path / "some", 0)
    os.remove(tmp_path / "some/cifar-10-batches-bin/data_batch_3.bin")
    with pytest.raises(FileNotFoundError) as caught:
        CIFAR10(tmp_path / "some")
    assert f"{tmp_path}/some: has no data_batch_3.bin in {tmp_path}/some/cifar-10-batches-bin\n" in str(caught.value)
    assert f"{tmp_path}/some/cifar10: no such folder\n" in str(caught.value)
    with pytest.raises(FileNotFoundError) as caught:
        CIFAR100()
    text = str(caught.value)
    assert text.startswith("CIFAR100: its training images and labels were not found. Looked in\n")
    assert f"{tmp_path}/cache/minitorch_cnn: no such folder" in text
    assert "CIFAR100(download=True)" in text and "MINITORCH_CNN_DATA" in text and "cifar-100-binary" in text


def test_found_by_the_variable(tmp_path, monkeypatch):
    write(CIFAR10, tmp_path / "cifar10", 1)
    monkeypatch.setenv("MINITORCH_CNN_DATA", str(tmp_path))
    assert CIFAR10().source == str(tmp_path / "cifar10/cifar-10-batches-py")


# wrong files -----------------------------------------------------------------------------------------------------------


def altered(folder, name, change):
    path = next(Path(folder).rglob(name))
    path.write_bytes(change(bytearray(path.read_bytes())))
    return path


@pytest.mark.parametrize("length", [0, 1, 3072, 3073 * EACH - 1, 3073 * EACH + 1, 3073 * (EACH + 1)])
def test_a_binary_file_of_another_length(length, tmp_path):
    write(CIFAR10, tmp_path, 0)
    altered(tmp_path, "data_batch_4.bin", lambda content: (content + bytes(4000))[:length])
    with pytest.raises(
        ValueError, match=rf"data_batch_4.bin: CIFAR10 has here 7 records of 3073 bytes = 21,511 .* {length:,};"
    ):
        CIFAR10(tmp_path)


@pytest.mark.parametrize("version", [0, 1])
def test_a_label_outside_the_classes(version, tmp_path):
    write(CIFAR100, tmp_path, version)
    if version == 0:
        altered(tmp_path, "train.bin", lambda content: content.__setitem__(2 * 3074, 20) or content)
    else:
        path = tmp_path / "cifar-100-python/train"
        batch = pickle.loads(path.read_bytes())
        batch[b"coarse_labels"][2] = 20
        path.write_bytes(pickle.dumps(batch, 2))
    with pytest.raises(
        ValueError, match=r"train(.bin)?: CIFAR100 has 20 classes \(0 to 19\), but entry 2 of its coarse_labels is 20"
    ):
        CIFAR100(tmp_path)


@pytest.mark.parametrize("kind, version", [(CIFAR10, 0), (CIFAR10, 1), (CIFAR100, 0), (CIFAR100, 1)])
def test_a_changed_pixel_is_noticed_by_the_published_checksum(kind, version, tmp_path, monkeypatch):
    write(kind, tmp_path, version, train=False, protocol=4)
    path = next(iter((tmp_path / kind.versions[version].folder).glob("test*")))
    # CIFAR-100's pickle has a checksum of its own; the others that of the binary file
    whole = (
        path.read_bytes()
        if (kind, version) == (CIFAR100, 1)
        else b"".join(r.tobytes() for r in records(kind, False).values())
    )
    plain = records(kind, False)
    published = kind.versions[version]._replace(test={path.name: hashlib.sha256(whole).hexdigest()})
    monkeypatch.setattr(kind, "versions", [published])
    monkeypatch.setattr(kind, "verify", True)
    assert len(kind(tmp_path, train=False)) == EACH
    pixel = plain[path.name.removesuffix(".bin") + ".bin"][1, -3:].tobytes()
    path.write_bytes(path.read_bytes().replace(pixel, bytes([pixel[0] ^ 1]) + pixel[1:]))
    with pytest.raises(ValueError, match=rf"{path.name}: its 7 images and labels have SHA-256 .*the file was altered"):
        kind(tmp_path, train=False)


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {b"data": np.zeros((EACH, 3073), np.uint8)},
            r"data must be an array \(7, 3072\) of uint8, but it is \(7, 3073\)",
        ),
        ({b"data": np.zeros((EACH, 3072), np.int16)}, "but it is .7, 3072. of 'i2'"),
        ({b"data": [1, 2]}, "data must be an array of uint8, but it is a list"),
        ({b"data": np.zeros((EACH, 3072), "S0")}, "of 'S1'"),
        ({b"labels": list(range(EACH - 1))}, "labels must be a list of 7 integers, but it is 6 values"),
        ({b"labels": ["1"] * EACH}, "labels must be a list of 7 integers"),
        ({b"labels": [True] * EACH}, "labels must be a list of 7 integers"),
        ({b"labels": [0] * (EACH - 1) + [300]}, "labels has 300, which is no class"),
        ({b"labels": [0] * (EACH - 1) + [-1]}, "labels has -1, which is no class"),
        ({b"labels": None, b"fine_labels": [0] * EACH}, "labels must be a list of 7 integers, but it is a NoneType"),
        (None, "this one has no data, labels; its keys are fine_labels"),
        ([1], "a pickle of a list, not of a dict"),
    ],
)
def test_a_pickle_of_something_else(change, message, tmp_path):
    write(CIFAR10, tmp_path, 1)
    path = tmp_path / "cifar-10-batches-py/test_batch"
    batch = pickle.loads(path.read_bytes())
    batch = {**batch, **change} if isinstance(change, dict) else {b"fine_labels": 1} if change is None else change
    path.write_bytes(pickle.dumps(batch, 2))
    with pytest.raises(ValueError, match=f"test_batch: .*{message}"):
        CIFAR10(tmp_path, train=False)


class Evil:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "function, args, name",
    [
        (os.system, ("touch {}",), "posix.system|nt.system"),
        (eval, ("open({!r}, 'w')",), "builtins.eval|__builtin__.eval"),
        (subprocess.Popen, ("touch {}",), "subprocess.Popen|commands.Popen"),
        (getattr, (1, "real"), "getattr"),
        (np.load, ("{}",), "numpy.*load"),
        (np.dtype.newbyteorder, (np.dtype("u1"),), "getattr|numpy"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_asks_for_anything_else_is_refused_by_name_and_nothing_runs(
    function, args, name, protocol, tmp_path
):
    write(CIFAR10, tmp_path, 1)
    mark = tmp_path / "mark"
    args = tuple(a.format(str(mark)) if isinstance(a, str) else a for a in args)
    (tmp_path / "cifar-10-batches-py/test_batch").write_bytes(pickle.dumps({"data": Evil(function, *args)}, protocol))
    with pytest.raises(
        ValueError, match=f"test_batch: .*asks for .*({name}), which is refused: only NumPy arrays are read"
    ):
        CIFAR10(tmp_path, train=False)
    assert not mark.exists()


def read(content, count=2):
    return cifar_files.pickled_records("file", content, count, ["labels"], "CIFAR10")


def test_a_damaged_pickle_is_a_value_error_at_every_position(monkeypatch):
    monkeypatch.setattr(cifar_files, "PIXELS", 5)
    array = np.arange(2 * 5, dtype=np.uint8).reshape(2, 5)
    for protocol in (0, 2, 4):
        whole = pickle.dumps({b"data": array, b"labels": [1, 2], "filenames": ["x"]}, protocol)
        np.testing.assert_array_equal(read(whole)[1], array)
        for i in range(len(whole)):
            for content in (
                whole[:i],
                *(whole[:i] + bytes([whole[i] ^ bit]) + whole[i + 1 :] for bit in (1, 4, 32, 128)),
            ):
                try:
                    read(content)
                except ValueError as error:
                    assert str(error).startswith("file: ")


def test_a_pickle_of_python_2_has_its_bytes_as_texts(monkeypatch):
    monkeypatch.setattr(cifar_files, "PIXELS", 2)
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntU\x01btR"
        b"(I1\n(I2\nI2\ntcnumpy\ndtype\n(U\x02u1I0\nI1\ntR(I3\nU\x01|NNNI-1\nI-1\nI0\ntbI00\nU\x04\x00\x7f\x80\xfftb"
    )
    labels, pixels = read(b"\x80\x02}(U\x04data" + array + b"U\x06labels(I3\nI9\nlu.")
    assert labels.tolist() == [[3, 9]] and pixels.tolist() == [[0, 127], [128, 255]]


DEEP = b"K\x01" + b"2\x86" * 60  # a tuple of 2**60 parts
ARRAY = b"cnumpy.core.multiarray\n_reconstruct\nNNN\x87R"
U1 = b"cnumpy\ndtype\nX\x02\x00\x00\x00u1\x85R"
A_FEW_BYTES = {
    "a key that is deep": b"}" + DEEP + b"K\x01s.",
    "a shape that is deep": b"}(X\x06\x00\x00\x00labels]X\x04\x00\x00\x00data"
    + ARRAY
    + b"(K\x01"
    + DEEP
    + U1
    + b"NC\x01atbu.",
    "a dtype that is deep": b"}(X\x06\x00\x00\x00labels]X\x04\x00\x00\x00data"
    + ARRAY
    + b"(K\x01)cnumpy\ndtype\n"
    + DEEP
    + b"\x85RNC\x01atbu.",
    "data that are deep": b"}(X\x06\x00\x00\x00labels]X\x04\x00\x00\x00data" + DEEP + b"u.",
    "labels that are deep": b"}(X\x06\x00\x00\x00labels]" + DEEP + b"aX\x04\x00\x00\x00dataNu.",
    "the whole is deep": DEEP + b".",
    "bytes of 3 GiB": b"}X\x04\x00\x00\x00data\x96" + (3 << 30).to_bytes(8, "little") + b"s.",
    "a value numbered two billion": b"K\x01r\xff\xff\xff\x7f.",
}


@pytest.mark.parametrize("content", A_FEW_BYTES.values(), ids=A_FEW_BYTES.keys())
def test_a_few_bytes_take_neither_time_nor_memory(content):
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))\n"
        "from minitorch_cnn.data import cifar_files\n"
        f"try:\n    cifar_files.pickled_records('file', {content!r}, 1, ['labels'], 'CIFAR10')\n"
        "except ValueError as e:\n    print(e)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20)
    assert done.stdout.startswith("file: ") and len(done.stdout) < 300, done.stderr


@pytest.mark.parametrize(
    "name", ["numpy.dtype", "numpy.core.multiarray._reconstruct", "_codecs.encode", "numpy.ndarray"]
)
def test_a_pickle_can_not_change_the_reader(name):
    """BUILD with a state for attributes, on a name that is known: an error, and nothing has them afterwards."""
    module, _, last = name.rpartition(".")
    before = {n: dict(vars(v)) for n, v in vars(cifar_files).items() if hasattr(v, "__dict__") and callable(v)}
    for state in (b"}X\x03\x00\x00\x00abcK\x01s", b"N}X\x08\x00\x00\x00__func__K\x01s\x86"):
        with pytest.raises(ValueError, match="file: the pickle in it gives attributes to a Global"):
            read(b"\x80\x02c" + module.encode() + b"\n" + last.encode() + b"\n" + state + b"b.")
    assert before == {n: dict(vars(v)) for n, v in vars(cifar_files).items() if hasattr(v, "__dict__") and callable(v)}


def test_a_damaged_archive_at_many_positions(tmp_path):
    write(CIFAR10, tmp_path / "here", 0)
    path = pack(tmp_path / "here", CIFAR10, 0, tmp_path / "cifar-10-binary.tar.gz")
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for position in [*range(10), *rng.integers(10, len(whole), 30).tolist(), *range(len(whole) - 8, len(whole))]:
        path.write_bytes(whole[:position])
        with pytest.raises(ValueError, match=r"cifar-10-binary.tar.gz: the archive (is cut short or damaged|has no)"):
            CIFAR10(path)
        if position in range(4, 10):
            continue  # the time at which it was packed, and the like
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 8]) + whole[position + 1 :])
        with pytest.raises(ValueError, match=r"cifar-10-binary.tar.gz"):
            CIFAR10(path)


def test_an_archive_of_something_else(tmp_path):
    write(CIFAR100, tmp_path, 0)
    path = pack(tmp_path, CIFAR100, 0, tmp_path / "cifar-10-binary.tar.gz")
    with pytest.raises(ValueError, match=r"the archive has no cifar-10-batches-bin/test_batch.bin"):
        CIFAR10(path, train=False)


def test_an_archive_that_promises_too_much_is_not_read_to_its_end(tmp_path):
    path = tmp_path / "cifar-10-binary.tar.gz"
    with gzip.open(path, "wb") as zipped, tarfile.open(fileobj=zipped, mode="w|") as archive:
        member = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        member.size = 50_000_000
        archive.addfile(member, io.BytesIO(bytes(member.size)))
    with pytest.raises(ValueError, match=r"7 records of 3073 bytes = 21,511 bytes, but this file has 4[0-9],[0-9]{3};"):
        CIFAR10(path, train=False)


def header(name, kind, size):
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)[:512]


@pytest.mark.parametrize(
    "head, what",
    [
        ((header("x", b"L", 5) + b"name\0".ljust(512, b"\0")) * 3000, "recursion"),
        (header("x", b"x", 22) + b"22 GNU.sparse.map=a,b\n".ljust(512, b"\0"), "invalid"),
        (header("x", b"x", 10**15), ""),
    ],
)
def test_headers_that_tarfile_stumbles_over(head, what, tmp_path):
    path = tmp_path / "cifar-10-binary.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as zipped:
        zipped.write(head + header("a", b"0", 0) + bytes(1024))
    with pytest.raises(
        ValueError, match=rf"cifar-10-binary.tar.gz: the archive is cut short or damaged \(.*{what}.*\);"
    ):
        CIFAR10(path)


def test_a_name_that_goes_on_and_on_is_not_unpacked(tmp_path, monkeypatch):
    """2 GiB of zeros are 9 MB of gzip."""
    monkeypatch.setattr(cifar_files, "MOST_UNPACKED", 1 << 20)
    path = tmp_path / "cifar-10-binary.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as zipped:
        zipped.write(header("x", b"L", 2 << 30))
        zipped.write(bytes(1 << 21))
    with pytest.raises(ValueError, match=r"the archive is cut short or damaged \(it unpacks to more than CIFAR has\)"):
        CIFAR10(path)
    write(CIFAR10, tmp_path / "here", 0)  # and what comes behind the files isn't either
    pack(tmp_path / "here", CIFAR10, 0, path)
    assert len(CIFAR10(path)) == 35
    with gzip.open(path, "ab", compresslevel=1) as zipped:
        zipped.write(bytes(1 << 21))
    with pytest.raises(ValueError, match="it unpacks to more than CIFAR has"):
        CIFAR10(path)


# download --------------------------------------------------------------------------------------------------------------


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path):
    (tmp_path / "mirror").mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "mirror")))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_download_fetches_the_archive_once_into_root_or_else_into_the_cache(tmp_path, monkeypatch, server):
    write(CIFAR10, tmp_path / "src", 0)
    archive = pack(tmp_path / "src", CIFAR10, 0, tmp_path / "mirror/cifar-10-binary.tar.gz")
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    monkeypatch.setattr(CIFAR10, "versions", [CIFAR10.versions[0]._replace(sha256=sha256)])
    monkeypatch.setattr(CIFAR10, "mirrors", [server])
    assert CIFAR10(tmp_path / "new", download=True).source == str(tmp_path / "new/cifar-10-binary.tar.gz")
    cached = CIFAR10(download=True).source
    assert cached.startswith(str(tmp_path / "cache" / "minitorch_cnn"))
    monkeypatch.setattr(CIFAR10, "mirrors", [])
    assert CIFAR10(train=False, download=True).source == cached  # the archive has both splits


# the real data ---------------------------------------------------------------------------------------------------------


@needs_data
def test_cifar10_holds_what_is_known_of_it(tmp_path, monkeypatch):
    from PIL import Image

    monkeypatch.undo()
    known = (SHARED / "README.md").read_text(encoding="utf-8")
    for name, sha256 in [*CIFAR10.versions[0].train.items(), *CIFAR10.versions[0].test.items()]:
        assert f"| {name} |" in known and sha256 in known
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3200 * 3200)
    picture = np.asarray(Image.open(SHARED / "test_batch.webp").convert("RGB"))  # 100 x 100 images
    images = picture.reshape(100, 32, 100, 32, 3).transpose(0, 2, 4, 1, 3).reshape(10000, 3072)
    labels = np.frombuffer((SHARED / "labels.bin").read_bytes()[50000:], np.uint8)
    path = tmp_path / "test_batch.bin"
    path.write_bytes(np.concatenate([labels[:, None], images], axis=1).tobytes())
    test = CIFAR10(tmp_path, train=False)  # by its published checksum
    assert test.data.shape == (10000, 3, 32, 32) and np.bincount(test.targets).tolist() == [1000] * 10
    assert test.targets[:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    assert test.data[0, 0, 0, :5].tolist() == [158, 159, 165, 166, 160]
    altered(
        tmp_path, "test_batch.bin", lambda content: content.__setitem__(20_000_000, content[20_000_000] ^ 64) or content
    )
    with pytest.raises(
        ValueError,
        match=r"test_batch.bin: its 10000 images and labels have SHA-256 .*, those of CIFAR10 8e2eb146ae340b09",
    ):
        CIFAR10(tmp_path, train=False)
