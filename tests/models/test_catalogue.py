"""Every network has the counts that the catalogue says, the facts have, and its paper prints; and torchvision's keys."""

import json
import pathlib

import numpy as np
import pytest

from minitorch_cnn import models, nn
from minitorch_cnn.models.catalogue import CATALOGUE
from minitorch_cnn.models.published import PUBLISHED
from minitorch_cnn.nn import init

FACTS = pathlib.Path(__file__).parents[2] / "../shared/facts"


WITH_HEADS = {"googlenet_2014"}  # the facts count the auxiliary heads' multiply-adds too
NOT_IN_FACTS = {"preact_resnet32", "preact_resnet44", "preact_resnet56"}
TORCHVISION = [name for name, published in PUBLISHED.items() if "IMAGENET1K_V1" in published]


def facts(file):
    if not FACTS.exists():
        pytest.skip(f"the papers' numbers are in {FACTS.resolve()}, which is not there")
    return json.loads((FACTS / file).read_text())


def unfilled(name):
    """The network with zeros for weights: nothing is drawn, and hardly any memory touched."""
    with init.left_out():
        return models.create(name)


@pytest.mark.parametrize("name", CATALOGUE)
def test_parameters_are_as_many_as_the_catalogue_says(name):
    assert sum(p.size for p in unfilled(name).parameters()) == CATALOGUE[name].parameters


@pytest.mark.full_size
@pytest.mark.parametrize("name", CATALOGUE)
def test_multiply_adds_are_as_many_as_the_catalogue_says(name):
    assert nn.summary(unfilled(name), CATALOGUE[name].image).total_macs == CATALOGUE[name].macs


@pytest.mark.parametrize("name", sorted(CATALOGUE.keys() - NOT_IN_FACTS))
def test_the_catalogue_has_the_facts_numbers(name):
    known = facts("facts.json")["models"]
    entry = CATALOGUE[name]
    fact = known[f"{name}_cifar" if entry.image == (3, 32, 32) else name]
    assert entry.parameters == fact["parameters"]
    if "macs" in fact and name not in WITH_HEADS:
        assert entry.macs == fact["macs"]
    if "reported_error_percent" in fact:
        assert (entry.top1, entry.top5) in [(line["top1"], line["top5"]) for line in fact["reported_error_percent"]]


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvisions_keys_shapes_and_dtypes(name):
    state = unfilled(name).state_dict()
    found = [[key, list(tensor.shape), str(tensor.dtype)] for key, tensor in state.items()]
    assert found == facts("state_dict_keys.json")[name]


@pytest.mark.parametrize("name", TORCHVISION)
def test_published_weights_are_those_the_facts_list(name):
    files = [url.rpartition("/")[2] for url in PUBLISHED[name].values()]
    known = facts("facts.json")["models"][name]["torchvision_weights"]
    assert files == [line["file"] for line in known]
    assert list(PUBLISHED[name]) == [line["name"] for line in known]


def test_the_table_has_a_line_for_each_network():
    lines = str(models.table()).splitlines()
    assert [line.split()[0] for line in lines[2:]] == list(CATALOGUE)
    assert sorted(CATALOGUE) == models.list_models()
    (resnet,) = [line for line in lines if line.startswith("resnet50 ")]
    assert resnet.split() == [
        "resnet50",
        "1512.03385",
        "3x224x224",
        "25,557,032",
        "4,089.2",
        "M",
        "22.85",
        "6.71",
        "10",
        "crops",
    ]
    assert len({line.index("25,557,032") + len("25,557,032") for line in lines if "25,557,032" in line}) == 1


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_batch_of_the_wrong_shape_is_refused_with_what_is_wanted(name):
    from minitorch_cnn import Tensor

    model, (channels, height, width) = unfilled(name).eval(), CATALOGUE[name].image
    for shape in [(channels, height, width), (2, channels + 1, height, width), (2, height, width, channels), (2, 9)]:
        with pytest.raises(
            ValueError, match=rf"x must be a batch of (grey |colour )?images, \(N, {channels}, .*got x.shape="
        ):
            model(Tensor(np.zeros(shape, np.float32)))
    with pytest.raises(TypeError, match="x must be a float tensor, got uint8"):
        model(Tensor(np.zeros((2, channels, height, width), np.uint8)))
