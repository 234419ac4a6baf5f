"""AlexNet in one tower: torchvision's keys, the sizes and counts of its layers, and where dropout is."""

import json
import pathlib

import numpy as np
import pytest

from minitorch_cnn import Tensor, nn
from minitorch_cnn.models.alexnet import alexnet


@pytest.fixture(scope="module")
def model():
    """With zeros for weights, which are enough to see shapes; 61 million numbers take a while to draw."""
    with nn.init.left_out():
        return alexnet()


def narrow(model):
    """The same network with few units, random: the large layers replaced, so that it runs in no time."""
    model.classifier[1], model.classifier[4], model.classifier[6] = nn.Linear(9216, 8), nn.Linear(8, 8), nn.Linear(8, 5)
    return model


def test_keys_and_shapes_are_torchvisions(model):
    path = pathlib.Path(__file__).parents[2] / "../shared/facts/state_dict_keys.json"
    if not path.exists():
        pytest.skip(f"torchvision's keys are in {path.resolve()}, which is not there")
    expected = json.loads(path.read_text())["alexnet"]
    assert [[key, list(value.shape), str(value.dtype)] for key, value in model.state_dict().items()] == expected


def test_it_has_61_100_840_parameters(model):
    assert [sum(p.size for p in layer.parameters()) for layer in model.features if isinstance(layer, nn.Conv2d)] == [
        *[23_296, 307_392, 663_936, 884_992, 590_080]
    ]
    assert sum(p.size for p in model.parameters()) == 61_100_840


@pytest.mark.full_size
def test_its_maps_are_those_of_2012_and_its_multiply_adds_714_million(model):
    summary = nn.summary(model, (3, 224, 224))
    shapes = {row.name: row.output_shape for row in summary.rows}
    assert shapes["features.0"] == (64, 55, 55) and shapes["features.3"] == (192, 27, 27)
    assert shapes["features.6"] == (384, 13, 13) and shapes["features.12"] == (256, 6, 6)
    assert summary.total_macs == 714_188_480


def test_weights_start_as_pytorchs_layers():
    model = alexnet(num_classes=3)
    for key in ("features.0", "features.10", "classifier.6"):
        layer = model.get_submodule(key)
        bound = 1 / np.prod(layer.weight.shape[1:]) ** 0.5
        for values in (layer.weight.numpy(), layer.bias.numpy()):
            assert 0 < np.abs(values).max() <= bound
        assert np.abs(layer.weight.numpy()).max() > 0.95 * bound


def test_63_pixels_are_enough_and_62_are_not():
    with nn.init.left_out():
        model = narrow(alexnet())
    assert model(Tensor(np.zeros((2, 3, 63, 70), np.float32))).shape == (2, 5)
    for shape in [(1, 3, 62, 90), (1, 3, 90, 62)]:
        with pytest.raises(ValueError) as error:
            model(Tensor(np.zeros(shape, np.float32)))
        assert str(error.value) == (
            f"AlexNet: x must be a batch of colour images, (N, 3, H, W) with H and W at least 63, got x.shape={shape}"
        )
    with pytest.raises(ValueError, match=r"add the batch axis with x.unsqueeze\(0\)"):
        model(Tensor(np.zeros((3, 63, 63), np.float32)))


def test_dropout_stands_before_the_two_hidden_layers_only_and_takes_its_probability(rng):
    with nn.init.left_out():
        model = alexnet(num_classes=3, dropout=0.25)
    assert [(i, layer.p) for i, layer in enumerate(model.classifier) if isinstance(layer, nn.Dropout)] == [
        *[(0, 0.25), (3, 0.25)]
    ]
    with nn.init.left_out():
        model = alexnet()
    assert model.classifier[0].p == 0.5
    model = narrow(model)
    model.classifier[1].bias.data[...] = 1  # the maps are zero
    x = Tensor(np.zeros((1, 3, 63, 63), np.float32))
    assert np.array_equal(model.eval()(x).numpy(), model(x).numpy())
    assert not np.array_equal(model.train()(x).numpy(), model(x).numpy())


def test_a_file_of_weights_that_is_not_there_is_named_with_the_published_ones():
    with pytest.raises(FileNotFoundError, match=r"alexnet: there is no file 'mine.pth'.*published are 'IMAGENET1K_V1'"):
        alexnet(weights="mine.pth")
