"""Finding a network by name."""

import pytest

from minitorch_cnn import models
from minitorch_cnn.nn import init


def test_every_listed_model_can_be_created_and_is_exported_under_its_name():
    names = models.list_models()
    assert names == sorted(names)
    assert {"lenet5", "lenet5_1998"} <= set(names)
    with init.left_out():
        for name in names:
            assert type(models.create(name)) is type(getattr(models, name)())


def test_create_hands_its_options_to_the_builder():
    assert models.create("lenet5", num_classes=7).fc3.weight.shape == (7, 84)
    with pytest.raises(TypeError, match="num_clases"):
        models.create("lenet5", num_clases=7)


@pytest.mark.parametrize(
    "name, nearest", [("lenet", "lenet5"), ("LeNet-5", "lenet5"), ("LENET5_1989", "lenet5_1998"), ("", ""), (None, "")]
)
def test_an_unknown_name_is_answered_with_the_nearest_one(name, nearest):
    with pytest.raises(ValueError) as error:
        models.create(name)
    assert f"create: there is no model {name!r}; the nearest is '{nearest}" in str(error.value)
    assert "models.list_models() names all" in str(error.value)
