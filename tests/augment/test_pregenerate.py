"""Copies made in advance: the same as in training, whole after any interruption, and refused where they can't be right."""

import errno
import json
import signal
import subprocess
import sys
import textwrap
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

import minitorch_cnn as mt
from minitorch_cnn.augment import Affine, Compose, HorizontalFlip, RandomCrop, Transform
from minitorch_cnn.augment.mix import CutMix
from minitorch_cnn.augment.pregenerate import Pregenerated, pregenerate
from minitorch_cnn.data import DataLoader, TensorDataset

N, C, H, W = 11, 3, 6, 5
RECIPE = Compose([RandomCrop((6, 5), padding=2), HorizontalFlip()])


def dataset_of(rng, dtype=np.uint8):
    images = rng.integers(0, 256, (N, C, H, W)).astype(dtype) if dtype == np.uint8 else rng.random((N, C, H, W), dtype)
    return TensorDataset(images, rng.integers(0, 10, N))


@pytest.fixture
def dataset(rng):
    return dataset_of(rng)


def make(dataset, out, transform=RECIPE, copies=3, **options):
    return pregenerate(dataset, transform, copies, out, **{"progress": False, "seed": 7, **options})


def expected(dataset, transform=RECIPE, copies=3, seed=7):
    images, labels = dataset.batch(np.arange(N))
    each = [transform(images, labels, ids=np.arange(N), epoch=c, seed=seed) for c in range(copies)]
    return tuple(np.concatenate(arrays) for arrays in zip(*each))


def assert_same(copies, wanted):
    for got, want in zip(copies.batch(np.arange(len(copies))), wanted):
        assert got.dtype == want.dtype and np.array_equal(got, want)


def contents(out):
    return {file.name: file.read_bytes() for file in Path(out).iterdir()}


class CallsUpTo(Transform):
    """The recipe, until it was called so often; then `then()`."""

    def __init__(self, calls, then):
        super().__init__()
        self._calls, self._then = calls, then

    def change(self, batch, params):
        self._calls -= 1
        if self._calls < 0:
            self._then()

    def __repr__(self):
        return "Recipe()"


def disk_full():
    raise OSError(errno.ENOSPC, "No space left on device")


# what is made ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("batch_size, shard_size", [(4, 5), (1, 33), (100, 11), (3, 1), (256, None), (7, 100)])
def test_copy_c_of_sample_i_is_what_training_sees_in_epoch_c(dtype, batch_size, shard_size, rng, tmp_path):
    dataset = dataset_of(rng, dtype)
    copies = make(dataset, tmp_path / "copies", batch_size=batch_size, shard_size=shard_size)
    assert len(copies) == 3 * N and copies.samples == N and copies.copies == 3 and copies.seed == 7
    assert_same(copies, expected(dataset))
    assert len(copies.images) == (1 if shard_size is None else -(-33 // shard_size))


def test_a_data_set_of_items_gives_the_same_as_one_of_batches(dataset, tmp_path):
    items = [(dataset[i][0], int(dataset[i][1])) for i in range(N)]
    assert_same(make(items, tmp_path), expected(dataset))


def test_mixed_labels_and_images_of_another_size(dataset, tmp_path):
    recipe = Compose(
        [RandomCrop(4), CutMix(num_classes=10, dataset=TensorDataset(np.zeros((9, C, 4, 4), np.uint8), np.arange(9)))]
    )
    copies = make(dataset, tmp_path, recipe, shard_size=8)
    assert copies[0][0].shape == (C, 4, 4) and copies[0][1].shape == (10,)
    assert_same(copies, expected(dataset, recipe))


def test_images_bigger_than_a_shards_bytes_make_a_shard_each(dataset, tmp_path, monkeypatch):
    module = sys.modules["minitorch_cnn.augment.pregenerate"]
    monkeypatch.setattr(module, "SHARD_BYTES", 1)
    assert len(make(dataset, tmp_path).images) == 33
    monkeypatch.setattr(module, "SHARD_BYTES", 2 * C * H * W)
    assert len(make(dataset, tmp_path / "two").images) == 17


# how it is read -------------------------------------------------------------------------------------------------------


def test_any_indices_in_any_order(dataset, tmp_path):
    copies, (images, labels) = make(dataset, tmp_path, shard_size=4), expected(dataset)
    for indices in ([5], [32, 0, 7, 7, -1], [], np.array([3, -33], np.int8), range(10, 30, 3)):
        got = copies.batch(indices)
        where = np.asarray(indices, int)
        assert np.array_equal(got[0], images[where]) and np.array_equal(got[1], labels[where])
        got[0][...] = 0  # a copy: what is on the disk stays
    image, label = copies[-2]
    assert np.array_equal(image, images[-2]) and label == labels[-2]
    assert all(isinstance(array, np.memmap) for array in (*copies.images, *copies.labels))
    assert repr(copies) == f"Pregenerated(3 copies of 11 samples in {tmp_path})"


@pytest.mark.parametrize(
    "indices, error, text",
    [
        ([33], IndexError, "index 33 is out of range for 33 copies; valid are -33 to 32"),
        ([0, -34], IndexError, "index -34"),
        ([0.5], TypeError, "list of integers"),
        ([[1]], TypeError, "list of integers"),
        ([True], TypeError, "list of integers"),
    ],
)
def test_indices_that_are_not_there(indices, error, text, dataset, tmp_path):
    with pytest.raises(error, match=f"Pregenerated: .*{text}"):
        make(dataset, tmp_path).batch(indices)


def test_a_loader_shuffles_and_reads_in_threads(dataset, tmp_path):
    copies = make(dataset, tmp_path, shard_size=4)
    images, labels = map(np.concatenate, zip(*DataLoader(copies, batch_size=5, shuffle=True, num_workers=2, seed=0)))
    wanted = expected(dataset)
    assert sorted(zip(images.sum((1, 2, 3)), labels)) == sorted(zip(wanted[0].sum((1, 2, 3)), wanted[1]))


# going on -------------------------------------------------------------------------------------------------------------


def test_a_second_call_makes_nothing_anew(dataset, tmp_path):
    make(dataset, tmp_path, shard_size=4)
    before = {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    assert_same(make(dataset, tmp_path), expected(dataset))  # a shard size that isn't given is what it was
    assert {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize("calls", [1, 2, 4, 5, 9])
def test_after_an_error_the_finished_shards_are_kept_and_the_rest_is_made(calls, dataset, tmp_path):
    with pytest.raises(OSError, match=r"copies are made, and kept. Free .* bytes, and make the same call again"):
        make(
            dataset, tmp_path, CallsUpTo(calls + 1, disk_full), shard_size=8, batch_size=4
        )  # the first one shows the shapes
    assert not list(tmp_path.glob("*.part"))
    kept = contents(tmp_path)
    shards = json.loads(kept["index.json"])["shards"] if "index.json" in kept else []
    assert len([file for file in kept if file.startswith("images")]) == len(shards) <= calls // 2
    if shards:
        with pytest.raises(ValueError, match=f"has {8 * len(shards)} of 33 copies; make the rest"):
            Pregenerated(tmp_path)
    whole = make(dataset, tmp_path, CallsUpTo(1000, disk_full), shard_size=8)
    assert_same(whole, expected(dataset, CallsUpTo(1000, disk_full)))
    whole.verify()
    assert all(contents(tmp_path)[file] == data for file, data in kept.items() if file != "index.json")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
@pytest.mark.parametrize("calls", [0, 8])
def test_after_a_kill_it_goes_on_where_it_was(calls, tmp_path):
    program = textwrap.dedent(
        f"""
        import os, sys, numpy as np
        from minitorch_cnn.augment import Transform
        from minitorch_cnn.augment.pregenerate import pregenerate

        class Recipe(Transform):
            calls = 0
            def draw(self, draws):
                return {{"grey": draws.integers(0, 255)}}
            def change(self, batch, params):
                batch.images = batch.images + params["grey"].astype(np.uint8)[:, None, None, None]
                Recipe.calls += 1
                if Recipe.calls == 2 + int(sys.argv[2]):
                    os.kill(os.getpid(), {int(getattr(signal, "SIGKILL", 9))})

        data = [(np.full((1, 2, 3), i, np.uint8), i) for i in range(10)]
        pregenerate(data, Recipe(), 4, sys.argv[1], batch_size=3, shard_size=7, progress=False)  # the seed is drawn
        """
    )

    def run(out, calls):
        return subprocess.run([sys.executable, "-c", program, str(out), str(calls)], capture_output=True, text=True)

    killed = run(tmp_path, calls)
    assert killed.returncode == -signal.SIGKILL
    assert list(tmp_path.glob("*.part"))  # what it was writing has no name
    (tmp_path / "mine.part").write_text("not a part of these copies")
    resumed = run(tmp_path, 10**6)
    assert resumed.returncode == 0, resumed.stderr
    assert [file.name for file in tmp_path.glob("*.part")] == ["mine.part"]
    copies = Pregenerated(tmp_path)
    copies.verify()
    images, labels = copies.batch(np.arange(40))
    assert labels.tolist() == list(range(10)) * 4
    if calls:  # all of one seed, that of the first run
        from minitorch_cnn.augment.draws import Draws

        class Shown(Transform):
            def draw(self, draws):
                return {"grey": draws.integers(0, 255)}

        grey = [Shown().parameters(Draws(np.arange(10), c, copies.seed))["grey"] for c in range(4)]
        wanted = (np.concatenate(grey) + labels) % 256
        assert np.array_equal(images, np.broadcast_to(wanted[:, None, None, None], images.shape))


def test_without_a_seed_it_takes_manual_seeds_and_then_the_folders(dataset, tmp_path):
    mt.manual_seed(5)
    assert make(dataset, tmp_path, seed=None).seed == 5
    mt.manual_seed(6)
    assert_same(make(dataset, tmp_path, seed=None), expected(dataset, seed=5))


@pytest.mark.parametrize(
    "change, text",
    [
        ({"copies": 4}, "copies=3, now it is 4"),
        ({"seed": 8}, "seed=7, now it is 8"),
        ({"transform": HorizontalFlip()}, r"transform=Compose\((.|\n)*now it is HorizontalFlip\(p=0.5\)"),
        ({"shard_size": 5}, "shard_size=4, now it is 5"),
        ({"dataset": [(np.zeros((C, H, W), np.uint8), 0)] * 12}, "samples=11, now it is 12"),
    ],
)
def test_other_settings_than_the_folders_are_refused(change, text, dataset, tmp_path):
    make(dataset, tmp_path, shard_size=4)
    before = contents(tmp_path)
    options = {"dataset": dataset, "shard_size": 4, **change}
    with pytest.raises(ValueError, match=text):
        make(options.pop("dataset"), tmp_path, **options)
    assert contents(tmp_path) == before


# damage ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["images-00002.npy", "labels-00000.npy"])
def test_a_shard_that_is_missing_or_cut_short_is_named_and_made_anew(file, dataset, tmp_path):
    make(dataset, tmp_path, shard_size=4)
    before = contents(tmp_path)
    (tmp_path / file).write_bytes(before[file][:-1])
    size = len(before[file])
    with pytest.raises(ValueError, match=f"{file} has {size - 1} bytes, not {size}: it was cut short"):
        Pregenerated(tmp_path)
    assert_same(make(dataset, tmp_path), expected(dataset))
    (tmp_path / file).unlink()
    with pytest.raises(FileNotFoundError, match=f"{file} is missing; the call of `pregenerate`"):
        Pregenerated(tmp_path)
    make(dataset, tmp_path)
    assert contents(tmp_path) == before


def test_verify_finds_a_changed_pixel(dataset, tmp_path):
    make(dataset, tmp_path, shard_size=4).verify()
    file = tmp_path / "images-00001.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"images-00001.npy has SHA-256 \w{16}…, not \w{16}…: it was altered"):
        Pregenerated(tmp_path).verify()


def test_a_file_of_the_same_size_that_is_another_array(dataset, tmp_path):
    make(dataset, tmp_path, shard_size=4)
    array = np.load(tmp_path / "images-00000.npy")
    np.save(tmp_path / "images-00000.npy", array.transpose(0, 1, 3, 2).copy())
    with pytest.raises(ValueError, match=r"images-00000.npy holds uint8 \(4, 3, 5, 6\), not .*\(4, 3, 6, 5\)"):
        Pregenerated(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"format": 2}', b"\xff\xfe"])
def test_an_index_that_is_none(content, tmp_path):
    (tmp_path / "index.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"index\.json: not the index of copies"):
        Pregenerated(tmp_path)


def test_a_folder_without_index(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no index.json; `pregenerate` makes such a folder"):
        Pregenerated(tmp_path / "nowhere")


# room -----------------------------------------------------------------------------------------------------------------

Usage = namedtuple("Usage", "total used free")


def test_too_little_room_is_said_before_anything_is_written(dataset, tmp_path, monkeypatch):
    needed = 3 * N * (C * H * W + 8)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: Usage(0, 0, needed - 1))
    with pytest.raises(
        OSError, match=f"33 copies of .u1 .* need {needed:,} bytes, but the disk has {needed - 1:,} free"
    ) as e:
        make(dataset, tmp_path / "a" / "b")
    assert e.value.errno == errno.ENOSPC and not (tmp_path / "a").exists()
    monkeypatch.setattr("shutil.disk_usage", lambda folder: Usage(0, 0, needed))
    make(dataset, tmp_path / "a" / "b")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: Usage(0, 0, 0))
    make(dataset, tmp_path / "a" / "b")  # nothing is left to make


def test_other_errors_of_the_system_are_not_called_a_full_disk(dataset, tmp_path):
    def denied():
        raise PermissionError(errno.EACCES, "not for you")

    with pytest.raises(PermissionError, match="not for you"):
        make(dataset, tmp_path, CallsUpTo(2, denied), shard_size=4, batch_size=4)
    assert not list(tmp_path.glob("*.part"))


# options --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, error, text",
    [
        ({"copies": 0}, ValueError, "copies must be an integer from 1 on, got 0"),
        ({"copies": 1.5}, TypeError, "copies must be an integer, got 1.5"),
        ({"batch_size": 0}, ValueError, "batch_size must be"),
        ({"shard_size": 0}, ValueError, "shard_size must be"),
        ({"seed": -1}, ValueError, "seed must be an integer from 0 on"),
        ({"transform": lambda images: images}, TypeError, "transform must be an augmentation such as"),
    ],
)
def test_options_that_can_not_be(options, error, text, dataset, tmp_path):
    with pytest.raises(error, match=f"pregenerate: {text}"):
        make(dataset, tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_data_sets_that_can_not_be(tmp_path):
    with pytest.raises(ValueError, match="the data set is empty"):
        make([], tmp_path)
    with pytest.raises(TypeError, match="dataset needs len"):
        make(iter([]), tmp_path)
    with pytest.raises(ValueError, match="pairs of image and label, got 1 things"):
        make(TensorDataset(np.zeros((4, C, H, W), np.uint8)), tmp_path)
    with pytest.raises(TypeError, match="must be uint8"):
        make(TensorDataset(np.zeros((4, C, H, W), np.int16), np.zeros(4, int)), tmp_path)
    assert not list(tmp_path.iterdir())


def test_images_that_come_in_another_size_than_the_first(tmp_path):
    data = [(np.zeros((1, 4, 4 + (i > 2)), np.uint8), i) for i in range(5)]
    with pytest.raises(ValueError, match=r"images uint8 \(1, 4, 5\) came after uint8 \(1, 4, 4\); give a transform"):
        make(data, tmp_path, Affine(0), batch_size=1)


def test_the_bar_counts_copies(dataset, tmp_path, capsys):
    make(dataset, tmp_path, progress=True)
    shown = capsys.readouterr().err
    assert not shown or "33/33" in shown  # a bar is for a terminal
    make(dataset, tmp_path / "quiet")
    assert capsys.readouterr() == ("", "")


def test_copies_of_another_data_set_of_the_same_length_are_no_ones_to_go_on_with(tmp_path):
    ones, nines = ([(np.full((1, 4, 5), value, np.uint8), value) for _ in range(3)] for value in (1, 9))
    pregenerate(ones, HorizontalFlip(), 2, tmp_path, seed=0, progress=False)
    with pytest.raises(ValueError, match=r"holds copies made with checksum=\d+, now it is \d+"):
        pregenerate(nines, HorizontalFlip(), 2, tmp_path, seed=0, progress=False)
