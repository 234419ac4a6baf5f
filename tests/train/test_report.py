"""The confusion matrix counts, the pictures can be opened and hold what they should."""

import numpy as np
import pytest

from minitorch_cnn.train import confusion_matrix, confusion_table, save_curves, save_history, save_mistakes


def test_confusion_matrix_counts_each_pair(rng):
    targets, predictions = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    matrix = confusion_matrix(targets, predictions, 5)
    for i in range(5):
        for j in range(5):
            assert matrix[i, j] == sum(1 for t, p in zip(targets, predictions) if (t, p) == (i, j))


def test_confusion_table_has_a_line_a_class_and_its_error():
    lines = confusion_table(np.array([[3, 0], [1, 7]]), ["a", "b"]).splitlines()
    assert [line.split() for line in lines] == [["a", "b", "error"], ["a", "3", "0.00%"], ["b", "1", "7", "12.50%"]]


def test_mistakes_shows_just_the_wrong_images(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    right, wrong = [200, 10, 30], [10, 200, 30]
    images = np.zeros((6, 3, 4, 5), np.uint8)
    images[...] = np.array(right).reshape(1, 3, 1, 1)
    images[[1, 4]] = np.array(wrong).reshape(1, 3, 1, 1)
    path = tmp_path / "mistakes.png"
    assert save_mistakes(path, images, np.array([0, 1, 2, 0, 1, 2]), np.array([0, 2, 2, 0, 0, 2]), ["x", "y", "z"]) == 2
    with Image.open(path) as page:
        pixels = np.asarray(page)
    assert (pixels == wrong).all(2).sum() == 2 * (4 * 3) * (5 * 3)
    assert not (pixels == right).all(2).any()
    assert [p.name for p in tmp_path.iterdir()] == ["mistakes.png"]


def test_mistakes_takes_grey_images_and_none_at_all(tmp_path):
    pytest.importorskip("PIL.Image")
    images = np.zeros((3, 1, 4, 5), np.uint8)
    assert save_mistakes(tmp_path / "a.png", images, np.zeros(3, int), np.ones(3, int), ["x", "y"]) == 3
    assert save_mistakes(tmp_path / "b.png", images, np.zeros(3, int), np.zeros(3, int), ["x", "y"]) == 0


def test_curves_are_a_picture(tmp_path):
    pytest.importorskip("matplotlib")
    Image = pytest.importorskip("PIL.Image")
    history = [
        {"epoch": e, "train_loss": 1 / e, "train_error": 0.1 / e, "test_error": 0.2 / e, "lr": 0.1} for e in (1, 2, 3)
    ]
    save_curves(tmp_path / "curves.png", history, "a title")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.size[0] > 600


def test_history_is_a_table_with_a_row_an_epoch(tmp_path):
    save_history(tmp_path / "history.csv", [{"epoch": 1, "lr": 0.1 + 0.2}, {"epoch": 2, "lr": 1e-5}])
    assert (tmp_path / "history.csv").read_bytes() == b"epoch,lr\r\n1,0.30000000000000004\r\n2,1e-05\r\n"
    assert [p.name for p in tmp_path.iterdir()] == ["history.csv"]


def test_a_picture_that_cannot_be_made_leaves_no_file(tmp_path, monkeypatch):
    Image = pytest.importorskip("PIL.Image")

    def fails(self, file, kind):
        file.write(b"half a pic")
        raise OSError("no space left on device")

    monkeypatch.setattr(Image.Image, "save", fails)
    with pytest.raises(OSError, match="no space left"):
        save_mistakes(
            tmp_path / "a.png", np.zeros((1, 1, 4, 5), np.uint8), np.zeros(1, int), np.ones(1, int), ["x", "y"]
        )
    assert not list(tmp_path.iterdir())
