"""Weights by name or by file: found, fetched once, checked, and put into the network, or an error that says what there is."""

import hashlib

import numpy as np
import pytest

from minitorch_cnn import data, models, nn
from minitorch_cnn.backend import random
from minitorch_cnn.models import published
from minitorch_cnn.models.published import PUBLISHED, build, find, is_published


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty folder of data, and no way to the network."""

    def no_network(url, destination, sha256):
        if destination_file(destination, sha256):
            return destination
        raise data.FetchError(f"asked for {url}")

    def destination_file(path, sha256):
        try:
            with open(path, "rb") as file:
                return hashlib.sha256(file.read()).hexdigest().startswith(sha256)
        except FileNotFoundError:
            return False

    monkeypatch.setenv("MINITORCH_CNN_DATA", str(tmp_path))
    monkeypatch.setattr(published, "fetch", no_network)
    return tmp_path / "weights"


@pytest.fixture
def trained(tmp_path):
    """A network that nobody else would draw, and its file."""
    model = models.resnet20(num_classes=3, width=4)
    model.bn1.running_mean.data[...] = [1, 2, 3, 4]
    model.save_weights(tmp_path / "mine.npz")
    return model, tmp_path / "mine.npz"


def same(a, b):
    return all(np.array_equal(x.numpy(), y.numpy()) for x, y in zip(a.state_dict().values(), b.state_dict().values()))


@pytest.mark.parametrize("as_text", [True, False])
def test_a_builder_takes_a_file_and_draws_nothing(as_text, trained):
    expected, path = trained
    before = random.get_state()
    model = models.resnet20(weights=str(path) if as_text else path, num_classes=3, width=4)
    assert same(model, expected) and random.get_state() == before


def test_a_published_name_is_the_file_in_the_cache(trained, cache, monkeypatch):
    expected, path = trained
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    names = {"FIRST": "http://host/other-00000000.pth", "SECOND": f"http://host/resnet20-{sha256[:8]}.th"}
    monkeypatch.setitem(PUBLISHED, "resnet20", names)
    cache.mkdir()
    path.rename(cache / f"resnet20-{sha256[:8]}.th")
    for name in ("SECOND", "DEFAULT"):
        assert same(models.resnet20(weights=name, num_classes=3, width=4), expected)
    with pytest.raises(data.FetchError, match=r"asked for http://host/other-00000000\.pth"):
        models.resnet20(weights="FIRST", num_classes=3, width=4)
    assert is_published("resnet20", find("resnet20", "SECOND"))
    assert not is_published("resnet56", find("resnet20", "SECOND"))


def test_what_is_no_file_and_no_name_is_answered_with_the_names(cache):
    with pytest.raises(
        FileNotFoundError, match=r"resnet50: there is no file 'V3', nor .*'IMAGENET1K_V1', 'IMAGENET1K_V2'$"
    ):
        models.resnet50(weights="V3")
    with pytest.raises(
        FileNotFoundError, match="plain20: there is no file 'DEFAULT', nor weights of that name; none are published"
    ):
        models.plain20(weights="DEFAULT")
    with pytest.raises(
        TypeError, match="resnet18: weights must be the path of a file, or one of 'IMAGENET1K_V1'; got True"
    ):
        models.resnet18(weights=True)


def test_weights_that_dont_fit_name_the_file_and_what_is_wrong(trained):
    _, path = trained
    with pytest.raises(
        ValueError, match=r"mine\.npz: load_state_dict: .*doesn't fit CifarResNet(.|\n)*misshapen: .*linear.weight"
    ):
        models.resnet20(weights=path, num_classes=10, width=4)
    with pytest.raises(ValueError, match=r"missing: layer1\.3\.conv1\.weight"):
        models.resnet32(weights=path, num_classes=3, width=4)


def test_build_hands_arguments_to_the_network():
    assert build("any", None, nn.Linear, 3, 2, bias=False).weight.shape == (2, 3)


@pytest.mark.parametrize("name", PUBLISHED)
def test_addresses_end_in_eight_digits_of_a_checksum(name):
    for url in PUBLISHED[name].values():
        digits = published.sha256_of(url)
        assert len(digits) == 8 and set(digits) <= set("0123456789abcdef")
        assert url.startswith("https://")
