"""AutoAugment, RandAugment, TrivialAugment: which operations are drawn, how strong they are, and what each of them does."""

import numpy as np
import pytest

from minitorch_cnn.augment import Affine, Rotate
from minitorch_cnn.augment.policy import (
    AT_RANDOM,
    LARGEST,
    POLICIES,
    SIGNED,
    AutoAugment,
    RandAugment,
    TrivialAugment,
    TrivialAugmentWide,
)

N, C, H, W = 6, 3, 17, 23
KINDS = [AutoAugment, RandAugment, TrivialAugment]


def images_of(dtype, rng, shape=(N, C, H, W)):
    return rng.integers(0, 256, shape).astype(np.uint8) if dtype == np.uint8 else rng.random(shape).astype(dtype)


def params_of(*operations, bins=0, sign=1, count=N):
    """Each sample goes through the operations."""
    shape = (count, len(operations))
    return {
        "applied": np.ones(count, bool),
        "operation": np.tile(operations, (count, 1)),
        "bin": np.broadcast_to(bins, shape).copy(),
        "sign": np.broadcast_to(sign, shape).copy(),
    }


def one(operation, images, bin=9, sign=1, transform=None):
    return (transform or AutoAugment()).apply(images, params_of(operation, bins=bin, sign=sign, count=len(images)))


# what is drawn --------------------------------------------------------------------------------------------------------


def test_the_policies_are_25_pairs_of_known_operations():
    assert list(POLICIES) == ["imagenet", "cifar10", "svhn"]
    for pairs in POLICIES.values():
        assert len(pairs) == 25
        for pair in pairs:
            assert len(pair) == 2
            for name, chance, bin in pair:
                assert name in LARGEST and name != "Identity" and 0 <= chance <= 1 and 0 <= bin <= 9


@pytest.mark.parametrize("policy", POLICIES)
def test_autoaugment_draws_each_pair_equally_often_and_its_operations_with_their_probabilities(policy):
    count = 20_000
    params = AutoAugment(policy).sample(np.arange(count), seed=2)
    for slot in range(2):
        expected = {"Identity": 0.0}
        for pair in POLICIES[policy]:
            name, chance, _ = pair[slot]
            expected[name] = expected.get(name, 0.0) + chance * count / 25
            expected["Identity"] += (1 - chance) * count / 25
        names, counts = np.unique(params["operation"][:, slot], return_counts=True)
        expected = {name: number for name, number in expected.items() if number}
        assert set(names) == set(expected)
        wanted = np.array([expected[name] for name in names])
        assert ((counts - wanted) ** 2 / wanted).sum() < 40  # chi-square of at most 13 degrees of freedom, 1 in 10,000
    pairs = {tuple((name, bin) for name, _, bin in pair) for pair in POLICIES[policy]}
    both = (params["operation"] != "Identity").all(axis=1)
    drawn = {tuple(zip(o, b)) for o, b in zip(params["operation"][both].tolist(), params["bin"][both].tolist())}
    assert drawn <= pairs and len(drawn) > 10  # the two of one pair, not of two


@pytest.mark.parametrize("kind", [RandAugment, TrivialAugment])
def test_the_other_two_draw_any_operation_equally_often(kind):
    count = 14_000
    params = kind().sample(np.arange(count), epoch=1, seed=3)
    assert len(AT_RANDOM) == 14 and "Invert" not in AT_RANDOM
    for slot in range(params["operation"].shape[1]):
        names, counts = np.unique(params["operation"][:, slot], return_counts=True)
        assert set(names) == set(AT_RANDOM)
        assert ((counts - 1000) ** 2 / 1000).sum() < 34.5  # 13 degrees of freedom, 1 in 1000
    up = (params["sign"] == 1).mean(axis=0)
    assert set(np.unique(params["sign"])) == {-1, 1} and (abs(up - 0.5) < 4 * 0.5 / count**0.5).all()


def test_bins_are_uniform_in_trivialaugment_and_fixed_in_randaugment():
    bins = TrivialAugment().sample(np.arange(31_000), seed=1)["bin"]
    counts = np.bincount(bins.ravel(), minlength=31)
    assert len(counts) == 31 and ((counts - 1000) ** 2 / 1000).sum() < 59.7  # 30 degrees of freedom, 1 in 1000
    params = RandAugment(3, 5, 10).sample(np.arange(50))
    assert params["operation"].shape == (50, 3) and (params["bin"] == 5).all()
    first, second, _ = params["operation"].T
    assert (first != second).any()


@pytest.mark.parametrize("kind", KINDS)
def test_the_result_depends_on_seed_epoch_and_id_alone(kind, rng):
    images = images_of(np.uint8, rng, (40, C, H, W))
    transform = kind(p=0.9)
    everything = transform(images, epoch=2, seed=7)
    assert (everything != images).any()
    for ids in ([3], [39, 0, 17], list(range(40))[::-1]):
        assert np.array_equal(transform(images[ids], ids=ids, epoch=2, seed=7), everything[ids])
    assert not np.array_equal(transform(images, epoch=3, seed=7), everything)


# magnitudes -----------------------------------------------------------------------------------------------------------


def test_magnitudes_go_from_nothing_to_the_largest():
    size = (331, 662)
    narrow, wide = AutoAugment(), TrivialAugment()
    for name in SIGNED:
        for transform in (narrow, wide):
            values = transform.magnitudes(name, size)
            assert values[0] == 0 and np.allclose(np.diff(values), values[1])
    assert narrow.magnitudes("TranslateX", size)[-1] == 300 and narrow.magnitudes("TranslateY", size)[-1] == 150
    assert wide.magnitudes("TranslateX", size)[-1] == wide.magnitudes("TranslateY", size)[-1] == 32
    assert narrow.magnitudes("Posterize", size).tolist() == [8, 8, 7, 7, 6, 6, 5, 5, 4, 4]
    assert wide.magnitudes("Posterize", size)[[0, 15, 30]].tolist() == [8, 5, 2]
    assert narrow.magnitudes("Solarize", size)[[0, 9]].tolist() == [1, 0]
    assert narrow.magnitudes("Rotate", size)[-1] == 30 and wide.magnitudes("Rotate", size)[-1] == 135
    assert narrow.magnitudes("Color", size)[-1] == 0.9 and wide.magnitudes("Color", size)[-1] == 0.99
    assert len(wide.magnitudes("ShearX", size)) == 31 and wide.magnitudes("ShearX", size)[-1] == 0.99


@pytest.mark.parametrize("operation", [*SIGNED, "Posterize", "Identity"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_bin_0_changes_nothing(operation, dtype, rng):
    images = images_of(dtype, rng)
    got = one(operation, images, bin=0, sign=-1)
    # in float images posterizing to 8 bits leaves 256 levels
    assert got.dtype == dtype and np.abs(got - images.astype(float)).max() <= (
        1 / 256 if operation == "Posterize" else 0
    )


# operations -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_translations_are_whole_pixels_the_way_the_sign_says(dtype, rng):
    images = images_of(dtype, rng)
    x, y = int(150 / 331 * W), int(150 / 331 * H)  # 10 and 7
    right, left, down = (
        one(*o) for o in (("TranslateX", images), ("TranslateX", images, 9, -1), ("TranslateY", images))
    )
    assert np.array_equal(right[..., x:], images[..., :-x]) and not right[..., :x].any()
    assert np.array_equal(left[..., :-x], images[..., x:]) and not left[..., -x:].any()
    assert np.array_equal(down[..., y:, :], images[..., :-y, :]) and not down[..., :y, :].any()


def test_shears_move_rows_and_columns_in_proportion_from_the_corner(rng):
    images = images_of(np.uint8, rng, (1, 1, H, W))
    turned = one("ShearX", images)[0, 0]
    for i in range(H):
        for j in range(W):
            x = round((j + 0.5) + 0.3 * (i + 0.5) - 0.5)  # the source is x + m * y, about the corner
            assert turned[i, j] == (images[0, 0, i, x] if 0 <= x < W else 0), (i, j)
    transposed = one("ShearY", np.ascontiguousarray(images.transpose(0, 1, 3, 2)))[0, 0]
    assert np.array_equal(transposed.T, turned)


def test_a_rotation_is_that_of_rotate(rng):
    images = images_of(np.uint8, rng)
    for sign in (1, -1):
        assert np.array_equal(one("Rotate", images, 9, sign), Rotate((30 * sign, 30 * sign))(images))


def test_fill_and_interpolation_reach_the_geometric_operations(rng):
    images = images_of(np.uint8, rng)
    transform = RandAugment(interpolation="bilinear", fill=(1, 2, 3), num_magnitude_bins=10)
    got = one("Rotate", images, transform=transform)
    assert np.array_equal(got, Rotate((30, 30), "bilinear", fill=(1, 2, 3))(images))
    assert not np.array_equal(got, one("Rotate", images))
    assert np.array_equal(one("TranslateX", images, transform=transform)[:, :, 0, 0], np.tile([1, 2, 3], (N, 1)))


def test_each_sample_has_its_own_operation_in_each_slot(rng):
    names = sorted(LARGEST)
    images = images_of(np.uint8, rng, (len(names) ** 2, C, H, W))
    params = params_of("Identity", "Identity", bins=rng.integers(0, 10, (len(images), 2)), count=len(images))
    params["operation"] = np.array([[a, b] for a in names for b in names])
    params["sign"] = rng.choice([-1, 1], params["sign"].shape)
    params["applied"] = rng.random(len(images)) < 0.8
    before = images.copy()
    got = AutoAugment().apply(images, params)
    assert np.array_equal(images, before)
    for n in range(len(images)):
        wanted = images[n : n + 1]
        for slot in range(2) if params["applied"][n] else ():
            wanted = one(params["operation"][n, slot], wanted, params["bin"][n, slot], params["sign"][n, slot])
        assert np.array_equal(got[n], wanted[0]), params["operation"][n]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(30, 3, 17, 23), (30, 1, 28, 28), (30, 3, 1, 1), (30, 1, 2, 5)])
def test_any_images_of_one_or_three_channels(kind, dtype, shape, rng):
    images = images_of(dtype, rng, shape)
    got = kind()(images, seed=4)
    assert got.shape == shape and got.dtype == dtype
    if dtype != np.uint8:
        assert got.min() >= 0 and got.max() <= 1
    assert np.array_equal(kind(p=0)(images, seed=4), images)


def test_of_one_channel_color_changes_nothing(rng):
    images = images_of(np.uint8, rng, (N, 1, H, W))
    assert np.array_equal(one("Color", images), images)
    assert not np.array_equal(one("Contrast", images), images)


def test_boxes_keypoints_and_masks_follow(rng):
    images = images_of(np.uint8, rng, (2, 3, 40, 50))
    masks = images[:, :1]
    targets = {"masks": masks, "boxes": [[[5, 6, 9, 12]]] * 2, "keypoints": [[[5, 6]]] * 2}
    params = params_of("TranslateX", "Solarize", bins=[[9, 3]], count=2)
    params["operation"][1] = ["Invert", "Rotate"]
    moved, out = AutoAugment().apply(images, params, targets=targets)
    shift = int(150 / 331 * 50)
    np.testing.assert_allclose(out["boxes"][0], [[5 + shift, 6, 9 + shift, 12]])
    np.testing.assert_allclose(out["keypoints"][0], [[5 + shift, 6]])
    assert np.array_equal(out["masks"][0], one("TranslateX", masks[:1])[0])
    wanted = Rotate((10, 10)).apply(images, {"applied": np.ones(2, bool), "angle": np.full(2, 10.0)}, targets=targets)[
        1
    ]
    assert np.array_equal(out["masks"][1], wanted["masks"][1]) and moved.shape == images.shape
    np.testing.assert_allclose(out["keypoints"][1], wanted["keypoints"][1])


# options --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make, error, text",
    [
        (
            lambda: AutoAugment("mnist"),
            ValueError,
            "AutoAugment: policy must be one of 'imagenet', 'cifar10', 'svhn', got 'mnist'",
        ),
        (lambda: AutoAugment(interpolation="lanczos"), ValueError, "AutoAugment: interpolation must be one of"),
        (lambda: RandAugment(-1), ValueError, "RandAugment: num_ops must be an integer from 0 on, got -1"),
        (lambda: RandAugment(magnitude=31), ValueError, "magnitude 31 is no bin: there are 31, 0 to 30"),
        (lambda: RandAugment(magnitude=9.5), TypeError, "magnitude must be an integer, got 9.5"),
        (
            lambda: TrivialAugment(1),
            ValueError,
            "TrivialAugment: num_magnitude_bins must be an integer from 2 on, got 1",
        ),
        (lambda: TrivialAugment(p=-1), ValueError, "TrivialAugment: p must be a probability"),
        (
            lambda: RandAugment(fill=(1, 2))(np.zeros((40, 3, 4, 5), np.uint8)),
            ValueError,
            "fill has 2 numbers, but .* 3 channels",
        ),
        (
            lambda: AutoAugment()(np.zeros((4, 4, 5, 5), np.uint8)),
            ValueError,
            "AutoAugment: images must have 1 or 3 channels, got 4",
        ),
    ],
)
def test_what_can_not_be(make, error, text):
    with pytest.raises(error, match=text):
        make()


@pytest.mark.parametrize("transform, bins", [(RandAugment(), 31), (AutoAugment(), 10)])
@pytest.mark.parametrize("bin", [-1, 40])
def test_bins_that_there_are_not(transform, bins, bin, rng):
    params = params_of("Rotate", "Color", bins=bin)
    with pytest.raises(ValueError, match=rf'Augment: params\["bin"\] must be from 0 to below {bins}, got {bin}'):
        transform.apply(images_of(np.uint8, rng), params)


@pytest.mark.parametrize("kind", KINDS)
def test_no_fill_is_0(kind):
    assert kind(fill=None).fill == kind(fill=0).fill


def test_no_operation_at_all(rng):
    images = images_of(np.uint8, rng)
    assert np.array_equal(RandAugment(0)(images), images)


def test_the_names_and_how_they_print():
    assert TrivialAugmentWide is TrivialAugment
    assert repr(AutoAugment("svhn")) == "AutoAugment(p=1.0, interpolation='nearest', fill=(0.0,), policy='svhn')"
    assert "num_ops=2, magnitude=9, bins=31" in repr(RandAugment())


def test_in_a_recipe_moves_are_joined_with_those_before(rng):
    """A translation after an affine transform is one sampling pass: the same as one affine transform with both."""
    from minitorch_cnn.augment import Compose

    images = images_of(np.uint8, rng, (1, 3, 40, 40))
    recipe = Compose([Affine(0, translate=(0.1, 0), interpolation="bilinear"), AutoAugment()])
    params = recipe.sample([0])
    params["transforms"][0]["translate"] = np.array([[0.1, 0.0]])
    params["transforms"][1].update(params_of("TranslateX", "TranslateX", bins=[[1, 1]], sign=[[1, -1]], count=1))
    got = recipe.apply(images, params)
    assert np.array_equal(got[..., 4:36], images[..., 0:32])
