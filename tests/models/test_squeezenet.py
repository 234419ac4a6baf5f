"""SqueezeNet: the Fire module by its formula in NumPy, the layers of both versions, counts, trained weights, sizes."""

import json
import pathlib

import numpy as np
import pytest
from closeness import assert_close
from numpy.lib.stride_tricks import sliding_window_view

import minitorch_cnn.functional as F
from minitorch_cnn import Tensor, nn, no_grad
from minitorch_cnn.models.squeezenet import Fire, squeezenet1_0, squeezenet1_1
from minitorch_cnn.nn import init

EXACT = 1e-12  # float64, sums of at most a few hundred products
WEIGHTS = pathlib.Path(__file__).parents[2] / "../shared/data/weights"


def unfilled(build, **options):
    with init.left_out():
        return build(**options)


def test_a_fire_module_squeezes_and_expands(rng):
    module = Fire(5, squeeze=3, expand1x1=4, expand3x3=2).double()
    for parameter in module.parameters():
        parameter.data[...] = rng.standard_normal(parameter.shape)
    w = {key: tensor.numpy() for key, tensor in module.state_dict().items()}

    def convolved(x, key, K):
        padded = np.pad(x, ((0, 0), (0, 0), (K // 2, K // 2), (K // 2, K // 2)))
        y = np.einsum("nchwuv,ocuv->nohw", sliding_window_view(padded, (K, K), axis=(2, 3)), w[key + ".weight"])
        return np.maximum(y + w[key + ".bias"].reshape(-1, 1, 1), 0)

    x = rng.standard_normal((2, 5, 4, 6))
    squeezed = convolved(x, "squeeze", 1)
    expected = np.concatenate([convolved(squeezed, "expand1x1", 1), convolved(squeezed, "expand3x3", 3)], 1)
    assert_close(module(Tensor(x)), expected, rtol=EXACT)


# channels and size after each of the features, for images of 32x61; pooling takes the windows that stick out
MAPS = {
    squeezenet1_0: [
        *[(96, 13, 28), (96, 13, 28), (96, 6, 14), (128, 6, 14), (128, 6, 14), (256, 6, 14), (256, 3, 7)],
        *[(256, 3, 7), (384, 3, 7), (384, 3, 7), (512, 3, 7), (512, 1, 3), (512, 1, 3)],
    ],
    squeezenet1_1: [
        *[(64, 15, 30), (64, 15, 30), (64, 7, 15), (128, 7, 15), (128, 7, 15), (128, 3, 7), (256, 3, 7)],
        *[(256, 3, 7), (256, 1, 3), (384, 1, 3), (384, 1, 3), (512, 1, 3), (512, 1, 3)],
    ],
}


@pytest.mark.parametrize("build", MAPS)
def test_layers_follow_each_other_as_in_their_table(build):
    model, shapes = build(num_classes=7).eval(), []
    for module in model.features:
        module.register_forward_hook(lambda m, args, output: shapes.append(output.shape[1:]))
    assert model(Tensor(np.zeros((2, 3, 32, 61), np.float32))).shape == (2, 7)
    assert shapes == MAPS[build]


def test_maps_that_are_even_keep_the_last_column():
    model, shapes = unfilled(squeezenet1_1, num_classes=2).eval(), []
    for module in model.features:
        if isinstance(module, nn.MaxPool2d):
            module.register_forward_hook(lambda m, args, output: shapes.append((args[0].shape[3], output.shape[3])))
    model(Tensor(np.zeros((1, 3, 17, 66), np.float32)))
    assert shapes == [(32, 16), (16, 8), (8, 4)]  # 15, 7, 3 without ceil_mode


@pytest.mark.parametrize(
    "build, parameters, macs", [(squeezenet1_0, 1_248_424, 818_924_576), (squeezenet1_1, 1_235_496, 349_151_936)]
)
@pytest.mark.full_size
def test_parameters_and_multiply_adds(build, parameters, macs):
    summary = nn.summary(unfilled(build), (3, 224, 224))
    assert (summary.total_params, summary.total_macs) == (parameters, macs)


@pytest.mark.parametrize(
    "build, fires", [(squeezenet1_0, [3, 4, 5, 7, 8, 9, 10, 12]), (squeezenet1_1, [3, 4, 6, 7, 9, 10, 11, 12])]
)
def test_keys_are_torchvisions(build, fires):
    convolutions = [
        "features.0",
        *[f"features.{i}.{part}" for i in fires for part in ("squeeze", "expand1x1", "expand3x3")],
    ]
    convolutions.append("classifier.1")
    assert list(unfilled(build).state_dict()) == [f"{c}.{part}" for c in convolutions for part in ("weight", "bias")]


def test_logits_are_means_of_rectified_maps(rng):
    model = squeezenet1_1(num_classes=7).double().eval()
    init.normal_(model.classifier[1].weight)
    x = Tensor(rng.standard_normal((2, 3, 35, 50)))
    features = model.features(x).numpy()  # (2, 512, 2, 3)
    maps = np.einsum("nchw,oc->nohw", features, model.classifier[1].weight.numpy()[:, :, 0, 0])
    assert (maps < 0).any() and maps.shape == (2, 7, 2, 3)
    assert_close(model(x), np.maximum(maps, 0).mean((2, 3)), rtol=EXACT)


def test_weights_start_by_he_the_last_ones_small_and_are_drawn_once(monkeypatch):
    drawn, fill = [], init.random.fill
    monkeypatch.setattr(init.random, "fill", lambda array, draw: (drawn.append(array.size), fill(array, draw)))
    model = squeezenet1_0()
    parameters = dict(model.named_parameters())
    assert drawn == [p.size for name, p in parameters.items() if name.endswith("weight")]
    assert not any(p.data.any() for name, p in parameters.items() if name.endswith("bias"))
    for name in ("features.0.weight", "features.12.expand3x3.weight", "features.12.squeeze.weight"):
        values = parameters[name].numpy()
        bound = np.sqrt(6 / np.prod(values.shape[1:]))
        assert -bound <= values.min() < -0.99 * bound and 0.99 * bound < values.max() <= bound
        assert abs(values.std() / (bound / np.sqrt(3)) - 1) < 0.02
    last = parameters["classifier.1.weight"].numpy()
    assert abs(last.std() / 0.01 - 1) < 0.01 and np.abs(last).max() > 0.03


def test_a_gradient_reaches_every_parameter(rng):
    model = squeezenet1_1(num_classes=5, dropout=0.0)
    F.cross_entropy(model(Tensor(rng.standard_normal((2, 3, 33, 40), dtype=np.float32))), [1, 4]).backward()
    assert [name for name, p in model.named_parameters() if not np.abs(p.grad).max() > 0] == []


def test_half_of_the_features_are_dropped_in_training():
    assert unfilled(squeezenet1_0).classifier[0].p == 0.5
    assert unfilled(squeezenet1_1, dropout=0.2).classifier[0].p == 0.2


@pytest.mark.full_size
def test_trained_weights_answer_as_stored():
    if not WEIGHTS.exists():
        pytest.skip(f"trained weights and their answers are in {WEIGHTS.resolve()}, which is not there")
    stored = json.loads((WEIGHTS / "reference.json").read_text())["sine"]
    model = squeezenet1_1(weights=WEIGHTS / "squeezenet1_1.pth").eval()
    x = np.sin(np.arange(3 * 224 * 224) / 1000).reshape(1, 3, 224, 224).astype(np.float32)
    with no_grad():
        logits = model(Tensor(x)).numpy()[0]
    best = np.argsort(-logits)[:5]
    assert best.tolist() == stored["top5_index"]
    assert np.abs(logits[best] - stored["top5_logit"]).max() < 1e-4  # float32 through 18 layers
    assert abs(logits.mean() - stored["logits_mean"]) < 1e-5


@pytest.mark.parametrize("build, least", [(squeezenet1_0, 21), (squeezenet1_1, 17)])
def test_images_too_small_for_the_last_pooling_are_refused(build, least):
    model = unfilled(build, num_classes=2).eval()
    assert model(Tensor(np.zeros((1, 3, least, least), np.float32))).shape == (1, 2)
    for shape in [(1, 3, least - 1, least), (1, 3, least, least - 1)]:
        with pytest.raises(ValueError) as error:
            model(Tensor(np.zeros(shape, np.float32)))
        expected = f"x must be a batch of colour images, (N, 3, H, W) with H and W at least {least}, got x.shape="
        assert str(error.value) == f"SqueezeNet: {expected}{shape}"
