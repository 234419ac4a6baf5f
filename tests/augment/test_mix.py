"""Mixup and CutMix: what is mixed with what, in which share, and that the labels say so."""

import numpy as np
import pytest
from closeness import assert_close

from minitorch_cnn.augment import Compose, HorizontalFlip, RandomCrop
from minitorch_cnn.augment.mix import CutMix, MixUp, Mixup
from minitorch_cnn.backend import cpu, reference
from minitorch_cnn.data import TensorDataset

N, C, H, W = 7, 3, 5, 4


def images_of(dtype, rng, shape=(N, C, H, W)):
    return rng.integers(0, 256, shape).astype(np.uint8) if dtype == np.uint8 else rng.random(shape).astype(dtype)


def both(name, *arguments):
    """The CPU form's result, after comparing it with the loops'."""
    given = [np.array(a) for a in arguments]
    got = getattr(cpu, name)(*arguments)
    wanted = getattr(reference, name)(*arguments)
    assert got.dtype == wanted.dtype and np.array_equal(got, wanted, equal_nan=True)
    for a, before in zip(arguments, given):
        assert np.array_equal(a, before, equal_nan=True)  # nothing is changed in place
    return got


# the primitives -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(N, C, H, W), (1, 1, 1, 1), (3, 10)])
def test_mix_is_the_weighted_mean(dtype, shape, rng):
    x, others = images_of(dtype, rng, shape), images_of(dtype, rng, (5, *shape[1:]))
    rows, lam = rng.integers(0, 5, len(x)), rng.random(len(x))
    lam[0] = 1
    y = both("mix", x, others, rows, lam)
    share = lam.reshape(-1, *[1] * (len(shape) - 1))
    exact = share * x.astype(float) + (1 - share) * others[rows].astype(float)
    tolerance = {np.uint8: 0.5 + 1e-4, np.float32: 1e-6, np.float64: 1e-14}[dtype]
    assert np.abs(y - exact).max() <= tolerance
    assert np.array_equal(y[0], x[0])


def test_mix_rounds_to_the_nearest_grey_level_and_never_overflows():
    x, others = np.array([[255, 0, 1, 3]], np.uint8), np.array([[255, 255, 0, 0]], np.uint8)
    assert both("mix", x, others, np.array([0]), np.array([0.5])).tolist() == [[255, 128, 0, 2]]
    for lam in np.linspace(0, 1, 101):
        assert both("mix", x[:, :1], others[:, :1], np.array([0]), np.array([lam])).item() == 255


def test_a_share_of_one_keeps_the_image_whatever_the_other_holds():
    x = np.ones((2, 1, 2, 3), np.float32)
    others = np.full_like(x, np.nan)
    y = both("mix", x, others, np.array([1, 0]), np.array([1.0, 0.5]))
    assert (y[0] == 1).all() and np.isnan(y[1]).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_paste_boxes_shows_the_other_image_in_the_box_alone(dtype, rng):
    x, others = images_of(dtype, rng), images_of(dtype, rng, (3, C, H, W))
    rows = np.array([2, 0, 1, 1, 0, 2, 2])
    boxes = np.array([[0, 0, W, H], [1, 2, 3, 5], [2, 2, 2, 4], [0, 0, 0, 0], [3, 0, 4, 1], [0, 4, 4, 5], [1, 1, 2, 5]])
    y = both("paste_boxes", x, others, rows, boxes)
    for n, (x1, y1, x2, y2) in enumerate(boxes):
        inside = np.zeros((H, W), bool)
        inside[y1:y2, x1:x2] = True
        assert np.array_equal(y[n][:, inside], others[rows[n]][:, inside])
        assert np.array_equal(y[n][:, ~inside], x[n][:, ~inside])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_forms_agree_on_batches_that_are_split_into_blocks_and_threads(dtype, rng):
    x, others = images_of(dtype, rng, (9, 3, 300, 301)), images_of(dtype, rng, (4, 3, 300, 301))
    rows, lam = rng.integers(0, 4, 9), rng.random(9)
    y = cpu.mix(x, others, rows, lam)
    pasted = cpu.paste_boxes(x, others, rows, np.tile([10, 20, 150, 290], (9, 1)))
    for n in range(9):  # sample by sample: one block, one thread
        assert np.array_equal(y[n], cpu.mix(x[n : n + 1], others, rows[n : n + 1], lam[n : n + 1])[0])
        wanted = x[n].copy()
        wanted[:, 20:290, 10:150] = others[rows[n], :, 20:290, 10:150]
        assert np.array_equal(pasted[n], wanted)


def test_views_that_are_not_contiguous_are_mixed_as_their_copies(rng):
    x = images_of(np.uint8, rng, (W, H, C, N)).transpose(3, 2, 1, 0)[::-1]
    rows, lam = np.roll(np.arange(N), 1), rng.random(N)
    assert np.array_equal(both("mix", x, x, rows, lam), cpu.mix(x.copy(), x.copy(), rows, lam))
    boxes = np.tile([1, 1, 3, 4], (N, 1))
    assert np.array_equal(both("paste_boxes", x, x, rows, boxes), cpu.paste_boxes(x.copy(), x.copy(), rows, boxes))


# the transforms -------------------------------------------------------------------------------------------------------


def constant(values, dtype=np.float64, size=(H, W)):
    """Images that show their number, and labels that are it."""
    values = np.asarray(values)
    return np.broadcast_to(values[:, None, None, None], (len(values), 1, *size)).astype(dtype), values


@pytest.mark.parametrize("kind", [Mixup, CutMix])
def test_the_label_tells_what_share_of_the_image_is_whose(kind):
    images, labels = constant(np.arange(N))
    mixed, shares = kind(num_classes=N)(images, labels, epoch=3, seed=1)
    assert shares.dtype == np.float32 and shares.shape == (N, N)
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-6)
    # an image's mean is that of the class numbers in it
    np.testing.assert_allclose(mixed.mean((1, 2, 3)), shares @ np.arange(N), atol=1e-5)
    for n in range(N):  # nobody else than the sample before
        assert set(np.flatnonzero(shares[n])) <= {n, (n - 1) % N}
    assert (shares[np.arange(N), np.arange(N)] < 1).any()


def test_each_sample_has_a_share_and_a_box_of_its_own(rng):
    params = CutMix(num_classes=2).sample(np.arange(50))
    assert set(params) == {"applied", "certain", "lam", "x", "y"}
    assert all(len(np.unique(params[name])) == 50 for name in ("lam", "x", "y"))
    assert len(np.unique(Mixup(num_classes=2).sample(np.arange(50))["lam"])) == 50


@pytest.mark.parametrize("kind", [Mixup, CutMix])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_what_is_not_applied_stays_and_its_label_is_one_hot(kind, dtype, rng):
    images, labels = images_of(dtype, rng), rng.integers(0, 4, N)
    transform = kind(num_classes=4, p=0.5)
    params = transform.sample(np.arange(N), epoch=2, seed=0)
    assert params["applied"].any() and not params["applied"].all()
    before = images.copy()
    mixed, shares = transform.apply(images, params, labels)
    assert mixed.dtype == dtype and np.array_equal(images, before)
    for n in np.flatnonzero(~params["applied"]):
        assert np.array_equal(mixed[n], images[n]) and np.array_equal(shares[n], np.eye(4)[labels[n]])
    mixed, shares = kind(num_classes=4, p=0)(images, labels)
    assert np.array_equal(mixed, images) and np.array_equal(shares, np.eye(4, dtype=np.float32)[labels])


@pytest.mark.parametrize("kind", [Mixup, CutMix])
def test_probabilities_are_mixed_as_class_numbers_are(kind, rng):
    images, labels = images_of(np.uint8, rng), rng.integers(0, 4, N)
    from_numbers = kind(num_classes=4)(images, labels, seed=5)
    for given in (np.eye(4)[labels], np.eye(4, dtype=np.float32)[labels], np.eye(4, dtype=int)[labels]):
        mixed, shares = kind()(images, given, seed=5)
        assert np.array_equal(mixed, from_numbers[0])
        assert_close(shares, from_numbers[1], 1e-7)


def test_a_batch_of_one_is_mixed_with_itself(rng):
    images = images_of(np.uint8, rng, (1, C, H, W))
    for kind in (Mixup, CutMix):
        mixed, shares = kind(num_classes=2)(images, np.array([1]))
        assert np.array_equal(mixed, images)
        np.testing.assert_allclose(shares, [[0, 1]], atol=1e-6)


def test_boxes_have_the_share_of_the_image_that_lam_leaves_unless_they_are_cut():
    size = (120, 200)
    images, labels = constant([0, 1], size=size)
    for lam in (0.0, 0.19, 0.5, 0.99, 1.0):
        params = {"applied": np.ones(2, bool), "lam": np.full(2, lam), "x": np.full(2, 0.5), "y": np.full(2, 0.5)}
        mixed, shares = CutMix(num_classes=2).apply(images, params, labels)
        half_w, half_h = int(0.5 * np.sqrt(1 - lam) * 200), int(0.5 * np.sqrt(1 - lam) * 120)
        assert mixed[0].sum() == 4 * half_w * half_h
        assert shares[0, 0] == pytest.approx(1 - 4 * half_w * half_h / (120 * 200), abs=1e-6)
        assert shares[0, 0] == pytest.approx(lam, abs=0.03)
        params = {**params, "x": np.zeros(2), "y": np.full(2, 1 - 1e-9)}  # in the lower left corner a quarter is left
        mixed, shares = CutMix(num_classes=2).apply(images, params, labels)
        assert mixed[0, 0, :, :half_w].sum() == mixed[0].sum() == half_w * (half_h + (half_h > 0))


def test_the_share_is_distributed_as_beta():
    def counts(alpha):
        lam = Mixup(alpha, num_classes=2).sample(np.arange(4000), seed=3)["lam"]
        assert (lam >= 0).all() and (lam <= 1).all()
        return np.histogram(lam, [0, 0.1, 0.9, 1])[0]

    assert ((counts(1.0) - [400, 3200, 400]) ** 2 / [400, 3200, 400]).sum() < 13.8  # chi-square, 1 in 1000
    ends = counts(0.2)
    assert ends[0] + ends[2] > 2400 and abs(ends[0] - ends[2]) < 200  # most shares near 0 or 1
    assert counts(20.0)[1] > 3990


# partners from a data set ---------------------------------------------------------------------------------------------


class ByItem:
    """A data set without `batch`."""

    def __init__(self, images, labels):
        self.images, self.labels, self.asked = images, labels, []

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        self.asked.append(i)
        return self.images[i], int(self.labels[i])


@pytest.mark.parametrize("kind", [Mixup, CutMix])
def test_with_a_data_set_the_result_depends_on_seed_epoch_and_id_alone(kind, rng):
    images, labels = images_of(np.uint8, rng, (20, C, H, W)), rng.integers(0, 10, 20)
    transform = kind(num_classes=10, dataset=TensorDataset(images, labels), p=0.8)
    all_of_them = transform(images, labels, epoch=4, seed=9)
    for ids in ([3], [19, 3, 0], list(range(20))[::-1]):
        mixed, shares = transform(images[ids], labels[ids], ids=ids, epoch=4, seed=9)
        assert np.array_equal(mixed, all_of_them[0][ids]) and np.array_equal(shares, all_of_them[1][ids])


@pytest.mark.parametrize("kind", [Mixup, CutMix])
def test_partners_come_from_the_whole_data_set_and_only_as_many_as_are_needed(kind):
    images, labels = constant(np.arange(5))
    others, other_labels = constant(np.arange(100, 110))
    dataset = ByItem(others, other_labels)
    transform = kind(num_classes=110, dataset=dataset, p=0.5)
    params = transform.sample(np.arange(5), epoch=1, seed=0)
    params["applied"], params["partner"] = np.arange(5) != 1, np.array([0.0, 0.05, 0.5, 0.999, 0.31])
    mixed, shares = transform.apply(images, params, labels)
    asked = [int(10 * f) for f in params["partner"][params["applied"]]]
    assert dataset.asked == asked == [0, 5, 9, 3]
    np.testing.assert_allclose(mixed.mean((1, 2, 3)), shares @ np.arange(110), rtol=1e-5)
    for n in range(5):
        partner = 100 + int(10 * params["partner"][n])
        assert set(np.flatnonzero(shares[n])) <= ({n, partner} if params["applied"][n] else {n})


def test_every_sample_of_the_data_set_may_be_the_partner():
    params = Mixup(num_classes=2, dataset=TensorDataset(np.zeros((10, 1, 2, 2)), np.zeros(10, int))).sample(
        np.arange(3000), seed=1
    )
    counts = np.bincount(np.floor(params["partner"] * 10).astype(int), minlength=10)
    assert ((counts - 300) ** 2 / 300).sum() < 27.9  # chi-square with 9 degrees of freedom, 1 in 1000


def test_in_a_recipe_the_partner_is_mixed_as_the_data_set_gives_it():
    images = np.tile(np.arange(4, dtype=np.float64), (2, 1, 3, 1))
    partner = np.tile(np.array([10.0, 20, 30, 40]), (1, 1, 3, 1))
    mixup = Mixup(num_classes=2, dataset=TensorDataset(partner, np.array([1])))
    recipe = Compose([HorizontalFlip(p=1), mixup])
    params = recipe.sample([0, 1])
    lam = params["transforms"][1]["lam"]
    mixed, shares = recipe.apply(images, params, np.array([0, 0]))
    for n in range(2):
        np.testing.assert_allclose(mixed[n, 0, 0], lam[n] * np.array([3, 2, 1, 0]) + (1 - lam[n]) * partner[0, 0, 0])
    np.testing.assert_allclose(shares[:, 0], lam, rtol=1e-6)


def test_in_a_recipe_the_sample_before_is_mixed_as_it_is_then(rng):
    images, labels = images_of(np.uint8, rng), np.arange(N)
    recipe = Compose([RandomCrop(4, padding=1), CutMix(num_classes=N)])
    params = recipe.sample(np.arange(N), seed=2)
    cropped = RandomCrop(4, padding=1).apply(images, params["transforms"][0])
    wanted, shares = CutMix(num_classes=N).apply(cropped, params["transforms"][1], labels)
    got, got_shares = recipe.apply(images, params, labels)
    assert np.array_equal(got, wanted) and np.array_equal(got_shares, shares)


# errors ---------------------------------------------------------------------------------------------------------------

IMAGES = np.zeros((3, 1, 4, 5), np.uint8)


@pytest.mark.parametrize(
    "options, labels, error, text",
    [
        ({}, None, ValueError, "none were given: transform\\(images, labels\\)"),
        ({}, np.array([0, 1, 2]), ValueError, "give num_classes"),
        ({"num_classes": 3}, np.array([0, 3, 2]), ValueError, "from 0 to 2, but number 1 of them is 3"),
        ({"num_classes": 3}, np.array([0, 1, -1]), ValueError, "number 2 of them is -1"),
        ({"num_classes": 3}, np.array([0, 1]), ValueError, "labels must be an array of 3, one an image, got 2"),
        ({"num_classes": 3}, np.zeros((3, 2, 2)), ValueError, r"got \(3, 2, 2\)"),
        ({"num_classes": 3}, np.zeros((3, 4)), ValueError, "4 probabilities each, but num_classes=3"),
        ({"num_classes": 3}, np.array([0.0, 1, 2]), TypeError, "must be integers, got float64"),
        ({"num_classes": 3}, [0, 1, 2], ValueError, "labels must be an array of 3, one an image, got list"),
    ],
)
@pytest.mark.parametrize("kind", [Mixup, CutMix])
def test_labels_that_can_not_be_mixed(kind, options, labels, error, text):
    with pytest.raises(error, match=f"{kind.__name__}: .*{text}"):
        kind(**options)(IMAGES, labels)


@pytest.mark.parametrize(
    "targets", [{"boxes": [np.zeros((0, 4))] * 3}, {"masks": IMAGES}, {"keypoints": [np.zeros((1, 2))] * 3}]
)
def test_targets_can_not_be_mixed(targets):
    with pytest.raises(ValueError, match=f"Mixup: can't mix {next(iter(targets))}: .*made of two"):
        Mixup(num_classes=2)(IMAGES, np.zeros(3, int), targets=targets)


@pytest.mark.parametrize(
    "dataset, text",
    [
        (TensorDataset(np.zeros((9, 1, 5, 4), np.uint8), np.zeros(9, int)), r"\(1, 4, 5\), but .*uint8 \(1, 5, 4\)"),
        (
            TensorDataset(np.zeros((9, 1, 4, 5), np.float32), np.zeros(9, int)),
            "uint8 .*float32 .*give it with a transform",
        ),
        (TensorDataset(np.zeros((9, 1, 4, 5), np.uint8)), "pairs of image and label, got 1 things"),
        (TensorDataset(np.zeros((9, 1, 4, 5), np.uint8), np.full(9, 5)), "from 0 to 1, but number 0 of them is 5"),
        (
            TensorDataset(np.zeros((9, 4, 5), np.uint8), np.zeros(9, int)),
            r"images must be \(C, H, W\), got \(4, 5\); for grey ones",
        ),
        ([(np.zeros((4, 5), np.uint8), 0)] * 9, r"images must be \(C, H, W\), got \(4, 5\); for grey ones"),
        (
            [(np.zeros((1, 4, 5 - i % 2), np.uint8), 0) for i in range(90)],
            r"gives \(1, 4, [45]\) for sample \d+, but \(1, 4, [45]\) for sample \d+; .*of one size",
        ),
        (
            [(np.zeros((1, 4, 5), np.uint8), [0] * (1 + i % 2)) for i in range(90)],
            r"gives \([12],\) for sample \d+, but \([12],\) for sample \d+; .*labels of one shape",
        ),
        ([(np.zeros((1, 4, 5), np.uint8), 0)] + [3] * 8, "pairs of image and label, got int"),
    ],
)
def test_a_data_set_that_does_not_fit(dataset, text):
    with pytest.raises(ValueError, match=f"Mixup: .*{text}"):
        Mixup(num_classes=2, dataset=dataset)(IMAGES, np.zeros(3, int))


def test_a_data_set_that_leaves_samples_out():
    class Skips(ByItem):
        def batch(self, indices):
            return self.images[indices[:-1]], self.labels[indices[:-1]]

    with pytest.raises(ValueError, match=r"3 samples were asked for, but the data set gave images \(2, .*skip_corrupt"):
        CutMix(num_classes=2, dataset=Skips(IMAGES, np.zeros(3, int)))(IMAGES, np.zeros(3, int))


@pytest.mark.parametrize("alpha", [0, -1, np.nan, np.inf, "1", None, True])
def test_alpha_must_be_above_zero(alpha):
    with pytest.raises(ValueError, match=r"Mixup: alpha, .*must be above 0"):
        Mixup(alpha)


def test_other_options_are_checked():
    with pytest.raises(ValueError, match="num_classes must be an integer from 1 on, got 0"):
        Mixup(num_classes=0)
    with pytest.raises(TypeError, match="CutMix: dataset needs len"):
        CutMix(dataset=3)
    with pytest.raises(ValueError, match="Mixup: the data set of the partners is empty"):
        Mixup(dataset=[])
    with pytest.raises(ValueError, match="CutMix: p must be a probability"):
        CutMix(p=2)


def test_the_names_and_how_they_print():
    assert MixUp is Mixup
    assert repr(Mixup(0.2, 10)) == "Mixup(alpha=0.2, num_classes=10, p=1.0)"
    dataset = TensorDataset(np.zeros((9, 1, 4, 5), np.uint8), np.zeros(9, int))
    assert "dataset=<TensorDataset of 9>" in repr(CutMix(dataset=dataset))
