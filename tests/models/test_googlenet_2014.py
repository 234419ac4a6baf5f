"""GoogLeNet as published: modules and heads by their formula in NumPy, counts, heads in training alone, the loss, sizes."""

import numpy as np
import pytest
from closeness import assert_close
from numpy.lib.stride_tricks import sliding_window_view

import minitorch_cnn.functional as F
from minitorch_cnn import Tensor, nn
from minitorch_cnn.models.googlenet_2014 import (
    TABLE_1,
    AuxiliaryHead,
    GoogLeNetOutputs,
    Inception,
    googlenet_2014,
    googlenet_loss,
    normalise,
)
from minitorch_cnn.nn import init

EXACT = 1e-12  # float64, sums of at most a few thousand products


def randomised(module, rng):
    """In float64, every parameter random, biases too, so that none can be taken for another."""
    for parameter in module.double().parameters():
        fan_in = np.prod(parameter.shape[1:]) if parameter.ndim > 1 else 4
        parameter.data[...] = rng.standard_normal(parameter.shape) * np.sqrt(2 / fan_in)
    return module


def numbers(module):
    return {key: tensor.numpy() for key, tensor in module.state_dict().items()}


def convolved(x, w, key):
    """ReLU of the convolution of this name, which keeps the size: (N, C, H, W) -> (N, O, H, W)."""
    K = w[key + ".weight"].shape[2]
    padded = np.pad(x, ((0, 0), (0, 0), (K // 2, K // 2), (K // 2, K // 2)))
    windows = sliding_window_view(padded, (K, K), axis=(2, 3))  # (N, C, H, W, K, K)
    y = np.einsum("nchwuv,ocuv->nohw", windows, w[key + ".weight"]) + w[key + ".bias"].reshape(-1, 1, 1)
    return np.maximum(y, 0)


def pooled(x):
    """The largest of each 3x3 window, stride 1; what is outside doesn't count."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    return sliding_window_view(padded, (3, 3), axis=(2, 3)).max((4, 5))


# the parts ------------------------------------------------------------------------------------------------------------


def test_a_reduced_module_is_figure_2b(rng):
    module = randomised(Inception(7, n1=2, r3=4, n3=5, r5=3, n5=6, pool=1), rng)
    x, w = rng.standard_normal((2, 7, 5, 8)), numbers(module)
    three = convolved(convolved(x, w, "reduce3x3"), w, "conv3x3")
    five = convolved(convolved(x, w, "reduce5x5"), w, "conv5x5")
    expected = np.concatenate([convolved(x, w, "conv1x1"), three, five, convolved(pooled(x), w, "pool_proj")], 1)
    assert expected.shape == (2, 14, 5, 8) and module.out_channels == 14
    assert w["conv3x3.weight"].shape == (5, 4, 3, 3) and w["conv5x5.weight"].shape == (6, 3, 5, 5)
    assert_close(module(Tensor(x)), expected, rtol=EXACT)


def test_a_naive_module_is_figure_2a_and_passes_its_pooled_input_on(rng):
    module = randomised(Inception(7, n1=2, r3=4, n3=5, r5=3, n5=6, pool=1, kind="naive"), rng)
    x, w = rng.standard_normal((2, 7, 5, 8)), numbers(module)
    expected = [convolved(x, w, "conv1x1"), convolved(x, w, "conv3x3"), convolved(x, w, "conv5x5"), pooled(x)]
    assert (expected[-1] < 0).any()  # it is passed on as it is, not rectified
    assert module.out_channels == 2 + 5 + 6 + 7
    assert list(w) == [f"conv{k}x{k}.{part}" for k in (1, 3, 5) for part in ("weight", "bias")]
    assert_close(module(Tensor(x)), np.concatenate(expected, 1), rtol=EXACT)


@pytest.mark.parametrize("H, W", [(14, 14), (12, 13)])
def test_a_head_is_pooling_two_layers_and_logits(H, W, rng):
    head = randomised(AuxiliaryHead(3, 7), rng).eval()
    x, w = rng.standard_normal((2, 3, H, W)), numbers(head)
    means = np.empty((2, 3, 4, 4))
    for i, j in np.ndindex(4, 4):
        means[:, :, i, j] = x[:, :, 3 * i : 3 * i + 5, 3 * j : 3 * j + 5].mean((2, 3))  # the last may stick out
    y = convolved(means, w, "conv").reshape(2, 2048)
    y = np.maximum(y @ w["fc1.weight"].T + w["fc1.bias"], 0)
    assert_close(head(Tensor(x)), y @ w["fc2.weight"].T + w["fc2.bias"], rtol=EXACT)


def test_dropout_is_the_papers():
    with init.left_out():
        model = googlenet_2014(num_classes=2)
    assert [model.dropout.p, model.aux1.dropout.p, model.aux2.dropout.p] == [0.4, 0.7, 0.7]


def test_in_training_a_head_drops_values_before_its_last_layer(rng):
    head, seen = AuxiliaryHead(3, 7), []
    head.fc1.bias.data[...] = 10  # so that no value is 0 by itself
    head.fc2.register_forward_hook(lambda m, args, y: seen.append(args[0].numpy()))
    x = Tensor(rng.standard_normal((50, 3, 14, 14), dtype=np.float32))
    head(x)
    assert abs((seen[0] == 0).mean() - 0.7) < 0.01  # 51,200 values: a standard deviation of 0.002
    head.eval()(x)
    assert (seen[1] > 0).all()


def test_normalisation_has_alexnets_constants_with_alpha_not_divided(rng):
    x = 100 * rng.standard_normal((2, 7, 3, 4))  # large, so that alpha matters
    squares = np.pad(x**2, ((0, 0), (2, 2), (0, 0), (0, 0)))
    energy = sum(squares[:, i : i + 7] for i in range(5))
    assert_close(normalise(Tensor(x)), x / (2 + 1e-4 * energy) ** 0.75, rtol=EXACT)


# the whole ------------------------------------------------------------------------------------------------------------


def pool(x):
    return F.max_pool2d(x, 3, 2, ceil_mode=True)


@pytest.mark.full_size
def test_the_whole_network_is_table_1(rng):
    model = googlenet_2014(num_classes=7).double().eval()
    x = Tensor(rng.standard_normal((2, 3, 48, 33)))
    y = model.conv1(x)
    assert y.shape[2:] == (24, 17)
    y = normalise(pool(F.relu(y)))
    y = normalise(F.relu(model.conv3(F.relu(model.conv2(y)))))
    for name in TABLE_1:
        if name in ("3a", "4a", "5a"):
            y = pool(y)
        y = model.get_submodule("inception" + name)(y)
    assert y.shape[2:] == (1, 1)
    expected = y.numpy().mean((2, 3)) @ model.fc.weight.numpy().T + model.fc.bias.numpy()
    assert_close(model(x), expected, rtol=EXACT)


def test_maps_are_halved_with_the_windows_that_stick_out():
    model, shapes = googlenet_2014(num_classes=3).eval(), {}
    for name, module in model.named_children():
        module.register_forward_hook(lambda m, args, output, name=name: shapes.update({name: output.shape[1:]}))
    model(Tensor(np.zeros((1, 3, 32, 95), np.float32)))
    assert shapes == {
        **{"conv1": (64, 16, 48), "conv2": (64, 8, 24), "conv3": (192, 8, 24)},
        **{"inception3a": (256, 4, 12), "inception3b": (480, 4, 12)},
        **{"inception4a": (512, 2, 6), "inception4b": (512, 2, 6), "inception4c": (512, 2, 6)},
        **{"inception4d": (528, 2, 6), "inception4e": (832, 2, 6)},
        **{"inception5a": (832, 1, 3), "inception5b": (1024, 1, 3), "dropout": (1024,), "fc": (3,)},
    }  # and no head: they are not run in evaluation


# Table 1's widths, in parameters; table 1 itself is off for conv1, 4c and 5a
PARAMETERS = {
    **{"conv1": 9_472, "conv2": 4_160, "conv3": 110_784, "inception3a": 163_696, "inception3b": 388_736},
    **{"inception4a": 376_176, "inception4b": 449_160, "inception4c": 510_104, "inception4d": 605_376},
    **{"inception4e": 868_352, "inception5a": 1_043_456, "inception5b": 1_444_080, "dropout": 0, "fc": 1_025_000},
}


def counts(model):
    return {name: sum(p.size for p in child.parameters()) for name, child in model.named_children()}


def test_each_layer_has_as_many_parameters_as_its_widths_give():
    with init.left_out():
        model, small = googlenet_2014(), googlenet_2014(aux=False)
    assert counts(small) == PARAMETERS
    assert PARAMETERS["conv2"] + PARAMETERS["conv3"] == 114_944
    assert counts(model) == {**PARAMETERS, "aux1": 3_188_840, "aux2": 3_190_888}
    assert sum(counts(small).values()) == 6_998_552 and sum(counts(model).values()) == 13_378_280


@pytest.mark.full_size
def test_the_naive_network_has_its_parameters_and_multiply_adds():
    with init.left_out():
        model, heads = googlenet_2014(inception="naive", aux=False), googlenet_2014(inception="naive")
    summary = nn.summary(model, (3, 224, 224))
    assert (summary.total_params, summary.total_macs) == (97_526_008, 12_568_061_056)
    shapes = {row.name: row.output_shape for row in summary.rows}
    channels = {
        "3a": 416,
        "3b": 832,
        "4a": 1280,
        "4b": 1728,
        "4c": 2176,
        "4d": 2640,
        "4e": 3344,
        "5a": 4048,
        "5b": 4944,
    }
    assert {name: shapes["inception" + name][0] for name in TABLE_1} == channels
    assert (heads.aux1.conv.in_channels, heads.aux2.conv.in_channels) == (1280, 2640)


@pytest.mark.full_size
def test_multiply_adds_without_and_with_heads():
    with init.left_out():
        model = googlenet_2014()
    summary = nn.summary(model, (3, 224, 224))
    macs = {row.name: row.macs for row in summary.rows}
    assert summary.total_macs == 1_582_671_872  # in evaluation
    assert macs["conv1"] == 118_013_952 and macs["conv2"] + macs["conv3"] == 359_661_568
    heads = [nn.summary(head, (head.conv.in_channels, 14, 14)).total_macs for head in (model.aux1, model.aux2)]
    assert summary.total_macs + sum(heads) == 1_591_044_096


def test_weights_start_by_he_and_are_drawn_once(monkeypatch):
    drawn, fill = [], init.random.fill
    monkeypatch.setattr(init.random, "fill", lambda array, draw: (drawn.append(array.size), fill(array, draw)))
    model = googlenet_2014(num_classes=7)
    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert drawn == [layer.weight.size for layer in layers]
    for layer in (model.conv3, model.inception4a.reduce5x5, model.inception5b.conv5x5, model.aux2.fc1):
        std = np.sqrt(2 / np.prod(layer.weight.shape[1:]))
        assert abs(layer.weight.numpy().std() / std - 1) < 4 / np.sqrt(
            2 * layer.weight.size
        )  # four standard deviations
    assert not any(layer.bias.data.any() for layer in layers)


@pytest.mark.full_size
def test_a_gradient_reaches_every_parameter(rng):
    model = googlenet_2014(num_classes=7)
    outputs = model(Tensor(rng.standard_normal((1, 3, 191, 191), dtype=np.float32)))
    googlenet_loss(outputs, [2]).backward()
    assert [name for name, p in model.named_parameters() if not np.abs(p.grad).max() > 0] == []


# auxiliary heads ------------------------------------------------------------------------------------------------------


@pytest.mark.full_size
@pytest.mark.parametrize("H, W", [(191, 238), (238, 191)])
def test_in_training_heads_on_4a_and_4d_give_their_logits_too(H, W, rng):
    model, seen = googlenet_2014(num_classes=7), {}
    for name in ("inception4a", "inception4d", "aux1", "aux2"):
        model.get_submodule(name).register_forward_hook(lambda m, args, y, name=name: seen.update({name: (args[0], y)}))
    x = Tensor(rng.standard_normal((1, 3, H, W), dtype=np.float32))
    outputs = model(x)
    assert outputs._fields == ("logits", "aux_logits2", "aux_logits1")
    assert outputs.aux_logits1 is seen["aux1"][1] and outputs.aux_logits2 is seen["aux2"][1]
    assert seen["aux1"][0] is seen["inception4a"][1] and seen["aux2"][0] is seen["inception4d"][1]
    assert [logits.shape for logits in outputs] == [(1, 7)] * 3
    seen.clear()
    assert model.eval()(x).shape == (1, 7) and not {"aux1", "aux2"} & seen.keys()


def test_the_loss_has_each_head_at_three_tenths(rng):
    arrays = [rng.standard_normal((4, 5)) for _ in range(3)]
    target = np.array([0, 4, 2, 2])

    def cross_entropy(z):
        return np.mean([np.log(np.exp(row).sum()) - row[t] for row, t in zip(z, target)])

    main, two, one = map(cross_entropy, arrays)
    outputs = GoogLeNetOutputs(*(Tensor(a, requires_grad=True) for a in arrays))
    loss = googlenet_loss(outputs, target)
    assert_close(loss, np.float64(main + 0.3 * one + 0.3 * two), rtol=EXACT)
    loss.backward()
    for logits, weight in zip(outputs, (1, 0.3, 0.3)):
        p = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(1, keepdims=True)
        assert_close(logits.grad, weight * (p - np.eye(5)[target]) / 4, rtol=EXACT)
    assert_close(googlenet_loss(outputs, target, aux_weight=0.5), np.float64(main + 0.5 * (one + two)), rtol=EXACT)
    assert_close(googlenet_loss(Tensor(arrays[0]), target), np.float64(main), rtol=EXACT)


def test_a_network_without_heads_takes_the_state_of_one_with_them():
    trained = googlenet_2014(num_classes=7)
    model = googlenet_2014(aux=False, num_classes=7)
    model.load_state_dict(trained.state_dict())
    assert model.aux1 is None and model.aux2 is None
    assert np.array_equal(model.fc.weight.numpy(), trained.fc.weight.numpy())
    with pytest.raises(ValueError, match=r"missing: aux1\.conv\.weight, .*aux2\.fc2\.bias"):
        trained.load_state_dict(model.state_dict())
    with pytest.raises(TypeError, match="load_state_dict: expected a dict"):
        model.load_state_dict([1])


# what is refused ------------------------------------------------------------------------------------------------------


def zeros(*shape):
    return Tensor(np.zeros(shape, np.float32))


def test_images_too_small_for_the_last_pooling_are_refused():
    with init.left_out():
        model = googlenet_2014(aux=False, num_classes=2)
    for mode in (True, False):
        assert model.train(mode)(zeros(1, 3, 31, 31)).shape == (1, 2)
        for shape in [(1, 3, 30, 31), (1, 3, 31, 30)]:
            with pytest.raises(ValueError) as error:
                model(zeros(*shape))
            expected = "x must be a batch of colour images, (N, 3, H, W) with H and W at least 31, got x.shape="
            assert str(error.value) == f"GoogLeNet2014: {expected}{shape}"


@pytest.mark.parametrize("H, W", [(190, 191), (200, 190), (239, 238), (238, 239), (32, 32)])
def test_images_whose_heads_would_not_see_4x4_maps_are_refused_in_training(H, W):
    with init.left_out():
        model = googlenet_2014(num_classes=2)
    with pytest.raises(ValueError) as error:
        model(zeros(1, 3, H, W))
    assert str(error.value) == (
        "GoogLeNet2014: in training with its auxiliary heads, x must be (N, 3, H, W) with H and W from 191 to 238, "
        f"got x.shape=(1, 3, {H}, {W}); resize the images, or build it with aux=False"
    )


def test_other_kinds_of_modules_are_refused():
    with pytest.raises(ValueError, match="googlenet_2014: inception must be one of 'reduced', 'naive', got 'Naive'"):
        googlenet_2014(inception="Naive")
    with pytest.raises(ValueError, match="Inception: kind must be one of 'reduced', 'naive', got None"):
        Inception(3, *TABLE_1["3a"], kind=None)
