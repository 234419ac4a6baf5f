"""A sample is changed the same, to the last bit, whatever batch it is in: any recipe, of any transforms."""

import numpy as np
import pytest

from minitorch_cnn import augment as A

SIZE = (3, 11, 13)
STEPS = [  # which keep the size, so that they stand in any order
    lambda: A.RandomCrop((11, 13), padding=2),
    lambda: A.RandomCrop((11, 13), padding=3, padding_mode="reflect"),
    lambda: A.RandomResizedCrop((11, 13), p=0.6),
    lambda: A.HorizontalFlip(),
    lambda: A.VerticalFlip(p=0.3),
    lambda: A.Rotate((45, 45), interpolation="bilinear", p=0.5),
    lambda: A.Rotate(30),
    lambda: A.Affine((30, 30), interpolation="bilinear"),
    lambda: A.Affine(10, (0.1, 0.2), (0.8, 1.2), 5, interpolation="bicubic", fill=0.25, p=0.7),
    lambda: A.Perspective(0.5),
    lambda: A.ElasticTransform(30, 2, p=0.1),
    lambda: A.ElasticTransform(30, 2, p=0.5, fill=0.5),
    lambda: A.GridDistortion(3, p=0.4),
    lambda: A.OpticalDistortion(0.4, p=0.4),
    lambda: A.ColorJitter(0.3, 0.3, 0.3, 0.1, p=0.4),
    lambda: A.Sharpness(3.0, p=0.3),
    lambda: A.GaussianBlur(3, p=0.3),
    lambda: A.Equalize(p=0.2),
    lambda: A.Cutout(4, p=0.4),
    lambda: A.GaussianNoise(0.0, 0.05, p=0.4),
    lambda: A.AutoAugment("cifar10"),
    lambda: A.RandAugment(),
    lambda: A.TrivialAugment(interpolation="bilinear", p=0.6),
    lambda: A.OneOf([A.Rotate(20), A.ElasticTransform(20, 2), A.Equalize()], p=0.7),
    lambda: A.RandomApply([A.Affine(20, interpolation="bilinear"), A.GaussianBlur(3)], p=0.4),
]


def assert_same_in_any_batch(recipe, dtype, rng, N=7):
    images = rng.integers(0, 256, (N, *SIZE)).astype(np.uint8)
    if dtype != np.uint8:
        images = (images / 255).astype(dtype)
    targets = {
        "masks": rng.integers(0, 9, (N, 1, *SIZE[1:])),
        "boxes": [np.array([[1.0, 2, 9, 8], [0, 0, 13, 11]])] * N,
        "keypoints": [np.array([[3.0, 4], [6, 5]])] * N,
    }
    ids = rng.permutation(100)[:N]
    together, moved = recipe(images, ids=ids, epoch=1, seed=3, targets=targets)
    parts = [np.array([n]) for n in range(N)] + [np.array([4, 0, 2]), np.arange(N)[::-1]]
    for part in parts:
        some = {kind: given[part] if kind == "masks" else [given[n] for n in part] for kind, given in targets.items()}
        got, got_moved = recipe(images[part], ids=ids[part], epoch=1, seed=3, targets=some)
        assert np.array_equal(got, together[part]), (recipe, part, np.abs(got.astype(float) - together[part]).max())
        assert np.array_equal(got_moved["masks"], moved["masks"][part]), recipe
        for kind in ("boxes", "keypoints"):
            for rows, n in zip(got_moved[kind], part):
                assert np.array_equal(rows, moved[kind][n]), (recipe, kind, n)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("seed", range(25))
def test_any_recipe(seed, dtype, rng):
    chosen = np.random.default_rng(seed).integers(0, len(STEPS), 4)
    assert_same_in_any_batch(A.Compose([STEPS[k]() for k in chosen]), dtype, rng)


@pytest.mark.parametrize(
    "steps",
    [
        lambda: [A.Rotate((45, 45), interpolation="bilinear", p=0.5), A.Affine((30, 30), interpolation="bilinear")],
        lambda: [A.Rotate(30), A.ElasticTransform(p=0.1)],
        lambda: [A.ElasticTransform(p=0.5), A.HorizontalFlip(), A.Rotate(10, interpolation="bilinear")],
        lambda: [A.HorizontalFlip(), A.OpticalDistortion(0.3, p=0.3), A.Rotate(40, fill=1), A.RandomCrop(9, padding=4)],
        lambda: [A.Rotate(30, p=0.5), A.Pad(3), A.ElasticTransform(20, 2)],
        lambda: [A.RandAugment(3, 20)],
        lambda: [A.Pad(2), A.Rotate(30, p=0.3, interpolation="bilinear"), A.CenterCrop(8), A.HorizontalFlip()],
    ],
)
def test_what_is_joined_in_one_sample_and_not_in_another(steps, rng):
    """Whether two steps are one matrix shows at the edge of the image in between."""
    for dtype in (np.uint8, np.float64):
        assert_same_in_any_batch(A.Compose(steps()), dtype, rng, N=12)


@pytest.mark.parametrize("make", STEPS)
def test_a_result_is_never_the_given_array(make, rng):
    images = rng.integers(0, 256, (1, *SIZE)).astype(np.uint8)
    for epoch in range(6):
        assert not np.shares_memory(make()(images, epoch=epoch), images)
