"""Chains of geometric steps, made in one pass: the pixels of step by step, and boxes, keypoints and masks that follow them."""

from itertools import pairwise

import numpy as np
import pytest

from minitorch_cnn import augment as A
from minitorch_cnn.augment.batch import Batch
from minitorch_cnn.augment.geometry import forward, join, lies_inside, moved_boxes, moved_points, projective
from minitorch_cnn.backend import primitives as P
from minitorch_cnn.backend.reference.warp import one_step
from minitorch_cnn.backend.warp_step import Step

N = 7
SMOOTH = {  # name: what moves pixels by fractions
    "Affine": lambda: A.Affine(40, (0.1, 0.2), (0.8, 1.3), (-15, 15, -10, 10), "bilinear"),
    "Affine, some": lambda: A.Affine((20, 60), scale=(0.5, 0.9), interpolation="bilinear", p=0.5),
    "Rotate about a corner": lambda: A.Rotate(30, "bilinear", center=(2, 3)),
    "Perspective": lambda: A.Perspective(0.6, p=1),
    "crop, rotate": lambda: A.Compose([A.RandomCrop((10, 8)), A.Rotate(50, "bilinear")]),
    "rotate, crop, flip": lambda: A.Compose([A.Rotate(50, "bilinear"), A.CenterCrop((10, 8)), A.HorizontalFlip()]),
    "perspective, flip, rotate": lambda: A.Compose(
        [A.Perspective(0.4), A.VerticalFlip(), A.Rotate((30, 90), "bilinear", p=0.6)]
    ),
    "pad, affine, crop": lambda: A.Compose(
        [A.Pad((2, 3, 1, 0)), A.Affine(20, (0.2, 0.1), interpolation="bilinear"), A.RandomCrop(11, padding=1)]
    ),
    "one of": lambda: A.OneOf([A.Rotate(40, "bilinear"), A.Compose([A.VerticalFlip(), A.Perspective(0.5)])], p=0.9),
    "back and forth": lambda: A.Compose(
        [A.Affine(0, (0.5, 0), interpolation="bilinear"), A.Affine(0, (0.5, 0), interpolation="bilinear")]
    ),
}
WHOLE = {  # name: what moves pixels by whole numbers
    "HorizontalFlip": lambda: A.HorizontalFlip(),
    "VerticalFlip": lambda: A.VerticalFlip(),
    "both": lambda: A.Compose([A.HorizontalFlip(), A.VerticalFlip()]),
    "Pad": lambda: A.Pad((1, 2, 3, 0)),
    "RandomCrop": lambda: A.RandomCrop((9, 6)),
    "RandomCrop padded": lambda: A.RandomCrop((12, 9), padding=(4, 3)),
    "CenterCrop": lambda: A.CenterCrop((5, 8)),
    "pad, crop, flip": lambda: A.Compose([A.Pad(3), A.RandomCrop((7, 11)), A.HorizontalFlip()]),
    "flip, crop, flip, crop": lambda: A.Compose(
        [A.HorizontalFlip(), A.RandomCrop(8), A.VerticalFlip(), A.RandomCrop((5, 6))]
    ),
}


def places(N, H, W):
    """(N, 3, H, W) float64: x + 1, y + 1 and 1 of each pixel. Bilinear sampling keeps these exact; the 1 shows the inside."""
    i, j = np.mgrid[:H, :W]
    return np.tile(np.stack([j + 1.0, i + 1.0, np.ones((H, W))]), (N, 1, 1, 1))


def step_by_step(recipe, images, params):
    """What `recipe` does, each of its transforms in a pass of its own."""
    if not isinstance(recipe, A.Compose):
        return recipe.apply(images, params)
    for transform, own in zip(recipe.transforms, params["transforms"]):
        images = step_by_step(transform, images, own)
    return images


# keypoints ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMOOTH)
def test_a_keypoint_goes_where_its_pixel_goes(name):
    recipe, (H, W) = SMOOTH[name](), (13, 17)
    params = recipe.sample(np.arange(N), seed=3)
    out = recipe.apply(places(N, H, W), params)
    seen = 0
    for n in range(N):
        i, j = np.nonzero(np.abs(out[n, 2] - 1) < 1e-12)  # seen, and not blended with the fill
        sources = np.stack([out[n, 0, i, j] - 1, out[n, 1, i, j] - 1, np.arange(i.size)], axis=1)
        points = [sources if k == n else np.zeros((0, 3)) for k in range(N)]
        _, targets = recipe.apply(places(N, H, W), params, targets={"keypoints": points})
        moved = targets["keypoints"][n]
        assert np.array_equal(moved[:, 2], np.arange(i.size)), "all of them are in the image"
        np.testing.assert_allclose(moved[:, :2], np.stack([j, i], axis=1), atol=1e-8)
        seen += i.size
    assert seen > N * 10


def follows_exactly(recipe, params, H, W):
    """Each pixel of the image is where its keypoint and its box are, or is lost like them."""
    numbers = np.arange(1, H * W + 1, dtype=np.float64).reshape(1, 1, H, W)
    i, j = (k.ravel().astype(float) for k in np.mgrid[:H, :W])
    points = [np.stack([j, i, numbers.ravel()], axis=1)] * N
    boxes = [np.stack([j, i, j + 1, i + 1, numbers.ravel()], axis=1)] * N
    out, targets = recipe.apply(np.tile(numbers, (N, 1, 1, 1)), params, targets={"keypoints": points, "boxes": boxes})
    for n in range(N):
        rows, columns = np.nonzero(out[n, 0])
        seen = np.stack([columns, rows, out[n, 0, rows, columns]], axis=1)
        seen = seen[np.argsort(seen[:, 2])]
        found = targets["keypoints"][n], targets["boxes"][n]
        assert all(np.array_equal(f[:, -1], seen[:, 2]) for f in found), "what isn't seen is dropped, and nothing else"
        np.testing.assert_allclose(found[0], seen, atol=1e-9)
        np.testing.assert_allclose(found[1][:, :2], seen[:, :2], atol=1e-9)
        np.testing.assert_allclose(found[1][:, 2:4], seen[:, :2] + 1, atol=1e-9)


@pytest.mark.parametrize("name", WHOLE)
def test_pixels_keypoints_and_boxes_move_alike(name):
    recipe = WHOLE[name]()
    follows_exactly(recipe, recipe.sample(np.arange(N), seed=1), 10, 9)


GONE_AND_BACK = {
    "crop, pad": lambda: A.Compose([A.CenterCrop((6, 5)), A.Pad(3)]),
    "there and back": lambda: A.Compose([shift(3), shift(-3)]),
}


def shift(pixels, size=9):
    """A move to the right by so many pixels of `size`."""
    transform = A.Affine(0, (abs(pixels) / size, 0))
    transform.draw = lambda draws: {
        "angle": draws.uniform(0, 0),
        "translate": np.stack([draws.uniform(pixels / size, pixels / size), draws.uniform(0, 0)], axis=1),
        "scale": draws.uniform(1, 1),
        "shear": np.zeros((len(draws), 2)),
    }
    return transform


@pytest.mark.parametrize("name", GONE_AND_BACK)
def test_a_keypoint_that_left_is_gone_even_if_its_place_comes_back(name):
    recipe = GONE_AND_BACK[name]()
    follows_exactly(recipe, recipe.sample(np.arange(N)), 10, 9)


def test_keypoints_at_the_edges():
    """Inside is from half a pixel before the first pixel's middle to below half a pixel after the last one's."""
    points = np.array([[-0.5, -0.5], [-0.51, 0], [3.49, 2], [3.5, 2], [0, 2.49], [0, 2.5]])
    step = projective(np.tile(np.eye(3), (1, 1, 1)), np.array([True]), (3, 4), (3, 4))
    assert moved_points(points, [step], 0).tolist() == [[-0.5, -0.5], [3.49, 2], [0, 2.49]]


def test_flips_by_their_formulas(rng):
    H, W = 5, 8
    points, boxes = np.array([[1.25, 3.0, 7.0], [0, 0, 8]]), np.array([[1.0, 2, 3.5, 4, 6], [0, 0, 8, 5, 1]])
    images = rng.random((1, 2, H, W))
    targets = {"keypoints": [points], "boxes": [boxes]}
    _, flipped = A.HorizontalFlip(1)(images, targets=targets)
    assert flipped["keypoints"][0].tolist() == [[5.75, 3, 7], [7, 0, 8]]  # x -> W - 1 - x
    assert flipped["boxes"][0].tolist() == [[4.5, 2, 7, 4, 6], [0, 0, 8, 5, 1]]  # x -> W - x
    _, flipped = A.VerticalFlip(1)(images, targets=targets)
    assert flipped["keypoints"][0].tolist() == [[1.25, 1, 7], [0, 4, 8]]
    assert flipped["boxes"][0].tolist() == [[1, 1, 3.5, 3, 6], [0, 0, 8, 5, 1]]


def test_boxes_are_cut_at_the_image_and_empty_ones_dropped():
    boxes = np.array([[0.0, 0, 4, 4, 1], [3, 3, 7, 5, 2], [0, 0, 2, 2, 3], [7, 0, 9, 9, 4], [3, 3, 3, 5, 5]])
    _, targets = A.CenterCrop(5)(np.zeros((1, 1, 9, 9), np.uint8), targets={"boxes": [boxes]})
    assert targets["boxes"][0].tolist() == [[0, 0, 2, 2, 1], [1, 1, 5, 3, 2]]


@pytest.mark.parametrize("name", SMOOTH)
def test_a_box_bounds_what_was_in_it(name):
    recipe, (H, W) = SMOOTH[name](), (23, 29)
    params = recipe.sample(np.arange(N), seed=5)
    box = np.array([8.0, 6, 21, 17])
    out, targets = recipe.apply(places(N, H, W), params, targets={"boxes": [box[None]] * N})
    for n in range(N):
        x, y, shown = out[n, 0] - 0.5, out[n, 1] - 0.5, out[n, 2] > 1 - 1e-9  # edges lie half a pixel off
        i, j = np.nonzero(shown & (x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3]))
        if not i.size:
            continue
        x1, y1, x2, y2 = targets["boxes"][n][0]
        assert x1 <= j.min() + 0.5 and y1 <= i.min() + 0.5 and x2 >= j.max() + 0.5 and y2 >= i.max() + 0.5
        assert x1 >= 0 and y1 >= 0 and x2 <= out.shape[3] and y2 <= out.shape[2]
        if "crop" not in name and "back" not in name and shown.all():
            assert x1 > j.min() - 1.5 and y1 > i.min() - 1.5 and x2 < j.max() + 2.5 and y2 < i.max() + 2.5


def test_a_box_turned_by_45_degrees_is_the_upright_one_around_it():
    box = np.array([[6.0, 6, 10, 10]])
    _, targets = A.Rotate((45, 45))(np.zeros((1, 1, 16, 16), np.uint8), targets={"boxes": [box]})
    half = 2 * np.sqrt(2)
    np.testing.assert_allclose(targets["boxes"][0], [[8 - half, 8 - half, 8 + half, 8 + half]])


def test_images_without_boxes_or_points_keep_none(rng):
    boxes = [np.zeros((0, 4)), [], np.array([[0, 0, 2, 2]])]
    points = [[], np.zeros((0, 2)), [[1, 1]]]
    recipe = A.Compose([A.Rotate(10), A.HorizontalFlip()])
    _, targets = recipe(rng.random((3, 1, 5, 6)), targets={"boxes": boxes, "keypoints": points})
    assert [b.shape for b in targets["boxes"]] == [(0, 4), (0, 4), (1, 4)]
    assert [k.shape for k in targets["keypoints"]] == [(0, 2), (0, 2), (1, 2)]


def test_no_boxes_keep_their_further_columns(rng):
    _, targets = A.HorizontalFlip()(rng.random((1, 1, 5, 6)), targets={"boxes": [np.zeros((0, 5))]})
    assert targets["boxes"][0].shape == (0, 5)


@pytest.mark.parametrize("H, W", [(1, 1), (1, 6), (5, 1)])
def test_thin_images_and_their_targets(H, W):
    recipe = A.Compose([A.Pad(1), A.HorizontalFlip(1), A.VerticalFlip(1), A.RandomCrop((H, W))])
    follows_exactly(recipe, recipe.sample(np.arange(N)), H, W)


# masks ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", {**SMOOTH, **WHOLE})
def test_masks_move_like_images_sampled_at_the_nearest_pixel(name, rng):
    recipe = {**SMOOTH, **WHOLE}[name]()
    for part in [recipe, *getattr(recipe, "transforms", [])]:
        for inner in [part, *getattr(part, "transforms", [])]:
            if hasattr(inner, "interpolation"):
                inner.interpolation = "nearest"
    images, params = rng.integers(0, 256, (N, 2, 13, 11), dtype=np.uint8), recipe.sample(np.arange(N))
    out, targets = recipe.apply(images, params, targets={"masks": images})
    assert np.array_equal(targets["masks"], out)


def test_masks_are_black_outside_and_have_no_new_values(rng):
    images, masks = rng.random((N, 3, 12, 14)), rng.integers(1, 5, (N, 1, 12, 14), dtype=np.uint8) * 50
    recipe = A.Compose([A.Pad(2, fill=1), A.Rotate((40, 40), "bilinear", fill=(1, 0.5, 1)), A.RandomCrop(10)])
    _, targets = recipe(images, targets={"masks": masks})
    assert set(np.unique(targets["masks"])) == {0, 50, 100, 150, 200}


@pytest.mark.parametrize("dtype", [bool, np.int64, np.int32, np.float32])
def test_masks_of_every_dtype_keep_it(dtype, rng):
    images, masks = rng.random((N, 3, 9, 8)), rng.integers(0, 2, (N, 1, 9, 8)).astype(dtype)
    for recipe in (A.HorizontalFlip(), A.Rotate(90)):
        params = recipe.sample(np.arange(N))
        _, targets = recipe.apply(images, params, targets={"masks": masks})
        assert targets["masks"].dtype == dtype
        assert np.array_equal(targets["masks"], recipe.apply(masks.astype(np.uint8), params))


# one pass against several ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMOOTH)
def test_one_pass_shows_what_several_show_away_from_borders(name):
    recipe, images = SMOOTH[name](), places(N, 21, 25)
    params = recipe.sample(np.arange(N), seed=2)
    once, several = recipe.apply(images, params), step_by_step(recipe, images, params)
    both = (np.abs(once[:, 2:] - 1) < 1e-9) & (np.abs(several[:, 2:] - 1) < 1e-9)
    assert both.mean() > 0.2
    # a line stays a line but for a perspective, whose curve the second pass takes for straight between pixels
    atol = 0.02 if name.startswith("perspective") else 1e-9
    np.testing.assert_allclose(np.where(both, once, 0), np.where(both, several, 0), atol=atol)
    assert not ((once[:, 2] > 1 - 1e-9) & (several[:, 2] == 0)).any(), "seen, though it was lost on the way"
    assert not ((once[:, 2] == 0) & (several[:, 2] > 1 - 1e-9)).any(), "lost, though it is there"


QUARTERS = [(90, 90), (180, 180), (270, 270), (0, 0)]


@pytest.mark.parametrize("first", QUARTERS)
@pytest.mark.parametrize("second", QUARTERS)
def test_quarter_turns_with_shifts_between_them_are_exact(first, second, rng):
    recipe = A.Compose(
        [
            A.Rotate(first, fill=3),
            shift(4, 8),
            A.Affine(second, fill=7),
            shift(-4, 8),
            A.Pad(1, 9),
            A.HorizontalFlip(0.5),
        ]
    )
    images = rng.integers(10, 256, (N, 2, 8, 8), dtype=np.uint8)
    params = recipe.sample(np.arange(N))
    assert np.array_equal(recipe.apply(images, params), step_by_step(recipe, images, params))


def test_turning_a_crop_shows_fill_in_its_corners_not_what_was_cut_off():
    images = np.full((1, 1, 32, 32), 200, np.uint8)
    for interpolation in ("nearest", "bilinear", "bicubic"):
        out = A.Compose([A.CenterCrop(16), A.Rotate((45, 45), interpolation, fill=9)])(images)[0, 0]
        assert out[0, 0] == out[0, -1] == out[-1, 0] == out[-1, -1] == 9 and out[8, 8] == 200
        turned_first = A.Compose([A.Rotate((45, 45), interpolation, fill=9), A.CenterCrop(16)])(images)[0, 0]
        assert (turned_first == 200).all(), "the other way round there is enough around it"


def test_what_moved_out_and_back_in_is_fill(rng):
    images = rng.integers(1, 256, (1, 2, 4, 9), dtype=np.uint8)
    out = A.Compose([shift(3), shift(-3)])(images)
    assert np.array_equal(out[..., :6], images[..., :6]) and not out[..., 6:].any()
    out = A.Compose([shift(3), A.HorizontalFlip(1), shift(3)])(images)
    assert np.array_equal(out[..., 3:], images[..., :6][..., ::-1]) and not out[..., :3].any()


def test_each_steps_own_fill_and_border_are_seen(rng):
    images = rng.integers(10, 256, (2, 3, 4, 5), dtype=np.uint8)
    for recipe in (
        [A.Pad(1, fill=1), A.Pad(1, fill=2)],
        [A.Pad(1, fill=(1, 5, 9)), A.Pad(2, padding_mode="reflect")],
        [A.Pad(2, padding_mode="symmetric"), A.RandomCrop(3), A.Pad(1, fill=4), A.HorizontalFlip()],
        [A.Pad(2, padding_mode="edge"), A.Pad(3, padding_mode="reflect"), A.CenterCrop((9, 8))],
        [A.RandomCrop(2), A.Pad(4, padding_mode="symmetric")],
        [A.RandomCrop(2), A.Pad(4, padding_mode="reflect"), A.VerticalFlip(1), A.Pad((1, 0), 3), A.RandomCrop((5, 6))],
    ):
        recipe = A.Compose(recipe)
        params = recipe.sample([0, 1])
        assert np.array_equal(recipe.apply(images, params), step_by_step(recipe, images, params)), recipe


def test_a_step_with_a_border_between_turns(rng):
    images = places(3, 12, 15)
    recipe = A.Compose([A.CenterCrop((8, 9)), A.Pad(6, padding_mode="reflect"), A.Rotate((30, 30), "bilinear")])
    params = recipe.sample([0, 1, 2])
    once, several = recipe.apply(images, params), step_by_step(recipe, images, params)
    both = (np.abs(once[:, 2:] - 1) < 1e-9) & (np.abs(several[:, 2:] - 1) < 1e-9)
    assert both.mean() > 0.8
    np.testing.assert_allclose(np.where(both, once, 0), np.where(both, several, 0), atol=1e-9)


# steps ----------------------------------------------------------------------------------------------------------------


def chain_of(recipe, N=3, size=(10, 12)):
    batch = Batch(np.zeros((N, 2, *size), np.uint8))
    recipe = A.Compose(recipe)
    recipe.change(batch, recipe.sample(np.arange(N)))
    return batch.chain


@pytest.mark.parametrize(
    "recipe, steps",
    [
        ([A.HorizontalFlip(), A.VerticalFlip(), A.HorizontalFlip()], 1),
        ([A.RandomCrop(10, padding=4), A.HorizontalFlip()], 1),
        ([A.Rotate(30), A.CenterCrop(8), A.HorizontalFlip()], 1),
        ([A.HorizontalFlip(), A.Rotate((30, 40))], 1),  # nothing is cut off before
        ([A.Pad(3), A.Rotate((30, 40))], 1),
        ([A.Pad(3, fill=1), A.Rotate((30, 40))], 2),  # which fill is seen matters
        ([A.CenterCrop(8), A.Rotate((30, 40))], 2),  # what was cut off mustn't be seen
        ([A.Rotate((30, 40)), A.Rotate((30, 40))], 2),
        ([A.CenterCrop(8), A.Pad(1)], 2),
        ([A.Pad(1, padding_mode="edge"), A.CenterCrop(8)], 1),
        ([A.CenterCrop(8), A.Pad(1, padding_mode="edge")], 2),
    ],
)
def test_steps_are_joined_where_nothing_is_lost(recipe, steps):
    assert len(join(chain_of(recipe))) == steps


def test_joining_leaves_the_chain_alone_and_keeps_sizes():
    chain = chain_of([A.Pad(1), A.RandomCrop((7, 5)), A.HorizontalFlip(), A.Rotate((20, 20))])
    before = [(step, step.numbers.copy()) for step in chain]
    joined = join(chain)
    assert len(chain) == 4 and all(a is b and np.array_equal(a.numbers, n) for a, (b, n) in zip(chain, before))
    assert joined[0].input_size == (10, 12) and joined[-1].output_size == (7, 5)
    assert all(a.output_size == b.input_size for a, b in pairwise(joined))
    assert join([]) == []


@pytest.mark.parametrize(
    "matrix, inside",
    [
        (np.eye(3), True),
        ([[-1, 0, 3], [0, 1, 0], [0, 0, 1]], True),
        ([[1, 0, 0.1], [0, 1, 0], [0, 0, 1]], False),
        ([[1, 0, 1e-9], [0, 1, 0], [0, 0, 1]], True),  # rounding
        ([[0.5, 0, 1], [0, 0.5, 0.5], [0, 0, 1]], True),
        ([[1.1, 0, 0], [0, 1, 0], [0, 0, 1]], False),
        ([[2, 0, 0], [0, 2, 0], [0, 0, 2]], True),  # the same as the first
        ([[-1, 0, 0], [0, -1, 0], [0, 0, -1]], False),  # seen from behind
    ],
)
def test_lies_inside(matrix, inside):
    numbers = np.array(matrix, float).reshape(1, 9)
    assert lies_inside(numbers, (3, 4), (3, 4)).tolist() == [inside]
    if inside:
        assert lies_inside(numbers, (3, 4), (30, 40)).all()
    assert not lies_inside(numbers, (3, 5), (3, 4)).all() or matrix[0][0] == 0.5


def test_projective_leaves_some_samples_alone():
    step = projective(np.full((3, 3, 3), 2.0), np.array([True, False, True]), (4, 5), (4, 5))
    assert step.numbers.shape == (3, 9) and step.applies().tolist() == [True, False, True]
    x = np.arange(60.0).reshape(3, 1, 4, 5)
    assert np.array_equal(P.warp(x, [step], (4, 5), "bilinear")[1], x[1])
    for move, rows in ((moved_points, [[1.0, 2, 7]]), (moved_boxes, [[1.1, 2, 3, 3, 7], [-9, 0, 1, 1, 8]])):
        assert np.array_equal(move(np.array(rows), [step], 1), rows)


def smooth_field(H, W, size):
    i, j = np.mgrid[:H, :W]
    return size * np.stack([np.sin(i / 3 + j / 4), np.cos(j / 3 - i / 5)])[None]


@pytest.mark.parametrize(
    "step",
    [
        Step("table", np.concatenate([np.arange(9) * 1.2 - 0.4, np.arange(11) * 0.8 + 0.3])[None], (9, 11), (9, 11)),
        Step("lens", np.array([[5.0, 4.5, 11, 9, 0.3]]), (9, 11), (9, 11)),
        Step("lens", np.array([[5.0, 4.5, 11, 9, -0.3]]), (9, 11), (9, 11)),
        Step("displacement", np.array([[1.5]]), (9, 11), (9, 11), field=smooth_field(9, 11, 0.7)),
    ],
    ids=lambda step: step.kind,
)
def test_points_go_forward_where_the_step_looks_back(step):
    x, y = np.array([1.0, 4.5, 8.25, 6.0]), np.array([2.0, 4.5, 6.5, 1.25])
    sources = np.array([one_step(step, 0, *p) for p in zip(x, y)])
    there = forward(sources[:, 0], sources[:, 1], step, 0)
    np.testing.assert_allclose(there, [x, y], atol=1e-6)
    sources = np.array([one_step(step, 0, *p) for p in sources])
    there = forward(*forward(sources[:, 0], sources[:, 1], step, 0), step, 0)
    np.testing.assert_allclose(there, [x, y], atol=1e-5)


@pytest.mark.parametrize("factor", [2, 4, 1 / 16])
def test_points_follow_a_resize_by_a_table(factor):
    H, W, size = 32, 48, (int(32 / factor), int(48 / factor))
    table = np.concatenate([(np.arange(n) + 0.5) * factor - 0.5 for n in size])[None]
    step = Step("table", table, (H, W), size)
    with np.errstate(all="ignore"):
        x, y = forward(np.array([10.0]), np.array([20.0]), step, 0)
    np.testing.assert_allclose([x[0], y[0]], [10.5 / factor - 0.5, 20.5 / factor - 0.5], atol=1e-3)


def test_boxes_bend_with_a_lens():
    """The middle of an edge bulges beyond the corners."""
    step = Step("lens", np.array([[15.5, 15.5, 32, 32, -0.2]]), (32, 32), (32, 32))
    box = np.array([[4.0, 4, 28, 28]])
    x1, y1, x2, y2 = moved_boxes(box, [step], 0)[0]
    corner = forward(np.array([3.5]), np.array([3.5]), step, 0)[0][0] + 0.5
    middle = forward(np.array([3.5]), np.array([15.5]), step, 0)[0][0] + 0.5
    assert abs(x1 - min(corner, middle)) < 1e-6
    np.testing.assert_allclose([y1, x2, y2], [x1, 32 - x1, 32 - x1], atol=1e-6)


def test_points_that_no_pixel_shows_are_dropped():
    """A barrel distortion so strong that it folds: the image's corners aren't in the result."""
    step = Step("lens", np.array([[15.5, 15.5, 32, 32, -0.5]]), (32, 32), (32, 32))
    assert moved_points(np.array([[0.5, 0.5], [15.5, 15.5]]), [step], 0).tolist() == [[15.5, 15.5]]
    boxes = moved_boxes(np.array([[0.0, 0, 16, 16]]), [step], 0)
    assert len(boxes) == 1 and np.isfinite(boxes).all(), "a box of which a part is seen stays"


def test_finish_does_nothing_without_steps_and_forgets_those_it_made(rng):
    images = rng.random((2, 1, 4, 5))
    batch = Batch(images)
    batch.finish()
    assert batch.images is images
    batch.add([projective(np.tile(np.diag([1.0, 1, 1]), (2, 1, 1)), np.ones(2, bool), (4, 5), (2, 3))], "bilinear")
    assert batch.size == (2, 3) and batch.images is images and batch.interpolation == "bilinear"
    batch.finish()
    assert np.array_equal(batch.images, images[:, :, :2, :3]) and not batch.chain and batch.interpolation == "nearest"
    done = batch.images
    batch.finish()
    assert batch.images is done


def test_the_finest_interpolation_of_a_chain_is_taken(monkeypatch, rng):
    asked = []
    true_warp = P.warp
    monkeypatch.setattr(P, "warp", lambda x, steps, size, how: asked.append(how) or true_warp(x, steps, size, how))
    images = rng.random((1, 1, 6, 6))
    for chain in (
        [A.HorizontalFlip()],
        [A.Rotate(10, "bicubic"), A.Rotate(10, "bilinear"), A.HorizontalFlip()],
        [A.HorizontalFlip(), A.Rotate(10, "bilinear"), A.CenterCrop(3)],
    ):
        A.Compose(chain)(images, targets={"masks": images})
    assert asked == ["nearest", "nearest", "bicubic", "nearest", "bilinear", "nearest"]


def test_what_lies_outside_of_the_image_is_cut_whether_the_step_is_applied_or_not():
    """Which of an image's objects remain labelled must not depend on the coin."""
    boxes = [[-2, 1, 3, 4, 7], [7, 7, 9, 9, 8], [9, 1, 12, 3, 9], [0, 0, 8, 8, 1]]
    points = [[-0.6, 2], [-0.5, 2], [7.4, 7.4], [2, 7.5]]
    given = {"boxes": [boxes], "keypoints": [points]}
    still = A.HorizontalFlip(0)(np.zeros((1, 1, 8, 8), np.uint8), targets=given)[1]
    assert still["boxes"][0].tolist() == [[0, 1, 3, 4, 7], [7, 7, 8, 8, 8], [0, 0, 8, 8, 1]]
    assert still["keypoints"][0].tolist() == [[-0.5, 2], [7.4, 7.4]]
    twice = A.Compose([A.VerticalFlip(1), A.VerticalFlip(1)])(np.zeros((1, 1, 8, 8), np.uint8), targets=given)[1]
    assert np.allclose(twice["boxes"][0], still["boxes"][0])
    assert A.Brightness(0.5)(np.zeros((1, 1, 8, 8), np.uint8), targets=given)[1]["boxes"][0].shape == (3, 5)


def test_no_box_is_as_narrow_as_a_rounding_error(rng):
    boxes = [[a, b, a + 6, b + 6] for a in range(0, 60, 6) for b in range(0, 60, 6)]
    recipes = A.Compose([A.Resize((50, 50)), A.RandomCrop(20)]), A.RandomResizedCrop(24), A.Rotate((180, 180))
    least = [
        min((box[2:4] - box[:2]).min() for own in targets["boxes"] for box in own)
        for recipe in recipes
        for _, targets in [recipe(np.zeros((40, 1, 60, 60), np.uint8), seed=0, targets={"boxes": [boxes] * 40})]
    ]
    assert min(least) > 1e-6
