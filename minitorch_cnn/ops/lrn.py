"""Local response normalisation (Krizhevsky et al. 2012, section 3.3).

    s[c] = k + alpha/size * sum of x[j]**2 over the `size` channels j around c
    y[c] = x[c] * s[c]**-beta

With g the gradient of y, and t = g * x * s**(-beta-1):

    dx[c] = g[c] * s[c]**-beta - 2*beta*alpha/size * x[c] * sum of t[j] over the channels j whose window holds c

The paper doesn't divide alpha by the size; PyTorch does. We follow PyTorch: the paper's 1e-4 with size 5 is alpha=5e-4 here.
"""

from ..autograd import Function
from ..backend import primitives as P
from . import check


class LocalResponseNorm(Function):
    def __init__(self, size, alpha, beta, k):
        self.options = (size, alpha, beta, k)

    def forward(self, x):
        self.x = x
        y, self.scale = P.local_response_norm(x, *self.options)
        return y

    def backward(self, grad):
        return P.local_response_norm_backward(grad, self.x, self.scale, *self.options)


def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    """Divide each value by a power of its neighbours' energy across channels.

    Args:
        input: (N, C, H, W) or (N, C, ...) float tensor.
        size: number of neighbouring channels, the centre included; of an even number the larger half lies before it.
    Returns: a tensor of input's shape and dtype.
    Raises: ValueError if size < 1 or input has fewer than 3 dimensions.
    Source: Krizhevsky, Sutskever, Hinton, NeurIPS 2012, section 3.3; arguments as torch.nn.functional.local_response_norm.

    >>> from minitorch_cnn import Tensor
    >>> x = Tensor([[[[3.0]], [[4.0]]]])
    >>> local_response_norm(x, size=2, alpha=2.0, beta=1.0, k=0.0).numpy().ravel()          # 3 / 3**2, 4 / (3**2 + 4**2)
    array([0.33333334, 0.16      ], dtype=float32)
    """
    check.float_tensor("local_response_norm", "input", input, min_ndim=3)
    size = check.integer("local_response_norm", "size", size, least=1)
    return LocalResponseNorm.apply(input, size=size, alpha=alpha, beta=beta, k=k)
