"""Sequential, ModuleList, Identity, Flatten."""

import re
from collections import OrderedDict

import numpy as np
import pytest
from closeness import assert_close

import minitorch_cnn as mt
from minitorch_cnn import nn


class Add(nn.Module):
    """So that a wrong order shows: Add and Times don't commute."""

    def forward(self, x):
        return x + 1.0


class Times(nn.Module):
    def __init__(self, factor=10.0):
        self.factor = factor

    def forward(self, x):
        return x * self.factor


def names(module):
    return [name for name, _ in module.named_modules()][1:]


def run(module, value=2.0):
    return module(mt.Tensor([value])).item()


def test_sequential_runs_its_modules_in_order():
    assert run(nn.Sequential(Add(), Times())) == 30.0
    assert run(nn.Sequential(Times(), Add())) == 21.0
    assert run(nn.Sequential()) == 2.0


def test_sequential_runs_a_module_as_often_as_it_is_in_it():
    add = Add()
    assert run(nn.Sequential(add, Times(), add, add)) == 32.0


@pytest.mark.parametrize("kind", [dict, OrderedDict])
def test_sequential_takes_names(kind):
    model = nn.Sequential(kind([("plus", Add()), ("times", Times()), ("fc", nn.Linear(1, 1))]))
    assert names(model) == ["plus", "times", "fc"] and list(model.state_dict()) == ["fc.weight", "fc.bias"]
    assert model.plus is model[0] and run(model[:2]) == 30.0


@pytest.mark.parametrize("container", [nn.Sequential, nn.ModuleList])
@pytest.mark.parametrize("wrong, named", [(mt.functional.relu, "relu"), (nn.ReLU, "ReLU; make one of it")])
def test_what_is_no_module_is_refused_and_not_left_out(container, wrong, named):
    modules = [nn.ReLU(), wrong]
    with pytest.raises(TypeError, match=f"{container.__name__}: 1 must be a Module, got {named}"):
        container(*modules) if container is nn.Sequential else container(modules)


def test_a_list_given_to_sequential_says_how_to_unpack_it():
    with pytest.raises(TypeError, match=r"Sequential: 0 must be a Module, got list; unpack it with \*"):
        nn.Sequential([nn.ReLU()])


@pytest.fixture(params=[nn.Sequential, nn.ModuleList], ids=["Sequential", "ModuleList"])
def four(request):
    modules = [nn.Linear(1, n) for n in (1, 2, 3, 4)]
    return request.param(*modules) if request.param is nn.Sequential else request.param(modules)


def widths(container):
    return [module.out_features for module in container]


def test_length_iteration_index(four):
    modules = list(four)
    assert len(four) == 4 and widths(four) == [1, 2, 3, 4]
    assert four[0] is modules[0] and four[-1] is modules[3] and four[np.int64(2)] is modules[2]
    assert modules[1] in four and nn.Linear(1, 2) not in four
    assert names(four) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("index", [4, -5])
def test_an_index_out_of_range_says_how_many_there_are(four, index):
    kind = type(four).__name__
    text = f"{kind}: index {index} is out of range, there are 4 modules"
    with pytest.raises(IndexError, match=re.escape(text)):
        four[index]
    with pytest.raises(IndexError, match=re.escape(text)):
        four[index] = nn.ReLU()
    with pytest.raises(IndexError, match=re.escape(text)):
        del four[index]
    with pytest.raises(TypeError, match=f"{kind}: the index must be an integer, got '1'"):
        four["1"]
    assert widths(four) == [1, 2, 3, 4]


def test_an_item_is_replaced_in_its_place(four):
    four[-2] = nn.Linear(1, 30)
    four[0] = nn.Linear(1, 10)
    assert widths(four) == [10, 2, 30, 4] and names(four) == ["0", "1", "2", "3"]
    assert list(four.state_dict())[:2] == ["0.weight", "0.bias"]
    with pytest.raises(TypeError, match="1 must be a Module"):
        four[1] = 3
    assert widths(four) == [10, 2, 30, 4]


def test_replacing_an_item_of_a_named_sequential_keeps_the_name():
    model = nn.Sequential({"first": Add(), "last": Times()})
    model[1] = Add()
    assert names(model) == ["first", "last"] and run(model) == 4.0


def test_append_extend_insert_return_the_container(four):
    assert four.append(nn.Linear(1, 5)) is four
    assert four.extend([nn.Linear(1, 6), nn.Linear(1, 7)]) is four
    assert four.insert(1, nn.Linear(1, 99)) is four
    assert widths(four) == [1, 99, 2, 3, 4, 5, 6, 7]
    assert names(four) == [str(i) for i in range(8)]
    assert four.insert(-1, nn.Linear(1, 98)) is four and widths(four)[-2:] == [98, 7]


def test_a_container_may_extend_itself(four):
    four.extend(four)
    assert widths(four) == [1, 2, 3, 4, 1, 2, 3, 4]


def test_an_insertion_that_fails_moves_nothing(four):
    with pytest.raises(TypeError, match="must be a Module"):
        four.insert(1, "conv")
    assert widths(four) == [1, 2, 3, 4] and names(four) == ["0", "1", "2", "3"]


def test_deleting_numbers_the_rest_anew(four):
    del four[1]
    assert widths(four) == [1, 3, 4] and names(four) == ["0", "1", "2"]
    del four[-1]
    assert widths(four) == [1, 3]
    del four[:]
    assert len(four) == 0 and list(four.parameters()) == []


def test_a_slice_holds_the_same_modules():
    modules = [Add(), Times(), Add(), Times(3.0)]
    model = nn.Sequential(*modules)
    assert type(model[1:3]) is nn.Sequential and list(model[1:3]) == modules[1:3]
    assert names(model[1:3]) == ["1", "2"], "the names stay, so that weights can be loaded"
    assert run(model[1:3]) == 21.0 and run(model[:-1]) == 31.0 and run(model[::-1]) == (2 * 3 + 1) * 10 + 1
    listed = nn.ModuleList(modules)
    assert (
        type(listed[1:]) is nn.ModuleList and list(listed[1:]) == modules[1:] and names(listed[1:]) == ["0", "1", "2"]
    )


def test_appending_to_a_slice_overwrites_nothing():
    model = nn.Sequential(Add(), Times(), Times(3.0))[1:]  # names 1, 2
    model.append(Add())
    assert len(model) == 3 and run(model) == 61.0


def test_a_slice_of_a_subclass_is_a_sequential():
    class Block(nn.Sequential):
        def __init__(self, channels):
            super().__init__(nn.Linear(channels, channels), nn.ReLU())

    assert type(Block(3)[:1]) is nn.Sequential and type(Block(3)[0]) is nn.Linear


def test_a_module_list_is_found_by_its_owner_and_has_no_forward():
    class Net(nn.Module):
        def __init__(self):
            self.layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(2))

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x

    net = Net()
    assert list(net.state_dict()) == ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"]
    assert net(mt.Tensor([[1.0, 2.0]])).shape == (1, 2)
    with pytest.raises(NotImplementedError, match="ModuleList has no forward: loop over it, or use Sequential"):
        net.layers(mt.Tensor([1.0]))


def test_identity_ignores_its_options_and_hands_on_its_input():
    x = mt.Tensor([1.0])
    assert nn.Identity(54, unused=True)(x) is x


@pytest.mark.parametrize(
    "options, shape",
    [({}, (2, 60)), ({"start_dim": 0}, (120,)), ({"start_dim": 2}, (2, 3, 20)), ({"end_dim": 2}, (2, 12, 5))],
)
def test_flatten(options, shape, rng):
    x = rng.standard_normal((2, 3, 4, 5))
    assert_close(nn.Flatten(**options)(mt.Tensor(x)), x.reshape(shape), rtol=0)


def test_texts():
    assert repr(nn.Flatten()) == "Flatten(start_dim=1, end_dim=-1)" and repr(nn.Identity(3)) == "Identity()"
