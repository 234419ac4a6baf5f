"""Adam (Kingma, Ba, ICLR 2015, arXiv 1412.6980, Algorithm 1), AMSGrad (Reddi et al., ICLR 2018, Algorithm 2) and AdamW
(Loshchilov, Hutter, ICLR 2019, arXiv 1711.05101, Algorithm 2).

With g the gradient at step t = 1, 2, ...:

    m <- beta1 * m + (1 - beta1) * g                            the mean of the gradients
    v <- beta2 * v + (1 - beta2) * g**2                         the mean of their squares
    mhat = m / (1 - beta1**t);  vhat = v / (1 - beta2**t)       without the zeros that m and v started from
    p <- p - lr * mhat / (sqrt(vhat) + eps)

AMSGrad makes vhat of the largest v so far, so that the step of a parameter never grows again because of small gradients.

Weight decay: Adam adds weight_decay * p to g, where it is divided by sqrt(vhat) along with the rest; AdamW leaves g alone and
multiplies p by 1 - lr * weight_decay before the step. (AdamW's paper writes the schedule as eta; it is in lr here, as in PyTorch.)
"""

from ..backend import primitives as P
from .optimizer import Optimizer, number, with_gradient


class Adam(Optimizer):
    """Adam: each parameter's steps are scaled by its own gradients.

    Args:
        params: tensors, or dicts with "params" and options (see Optimizer).
        lr: learning rate: about the largest change of a value in one step.
        betas: (beta1, beta2), how slowly the two means forget.
        eps: added to the root in the denominator.
        weight_decay: times the parameter, added to the gradient.
        amsgrad: scale by the largest mean of squares so far.
        maximize: go up instead of down.
    Raises: ValueError for a negative number, or a beta that isn't in [0, 1).
    Source: torch.optim.Adam.

    >>> from minitorch_cnn import Tensor, optim
    >>> p = Tensor([1.0, 1.0], requires_grad=True)
    >>> optimizer = optim.Adam([p], lr=0.25)
    >>> (p * Tensor([100.0, 0.001])).sum().backward()
    >>> optimizer.step()                        # the first step is lr, however large the gradient
    >>> p.numpy().round(3)
    array([0.75, 0.75], dtype=float32)
    """

    always_kept = ("step", "exp_avg", "exp_avg_sq")
    sometimes_kept = ("max_exp_avg_sq",)
    decoupled = False  # whether the weight decay stays out of the gradient

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, *, maximize=False):
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def check_options(self, options):
        op, options = type(self).__name__, dict(options)
        for name in ("lr", "eps", "weight_decay"):
            options[name] = number(op, name, options[name])
        betas = options["betas"]
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            raise ValueError(f"{op}: betas must be a pair of numbers, got {betas!r}")
        options["betas"] = tuple(number(op, f"betas[{i}]", beta, below=1.0) for i, beta in enumerate(betas))
        return options

    def update(self, group):
        lr, eps, weight_decay = float(group["lr"]), float(group["eps"]), float(group["weight_decay"])
        beta1, beta2 = map(float, group["betas"])
        for param in with_gradient(group):
            exp_avg, exp_avg_sq = self.kept(param, "exp_avg"), self.kept(param, "exp_avg_sq")
            max_exp_avg_sq = self.kept(param, "max_exp_avg_sq") if group["amsgrad"] else None
            step = self.state[param]["step"] = self.state[param].get("step", 0) + 1
            P.adam_step(
                param.data,
                param.grad,
                exp_avg,
                exp_avg_sq,
                max_exp_avg_sq,
                step,
                lr,
                beta1,
                beta2,
                eps,
                weight_decay,
                self.decoupled,
                group["maximize"],
            )


class AdamW(Adam):
    """Adam with decoupled weight decay: each step first multiplies the parameter by 1 - lr * weight_decay.

    Arguments and errors as Adam; only the default of weight_decay differs. Source: torch.optim.AdamW.

    >>> from minitorch_cnn import Tensor, optim
    >>> import numpy as np
    >>> p = Tensor([1.0], requires_grad=True)
    >>> p.grad = np.zeros(1, np.float32)        # no gradient: only the decay is left
    >>> optim.AdamW([p], lr=0.5, weight_decay=0.5).step()
    >>> p.numpy()
    array([0.75], dtype=float32)
    """

    decoupled = True

    def __init__(
        self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, *, maximize=False
    ):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
