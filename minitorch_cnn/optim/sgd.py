"""Stochastic gradient descent, with momentum (Polyak 1964) and Nesterov's (Sutskever et al., ICML 2013, section 2).

With g the gradient, plus weight_decay * p (the gradient of weight_decay/2 * p**2):

    p <- p - lr * g                                             plain
    v <- momentum * v + (1 - dampening) * g                     momentum; v is g itself at the first step
    p <- p - lr * v
    p <- p - lr * (g + momentum * v)                            Nesterov's: the gradient as if it were taken one step ahead

Polyak and Sutskever have the learning rate inside the velocity, v <- momentum * v - lr * g and p <- p + v. PyTorch keeps it
outside, and so do we: it is the same for a constant rate; when a schedule lowers the rate, ours takes hold at once.
"""

from ..backend import primitives as P
from .optimizer import Optimizer, number, with_gradient


class SGD(Optimizer):
    """Stochastic gradient descent, plain, with momentum, or with Nesterov's.

    Args:
        params: tensors, or dicts with "params" and options (see Optimizer).
        lr: learning rate.
        momentum: what is kept of the velocity from step to step; 0: none is.
        dampening: how much of the gradient is kept out of the velocity.
        weight_decay: the coefficient of weight_decay/2 * p**2 in the loss.
        nesterov: take Nesterov's step; needs momentum and no dampening.
        maximize: go up instead of down.
    Raises: ValueError for a negative number, or nesterov without momentum or with dampening.
    Source: torch.optim.SGD.

    >>> from minitorch_cnn import Tensor, optim
    >>> p = Tensor([1.0], requires_grad=True)
    >>> optimizer = optim.SGD([p], lr=0.25)
    >>> (p * p).sum().backward()
    >>> optimizer.step()                        # 1 - 0.25 * 2
    >>> p.numpy()
    array([0.5], dtype=float32)
    """

    sometimes_kept = ("momentum_buffer",)

    def __init__(self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, *, maximize=False):
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def check_options(self, options):
        options = dict(options)
        for name in ("lr", "momentum", "weight_decay"):
            options[name] = number("SGD", name, options[name])
        options["dampening"] = number("SGD", "dampening", options["dampening"], least=float("-inf"))
        if options["nesterov"] and (options["momentum"] <= 0 or options["dampening"] != 0):
            raise ValueError(
                "SGD: nesterov needs a momentum above 0 and no dampening, "
                f"got momentum={options['momentum']:g}, dampening={options['dampening']:g}"
            )
        return options

    def update(self, group):
        lr, momentum, weight_decay = float(group["lr"]), float(group["momentum"]), float(group["weight_decay"])
        for param in with_gradient(group):
            velocity, dampening = None, group["dampening"]
            if momentum:
                if "momentum_buffer" not in self.state[param]:
                    dampening = 0.0  # v = momentum * 0 + g
                velocity = self.kept(param, "momentum_buffer")
            P.sgd_step(
                param.data,
                param.grad,
                velocity,
                lr,
                momentum,
                dampening,
                weight_decay,
                group["nesterov"],
                group["maximize"],
            )
