"""nn.summary: shapes, parameters and multiply-adds against counts by hand, and how the table looks."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import minitorch_cnn as mt
from minitorch_cnn import models, nn

FACTS = Path(__file__).parents[3] / "shared" / "facts" / "facts.json"


def conv_net():
    return nn.Sequential(
        {
            "conv": nn.Conv2d(4, 6, (3, 2), stride=2, padding=(1, 0), groups=2),
            "norm": nn.BatchNorm2d(6),
            "act": nn.ReLU(),
            "up": nn.ConvTranspose2d(6, 4, (2, 3), stride=2, groups=2, bias=False),
            "head": nn.Sequential(nn.Flatten(), nn.Linear(360, 10)),
        }
    )


def rows(summary):
    return {row.name: (row.output_shape, row.parameters, row.macs) for row in summary.rows}


def test_a_conv_net_counted_by_hand():
    summary = nn.summary(conv_net(), (4, 9, 8))
    assert rows(summary) == {
        "": ((10,), 0, 0),
        # each of 6*5*4 values sums over a group of 2 channels times 3*2
        "conv": ((6, 5, 4), 6 * 2 * 3 * 2 + 6, 6 * 5 * 4 * 2 * 3 * 2),
        "norm": ((6, 5, 4), 12, 0),
        "act": ((6, 5, 4), 0, 0),
        # each of 6*5*4 input values lays 2 channels of 2*3 on the output
        "up": ((4, 10, 9), 6 * 2 * 2 * 3, 6 * 5 * 4 * 2 * 2 * 3),
        "head": ((10,), 0, 0),
        "head.0": ((360,), 0, 0),
        "head.1": ((10,), 3610, 3600),
    }
    assert summary.total_params == summary.trainable_params == 78 + 12 + 72 + 3610
    assert summary.total_macs == 1440 + 1440 + 3600


def test_the_table_is_aligned_and_ends_in_the_totals():
    model = conv_net()
    model.head.requires_grad_(False)
    lines = [
        "layer                   output shape  parameters   MACs",
        "-------------------------------------------------------",
        "Sequential              10",
        "  conv (Conv2d)         6 x 5 x 4             78  1,440",
        "  norm (BatchNorm2d)    6 x 5 x 4             12",
        "  act (ReLU)            6 x 5 x 4",
        "  up (ConvTranspose2d)  4 x 10 x 9            72  1,440",
        "  head (Sequential)     10",
        "    0 (Flatten)         360",
        "    1 (Linear)          10                 3,610  3,600",
        "-------------------------------------------------------",
        "parameters: 3,772 (162 trainable)   MACs an image: 6,480",
    ]
    summary = nn.summary(model, (4, 9, 8))
    assert str(summary).splitlines() == lines
    assert repr(summary) == str(summary), "a prompt shows the table"


@pytest.mark.parametrize("name", ["lenet5", "lenet5_1998"])
def test_the_papers_counts(name):
    if not FACTS.exists():
        pytest.skip(f"{FACTS} isn't there: the facts are kept beside the repository, not in it")
    facts = json.loads(FACTS.read_text())["models"][name]
    summary = nn.summary(models.create(name), facts["input"])
    assert summary.trainable_params == facts["trainable"]
    if "macs" in facts:
        assert summary.total_macs == facts["macs"]


def test_a_linear_layer_on_a_sequence_counts_every_place():
    summary = nn.summary(nn.Sequential(nn.Linear(8, 3), nn.Linear(3, 2)), (5, 8))
    assert rows(summary)["0"] == ((5, 3), 27, 5 * 8 * 3)
    assert rows(summary)["1"] == ((5, 2), 8, 5 * 3 * 2)


def test_a_dilated_and_depthwise_convolution():
    summary = nn.summary(nn.Conv2d(6, 12, 3, dilation=2, groups=6, bias=False), (6, 9, 8))
    assert rows(summary)[""] == ((12, 5, 4), 12 * 9, 12 * 5 * 4 * 9)


class Attentive(nn.Module):
    def __init__(self, batch_first, by_name):
        self.attention = nn.MultiheadAttention(8, 2, batch_first=batch_first)
        self.mix = nn.Linear(8, 8)
        self.batch_first, self.by_name = batch_first, by_name

    def forward(self, x):  # (N, 5, 8)
        x = x if self.batch_first else x.transpose(0, 1)
        if self.by_name:
            y, _ = self.attention(need_weights=False, value=x, key=x, query=self.mix(x))
        else:
            y, _ = self.attention(self.mix(x), x, x)
        return y.transpose(0, 1) if not self.batch_first else y


@pytest.mark.parametrize("by_name", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_attention_counts_its_four_projections_whatever_comes_first(batch_first, by_name):
    summary = nn.summary(Attentive(batch_first, by_name), (5, 8))
    got = rows(summary)
    each = 5 * 8 * 8
    assert got["attention"][1:] == (3 * 64 + 24, 3 * each)
    assert got["attention.out_proj"][1:] == got["mix"][1:] == (72, each)
    assert got[""][0] == (5, 8)
    assert got["attention"][0] == ((5, 8) if batch_first else (5, 1, 8))


def test_patches_moved_into_the_batch_are_all_counted():
    class Patches(nn.Module):
        def __init__(self):
            self.conv = nn.Conv2d(1, 2, 2, bias=False)

        def forward(self, x):  # (1, 1, 8, 4) -> 2 patches
            return self.conv(x.reshape(2, 1, 4, 4))

    assert rows(nn.summary(Patches(), (1, 8, 4)))["conv"] == ((2, 2, 3, 3), 8, 2 * 2 * 3 * 3 * 4)


def test_a_layer_used_twice_counts_its_work_twice_and_its_parameters_once():
    class Net(nn.Module):
        def __init__(self):
            self.conv = nn.Conv2d(2, 2, 3, padding=1)
            self.again = self.conv
            self.act = nn.ReLU()

        def forward(self, x):
            return self.act(self.conv(self.act(self.conv(x)[:, :, ::2])))

    summary = nn.summary(Net(), (2, 4, 5))
    assert rows(summary)["conv"] == ((2, 2, 5), 38, (4 * 5 + 2 * 5) * 2 * 18)
    assert summary.total_params == 38
    assert [row.name for row in summary.rows] == ["", "conv", "act"]
    assert re.findall(r"\w+ \(\w+\)(?: x\d)?", str(summary)) == ["conv (Conv2d) x2", "act (ReLU) x2"]


def test_a_weight_that_two_layers_share_counts_once():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    summary = nn.summary(model, (3,))
    assert [row.parameters for row in summary.rows] == [0, 12, 3] and summary.total_params == 15


def test_a_layer_that_does_not_run_has_no_shape_and_no_work():
    class Net(nn.Module):
        def __init__(self):
            self.fc = nn.Linear(3, 2)
            self.aux = nn.Linear(3, 2)

        def forward(self, x):
            return (self.fc(x), self.aux(x)) if self.training else self.fc(x)

    assert rows(nn.summary(Net(), (3,)))["aux"] == (None, 8, 0)


@pytest.mark.parametrize(
    "pack, shape",
    [(lambda y: (y, y * 2), (2,)), (lambda y: [y], (2,)), (lambda y: {"out": y}, None), (lambda y: (), None)],
)
def test_outputs_that_are_no_tensor(pack, shape):
    class Net(nn.Module):
        def __init__(self):
            self.fc = nn.Linear(3, 2)

        def forward(self, x):
            return pack(self.fc(x))

    summary = nn.summary(Net(), (3,))
    assert rows(summary)[""][0] == shape and summary.total_macs == 6


def test_parameters_of_the_models_own_stand_in_its_row():
    class Net(nn.Module):
        def __init__(self):
            self.token = nn.Parameter(np.zeros((1, 1, 8), np.float32))
            self.fc = nn.Linear(8, 2)

        def forward(self, x):
            return self.fc(x + self.token)

    assert rows(nn.summary(Net(), (5, 8)))[""] == ((5, 2), 8, 0)


def test_a_module_of_ones_own_may_count_itself():
    class Square(nn.Module):
        def forward(self, x):
            return x * x

        def macs(self, output):
            return output.size

    assert nn.summary(nn.Sequential(Square(), Square()), (3, 4)).total_macs == 24


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5))
    model[2].eval()
    calls = []
    model[0].register_forward_hook(lambda *args: calls.append(len(args)))
    state = {key: t.numpy().copy() for key, t in model.state_dict().items()}
    mt.manual_seed(5)
    nn.summary(model, (1, 4, 4))
    after = mt.Tensor(np.ones((1, 1, 4, 4), np.float32))
    assert [m.training for m in model.modules()] == [True, True, True, False]
    assert all(np.array_equal(t.numpy(), state[key]) for key, t in model.state_dict().items())
    assert calls == [3]
    assert model[1]._forward_hooks == {} and model(after).requires_grad
    assert all(p.grad is None for p in model.parameters())


def test_the_input_has_the_models_dtype():
    model = nn.Linear(3, 2).double()
    assert nn.summary(model, (3,)).total_macs == 6


@pytest.mark.parametrize("shape", [3, (3,), [3], (np.int64(3),)])
def test_a_shape_of_one_number_needs_no_tuple(shape):
    assert nn.summary(nn.Linear(3, 2), shape).total_macs == 6


def test_a_model_without_parameters():
    summary = nn.summary(nn.MaxPool2d(2), (3, 4, 6))
    assert str(summary).splitlines()[2] == "MaxPool2d  3 x 2 x 3"
    assert str(summary).endswith("parameters: 0 (0 trainable)   MACs an image: 0")


class Two(nn.Module):
    def forward(self, x, y):
        return x + y


@pytest.mark.parametrize(
    "model, shape, kind, text",
    [
        (
            Two(),
            (3,),
            TypeError,
            "summary: Two.forward must take one tensor and need nothing else: missing a required argument: 'y'",
        ),
        (
            nn.Sequential(nn.Conv2d(3, 2, 3)),
            (1, 8, 8),
            ValueError,
            "summary: Sequential can't be run on a float tensor of shape (1, 1, 8, 8): conv2d: x has 1 channels",
        ),
        (nn.Sequential(nn.Linear(3, 2)), (2, 2), ValueError, "of shape (1, 2, 2): linear: x has 2 features"),
        (
            nn.Sequential(Two()),
            (3,),
            ValueError,
            "can't be run on a float tensor of shape (1, 3): Two.forward() missing 1 required",
        ),
        (nn.Linear(3, 2), (0,), ValueError, "summary: input_shape must be at least 1, got 0"),
        (nn.Linear(3, 2), ("3",), TypeError, "summary: input_shape must be an integer, got '3'"),
        (nn.Linear(3, 2), None, TypeError, "summary: input_shape must be an integer, got None"),
    ],
)
def test_a_model_that_cannot_be_run_says_on_what(model, shape, kind, text):
    with pytest.raises(kind, match=re.escape(text)):
        nn.summary(model, shape)


def test_a_model_that_fails_is_left_without_our_hooks_and_in_its_mode():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(5, 2))
    with pytest.raises(ValueError, match="can't be run"):
        nn.summary(model, (3,))
    assert all(m.training and not m._forward_hooks for m in model.modules())
