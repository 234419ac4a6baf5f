"""ImageFolder: what is found, in which order, and what happens to images that can't be read."""

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minitorch_cnn import data
from minitorch_cnn.data import DataLoader, ImageFolder


def put(root, *names, size=(5, 4)):
    """Images whose grey value is their number, in the order of names."""
    for value, name in enumerate(names):
        path = Path(root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = "PNG" if path.suffix.lower() in (".jpg", ".jpeg", ".txt") else None  # exact, whatever the name says
        Image.new("RGB", size, (value, value, value)).save(path, kind)
    return root


@pytest.fixture
def pets(tmp_path):
    return put(tmp_path, "dog/b.png", "cat/2.PNG", "dog/a/z.jpg", "cat/10.png", "dog/c.jpeg", "cat/1.bmp")


def test_classes_and_samples_are_sorted_by_name(pets):
    (pets / "cat/notes.txt").write_text("not an image")
    (pets / "readme.md").write_text("no class")
    ds = ImageFolder(pets)
    assert ds.classes == ["cat", "dog"] and ds.class_to_idx == {"cat": 0, "dog": 1}
    names = [
        "cat/1.bmp",
        "cat/10.png",
        "cat/2.PNG",
        "dog/b.png",
        "dog/c.jpeg",
        "dog/a/z.jpg",
    ]  # a folder's own files first
    assert ds.samples == [(str(pets / name), int(name[0] == "d")) for name in names] and ds.imgs == ds.samples
    assert ds.targets == [0, 0, 0, 1, 1, 1] and len(ds) == 6
    assert "6 images of 2 classes" in repr(ds)


def test_samples_and_batches(pets):
    ds = ImageFolder(pets)
    image, label = ds[4]
    assert image.shape == (3, 4, 5) and image.dtype == np.float32 and label == 1
    np.testing.assert_array_equal(image, np.full((3, 4, 5), np.float32(4) / np.float32(255)))
    images, labels = ds.batch([5, 0, -5])
    np.testing.assert_array_equal((images * 255).round()[:, 0, 0, 0], [2, 5, 3])
    assert labels.tolist() == [1, 0, 0] and labels.dtype == np.int64 and images.shape == (3, 3, 4, 5)
    with pytest.raises(IndexError, match="index 6 is out of range for 6 samples"):
        ds[6]


def test_transforms_get_one_image_and_one_label(pets):
    seen = []

    def transform(image):
        seen.append((image.shape, image.dtype))
        image[...] = 0
        return image[:, :2, :2]

    ds = ImageFolder(pets, transform, lambda label: label + 10)
    images, labels = ds.batch([0, 5])
    assert seen == [((3, 4, 5), np.uint8)] * 2 and images.shape == (2, 3, 2, 2) and labels.tolist() == [10, 11]


def test_other_loaders_and_other_files(pets, tmp_path):
    (pets / "cat/x.npy").write_bytes(b"x")
    (pets / "dog/y.npy").write_bytes(b"yyyy")
    ds = ImageFolder(
        pets,
        loader=lambda path: np.full((3, 1, 1), os.path.getsize(path), np.uint8),
        is_valid_file=lambda path: path.endswith(".npy"),
        transform=lambda image: image,
    )
    assert [int(ds[i][0][0, 0, 0]) for i in range(len(ds))] == [1, 4]
    large = put(tmp_path / "large", "a/1.png")
    Image.new("RGB", (800, 600)).save(large / "a/2.jpg")
    ds = ImageFolder(large, loader=partial(data.read_image, draft=150))
    assert ds[1][0].shape == (3, 150, 200)


def test_links_are_followed(pets, tmp_path):
    other = put(tmp_path / "other", "x/1.png").parent
    root = tmp_path / "root"
    root.mkdir()
    (root / "linked").symlink_to(other / "other/x", target_is_directory=True)
    assert len(ImageFolder(root)) == 1


def test_unlike_shapes_are_named(pets):
    Image.new("RGB", (7, 9)).save(pets / "dog/b.png")
    ds = ImageFolder(pets)
    with pytest.raises(
        ValueError, match=r"different shapes: \(3, 4, 5\) \(.*cat/1.bmp\), \(3, 9, 7\) \(.*dog/b.png\); .*ImageNetEval"
    ):
        ds.batch([0, 1, 3])
    assert ImageFolder(pets, data.ImageNetEval(8, 6)).batch([0, 1, 3])[0].shape == (3, 3, 6, 6)


def test_no_class_folders(tmp_path):
    put(tmp_path, "1.png", "2.png")
    with pytest.raises(
        FileNotFoundError, match="has no class folders, but 2 files; put the images of each class into a folder"
    ):
        ImageFolder(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        ImageFolder(tmp_path / "nowhere")
    with pytest.raises(NotADirectoryError, match=r"1.png"):
        ImageFolder(tmp_path / "1.png")


def test_class_folders_without_images(pets):
    (pets / "empty").mkdir()
    (pets / "text").mkdir()
    (pets / "text/a.txt").write_text("a")
    with pytest.raises(
        FileNotFoundError, match=r"2 of 4 class folders have no images: empty, text; files that count are .jpg, .jpeg"
    ):
        ImageFolder(pets)
    with pytest.raises(FileNotFoundError, match=r"3 of 4 .* those of which is_valid_file says so"):
        ImageFolder(pets, is_valid_file=lambda path: path.endswith("z.jpg"))


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a folder that can't be read")
def test_a_folder_that_can_not_be_read(pets):
    (pets / "dog/a").chmod(0)
    with pytest.raises(PermissionError, match="dog/a"):
        ImageFolder(pets)
    (pets / "dog/a").chmod(0o755)


# corrupt images --------------------------------------------------------------------------------------------------------


def spoil(folder, *names):
    for name in names:
        path = folder / name
        path.write_bytes(path.read_bytes()[:30])
    return [str(folder / name) for name in names]


@pytest.mark.parametrize("num_workers", [0, 3])
def test_a_corrupt_image_in_the_middle_of_an_epoch_is_named(pets, num_workers):
    (path,) = spoil(pets, "cat/2.PNG")
    given = []
    with pytest.raises(
        RuntimeError, match=r"DataLoader: batch 1 of epoch 0, samples 2, 3: DataError: .*cat/2.PNG: "
    ) as caught:
        for images, _ in DataLoader(ImageFolder(pets), batch_size=2, num_workers=num_workers):
            given.append(len(images))
    assert given == [2] and isinstance(caught.value.__cause__, data.DataError) and path in str(caught.value)


@pytest.mark.parametrize("num_workers", [0, 3])
def test_skip_corrupt_leaves_it_out_names_it_and_goes_on(pets, num_workers):
    paths = spoil(pets, "cat/2.PNG", "dog/b.png", "dog/a/z.jpg")
    ds = ImageFolder(pets, skip_corrupt=True)
    loader = DataLoader(ds, batch_size=3, num_workers=num_workers)
    for _ in range(2):  # epochs
        batches = [(images[:, 0, 0, 0] * 255, labels.tolist()) for images, labels in loader]
        assert [(values.round().tolist(), labels) for values, labels in batches] == [([5, 3], [0, 0]), ([4], [1])]
    assert sorted(ds.skipped) == sorted(paths)
    with pytest.raises(data.DataError, match=r"cat/2.PNG"):
        ds[2]  # there is nothing to give


def test_a_batch_of_nothing_but_corrupt_images_is_none(pets):
    spoil(pets, "cat/10.png", "cat/2.PNG")
    ds = ImageFolder(pets, skip_corrupt=True)
    assert ds.batch([1, 2]) is None and len(ds.skipped) == 2


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_loader_passes_over_a_batch_of_nothing(pets, num_workers):
    spoil(pets, "cat/10.png", "cat/2.PNG", "dog/a/z.jpg")
    loader = DataLoader(ImageFolder(pets, skip_corrupt=True), batch_size=1, num_workers=num_workers)
    assert [labels.tolist() for _, labels in loader] == [[0], [1], [1]] and len(loader) == 6
    for _, _ in loader:
        state = loader.state_dict()
        break
    loader.load_state_dict(state)
    assert [labels.tolist() for _, labels in loader] == [[1], [1]]


def test_skip_corrupt_skips_nothing_else(pets):
    def transform(image):
        raise ValueError("a mistake of the program")

    with pytest.raises(ValueError, match="a mistake of the program"):
        ImageFolder(pets, transform, skip_corrupt=True).batch([0])
    ds = ImageFolder(pets, skip_corrupt=True)
    os.remove(ds.samples[0][0])
    with pytest.raises(FileNotFoundError, match=r"1.bmp"):
        ds.batch([0])
