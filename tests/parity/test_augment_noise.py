"""Noise, JPEG, holes and exchanged channels against albumentations and torchvision, with the parameters given."""

import numpy as np
import pytest

from minitorch_cnn.augment.color import ChannelShuffle
from minitorch_cnn.augment.erase import CoarseDropout
from minitorch_cnn.augment.noise import ImageCompression, SaltAndPepper

torch = pytest.importorskip("torch")
tv = pytest.importorskip("torchvision.transforms.v2").functional

N, C, H, W = 5, 3, 35, 46


@pytest.fixture
def A():
    return pytest.importorskip("albumentations")


every_dtype = pytest.mark.parametrize("dtype", [np.uint8, np.float32])


def images_of(rng, dtype, size=(N, C, H, W)):
    return rng.integers(0, 256, size).astype(np.uint8) if dtype == np.uint8 else rng.random(size).astype(dtype)


def one_by_one(function, images):
    """function(image (H, W, C), n) of each image, as a batch (N, C, H, W)."""
    return np.stack(
        [function(np.ascontiguousarray(x.transpose(1, 2, 0)), n).transpose(2, 0, 1) for n, x in enumerate(images)]
    )


def smooth(rng):
    """Images that look like something; JPEG makes a mess of random pixels."""
    x, y = np.meshgrid(np.arange(W), np.arange(H))
    waves = rng.uniform(0.05, 0.4, (N, C, 3, 1, 1))
    return (127.5 + 120 * np.sin(waves[:, :, 0] * x + waves[:, :, 1] * y + 9 * waves[:, :, 2])).astype(np.uint8)


@pytest.mark.filterwarnings("ignore:The image decoding and encoding capabilities of TorchVision:DeprecationWarning")
@pytest.mark.parametrize("quality", [10, 50, 90, 100])
def test_jpeg(quality, rng):
    x = smooth(rng)
    y = ImageCompression((quality, quality), p=1)(x).astype(int)
    assert np.abs(y - np.stack([tv.jpeg(image, quality).numpy() for image in torch.from_numpy(x)])).max() <= 1
    assert quality > 10 or np.abs(y - x).max() > 10, "something is lost"


@pytest.mark.parametrize("quality", [10, 90])
def test_albumentations_jpeg_takes_red_for_blue(quality, A, rng):
    x = smooth(rng)
    y = ImageCompression((quality, quality), p=1)(x).astype(int)
    theirs = A.ImageCompression(quality_range=(quality, quality), p=1)
    mirrored = one_by_one(lambda image, n: theirs(image=np.ascontiguousarray(image[..., ::-1]))["image"][..., ::-1], x)
    assert np.abs(y - mirrored).max() <= 1


@every_dtype
@pytest.mark.parametrize("fill", [0, (0.25, 1, 0.75)])
def test_holes_of_given_places(fill, dtype, A, rng):
    x = images_of(rng, dtype)
    ours = CoarseDropout((1, 4), (3, 9), (2, 13), fill=fill, p=1)
    params = ours.sample(np.arange(N))
    y = ours.apply(x, params)
    for n in range(N):
        holes = []
        for (u, v), (left, up) in zip(params["sizes"][n], params["places"][n]):
            width, height = 2 + int(u * 12), 3 + int(v * 7)  # albumentations draws whole numbers, both ends included
            left, up = int(left * (W + 1 - width)), int(up * (H + 1 - height))
            holes.append((left, up, left + width, up + height))
        holes = np.array(holes[: params["holes"][n]], np.int32)
        image = np.ascontiguousarray(x[n].transpose(1, 2, 0))
        wanted = A.CoarseDropout(fill=fill, p=1).apply(image, holes, seed=0)
        assert np.array_equal(y[n], wanted.transpose(2, 0, 1)), holes


@every_dtype
def test_channels_in_a_given_order(dtype, rng):
    x = images_of(rng, dtype)
    ours, orders = ChannelShuffle(p=1), set()
    for k in range(6):
        y = ours.apply(x, {"applied": np.ones(N, bool), "order": np.full(N, (k + 0.5) / 6)})
        order = [next(d for d in range(C) if np.array_equal(y[0, c], x[0, d])) for c in range(C)]
        orders.add(tuple(order))
        assert np.array_equal(y, tv.permute_channels(torch.from_numpy(x), order).numpy())
    assert len(orders) == 6


@every_dtype
def test_salt_and_pepper_of_given_pixels(dtype, A, rng):
    x = images_of(rng, dtype, (2, C, 100, 120))
    y = SaltAndPepper((0.2, 0.2), (0.3, 0.3), p=1)(x, seed=3)
    top = 255 if dtype == np.uint8 else 1
    salt, pepper = ((y == value).all(axis=1) & (x != value).any(axis=1) for value in (top, 0))
    theirs = A.SaltAndPepper(p=1)
    wanted = one_by_one(lambda image, n: theirs.apply(image, salt[n], pepper[n]), x)
    assert np.array_equal(y, wanted), "all others are left alone"
    # as many as albumentations changes: 0.3 and 0.7 of a fifth of the pixels, within five standard deviations
    for mask, share in ((salt, 0.06), (pepper, 0.14)):
        assert abs(mask.mean() - share) < 5 * np.sqrt(share / mask.size)
