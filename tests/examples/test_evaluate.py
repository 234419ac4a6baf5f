"""examples/evaluate.py: the documented accuracy of real weights, each way of looking against a computation by hand, bad input."""

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import minitorch_cnn as mt
from minitorch_cnn import data, models, train
from minitorch_cnn.models import catalogue

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"
HERE = {**os.environ, "PYTHONPATH": str(ROOT)}  # this checkout's package, installed or not
SHARED = Path(__file__).parents[2] / "../shared/data"
SQUEEZENET = SHARED / "weights/squeezenet1_1.pth"

needs_shared = pytest.mark.skipif(not SQUEEZENET.exists(), reason="the shared weights and photographs aren't here")


def run(*options):
    command = [sys.executable, str(EXAMPLES / "evaluate.py"), *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, env=HERE, timeout=100)
    return done.returncode, done.stdout, done.stderr


# the real network ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """imagenet/val, whose folders are named by number, synset, name, and name with underscores."""
    root = tmp_path_factory.mktemp("imagenet")
    known = [entry for entry in json.loads((SHARED / "photos/index.json").read_text()) if entry["imagenet_class"]]
    for entry in known:
        i = entry["imagenet_class"]["index"]
        name = data.imagenet_classes()[i]
        folder = root / "val" / [str(i), data.imagenet_synsets()[i], name, name.replace(" ", "_")][i % 4]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(SHARED / "photos" / entry["file"], folder)
    assert len(known) == 24
    return root


@needs_shared
def test_real_weights_are_as_accurate_as_documented(photos):
    code, output, errors = run("squeezenet1_1", "--weights", SQUEEZENET, "--data", photos)
    assert code == 0, errors
    assert "1,235,496 parameters" in output
    last = output.splitlines()[-1]  # 18 of 24 right, 23 among the first five
    assert re.fullmatch(r"top-1 error 25\.00%, top-5 error 4\.17% of 24 images, \d+\.\d images per second", last), (
        output
    )


@needs_shared
def test_what_an_image_shows_is_told_with_the_documented_probabilities():
    code, output, errors = run("squeezenet1_1", "--weights", SQUEEZENET, "--images", SHARED / "photos/beagle.jpg")
    assert code == 0, errors
    reference = json.loads((SHARED / "weights/reference.json").read_text())["photos"][0]
    lines = [f"    {p:7.2%}  {name}" for p, name in zip(reference["top5_probability"], reference["top5_name"])]
    assert output.splitlines()[-5:] == lines


@needs_shared
def test_a_corrupt_image_is_named_and_can_be_left_out(photos, tmp_path):
    shutil.copytree(next((photos / "val").iterdir()), tmp_path / "162")
    shutil.copy(SHARED / "photos/awkward/truncated.jpg", tmp_path / "162")
    whole = len(list((tmp_path / "162").iterdir())) - 1
    options = ("squeezenet1_1", "--weights", SQUEEZENET, "--data", tmp_path)
    code, output, errors = run(*options)
    assert code == 1 and "Traceback" not in errors
    assert re.search(r"^evaluate: .*162/truncated\.jpg: damaged .*--skip-corrupt goes on without it$", errors, re.M)
    code, output, errors = run(*options, "--skip-corrupt")
    assert code == 0, errors
    assert re.search(r"can't be read: 1\n    .*162/truncated\.jpg\ntop-1 error", output), output
    assert f"of {whole:,} images," in output.splitlines()[-1]


# a small network, in this process -----------------------------------------------------------------------------------------------


def vgg_small(*, weights=None, num_classes=1000):
    model = models.VGG([6, "M", 8, "M"], num_classes=num_classes, hidden=12, pooled=4, std=0.4)
    if weights is not None:
        model.load_weights(weights)
    return model


@pytest.fixture
def program(monkeypatch):
    """The example as a module, which knows a small VGG for 24x24 images too."""
    monkeypatch.syspath_prepend(EXAMPLES)
    spec = importlib.util.spec_from_file_location("evaluate", EXAMPLES / "evaluate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    entry = catalogue.Entry(vgg_small, "", (3, 24, 24), 0, 0, None, None, "")
    monkeypatch.setitem(catalogue.CATALOGUE, "vgg_small", entry)
    return module


@pytest.fixture
def call(program, monkeypatch, capsys):
    """A function that runs the program with these options and gives its output, line by line."""

    def call(*options):
        monkeypatch.setattr(sys, "argv", ["evaluate.py", *map(str, options)])
        program.main()
        return capsys.readouterr().out.splitlines()

    return call


@pytest.fixture
def small(tmp_path, rng):
    """(model, its weight file, folder, images, labels): 12 images of unlike sizes in 7 class folders."""
    model = vgg_small(num_classes=7).eval()
    model.save_weights(tmp_path / "small.npz")
    images = [rng.integers(0, 256, (30 + 3 * i, 52 - 2 * i, 3), np.uint8) for i in range(12)]
    labels = sorted(i % 7 for i in range(12))
    for i, (image, label) in enumerate(zip(images, labels)):
        folder = tmp_path / "classes" / "abcdefg"[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{i:02}.png")
    return model, tmp_path / "small.npz", tmp_path / "classes", images, labels


def scaled(image, size):
    """(H, W, 3) uint8 whose shorter side is `size`."""
    H, W = image.shape[:2]
    wide = (size * W // H, size) if W >= H else (size, size * H // W)
    return np.asarray(Image.fromarray(image).resize(wide, Image.Resampling.BILINEAR))


def probabilities(logits):
    e = np.exp(logits.numpy().astype(np.float64))
    return e / e.sum(1, keepdims=True)


def normalised(image):
    x = (image / 255 - np.array(data.IMAGENET_MEAN)) / np.array(data.IMAGENET_STD)
    return x.transpose(2, 0, 1).astype(np.float32)  # (3, H, W)


def middle(model, image):
    x = scaled(image, 28)
    top, left = round((x.shape[0] - 24) / 2), round((x.shape[1] - 24) / 2)
    return probabilities(model(mt.Tensor(normalised(x[top : top + 24, left : left + 24])[None])))[0]


def ten(model, image):
    x = scaled(image, 28)
    H, W = x.shape[:2]
    places = [(0, 0), (0, W - 24), (H - 24, 0), (H - 24, W - 24), (round((H - 24) / 2), round((W - 24) / 2))]
    found = []
    for way in (x, x[:, ::-1]):
        for top, left in places:
            crop = normalised(way[top : top + 24, left : left + 24])
            found.append(probabilities(model(mt.Tensor(crop[None])))[0])
    return np.mean(found, 0)


def whole(model, image, sizes):
    """VGG at every place: each 4x4 window of the last map goes through the fully connected layers; logits are averaged."""
    found = []
    for size in sizes:
        for way in (scaled(image, size), scaled(image, size)[:, ::-1]):
            x = model.features(mt.Tensor(normalised(way)[None]))  # (1, 8, H/4, W/4)
            H, W = x.shape[2:]
            logits = [
                model.classifier(x[:, :, i : i + 4, j : j + 4].flatten(1)) for i in range(H - 3) for j in range(W - 3)
            ]
            found.append(probabilities(mt.stack(logits).mean(0))[0])
    return np.mean(found, 0)


WAYS = {
    "1 crop": (["--resize", 28], middle),
    "10 crops": (["--resize", 28, "--crops", 10], ten),
    "dense": (["--dense", 26], lambda model, image: whole(model, image, [26])),
    "multi-scale": (["--dense", 18, 26, 41], lambda model, image: whole(model, image, [18, 26, 41])),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_of_looking_agrees_with_a_computation_by_hand(way, call, small, monkeypatch):
    model, weights, folder, images, labels = small
    options, by_hand = WAYS[way]
    expected = np.array([by_hand(model, image) for image in images])  # (12, 7)
    assert np.ptp(expected, axis=0).max() > 0.1  # the images do differ to the network
    seen = []

    class Recorded(train.TopKError):
        def add(self, scores, targets):
            seen.append((scores, targets))
            super().add(scores, targets)

    monkeypatch.setattr(train, "TopKError", Recorded)
    output = call("vgg_small", "--weights", weights, "--data", folder, "--classes", 7, "--batch-size", 30, *options)
    np.testing.assert_allclose(np.concatenate([p for p, _ in seen]), expected, atol=2e-5)  # the networks run in float32
    assert np.concatenate([t for _, t in seen]).tolist() == labels
    better = (expected > expected[np.arange(12), labels][:, None]).sum(1)
    top1, top5 = np.mean(better >= 1), np.mean(better >= 5)
    assert output[-1].startswith(f"top-1 error {top1:.2%}, top-5 error {top5:.2%} of 12 images, ")


@pytest.mark.parametrize("way", WAYS)
def test_shards_give_what_folders_give(way, call, small, tmp_path):
    _, weights, folder, images, labels = small
    data.write_shards([(x.transpose(2, 0, 1), y) for x, y in zip(images, labels)], str(tmp_path / "s-%03d.tar"), 5)
    options = ["vgg_small", "--weights", weights, "--classes", 7, *WAYS[way][0]]
    from_folders = call(*options, "--data", folder)[-1].rpartition(",")[0]
    assert "of 12 images" in from_folders
    assert call(*options, "--data", tmp_path / "s-{000..002}.tar")[-1].rpartition(",")[0] == from_folders
    limited = call(*options, "--data", tmp_path / "s-*.tar", "--limit", 7, "--batch-size", 4)[-1]
    assert "of 7 images" in limited


def test_a_limit_takes_images_of_all_classes(call, program, small):
    _, weights, folder, _, labels = small
    args = SimpleNamespace(dense=None, batch_size=3, crops=1, kind="photos", data=str(folder), own_classes=True)
    vars(args).update(classes=7, skip_corrupt=False, limit=6, workers=0)
    loader, count, _ = program.find_images(args, data.ImageNetEval(28, 24))
    assert count == 6 and np.concatenate([y for _, y in loader]).tolist() == labels[::2]
    output = call("vgg_small", "--weights", weights, "--data", folder, "--classes", 7, "--resize", 28, "--limit", 6)
    assert "of 6 images" in output[-1]


def test_fewer_than_five_classes_have_no_top_5_error(call, tmp_path, rng):
    vgg_small(num_classes=2).save_weights(tmp_path / "two.npz")
    for name in ("val/cat", "val/dog"):
        (tmp_path / name).mkdir(parents=True)
        Image.fromarray(rng.integers(0, 256, (30, 26, 3), np.uint8)).save(tmp_path / name / "1.png")
    output = call("vgg_small", "--weights", tmp_path / "two.npz", "--data", tmp_path, "--classes", 2, "--resize", 26)
    assert re.match(r"top-1 error \d+\.00% of 2 images", output[-1])
    output = call(
        *("vgg_small", "--weights", tmp_path / "two.npz", "--classes", 2, "--resize", 26, "--images"),
        *(tmp_path / "val/cat/1.png", tmp_path / "val/dog/1.png"),
    )
    assert sum(float(line.split("%")[0]) for line in output if "%" in line) == pytest.approx(200, abs=0.05)


@pytest.mark.parametrize(
    "model, path, given, size",
    [
        ("resnet50", "a/resnet50-0676ba61.pth", None, 256),
        ("resnet50", "a/resnet50-11ad3fa6.pth", None, 232),  # torchvision's second weights
        ("resnet50", "a/resnet50-11ad3fa6.pth", 300, 300),
        ("resnet50", "a/a6.pth", None, 256),
        ("resnet18", "a/resnet18-f37072fd.pth", None, 256),
    ],
)
def test_the_shorter_side_is_that_of_the_weights(model, path, given, size, program):
    args = SimpleNamespace(kind="photos", model=model, dense=None, resize=given, crops=1, device="cpu")
    prepare, _, how = program.views(args, None, path)
    assert (prepare.resize, prepare.crop) == (size, 224) and f"shorter side {size} pixels" in how


# CIFAR and MNIST ----------------------------------------------------------------------------------------------------------------


class FewImages(data.CIFAR10):
    """60 images that look like CIFAR-10's."""

    def __init__(self, root=None, train=True, transform=None):
        rng = np.random.default_rng(int(train))
        self.data = rng.integers(0, 256, (60, 3, 32, 32), np.uint8)
        self.targets = rng.integers(0, 10, 60)
        self.transform, self.target_transform, self.source, self.train = transform, None, "here", train


def test_cifar_images_are_normalised_as_the_weights_want(call, program, monkeypatch, tmp_path):
    monkeypatch.setattr(data, "CIFAR10", FewImages)
    import cifar  # beside the example

    model = models.resnet20().eval()
    model.save_weights(tmp_path / "mine.npz")
    test = FewImages(train=False)
    mean, std = (np.reshape(values, (3, 1, 1)) for values in (data.IMAGENET_MEAN, data.IMAGENET_STD))
    expected = {
        "pixels": cifar.Cifar10().test[0],
        "imagenet": ((test.data / 255 - mean) / std).astype(np.float32),
    }
    wrong = {}
    for how, x in expected.items():
        args = SimpleNamespace(kind="CIFAR", normalise=how, device="cpu", data=None, classes=10)
        prepare, answer, _ = program.views(args, model, "mine.npz")
        np.testing.assert_allclose(prepare(test.data), x, atol=1e-6)  # float32
        wrong[how] = np.mean(model(mt.Tensor(x)).argmax(1).numpy() != test.targets)
        output = call("resnet20", "--weights", tmp_path / "mine.npz", "--normalise", how)
        assert output[-1].startswith(f"top-1 error {wrong[how]:.2%}, top-5")
    assert "--normalise pixels" in call("resnet20", "--weights", tmp_path / "mine.npz")[2]  # as cifar10_resnet.py makes
    args.normalise = None
    assert program.views(args, model, "resnet20-12fca82f.th")[2].endswith("--normalise imagenet")  # as published


@pytest.mark.parametrize("name", ["lenet5", "lenet5_1998"])
def test_lenet_is_evaluated_on_mnist(name, call, tmp_path):
    model = models.create(name)
    model.save_weights(tmp_path / "lenet.npz")
    test = data.MNIST(train=False)
    x = test.data[::100, None].astype(np.float32) / 255
    x = x if name == "lenet5_1998" else (x - 0.1307) / 0.3081
    wrong = np.mean(model(mt.Tensor(x)).argmax(1).numpy() != test.targets[::100])
    output = call(name, "--weights", tmp_path / "lenet.npz", "--limit", 100)
    assert output[-1].startswith(f"top-1 error {wrong:.2%}, top-5 error ") and "of 100 images" in output[-1]


# bad input ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    """Weight files and folders, good and bad."""
    root = tmp_path_factory.mktemp("bad")
    models.squeezenet1_1().save_weights(root / "good.npz")
    content = (root / "good.npz").read_bytes()
    (root / "cut.npz").write_bytes(content[: len(content) // 2])
    (root / "text.pth").write_text("these are not weights")
    for folder in ("good/162", "empty/162", "empty/163", "strange/162", "strange/my_dog", "own/a", "own/b"):
        (root / folder).mkdir(parents=True)
        if folder != "empty/163":
            Image.fromarray(np.zeros((240, 230, 3), np.uint8)).save(root / folder / "1.png")
    return root


@pytest.mark.parametrize(
    "options, message",
    [
        (
            "squeezenet1_1 --weights W/none.npz --data W/good",
            r"^evaluate: squeezenet1_1: there is no file '.*none\.npz'",
        ),
        ("squeezenet1_1 --weights DEFALT --data W/good", r"nor weights of that name; published are 'IMAGENET1K_V1'"),
        ("squeezenet1_1 --weights W/cut.npz --data W/good", r"^evaluate: .*cut\.npz: "),
        ("squeezenet1_1 --weights W/text.pth --data W/good", r"^evaluate: .*text\.pth: "),
        ("resnet20 --weights W/good.npz", r"^evaluate: .*good\.npz: .*doesn't fit CifarResNet; nothing was loaded"),
        ("squeezenet1_1 --weights W/good.npz --data W/good/162", r"162 has no class folders, but 1 files"),
        ("squeezenet1_1 --weights W/good.npz --data W/empty", r"1 of 2 class folders have no images: 163"),
        (
            "squeezenet1_1 --weights W/good.npz --data W/strange",
            r"1 folders that are none of ImageNet's classes: my_dog",
        ),
        ("squeezenet1_1 --weights W/good.npz --data W/own --classes 1000", r"has 2 class folders, but --classes 1000"),
        ("squeezenet1_1 --weights W/good.npz --data W/own --classes 2", r"misshapen: classifier\.1\.weight"),
        ("squeezenet1_1 --weights W/good.npz --data W/no.tar", r"TarShards: 1 of 1 shards are not there"),
        ("squeezenet1_1 --weights W/good.npz --images W/text.pth", r"^evaluate: .*text\.pth: not an image"),
        ("squeezenet1_1 --weights W/good.npz --data W/good --resize 200", r"--resize must be at least 224"),
        ("squeezenet1_1 --weights W/good.npz --data W/good --device gpu", r"^evaluate: .*gpu"),
    ],
)
def test_a_mistake_gets_a_message_and_no_traceback(options, message, bad):
    code, _, errors = run(*options.replace("W/", f"{bad}/").split())
    assert code != 0
    assert re.search(message, errors, re.MULTILINE), errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    "options, message",
    [
        ("resnet51 --weights w.npz", r"unknown network 'resnet51'; the nearest known one is resnet56"),
        ("squeezenet1_1 --weights w.npz --data nowhere", r"--data: there is no folder nowhere"),
        ("squeezenet1_1 --weights w.npz --images none.jpg", r"--images: there is no file none\.jpg"),
        ("squeezenet1_1 --weights w.npz", r"either with --data .* or with --images"),
        ("squeezenet1_1 --weights w.npz --data photos --dense 256", r"squeezenet1_1 has no dense evaluation"),
        ("vgg16 --weights w.npz --data photos --dense 256 --crops 10", r"it goes without --crops and --resize"),
        ("squeezenet1_1 --weights w.npz --data photos --limit 0", r"--limit must be at least 1, got 0"),
        ("squeezenet1_1 --weights w.npz --data photos --crops 5", r"invalid choice: 5"),
        ("squeezenet1_1 --weights w.npz --data photos --normalise pixels", r"--normalise is for CIFAR's networks"),
        ("resnet20 --weights w.npz --crops 10", r"--crops 10 is for photographs; resnet20 takes CIFAR's images"),
        ("resnet20 --weights w.npz --classes 7", r"must be 10 \(CIFAR-10\) or 100 \(CIFAR-100\)"),
        ("lenet5 --weights w.npz --classes 7", r"MNIST has 10 classes"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message, call, capsys):
    with pytest.raises(SystemExit) as end:
        call(*options.split())
    assert end.value.code == 2
    assert re.search(message, capsys.readouterr().err)


def test_ctrl_c_gives_the_errors_until_then(program, capsys):
    def answer(images):
        if images[0] == 4:
            signal.raise_signal(signal.SIGINT)
        return np.eye(10)[images]

    labels = np.arange(10)
    loader = data.DataLoader(data.TensorDataset(labels, labels), batch_size=2)
    errors, _ = program.evaluate(answer, loader, 10, SimpleNamespace(classes=10, limit=None))
    assert errors.seen == 6 and errors.errors() == (0, 0)
    assert capsys.readouterr().out.startswith("stopped")


def test_dense_says_which_size_is_too_small(call, small):
    _, weights, folder, _, _ = small
    with pytest.raises(ValueError, match=r"VGG\.dense: .*least 16"):
        call("vgg_small", "--weights", weights, "--data", folder, "--classes", 7, "--dense", 12)


def test_help_fits_a_screen():
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "evaluate.py"), "--help"],
        capture_output=True,
        text=True,
        env={**HERE, "COLUMNS": "80"},
    )
    assert done.returncode == 0 and len(done.stdout.splitlines()) <= 40
