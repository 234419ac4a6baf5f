"""Copies made in advance: the same as in training, whole after any interruption, and refused where they can't be right."""

import errno
import json
import pickle
import signal
import subprocess
import sys
import textwrap
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

import minitorch_cnn as mt
from minitorch_cnn.augment import Affine, Compose, HorizontalFlip, Pregenerated, RandomCrop, Transform, pregenerate
from minitorch_cnn.augment.mix import CutMix, Mixup
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


class Counts(Transform):
    """How many images came at a time."""

    def __init__(self):
        super().__init__()
        self._batches = []

    def change(self, batch, params):
        self._batches.append(batch.N)


@pytest.mark.parametrize("shard_size", [1, 5, 33])
def test_batches_are_those_of_the_epoch_whatever_the_shards_and_each_is_made_once(shard_size, dataset, tmp_path):
    counts = Counts()
    make(dataset, tmp_path, counts, batch_size=4, shard_size=shard_size)
    assert counts._batches == [4, 4, 3] * 3


@pytest.mark.parametrize("kind", [Mixup, CutMix])
@pytest.mark.parametrize("shard_size", [1, 5, 33])
def test_mixing_within_the_batch_mixes_the_same_samples_whatever_the_shards(kind, shard_size, dataset, tmp_path):
    recipe = Compose([HorizontalFlip(), kind(num_classes=10)])
    copies = make(dataset, tmp_path, recipe, batch_size=4, shard_size=shard_size)
    batches = []
    for epoch in range(3):
        for ids in np.split(np.arange(N), [4, 8]):
            batches.append(recipe(*dataset.batch(ids), ids=ids, epoch=epoch, seed=7))
    assert_same(copies, map(np.concatenate, zip(*batches)))


def test_images_bigger_than_a_shards_bytes_make_a_shard_each(dataset, tmp_path, monkeypatch):
    module = sys.modules["minitorch_cnn.augment.pregenerate"]
    monkeypatch.setattr(module, "SHARD_BYTES", 1)
    assert len(make(dataset, tmp_path).images) == 33
    monkeypatch.setattr(module, "SHARD_BYTES", 2 * C * H * W)
    assert len(make(dataset, tmp_path / "two").images) == 17


# how it is read -------------------------------------------------------------------------------------------------------


def test_it_pickles_as_its_folder_and_is_mapped_anew(dataset, tmp_path):
    pickled = pickle.dumps(make(dataset, tmp_path, shard_size=4))
    assert len(pickled) < 400
    copies = pickle.loads(pickled)
    assert_same(copies, expected(dataset))
    assert all(isinstance(array, np.memmap) for array in (*copies.images, *copies.labels))


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


@pytest.mark.parametrize("calls, finished", [(1, 0), (2, 1), (4, 1), (5, 2), (8, 3)])  # of 4, 4, 3, 4, 4, 3, … copies
def test_after_an_error_the_finished_shards_are_kept_and_the_rest_is_made(calls, finished, dataset, tmp_path):
    with pytest.raises(OSError, match=r"copies are made, and kept. Free .* bytes, and make the same call again"):
        make(dataset, tmp_path, CallsUpTo(calls, disk_full), shard_size=8, batch_size=4)
    assert not list(tmp_path.glob("*.part"))
    kept = contents(tmp_path)
    shards = json.loads(kept["index.json"])["shards"]
    assert len([file for file in kept if file.startswith("images")]) == len(shards) == finished
    with pytest.raises(
        ValueError, match=f"has {8 * finished} of 33 copies; make the rest with the call of `pregenerate`"
    ):
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
    mine = ["images-00000.npy.part", "images-extra.part", "index.json.old.part", "mine.part"]
    for file in mine:
        (tmp_path / file).write_text("not a part of these copies")
    resumed = run(tmp_path, 10**6)
    assert resumed.returncode == 0, resumed.stderr
    assert sorted(file.name for file in tmp_path.glob("*.part")) == mine
    copies = Pregenerated(tmp_path)
    copies.verify()
    images, labels = copies.batch(np.arange(40))
    assert labels.tolist() == list(range(10)) * 4
    # all of one seed, with a shard made before that of the first run
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
        (
            {"dataset": [(np.zeros((C, H, W), np.uint8), 0)] * 11},
            "copies of another data set of this length: the content",
        ),
    ],
)
def test_other_settings_than_the_folders_are_refused(change, text, dataset, tmp_path):
    make(dataset, tmp_path, shard_size=4)
    before = contents(tmp_path)
    options = {"dataset": dataset, "shard_size": 4, **change}
    with pytest.raises(ValueError, match=text):
        make(options.pop("dataset"), tmp_path, **options)
    assert contents(tmp_path) == before


def test_the_batch_size_may_be_another_one_unless_the_transform_looks_at_the_batch(dataset, tmp_path):
    def half(out, recipe, batch_size):
        make(dataset, out, recipe, batch_size=batch_size, shard_size=4)
        (out / "images-00003.npy").unlink()

    partners = TensorDataset(np.zeros((9, C, H, W), np.uint8), np.arange(9))
    by_id = Compose([HorizontalFlip(), Mixup(num_classes=10, dataset=partners)])
    half(tmp_path / "id", by_id, 4)
    assert_same(make(dataset, tmp_path / "id", by_id, batch_size=5), expected(dataset, by_id))
    by_batch = Compose([HorizontalFlip(), Compose([Mixup(num_classes=10)])])
    half(tmp_path / "batch", by_batch, 4)
    with pytest.raises(ValueError, match="made with batch_size=4, now it is 5; give what it was"):
        make(dataset, tmp_path / "batch", by_batch, batch_size=5)
    make(dataset, tmp_path / "batch", by_batch, batch_size=4).verify()


def test_another_data_set_to_mix_in_is_another_transform(dataset, tmp_path):
    zeros, ones = (TensorDataset(np.full((9, C, H, W), i, np.uint8), np.arange(9)) for i in range(2))
    recipes = [Compose([HorizontalFlip(), Mixup(num_classes=10, dataset=partners)]) for partners in (zeros, ones)]
    assert repr(recipes[0]) == repr(recipes[1])
    make(dataset, tmp_path, recipes[0])
    with pytest.raises(
        ValueError, match="content of its samples differs, or of those that are mixed in; give what it was"
    ):
        make(dataset, tmp_path, recipes[1])


def test_a_folder_where_nothing_was_made_yet_takes_other_settings(dataset, tmp_path):
    with pytest.raises(OSError, match="0 of 33 copies are made"):
        make(dataset, tmp_path, CallsUpTo(1, disk_full), batch_size=4)
    assert_same(make(dataset, tmp_path, seed=8), expected(dataset, seed=8))


# not alone ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["images-00000.npy", "labels-00000.npy", "images-00017.npy"])
def test_files_of_the_shards_names_that_are_someones_own_are_not_replaced(file, dataset, tmp_path):
    (tmp_path / file).write_bytes(b"mine")
    (tmp_path / "images-extra.part").write_bytes(b"mine too")
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=rf"{file} has the name of a shard, but no index.json there .*another folder"):
        make(dataset, tmp_path)
    assert contents(tmp_path) == before
    (tmp_path / file).unlink()
    make(dataset, tmp_path)  # any other files may be there
    assert (tmp_path / "images-extra.part").read_bytes() == b"mine too"


@pytest.mark.skipif("fcntl" not in sys.modules, reason="no locks here")
@pytest.mark.parametrize("calls", [1, 5])
def test_a_second_call_at_the_same_time_is_refused_and_the_first_goes_on(calls, dataset, tmp_path):
    refused = []

    def second():
        if not refused:
            with pytest.raises(RuntimeError, match=f"another process is writing into {tmp_path}; wait for its end"):
                make(dataset, tmp_path, CallsUpTo(100, disk_full), shard_size=4)
            refused.append(True)

    copies = make(dataset, tmp_path, CallsUpTo(calls, second), shard_size=4, batch_size=4)
    assert refused
    assert_same(copies, dataset_thrice(dataset))
    assert all(file.name.endswith((".npy", "index.json")) for file in tmp_path.iterdir())  # no lock is left


def dataset_thrice(dataset):
    return [np.concatenate([array] * 3) for array in dataset.batch(np.arange(N))]


def test_what_another_call_wrote_since_the_folder_was_looked_at_is_kept(dataset, tmp_path):
    once = []

    def whole_other_call():
        if not once:
            once.append(True)
            make(dataset, tmp_path, CallsUpTo(100, disk_full), seed=8)

    # at the first batch, before the first call holds the folder
    with pytest.raises(RuntimeError, match="another process is writing"):
        make(dataset, tmp_path, CallsUpTo(0, whole_other_call))
    assert Pregenerated(tmp_path).seed == 8


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


@pytest.mark.parametrize(
    "damage",
    [
        lambda index: index["shards"][1].pop("count"),
        lambda index: index["shards"][1].pop("bytes"),
        lambda index: index["shards"][1]["bytes"].pop("labels"),
        lambda index: index["shards"][1]["sha256"].update(images=None),
        lambda index: index["shards"][1].update(count=3),
        lambda index: index["shards"].append(index["shards"][0]),
        lambda index: index["shards"].insert(0, 5),
        lambda index: index.update(shards=None),
        lambda index: index.update(shard_size=0),
        lambda index: index["images"].pop("shape"),
        lambda index: index["labels"].update(dtype="int65"),
    ],
)
def test_an_index_with_damaged_lines(damage, dataset, tmp_path):
    make(dataset, tmp_path, shard_size=4)
    index = json.loads((tmp_path / "index.json").read_bytes())
    damage(index)
    (tmp_path / "index.json").write_text(json.dumps(index))
    for look in (lambda: Pregenerated(tmp_path), lambda: make(dataset, tmp_path)):
        with pytest.raises(
            ValueError, match=r"index\.json: damaged; delete this folder's files, and make the copies anew"
        ):
            look()


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


@pytest.mark.parametrize(
    "label, text",
    [
        (None, "got None of dtype object"),
        ({"class": 1}, "got {'class': 1} of dtype object"),
        ("cat", "got .*'cat'.* of dtype <U3"),
    ],
)
def test_labels_that_are_not_numbers_are_refused_before_anything_is_written(label, text, tmp_path):
    data = [(np.zeros((1, 4, 5), np.uint8), label)] * 5
    with pytest.raises(TypeError, match=rf"pregenerate: labels must be numbers \(class numbers, .* {text}"):
        make(data, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "labels, text",
    [
        ([0, 0, 0.5, 0.5], r"labels float64 \(\) came after int64 \(\)"),
        ([[0], [0], [0, 1], [0, 1]], r"labels int\d+ \(2,\) came after int\d+ \(1,\)"),
        ([0, 0, "cat", "elephant"], r"labels <U8 \(\) came after int64 \(\)"),
    ],
)
def test_labels_unlike_those_before_are_said_to_be_labels(labels, text, tmp_path):
    data = [(np.zeros((1, 4, 5), np.uint8), np.asarray(y, np.int64 if type(y) is int else None)) for y in labels]
    with pytest.raises(ValueError, match=f"pregenerate: {text}; labels must all be of one dtype and shape"):
        make(data, tmp_path, HorizontalFlip(), batch_size=2)
    assert not list(tmp_path.glob("*.np*"))  # not even the images


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
    with pytest.raises(
        ValueError, match="holds copies of another data set of this length: the content of its samples differs"
    ):
        pregenerate(nines, HorizontalFlip(), 2, tmp_path, seed=0, progress=False)
