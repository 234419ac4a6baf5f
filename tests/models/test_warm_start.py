"""Growing a deep VGG from a shallow one: which layers are copied, and what is refused."""

import numpy as np
import pytest

from minitorch_cnn import Tensor, nn
from minitorch_cnn.models.vgg import TABLE_1, VGG
from minitorch_cnn.models.warm_start import warm_start

FULLY_CONNECTED = [f"classifier.{i}.{name}" for i in (0, 3, 6) for name in ("weight", "bias")]
# where A's first four convolutions go: counted by hand in table 1, a ReLU after each convolution and the pooling between stages
FEATURES = {
    "A": [(0, 0), (3, 3), (6, 6), (8, 8)],
    "A-LRN": [(0, 0), (3, 4), (6, 7), (8, 9)],
    "B": [(0, 0), (3, 5), (6, 10), (8, 12)],
    "C": [(0, 0), (3, 5), (6, 10), (8, 12)],
    "D": [(0, 0), (3, 5), (6, 10), (8, 12)],
    "E": [(0, 0), (3, 5), (6, 10), (8, 12)],
}


def narrow(column, factor=16, **options):
    """A column of table 1 with a fraction of the channels, every number of its state random."""
    config = [
        ("1x1", item[1] // factor) if isinstance(item, tuple) else item // factor if isinstance(item, int) else item
        for item in TABLE_1[column]
    ]
    model = VGG(config, **{"num_classes": 3, "hidden": 8, "pooled": 1, **options})
    rng = np.random.default_rng(len(config))
    for value in model.state_dict().values():
        value.data[...] = rng.uniform(1, 9, value.shape)
    return model


def values(model):
    return {key: value.numpy().copy() for key, value in model.state_dict().items()}


@pytest.mark.parametrize("column", FEATURES)
def test_the_first_four_convolutions_and_the_fully_connected_layers_go_to_the_same_role(column):
    small, big = narrow("A"), narrow(column)
    theirs, before = values(small), values(big)
    done = warm_start(big, small)
    expected = [
        (f"features.{source}.{name}", f"features.{target}.{name}")
        for source, target in FEATURES[column]
        for name in ("weight", "bias")
    ] + [(key, key) for key in FULLY_CONNECTED]
    assert done.copied == expected
    targets = [target for _, target in done.copied]
    assert done.left == [key for key in before if key not in targets]
    after = values(big)
    for source, target in done.copied:
        assert np.array_equal(after[target], theirs[source])
    for key in done.left:
        assert np.array_equal(after[key], before[key])
    assert all(np.array_equal(values(small)[key], theirs[key]) for key in theirs)


def test_the_values_are_copies():
    small, big = narrow("A"), narrow("B")
    warm_start(big, small)
    before = values(big)
    for parameter in small.parameters():
        parameter.data += 1
    assert all(np.array_equal(values(big)[key], before[key]) for key in before)


@pytest.mark.parametrize("column", ["B", "C", "D", "E"])
def test_table_1_itself_fits(column):
    with nn.init.left_out():
        small, big = (VGG(TABLE_1[c], hidden=8, pooled=1) for c in ("A", column))  # the convolutions matter
    small.features[8].weight.data[0, 1, 2, 0] = 5
    done = warm_start(big, small)
    assert len(done.copied) == 14
    assert [big.get_submodule(f"features.{i}").weight.shape for i in (0, 5, 10, 12)] == [
        *[(64, 3, 3, 3), (128, 64, 3, 3), (256, 128, 3, 3), (256, 256, 3, 3)]
    ]
    assert big.features[12].weight.data[0, 1, 2, 0] == 5


def test_a_role_is_no_luck_of_shape():
    """All convolutions but the first have one shape here: by shape, or by number, others would be copied."""
    small = VGG([6, "M", 6, "M", 6, 6, "M", 6, 6, "M"], num_classes=2, hidden=4, pooled=1)
    big = VGG([6, 6, "M", 6, 6, "M", 6, 6, 6, "M", 6, 6, 6, "M"], num_classes=2, hidden=4, pooled=1)
    done = warm_start(big, small)
    assert [pair for pair in done.copied if pair[0].endswith("weight")][:4] == [
        ("features.0.weight", "features.0.weight"),
        ("features.3.weight", "features.5.weight"),
        ("features.6.weight", "features.10.weight"),
        ("features.8.weight", "features.12.weight"),
    ]


def test_batch_norm_goes_with_its_convolution():
    small, big = narrow("A", batch_norm=True), narrow("C", batch_norm=True)
    theirs = values(small)
    done = warm_start(big, small)
    pairs = dict(done.copied)
    assert pairs["features.4.weight"] == "features.7.weight"  # the convolution of stage 2
    for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
        assert pairs[f"features.5.{name}"] == f"features.8.{name}"
        assert np.array_equal(values(big)[f"features.8.{name}"], theirs[f"features.5.{name}"])
    assert len(done.copied) == 4 * (2 + 5) + 6


def test_dtypes_are_kept():
    small, big = narrow("A").double(), narrow("B")
    warm_start(big, small)
    assert {value.dtype for value in big.state_dict().values()} == {np.dtype(np.float32)}
    x = Tensor(np.ones((1, 3, 32, 32), np.float32))
    assert big.eval()(x).dtype == np.float32


def test_what_was_done_is_printed_a_line_a_key():
    lines = str(warm_start(narrow("B"), narrow("A"))).splitlines()
    assert lines[0] == "copied 14:" and lines[15] == "left 12:"
    assert lines[3] == "  features.3.weight   -> features.5.weight"
    assert lines[16] == "  features.2.weight" and len(lines) == 28


# what is refused ------------------------------------------------------------------------------------------------------


def refused(big, small, error, match):
    before = {id(m): values(m) for m in (big, small) if isinstance(m, VGG)}
    with pytest.raises(error, match=match):
        warm_start(big, small)
    for model in (big, small):
        for key, value in before.get(id(model), {}).items():
            assert np.array_equal(model.state_dict()[key].numpy(), value)


def test_only_vggs_are_taken():
    refused(nn.Linear(1, 1), narrow("A"), TypeError, "warm_start: big must be a VGG, got Linear")
    refused(narrow("A"), None, TypeError, "warm_start: small must be a VGG, got NoneType")


def test_the_deeper_one_comes_first():
    match = r"warm_start: small has 16 convolutions, and big only 8; the order is warm_start\(big, small\)"
    refused(narrow("A"), narrow("E"), ValueError, match)


def test_batch_norm_in_one_only_is_refused():
    plain, normed = narrow("A"), narrow("B", batch_norm=True)
    refused(normed, plain, ValueError, "warm_start: big has batch norm, and small has not")
    refused(narrow("B"), narrow("A", batch_norm=True), ValueError, "warm_start: small has batch norm, and big has not")


def test_a_place_that_the_deeper_one_lacks_is_named():
    small = VGG([4, "M", 8, 8, 8, "M"], num_classes=3, hidden=8, pooled=1)
    big = VGG([4, 4, 4, "M", 8, 8, "M", 8, "M"], num_classes=3, hidden=8, pooled=1)
    refused(big, small, ValueError, "warm_start: small has a convolution that big lacks: number 3 of stage 2")


def test_every_difference_in_width_is_named():
    small, big = narrow("A"), narrow("B", factor=8, num_classes=5)
    with pytest.raises(ValueError) as error:
        warm_start(big, small)
    lines = str(error.value).splitlines()
    assert lines[0] == "warm_start: big and small differ in width; nothing was copied"
    assert lines[1] == "  features.0.weight: big has (8, 3, 3, 3), small's features.0.weight (4, 3, 3, 3)"
    assert lines[3] == "  features.5.weight: big has (16, 8, 3, 3), small's features.3.weight (8, 4, 3, 3)"
    named = {line.split(":")[0].strip() for line in lines[1:]}
    assert named == {
        *(f"features.{i}.{name}" for i in (0, 5, 10, 12) for name in ("weight", "bias")),
        *("classifier.0.weight", "classifier.6.weight", "classifier.6.bias"),
    }
    refused(big, small, ValueError, "nothing was copied")
