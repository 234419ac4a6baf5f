"""LeNet-5 as published: the paper's counts and tables, and the whole network against loops written from the paper's text."""

import json
import pathlib

import numpy as np
import pytest
from closeness import assert_close

from minitorch_cnn import Tensor, gradcheck, models, nn
from minitorch_cnn.models.lenet_1998 import map_loss, mle_loss

# Table I, read column by column: the maps of S2 that each map of C3 sees
C3_INPUTS = [
    *[[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [0, 4, 5], [0, 1, 5]],  # three contiguous ones, round the corner
    *[[0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5], [0, 3, 4, 5], [0, 1, 4, 5], [0, 1, 2, 5]],  # four contiguous ones
    *[[0, 1, 3, 4], [1, 2, 4, 5], [0, 2, 3, 5]],  # four others
    [0, 1, 2, 3, 4, 5],
]
EXACT = 1e-12  # float64, sums of at most 400 products


@pytest.fixture
def model(rng):
    """In float64, every parameter random, so that no two of them can be taken for each other."""
    model = models.lenet5_1998().double()
    for name, parameter in model.named_parameters():
        scale = {"c": 0.15, "s": 0.5, "f": 0.1}[name[0]]  # keeps the squashing function on its slope
        parameter.data[...] = scale * rng.standard_normal(parameter.shape)
    return model


# the network, in loops ------------------------------------------------------------------------------------------------


def squashed(a):
    return 1.7159 * np.tanh(2 * a / 3)


def convolved(kernel, x):
    """One map's share of a convolution: (H, W) -> (H - 4, W - 4)."""
    rows, columns = x.shape[0] - 4, x.shape[1] - 4
    return sum(kernel[u, v] * x[u : u + rows, v : v + columns] for u in range(5) for v in range(5))


def subsampled(x, coefficient, bias):
    maps, rows, columns = x.shape[0], x.shape[1] // 2, x.shape[2] // 2
    y = np.zeros((maps, rows, columns))
    for m, i, j in np.ndindex(y.shape):
        four = x[m, 2 * i, 2 * j] + x[m, 2 * i, 2 * j + 1] + x[m, 2 * i + 1, 2 * j] + x[m, 2 * i + 1, 2 * j + 1]
        y[m, i, j] = coefficient[m] * four + bias[m]
    return y


def distances(model, image):
    """The ten outputs of the paper for one image (28, 28) with pixels in 0..1, from the model's state."""
    w = {key: tensor.numpy() for key, tensor in model.state_dict().items()}
    field = np.full((32, 32), -0.1)
    field[2:30, 2:30] = -0.1 + 1.275 * image
    c1 = squashed(np.stack([convolved(w["c1.weight"][m, 0], field) + w["c1.bias"][m] for m in range(6)]))
    s2 = squashed(subsampled(c1, w["s2.coefficient"], w["s2.bias"]))
    c3, kernels = [], iter(w["c3.weight"])
    for m, inputs in enumerate(C3_INPUTS):
        c3.append(sum(convolved(next(kernels), s2[i]) for i in inputs) + w["c3.bias"][m])
    s4 = squashed(subsampled(squashed(np.stack(c3)), w["s4.coefficient"], w["s4.bias"]))
    c5 = squashed(np.array([(w["c5.weight"][m] * s4).sum() + w["c5.bias"][m] for m in range(120)]))
    f6 = squashed(np.array([(w["f6.weight"][m] * c5).sum() + w["f6.bias"][m] for m in range(84)]))
    return np.array([((f6 - w["output.centres"][i]) ** 2).sum() for i in range(10)])


def test_scores_are_the_negated_distances_of_the_paper(model, rng):
    images = rng.uniform(size=(3, 1, 28, 28))
    expected = np.stack([-distances(model, image[0]) for image in images])
    assert np.ptp(expected) > 1  # not all saturated
    assert_close(model(Tensor(images)), expected, rtol=EXACT)


def test_the_gradient_of_every_parameter_is_right_along_a_random_direction(model, rng):
    images, labels = Tensor(rng.uniform(size=(2, 1, 28, 28))), np.array([3, 8])
    starts = {name: parameter.data for name, parameter in model.named_parameters()}
    directions = {name: rng.standard_normal(start.shape) for name, start in starts.items()}

    def loss(steps):
        for step, (name, start) in zip(steps, starts.items()):
            layer, _, attribute = name.rpartition(".")
            vars(model.get_submodule(layer))[attribute] = start + step * directions[name]
        return map_loss(model(images), labels, j=90.0)  # j near the distances, so that the eleventh class counts

    assert gradcheck(loss, np.zeros(len(starts)))


# the paper's numbers --------------------------------------------------------------------------------------------------


def test_layers_have_the_papers_trainable_parameters():
    model = models.lenet5_1998()
    counts = {name: sum(p.size for p in layer.parameters()) for name, layer in model.named_children()}
    assert counts == {"c1": 156, "s2": 12, "c3": 1516, "s4": 32, "c5": 48_120, "f6": 10_164, "output": 0}
    assert sum(p.size for p in model.parameters() if p.requires_grad) == 60_000


def test_layers_have_the_papers_connections():
    summary = nn.summary(models.lenet5_1998(), (1, 28, 28))
    connections = {}
    for row in summary.rows[1:]:
        units = int(np.prod(row.output_shape))
        if row.name in ("s2", "s4"):
            connections[row.name] = (4 + 1) * units  # four pixels and the bias
        elif row.name == "output":
            connections[row.name] = 84 * units
        else:  # each weight and each bias once for every place in a map
            connections[row.name] = row.parameters * int(np.prod(row.output_shape[1:]))
    assert connections == {
        **{"c1": 122_304, "s2": 5_880, "c3": 151_600, "s4": 2_000, "c5": 48_120, "f6": 10_164, "output": 840}
    }
    assert sum(connections.values()) == 340_908
    assert summary.total_macs == 117_600 + 150_000 + 48_000 + 10_080


def test_each_map_of_c3_sees_the_maps_of_s2_that_table_i_names(model, rng):
    x = rng.standard_normal((1, 6, 14, 14))
    before = model.c3(Tensor(x)).numpy()
    for i in range(6):
        changed = x.copy()
        changed[:, i] += 1
        differs = (model.c3(Tensor(changed)).numpy() != before).any((0, 2, 3))
        assert np.flatnonzero(differs).tolist() == [m for m, inputs in enumerate(C3_INPUTS) if i in inputs]


def test_the_drawings_are_ten_characters_of_7_by_12():
    centres = models.lenet5_1998().output.centres.numpy()
    assert centres.shape == (10, 84)
    assert set(centres.ravel().tolist()) == {-1.0, 1.0}
    drawn = ["".join("#" if pixel > 0 else "." for pixel in row) for row in centres[4].reshape(12, 7)]
    assert drawn == [
        ".#####.",
        ".......",
        ".......",
        ".##..##",
        ".##..##",
        "###..##",
        "##...##",
        "##...##",
        "##..###",
        ".######",
        ".....##",
        ".....##",
    ]
    apart = (centres[:, None] != centres).sum(2) + 84 * np.eye(10, dtype=int)
    assert apart.min() == apart[6, 8] == 12 and (apart == 12).sum() == 2  # the nearest are 6 and 8


def test_all_drawings_and_table_i_are_those_of_the_reference_material():
    path = pathlib.Path(__file__).parents[2] / "../shared/facts/facts.json"
    if not path.exists():
        pytest.skip(f"the reference drawings are in {path.resolve()}, which is not there")
    facts = json.loads(path.read_text())["lenet5_1998"]
    assert facts["c3_inputs"] == C3_INPUTS
    centres = models.lenet5_1998().output.centres.numpy()
    for i in range(10):
        drawn = "".join("#" if pixel > 0 else "." for pixel in centres[i])
        assert drawn == "".join(facts["rbf_bitmaps"][str(i)]), f"character {i}"


def test_weights_start_uniform_on_2_4_over_the_units_inputs():
    states = [models.lenet5_1998().state_dict() for _ in range(20)]
    values = {key: np.stack([state[key].numpy() for state in states]) for key in states[0]}
    fan_in = {"c1": 25, "s2": 4, "s4": 4, "c5": 400, "f6": 120}
    for key in [k for k in values if k[:2] in fan_in]:
        assert_uniform(values[key], 2.4 / fan_in[key[:2]], key)
    start = 0
    for m, maps in enumerate(C3_INPUTS):
        bound = 2.4 / (25 * len(maps))
        assert_uniform(values["c3.weight"][:, start : start + len(maps)], bound, f"kernels of map {m}")
        assert np.abs(values["c3.bias"][:, m]).max() <= bound, f"bias of map {m}"
        start += len(maps)
    assert start == 60


def assert_uniform(values, bound, what):
    """None beyond +-bound, and both ends of the interval reached: 120 values leave an end of 4 % empty once in 130 times."""
    assert -bound <= values.min() < -0.92 * bound and 0.92 * bound < values.max() <= bound, what


def test_keys_are_in_the_papers_words_and_carry_the_whole_network(rng):
    model, other = models.lenet5_1998(), models.lenet5_1998()
    assert list(model.state_dict()) == [
        *["c1.weight", "c1.bias", "s2.coefficient", "s2.bias", "c3.weight", "c3.bias", "s4.coefficient", "s4.bias"],
        *["c5.weight", "c5.bias", "f6.weight", "f6.bias", "output.centres"],
    ]
    x = Tensor(rng.uniform(size=(2, 1, 28, 28)).astype(np.float32))
    assert not np.array_equal(model(x).numpy(), other(x).numpy())
    other.load_state_dict(model.state_dict())
    assert np.array_equal(model(x).numpy(), other(x).numpy())


# images ---------------------------------------------------------------------------------------------------------------


def test_c1_sees_the_image_in_the_middle_of_the_field_in_the_papers_values(model):
    seen = []
    model.c1.register_forward_hook(lambda module, args, output: seen.append(args[0].numpy()))
    image = np.zeros((1, 1, 28, 28))
    image[0, 0, 0, 3], image[0, 0, 27, 27] = 1.0, 0.5
    scores = model(Tensor(image))
    expected = np.full((1, 1, 32, 32), -0.1)
    expected[0, 0, 2, 5], expected[0, 0, 29, 29] = 1.175, (1.175 - 0.1) / 2
    assert_close(seen[0], expected, rtol=1e-15)
    field = np.pad(image, ((0, 0), (0, 0), (2, 2), (2, 2)))
    assert np.array_equal(model(Tensor(field)).numpy(), scores.numpy())  # 32x32 is the field itself


@pytest.mark.parametrize("shape", [(5, 28, 28), (5, 3, 28, 28), (5, 1, 30, 30), (5, 1, 28, 32), (5, 1, 32, 28)])
def test_an_image_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError) as error:
        models.lenet5_1998()(Tensor(np.zeros(shape, np.float32)))
    remedy = "; add the channel axis with x.unsqueeze(1)" if len(shape) == 3 else ""
    expected = f"must be a batch of grey images, (N, 1, 28, 28) or (N, 1, 32, 32), got x.shape={shape}{remedy}"
    assert str(error.value) == f"LeNet5_1998: x {expected}"


def test_images_of_bytes_are_refused():
    with pytest.raises(TypeError, match="LeNet5_1998: x must be a float tensor, got uint8"):
        models.lenet5_1998()(Tensor(np.zeros((1, 1, 28, 28), np.uint8)))


# losses ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("j", [0.5, 6.0])
def test_the_losses_are_equations_8_and_9(rng, j):
    y = rng.uniform(0, 12, (7, 10))
    right = rng.integers(0, 10, 7)
    expected = [y[p, d] + np.log(np.exp(-j) + np.exp(-y[p]).sum()) for p, d in enumerate(right)]
    assert_close(map_loss(Tensor(-y), right, j=j), np.float64(np.mean(expected)), rtol=EXACT)
    assert_close(
        mle_loss(Tensor(-y), Tensor(right)), np.float64(np.mean([y[p, d] for p, d in enumerate(right)])), EXACT
    )


def test_the_gradient_of_the_map_loss_is_the_papers(rng):
    y, right, j = rng.uniform(0, 5, (3, 10)), np.array([0, 9, 4]), 2.0
    scores = Tensor(-y, requires_grad=True)
    map_loss(scores, right, j=j).backward()
    by_y = (right[:, None] == np.arange(10)) - np.exp(-y) / (np.exp(-j) + np.exp(-y).sum(1, keepdims=True))
    assert_close(scores.grad, -by_y / 3, rtol=EXACT)


def test_a_wrong_class_far_beyond_j_is_left_alone():
    scores = Tensor(np.array([[-30.0, -0.5, -30.0]]), requires_grad=True)
    map_loss(scores, [1], j=1.0).backward()
    assert np.abs(scores.grad[0, [0, 2]]).max() < 1e-12  # e^-30 / e^-0.5
    assert scores.grad[0, 1] < -0.3  # the right one is still drawn nearer: 1 - e^-0.5 / (e^-1 + e^-0.5)


def test_the_map_loss_of_large_distances_is_finite():
    # the sum of e^-y alone would be zero, and its logarithm infinite
    scores = Tensor(np.full((1, 10), -1e4, np.float32), requires_grad=True)
    loss = map_loss(scores, [2], j=1e5)
    loss.backward()
    assert loss.item() == pytest.approx(np.log(10), abs=1e-2)  # float32 has a step of 1e-3 at 1e4
    assert np.isfinite(scores.grad).all()


@pytest.mark.parametrize("loss", [map_loss, mle_loss])
def test_targets_that_are_no_classes_are_refused(loss):
    scores, name = Tensor(np.zeros((2, 10), np.float32)), loss.__name__
    # 10 is the place of equation 9's "no character", and no class
    with pytest.raises(ValueError, match=rf"{name}: target\[1\] is 10, but there are 10 classes \(0 to 9\)"):
        loss(scores, np.array([0, 10]))
    with pytest.raises(ValueError, match=rf"{name}: target\[0\] is -1"):
        loss(scores, np.array([-1, 0]))
    with pytest.raises(ValueError, match=rf"{name}: target must have shape \(2,\), one class number a sample"):
        loss(scores, np.array([1, 2, 3]))
    with pytest.raises(TypeError, match=rf"{name}: target must hold integer class numbers, got float64"):
        loss(scores, np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match=rf"{name}: scores must have 2 dimensions, got 1"):
        loss(Tensor(np.zeros(10, np.float32)), np.array([1]))


@pytest.mark.parametrize("j", [0, -1.0, float("nan")])
def test_j_must_be_positive(j):
    with pytest.raises(ValueError, match=f"map_loss: j must be positive, got {j}"):
        map_loss(Tensor(np.zeros((1, 10), np.float32)), [0], j=j)


def test_it_learns_ten_images_by_heart():
    images = np.zeros((10, 1, 28, 28), np.float32)
    for i in range(10):
        images[i, 0, 2 * i : 2 * i + 8, 4:24] = 1  # a bar, lower and lower
    model, labels = models.lenet5_1998(), np.arange(10)
    for _ in range(150):
        model.zero_grad()
        map_loss(model(Tensor(images)), labels, j=1.0).backward()
        for parameter in model.parameters():
            parameter.data -= np.float32(0.01) * parameter.grad
    assert np.array_equal(model(Tensor(images)).argmax(1).numpy(), labels)
