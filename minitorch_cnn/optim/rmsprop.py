"""RMSprop (Tieleman, Hinton, Coursera: Neural Networks for Machine Learning, lecture 6.5, 2012); centred as in Graves
(arXiv 1308.0850, equations 38 to 41).

With g the gradient, plus weight_decay * p:

    s <- alpha * s + (1 - alpha) * g**2                         the mean of the squares of the gradients
    a <- alpha * a + (1 - alpha) * g                            centred: the mean of the gradients
    u = g / (sqrt(s) + eps), centred: g / (sqrt(s - a**2) + eps)
    p <- p - lr * u
    v <- momentum * v + u;  p <- p - lr * v                     with momentum

eps is outside the root, as in PyTorch; Graves has it inside.
"""

from ..backend import primitives as P
from .optimizer import Optimizer, number, with_gradient


class RMSprop(Optimizer):
    """RMSprop: the gradient divided by the root of the mean of its squares.

    Args:
        params: tensors, or dicts with "params" and options (see Optimizer).
        lr: learning rate.
        alpha: how slowly the means forget.
        eps: added to the root in the denominator.
        weight_decay: times the parameter, added to the gradient.
        momentum: what is kept of the velocity from step to step; 0: none is.
        centered: divide by the gradients' standard deviation instead.
        maximize: go up instead of down.
    Raises: ValueError for a negative number.
    Source: torch.optim.RMSprop.

    >>> from minitorch_cnn import Tensor, optim
    >>> p = Tensor([1.0, 1.0], requires_grad=True)
    >>> optimizer = optim.RMSprop([p], lr=0.25, alpha=0.75)
    >>> (p * Tensor([100.0, 0.001])).sum().backward()
    >>> optimizer.step()                        # g / sqrt(0.25 * g**2) = 2, times lr
    >>> p.numpy().round(3)
    array([0.5, 0.5], dtype=float32)
    """

    always_kept = ("step", "square_avg")
    sometimes_kept = ("grad_avg", "momentum_buffer")

    def __init__(
        self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False, *, maximize=False
    ):
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def check_options(self, options):
        options = dict(options)
        for name in ("lr", "alpha", "eps", "weight_decay", "momentum"):
            options[name] = number("RMSprop", name, options[name])
        return options

    def update(self, group):
        lr, alpha, eps = float(group["lr"]), float(group["alpha"]), float(group["eps"])
        weight_decay, momentum = float(group["weight_decay"]), float(group["momentum"])
        for param in with_gradient(group):
            square_avg = self.kept(param, "square_avg")
            grad_avg = self.kept(param, "grad_avg") if group["centered"] else None
            velocity = self.kept(param, "momentum_buffer") if momentum else None
            self.state[param]["step"] = self.state[param].get("step", 0) + 1  # PyTorch counts them too, without use
            P.rmsprop_step(
                param.data,
                param.grad,
                square_avg,
                grad_avg,
                velocity,
                lr,
                alpha,
                eps,
                weight_decay,
                momentum,
                group["maximize"],
            )
