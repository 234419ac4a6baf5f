"""What every transform keeps to: parameters apart from arithmetic, any batch the same, inputs untouched, errors in words."""

import re

import numpy as np
import pytest

import minitorch_cnn as mt
from minitorch_cnn import augment as A

RECIPES = {
    "Pad": lambda: A.Pad((1, 2, 0, 3), fill=(1, 0, 1), padding_mode="constant"),
    "Pad reflect": lambda: A.Pad(2, padding_mode="reflect"),
    "RandomCrop": lambda: A.RandomCrop((4, 3)),
    "RandomCrop padded": lambda: A.RandomCrop((5, 7), padding=(1, 2), fill=1),
    "CenterCrop": lambda: A.CenterCrop((3, 4)),
    "FiveCrop": lambda: A.FiveCrop((3, 4)),
    "TenCrop": lambda: A.TenCrop(2),
    "HorizontalFlip": lambda: A.HorizontalFlip(),
    "VerticalFlip": lambda: A.VerticalFlip(p=0.3),
    "Affine": lambda: A.Affine(30, (0.2, 0.1), (0.7, 1.4), (-5, 5, -10, 10), "bilinear", p=0.7),
    "Rotate": lambda: A.Rotate(40, interpolation="bicubic", p=0.6, fill=0.5),
    "Perspective": lambda: A.Perspective(0.6, p=0.7),
    "Compose": lambda: A.Compose([A.RandomCrop(4, padding=1), A.Rotate(20, p=0.5), A.HorizontalFlip()]),
    "OneOf": lambda: A.OneOf([A.HorizontalFlip(), A.Compose([A.VerticalFlip(0.5), A.Rotate(90)])], p=0.8),
    "SomeOf": lambda: A.SomeOf([A.HorizontalFlip(), A.VerticalFlip(), A.Affine(10, p=0.2)], n=2, p=0.7),
    "RandomApply": lambda: A.RandomApply([A.Rotate(10), A.HorizontalFlip()], p=0.4),
}
SIZE = (3, 5, 7)


def images_of(rng, N=6, dtype=np.uint8, size=SIZE):
    return (
        rng.integers(0, 256, (N, *size), dtype=np.uint8) if dtype == np.uint8 else rng.random((N, *size)).astype(dtype)
    )


def same(a, b):
    """Parameters, compared in depth."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return np.array_equal(a, b)


every_recipe = pytest.mark.parametrize("name", RECIPES)


@every_recipe
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_calling_is_sampling_and_applying(name, dtype, rng):
    transform, images, ids = RECIPES[name](), images_of(rng, dtype=dtype), np.array([3, 9, 0, 4, 11, 2])
    params = transform.sample(ids, 5, 1)
    called = transform(images, ids=ids, epoch=5, seed=1)
    assert np.array_equal(called, transform.apply(images, params))
    assert np.array_equal(called, transform.apply(images, params)), "parameters can be applied twice"
    assert called.dtype == dtype and isinstance(called, np.ndarray)
    assert same(params, transform.sample(ids, 5, 1))


@every_recipe
def test_a_sample_is_changed_the_same_in_any_batch(name, rng):
    transform, images, ids = RECIPES[name](), images_of(rng), np.array([3, 9, 0, 4, 11, 2])
    together = transform(images, ids=ids, epoch=2, seed=8)
    for n in range(6):
        assert np.array_equal(transform(images[n : n + 1], ids=ids[n : n + 1], epoch=2, seed=8)[0], together[n])
    order = np.array([5, 1, 3, 0, 4, 2])
    assert np.array_equal(transform(images[order], ids=ids[order], epoch=2, seed=8), together[order])


@every_recipe
def test_the_given_arrays_and_parameters_stay_as_they_are(name, rng):
    transform, images = RECIPES[name](), images_of(rng)
    labels, before = np.arange(6), images.copy()
    images.flags.writeable = labels.flags.writeable = False
    params = transform.sample(np.arange(6))
    kept = transform.sample(np.arange(6))
    transform.apply(images, params, labels)
    assert np.array_equal(images, before) and np.array_equal(labels, np.arange(6)) and same(params, kept)


@pytest.mark.parametrize("name", sorted(set(RECIPES) - {"FiveCrop", "TenCrop"}))
def test_the_given_targets_stay_as_they_are(name, rng):
    images, masks = images_of(rng), images_of(rng, size=(2, 5, 7))
    boxes, points = [np.array([[1.0, 0, 3, 4, 9]])] * 6, [np.array([[2.0, 3, 9]])] * 6
    masks.flags.writeable = boxes[0].flags.writeable = points[0].flags.writeable = False
    targets = {"masks": masks, "boxes": boxes, "keypoints": points}
    out, moved = RECIPES[name]()(images, targets=targets)
    assert targets["masks"] is masks and targets["boxes"] is boxes and targets["keypoints"] is points
    assert moved["masks"].shape == (6, 2, *out.shape[2:]) and moved["masks"].dtype == np.uint8
    assert len(moved["boxes"]) == len(moved["keypoints"]) == 6
    assert all(b.shape[1] == 5 for b in moved["boxes"]) and all(k.shape[1] == 3 for k in moved["keypoints"])


@every_recipe
@pytest.mark.parametrize("layout", ["transposed", "reversed", "strided", "fortran"])
def test_images_needn_t_be_contiguous(name, layout, rng):
    images = images_of(rng)
    views = {
        "transposed": np.ascontiguousarray(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
        "reversed": np.ascontiguousarray(images[::-1, :, ::-1, ::-1])[::-1, :, ::-1, ::-1],
        "strided": np.repeat(np.repeat(images, 2, 0), 3, 3)[::2, :, :, ::3],
        "fortran": np.asfortranarray(images),
    }
    assert np.array_equal(RECIPES[name]()(views[layout]), RECIPES[name]()(images))


@every_recipe
def test_one_channel_gets_what_it_gets_beside_others(name, rng):
    if name == "Pad":
        pytest.skip("its fill has three channels")
    images, transform = images_of(rng), RECIPES[name]()
    alone = transform(images[:, 1:2])
    axis = alone.ndim - 3
    assert np.array_equal(alone, np.take(transform(images), [1], axis))


@pytest.mark.parametrize(
    "name", ["HorizontalFlip", "VerticalFlip", "Affine", "Rotate", "Perspective", "RandomApply", "OneOf", "SomeOf"]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_what_is_not_applied_is_exactly_what_it_was(name, dtype, rng):
    transform, images = RECIPES[name](), images_of(rng, 40, dtype)
    params = transform.sample(np.arange(40))
    applied = params["applied"]
    assert applied.any() and not applied.all()
    out = transform.apply(images, params)
    assert np.array_equal(out[~applied], images[~applied])
    changed = (out != images).any(axis=(1, 2, 3))
    assert changed.any() and not changed[~applied].any()
    transform.p = 0.0
    assert np.array_equal(transform(images), images)


@pytest.mark.parametrize("p", [0.25, 0.8])
def test_p_is_how_many_are_changed(p):
    applied = A.HorizontalFlip(p).sample(np.arange(5000))["applied"]
    assert abs(applied.mean() - p) < 4 * np.sqrt(p * (1 - p) / 5000)


def test_ids_default_to_counting_epochs_to_0_and_the_seed_to_manual_seeds(rng):
    images, transform = images_of(rng), A.Rotate(180)
    mt.manual_seed(3)
    out = transform(images)
    assert np.array_equal(transform(images, ids=np.arange(6), epoch=0, seed=3), out)
    assert np.array_equal(transform(images, ids=[0, 1, 2, 3, 4, 5], epoch=np.int64(0)), out)
    assert not np.array_equal(transform(images, epoch=1), out)
    assert not np.array_equal(transform(images, seed=4), out)
    assert not np.array_equal(transform(images, ids=np.arange(6) + 1), out)


def test_what_was_given_comes_back(rng):
    images, labels, targets = images_of(rng), np.arange(6), {"masks": images_of(rng, size=(1, 5, 7))}
    transform = A.HorizontalFlip(1)
    assert isinstance(transform(images), np.ndarray)
    out, same_labels = transform(images, labels)
    assert same_labels is labels
    assert len(transform(images, labels, targets=targets)) == 3
    out, moved = transform(images, targets=targets)
    assert isinstance(moved, dict) and np.array_equal(moved["masks"], targets["masks"][..., ::-1])
    assert np.array_equal(transform(images, labels=labels)[1], labels)


def test_parameters_can_be_changed_by_hand(rng):
    images, transform = images_of(rng, 3), A.Rotate(180)
    params = transform.sample([0, 1, 2])
    params["angle"][:] = [0, 180, 0]
    params["applied"][:] = [True, True, False]
    out = transform.apply(images, params)
    assert np.array_equal(out, np.stack([images[0], images[1, :, ::-1, ::-1], images[2]]))


# bad input ------------------------------------------------------------------------------------------------------------

FLIP = A.HorizontalFlip(1)
IMAGES = np.zeros((2, 3, 4, 5), np.uint8)
BAD_IMAGES = [
    (
        mt.Tensor(np.zeros((1, 3, 4, 5), np.float32)),
        TypeError,
        "HorizontalFlip: images must be an array, got a Tensor; give images.data",
    ),
    ([[1]], TypeError, "HorizontalFlip: images must be a NumPy or CuPy array, got list"),
    (None, TypeError, "HorizontalFlip: images must be a NumPy or CuPy array, got NoneType"),
    (
        IMAGES[0],
        ValueError,
        "HorizontalFlip: images must be (N, C, H, W), got 3 dimensions: (3, 4, 5); for one image give image[None]",
    ),
    (IMAGES[None], ValueError, "HorizontalFlip: images must be (N, C, H, W), got 5 dimensions"),
    (IMAGES[0, 0], ValueError, "HorizontalFlip: images must be (N, C, H, W), got 2 dimensions: (4, 5)"),
    (np.zeros((2, 28, 29, 3), np.uint8), ValueError, "(2, 28, 29, 3) looks like (N, H, W, C)"),
    (np.zeros((2, 8, 8, 3), np.uint8), ValueError, "(2, 8, 8, 3) looks like (N, H, W, C)"),
    (IMAGES[:0], ValueError, "no image in an array of shape (0, 3, 4, 5)"),
    (IMAGES[:, :, :0], ValueError, "no image in an array of shape (2, 3, 0, 5)"),
    (IMAGES.astype(np.int64), TypeError, "images must be uint8 (0 to 255) or float32 (0 to 1), got int64"),
    (IMAGES.astype(bool), TypeError, "got bool"),
    (IMAGES.astype(np.float16), TypeError, "got float16"),
    (IMAGES.astype(">f4"), TypeError, "got >f4"),
]


@pytest.mark.parametrize("images, error, message", BAD_IMAGES, ids=[str(n) for n in range(len(BAD_IMAGES))])
def test_bad_images_are_refused_in_words(images, error, message):
    with pytest.raises(error, match=re.escape(message)):
        FLIP(images)
    with pytest.raises(error, match=re.escape(message)):
        FLIP.apply(images, FLIP.sample([0, 1]))


BAD_CALLS = [
    (dict(ids=[0, 1, 2]), ValueError, "HorizontalFlip: 2 images, but 3 ids; images.shape=(2, 3, 4, 5)"),
    (dict(ids=[0, -1]), ValueError, "HorizontalFlip: ids must be a list of integers from 0 on"),
    (dict(ids=[0.0, 1.0]), ValueError, "HorizontalFlip: ids must be a list of integers from 0 on"),
    (dict(ids=[True, False]), ValueError, "HorizontalFlip: ids must be a list of integers"),
    (dict(ids=[[0], [1]]), ValueError, "HorizontalFlip: ids must be a list of integers"),
    (dict(epoch=-1), ValueError, "HorizontalFlip: epoch must be an integer from 0 on, got -1"),
    (dict(epoch=1.5), TypeError, "HorizontalFlip: epoch must be an integer, got 1.5"),
    (dict(epoch=True), ValueError, "HorizontalFlip: epoch must be an integer from 0 on, got True"),
    (
        dict(targets={"mask": 1}),
        ValueError,
        "targets must be a dictionary with any of masks, boxes, keypoints, got mask",
    ),
    (
        dict(targets={"masks": IMAGES[0]}),
        ValueError,
        "masks must be (2, channels, 4, 5) like the images, got (3, 4, 5)",
    ),
    (
        dict(targets={"masks": IMAGES[:, :, 1:]}),
        ValueError,
        "masks must be (2, channels, 4, 5) like the images, got (2, 3, 3, 5)",
    ),
    (dict(targets={"masks": [1]}), ValueError, "masks must be (2, channels, 4, 5) like the images, got list"),
    (
        dict(targets={"boxes": [np.zeros((1, 4))]}),
        ValueError,
        "boxes must be a list of 2 arrays (n, 4 or more), one an image",
    ),
    (dict(targets={"boxes": [np.zeros((1, 3))] * 2}), ValueError, "boxes must be a list of 2 arrays (n, 4 or more)"),
    (dict(targets={"keypoints": [np.zeros(2)] * 2}), ValueError, "keypoints must be a list of 2 arrays (n, 2 or more)"),
]


@pytest.mark.parametrize("options, error, message", BAD_CALLS, ids=[str(n) for n in range(len(BAD_CALLS))])
def test_bad_arguments_are_refused_in_words(options, error, message):
    with pytest.raises(error, match=re.escape(message)):
        FLIP(IMAGES, **options)


def test_sampling_needs_ids_from_0_on():
    for ids in ([], [-1], 3, [1.5]):
        with pytest.raises(ValueError, match="HorizontalFlip: ids must be a list of integers from 0 on, at least one"):
            FLIP.sample(ids)


def test_parameters_of_other_samples_are_refused():
    with pytest.raises(
        ValueError, match="HorizontalFlip: the parameters are those of 3 samples, but there are 2 images"
    ):
        FLIP.apply(IMAGES, FLIP.sample([0, 1, 2]))
    recipe = A.Compose([FLIP])
    with pytest.raises(ValueError, match="Compose: the parameters are those of 3 samples, but there are 2 images"):
        recipe.apply(IMAGES, recipe.sample([0, 1, 2]))


@pytest.mark.parametrize("p", [-0.1, 1.1, np.nan, "1", None, True])
@pytest.mark.parametrize("build", [A.HorizontalFlip, lambda p: A.Rotate(1, p=p), lambda p: A.Compose([FLIP], p)])
def test_p_must_be_a_probability(build, p):
    with pytest.raises(ValueError, match=r"^\w+: p must be a probability from 0 to 1, got"):
        build(p)


def test_few_channels_and_narrow_images_are_no_mistake():
    for shape in ((1, 1, 1, 1), (2, 5, 5, 3), (2, 3, 1, 1), (2, 4, 7, 3), (1, 1, 9, 1)):
        images = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
        assert np.array_equal(FLIP(images), images[..., ::-1])


@pytest.mark.parametrize("shape", [(1, 2, 4, 4), (2, 5, 7, 3), (2, 16, 8, 1)])
def test_images_of_other_channels_may_be_narrow_too(shape):
    images = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    assert np.array_equal(FLIP(images), images[..., ::-1])


@pytest.mark.parametrize("ids", [5, np.int64(3)])
def test_one_number_for_ids_is_refused_in_words(ids):
    with pytest.raises(ValueError, match="HorizontalFlip: ids must be a list of integers"):
        FLIP(IMAGES, ids=ids)


def test_repr_names_the_options():
    assert repr(A.HorizontalFlip()) == "HorizontalFlip(p=0.5)"
    text = repr(A.RandomCrop(32, padding=4))
    assert text.startswith("RandomCrop(") and "size=(32, 32)" in text and "padding=(4, 4, 4, 4)" in text
    lines = repr(A.Compose([A.HorizontalFlip(), A.OneOf([A.VerticalFlip(0.25)])])).split("\n")
    assert lines == [
        "Compose(",
        "    HorizontalFlip(p=0.5),",
        "    OneOf(",
        "        VerticalFlip(p=0.25),",
        "    ),",
        ")",
    ]
    assert repr(A.RandomHorizontalFlip(0.5)) == repr(A.HorizontalFlip())


@pytest.mark.parametrize(
    "transform",
    [
        A.GaussianNoise(),
        A.SaltAndPepper(p=1.0),
        A.Sharpness(2.0, p=1.0),
        A.Normalize(0.5, 0.5),
        A.ImageCompression(p=1.0),
        A.Brightness(0.1),
        A.Equalize(p=1.0),
    ],
    ids=lambda t: t.name,
)
def test_float_images_of_0_to_255_are_refused_where_it_matters(transform):
    images = np.full((2, 3, 8, 9), 100, np.float32)
    message = "float images must be 0 to 1, these have values from 100 to 100; .* 0 to 255 are given as uint8"
    with pytest.raises(ValueError, match=f"{transform.name}: {message}"):
        transform(images)
    transform(images / 255)


def test_parameters_of_another_transform_are_refused_in_words():
    images = np.zeros((3, 3, 8, 9), np.uint8)
    with pytest.raises(
        ValueError, match="Affine: the parameters are those of another transform: 'translate' isn't among them"
    ):
        A.Affine(10).apply(images, A.Rotate(10).sample(np.arange(3)))


def test_applied_and_choices_of_containers_can_be_changed_by_hand(rng):
    x, N = images_of(rng), 6
    none, mirrored = np.zeros(N, bool), x[..., ::-1]
    recipe = A.Compose([A.HorizontalFlip(1)])
    assert np.array_equal(recipe.apply(x, {**recipe.sample(np.arange(N)), "applied": none}), x)
    one = A.OneOf([A.HorizontalFlip(1), A.VerticalFlip(1)], p=1)
    y = one.apply(x, {**one.sample(np.arange(N)), "choice": np.zeros(N, int)})
    assert np.array_equal(y, mirrored)
    some = A.SomeOf([A.VerticalFlip(1), A.HorizontalFlip(1)], n=1)
    y = some.apply(x, {**some.sample(np.arange(N)), "chosen": np.tile([False, True], (N, 1))})
    assert np.array_equal(y, mirrored)


@pytest.mark.parametrize("recipe", [A.RandomCrop(4), A.Compose([A.RandomCrop(4)])], ids=lambda t: t.name)
def test_a_crop_that_is_taken_back_for_a_sample_is_refused(recipe, rng):
    applied = np.arange(6) != 2
    with pytest.raises(
        ValueError, match="makes images of 5 x 7 into 4 x 4, so it can't be applied to some images only"
    ):
        recipe.apply(images_of(rng), {**recipe.sample(np.arange(6)), "applied": applied})


@pytest.mark.parametrize(
    "name, value, error, message",
    [
        (
            "factor",
            1.5,
            TypeError,
            r"the parameter 'factor' must be an array with a row .* 6 samples, got 1\.5",
        ),
        ("factor", [1.5] * 6, TypeError, r"the parameter 'factor' must be an array"),
        ("factor", np.float64(1.5), TypeError, r"the parameter 'factor' must be an array"),
        (
            "factor",
            np.full(5, 1.5),
            ValueError,
            r"the parameters are those of 5 samples, but there are 6 images; 'factor' is \(5,\)",
        ),
        (
            "applied",
            np.arange(6) % 2,
            TypeError,
            r"the parameter 'applied' must be True or False .* got array",
        ),
    ],
)
def test_parameters_of_another_shape_or_type_are_refused(name, value, error, message, rng):
    for recipe in (A.Brightness(0.5), A.Compose([A.HorizontalFlip(), A.Brightness(0.5)])):
        params = recipe.sample(np.arange(6))
        own = params["transforms"][1] if "transforms" in params else params
        own[name] = value
        with pytest.raises(error, match=f"{recipe.name}: {message}"):
            recipe.apply(images_of(rng), params)


def test_what_is_returned_never_is_the_callers_own(rng):
    x, masks = images_of(rng), images_of(rng)
    boxes, points = [np.array([[1.0, 1, 3, 4]])] * 6, [np.array([[2.0, 3]])] * 6
    given = {"masks": masks, "boxes": boxes, "keypoints": points}
    for p in (0, 1):
        y, targets = A.HorizontalFlip(p)(x, targets=given)
        assert not np.shares_memory(y, x) and not np.shares_memory(targets["masks"], masks)
        for kind in ("boxes", "keypoints"):
            assert not any(np.shares_memory(a, b) for a, b in zip(targets[kind], given[kind]))


@pytest.mark.parametrize(
    "targets, message",
    [
        (
            {"boxes": [[[1, 1, 3, 4]], [[2, 1, 4, 3], [4, 3, 2, 2]]]},
            r"boxes must be x1, y1, x2, y2 .* number 1 of image 1 is \[4\.0, 3",
        ),
        ({"boxes": [[], [[0, 0, np.nan, 2]]]}, r"number 0 of image 1 is \[0\.0, 0\.0, nan, 2\.0\]"),
        ({"keypoints": [[[1, np.inf]], []]}, r"keypoints must be x, y, finite numbers, but number 0 of image 0"),
        ({"boxes": [[[0, 0, 1, 1, "cat"]], []]}, r"boxes must be a list of 2 arrays of numbers .*cat"),
    ],
)
@pytest.mark.parametrize("p", [0, 1])
def test_boxes_and_points_that_are_none_are_refused(targets, message, p, rng):
    with pytest.raises(ValueError, match=message):
        A.HorizontalFlip(p)(images_of(rng, 2), targets=targets)
