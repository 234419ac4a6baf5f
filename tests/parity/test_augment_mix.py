"""Mixup, CutMix and the automatic policies against torchvision, with the parameters that torchvision has."""

import numpy as np
import pytest

from minitorch_cnn.augment.mix import CutMix, Mixup
from minitorch_cnn.augment.policy import POLICIES, AutoAugment, TrivialAugment

torch = pytest.importorskip("torch")
v2 = pytest.importorskip("torchvision.transforms.v2")

N, C, H, W, CLASSES = 6, 3, 9, 14, 5


def same_for_all(count=N, **values):
    repeated = {name: np.array([value] * count) for name, value in values.items()}
    return {"applied": np.ones(count, bool), **repeated}


def batch(rng, dtype, one_hot):
    images = (
        rng.integers(0, 256, (N, C, H, W)).astype(np.uint8) if dtype == np.uint8 else rng.random((N, C, H, W), dtype)
    )
    labels = rng.integers(0, CLASSES, N)
    return images, np.eye(CLASSES, dtype=np.float32)[labels] if one_hot else labels


@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(5))
def test_mixup(seed, dtype, one_hot, rng):
    images, labels = batch(rng, dtype, one_hot)
    theirs = v2.MixUp(alpha=0.7, num_classes=CLASSES)
    torch.manual_seed(seed)
    lam = theirs.make_params([])["lam"]
    torch.manual_seed(seed)
    wanted, wanted_labels = theirs(torch.from_numpy(images), torch.from_numpy(labels))
    mixed, shares = Mixup(0.7, CLASSES).apply(images, same_for_all(lam=lam), labels)
    assert mixed.dtype == dtype and shares.dtype == np.float32
    np.testing.assert_allclose(mixed, wanted.numpy(), rtol=0, atol=1e-6 if dtype == np.float32 else 1e-14)
    np.testing.assert_allclose(shares, wanted_labels.numpy(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("seed", range(20))
def test_cutmix(seed, dtype, one_hot, rng):
    images, labels = batch(rng, dtype, one_hot)
    theirs = v2.CutMix(num_classes=CLASSES)
    torch.manual_seed(seed)  # what make_params draws, in its order
    lam = float(theirs._dist.sample(()))
    x, y = int(torch.randint(W, size=(1,))), int(torch.randint(H, size=(1,)))
    torch.manual_seed(seed)
    wanted, wanted_labels = theirs(torch.from_numpy(images), torch.from_numpy(labels))
    params = same_for_all(lam=lam, x=(x + 0.5) / W, y=(y + 0.5) / H)
    mixed, shares = CutMix(num_classes=CLASSES).apply(images, params, labels)
    assert np.array_equal(mixed, wanted.numpy())
    np.testing.assert_allclose(shares, wanted_labels.numpy(), rtol=0, atol=1e-6)


# automatic policies ---------------------------------------------------------------------------------------------------

SIZES = [(3, 32, 32), (3, 45, 30), (1, 28, 28)]
GEOMETRIC = ("ShearX", "ShearY", "Rotate")


def spaces(interpolation):
    """name: our transform, theirs with the same operations, and the number of bins."""
    return {
        "auto": (AutoAugment(interpolation=interpolation), v2.AutoAugment(interpolation=MODES[interpolation]), 10),
        "trivial": (
            TrivialAugment(interpolation=interpolation),
            v2.TrivialAugmentWide(interpolation=MODES[interpolation]),
            31,
        ),
    }


MODES = {"nearest": v2.InterpolationMode.NEAREST, "bilinear": v2.InterpolationMode.BILINEAR}


def theirs_of(theirs, bins, image, name, bin, sign):
    """torchvision's own operation on one image (C, H, W)."""
    magnitudes, signed = theirs._AUGMENTATION_SPACE[name]
    magnitudes = magnitudes(bins, *image.shape[1:])
    magnitude = 0.0 if magnitudes is None else float(magnitudes[bin]) * (sign if signed else 1)
    got = theirs._apply_image_or_video_transform(
        torch.from_numpy(image), name, magnitude, interpolation=theirs.interpolation, fill=theirs._fill
    )
    return got.numpy()


def on_the_edge(space, name, bin, images):
    """Where torch.linspace's rounding decides: True, or the pixels (N, C, H, W) of which it does."""
    if space == "trivial" and name.startswith("Translate"):
        return bin == 15  # 16 pixels, there 15.999999, cut to 15
    if name == "Solarize":
        white, bins = 255 if images.dtype == np.uint8 else 1, 10 if space == "auto" else 31
        return np.abs(images.astype(float) / white - (1 - bin / (bins - 1))) < 1e-6
    return False


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("space", ["auto", "trivial"])
def test_each_operation_of_a_policy(space, shape, dtype, rng):
    transform, theirs, bins = spaces("bilinear")[space]
    for name in theirs._AUGMENTATION_SPACE:
        some = np.arange(0, bins, bins // 10)  # the first, the middle and the last among them
        images = rng.integers(0, 256, (2 * len(some), *shape)).astype(np.uint8)
        if dtype == np.float32:
            images = images.astype(dtype) / dtype(255)
        bin, sign = np.tile(some, 2), np.repeat([1, -1], len(some))
        params = same_for_all(count=len(images), operation=[name], bin=[0], sign=[1])
        got = transform.apply(images, {**params, "bin": bin[:, None], "sign": sign[:, None]})
        for n in range(len(images)):
            wanted = theirs_of(theirs, bins, images[n], name, bin[n], sign[n])
            assert got.dtype == wanted.dtype
            difference = np.abs(got[n].astype(float) - wanted.astype(float))
            # torchvision computes the places in float32: to some 1e-6 of a side
            allowed = 1 if dtype == np.uint8 else 1e-4 if name in GEOMETRIC else 1e-5
            fine = (difference <= allowed) | on_the_edge(space, name, bin[n], images[n])
            assert fine.all(), (name, bin[n], sign[n], difference.max())


@pytest.mark.parametrize("space", ["auto", "trivial"])
def test_the_nearest_pixel_is_the_same_unless_two_are_equally_near(space, rng):
    transform, theirs, bins = spaces("nearest")[space]
    images = rng.integers(0, 256, (bins, 3, 33, 47)).astype(np.uint8)
    for name in GEOMETRIC:
        params = same_for_all(count=bins, operation=[name], bin=[0], sign=[-1])
        got = transform.apply(images, {**params, "bin": np.arange(bins)[:, None]})
        for n in range(bins):
            off = (got[n] != theirs_of(theirs, bins, images[n], name, n, -1)).mean()
            assert off < 0.06, (name, n, off)


@pytest.mark.parametrize("policy", ["imagenet", "cifar10", "svhn"])
def test_the_policies_are_torchvisions(policy):
    theirs = v2.AutoAugment(v2.AutoAugmentPolicy(policy))._policies
    assert [[(name, chance, bin or 0) for name, chance, bin in pair] for pair in theirs] == [
        list(pair) for pair in POLICIES[policy]
    ]


def test_pairs_of_operations_follow_each_other(rng):
    """The policies' pairs, both operations of each; but not those that make more of one grey level."""
    y, x = np.mgrid[0:32, 0:32]
    image = np.stack([4 * x + 3 * y, 200 - 5 * y, 60 + 2 * x + y]).astype(np.uint8)
    exact = {"Brightness", "Contrast", "Color", "Sharpness", "TranslateX", "TranslateY", "Invert", "Posterize"}
    pairs = [p for pairs in POLICIES.values() for p in pairs if {p[0][0], p[1][0]} <= exact]
    assert len(pairs) > 8
    params = {
        "applied": np.ones(len(pairs), bool),
        "operation": np.array([[a[0], b[0]] for a, b in pairs]),
        "bin": np.array([[a[2], b[2]] for a, b in pairs]),
        "sign": rng.choice([-1, 1], (len(pairs), 2)),
    }
    got = AutoAugment().apply(np.tile(image, (len(pairs), 1, 1, 1)), params)
    theirs = v2.AutoAugment()
    for n, pair in enumerate(pairs):
        wanted = image
        for slot in range(2):
            wanted = theirs_of(theirs, 10, wanted, pair[slot][0], pair[slot][2], params["sign"][n, slot])
        assert np.abs(got[n].astype(int) - wanted).max() <= 2, pair  # one each
