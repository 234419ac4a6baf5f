"""torchvision's GoogLeNet: a module by its formula in NumPy, keys, counts, heads, the images that published weights want, sizes."""

import numpy as np
import pytest
from closeness import assert_close
from numpy.lib.stride_tricks import sliding_window_view

from minitorch_cnn import Tensor, nn
from minitorch_cnn.data.fetch import file_sha256
from minitorch_cnn.models.googlenet import AuxiliaryHead, Inception, googlenet, to_half_and_half
from minitorch_cnn.models.googlenet_2014 import TABLE_1, googlenet_loss
from minitorch_cnn.models.published import PUBLISHED
from minitorch_cnn.nn import init

EXACT = 1e-12  # float64, sums of at most a few thousand products


def randomised(module, rng):
    """In float64, every parameter and statistic random, so that none can be taken for another; in evaluation mode."""
    module.double().eval()
    for key, tensor in module.state_dict().items():
        if tensor.dtype.kind == "f":
            fan_in = np.prod(tensor.shape[1:]) if tensor.ndim > 1 else 4
            values = rng.standard_normal(tensor.shape) * np.sqrt(2 / fan_in)
            tensor.data[...] = np.abs(values) / 100 if "running_var" in key else values  # small, so that eps matters
    return module


def numbers(module):
    return {key: tensor.numpy() for key, tensor in module.state_dict().items()}


def convolved(x, w, key):
    """Convolution, normalisation by the running statistics with eps 0.001, ReLU: (N, C, H, W) -> (N, O, H, W)."""
    kernel = w[key + ".conv.weight"]
    K = kernel.shape[2]
    padded = np.pad(x, ((0, 0), (0, 0), (K // 2, K // 2), (K // 2, K // 2)))
    y = np.einsum("nchwuv,ocuv->nohw", sliding_window_view(padded, (K, K), axis=(2, 3)), kernel)
    scale, shift, mean, var = (
        w[f"{key}.bn.{name}"].reshape(-1, 1, 1) for name in ("weight", "bias", "running_mean", "running_var")
    )
    return np.maximum((y - mean) / np.sqrt(var + 0.001) * scale + shift, 0)


def test_a_module_is_its_four_branches_of_which_the_third_is_3x3(rng):
    module = randomised(Inception(7, n1=2, r3=4, n3=5, r5=3, n5=6, pool=1), rng)
    x, w = rng.standard_normal((2, 7, 5, 8)), numbers(module)
    assert w["branch2.1.conv.weight"].shape == (5, 4, 3, 3) and w["branch3.1.conv.weight"].shape == (6, 3, 3, 3)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    branches = [
        convolved(x, w, "branch1"),
        convolved(convolved(x, w, "branch2.0"), w, "branch2.1"),
        convolved(convolved(x, w, "branch3.0"), w, "branch3.1"),
        convolved(sliding_window_view(padded, (3, 3), axis=(2, 3)).max((4, 5)), w, "branch4.1"),
    ]
    assert_close(module(Tensor(x)), np.concatenate(branches, 1), rtol=EXACT)


def test_a_head_takes_means_of_4x4_windows_whatever_the_map(rng):
    head = randomised(AuxiliaryHead(3, 7, dropout=0.7), rng)
    x, w = rng.standard_normal((2, 3, 2, 8)), numbers(head)
    means = x.repeat(2, axis=2).reshape(2, 3, 4, 4, 2).mean(4)  # of two rows four are made, of eight columns four pairs
    y = convolved(means, w, "conv").reshape(2, 2048)
    y = np.maximum(y @ w["fc1.weight"].T + w["fc1.bias"], 0)
    assert_close(head(Tensor(x)), y @ w["fc2.weight"].T + w["fc2.bias"], rtol=EXACT)


def test_maps_are_halved_and_the_last_time_by_windows_of_2x2():
    model, shapes = googlenet(num_classes=3).eval(), {}
    for name, module in model.named_children():
        module.register_forward_hook(lambda m, args, output, name=name: shapes.update({name: output.shape[1:]}))
    model(Tensor(np.zeros((1, 3, 15, 95), np.float32)))
    assert shapes == {
        **{"conv1": (64, 8, 48), "conv2": (64, 4, 24), "conv3": (192, 4, 24)},
        **{"inception3a": (256, 2, 12), "inception3b": (480, 2, 12)},
        **{"inception4a": (512, 1, 6), "inception4b": (512, 1, 6), "inception4c": (512, 1, 6)},
        **{"inception4d": (528, 1, 6), "inception4e": (832, 1, 6)},
        **{"inception5a": (832, 1, 3), "inception5b": (1024, 1, 3), "dropout": (1024,), "fc": (3,)},
    }  # and no head: they are not run in evaluation
    model(Tensor(np.zeros((1, 3, 47, 15), np.float32)))  # a map of 3x1 before the last pooling
    assert shapes["inception4e"] == (832, 3, 1) and shapes["inception5b"] == (1024, 2, 1)


def test_keys_are_torchvisions():
    with init.left_out():
        keys = list(googlenet().state_dict())
    norm = ["bn.weight", "bn.bias", "bn.running_mean", "bn.running_var", "bn.num_batches_tracked"]
    assert keys[:6] == ["conv1." + part for part in ["conv.weight", *norm]]
    inception = [key for key in keys if key.startswith("inception4b.")]
    branches = ["branch1", "branch2.0", "branch2.1", "branch3.0", "branch3.1", "branch4.1"]
    assert inception == [f"inception4b.{branch}.{part}" for branch in branches for part in ["conv.weight", *norm]]
    linear = ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]
    assert keys[-22:] == [
        *[f"aux1.{part}" for part in ["conv.conv.weight", *["conv." + n for n in norm], *linear]],
        *[f"aux2.{part}" for part in ["conv.conv.weight", *["conv." + n for n in norm], *linear]],
        *["fc.weight", "fc.bias"],
    ]


def test_parameters_with_and_without_heads():
    with init.left_out():
        model, small = googlenet(), googlenet(aux_logits=False)
    assert sum(p.size for p in model.parameters()) == 13_004_888
    assert sum(p.size for p in small.parameters()) == 6_624_904 and small.aux1 is None and small.aux2 is None
    assert sum(b.size for key, b in model.named_buffers() if "running" in key) == 15_072


@pytest.mark.full_size
def test_multiply_adds_without_heads():
    with init.left_out():
        assert nn.summary(googlenet(), (3, 224, 224)).total_macs == 1_498_376_192


def test_weights_start_normal_and_are_drawn_once(monkeypatch):
    drawn, fill = [], init.random.fill
    monkeypatch.setattr(init.random, "fill", lambda array, draw: (drawn.append(array.size), fill(array, draw)))
    model = googlenet(num_classes=7)
    parameters = {name: p for name, p in model.named_parameters() if ".bn." not in name}
    assert sorted(drawn) == sorted(p.size for p in parameters.values())
    for name in ("conv3.conv.weight", "inception5b.branch3.1.conv.weight", "aux1.fc1.weight", "fc.weight"):
        values = parameters[name].numpy()
        assert abs(values.std() / 0.01 - 1) < 4 / np.sqrt(2 * values.size)  # four standard deviations
    bias = model.aux1.fc1.bias.numpy()  # uniform, as every linear layer's
    bound = 1 / np.sqrt(2048)
    assert -bound <= bias.min() < -0.97 * bound and 0.97 * bound < bias.max() <= bound
    for name, p in model.named_parameters():
        if ".bn." in name:
            assert (p.data == (1 if name.endswith("weight") else 0)).all()


def test_in_training_heads_on_4a_and_4d_give_their_logits_too_and_every_parameter_learns(rng):
    model, seen = googlenet(num_classes=7), {}
    for name in ("inception4a", "inception4d", "aux1", "aux2"):
        model.get_submodule(name).register_forward_hook(lambda m, args, y, name=name: seen.update({name: (args[0], y)}))
    x = Tensor(rng.standard_normal((2, 3, 33, 40), dtype=np.float32))
    outputs = model(x)
    assert outputs._fields == ("logits", "aux_logits2", "aux_logits1")
    assert outputs.aux_logits1 is seen["aux1"][1] and outputs.aux_logits2 is seen["aux2"][1]
    assert seen["aux1"][0] is seen["inception4a"][1] and seen["aux2"][0] is seen["inception4d"][1]
    googlenet_loss(outputs, [2, 6]).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not np.isfinite(p.grad).all()] == []
    assert np.abs(model.aux2.fc2.weight.grad).max() > 0 and np.abs(model.conv1.conv.weight.grad).max() > 0
    seen.clear()
    assert model.eval()(x).shape == (2, 7) and not {"aux1", "aux2"} & seen.keys()


def test_dropout_is_that_of_the_arguments():
    with init.left_out():
        model, other = googlenet(num_classes=2), googlenet(num_classes=2, dropout=0.1, dropout_aux=0.4)
    assert [model.dropout.p, model.aux1.dropout.p, model.aux2.dropout.p] == [0.2, 0.7, 0.7]
    assert [other.dropout.p, other.aux1.dropout.p, other.aux2.dropout.p] == [0.1, 0.4, 0.4]


# published weights ----------------------------------------------------------------------------------------------------


def test_images_are_brought_to_mean_and_deviation_one_half(rng):
    pixels = rng.uniform(size=(2, 3, 4, 5))
    mean = np.array([0.485, 0.456, 0.406]).reshape(3, 1, 1)
    std = np.array([0.229, 0.224, 0.225]).reshape(3, 1, 1)
    assert_close(to_half_and_half(Tensor((pixels - mean) / std)), (pixels - 0.5) / 0.5, rtol=EXACT)


def test_transform_input_changes_the_images_before_the_first_layer(rng):
    x = Tensor(rng.standard_normal((1, 3, 15, 16), dtype=np.float32))
    for transform_input in (True, False):
        with init.left_out():
            model, seen = googlenet(num_classes=2, transform_input=transform_input).eval(), []
        model.conv1.register_forward_hook(lambda m, args, y, seen=seen: seen.append(args[0].numpy()))
        model(x)
        assert np.array_equal(seen[0], (to_half_and_half(x) if transform_input else x).numpy())


def test_a_network_without_heads_takes_the_state_of_one_with_them():
    with init.left_out():
        trained, model = googlenet(num_classes=7), googlenet(num_classes=7, aux_logits=False)
    init.normal_(trained.fc.weight)
    model.load_state_dict(trained.state_dict())
    assert np.array_equal(model.fc.weight.numpy(), trained.fc.weight.numpy())
    with pytest.raises(ValueError, match=r"missing: aux1\.conv\.conv\.weight, .*aux2\.fc2\.bias"):
        trained.load_state_dict(model.state_dict())


@pytest.mark.parametrize("published", [True, False])
def test_with_weights_heads_go_and_published_ones_want_their_images(published, tmp_path, monkeypatch):
    """Published ones are told by their checksum, whatever the file is called."""
    name = "mine.npz" if published else "googlenet-1378be20.pth"
    with init.left_out():
        saved = googlenet(num_classes=3)
    init.normal_(saved.aux1.fc2.bias)
    with open(tmp_path / name, "wb") as file:  # told apart by content, not by name
        np.savez(file, **{key: tensor.numpy() for key, tensor in saved.state_dict().items()})
    if published:
        address = f"http://somewhere/googlenet-{file_sha256(tmp_path / name)[:8]}.pth"
        monkeypatch.setitem(PUBLISHED, "googlenet", {"IMAGENET1K_V1": address})
    model = googlenet(weights=tmp_path / name, num_classes=3)
    assert model.aux1 is None and model.transform_input is published
    model = googlenet(weights=tmp_path / name, num_classes=3, aux_logits=True, transform_input=not published)
    assert np.array_equal(model.aux1.fc2.bias.numpy(), saved.aux1.fc2.bias.numpy())
    assert model.transform_input is not published


def test_without_weights_there_are_heads_and_images_stay():
    with init.left_out():
        model = googlenet(num_classes=3)
    assert model.aux1 is not None and model.aux2 is not None and model.transform_input is False
    assert model.fc.weight.shape == (3, 1024) and model.aux1.fc2.weight.shape == (3, 1024)


# what is refused ------------------------------------------------------------------------------------------------------


def test_images_too_small_for_the_last_pooling_are_refused():
    with init.left_out():
        model = googlenet(num_classes=2).eval()
    assert model(Tensor(np.zeros((1, 3, 15, 15), np.float32))).shape == (1, 2)
    for shape in [(1, 3, 14, 15), (1, 3, 15, 14)]:
        with pytest.raises(ValueError) as error:
            model(Tensor(np.zeros(shape, np.float32)))
        expected = "x must be a batch of colour images, (N, 3, H, W) with H and W at least 15, got x.shape="
        assert str(error.value) == f"GoogLeNet: {expected}{shape}"


def test_weights_that_are_not_there_are_refused_with_the_published_names():
    with pytest.raises(FileNotFoundError, match=r"googlenet: there is no file 'IMAGENET1K_V2'.*are 'IMAGENET1K_V1'"):
        googlenet(weights="IMAGENET1K_V2")


def test_the_widths_are_table_1s():
    with init.left_out():
        model = googlenet(num_classes=2)
    for name, (n1, r3, n3, r5, n5, pool_proj) in TABLE_1.items():
        state = numbers(model.get_submodule("inception" + name))
        keys = ["branch1", "branch2.0", "branch2.1", "branch3.0", "branch3.1", "branch4.1"]
        assert [state[key + ".conv.weight"].shape[0] for key in keys] == [n1, r3, n3, r5, n5, pool_proj]
