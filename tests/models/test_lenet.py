"""LeNet-5 in its modern form: stored outputs and gradients, keys, counts, and what it says to a wrong image."""

import json
import pathlib

import numpy as np
import pytest
from closeness import assert_close
from golden import fill, image, uniform

import minitorch_cnn.functional as F
from minitorch_cnn import Tensor, models, nn

# by an implementation that is not this one, float64, with golden.py's weights and images
LOGITS = [
    [-0.8486805899677987, -1.0083106748001311, 1.0512647209722688, -2.5111669292550913, -1.7741254947212854]
    + [-0.5740885798797918, 1.7867129812199516, 0.35455931130966645, 0.04737398031946552, -0.2776951732450277],
    [-0.08562005097930794, -1.039683783559392, 0.34439053703028194, -1.4909875561647048, -1.3426383146166367]
    + [0.01930999133875147, 1.6249115921457067, 0.4263451615001166, -0.01347589356444484, -0.3428062023503725],
]
LOSS = 2.1797735227940813  # cross entropy, both images of class 7
GRADIENT_NORM = 16.759034578553386  # over all parameters
TOLERANCE = 1e-9  # float64 sums of up to 400 products in another order, through five layers: measured 1e-14


def filled_model():
    return fill(models.lenet5().double(), gain=1.1)


def test_the_formula_gives_its_check_values():
    assert uniform("conv1.weight", 3).tolist() == [0.22308889489801953, 0.0901964293770906, 0.6879599281424227]
    assert image((2, 1, 28, 28)).ravel()[:2].tolist() == [-1.2893606785500513, -1.447199558258547]


def test_logits_loss_and_gradient_are_those_stored():
    model = filled_model()
    logits = model(Tensor(image((2, 1, 28, 28))))
    assert_close(logits, LOGITS, rtol=TOLERANCE)
    loss = F.cross_entropy(logits, np.array([7, 7]))
    loss.backward()
    assert_close(loss, np.float64(LOSS), rtol=TOLERANCE)
    norm = np.sqrt(sum((parameter.grad**2).sum() for parameter in model.parameters()))
    assert_close(norm, np.float64(GRADIENT_NORM), rtol=TOLERANCE)


def test_each_parameters_gradient_is_the_one_stored():
    path = pathlib.Path(__file__).parents[2] / "../shared/facts/golden.json"
    if not path.exists():
        pytest.skip(f"the stored gradients of each parameter are in {path.resolve()}, which is not there")
    golden = json.loads(path.read_text())["models"]["lenet5"]
    model = filled_model()
    x = Tensor(image(golden["input_shape"]), requires_grad=True)
    F.cross_entropy(model(x), np.array([7, 7])).backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert_close(np.linalg.norm(x.grad), np.float64(golden["gradient"]["input_norm"]), rtol=TOLERANCE)
    for name, norm in golden["gradient"]["norms"].items():
        assert_close(np.linalg.norm(gradients[name]), np.float64(norm), rtol=TOLERANCE)
    for name, first in golden["gradient"]["first_values"].items():
        largest = np.abs(gradients[name]).max()
        assert np.abs(gradients[name].ravel()[:4] - first).max() <= TOLERANCE * largest, name


def test_keys_shapes_and_counts_are_pytorchs():
    state = models.lenet5().state_dict()
    assert [(key, tensor.shape) for key, tensor in state.items()] == [
        ("conv1.weight", (6, 1, 5, 5)),
        ("conv1.bias", (6,)),
        ("conv2.weight", (16, 6, 5, 5)),
        ("conv2.bias", (16,)),
        ("fc1.weight", (120, 400)),
        ("fc1.bias", (120,)),
        ("fc2.weight", (84, 120)),
        ("fc2.bias", (84,)),
        ("fc3.weight", (10, 84)),
        ("fc3.bias", (10,)),
    ]
    summary = nn.summary(models.lenet5(), (1, 28, 28))
    assert (summary.total_params, summary.trainable_params, summary.total_macs) == (61_706, 61_706, 416_520)


@pytest.mark.parametrize(
    "shape, message",
    [
        ((5, 28, 28), r"got x.shape=\(5, 28, 28\); add the channel axis with x.unsqueeze\(1\)"),
        ((28, 28), r"got x.shape=\(28, 28\)$"),
        ((5, 784), r"got x.shape=\(5, 784\)$"),
        ((5, 28, 28, 1), r"got x.shape=\(5, 28, 28, 1\); move the channels forward with x.permute\(0, 3, 1, 2\)"),
        ((5, 3, 28, 28), r"got x.shape=\(5, 3, 28, 28\)$"),
        ((5, 1, 32, 32), r"got x.shape=\(5, 1, 32, 32\)$"),
        ((5, 1, 28, 27), r"got x.shape=\(5, 1, 28, 27\)$"),
    ],
)
def test_an_image_of_another_shape_is_refused(shape, message):
    with pytest.raises(ValueError, match=r"LeNet5: x must be a batch of grey images, \(N, 1, 28, 28\), " + message):
        models.lenet5()(Tensor(np.zeros(shape, np.float32)))


def test_images_of_bytes_and_plain_arrays_are_refused():
    with pytest.raises(TypeError, match=r"LeNet5: x must be a float tensor, got uint8; use x.float\(\)"):
        models.lenet5()(Tensor(np.zeros((1, 1, 28, 28), np.uint8)))
    with pytest.raises(TypeError, match=r"LeNet5: x must be a Tensor, got ndarray; wrap it: Tensor\(x\)"):
        models.lenet5()(np.zeros((1, 1, 28, 28), np.float32))
