"""The contact sheet: what is where on it, which expressions are taken, and what is said of the others."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minitorch_cnn.augment import Compose, FiveCrop, HorizontalFlip, OneOf, RandomCrop
from minitorch_cnn.augment.__main__ import main, parse
from minitorch_cnn.augment.sheet import contact_sheet, draw_rows, picture, visible, wrapped

ROOT = Path(__file__).parents[2]
RED, BLUE = (
    np.array(c, np.uint8).reshape(3, 1, 1) * np.ones((1, 20, 30), np.uint8) for c in ((255, 0, 0), (0, 0, 255))
)


@pytest.fixture
def photo(tmp_path, rng):
    path = tmp_path / "photo.png"
    Image.fromarray(rng.integers(0, 256, (40, 60, 3)).astype(np.uint8)).save(path)
    return path


# what is on the sheet -------------------------------------------------------------------------------------------------


def test_a_row_is_the_image_and_what_its_number_becomes_in_each_epoch(rng):
    images = [rng.integers(0, 256, (3, *size)).astype(np.uint8) for size in ((9, 8), (9, 8), (8, 9), (9, 8))]
    transform = RandomCrop(6)
    rows = draw_rows(transform, images, 4, seed=3)
    assert [len(row) for row in rows] == [5] * 4
    for i, (image, *drawn) in enumerate(rows):
        assert image is images[i]
        for epoch, got in enumerate(drawn):
            assert np.array_equal(got, transform(images[i][None], ids=[i], epoch=epoch, seed=3)[0])


def colours(sheet):
    """The colours of the sheet's rows of pixels from top to bottom and columns from left to right: pure red and blue ones."""
    pixels = np.asarray(sheet)
    return [(pixels == colour).all(2) for colour in ((255, 0, 0), (0, 0, 255))]


def test_pictures_stand_in_a_grid_under_their_texts():
    sheet = contact_sheet([("one", [[RED, BLUE, RED], [BLUE, BLUE, BLUE]]), ("two", [[RED, RED, BLUE]])], size=60)
    red, blue = colours(sheet)
    assert red.sum() == 4 * 60 * 40 and blue.sum() == 5 * 60 * 40  # twice as large, nothing hidden
    columns = np.flatnonzero((red | blue).any(0))
    rows = np.flatnonzero((red | blue).any(1))
    assert len(columns) == 3 * 60 and len(rows) == 3 * 40
    assert columns[0] >= 10 and sheet.width - columns[-1] > 10 and sheet.height - rows[-1] > 10
    first, second, third = (rows[k * 40] for k in range(3))
    dark = np.asarray(sheet.convert("L")) < 60
    assert dark[: first - 1, :].any() and dark[second + 41 : third - 1, :].any()  # the sections' texts
    assert not dark[first - 1].any() and not dark[third - 1].any()  # don't touch the pictures


def test_a_long_text_is_wrapped_and_none_of_it_lost():
    text = "Compose([" + ", ".join(f"RandomCrop({n}, padding={n})" for n in range(30)) + ", " + "X" * 200 + "])"
    lines = wrapped(text, 50, len)
    assert all(len(line) <= 50 for line in lines) and max(map(len, lines)) > 40
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    short, long = (contact_sheet([(t, [[RED, BLUE]])], size=60) for t in ("X()", text))
    assert long.height > short.height + 100 and long.width == short.width
    edge = np.asarray(long.convert("L"))[:, -10:]
    assert (edge == 255).all()  # no letter reaches the edge
    assert wrapped("abc", 0, len) == ["a", "b", "c"] and wrapped("", 10, len) == []


@pytest.mark.parametrize(
    "shape, size, extent",
    [
        ((3, 20, 30), 160, (150, 100)),  # by a whole factor
        ((1, 28, 28), 160, (140, 140)),
        ((3, 100, 160), 160, (160, 100)),
        ((3, 400, 300), 160, (120, 160)),
        ((3, 1, 1), 160, (160, 160)),
        ((3, 1, 1000), 50, (50, 1)),
        ((2, 3, 10, 10), 60, (60, 30)),  # two crops side by side
    ],
)
def test_a_picture_keeps_its_shape(shape, size, extent):
    drawn = picture(np.full(shape, 77, np.uint8), size)
    assert drawn.size == extent and drawn.mode == "RGB" and (np.asarray(drawn) == 77).all()


def test_small_images_show_their_pixels_unsmoothed():
    image = np.array([[[0, 255], [255, 0]]], np.uint8)
    assert np.array_equal(np.asarray(picture(image, 8))[:, :, 1], image[0].repeat(4, 0).repeat(4, 1))


def test_floats_are_shown_from_0_to_1_or_stretched_where_they_go_beyond():
    assert visible(np.array([[[0.0, 0.5, 0.25]]], np.float32)).tolist() == [[[0, 128, 64]]]
    assert visible(np.array([[[-1.0, 0.0, 1.0]]])).tolist() == [[[0, 128, 255]]]
    assert visible(np.array([[[2.0, 2.0]]])).dtype == np.uint8  # constant
    assert visible(np.array([[[np.nan, 1.0, 0.0]]])).tolist() == [[[0, 255, 0]]]


def test_channels_that_can_not_be_seen():
    with pytest.raises(ValueError, match="1 or 3 channels to be seen, got 4"):
        picture(np.zeros((4, 2, 2), np.uint8), 10)


# the program ----------------------------------------------------------------------------------------------------------


def test_it_writes_a_png_and_says_where(photo, tmp_path, capsys):
    out = tmp_path / "new" / "sheet.png"
    arguments = [str(photo), "--transform", "HorizontalFlip()", "--transform", "Compose([\n  RandomCrop(20),\n  ])"]
    assert main([*arguments, "--draws", "2", "--size", "50", "--out", str(out)]) == 0
    with Image.open(out) as sheet:
        assert sheet.format == "PNG" and capsys.readouterr().out == f"{out}: {sheet.width} x {sheet.height} pixels\n"
    first = out.read_bytes()
    main([*arguments, "--draws", "2", "--size", "50", "--out", str(out)])
    assert out.read_bytes() == first  # the same seed
    main([*arguments, "--draws", "2", "--size", "50", "--out", str(out), "--seed", "1"])
    assert out.read_bytes() != first


def test_a_folder_and_a_data_set(photo, tmp_path):
    def height(*arguments):
        assert (
            main([*arguments, "--transform", "VerticalFlip()", "--draws", "1", "--out", str(tmp_path / "o.png")]) == 0
        )
        with Image.open(tmp_path / "o.png") as sheet:
            return sheet.height

    (tmp_path / "folder" / "cats").mkdir(parents=True)
    for n in range(4):
        (tmp_path / "folder" / "cats" / f"{n}.PNG").write_bytes(photo.read_bytes())
    (tmp_path / "folder" / "readme.txt").write_text("no image")
    one = height(str(photo), "--images", "9")
    folder = str(tmp_path / "folder")
    assert height(folder, "--images", "1") == one < height(folder) < height(folder, "--images", "9")
    assert height("mnist", "--images", "2") > height("MNIST", "--images", "1")


def test_it_runs_as_a_module(photo, tmp_path):
    command = [
        sys.executable,
        "-m",
        "minitorch_cnn.augment",
        str(photo),
        "--out",
        str(tmp_path / "o.png"),
        "--transform",
    ]
    done = subprocess.run([*command, "Affine(10)"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and done.stderr == "" and (tmp_path / "o.png").exists()
    done = subprocess.run([*command, "Afine(10)"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == (
        "python -m minitorch_cnn.augment: --transform: Afine is no transform of minitorch_cnn.augment; did you mean Affine?\n"
    )


# expressions ----------------------------------------------------------------------------------------------------------


def test_expressions_of_names_numbers_texts_and_lists():
    recipe = parse(" Compose([RandomCrop((4, 5), padding=1), OneOf(transforms=[HorizontalFlip(0.25)], p=1)]) ")
    assert isinstance(recipe, Compose) and isinstance(recipe.transforms[1], OneOf)
    assert recipe.transforms[0].size == (4, 5) and recipe.transforms[0].padding == (1, 1, 1, 1)
    assert recipe.transforms[1].transforms[0].p == 0.25
    assert parse("Affine(degrees=(-10, 1e1), interpolation='bicubic', translate=None)").interpolation == "bicubic"
    assert isinstance(parse("FiveCrop(2)"), FiveCrop) and isinstance(parse("RandomHorizontalFlip()"), HorizontalFlip)


@pytest.mark.parametrize(
    "text, message",
    [
        ("HorizontalFlip", "HorizontalFlip must be a transform, called, such as Compose"),
        ("3", "3 must be a transform"),
        ("[HorizontalFlip()]", "must be a transform"),
        ("", "--transform: .*invalid syntax|--transform: .*EOF"),
        ("HorizontalFlip(", r"was never closed at '\('|unexpected EOF"),
        ("HorizontalFlip() HorizontalFlip()", "invalid syntax"),
        ("print(1)", "print is no transform of minitorch_cnn.augment; there are Affine, "),
        ("Transform()", "Transform is no transform"),
        ("np.zeros(3)", "np.zeros is no transform"),
        ("__import__('os').system('true')", "is no transform"),
        ("HorizontalFlip().apply()", "is no transform"),
        ("(lambda: 1)()", "is no transform"),
        ("Compose([x])", "x is neither a number"),
        ("Compose([open('f')])", "open is no transform"),
        ("Compose([HorizontalFlip() for i in range(3)])", "is neither a number"),
        ("RandomCrop(2 ** 99)", r"2 \*\* 99 is neither a number"),
        ("RandomCrop(4 if 1 else 2)", "is neither a number"),
        ("RandomCrop(f'{1}')", "is neither a number"),
        ("RandomCrop(*[4])", r"RandomCrop: .*not unpacked with \*"),
        ("RandomCrop(**{'size': 4})", "RandomCrop: .*not unpacked"),
        ("RandomCrop(4, paddin=3)", "RandomCrop.* got an unexpected keyword argument 'paddin'"),
        ("RandomCrop()", "RandomCrop.* missing 1 required positional argument: 'size'"),
        ("RandomCrop('a')", "RandomCrop: size must be an integer, got 'a'"),
        ("HorizontalFlip(7)", "HorizontalFlip: p must be a probability from 0 to 1, got 7"),
        ("Compose([3])", "Compose: give a list of one or more transforms"),
        ("Compose([" * 3000 + "])" * 3000, "nested|too many|memory"),
    ],
)
def test_anything_else_is_refused_by_name(text, message, photo, tmp_path, capsys):
    with pytest.raises(ValueError, match=message):
        parse(text)
    assert main([str(photo), "--transform", text, "--out", str(tmp_path / "o.png")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("python -m minitorch_cnn.augment: --transform: ") and error.count("\n") == 1
    assert not (tmp_path / "o.png").exists()


@pytest.mark.parametrize(
    "image, message",
    [
        (
            "nothing.png",
            "nothing.png: no such file or folder, nor one of the data sets mnist, fashion-mnist, cifar10, cifar100",
        ),
        ("text.txt", "text.txt: not an image"),
        ("folder", r"no image \(.jpg, .* in this folder or below it"),
    ],
)
def test_images_that_are_none(image, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("hello")
    Path("folder").mkdir()
    assert main([image, "--transform", "HorizontalFlip()"]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not Path("sheet.png").exists()


def test_other_mistakes_are_told_in_one_line(photo, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([str(photo), "--transform", "RandomCrop(100)"]) == 2
    assert "RandomCrop: a crop of 100 x 100 doesn't fit into images of 40 x 60" in capsys.readouterr().err
    assert main([str(photo), "--transform", "HorizontalFlip()", "--out", str(photo / "x.png")]) == 2
    assert str(photo) in capsys.readouterr().err
    for wrong in (["--draws", "0"], ["--size", "-1"], ["--images", "x"]):
        with pytest.raises(SystemExit):
            main([str(photo), "--transform", "HorizontalFlip()", *wrong])
        assert wrong[0] in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([str(photo)])
    assert "--transform" in capsys.readouterr().err


def test_names_that_the_sheet_can_not_have(photo, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = photo.read_bytes()
    for image, out, message in (
        (photo, photo, "is one of the images, and would be lost; give another name"),
        (tmp_path, "photo.png", "is one of the images"),
        (photo, tmp_path, "is a folder; name a file, such as"),
        (photo, "", "is a folder; name a file, such as sheet.png"),
        (photo, "x.jpg", "must end in .png"),
        (photo, "new/", "must end in .png"),
    ):
        assert main([str(image), "--transform", "HorizontalFlip()", "--out", str(out)]) == 2
        assert f"--out: {str(out)!r} {message}" in capsys.readouterr().err
    assert photo.read_bytes() == before and list(tmp_path.iterdir()) == [photo]


def test_numbers_of_hundreds_of_digits(photo, tmp_path, capsys):
    for text, name in ((f"Affine(1{'0' * 400})", "Affine: "), (f"MotionBlur(1{'0' * 400}1)", "")):
        assert main([str(photo), "--transform", text, "--out", str(tmp_path / "o.png")]) == 2
        assert f"{name}int too large to convert to float" in capsys.readouterr().err


def test_help_fits_a_screen(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert len(capsys.readouterr().out.splitlines()) <= 24
