"""ImageNet's folders, and the table of its classes."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minitorch_cnn import data

WEIGHTS = Path(__file__).parents[2] / "../shared/data/weights"


def put(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3)).save(path, "PNG")
    return root


def test_the_table_of_classes():
    names, synsets = data.imagenet_classes(), data.imagenet_synsets()
    assert len(names) == len(synsets) == 1000
    assert synsets == sorted(set(synsets)) and len(set(names)) == 1000
    assert all(len(s) == 9 and s[0] == "n" and s[1:].isdigit() for s in synsets)
    # known to everybody who has looked at a network's outputs
    known = {
        0: ("n01440764", "tench"),
        207: ("n02099601", "golden retriever"),
        281: ("n02123045", "tabby"),
        999: ("n15075141", "toilet tissue"),
    }
    for i, pair in known.items():
        assert (synsets[i], names[i]) == pair
    names[0] = "spoilt"
    assert data.imagenet_classes()[0] == "tench"


@pytest.mark.skipif(not WEIGHTS.is_dir(), reason=f"the reference weights are not in {WEIGHTS}")
def test_the_names_are_those_that_come_with_the_weights():
    assert data.imagenet_classes() == json.loads((WEIGHTS / "imagenet_classes.json").read_text(encoding="utf-8"))


def test_a_few_classes_keep_their_numbers(tmp_path):
    put(
        tmp_path,
        "train/n15075141/n15075141_3.JPEG",
        "train/n01440764/a.JPEG",
        "val/n02123045/ILSVRC2012_val_00000001.JPEG",
    )
    train = data.ImageNet(tmp_path)
    assert train.targets == [0, 999] and train.classes[999] == "toilet tissue" and len(train.classes) == 1000
    assert train.class_to_idx == train.wnid_to_idx == {"n01440764": 0, "n15075141": 999} and len(train.wnids) == 1000
    val = data.ImageNet(tmp_path, "val", transform=data.ImageNetEval(4, 2))
    image, label = val[0]
    assert label == 281 and image.shape == (3, 2, 2)
    # black: minus the mean over the standard deviation
    np.testing.assert_allclose(image[:, 0, 0], [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225], rtol=1e-6)
    assert "1 images of 1 of 1,000 classes" in repr(val)


def test_all_classes(tmp_path):
    for synset in data.imagenet_synsets():
        (tmp_path / "val" / synset).mkdir(parents=True)
        (tmp_path / "val" / synset / "1.JPEG").write_bytes(b"")
    ds = data.ImageNet(tmp_path, split="val")
    assert ds.targets == list(range(1000))


def test_what_is_not_imagenet(tmp_path):
    with pytest.raises(ValueError, match='split must be "train" or "val", got \'test\''):
        data.ImageNet(tmp_path, "test")
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*train; root must have train/n01440764"):
        data.ImageNet(tmp_path)
    put(tmp_path, "val/ILSVRC2012_val_00000001.JPEG", "val/ILSVRC2012_val_00000002.JPEG")
    with pytest.raises(
        FileNotFoundError, match=r"has 2 files, but no class folders\. .* move each into a folder named by its synset"
    ):
        data.ImageNet(tmp_path, "val")
    put(tmp_path, "train/n01440764/a.png", "train/cat/a.png")
    with pytest.raises(ValueError, match=r"1 folders that are none of the 1,000 classes: cat; .*data.ImageFolder"):
        data.ImageNet(tmp_path)
    (tmp_path / "train/cat/a.png").unlink(), (tmp_path / "train/cat").rmdir(), (tmp_path / "train/n01443537").mkdir()
    with pytest.raises(FileNotFoundError, match=r"ImageNet: .*1 of 2 class folders have no images: n01443537"):
        data.ImageNet(tmp_path)


def test_skip_corrupt(tmp_path):
    put(tmp_path, "val/n01440764/a.png", "val/n01440764/b.png")
    (tmp_path / "val/n01440764/a.png").write_bytes(b"no")
    images, labels = data.ImageNet(tmp_path, "val", skip_corrupt=True).batch([0, 1])
    assert images.shape == (1, 3, 3, 4) and labels.tolist() == [0]
