"""Resize and RandomResizedCrop against torchvision's, and the weights against PyTorch's interpolate."""

import numpy as np
import pytest

from minitorch_cnn.augment.resize import RandomResizedCrop, Resize

torch = pytest.importorskip("torch")
v2 = pytest.importorskip("torchvision.transforms.v2")
F = pytest.importorskip("torchvision.transforms.v2.functional")


SIZES = [
    ((13, 17), (9, 8)),
    ((13, 17), (26, 31)),
    ((13, 17), (7, 30)),
    ((40, 9), (5, 9)),
    ((1, 6), (4, 2)),
    ((5, 1), (2, 3)),
]

# not bicubic of whole numbers, a test of its own: torchvision cuts what overshoots after the first axis already
KINDS = [(i, d) for i in ("nearest", "bilinear", "bicubic") for d in (np.uint8, np.float32, np.float64)]
KINDS.remove(("bicubic", np.uint8))


def images(rng, dtype, size, C=3, N=2):
    x = rng.integers(0, 256, (N, C, *size))
    return x.astype(np.uint8) if dtype == np.uint8 else (x / 255).astype(dtype)


def assert_same(got, expected):
    """To one grey level: torchvision resizes uint8 in whole numbers, and rounds after the first axis already."""
    assert got.shape == expected.shape and got.dtype == expected.dtype
    difference = np.abs(got.astype(float) - expected.astype(float)).max()
    assert difference <= (1 if got.dtype == np.uint8 else 1e-5), difference


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("interpolation, dtype", KINDS)
@pytest.mark.parametrize("before, after", SIZES)
def test_resize(before, after, interpolation, dtype, antialias, rng):
    x = images(rng, dtype, before)
    got = Resize(after, interpolation, antialias=antialias)(x)
    expected = F.resize(torch.from_numpy(x), list(after), F.InterpolationMode(interpolation), antialias=antialias)
    assert_same(got, expected.numpy())


@pytest.mark.parametrize("antialias", [True, False])
def test_bicubic_of_whole_numbers_is_that_of_real_ones_rounded(antialias, rng):
    x = images(rng, np.uint8, (13, 17))
    got = Resize((9, 30), "bicubic", antialias=antialias)(x)
    real = torch.from_numpy(x).double()
    expected = F.resize(real, [9, 30], F.InterpolationMode.BICUBIC, antialias=antialias).round().clamp(0, 255)
    assert_same(got, expected.numpy().astype(np.uint8))
    smooth = np.broadcast_to(np.linspace(20, 200, 17).astype(np.uint8), (1, 1, 13, 17)).copy()  # nothing overshoots
    got = Resize((9, 30), "bicubic", antialias=antialias)(smooth)
    expected = F.resize(torch.from_numpy(smooth), [9, 30], F.InterpolationMode.BICUBIC, antialias=antialias)
    assert_same(got, expected.numpy())


@pytest.mark.parametrize(
    "size, max_size", [(7, None), ([7], None), (16, None), (7, 9), (16, 20), (None, 8), (None, 40)]
)
@pytest.mark.parametrize("before", [(13, 17), (17, 13), (10, 10), (5, 23)])
def test_the_size_that_is_asked_for_in_part(size, max_size, before, rng):
    x = images(rng, np.float32, before)
    expected = v2.Resize(size, max_size=max_size)(torch.from_numpy(x)).numpy()
    assert_same(Resize(size, max_size=max_size)(x), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_random_resized_crop_of_given_boxes(interpolation, antialias, dtype, rng):
    x = images(rng, dtype, (21, 34), N=6)
    if interpolation == "bicubic":
        x = x // 4 + 96 if dtype == np.uint8 else x / 4  # nothing overshoots
    crop = RandomResizedCrop((9, 12), (0.02, 1.0), (0.4, 2.5), interpolation, antialias)
    params = crop.sample(np.arange(6))
    boxes = crop.boxes(params, (21, 34))
    assert (boxes[:, 2:] < (9, 12)).any() and (boxes[:, 2:] > (9, 12)).any()  # some grow, some shrink
    for image, got, box in zip(x, crop.apply(x, params), boxes.tolist()):
        expected = F.resized_crop(
            torch.from_numpy(image), *box, [9, 12], F.InterpolationMode(interpolation), antialias=antialias
        )
        assert_same(got, expected.numpy())


@pytest.mark.parametrize("size", [(20, 30), (64, 5), (5, 64), (1, 1), (33, 32)])
def test_random_resized_crop_makes_the_same_boxes_of_the_same_numbers(size, monkeypatch):
    crop = RandomResizedCrop(8, (0.3, 1.0), (0.6, 1.5))
    theirs = v2.RandomResizedCrop(8, (0.3, 1.0), (0.6, 1.5))
    params = crop.sample(np.arange(40))
    numbers = np.stack([params["scale"], np.log(params["ratio"])], axis=2).reshape(40, -1)
    fractions = np.stack([params["top"], params["left"]], axis=1)
    theirs_to_come = []
    monkeypatch.setattr(torch.Tensor, "uniform_", lambda tensor, *_: tensor.double().fill_(theirs_to_come[0].pop(0)))
    monkeypatch.setattr(torch, "randint", lambda _, high, size: torch.tensor([int(theirs_to_come[1].pop(0) * high)]))
    for n, (top, left, height, width) in enumerate(crop.boxes(params, size).tolist()):
        theirs_to_come[:] = numbers[n].tolist(), fractions[n].tolist()
        expected = theirs.make_params([torch.empty(3, *size)])
        assert expected == {"top": top, "left": left, "height": height, "width": width}
