"""Modules against PyTorch: what is in them and in which order, state, modes, hooks; and a small CNN trained by hand."""

from collections import OrderedDict
from types import SimpleNamespace

import numpy as np
import pytest

import minitorch_cnn as mt

torch = pytest.importorskip("torch")

from against_torch import compare  # noqa: E402  after the skip

ours = SimpleNamespace(nn=mt.nn, tensor=mt.Tensor, F=mt.functional, no_grad=mt.no_grad)
theirs = SimpleNamespace(nn=torch.nn, tensor=torch.tensor, F=torch.nn.functional, no_grad=torch.no_grad)


def composite(library):
    """A net with everything that could come in the wrong order, written once for both."""
    nn = library.nn

    class Block(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
            self.bn = nn.BatchNorm2d(channels)
            self.scale = nn.Parameter(
                library.tensor(np.ones(channels))
            )  # after the modules, but before them in the state

        def forward(self, x):
            return x + self.bn(self.conv(x)).relu() * self.scale.reshape(-1, 1, 1)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU())
            self.register_buffer("mean", library.tensor(np.array([0.3, 0.6])))
            self.register_buffer("scratch", library.tensor(np.zeros(3)), persistent=False)
            self.register_buffer("nothing", None)
            self.register_parameter("absent", None)
            self.blocks = nn.ModuleList([Block(4), Block(4)])
            self.blocks.append(Block(4))
            self.again = self.blocks[0]  # shared: in the state twice, among the parameters once
            self.head = nn.Sequential(OrderedDict(pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), fc=nn.Linear(4, 3)))
            self.gain = nn.Parameter(library.tensor(np.array([1.5])))

        def forward(self, x):
            x = self.stem(x - self.mean.reshape(1, 2, 1, 1))
            for block in self.blocks:
                x = block(x)
            return self.head(self.again(x)) * self.gain

    return Net().double()


@pytest.fixture
def nets():
    mine, pytorch_s = composite(ours), composite(theirs)
    mine.load_state_dict(pytorch_s.state_dict())
    return mine, pytorch_s


def test_the_state_has_pytorch_s_keys_in_its_order(nets):
    mine, pytorch_s = nets
    assert list(mine.state_dict()) == list(pytorch_s.state_dict())
    for key, value in pytorch_s.state_dict().items():
        compare(mine.state_dict()[key], value, key)


@pytest.mark.parametrize("name", ["named_parameters", "named_buffers", "named_modules", "named_children"])
def test_what_is_in_a_module_comes_in_pytorch_s_order(name, nets):
    mine, pytorch_s = nets
    assert [key for key, _ in getattr(mine, name)()] == [key for key, _ in getattr(pytorch_s, name)()]


@pytest.mark.parametrize("name", ["parameters", "modules", "children"])
def test_what_is_in_a_module_is_of_pytorch_s_kinds(name, nets):
    kinds = [[type(value).__name__ for value in getattr(net, name)()] for net in nets]
    assert kinds[0] == kinds[1]


@pytest.mark.parametrize("name", ["named_parameters", "named_buffers"])
def test_without_recursion_and_with_a_prefix(name, nets):
    for options in (dict(recurse=False), dict(prefix="net"), dict(prefix="a.b", recurse=False)):
        first, second = ([key for key, _ in getattr(net, name)(**options)] for net in nets)
        assert first == second


@pytest.mark.parametrize("path", ["", "stem.0", "blocks.2.bn", "again.conv", "head.fc"])
def test_get_submodule(path, nets):
    assert type(nets[0].get_submodule(path)).__name__ == type(nets[1].get_submodule(path)).__name__
    for net in nets:
        with pytest.raises(AttributeError):
            net.get_submodule(f"{path}.missing".lstrip("."))


def test_apply_visits_modules_in_pytorch_s_order(nets):
    visits = []
    for net in nets:
        visited = []
        net.apply(lambda module, visited=visited: visited.append(type(module).__name__))
        visits.append(visited)
    assert visits[0] == visits[1]


def test_modes_and_freezing(nets):
    for net in nets:
        net.blocks.eval()
        net.stem.requires_grad_(False)
    assert [m.training for m in nets[0].modules()] == [m.training for m in nets[1].modules()]
    assert [p.requires_grad for p in nets[0].parameters()] == [p.requires_grad for p in nets[1].parameters()]
    for net in nets:
        net.train()
    assert all(m.training for net in nets for m in net.modules())


def test_loading_reports_and_refuses_what_pytorch_does(nets):
    state = nets[1].state_dict()
    state["surplus"] = state.pop("gain")
    for net in nets:
        result = net.load_state_dict(state, strict=False)
        assert (result.missing_keys, result.unexpected_keys) == (["gain"], ["surplus"])
        with pytest.raises((RuntimeError, ValueError), match="surplus"):
            net.load_state_dict(state)
    del state["surplus"]
    state["gain"] = torch.zeros(2)
    for net in nets:
        with pytest.raises((RuntimeError, ValueError), match="gain"):
            net.load_state_dict(state, strict=False)


def test_loading_casts_to_the_module_s_dtype(nets):
    state = {key: value.float() if value.is_floating_point() else value for key, value in nets[1].state_dict().items()}
    for net in nets:
        net.load_state_dict(state)
    for key, value in nets[1].state_dict().items():
        compare(nets[0].state_dict()[key], value, key)


def test_float_and_double_leave_integers_alone(nets):
    for change in ("float", "double"):
        for net in nets:
            getattr(net, change)()
        for key, value in nets[1].state_dict().items():
            compare(nets[0].state_dict()[key], value, key)


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
def test_the_net_itself(train, nets, rng):
    """Three passes whose gradients add up, through shared modules and running statistics."""
    for _ in range(3):
        x, upstream = rng.standard_normal((3, 2, 9, 8)), rng.standard_normal((3, 3))
        outputs = []
        for net, library in zip(nets, (ours, theirs)):
            net.train(train)
            outputs.append(net(library.tensor(x)))
            outputs[-1].backward(library.tensor(upstream))
        compare(*outputs, "the output")
    for (name, a), (_, b) in zip(nets[0].named_parameters(), nets[1].named_parameters()):
        compare(a.grad, b.grad, name)
    for (name, a), (_, b) in zip(nets[0].named_buffers(), nets[1].named_buffers()):
        compare(a, b, name)
    for net in nets:
        net.zero_grad()
        assert all(p.grad is None for p in net.parameters())


def test_hooks_are_called_in_pytorch_s_order_with_its_arguments(nets, rng):
    x, upstream = rng.standard_normal((3, 2, 9, 8)), rng.standard_normal((3, 3))
    calls = []
    for net, library in zip(nets, (ours, theirs)):
        seen = []

        def shapes(values):
            return [None if v is None else tuple(v.shape) for v in (values if isinstance(values, tuple) else (values,))]

        for name, module in net.named_modules():
            if name in ("", "stem", "blocks.1", "head.fc"):
                module.register_forward_pre_hook(
                    lambda m, args, seen=seen: seen.append(("pre", type(m).__name__, shapes(args)))
                )
                module.register_forward_hook(
                    lambda m, args, out, seen=seen: seen.append(("post", type(m).__name__, shapes(args), shapes(out)))
                )
                module.register_full_backward_hook(
                    lambda m, gi, go, seen=seen: seen.append(("back", type(m).__name__, shapes(gi), shapes(go)))
                )
        data = library.tensor(x).requires_grad_()
        net(data).backward(library.tensor(upstream))
        calls.append(seen)
    assert calls[0] == calls[1]
    assert len(calls[0]) == 12


def test_hooks_that_change_something(rng):
    x, upstream = rng.standard_normal((4, 5)), rng.standard_normal((4, 3))
    weight = rng.standard_normal((3, 5))
    results = []
    for library in (ours, theirs):
        layer = library.nn.Linear(5, 3, bias=False).double()
        layer.load_state_dict({"weight": library.tensor(weight)})
        handles = [
            layer.register_forward_pre_hook(lambda m, args: (args[0] * 2,)),
            layer.register_forward_hook(lambda m, args, out: out * 3),
            layer.register_full_backward_hook(lambda m, gi, go: (gi[0] * 5,)),
        ]
        data = library.tensor(x).requires_grad_()
        output = layer(data)
        output.backward(library.tensor(upstream))
        for handle in handles:
            handle.remove()
        results.append((output, data.grad, layer.weight.grad, layer(data)))
    for a, b, what in zip(
        *results, ("the output", "the input's gradient", "the weight's gradient", "the output without hooks")
    ):
        compare(a, b, what)


# a whole small network, trained ---------------------------------------------------------------------------------------


def small_cnn(library):
    nn = library.nn
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, (3, 2), stride=(1, 2), bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AvgPool2d((2, 1)),
        nn.Flatten(),
        nn.Linear(8 * 2 * 2, 5),
    ).double()


def test_a_cnn_trained_for_five_steps_by_hand(rng):
    """The losses, weights and running statistics are PyTorch's to 1e-10: rounding that five steps enlarge some hundred times."""
    nets = [small_cnn(library) for library in (ours, theirs)]
    nets[0].load_state_dict(nets[1].state_dict())
    for _ in range(5):
        images, labels = rng.standard_normal((16, 2, 12, 10)), rng.integers(0, 5, 16)
        losses = []
        for net, library in zip(nets, (ours, theirs)):
            loss = library.F.cross_entropy(net(library.tensor(images)), library.tensor(labels))
            net.zero_grad()
            loss.backward()
            with library.no_grad():
                for parameter in net.parameters():
                    parameter.data -= 0.1 * parameter.grad
            losses.append(loss.item())
        assert losses[0] == pytest.approx(losses[1], rel=1e-10)
    for key, value in nets[1].state_dict().items():
        compare(nets[0].state_dict()[key], value, key, rtol=1e-10)
    images = rng.standard_normal((7, 2, 12, 10))
    compare(
        *(net.eval()(library.tensor(images)) for net, library in zip(nets, (ours, theirs))), "in evaluation", rtol=1e-10
    )
