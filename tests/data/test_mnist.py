"""MNIST and FashionMNIST: what is in them, where they are found, and what is said when something is wrong with them."""

import gzip
import hashlib
import os
import shutil
import struct
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from minitorch_cnn.data import MNIST, FashionMNIST, FetchError

SHIPPED = Path(MNIST.installed)
FASHION = Path(FashionMNIST.installed)
TEST_FILES = ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"]

needs_fashion = pytest.mark.skipif(
    not FASHION.is_dir(), reason=f"Fashion-MNIST is not in {FASHION} (apt-get install dataset-fashion-mnist)"
)


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch, tmp_path):
    """No data folder named, and nothing in the cache."""
    monkeypatch.delenv("MINITORCH_CNN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def train():
    return MNIST()


@pytest.fixture(scope="module")
def held_out():
    return MNIST(train=False)


def put(folder, source=SHIPPED, names=TEST_FILES):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copy(source / name, folder / name)
    return folder


def idx_bytes(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


# what is in it --------------------------------------------------------------------------------------------------------


def test_mnist_holds_what_is_known_of_it(train, held_out):
    # the database's published counts and moments
    assert train.data.shape == (60000, 28, 28) and held_out.data.shape == (10000, 28, 28)
    assert train.data.dtype == held_out.data.dtype == np.uint8 and train.targets.dtype == np.int64
    assert np.bincount(train.targets).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(held_out.targets).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert train.targets[:5].tolist() == [5, 0, 4, 1, 9] and held_out.targets[:5].tolist() == [7, 2, 1, 0, 4]
    for ds, mean, deviation in ((train, 0.1306605, 0.3081078), (held_out, 0.1325146, 0.3104802)):
        assert abs(ds.data.mean() / 255 - mean) < 5e-8 and abs(ds.data.std() / 255 - deviation) < 5e-8  # 7 digits given
    assert len(train.classes) == 10 and train.classes[5] == "5 - five"


def test_the_shipped_files_are_the_canonical_ones():
    assert len(MNIST.resources) == 4
    for name, sha256 in MNIST.resources:
        assert hashlib.sha256((SHIPPED / name).read_bytes()).hexdigest() == sha256


def test_the_shipped_files_come_with_their_attribution():
    text = (SHIPPED / "README.md").read_text(encoding="utf-8")
    for needed in ("Yann LeCun", "Corinna Cortes", "Christopher J. C. Burges", "CC BY-SA 3.0"):
        assert needed in text


@needs_fashion
def test_fashion_mnist_holds_what_is_known_of_it():
    for train, each in ((True, 6000), (False, 1000)):
        ds = FashionMNIST(train=train)
        assert ds.data.shape == (10 * each, 28, 28)
        assert np.bincount(ds.targets).tolist() == [each] * 10
    assert [ds.classes[i] for i in ds.targets[:4]] == ["Ankle boot", "Pullover", "Trouser", "Trouser"]


# samples and batches --------------------------------------------------------------------------------------------------


def test_a_sample_is_a_float_image_from_0_to_1_and_its_label(held_out):
    image, label = held_out[0]
    assert image.shape == (1, 28, 28) and image.dtype == np.float32 and label == 7
    np.testing.assert_array_equal(image[0], held_out.data[0].astype(np.float32) / np.float32(255))
    assert image.min() == 0 and 0.9 < image.max() <= 1


def test_a_batch_is_its_samples_in_the_order_asked_for(held_out):
    images, labels = held_out.batch([3, 9999, 3, -1])
    assert images.shape == (4, 1, 28, 28) and labels.dtype == np.int64
    np.testing.assert_array_equal(images[0], held_out[3][0])
    np.testing.assert_array_equal(images[1], held_out[9999][0])
    np.testing.assert_array_equal(images[3], images[1])
    assert labels.tolist() == held_out.targets[[3, 9999, 3, 9999]].tolist()


def test_transforms_get_whole_batches_and_may_spoil_them():
    seen = []

    def spoil(images):
        seen.append((images.shape, images.dtype))
        images[...] = 9
        return images

    def count_from_1(labels):
        labels += 1
        return labels

    ds = MNIST(train=False, transform=spoil, target_transform=count_from_1)
    assert not (ds.data[0] == 9).all()
    images, labels = ds.batch([0, 1, 2])
    assert seen == [((3, 1, 28, 28), np.uint8)]
    assert (images == 9).all() and images.dtype == np.uint8 and labels.tolist() == [8, 3, 2]
    assert ds[0][0].shape == (1, 28, 28) and ds[0][1] == 8
    assert not (ds.data[0] == 9).all() and ds.targets[0] == 7  # each time a copy was spoilt


@pytest.mark.parametrize("index", [10000, -10001])
def test_index_out_of_range(held_out, index):
    with pytest.raises(
        IndexError, match=f"MNIST: index {index} is out of range for 10000 samples; valid are -10000 to 9999"
    ):
        held_out[index]


def test_a_slice_is_no_index(held_out):
    with pytest.raises(TypeError, match="MNIST: indices must be integers"):
        held_out[0:5]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"train": "test"}, r"MNIST: train must be True \(training images\) or False \(test images\), got 'test'"),
        ({"transform": 3}, "MNIST: transform must be a function of a batch, got 3"),
        ({"target_transform": "x"}, "MNIST: target_transform must be a function"),
        ({"split": "test"}, "split"),
    ],
)
def test_options_that_can_not_be(options, message):
    with pytest.raises(TypeError, match=message):
        MNIST(**options)


# where it is found ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["MNIST/raw", "MNIST", "mnist", "."])
def test_found_under_root(tmp_path, folder):
    put(tmp_path / "here" / folder)
    ds = MNIST(tmp_path / "here", train=False)
    assert Path(ds.raw_folder) == tmp_path / "here" / folder and len(ds) == 10000


def test_found_unzipped(tmp_path):
    for name in TEST_FILES:
        (tmp_path / name.removesuffix(".gz")).write_bytes(gzip.decompress((SHIPPED / name).read_bytes()))
    assert MNIST(tmp_path, train=False).targets[:3].tolist() == [7, 2, 1]


def test_the_environment_variable_comes_before_what_is_shipped_and_root_before_it(tmp_path, monkeypatch):
    put(tmp_path / "named" / "mnist"), put(tmp_path / "root")
    monkeypatch.setenv("MINITORCH_CNN_DATA", str(tmp_path / "named"))
    assert Path(MNIST(train=False).raw_folder) == tmp_path / "named" / "mnist"
    assert Path(MNIST(tmp_path / "root", train=False).raw_folder) == tmp_path / "root"
    # the folder has no training images: on to the next place
    assert Path(MNIST(train=True).raw_folder) == SHIPPED


def test_home_is_understood(tmp_path, monkeypatch):
    put(tmp_path / "data")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert Path(MNIST("~/data", train=False).raw_folder) == tmp_path / "data"


@needs_fashion
def test_a_data_folder_with_both_gives_each_its_own(tmp_path, monkeypatch):
    put(tmp_path / "mnist"), put(tmp_path / "fashion-mnist", FASHION)
    monkeypatch.setenv("MINITORCH_CNN_DATA", str(tmp_path))
    assert MNIST(train=False).targets[0] == 7
    assert FashionMNIST(train=False).targets[0] == 9


def test_root_is_the_only_place_if_given(tmp_path):
    with pytest.raises(FileNotFoundError, match="MNIST: its training images and labels were not found"):
        MNIST(tmp_path)


def test_not_found_tells_every_place_and_what_helps(tmp_path, monkeypatch):
    named = tmp_path / "named"
    put(named, names=TEST_FILES[:1])
    monkeypatch.setenv("MINITORCH_CNN_DATA", str(named))
    monkeypatch.setattr(FashionMNIST, "installed", str(tmp_path / "usr"))
    with pytest.raises(FileNotFoundError) as caught:
        FashionMNIST(train=False)
    text = str(caught.value)
    assert text.startswith("FashionMNIST: its test images and labels were not found. Looked in\n")
    for place in ("named/FashionMNIST/raw", "named/fashion-mnist", "usr", "cache/minitorch_cnn/FashionMNIST/raw"):
        assert f"  {tmp_path / place}: no such folder\n" in text
    assert f"  {named}: has no t10k-labels-idx1-ubyte.gz\n" in text
    for remedy in ("FashionMNIST(download=True)", "apt-get install dataset-fashion-mnist", "MINITORCH_CNN_DATA"):
        assert remedy in text


# what is wrong with it ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, array, message",
    [
        (
            "t10k-images-idx3-ubyte",
            np.zeros((60, 28, 28), np.uint8),
            "10000 x 28 x 28 values of uint8, but this file has 60 x 28 x 28",
        ),
        (
            "t10k-images-idx3-ubyte",
            np.zeros((10000, 784), np.uint8),
            "10000 x 28 x 28 values of uint8, but this file has 10000 x 784",
        ),
        ("t10k-labels-idx1-ubyte", np.zeros(9999, np.uint8), "10000 values of uint8, but this file has 9999 of uint8"),
        ("t10k-labels-idx1-ubyte", np.full(10000, 17, np.uint8), r"label 0 is 17, but there are 10 classes \(0 to 9\)"),
    ],
)
def test_files_that_are_not_mnists(tmp_path, name, array, message):
    put(tmp_path)
    (tmp_path / name).write_bytes(idx_bytes(array))  # unzipped: comes before the right one
    with pytest.raises(ValueError, match=f"{name}: .*{message}"):
        MNIST(tmp_path, train=False)


def test_labels_of_the_training_images_beside_the_test_images(tmp_path):
    put(tmp_path)
    shutil.copy(SHIPPED / "train-labels-idx1-ubyte.gz", tmp_path / TEST_FILES[1])
    with pytest.raises(
        ValueError, match=r"t10k-labels-idx1-ubyte.gz: MNIST.train=False. has here 10000 .* but this file has 60000 of"
    ):
        MNIST(tmp_path, train=False)


def test_a_file_cut_short(tmp_path):
    put(tmp_path)
    os.truncate(tmp_path / TEST_FILES[0], 100_000)
    with pytest.raises(
        ValueError, match=r"t10k-images-idx3-ubyte.gz: the header promises 10000 x 28 x 28 .* the file is cut short"
    ):
        MNIST(tmp_path, train=False)


def test_one_data_set_is_not_taken_for_the_other(tmp_path):
    put(tmp_path)
    with pytest.raises(
        ValueError, match=r"these are the labels of MNIST, not of FashionMNIST; use data.MNIST, or another folder"
    ):
        FashionMNIST(tmp_path, train=False)


@needs_fashion
def test_fashion_is_not_taken_for_mnist():
    for train in (True, False):
        with pytest.raises(ValueError, match="these are the labels of FashionMNIST, not of MNIST"):
            MNIST(FASHION, train=train)


# download -------------------------------------------------------------------------------------------------------------


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    """Serves the files that are shipped, as a mirror would."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(SHIPPED)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_download_fetches_the_splits_files_into_torchvisions_folder(tmp_path, monkeypatch, server):
    monkeypatch.setattr(MNIST, "mirrors", [server + "nothing-here/", server])
    ds = MNIST(tmp_path / "new", train=False, download=True)
    assert Path(ds.raw_folder) == tmp_path / "new" / "MNIST" / "raw" and ds.targets[0] == 7
    assert sorted(path.name for path in Path(ds.raw_folder).iterdir()) == TEST_FILES
    monkeypatch.setattr(MNIST, "mirrors", [])
    assert MNIST(tmp_path / "new", train=False, download=True).targets[0] == 7  # found: nothing is fetched


def test_download_without_root_goes_to_the_data_folder_or_else_to_the_cache(tmp_path, monkeypatch, server):
    monkeypatch.setattr(MNIST, "mirrors", [server])
    monkeypatch.setattr(MNIST, "installed", str(tmp_path / "nowhere"))
    cached = MNIST(train=False, download=True)
    assert Path(cached.raw_folder) == tmp_path / "cache" / "minitorch_cnn" / "MNIST" / "raw"
    assert MNIST(train=False).raw_folder == cached.raw_folder
    shutil.rmtree(tmp_path / "cache")
    monkeypatch.setenv("MINITORCH_CNN_DATA", str(tmp_path / "named"))
    assert Path(MNIST(train=False, download=True).raw_folder) == tmp_path / "named" / "MNIST" / "raw"


def test_a_mirror_with_another_file_is_refused(tmp_path, monkeypatch, server):
    monkeypatch.setattr(FashionMNIST, "mirrors", [server])  # MNIST's files, under the same names
    with pytest.raises(FetchError, match=r"but 346e55b948d9.* is expected"):
        FashionMNIST(tmp_path, train=False, download=True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
