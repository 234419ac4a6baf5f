"""Geometric augmentations on a cuda device: the CPU's pixels, targets and random numbers; one launch, no wait for it."""

import importlib.util
import re

import numpy as np
import pytest
from gpu.device import devices, require_cupy

cupy = require_cupy()

from backend.test_warp import image, matrix, some_step

from minitorch_cnn import augment as A
from minitorch_cnn.backend import cpu, gpu
from minitorch_cnn.backend.warp_step import BORDERS, KINDS, TAPS, Step

emulated = importlib.util.find_spec("cupy_on_cpu") is not None
counted = pytest.mark.skipif(not emulated, reason="only the emulated device counts launches and waits")

N, C = 3, 2
DTYPES = [np.uint8, np.float32, np.float64]


def moved(step):
    return step._replace(field=None if step.field is None else cupy.asarray(step.field))


def assert_near(got, expected, name=""):
    """To rounding; a place beside a tie, or beside a border, may go the other way in float32: one pixel in 500."""
    assert isinstance(got, cupy.ndarray) and got.dtype == expected.dtype and got.shape == expected.shape
    apart = np.abs(got.get().astype(float) - expected)
    limit = {"B": 1, "f": 2e-4, "d": 1e-9}[expected.dtype.char]
    assert (apart > limit).mean() <= (0 if expected.dtype == np.float64 else 2e-3), (apart.max(), name)


# the primitives -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_warp_of_one_step(kind, border, dtype, rng):
    x = image(rng, (N, C, 9, 11), dtype)
    fill = (10.0, 200.0) if dtype == np.uint8 else (0.25, 0.75)
    for interpolation in TAPS:
        for size in ((9, 11), (7, 13)) if kind in ("projective", "table") else ((9, 11),):
            step = some_step(
                rng, kind, (9, 11), size, border, fill, dtype=np.float32 if dtype == np.float32 else np.float64
            )
            got = gpu.warp(cupy.asarray(x), [moved(step)], size, interpolation)
            assert_near(got, cpu.warp(x, [step], size, interpolation), interpolation)


@pytest.mark.parametrize("second", KINDS)
@pytest.mark.parametrize("first", KINDS)
def test_samples_go_past_steps_that_are_not_applied_to_them(first, second, rng):
    x = image(rng, (N, C, 9, 11), np.float64)
    for borders in (("constant", "constant"), ("edge", "constant"), ("constant", "symmetric")):
        steps = [some_step(rng, kind, (9, 11), (9, 11), b, (0.3, 0.5)) for kind, b in zip((first, second), borders)]
        steps = [s._replace(applied=np.array(a)) for s, a in zip(steps, ([True, False, False], [True, True, False]))]
        got = gpu.warp(cupy.asarray(x), [moved(step) for step in steps], (9, 11), "bilinear")
        assert_near(got, cpu.warp(x, steps, (9, 11), "bilinear"), borders)
        assert np.array_equal(got[2].get(), x[2])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("interpolation", TAPS)
def test_warp_of_a_chain_through_several_sizes(interpolation, dtype, rng):
    sizes = [(9, 11), (12, 7), (10, 10), (10, 10), (10, 10), (6, 9)]
    kinds = ["projective", "table", "lens", "displacement", "projective"]
    for borders in (["constant"] * 5, ["constant", "edge", "constant", "symmetric", "reflect"]):
        x = image(rng, (N, C, *sizes[0]), dtype)
        steps = [
            some_step(rng, kind, before, after, border, (k + 1.0,))
            for k, (kind, border, before, after) in enumerate(zip(kinds, borders, sizes, sizes[1:]))
        ]
        got = gpu.warp(cupy.asarray(x), list(map(moved, steps)), sizes[-1], interpolation)
        assert_near(got, cpu.warp(x, steps, sizes[-1], interpolation), borders)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("offset", [-0.5, 0.5, -2.5, 0.25, -1.0, 3.5])
def test_warp_halfway_between_pixels_and_on_the_images_edge(offset, border, dtype, rng):
    """Exact in float32: the same pixels win the ties on both devices."""
    x = image(rng, (1, C, 4, 5), dtype)
    half = Step("projective", matrix(0.5, 0, offset, 0, 0.5, -offset, 0, 0, 1), (4, 5), (12, 14), border, (3.0, 4.0))
    whole = Step("projective", matrix(1, 0, offset, 0, 1, offset, 0, 0, 1), (12, 14), (9, 10), border, (5.0, 6.0))
    for steps, size in (([half], (12, 14)), ([half, whole], (9, 10))):
        for interpolation in TAPS:
            got, expected = (
                gpu.warp(cupy.asarray(x), steps, size, interpolation),
                cpu.warp(x, steps, size, interpolation),
            )
            if dtype == np.uint8 or interpolation == "nearest":
                assert np.array_equal(got.get(), expected)
            else:
                np.testing.assert_allclose(got.get(), expected, atol=1e-5 if dtype == np.float32 else 1e-13)


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 1)])
@pytest.mark.parametrize("kind", KINDS)
def test_warp_of_tiny_images(kind, size, rng):
    x = image(rng, (N, 1, *size), np.float64)
    for border in BORDERS:
        for interpolation in TAPS:
            step = some_step(rng, kind, size, size, border, (0.5,))
            got = gpu.warp(cupy.asarray(x), [moved(step)], size, interpolation)
            assert_near(got, cpu.warp(x, [step], size, interpolation), (border, interpolation))


@pytest.mark.parametrize("dtype", DTYPES)
def test_warp_keeps_the_bits_of_what_does_not_move(dtype, rng):
    x = image(rng, (N, C, 6, 7), dtype)
    step = some_step(rng, "projective", (6, 7), (6, 7))
    step.numbers[0] = step.numbers[2] = np.eye(3).ravel()
    bent = some_step(rng, "displacement", (6, 7), (6, 7))  # its second sample's factor is 0
    for interpolation in TAPS:
        out = gpu.warp(cupy.asarray(x), [step], (6, 7), interpolation).get()
        assert np.array_equal(out[[0, 2]], x[[0, 2]]) and not np.array_equal(out[1], x[1])
        assert np.array_equal(gpu.warp(cupy.asarray(x), [moved(bent)], (6, 7), interpolation).get()[1], x[1])


def test_warp_cuts_off_overshoots_and_rounds_a_fraction_in_the_fill():
    x = np.zeros((1, 1, 1, 8), np.uint8)
    x[..., 4:] = 255
    step = Step("projective", matrix(1, 0, 0.5, 0, 1, 0, 0, 0, 1), (1, 8), (1, 8), "edge")
    got = gpu.warp(cupy.asarray(x), [step], (1, 8), "bicubic").get()
    assert np.array_equal(got, cpu.warp(x, [step], (1, 8), "bicubic")) and got.min() == 0 and got.max() == 255
    aside = Step("projective", matrix(1, 0, 20, 0, 1, 0, 0, 0, 1), (1, 8), (1, 8), "constant", (127.7,))
    assert (gpu.warp(cupy.asarray(x), [aside], (1, 8), "nearest").get() == 128).all()


def test_images_and_fields_in_any_layout(rng):
    x = image(rng, (N, C, 9, 11), np.float32)
    step = some_step(rng, "displacement", (9, 11), (9, 11), "reflect", dtype=np.float64)
    expected = cpu.warp(x, [step], (9, 11), "bilinear")
    odd = cupy.ascontiguousarray(cupy.asarray(x).transpose(3, 0, 2, 1)).transpose(1, 3, 2, 0)
    field = cupy.ascontiguousarray(cupy.asarray(step.field)[..., ::-1])[..., ::-1]
    assert_near(gpu.warp(odd, [step._replace(field=field)], (9, 11), "bilinear"), expected)
    assert_near(gpu.warp(cupy.asarray(x)[:, ::-1], [moved(step)], (9, 11), "bilinear"), expected[:, ::-1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size, count", [(1, 1), (3, 7), (5, 300), (700, 3)])
def test_uniform_makes_the_cpus_numbers_to_the_last_bit(size, count, dtype, rng):
    keys = rng.integers(0, 2**64, size, dtype=np.uint64)
    keys[0] = 2**64 - 1
    got = gpu.uniform(cupy.asarray(keys), count, dtype)
    assert isinstance(got, cupy.ndarray) and got.dtype == dtype
    assert np.array_equal(got.get(), cpu.uniform(keys, count, dtype))
    strided = cupy.asarray(np.repeat(keys, 2))[::2]
    assert np.array_equal(gpu.uniform(strided, count, dtype).get(), cpu.uniform(keys, count, dtype))


# recipes --------------------------------------------------------------------------------------------------------------

RECIPES = {
    "Pad": lambda: A.Pad((1, 2, 0, 3), fill=(0.1, 0.2, 0.3)),
    "Pad symmetric": lambda: A.Pad(4, padding_mode="symmetric"),
    "RandomCrop": lambda: A.RandomCrop((8, 9), padding=(1, 2)),
    "flips": lambda: A.Compose([A.HorizontalFlip(), A.VerticalFlip()]),
    "Affine": lambda: A.Affine(40, (0.1, 0.2), (0.7, 1.4), (-15, 15, -10, 10), "bilinear", fill=0.5, p=0.7),
    "Rotate": lambda: A.Rotate(180, "bicubic"),
    "Perspective": lambda: A.Perspective(0.6),
    "training": lambda: A.Compose(
        [A.RandomCrop((12, 13), padding=2), A.HorizontalFlip(), A.Rotate(15, "bilinear", p=0.5)]
    ),
    "choices": lambda: A.SomeOf(
        [A.HorizontalFlip(), A.OneOf([A.Rotate(30), A.Perspective(0.3)], 0.8), A.Affine(0, shear=20)], n=2
    ),
}


@pytest.mark.parametrize("device", devices())
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_gives_what_it_gives_on_the_cpu(name, dtype, device, rng):
    recipe, images = RECIPES[name](), image(rng, (5, 3, 12, 13), dtype)
    number = int(device[-1])
    with cupy.cuda.Device(number):
        there = cupy.asarray(images)
    kept = images.copy()
    expected, got = recipe(images, epoch=2, seed=3), recipe(there, epoch=2, seed=3)
    assert_near(got, expected, recipe)
    assert got.device.id == number
    assert np.array_equal(there.get(), kept), "the images that were given are changed"


@pytest.mark.parametrize("name", RECIPES)
def test_targets_follow_on_the_device_as_on_the_cpu(name, rng):
    recipe, images = RECIPES[name](), image(rng, (4, 3, 12, 13), np.float32)
    masks = rng.integers(0, 256, (4, 1, 12, 13), dtype=np.uint8)
    boxes, points = [np.array([[2.0, 3, 8, 9, 1]])] * 4, [np.array([[4.0, 5, 1], [0, 0, 2]])] * 4
    others = {"boxes": boxes, "keypoints": points}
    _, labels, expected = recipe(images, np.arange(4), targets={"masks": masks, **others})
    out, same_labels, got = recipe(cupy.asarray(images), labels, targets={"masks": cupy.asarray(masks), **others})
    assert same_labels is labels and isinstance(got["masks"], cupy.ndarray)
    assert (got["masks"].get() != expected["masks"]).mean() <= 4e-3
    for kind in others:
        assert all(np.array_equal(a, b) for a, b in zip(got[kind], expected[kind]))


@pytest.mark.parametrize("crop", [A.FiveCrop((5, 6)), A.TenCrop(4)])
def test_several_crops_on_the_device(crop, rng):
    images = image(rng, (2, 3, 8, 9), np.uint8)
    out = crop(cupy.asarray(images))
    assert isinstance(out, cupy.ndarray) and np.array_equal(out.get(), crop(images))


@pytest.mark.parametrize("dtype", [bool, np.int64, np.int32])
def test_masks_of_other_dtypes(dtype, rng):
    images, masks = image(rng, (2, 3, 8, 9), np.uint8), rng.integers(0, 2, (2, 1, 8, 9)).astype(dtype)
    _, expected = A.HorizontalFlip(1)(images, targets={"masks": masks})
    _, got = A.HorizontalFlip(1)(cupy.asarray(images), targets={"masks": cupy.asarray(masks)})
    assert np.array_equal(got["masks"].get(), expected["masks"])


def test_bad_images_are_refused_as_on_the_cpu():
    for images, message in (
        (cupy.zeros((3, 4, 5), np.uint8), "images must be (N, C, H, W), got 3 dimensions: (3, 4, 5); for one image"),
        (cupy.zeros((2, 28, 29, 3), np.uint8), "looks like (N, H, W, C)"),
        (cupy.zeros((2, 3, 4, 5), np.int64), "images must be uint8 (0 to 255) or float32 (0 to 1), got int64"),
    ):
        with pytest.raises((ValueError, TypeError), match=re.escape(message)):
            A.HorizontalFlip()(images)


def test_masks_on_another_device_are_refused_in_words():
    images, masks = cupy.zeros((2, 3, 8, 9), np.uint8), np.zeros((2, 1, 8, 9), np.uint8)
    with pytest.raises(ValueError, match="the masks are on cpu, but the images on cuda:0; move one of them"):
        A.ElasticTransform()(images, targets={"masks": masks})


# launches, waits, copies ----------------------------------------------------------------------------------------------


@counted
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("name", RECIPES)
def test_a_geometric_recipe_is_one_launch_and_never_waits(name, dtype, rng):
    import cupy_on_cpu

    recipe, images = RECIPES[name](), cupy.asarray(image(rng, (5, 3, 12, 13), dtype))
    recipe(images)  # compiles
    with cupy_on_cpu.count() as counts:
        recipe(images, epoch=1)
    assert counts.launches == {"mt_warp": 1}
    assert counts.syncs == []
    assert all(source == "host" for source, _, _ in counts.transfers), "something comes back from the device"
    assert len(counts.transfers) <= 2 and sum(size for _, _, size in counts.transfers) < 4096


GEOMETRIC = [
    lambda: A.RandomResizedCrop((12, 11)),
    lambda: A.RandomCrop(10, padding=2),
    lambda: A.HorizontalFlip(),
    lambda: A.Rotate(20, interpolation="bilinear"),
    lambda: A.Affine(9, (0.1, 0.1), (0.8, 1.2), interpolation="bilinear"),
    lambda: A.Perspective(0.3, 1.0),
    lambda: A.ElasticTransform(20, 3),
    lambda: A.GridDistortion(3, p=1.0),
]
COLOURS = [
    lambda: A.ColorJitter(0.4, 0.4, 0.4, 0.1),
    lambda: A.Brightness(0.2),
    lambda: A.Gamma(p=1.0),
    lambda: A.PCALighting(0.1),
    lambda: A.Equalize(p=1.0),
    lambda: A.Sharpness(2.0, p=1.0),
    lambda: A.GaussianNoise(0.1, 0.1),
    lambda: A.SaltAndPepper(p=1.0),
    lambda: A.Cutout(4),
    lambda: A.Normalize((0.5,) * 3, (0.25,) * 3),
]


@counted
@pytest.mark.parametrize("seed", range(6))
def test_a_recipe_of_k_geometric_and_m_colour_steps_takes_at_most_3_plus_m_launches(seed, rng):
    import cupy_on_cpu

    chosen = np.random.default_rng(seed)
    geometric = [make() for make in GEOMETRIC if chosen.random() < 0.6 or make is GEOMETRIC[6]]  # elastic takes most
    colours = [make() for make in COLOURS if chosen.random() < 0.6]
    recipe, images = A.Compose(geometric + colours), cupy.asarray(image(rng, (5, 3, 12, 13), np.uint8))
    recipe(images)  # compiles
    with cupy_on_cpu.count() as counts:
        recipe(images, epoch=1)
    assert sum(counts.launches.values()) <= 3 + len(colours), (recipe, counts.launches)
    assert counts.syncs == []
    assert all(source == "host" for source, _, _ in counts.transfers), "something comes back from the device"


@counted
def test_masks_cost_one_launch_more(rng):
    import cupy_on_cpu

    recipe = RECIPES["training"]()
    images, masks = (cupy.asarray(image(rng, (5, c, 12, 13), np.uint8)) for c in (3, 1))
    recipe(images, targets={"masks": masks})
    with cupy_on_cpu.count() as counts:
        recipe(images, targets={"masks": masks, "boxes": [np.zeros((1, 4))] * 5}, epoch=1)
    assert counts.launches == {"mt_warp": 2} and counts.syncs == []
    assert all(source == "host" for source, _, _ in counts.transfers)


@counted
def test_uniform_is_one_launch(rng):
    import cupy_on_cpu

    keys = cupy.asarray(rng.integers(0, 2**64, 5, dtype=np.uint64))
    gpu.uniform(keys, 9, np.float32)
    with cupy_on_cpu.count() as counts:
        gpu.uniform(keys, 9, np.float32)
    assert counts.launches == {"mt_uniform_numbers": 1}
    assert not counts.syncs and not counts.transfers


@counted
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_memory_is_the_result_and_two_small_tables(dtype, rng):
    import cupy_on_cpu

    recipe, images = RECIPES["training"](), cupy.zeros((64, 3, 12, 13), dtype)
    recipe(images)
    cupy.get_default_memory_pool().free_all_blocks()
    with cupy_on_cpu.count() as counts:
        before = counts.peak_bytes
        recipe(images)
    assert counts.peak_bytes - before <= images.nbytes + 32 * 1024
