"""The exponential moving average of a model's weights (Polyak, Juditsky 1992, with weights that fade; Tarvainen, Valpola 2017).

    average <- decay * average + (1 - decay) * weight           after each step

The average of the last 1 / (1 - decay) steps or so lies nearer to the bottom of the loss than any one of them.
"""

import copy

import numpy as np

from .. import backend
from ..autograd import Tensor


class ExponentialMovingAverage:
    """A copy of a model in which the averages of its weights live: train the model, evaluate the copy.

    The first update copies the weights, each later one averages. `module` is the copy; calling this object calls it.

    Args:
        model: a Module.
        decay: between 0 (the last weights) and 1 (the first).
        use_buffers: average float buffers too, such as batch norm's running statistics. False: buffers are copied from the model
            at every update. Integer buffers are always copied.
    Raises: ValueError for a decay outside [0, 1].
    Source: torch.optim.swa_utils.AveragedModel with get_ema_multi_avg_fn; the keys of the state are its.

    >>> from minitorch_cnn import nn, optim
    >>> model = nn.Linear(1, 1, bias=False)
    >>> average = optim.ExponentialMovingAverage(model, decay=0.75)
    >>> for weight in (4.0, 8.0):
    ...     model.weight.data[...] = weight             # a training step
    ...     average.update_parameters(model)
    >>> average.module.weight.item()                    # 0.75 * 4 + 0.25 * 8
    5.0
    """

    def __init__(self, model, decay=0.999, use_buffers=False):
        if not 0 <= decay <= 1:
            raise ValueError(f"ExponentialMovingAverage: decay must be between 0 and 1, got {decay}")
        self.module = copy.deepcopy(model)
        self.module.zero_grad()  # the copies of the gradients
        self.decay, self.use_buffers = float(decay), use_buffers
        self.n_averaged = 0

    def __call__(self, *args, **kwargs):
        return self.module(*args, **kwargs)

    def update_parameters(self, model):
        """Take in the weights that the model has now: after each optimizer.step().

        Raises: ValueError if the model doesn't have the parameters and buffers of the one that was copied.
        """
        ours = {**dict(self.module.named_parameters()), **dict(self.module.named_buffers())}
        theirs = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        differing = [name for name in {**ours, **theirs} if _shape(ours.get(name)) != _shape(theirs.get(name))]
        if differing:
            raise ValueError(
                "ExponentialMovingAverage: this is another model than the one that was copied; they differ in "
                f"{', '.join(differing)}"
            )
        parameters = {name for name, _ in self.module.named_parameters()}
        for name, average in ours.items():
            value = backend.to_device(theirs[name].data, average.device)
            averaged = (name in parameters or self.use_buffers) and average.dtype.kind == "f"
            with backend.on_device_of(average.data):
                if averaged and self.n_averaged:
                    average.data += (1 - self.decay) * (value - average.data)
                else:
                    average.data[...] = value
        self.n_averaged += 1

    def train(self, mode=True):
        """Training mode of the copy."""
        self.module.train(mode)
        return self

    def eval(self):
        """Evaluation mode of the copy."""
        return self.train(False)

    def state_dict(self):
        """{"n_averaged": the number of updates, "module.<name>": ...}, as AveragedModel's."""
        return {"n_averaged": Tensor(np.array(self.n_averaged)), **self.module.state_dict(prefix="module.")}

    def load_state_dict(self, state_dict):
        """Copy the averages and the number of updates. Nothing is changed unless all of it fits.

        Raises: ValueError listing every missing, unexpected and misshapen key.
        """
        if "n_averaged" not in state_dict:
            raise ValueError(
                "load_state_dict: the state has no n_averaged, so it isn't an ExponentialMovingAverage's; nothing was loaded. "
                "A model's own state goes into .module"
            )
        rest = {key: value for key, value in state_dict.items() if key != "n_averaged"}
        self.module.load_state_dict({key.removeprefix("module."): value for key, value in rest.items()})
        self.n_averaged = int(state_dict["n_averaged"])


def _shape(tensor):
    return None if tensor is None else tensor.shape
