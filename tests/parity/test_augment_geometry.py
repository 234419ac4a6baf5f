"""Padding, crops, flips, affine maps and perspectives against torchvision v2, and the sampling against grid_sample."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")

from torchvision import tv_tensors  # noqa: E402  after the skip
from torchvision.transforms import InterpolationMode, v2  # noqa: E402
from torchvision.transforms.v2 import functional as F  # noqa: E402

from minitorch_cnn import augment as A  # noqa: E402
from minitorch_cnn.backend import cpu  # noqa: E402
from minitorch_cnn.backend.warp_step import Step  # noqa: E402

N, C, H, W = 6, 3, 13, 18
SIZES = [(13, 18), (32, 32), (7, 5), (1, 9)]
MODES = {"nearest": InterpolationMode.NEAREST, "bilinear": InterpolationMode.BILINEAR}


def images_of(rng, size=(H, W), dtype=np.float64, N=N):
    return (
        rng.integers(0, 256, (N, C, *size), dtype=np.uint8)
        if dtype == np.uint8
        else rng.random((N, C, *size)).astype(dtype)
    )


def theirs(images, call):
    """call(image, n) for each sample, as one array."""
    return np.stack([call(torch.from_numpy(image), n).numpy() for n, image in enumerate(images)])


def assert_close(got, expected, allow=0.0, double=1e-9):
    """float64 to `double`, float32 to 1e-4, uint8 to one grey level; `allow`: the share of pixels that may differ.

    In float32 a place of a hundred pixels is known to 1e-5, and so is the value between two pixels.
    """
    assert got.shape == expected.shape and got.dtype == expected.dtype
    limit = {"d": double, "f": 1e-4, "B": 1}[got.dtype.char]
    apart = np.abs(got.astype(float) - expected)
    assert (apart > limit).mean() <= allow, apart.max()


# whole pixels ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
@pytest.mark.parametrize("padding", [2, [1, 3], [0, 1, 2, 4], [3]])
def test_pad(padding, mode, dtype, rng):
    images = images_of(rng, dtype=dtype)
    for fill in (0, 7, [1, 2, 3]) if mode == "constant" else (0,):
        fill = fill if dtype == np.uint8 else (np.array(fill) / 8).tolist()
        expected = theirs(images, lambda x, n, fill=fill: F.pad(x, padding, fill=fill, padding_mode=mode))
        assert np.array_equal(A.Pad(padding, fill, mode)(images), expected)


@pytest.mark.parametrize("size", SIZES)
def test_flips(size, rng):
    images = images_of(rng, size, np.uint8)
    assert np.array_equal(A.HorizontalFlip(1)(images), theirs(images, lambda x, n: F.horizontal_flip(x)))
    assert np.array_equal(A.VerticalFlip(1)(images), theirs(images, lambda x, n: F.vertical_flip(x)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("less", [(0, 0), (0, 1), (0, 2), (1, 3), (2, 0), (4, 4), (5, 3)])
def test_crops(less, size, rng):
    images = images_of(rng, size, np.uint8)
    h, w = max(1, size[0] - less[0]), max(1, size[1] - less[1])
    assert np.array_equal(A.CenterCrop((h, w))(images), theirs(images, lambda x, n: F.center_crop(x, [h, w])))
    five = theirs(images, lambda x, n: torch.stack(F.five_crop(x, [h, w])))
    assert np.array_equal(A.FiveCrop((h, w))(images), five)
    ten = theirs(images, lambda x, n: torch.stack(F.ten_crop(x, [h, w])))
    assert np.array_equal(A.TenCrop((h, w))(images), ten)
    crop = A.RandomCrop((h, w))
    params = crop.sample(np.arange(N))
    tops, lefts = (params["top"] * (size[0] - h + 1)).astype(int), (params["left"] * (size[1] - w + 1)).astype(int)
    assert np.array_equal(crop.apply(images, params), theirs(images, lambda x, n: F.crop(x, tops[n], lefts[n], h, w)))


@pytest.mark.parametrize(
    "size, padding", [((15, 20), None), ((15, 10), 1), ((10, 22), [1, 0]), ((30, 40), None), ((9, 9), 2)]
)
def test_random_crop_pads_like_torchvisions(size, padding, rng):
    """Theirs says by how much it pads, and where it crops, before it does."""
    images = images_of(rng, dtype=np.uint8)
    crop = A.RandomCrop(size, padding, pad_if_needed=True, fill=5)
    transform = v2.RandomCrop(size, padding, pad_if_needed=True, fill=5)
    params = crop.sample(np.arange(N))

    def call(x, n):
        made = transform.make_params([x])
        padded = F.pad(x, made["padding"], fill=5) if made["needs_pad"] else x
        h, w = padded.shape[1:]
        top, left = int(params["top"][n] * (h - size[0] + 1)), int(params["left"][n] * (w - size[1] + 1))
        return F.crop(padded, top, left, *size)

    assert np.array_equal(crop.apply(images, params), theirs(images, call))


# matrices -------------------------------------------------------------------------------------------------------------


def affine_params(rng, size):
    h, w = size
    pixels = rng.integers(-3, 4, (N, 2))
    return pixels, {
        "applied": np.ones(N, bool),
        "angle": rng.uniform(-180, 180, N),
        "translate": pixels / [w, h],
        "scale": rng.uniform(0.6, 1.7, N),
        "shear": rng.uniform(-25, 25, (N, 2)),
    }


def their_affine(images, pixels, params, mode, center, fill=None):
    def call(x, n):
        shear = params["shear"][n].tolist()
        arguments = params["angle"][n], pixels[n].tolist(), params["scale"][n], shear
        return F.affine(x, *arguments, interpolation=MODES[mode], center=center, fill=fill)

    return theirs(images, call)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("center", [None, [4, 3], [0, 0], [0.5, 11.25]])
@pytest.mark.parametrize("size", SIZES)
def test_affine(size, center, mode, dtype, rng):
    """Without a fill value torchvision takes zeros outside, pixel by pixel, as we take the fill."""
    images, (pixels, params) = images_of(rng, size, dtype), affine_params(rng, size)
    got = A.Affine(180, interpolation=mode, center=center).apply(images, params)
    assert_close(got, their_affine(images, pixels, params, mode, center), 0 if dtype == np.float64 else 2e-3)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("center", [None, [4, 3], [9.5, 0]])
@pytest.mark.parametrize("size", SIZES)
def test_rotate(size, center, mode, dtype, rng):
    images, angles = images_of(rng, size, dtype), rng.uniform(-180, 180, N)
    got = A.Rotate(180, mode, center).apply(images, {"applied": np.ones(N, bool), "angle": angles})
    expected = theirs(images, lambda x, n: F.rotate(x, angles[n], MODES[mode], center=center, fill=None))
    assert_close(got, expected, 0 if dtype == np.float64 else 2e-3)


@pytest.mark.parametrize("dtype", [np.float64, np.uint8])
@pytest.mark.parametrize("mode", MODES)
def test_what_is_seen_of_the_fill(mode, dtype, rng):
    """Inside and outside alike; at the border torchvision's zeros from outside fade to the fill, our image does."""
    images, (pixels, params) = images_of(rng, dtype=dtype), affine_params(rng, (H, W))
    fill = (20.0, 130.0, 250.0) if dtype == np.uint8 else (0.3, 0.1, 0.9)
    got = A.Affine(180, interpolation=mode, fill=fill).apply(images, params)
    expected = their_affine(images, pixels, params, mode, None, list(fill))
    share = their_affine(np.ones((N, C, H, W)), pixels, params, mode, None)  # of the image in what is seen
    clear = (np.abs(share - 1) < 1e-9) | (share == 0)
    assert clear.mean() > 0.5 and (share == 0).any()
    assert_close(got[clear], expected[clear], 0 if dtype == np.float64 else 2e-3)
    if dtype == np.float64:
        fill = np.array(fill)[:, None, None]
        on_black = got - (1 - share) * fill
        assert_close(fill + share * (on_black - fill), expected)


def their_corners(inwards, h, w):
    start = np.array([[0, 0], [w - 1, 0], [w - 1, h - 1], [0, h - 1]])
    return start, start + inwards * np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(13, 18), (32, 32), (24, 9)])
@pytest.mark.parametrize("scale", [0.5, 0.8])
def test_perspective(scale, size, mode, dtype, rng):
    images, (h, w) = images_of(rng, size, dtype), size
    most = np.array([int(scale * (w // 2)) + 1, int(scale * (h // 2)) + 1])
    inwards = rng.integers(0, most, (N, 4, 2))
    start, end = their_corners(inwards, h, w)
    params = {"applied": np.ones(N, bool), "corners": (inwards + 0.5) / most}
    got = A.Perspective(scale, 1, mode).apply(images, params)
    expected = theirs(images, lambda x, n: F.perspective(x, start.tolist(), end[n].tolist(), MODES[mode], fill=None))
    if mode == "nearest":  # whole corners make many ties, and theirs are decided by rounding
        tied = np.stack([on_a_tie(start, end[n], h, w) for n in range(N)])[:, None]
        assert tied.mean() < 0.3
        got, expected = (np.where(tied, 0, x).astype(dtype) for x in (got, expected))
    assert_close(got, expected, double=1e-5)  # theirs keeps the coefficients in float32


def on_a_tie(start, end, h, w):
    """(h, w): whether a pixel's place is halfway between two pixels, from the eight equations of the four corners."""
    rows, right = [], []
    for (u, v), (x, y) in zip(start, end):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    a, b, c, d, e, f, g, k = np.linalg.solve(np.array(rows, float), np.array(right, float))
    y, x = np.mgrid[:h, :w] + 0.5
    z = g * x + k * y + 1
    places = np.stack([(a * x + b * y + c) / z, (d * x + e * y + f) / z])  # from the corner: ties are whole numbers
    return (np.abs(places - np.rint(places)) < 1e-3).any(axis=0)


@pytest.mark.parametrize("size", [(8, 12), (5, 6), (33, 20)])
@pytest.mark.parametrize("scale", [0.0, 0.3, 0.5])
def test_perspectives_corners_have_torchvisions_range(size, scale, monkeypatch):
    ends = []
    true = A.affine.perspective_matrix
    monkeypatch.setattr(A.affine, "perspective_matrix", lambda start, end: ends.append(end) or true(start, end))
    A.Perspective(scale, p=1)(np.zeros((2000, 1, *size), np.uint8))
    transform, image = v2.RandomPerspective(scale), torch.zeros(1, *size)
    torch.manual_seed(0)
    made = np.array([made_end(transform, image, size) for _ in range(300)])
    assert np.array_equal(ends[0].min(0), made.min(0)) and np.array_equal(ends[0].max(0), made.max(0))


def made_end(transform, image, size):
    """The corners that theirs draws, from its coefficients: where they take those of the output."""
    a, b, c, d, e, f, g, h = transform.make_params([image])["coefficients"]
    back = np.linalg.inv(np.array([[a, b, c], [d, e, f], [g, h, 1]]))
    w, t = size[1] - 1, size[0] - 1
    x, y, z = back @ np.array([[0, 0, 1], [w, 0, 1], [w, t, 1], [0, t, 1]]).T
    return np.rint(np.stack([x / z, y / z], axis=1))


@pytest.mark.parametrize(
    "options",
    [
        dict(degrees=30),
        dict(degrees=(5, 9), translate=(0.2, 0.4)),
        dict(degrees=0, scale=(0.5, 2)),
        dict(degrees=0, shear=12),
        dict(degrees=0, shear=(3, 9)),
        dict(degrees=0, shear=(-3, 3, 5, 6)),
    ],
)
def test_affines_parameters_have_torchvisions_ranges(options):
    transform, image = v2.RandomAffine(**options), torch.zeros(1, H, W)
    torch.manual_seed(1)
    made = [transform.make_params([image]) for _ in range(2000)]
    theirs_ = np.array([[m["angle"], *m["translate"], m["scale"], *m["shear"]] for m in made])
    params = A.Affine(**options).sample(np.arange(2000))
    moved = np.rint(params["translate"] * [W, H])
    ours = np.column_stack([params["angle"], moved, params["scale"], params["shear"]])
    spread = np.ptp(theirs_, axis=0)
    assert np.abs(ours.min(0) - theirs_.min(0)).max() <= 0.02 * spread.max() + 1e-9
    assert np.abs(ours.max(0) - theirs_.max(0)).max() <= 0.02 * spread.max() + 1e-9
    assert np.abs(ours.mean(0) - theirs_.mean(0)).max() <= 0.05 * spread.max() + 1e-9


# boxes ----------------------------------------------------------------------------------------------------------------

BOXES = np.array([[2.0, 3, 9, 10], [0, 0, 18, 13], [5.5, 1.25, 7, 12]])


def their_boxes(call):
    boxes = tv_tensors.BoundingBoxes(torch.tensor(BOXES), format="XYXY", canvas_size=(H, W))
    return F.clamp_bounding_boxes(call(boxes)).numpy()


def our_boxes(transform, params=None):
    images = np.zeros((1, 1, H, W), np.uint8)
    params = transform.sample([0]) if params is None else params
    return transform.apply(images, params, targets={"boxes": [BOXES]})[1]["boxes"][0]


def test_boxes_of_flips_pads_and_crops():
    np.testing.assert_allclose(our_boxes(A.HorizontalFlip(1)), their_boxes(F.horizontal_flip))
    np.testing.assert_allclose(our_boxes(A.VerticalFlip(1)), their_boxes(F.vertical_flip))
    np.testing.assert_allclose(our_boxes(A.Pad((1, 2, 3, 4))), their_boxes(lambda b: F.pad(b, [1, 2, 3, 4])))
    np.testing.assert_allclose(our_boxes(A.CenterCrop((9, 12))), their_boxes(lambda b: F.center_crop(b, [9, 12])))


@pytest.mark.parametrize("center", [None, [4, 3]])
def test_boxes_of_affine_maps_and_rotations(center, rng):
    pixels, params = affine_params(rng, (H, W))
    for n in range(N):
        one = {key: value[n : n + 1] for key, value in params.items()}
        shear = params["shear"][n].tolist()
        arguments = params["angle"][n], pixels[n].tolist(), params["scale"][n], shear
        expected = their_boxes(lambda b: F.affine(b, *arguments, center=center))  # noqa: B023  used here
        expected = expected[(expected[:, 0] < expected[:, 2]) & (expected[:, 1] < expected[:, 3])]
        np.testing.assert_allclose(our_boxes(A.Affine(180, center=center), one), expected, atol=1e-4)
        turned = their_boxes(lambda b: F.rotate(b, params["angle"][n], center=center))  # noqa: B023
        turned = turned[(turned[:, 0] < turned[:, 2]) & (turned[:, 1] < turned[:, 3])]
        np.testing.assert_allclose(our_boxes(A.Rotate(180, center=center), one), turned, atol=1e-4)


# sampling -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("border", ["zeros", "edge", "symmetric", "reflect"])
def test_grid_sample_of_a_displacement(border, mode, rng):
    """Its mirrors: "reflection" about the outer edges, or about the outermost pixels with align_corners."""
    if mode == "bicubic" and border != "zeros":
        spread = 0.4  # beyond the border PyTorch mirrors only the pixels it looks at, we the place as well
    else:
        spread = 6.0
    x = rng.random((2, C, 11, 14))
    field = rng.uniform(-spread, spread, (2, 2, 11, 14))
    i, j = np.mgrid[:11, :14]
    if mode == "bicubic" and border != "zeros":
        field[:, 0] = np.clip(field[:, 0], -j, 13 - j)
        field[:, 1] = np.clip(field[:, 1], -i, 10 - i)
    align = border == "reflect"
    places = np.stack([j + field[:, 0], i + field[:, 1]], axis=-1)
    grid = 2 * places / [13, 10] - 1 if align else (2 * places + 1) / [14, 11] - 1
    padding = {"zeros": "zeros", "edge": "border"}.get(border, "reflection")
    expected = torch.nn.functional.grid_sample(
        torch.from_numpy(x), torch.from_numpy(grid), mode, padding, align
    ).numpy()
    ours = "constant" if border == "zeros" else border
    step = Step("displacement", np.ones((2, 1)), (11, 14), (11, 14), ours, (0.0,), field)
    np.testing.assert_allclose(cpu.warp(x, [step], (11, 14), mode), expected, atol=1e-9)
