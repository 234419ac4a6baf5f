"""VGG: table 1 and table 2, torchvision's keys and initialisers, and dense evaluation."""

import functools
import json
import pathlib
import sys

import numpy as np
import pytest
from closeness import assert_close

from minitorch_cnn import Tensor, nn
from minitorch_cnn.models.vgg import (
    TABLE_1,
    VGG,
    vgg11,
    vgg11_bn,
    vgg13,
    vgg13_bn,
    vgg16,
    vgg16_bn,
    vgg19,
    vgg19_bn,
    vgg_a,
    vgg_a_lrn,
    vgg_b,
    vgg_c,
    vgg_d,
    vgg_e,
)

# builder: (column of table 1, weight layers, parameters, table 2's millions, multiply-adds)
PAPERS = {
    vgg_a: ("A", 11, 132_863_336, 133, 7_609_090_048),
    vgg_a_lrn: ("A-LRN", 11, 132_863_336, 133, 7_609_090_048),
    vgg_b: ("B", 13, 133_047_848, 133, 11_308_466_176),
    vgg_c: ("C", 16, 133_638_952, 134, 11_770_888_192),
    vgg_d: ("D", 16, 138_357_544, 138, 15_470_264_320),
    vgg_e: ("E", 19, 143_667_240, 144, 19_632_062_464),
}
# builder: (parameters, numbers in running statistics)
TORCHVISIONS = {
    vgg11: (132_863_336, 0),
    vgg11_bn: (132_868_840, 5_504),
    vgg13: (133_047_848, 0),
    vgg13_bn: (133_053_736, 5_888),
    vgg16: (138_357_544, 0),
    vgg16_bn: (138_365_992, 8_448),
    vgg19: (143_667_240, 0),
    vgg19_bn: (143_678_248, 11_008),
}
SMALL = [4, "M", 6, 6, "M", 8, ("1x1", 10), "M"]


def empty(build, **options):
    """With zeros for weights, which are enough to see shapes; 140 million numbers take a while to draw."""
    with nn.init.left_out():
        return build(**options)


def name_of(value):
    return getattr(value, "__name__", None)


def small(rng, **options):
    """A narrow network in float64, evaluating, every parameter and statistic random."""
    model = VGG(SMALL, **{"num_classes": 3, "hidden": 7, "pooled": 2, **options}).double().eval()
    for name, value in model.state_dict().items():
        if name.endswith("weight") and value.ndim > 1:
            value.data[...] = rng.standard_normal(value.shape) * (2 / np.prod(value.shape[1:])) ** 0.5
        elif value.dtype.kind == "f":
            value.data[...] = rng.uniform(0.5, 1.5, value.shape)
    return model


# the paper's numbers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", PAPERS, ids=name_of)
def test_a_column_has_table_1s_layers_and_table_2s_parameters(build):
    column, layers, parameters, millions, _ = PAPERS[build]
    model = empty(build)
    assert sum(isinstance(layer, nn.Conv2d | nn.Linear) for layer in model.modules()) == layers
    assert sum(p.size for p in model.parameters()) == parameters
    assert round(parameters / 1e6) == millions
    assert TABLE_1[column].count("M") == 5
    assert [(layer.in_features, layer.out_features) for layer in model.classifier if isinstance(layer, nn.Linear)] == [
        *[(512 * 7 * 7, 4096), (4096, 4096), (4096, 1000)]
    ]


def test_table_1_stage_by_stage():
    stages = {}
    for column in TABLE_1:
        stages[column], stage = [], []
        for item in TABLE_1[column]:
            if item == "M":
                stages[column].append(stage)
                stage = []
            else:
                stage.append(item)
    assert stages == {
        "A": [[64], [128], [256] * 2, [512] * 2, [512] * 2],
        "A-LRN": [[64, "LRN"], [128], [256] * 2, [512] * 2, [512] * 2],
        "B": [[64] * 2, [128] * 2, [256] * 2, [512] * 2, [512] * 2],
        "C": [[64] * 2, [128] * 2, *([width, width, ("1x1", width)] for width in (256, 512, 512))],
        "D": [[64] * 2, [128] * 2, [256] * 3, [512] * 3, [512] * 3],
        "E": [[64] * 2, [128] * 2, [256] * 4, [512] * 4, [512] * 4],
    }


@pytest.mark.full_size
@pytest.mark.parametrize("build", PAPERS, ids=name_of)
def test_a_column_has_its_multiply_adds_and_halves_the_map_five_times(build):
    summary = nn.summary(empty(build), (3, 224, 224))
    assert summary.total_macs == PAPERS[build][4]
    pooled = [row.output_shape for row in summary.rows if row.kind == "MaxPool2d"]
    assert pooled == [(64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7)]


def test_counts_are_those_of_the_reference_material():
    path = pathlib.Path(__file__).parents[2] / "../shared/facts/facts.json"
    if not path.exists():
        pytest.skip(f"the reference counts are in {path.resolve()}, which is not there")
    facts = json.loads(path.read_text())["models"]
    for build, (_, _, parameters, _, macs) in PAPERS.items():
        assert (facts[build.__name__]["parameters"], facts[build.__name__]["macs"]) == (parameters, macs)
    for build, (parameters, statistics) in TORCHVISIONS.items():
        there = facts[build.__name__]
        assert (there["parameters"], there["running_statistics"]) == (parameters, statistics)


def test_a_lrn_normalises_as_alexnet_after_the_first_relu():
    layers = list(empty(vgg_a_lrn, num_classes=2).features)
    assert [type(layer).__name__ for layer in layers[:4]] == ["Conv2d", "ReLU", "LocalResponseNorm", "MaxPool2d"]
    assert (layers[2].size, layers[2].alpha / 5, layers[2].beta, layers[2].k) == (5, 1e-4, 0.75, 2.0)
    assert sum(isinstance(layer, nn.LocalResponseNorm) for layer in layers) == 1


def test_three_convolutions_of_3x3_have_27_49ths_of_the_weights_of_one_of_7x7():
    three = VGG([6, 6, 6, 6, "M"], hidden=1, pooled=1).features
    weights = sum(layer.weight.size for layer in list(three)[2:] if isinstance(layer, nn.Conv2d))
    assert weights * 49 == nn.Conv2d(6, 6, 7).weight.size * 27


# torchvision's --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", TORCHVISIONS, ids=name_of)
def test_keys_shapes_and_counts_are_torchvisions(build):
    model = empty(build)
    parameters, statistics = TORCHVISIONS[build]
    assert sum(p.size for p in model.parameters()) == parameters
    assert sum(value.size for name, value in model.named_buffers() if "running" in name) == statistics
    path = pathlib.Path(__file__).parents[2] / "../shared/facts/state_dict_keys.json"
    if not path.exists():
        pytest.skip(f"torchvision's keys are in {path.resolve()}, which is not there")
    expected = json.loads(path.read_text())[build.__name__]
    assert [[key, list(value.shape), str(value.dtype)] for key, value in model.state_dict().items()] == expected


# how weights start ----------------------------------------------------------------------------------------------------


def test_without_std_weights_start_as_torchvisions_he_by_fan_out_and_0_01_in_the_linear_layers():
    model = VGG([32, "M", 64, "M"], batch_norm=True, num_classes=50, hidden=60, pooled=3)
    for layer in [m for m in model.modules() if isinstance(m, nn.Conv2d)]:
        expected = (2 / (9 * layer.out_channels)) ** 0.5
        assert abs(layer.weight.numpy().std() / expected - 1) < 0.08  # 864 numbers: 2.4 % is one standard error
        assert np.abs(layer.weight.numpy()).max() > 2 * expected  # normal, not uniform
    for layer in [m for m in model.modules() if isinstance(m, nn.Linear)]:
        assert abs(layer.weight.numpy().std() / 0.01 - 1) < 0.08
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
            assert not layer.bias.numpy().any()
        if isinstance(layer, nn.BatchNorm2d):
            assert (layer.weight.numpy() == 1).all()


def test_with_std_all_weights_start_normal_with_it():
    model = VGG([32, "M", 64, "M"], num_classes=50, hidden=60, pooled=3, std=0.2)
    for layer in [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]:
        assert abs(layer.weight.numpy().std() / 0.2 - 1) < 0.08
        assert not layer.bias.numpy().any()


@pytest.mark.parametrize("build", [vgg_a, vgg_c, vgg11, vgg13_bn], ids=name_of)
def test_the_papers_networks_start_with_0_01_and_torchvisions_with_hes(build, monkeypatch):
    few_units = functools.partial(VGG, hidden=8, pooled=1)  # the convolutions alone are drawn in no time
    monkeypatch.setattr(sys.modules[VGG.__module__], "VGG", few_units)
    expected = 0.01 if build in PAPERS else (2 / (9 * 64)) ** 0.5
    assert abs(build().features[0].weight.numpy().std() / expected - 1) < 0.1


def test_each_weight_is_drawn_once(monkeypatch):
    drawn, draw = [], nn.init._draw
    monkeypatch.setattr(
        nn.init, "_draw", lambda tensor, how: nn.init._is_left_out() or drawn.append(id(tensor)) or draw(tensor, how)
    )
    model = VGG(SMALL, hidden=5, pooled=1)
    assert drawn == [id(p) for name, p in model.named_parameters() if name.endswith("weight")]


# running it -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_row_of_the_table_is_what_it_says(batch_norm, rng):
    model = small(rng, batch_norm=batch_norm)
    kinds = [type(layer).__name__ for layer in model.features]
    block = ["Conv2d", "BatchNorm2d", "ReLU"] if batch_norm else ["Conv2d", "ReLU"]
    assert kinds == [*block, "MaxPool2d", *block, *block, "MaxPool2d", *block, *block, "MaxPool2d"]
    convolutions = [layer for layer in model.features if isinstance(layer, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels, c.kernel_size, c.padding) for c in convolutions] == [
        *[(3, 4, (3, 3), (1, 1)), (4, 6, (3, 3), (1, 1)), (6, 6, (3, 3), (1, 1))],
        *[(6, 8, (3, 3), (1, 1)), (8, 10, (1, 1), (0, 0))],
    ]
    assert model(Tensor(rng.standard_normal((2, 3, 9, 20)))).shape == (2, 3)


def test_dropout_stands_after_the_two_hidden_layers_and_takes_its_probability(rng):
    assert [(i, layer.p) for i, layer in enumerate(small(rng, dropout=0.2).classifier) if hasattr(layer, "p")] == [
        *[(2, 0.2), (5, 0.2)]
    ]
    assert small(rng).classifier[2].p == 0.5
    model, x = small(rng, hidden=40), Tensor(rng.standard_normal((1, 3, 8, 8)))
    assert np.array_equal(model(x).numpy(), model(x).numpy())
    model.train()
    assert not np.array_equal(model(x).numpy(), model(x).numpy())
    x = Tensor(rng.standard_normal((1, 3, 16, 16)))
    assert not np.array_equal(model.dense(x).numpy(), model.dense(x).numpy())


@pytest.mark.parametrize("batch_norm", [False, True])
def test_dense_is_the_mean_over_the_network_at_every_place(batch_norm, rng):
    model = small(rng, batch_norm=batch_norm)
    x = rng.standard_normal((2, 3, 40, 26))
    maps = model.features(Tensor(x)).numpy()  # (2, 10, 5, 3)
    assert maps.shape == (2, 10, 5, 3)
    places = [maps[:, :, i : i + 2, j : j + 2] for i in range(4) for j in range(2)]  # windows of the classifier's 2x2
    expected = np.mean([model.classifier(Tensor(place.reshape(2, 40))).numpy() for place in places], axis=0)
    assert_close(model.dense(Tensor(x)), expected, 1e-12)
    assert np.abs(model(Tensor(x)).numpy() - expected).max() > 1e-3  # forward averages the map first


def test_dense_equals_forward_at_the_size_of_training_and_passes_gradients_to_all_weights(rng):
    model, x, upstream = small(rng), Tensor(rng.standard_normal((2, 3, 16, 16))), rng.standard_normal((2, 3))
    expected = model(x)
    expected.backward(upstream)
    gradients = [p.grad for p in model.parameters()]
    model.zero_grad()
    got = model.dense(x)
    got.backward(upstream)
    assert_close(got, expected.numpy(), 1e-12)
    for parameter, gradient in zip(model.parameters(), gradients):
        assert_close(parameter.grad, gradient, 1e-11)


@pytest.mark.full_size
def test_dense_equals_forward_at_224(rng):
    model = VGG([8, "M", 8, "M", 8, "M", 8, "M", 8, "M"], num_classes=5, hidden=12).double().eval()
    x = Tensor(rng.standard_normal((1, 3, 224, 224)))
    assert_close(model.dense(x), model(x).numpy(), 1e-12)
    assert model.dense(Tensor(rng.standard_normal((1, 3, 256, 290)))).shape == (1, 5)


@pytest.mark.parametrize("shape", [(1, 3, 31, 40), (1, 3, 40, 31), (3, 32, 32), (1, 1, 32, 32)])
def test_images_that_are_too_small_are_refused_with_the_least_size(shape):
    with pytest.raises(ValueError) as error:
        empty(vgg11, num_classes=2)(Tensor(np.zeros(shape, np.float32)))
    assert str(error.value).startswith(
        "VGG: x must be a batch of colour images, (N, 3, H, W) with H and W at least 32, got x.shape="
    )


def test_dense_needs_224_pixels_and_a_small_network_less(rng):
    with pytest.raises(
        ValueError, match=r"VGG.dense: x must be .* with H and W at least 224, got x.shape=\(1, 3, 223, 300\)"
    ):
        empty(vgg11, num_classes=2).dense(Tensor(np.zeros((1, 3, 223, 300), np.float32)))
    with pytest.raises(ValueError, match=r"VGG.dense: .* at least 16,"):
        small(rng).dense(Tensor(np.zeros((1, 3, 15, 16))))
    with pytest.raises(ValueError, match=r"VGG: .* at least 8,"):
        small(rng)(Tensor(np.zeros((1, 3, 8, 7))))


def test_a_file_of_weights_that_is_not_there_is_named():
    with pytest.raises(FileNotFoundError, match=r"vgg16: there is no file 'mine.pth'.*published are 'IMAGENET1K_V1'"):
        vgg16(weights="mine.pth")
    with pytest.raises(FileNotFoundError, match=r"vgg_c: there is no file 'DEFAULT'.*none are published"):
        vgg_c(weights="DEFAULT")
