"""The catalogue: every operator under its name in torch.nn.functional. Nothing is defined here."""

# convolution
from .ops.conv import conv2d, conv_transpose2d, fold, unfold

# matrix products
from .ops.linear import linear
from .ops.attention import scaled_dot_product_attention

# pooling
from .ops.pool import adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool2d, max_pool2d

# normalisation
from .ops.lrn import local_response_norm
from .ops.norm import batch_norm, group_norm, layer_norm

# activations
from .ops.activation import (
    elu,
    gelu,
    hardsigmoid,
    hardswish,
    leaky_relu,
    log_softmax,
    relu,
    relu6,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)

# losses
from .ops.loss import binary_cross_entropy_with_logits, cross_entropy, mse_loss, nll_loss

# regularisation
from .ops.regularize import dropout

# shapes and sizes
from .ops.resize import interpolate
from .ops.shape import one_hot, pad
