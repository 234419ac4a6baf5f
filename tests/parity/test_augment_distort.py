"""The distortions against torchvision's (elastic) and albumentations' (grid, optical), for given parameters."""

import numpy as np
import pytest

from minitorch_cnn.augment.distort import ElasticTransform, GridDistortion, OpticalDistortion, gaussian
from minitorch_cnn.backend import cpu
from minitorch_cnn.backend import primitives as P

torch = pytest.importorskip("torch")
F = pytest.importorskip("torchvision.transforms.v2.functional")

SIZE = (31, 26)


def images(rng, dtype, C=3, N=3, size=SIZE):
    x = rng.integers(0, 256, (N, C, *size))
    return x.astype(np.uint8) if dtype == np.uint8 else (x / 255).astype(dtype)


def assert_same(got, expected, places=1e-5):
    assert got.shape == expected.shape and got.dtype == expected.dtype
    difference = np.abs(got.astype(float) - expected.astype(float)).max()
    assert difference <= (1 if got.dtype == np.uint8 else places), difference


# elastic --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [0.3, 1.0, 1.7, 2.5])
def test_the_smoothing_is_gaussian_blur(sigma):
    keys = np.array([3, 2**63 + 1], np.uint64)
    noise = 2 * cpu.uniform(keys, 2 * 31 * 26, np.float64).reshape(-1, 2, 31, 26) - 1
    size = int(8 * sigma + 1)
    size += size % 2 == 0  # as torchvision's ElasticTransform has it
    expected = F.gaussian_blur(torch.from_numpy(noise), [size, size], [sigma, sigma]).numpy()
    assert len(gaussian(sigma)) == size
    got = P.smooth_noise(keys, SIZE, gaussian(sigma), np.float64)
    assert np.abs(got - expected).max() < 1e-7


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_elastic_moves_pixels_as_torchvision_does(interpolation, dtype, rng):
    x = images(rng, dtype)
    transform = ElasticTransform(alpha=60.0, sigma=2.0, interpolation=interpolation)
    params = transform.sample(np.arange(3))
    real = np.float64 if dtype == np.float64 else np.float32
    noise = P.smooth_noise(params["keys"], SIZE, gaussian(2.0), real)
    assert np.abs(noise * 30).max() > 5  # it does move
    displacement = np.stack([noise[:, 0] * 60 / 26, noise[:, 1] * 60 / 31], axis=-1)  # as their make_params
    mode = F.InterpolationMode(interpolation)
    for image, got, field in zip(x, transform.apply(x, params), displacement):
        expected = F.elastic(torch.from_numpy(image), torch.from_numpy(field[None]), mode, fill=None).numpy()
        if interpolation == "nearest":  # a place in the middle between two pixels may go to either
            assert (got != expected).mean() < 0.002
        elif not (dtype == np.uint8 and interpolation == "bicubic"):
            assert_same(got, expected, 1e-4 if real == np.float32 else 1e-10)
        else:  # torchvision lets what overshoots 0 and 255 wrap around
            inside = np.abs(got.astype(int) - expected) <= 1
            assert inside.mean() > 0.75 and np.isin(got[~inside], [0, 255]).all()


# grid and lens --------------------------------------------------------------------------------------------------------


def remapped(x, map_x, map_y):
    """OpenCV's remap in float32, places on a grid of 1/32 of a pixel: the image changes by up to 1/32 for it."""
    import cv2

    hwc = np.ascontiguousarray(x.transpose(1, 2, 0))
    moved = cv2.remap(hwc, map_x.astype(np.float32), map_y.astype(np.float32), cv2.INTER_LINEAR, borderValue=0)
    return moved.reshape(hwc.shape).transpose(2, 0, 1)


@pytest.fixture
def fgeometric():
    pytest.importorskip("albumentations")
    return pytest.importorskip("albumentations.augmentations.geometric.functional")


class Chain:
    """A batch that only remembers its steps."""

    def __init__(self, images):
        self.images, self.size = images, images.shape[2:]
        self.N, self.channels = images.shape[:2]

    def add(self, steps, interpolation):
        self.steps = steps


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("num_steps", [1, 3, 5])
@pytest.mark.parametrize("size", [(31, 26), (30, 32), (224, 15)])
def test_grid_distortion_has_albumentations_maps(size, num_steps, normalized, fgeometric):
    transform = GridDistortion(num_steps, 0.4, normalized=normalized, p=1)
    params = transform.sample(np.arange(4))
    chain = Chain(np.zeros((4, 1, *size)))
    transform.change(chain, params)
    (step,) = chain.steps
    for n in range(4):
        steps_x, steps_y = params["steps_x"][n].tolist(), params["steps_y"][n].tolist()
        if normalized:
            both = fgeometric.normalize_grid_distortion_steps(size, num_steps, steps_x, steps_y)
            steps_x, steps_y = both["steps_x"], both["steps_y"]
        map_x, map_y = fgeometric.generate_grid(size, steps_x, steps_y, num_steps)
        assert np.abs(step.numbers[n, : size[0]] - map_y[:, 0]).max() < 1e-4
        assert np.abs(step.numbers[n, size[0] :] - map_x[0]).max() < 1e-4


def test_grid_distortion_of_images(rng, fgeometric):
    x = images(rng, np.float32)
    transform = GridDistortion(p=1)
    params = transform.sample(np.arange(3))
    for n, got in enumerate(transform.apply(x, params)):
        both = fgeometric.normalize_grid_distortion_steps(
            SIZE, 5, params["steps_x"][n].tolist(), params["steps_y"][n].tolist()
        )
        map_x, map_y = fgeometric.generate_grid(SIZE, both["steps_x"], both["steps_y"], 5)
        assert_same(got, remapped(x[n], map_x, map_y), 1 / 16)


@pytest.mark.parametrize("k", [-0.7, 0.0, 0.05, 0.6])
def test_optical_distortion(k, rng, fgeometric):
    x = images(rng, np.float32, N=1)
    # theirs is half a pixel off: OpenCV's new camera has its middle at (W-1)/2, the old one, albumentations', at W/2
    map_x, map_y = (m - 0.5 for m in fgeometric.get_camera_matrix_distortion_maps(SIZE, k))
    transform = OpticalDistortion(p=1)
    params = {"applied": np.ones(1, bool), "k": np.array([k])}
    assert_same(transform.apply(x, params)[0], remapped(x[0], map_x, map_y), 1 / 16)
    # the places themselves, which show as an image of the columns' numbers and one of the rows'
    wide = np.broadcast_to(np.arange(26.0), (1, 1, 31, 26)), np.broadcast_to(np.arange(31.0)[:, None], (1, 1, 31, 26))
    inside = (map_x >= 0) & (map_x <= 25) & (map_y >= 0) & (map_y <= 30)
    for coordinates, expected in zip(wide, (map_x, map_y)):
        got = transform.apply(coordinates, params)[0, 0]
        assert np.abs(got - expected)[inside].max() < 1e-4
