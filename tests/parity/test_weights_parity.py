"""Files that PyTorch writes, in both of its formats: the same numbers as torch.load gives."""

import collections

import numpy as np
import pytest

from minitorch_cnn import nn, weights
from minitorch_cnn.weights import WeightsError

torch = pytest.importorskip("torch")

both = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


def network():
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(4, 2)
    )
    net(torch.randn(5, 3, 3, 3)).sum().backward()
    return net


def ours():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


def saved(value, path, zipped, **options):
    torch.save(value, path, _use_new_zipfile_serialization=zipped, **options)
    return path


def assert_same(got, state):
    assert list(got) == list(state)
    for key, tensor in state.items():
        tensor = tensor.detach()
        expected = tensor.float().numpy() if tensor.dtype == torch.bfloat16 else tensor.numpy()
        assert got[key].dtype == expected.dtype, key
        np.testing.assert_array_equal(got[key], expected, err_msg=key)


@both
def test_a_state_dict(zipped, tmp_path):
    net, model = network(), ours()
    path = saved(net.state_dict(), tmp_path / "a.pth", zipped)
    assert_same(weights.read(path), torch.load(path))
    assert model.load_weights(path) == ([], [])
    assert_same({key: tensor.numpy() for key, tensor in model.state_dict().items()}, net.state_dict())


@both
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_each_protocol(protocol, zipped, tmp_path):
    state = network().state_dict()
    assert_same(weights.read(saved(state, tmp_path / "a", zipped, pickle_protocol=protocol)), state)


DTYPES = "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 uint16 uint32 uint64 bool"


@both
@pytest.mark.parametrize("dtype", DTYPES.split())
def test_each_dtype(dtype, zipped, tmp_path):
    shapes = [(), (1,), (5,), (2, 3), (4, 1, 0), (2, 1, 3, 2)]
    state = {f"x{shape}": (torch.randn(shape).abs() * 50).to(getattr(torch, dtype)) for shape in shapes}
    state["transposed"] = state["x(2, 3)"].T
    # compared with what was written: torch.load fails on unsigned integers in its older format
    assert_same(weights.read(saved(state, tmp_path / "a", zipped)), state)


@both
def test_views_that_share_a_storage(zipped, tmp_path):
    x = torch.randn(4, 6)
    state = {
        "whole": x,
        "transposed": x.T,
        "sliced": x[1:4, 1:5:2],
        "expanded": x[0, :3, None].expand(2, 3, 4),
        "scalar": x[3, 5],
        "channels last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "strided": torch.as_strided(x, (3, 3), (5, 2), 3),
        "empty": x[4:],
    }
    assert_same(weights.read(saved(state, tmp_path / "a", zipped)), state)


@both
def test_parameters(zipped, tmp_path):
    state = dict(network().named_parameters())
    assert_same(weights.read(saved(state, tmp_path / "a", zipped)), state)


@both
def test_a_checkpoint_with_everything_that_trainers_put_into_one(zipped, tmp_path):
    net = network()
    optimizer = torch.optim.Adam(net.parameters())
    optimizer.step()
    schedules = [
        torch.optim.lr_scheduler.MultiStepLR(optimizer, [30, 60]),
        torch.optim.lr_scheduler.StepLR(optimizer, 3),
    ]
    checkpoint = {
        "epoch": 90,
        "arch": "resnet18",
        "state_dict": collections.OrderedDict(("module." + key, value) for key, value in net.state_dict().items()),
        "optimizer": optimizer.state_dict(),
        "schedules": [schedule.state_dict() for schedule in schedules],
        "best_acc1": torch.tensor(71.5),
        "rng": torch.get_rng_state(),
        "device": torch.device("cpu"),
        "dtype": torch.float32,
        "size": torch.Size([3, 224, 224]),
        "classes": {"cat", "dog"},
        "key": b"\x00\xff",
        "large": 2**70,
    }
    assert_same(weights.read(saved(checkpoint, tmp_path / "a", zipped)), net.state_dict())


@both
def test_a_whole_model_is_refused_by_its_class(zipped, tmp_path):
    path = saved(network(), tmp_path / "a.pth", zipped)
    with pytest.raises(WeightsError, match=r"a\.pth: .*asks for torch\.nn\.modules\.[a-z.]*[A-Z]\w+, which is refused"):
        weights.read(path)


@both
@pytest.mark.parametrize(
    "value, name",
    [
        (torch.zeros(2, dtype=torch.complex64), "torch.ComplexFloatStorage"),
        (torch.zeros(2, dtype=torch.float8_e4m3fn), "torch.float8_e4m3fn"),
        (torch.zeros(2, device="meta"), "torch._utils._rebuild_meta_tensor_no_storage"),
        (torch.eye(2).to_sparse(), "torch._utils._rebuild_sparse_tensor"),
        (np.float64(2.0), "numpy"),
        (np.zeros(2), "numpy"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_read_is_named(value, name, zipped, tmp_path):
    with pytest.raises(WeightsError, match=f"asks for {name}"):
        weights.read(saved({"x": torch.ones(2), "y": value}, tmp_path / "a", zipped))


def test_files_written_without_checksums(tmp_path):
    state = network().state_dict()
    torch.serialization.set_crc32_options(False)
    try:
        path = saved(state, tmp_path / "a", True)
    finally:
        torch.serialization.set_crc32_options(True)
    assert_same(weights.read(path), state)


def test_torchscript_is_refused(tmp_path):
    script = torch.nn.Linear(2, 2)
    with pytest.warns():
        torch.jit.save(torch.jit.script(script), tmp_path / "a.pt")
    with pytest.raises(WeightsError, match="TorchScript archive"):
        weights.read(tmp_path / "a.pt")


def test_a_tensor_alone_and_a_list(tmp_path):
    for value, what in [(torch.ones(2), "a tensor"), ([torch.ones(2)], "a list of 1")]:
        with pytest.raises(WeightsError, match=f"it holds {what}, not a dict"):
            weights.read(saved(value, tmp_path / "a", True))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_safetensors_both_ways(dtype, tmp_path):
    library = pytest.importorskip("safetensors.torch")
    state = {
        key: x.to(getattr(torch, dtype)) if x.is_floating_point() else x for key, x in network().state_dict().items()
    }
    library.save_file(state, tmp_path / "a.safetensors")
    assert_same(dict(sorted(weights.read(tmp_path / "a.safetensors").items())), dict(sorted(state.items())))
    model = ours()
    model.load_weights(tmp_path / "a.safetensors")
    model.save_weights(tmp_path / "b.safetensors")
    loaded = library.load_file(tmp_path / "b.safetensors")
    network().load_state_dict(loaded)
    for key, x in state.items():
        np.testing.assert_array_equal(loaded[key].numpy(), x.float().numpy() if x.is_floating_point() else x.numpy())
