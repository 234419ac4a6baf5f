"""ExponentialMovingAverage: a copy that follows the model's weights slowly."""

import copy

import numpy as np
import pytest
from closeness import assert_close

import minitorch_cnn as mt
from minitorch_cnn import nn, optim


def a_model():
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).double()


def refill(model, rng):
    """Other values in every parameter and buffer."""
    for tensor in [*model.parameters(), *model.buffers()]:
        tensor.data[...] = rng.integers(1, 100, tensor.shape) if tensor.dtype.kind == "i" else rng.random(tensor.shape)


@pytest.mark.parametrize("use_buffers", [False, True])
def test_the_average_is_the_first_weights_and_then_a_fading_sum(use_buffers, rng):
    model = a_model()
    average = optim.ExponentialMovingAverage(model, decay=0.8, use_buffers=use_buffers)
    seen = []
    for _ in range(3):
        refill(model, rng)
        average.update_parameters(model)
        seen.append(copy.deepcopy(model.state_dict()))
    got = average.module.state_dict()
    for key, last in seen[2].items():
        a, b, c = (state[key].data for state in seen)
        if key.endswith("num_batches_tracked") or (key.startswith("1.running") and not use_buffers):
            np.testing.assert_array_equal(got[key].data, last.data)  # copied
        else:
            assert_close(got[key], 0.64 * a + 0.16 * b + 0.2 * c, rtol=1e-15)


def test_the_copy_shares_nothing_with_the_model(rng):
    model = a_model()
    model(mt.Tensor(rng.standard_normal((4, 2)))).sum().backward()
    average = optim.ExponentialMovingAverage(model)
    before = average.module.state_dict()["0.weight"].data.copy()
    assert all(p.grad is None for p in average.module.parameters())
    assert all(p.grad is not None for p in model.parameters())
    average.update_parameters(model)
    refill(model, rng)
    np.testing.assert_array_equal(average.module.state_dict()["0.weight"].data, before)


def test_float32_weights_stay_float32(rng):
    model = nn.Linear(2, 3)
    average = optim.ExponentialMovingAverage(model, decay=np.float64(0.9))
    for _ in range(2):
        average.update_parameters(model)
    assert average.module.weight.dtype == np.float32


def test_calling_it_calls_the_copy(rng):
    model, x = nn.Linear(2, 3), mt.Tensor(rng.standard_normal((4, 2), np.float32))
    average = optim.ExponentialMovingAverage(model)
    expected = model(x).numpy()
    model.weight.data[...] = 0
    np.testing.assert_array_equal(average(x).numpy(), expected)


def test_its_mode_is_the_copys():
    model = a_model()
    average = optim.ExponentialMovingAverage(model)
    assert average.eval() is average and not average.module[1].training and model[1].training
    assert average.train() is average and average.module[1].training


def test_a_run_that_goes_on_gives_the_same_bits(rng):
    model, other = a_model(), a_model()
    average, again = (optim.ExponentialMovingAverage(m, decay=0.8, use_buffers=True) for m in (model, other))
    for _ in range(2):
        refill(model, rng)
        average.update_parameters(model)
    again.load_state_dict(copy.deepcopy(average.state_dict()))
    assert again.n_averaged == 2
    refill(model, rng)
    average.update_parameters(model)
    again.update_parameters(model)
    for key, value in average.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[key].data, value.data)


def test_a_state_that_does_not_fit_changes_nothing():
    average = optim.ExponentialMovingAverage(a_model())
    state = average.state_dict()
    state["n_averaged"] = 5
    del state["module.0.weight"]
    with pytest.raises(ValueError, match=r"nothing was loaded\n  missing: 0\.weight"):
        average.load_state_dict(state)
    with pytest.raises(ValueError, match=r"has no n_averaged, .* A model's own state goes into \.module"):
        average.load_state_dict(a_model().state_dict())
    assert average.n_averaged == 0


def test_another_model_is_refused_before_anything_changes(rng):
    average = optim.ExponentialMovingAverage(a_model())
    average.update_parameters(a_model())
    before = copy.deepcopy(average.state_dict())
    other = nn.Sequential(nn.Linear(2, 3, bias=False), nn.BatchNorm1d(3), nn.Linear(3, 1)).double()
    with pytest.raises(
        ValueError, match=r"another model than the one that was copied; they differ in 0\.bias, 2\.weight, 2\.bias"
    ):
        average.update_parameters(other)
    with pytest.raises(ValueError, match=r"they differ in 0\.weight"):
        average.update_parameters(nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3)))
    for key, value in average.state_dict().items():
        np.testing.assert_array_equal(value.data, before[key].data)


@pytest.mark.parametrize("decay", [-0.1, 1.1, float("nan")])
def test_a_decay_beyond_its_range(decay):
    with pytest.raises(ValueError, match=f"ExponentialMovingAverage: decay must be between 0 and 1, got {decay}"):
        optim.ExponentialMovingAverage(nn.Linear(1, 1), decay)
