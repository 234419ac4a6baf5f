"""Decoding and preparation of images: every awkward kind, damaged files, and torchvision's numbers."""

import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minitorch_cnn import data

SHARED = Path(__file__).parents[2] / "../shared/data"
AWKWARD = SHARED / "photos/awkward"

needs_photos = pytest.mark.skipif(not AWKWARD.is_dir(), reason=f"the photographs are not in {SHARED}")


def smooth(H=40, W=60):
    """(H, W, 3) uint8 without sharp edges, so that JPEG keeps it nearly."""
    y, x = np.mgrid[:H, :W]
    return np.stack([4 * y, 4 * x, 2 * (x + y)], axis=-1).clip(0, 255).astype(np.uint8)


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


RGB = Image.fromarray(smooth())


# kinds of images -------------------------------------------------------------------------------------------------------


def test_rgb_is_channels_first_and_exact():
    image = data.decode_image(saved(RGB, "PNG"))
    assert image.shape == (3, 40, 60) and image.dtype == np.uint8 and image.flags.c_contiguous and image.flags.writeable
    np.testing.assert_array_equal(image, smooth().transpose(2, 0, 1))


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK"])
def test_other_modes_are_as_pillow_converts_them(mode):
    source = RGB.convert(mode)
    kind = "TIFF" if mode == "CMYK" else "PNG"
    image = data.decode_image(saved(source, kind))
    np.testing.assert_array_equal(image, np.asarray(source.convert("RGB")).transpose(2, 0, 1))
    if mode in "1 L LA":
        assert (image[0] == image[1]).all() and (image[0] == image[2]).all()


def test_cmyk_jpeg_has_the_colours_of_the_rgb_one():
    image = data.decode_image(saved(RGB.convert("CMYK"), "JPEG", quality=95))
    assert np.abs(image.astype(int) - smooth().transpose(2, 0, 1)).max() < 16  # not inverted


def test_what_is_under_transparency_shows():
    palette = RGB.convert("P")
    for transparency in (3, bytes(range(256))):
        image = data.decode_image(saved(palette, "PNG", transparency=transparency))
        np.testing.assert_array_equal(image, np.asarray(palette.convert("RGB")).transpose(2, 0, 1))
    hidden = RGB.copy()
    hidden.putalpha(0)
    np.testing.assert_array_equal(data.decode_image(saved(hidden, "PNG")), smooth().transpose(2, 0, 1))


def test_16_bit_grey_is_scaled_and_not_clipped():
    grey = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    image = data.decode_image(saved(Image.fromarray(grey), "PNG"))
    np.testing.assert_array_equal(image, np.broadcast_to(np.rint(grey / 257).astype(np.uint8), (3, 256, 256)))


@pytest.mark.parametrize("value, text", [(70000, "grey values from 70000 to 70000"), (-1, "grey values from -1")])
def test_32_bit_grey_has_no_known_range(value, text):
    content = saved(Image.fromarray(np.full((2, 3), value, np.int32)), "TIFF")
    with pytest.raises(data.DataError, match=f"^scan.tif: {text}"):
        data.decode_image(content, "scan.tif")


def test_floating_point_images_are_refused():
    with pytest.raises(
        data.DataError, match=r"^depth\.tif: an image of floating-point numbers, whose range isn't known$"
    ):
        data.decode_image(saved(Image.fromarray(np.zeros((2, 3), np.float32)), "TIFF"), "depth.tif")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_puts_the_image_upright(orientation):
    # where the stored first row and first column are, seen upright: EXIF 2.3, section 4.6.4
    upright = smooth()
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif)
    np.testing.assert_array_equal(data.decode_image(content), upright.transpose(2, 0, 1))


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about the EXIF data
@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12", b"nonsense"]
)
def test_damaged_exif_says_nothing_and_the_pixels_are_good(exif):
    assert data.decode_image(saved(RGB, "JPEG", exif=exif)).shape == (3, 40, 60)


# draft -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size, draft, expected",
    [
        ((640, 480), 60, (80, 60)),
        ((640, 480), 61, (160, 120)),
        ((640, 480), 240, (320, 240)),
        ((640, 480), 241, (640, 480)),
    ]
    + [((480, 641), 60, (60, 81)), ((640, 480), 1, (80, 60)), ((640, 480), 5000, (640, 480))],
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_draft_decodes_at_the_smallest_size_that_is_enough(size, draft, expected, mode):
    content = saved(RGB.resize(size).convert(mode), "JPEG")
    image = data.decode_image(content, draft=draft)
    assert image.shape == (3, expected[1], expected[0])
    whole = data.decode_image(content)
    assert whole.shape == (3, size[1], size[0])
    assert np.abs(image.mean((1, 2)) - whole.mean((1, 2))).max() < 3


@pytest.mark.parametrize("draft", [0, -1, 1.5, "256"])
def test_a_draft_that_is_no_side_is_no_fault_of_the_file(draft, tmp_path):
    (tmp_path / "good.jpg").write_bytes(saved(RGB, "JPEG"))
    for call in (
        lambda: data.read_image(tmp_path / "good.jpg", draft),
        lambda: data.decode_image(saved(RGB, "JPEG"), draft=draft),
    ):
        with pytest.raises(ValueError, match="draft must be None or an integer from 1 on, in pixels; got") as caught:
            call()
        assert not isinstance(caught.value, data.DataError)


def test_draft_leaves_other_formats_alone():
    assert data.decode_image(saved(RGB, "PNG"), draft=5).shape == (3, 40, 60)


# formats ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "MPO", "PNG", "PPM", "BMP", "TIFF", "WEBP", "GIF"])
def test_each_format_opens_whatever_the_name(kind, tmp_path):
    (tmp_path / "a.img").write_bytes(saved(RGB, kind))
    image = data.read_image(tmp_path / "a.img")
    assert image.shape == (3, 40, 60) and np.abs(image.astype(int) - smooth().transpose(2, 0, 1)).mean() < 8


@pytest.mark.parametrize("kind", ["EPS", "PDF", "PCX", "TGA", "ICO", "SGI"])
def test_other_formats_are_not_opened(kind):
    with pytest.raises(data.DataError, match=r"^a\.jpg: not an image \(JPEG, PNG, PPM, BMP, TIFF, WEBP, GIF\); its"):
        data.decode_image(saved(RGB, kind), "a.jpg")


def test_postscript_under_another_name_starts_no_interpreter(tmp_path, monkeypatch):
    from PIL import EpsImagePlugin

    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 1\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    content = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n(x) show\n%%EOF\n"
    (tmp_path / "cat.jpg").write_bytes(content)
    with pytest.raises(data.DataError, match=r"cat\.jpg: not an image"):
        data.read_image(tmp_path / "cat.jpg")
    assert not (tmp_path / "ran").exists()


# damaged files ---------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about EXIF data and sizes
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM"])
def test_an_image_cut_short_anywhere_is_named_or_whole(kind, tmp_path):
    content = saved(RGB, kind)
    whole = data.decode_image(content)
    path = tmp_path / "cut.img"
    for length in sorted({*range(40), *np.linspace(40, len(content) - 1, 60).astype(int).tolist()}):
        path.write_bytes(content[:length])
        try:
            np.testing.assert_array_equal(data.read_image(path), whole)  # what was cut off is behind the pixels
        except data.DataError as error:
            assert str(error).startswith(f"{path}: "), error


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "WEBP"])
def test_a_flipped_bit_gives_an_image_or_a_named_error(kind):
    content = bytearray(saved(RGB, kind))
    rng = np.random.default_rng(0)
    for position in [*range(min(150, len(content))), *rng.integers(0, len(content), 100)]:
        bit = 1 << int(rng.integers(8))
        content[position] ^= bit
        try:
            assert data.decode_image(bytes(content), "flipped").ndim == 3
        except data.DataError as error:
            assert str(error).startswith("flipped: ")
        content[position] ^= bit


def test_a_png_of_other_pixels_is_never_given():
    # it has checksums: whichever bit is wrong, it is noticed or doesn't matter
    noise = np.random.default_rng(3).integers(0, 256, (9, 7, 3)).astype(np.uint8)
    content = bytearray(saved(Image.fromarray(noise), "PNG"))
    noticed = 0
    for position in range(len(content)):
        content[position] ^= 16
        try:
            np.testing.assert_array_equal(data.decode_image(bytes(content)), noise.transpose(2, 0, 1))
        except data.DataError:
            noticed += 1
        content[position] ^= 16
    assert noticed > 0.8 * len(content)


def test_what_is_no_image(tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("This is not an image.")
    with pytest.raises(data.DataError, match=r"empty.png: not an image: the file is empty"):
        data.read_image(tmp_path / "empty.png")
    with pytest.raises(
        data.DataError,
        match=r"text.jpg: not an image \(JPEG, PNG, PPM, BMP, TIFF, WEBP, GIF\); its 21 bytes start with b'This is not",
    ):
        data.read_image(tmp_path / "text.jpg")
    with pytest.raises(FileNotFoundError, match=r"nothing.png"):
        data.read_image(tmp_path / "nothing.png")
    assert issubclass(data.DataError, ValueError)


@pytest.mark.parametrize("limit", [1000, 2000])  # Pillow warns from its limit on, and fails at twice as much
def test_a_decompression_bomb_is_named(limit, monkeypatch, tmp_path):
    (tmp_path / "bomb.png").write_bytes(saved(RGB, "PNG"))  # 2,400 pixels
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(data.DataError, match=r"bomb.png: .*2400 pixels.*decompression bomb.*MAX_IMAGE_PIXELS"):
        data.read_image(tmp_path / "bomb.png")


def test_threads_may_decode_side_by_side(tmp_path):
    contents = [saved(Image.fromarray(np.full((30, 20, 3), i, np.uint8)), "PNG") for i in range(40)]
    ready = threading.Barrier(4)

    def work(part):
        ready.wait()
        return [int(data.decode_image(content)[0, 0, 0]) for content in contents[part::4]]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [list(range(part, 40, 4)) for part in range(4)]


# preparation -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size, H, W, expected",
    [(20, 30, 45, (20, 30)), (20, 45, 30, (30, 20)), (256, 427, 640, (256, 383)), (7, 5, 5, (7, 7)), (5, 5, 9, (5, 9))]
    + [(256, 500, 375, (341, 256)), (3, 1, 240, (3, 720))],
)
def test_resize_shorter_follows_torchvisions_integer_rule(size, H, W, expected):
    image = np.random.default_rng(0).integers(0, 256, (3, H, W)).astype(np.uint8)
    resized = data.resize_shorter(image, size)
    assert resized.shape == (3, *expected) and resized.dtype == np.uint8
    if min(H, W) == size:
        np.testing.assert_array_equal(resized, image)


def test_resize_averages_what_it_shrinks():
    checks = np.indices((64, 96)).sum(0) % 2 * 255  # black and white: bilinear without antialiasing would keep some
    resized = data.resize_shorter(np.broadcast_to(checks, (3, 64, 96)).astype(np.uint8), 16)
    assert np.abs(resized[:, 2:-2, 2:-2].astype(int) - 127).max() <= 2
    nearest = data.resize_shorter(np.broadcast_to(checks, (3, 64, 96)).astype(np.uint8), 16, "nearest")
    assert set(np.unique(nearest)) <= {0, 255}


def test_center_crop_rounds_halves_to_even_as_torchvision():
    image = np.arange(3 * 9 * 8, dtype=np.int64).reshape(3, 9, 8)
    np.testing.assert_array_equal(data.center_crop(image, 4), image[:, 2:6, 2:6])  # (9-4)/2 = 2.5 -> 2
    np.testing.assert_array_equal(data.center_crop(image, 6), image[:, 2:8, 1:7])  # 1.5 -> 2
    np.testing.assert_array_equal(data.center_crop(image, 8), image[:, 0:8, 0:8])  # 0.5 -> 0


def test_ten_crops_are_in_torchvisions_order():
    image = np.arange(3 * 6 * 7).reshape(3, 6, 7).astype(np.uint8)
    crops = data.ten_crop(image, 4)
    mirrored = image[:, :, ::-1]
    corners = [(0, 0), (0, 3), (2, 0), (2, 3), (1, 2)]  # top left, top right, bottom left, bottom right, middle
    expected = [im[:, y : y + 4, x : x + 4] for im in (image, mirrored) for y, x in corners]
    np.testing.assert_array_equal(crops, expected)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (
            lambda: data.center_crop(np.zeros((3, 5, 9), np.uint8), 6),
            ValueError,
            "a crop of 6 x 6 doesn't fit into an image of 5 x 9",
        ),
        (lambda: data.ten_crop(np.zeros((3, 5, 9), np.uint8), 6), ValueError, "ten_crop: a crop of 6 x 6 doesn't fit"),
        (lambda: data.center_crop(np.zeros((3, 5, 9), np.uint8), 0), ValueError, "a crop of 0 x 0"),
        (
            lambda: data.resize_shorter(np.zeros((3, 5, 9), np.float32), 6),
            TypeError,
            r"uint8 \(3, H, W\), got float32 \(3, 5, 9\)",
        ),
        (lambda: data.resize_shorter(np.zeros((5, 9, 3), np.uint8), 6), TypeError, r"got uint8 \(5, 9, 3\)"),
        (lambda: data.resize_shorter(np.zeros((3, 5, 9), np.uint8), 0), ValueError, "size must be at least 1, got 0"),
        (
            lambda: data.resize_shorter(np.zeros((3, 5, 9), np.uint8), 2, "cubic"),
            ValueError,
            "nearest, bilinear, bicubic; got 'cubic'",
        ),
        (
            lambda: data.normalize(np.zeros((3, 5, 9), np.float32)),
            TypeError,
            "must be uint8 from 0 to 255, got float32",
        ),
        (lambda: data.ImageNetEval(crop=None, ten_crop=True), ValueError, "ten_crop=True needs the crop's side"),
    ],
)
def test_what_can_not_be_prepared(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_imagenet_eval_is_resize_crop_and_normalize():
    image = np.random.default_rng(1).integers(0, 256, (3, 50, 70)).astype(np.uint8)
    prepared = data.ImageNetEval(resize=40, crop=32)(image)
    cropped = data.center_crop(data.resize_shorter(image, 40), 32).astype(np.float64)
    mean, std = (np.array(v).reshape(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    np.testing.assert_allclose(prepared, (cropped / 255 - mean) / std, atol=1e-6)
    assert prepared.dtype == np.float32
    assert data.ImageNetEval(resize=None, crop=None)(image).shape == (3, 50, 70)
    assert data.ImageNetEval(resize=40, crop=None)(image).shape == (3, 40, 56)
    assert data.ImageNetEval(40, 32, ten_crop=True)(image).shape == (10, 3, 32, 32)
    np.testing.assert_array_equal(data.ImageNetEval(40, 32, ten_crop=True)(image)[4], prepared)
    assert "crop=32" in repr(data.ImageNetEval(40, 32))


@needs_photos
def test_prepared_photographs_have_the_known_means():
    reference = json.loads((SHARED / "weights/reference.json").read_text())
    prepare = data.ImageNetEval()
    for photo in reference["photos"][::4]:
        x = prepare(data.read_image(SHARED / "photos" / photo["file"]))
        np.testing.assert_allclose(x.mean((1, 2), dtype=np.float64), photo["input_mean"], atol=6e-7)  # 6 digits given


@needs_photos
def test_awkward_photographs():
    shape = {"one_pixel": (3, 1, 1), "wide_240x1": (3, 1, 240), "grey_alpha": (3, 80, 120)}
    damaged = {"empty": "the file is empty", "not_an_image": "not an image", "truncated": "truncated"}
    beagle = data.read_image(AWKWARD / "progressive.jpg").astype(int)
    for path in sorted(AWKWARD.iterdir()):
        if path.stem in damaged:
            with pytest.raises(data.DataError, match=f"{path.name}: .*{damaged[path.stem]}"):
                data.read_image(path)
            continue
        image = data.read_image(path)
        assert image.shape == shape.get(path.stem, (3, 160, 240)) and image.dtype == np.uint8
        if path.stem in ("cmyk", "exif_rotated", "rgba"):  # the same photograph
            assert np.abs(image - beagle).mean() < 4
    assert data.read_image(AWKWARD / "one_pixel.png").ravel().tolist() == [12, 34, 56]
    ramp = data.read_image(AWKWARD / "grey16.png")[0, :8].astype(int)
    assert ramp.min() == 0 and ramp.max() == 255 and (np.diff(ramp[0]) >= 0).all()
