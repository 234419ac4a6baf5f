"""The CIFAR-10 examples on a few made-up images: each runs to its end, keeps its results, and goes on from them."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from minitorch_cnn import data, train

EXAMPLES = Path(__file__).parents[2] / "examples"


class SmallCifar10:
    """Like data.CIFAR10, with 6,000 training and 96 test images of noise around a brightness for each class."""

    classes = data.CIFAR10.classes

    def __init__(self, root=None, train=True):
        rng = np.random.default_rng(train)
        self.targets = np.arange(6000 if train else 96) % 10
        noise = rng.integers(-20, 20, (len(self.targets), 3, 32, 32))
        self.data = (noise + 40 + 18 * self.targets[:, None, None, None]).astype(np.uint8)

    def __len__(self):
        return len(self.data)


@pytest.fixture(autouse=True)
def small_data(monkeypatch):
    monkeypatch.setattr(data, "CIFAR10", SmallCifar10)
    monkeypatch.syspath_prepend(str(EXAMPLES))


@pytest.fixture
def run(monkeypatch, capsys):
    """Run an example with these options; returns what it printed."""

    def run(name, *options):
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, options)])
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out

    return run


QUICK = {
    "degradation": ["--images", 64, "--epochs", 1, "--width", 2, "--batch-size", 32],
    "inception_cost": ["--images", 64, "--epochs", 1, "--narrower", 8, "--batch-size", 32],
    "batch_size": ["--images", 96, "--epochs", 1, "--batch-sizes", 16, 48, "--rates", 0.001, 0.002],
    "vgg_warm_start": ["--images", 96, "--steps", 4, "--every", 2, "--narrower", 16, "--hidden", 8, "--batch-size", 16],
}
# what a line of the table begins with
ROWS = {
    "degradation": ["plain20", "plain56", "resnet20", "resnet56"],
    "inception_cost": ["reduced", "naive"],
    "batch_size": ["   16", "   48"],
    "vgg_warm_start": ["A from scratch", "B from scratch", "B from A's layers", "B from scratch, He"],
}


@pytest.mark.parametrize("name", QUICK)
def test_an_experiment_ends_with_its_table_and_keeps_its_results(name, run, tmp_path, monkeypatch):
    options = [*QUICK[name], "--seeds", 3, 4, "--out", tmp_path]
    printed = run(name, *options)
    lines = printed.splitlines()
    for row in ROWS[name]:
        assert any(line.startswith(row) for line in lines), row
    results = json.loads((tmp_path / "results.json").read_text())
    assert all(run["seconds"] >= 0 for run in results["runs"].values())
    for seed in (3, 4):
        assert len([key for key in results["runs"] if key.endswith(f"seed {seed}")]) == 4 - 2 * (
            name == "inception_cost"
        )

    import cifar

    def not_again(*args, **kwargs):
        raise AssertionError("a run that is finished is run again")

    monkeypatch.setattr(cifar, "train_one_epoch", not_again)
    monkeypatch.setattr(cifar, "PadCropFlip", not_again)
    again = run(name, *options).splitlines()
    assert [line for line in again if not line.startswith("the ")] == [
        line for line in lines if not line.startswith("the ")
    ]


def test_augmentation_cost_trains_each_net_in_each_way_and_counts_the_bytes(run, tmp_path):
    options = ["--images", 96, "--epochs", 2, "--copies", 2, "--batch-size", 32, "--seeds", 3, "--out", tmp_path]
    printed = run("augmentation_cost", *options)
    runs = {key: run["result"] for key, run in json.loads((tmp_path / "results.json").read_text())["runs"].items()}
    assert len(runs) == 6 and all(0 <= run["test_error"] <= 1 and run["epoch_seconds"] > 0 for run in runs.values())
    for task, bytes_each in (("LeNet-5, MNIST", 28 * 28), ("small net, CIFAR-10", 3 * 32 * 32)):
        none, on_batch, advance = (runs[f"{task}, {way}, seed 3"] for way in ("none", "on batch", "in advance"))
        assert none["bytes"] == on_batch["bytes"] == 96 * bytes_each and none["advance_seconds"] == 0
        assert 0 < advance["bytes"] - 2 * 96 * (bytes_each + 8) < 4000  # labels are int64; the index and headers
        assert advance["advance_seconds"] > 0
    again = run("augmentation_cost", *options)
    assert printed.splitlines()[2:] == again.splitlines()[2:] and len(printed.splitlines()) == 9


def test_results_of_other_settings_are_not_mixed(run, tmp_path):
    run("degradation", *QUICK["degradation"], "--seeds", 0, "--out", tmp_path)
    with pytest.raises(SystemExit, match="has runs with another width: give another folder with --out"):
        run("degradation", *QUICK["degradation"], "--width", 4, "--seeds", 0, "--out", tmp_path)


def test_a_stopped_resnet_run_goes_on_to_the_same_weights(run, tmp_path, monkeypatch):
    options = ["--limit", 96, "--batch-size", 32, "--epochs", 2, "--seed", 5]
    whole = run("cifar10_resnet", *options, "--out", tmp_path / "whole")
    assert "test error: " in whole.splitlines()[-1]

    class StopAtTheSecondBatch:
        looks = 0

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            pass

        @property
        def requested(self):
            self.looks += 1
            return self.looks >= 2

    with monkeypatch.context() as patch:
        patch.setattr(train, "stop_on_ctrl_c", StopAtTheSecondBatch)
        stopped = run("cifar10_resnet", *options, "--out", tmp_path / "part")
    assert f"--resume {tmp_path / 'part' / 'checkpoint.npz'}" in stopped
    assert "test error" not in stopped
    assert (
        run("cifar10_resnet", "--resume", tmp_path / "part" / "checkpoint.npz").splitlines()[-1]
        == whole.splitlines()[-1]
    )
    with np.load(tmp_path / "whole" / "weights.npz") as a, np.load(tmp_path / "part" / "weights.npz") as b:
        assert a.files == b.files and all(np.array_equal(a[key], b[key]) for key in a.files)


def test_the_paper_preset_holds_5000_images_out_and_drops_the_rate_twice(run, tmp_path):
    run("cifar10_resnet", "--preset", "paper", "--limit", 64, "--batch-size", 16, "--epochs", 4, "--out", tmp_path)
    header, *lines = (tmp_path / "history.csv").read_text().splitlines()
    assert header == "epoch,train_loss,train_error,test_error,validation_error,lr"
    rates = [float(line.split(",")[-1]) for line in lines]  # after each epoch
    assert np.allclose(rates, [0.1, 0.01, 0.001, 0.001])


def test_the_augmentation_is_a_crop_of_the_padded_image_perhaps_mirrored():
    from cifar import PadCropFlip

    rng = np.random.default_rng(0)
    images, numbers = rng.random((50, 3, 16, 16)).astype(np.float32), rng.permutation(200)[:50]
    augment = PadCropFlip(200, seed=1, size=16)
    got = augment(images, numbers, epoch=3)
    places = set()
    for image, crop in zip(images, got):
        padded = np.pad(image, ((0, 0), (2, 2), (2, 2)))
        found = [
            (y, x, mirrored)
            for y in range(5)
            for x in range(5)
            for mirrored in (False, True)
            if np.array_equal(padded[:, y : y + 16, x : x + 16][:, :, :: -1 if mirrored else 1], crop)
        ]
        assert len(found) == 1
        places.add(found[0])
    assert len(places) > 25 and {place[2] for place in places} == {False, True}
    assert {place[0] for place in places} == {place[1] for place in places} == set(range(5))
    # one image alone, another object, the same epoch: the same; another epoch or seed: not
    alone = PadCropFlip(200, seed=1, size=16)(images[7:8], numbers[7:8], epoch=3)
    assert np.array_equal(alone[0], got[7])
    assert not np.array_equal(augment(images, numbers, epoch=4), got)
    assert not np.array_equal(PadCropFlip(200, seed=2, size=16)(images, numbers, epoch=3), got)


def test_the_prepared_images_have_mean_zero_at_each_pixel_and_parts_share_no_image():
    from cifar import Cifar10

    cifar = Cifar10(held_out=1000)
    assert [len(part[1]) for part in (cifar.train, cifar.validation, cifar.test)] == [5000, 1000, 96]
    assert np.abs(cifar.train[0].mean(0, dtype=np.float64)).max() < 1e-6
    assert abs(cifar.train[0].std(dtype=np.float64) - 1) < 0.05
    first = {image.tobytes() for image in cifar.train[0]}
    assert not any(image.tobytes() in first for image in cifar.validation[0])
    before = cifar.test[0]
    cifar.halve()
    assert np.allclose(cifar.test[0][:, :, 3, 5], before[:, :, 6:8, 10:12].mean((2, 3)), atol=1e-6)
