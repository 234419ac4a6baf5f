"""The step of each optimiser, all of it in one kernel: one thread changes one value of the parameter, and what is kept for it."""

import math

import cupy

__all__ = ["adam_step", "rmsprop_step", "sgd_step"]

_sgd = cupy.ElementwiseKernel(
    "T grad, T lr, T sign, T weight_decay",
    "T param",
    """
    param -= lr * (sign * grad + weight_decay * param);
    """,
    "mt_sgd_step",
)

_sgd_momentum = cupy.ElementwiseKernel(
    "T grad, T lr, T sign, T weight_decay, T momentum, T fresh, bool nesterov",
    "T param, T velocity",
    """
    T g = sign * grad + weight_decay * param;
    velocity = momentum * velocity + fresh * g;
    param -= lr * (nesterov ? g + momentum * velocity : velocity);
    """,
    "mt_sgd_momentum_step",
)

_ADAM = """
    T g = sign * grad + weight_decay * param;
    exp_avg = beta1 * exp_avg + (T(1) - beta1) * g;
    exp_avg_sq = beta2 * exp_avg_sq + (T(1) - beta2) * g * g;
    param = decay * param - rate * exp_avg / (sqrt(%s) + eps);
    """
_ADAM_OPTIONS = "T grad, T sign, T weight_decay, T beta1, T beta2, T eps, T rate, T decay"

_adam = cupy.ElementwiseKernel(_ADAM_OPTIONS, "T param, T exp_avg, T exp_avg_sq", _ADAM % "exp_avg_sq", "mt_adam_step")
_amsgrad = cupy.ElementwiseKernel(
    _ADAM_OPTIONS,
    "T param, T exp_avg, T exp_avg_sq, T largest",
    _ADAM % "largest = exp_avg_sq > largest ? exp_avg_sq : largest",
    "mt_amsgrad_step",
)

_rmsprop = cupy.ElementwiseKernel(
    "T grad, T sign, T weight_decay, T alpha, T eps, T lr, T momentum, bool centred, bool moving",
    "T param, T square_avg, T grad_avg, T velocity",
    """
    T g = sign * grad + weight_decay * param;
    square_avg = alpha * square_avg + (T(1) - alpha) * g * g;
    T variance = square_avg;
    if (centred) {
      grad_avg = alpha * grad_avg + (T(1) - alpha) * g;
      variance -= grad_avg * grad_avg;
      if (variance < T(0)) variance = 0;
    }
    T u = g / (sqrt(variance) + eps);
    if (moving) {
      velocity = momentum * velocity + u;
      u = velocity;
    }
    param -= lr * u;
    """,
    "mt_rmsprop_step",
)


def sgd_step(param, grad, velocity, lr, momentum, dampening, weight_decay, nesterov, maximize):
    sign = -1.0 if maximize else 1.0
    if velocity is None:
        _sgd(grad, lr, sign, weight_decay, param)
    else:
        _sgd_momentum(grad, lr, sign, weight_decay, momentum, 1 - dampening, nesterov, param, velocity)


def adam_step(
    param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq, step, lr, beta1, beta2, eps, weight_decay, decoupled, maximize
):
    # lr * m_hat / (sqrt(v_hat) + eps), with both corrections taken out of the arrays (the paper's section 2)
    correction1, correction2 = 1 - beta1**step, math.sqrt(1 - beta2**step)
    rate, decay = lr * correction2 / correction1, 1 - lr * weight_decay if decoupled else 1.0
    sign, weight_decay = -1.0 if maximize else 1.0, 0.0 if decoupled else weight_decay
    options = (grad, sign, weight_decay, beta1, beta2, eps * correction2, rate, decay)
    if max_exp_avg_sq is None:
        _adam(*options, param, exp_avg, exp_avg_sq)
    else:
        _amsgrad(*options, param, exp_avg, exp_avg_sq, max_exp_avg_sq)


def rmsprop_step(param, grad, square_avg, grad_avg, velocity, lr, alpha, eps, weight_decay, momentum, maximize):
    sign = -1.0 if maximize else 1.0
    centred, moving = grad_avg is not None, velocity is not None
    kept = (square_avg, grad_avg if centred else square_avg, velocity if moving else square_avg)  # unused ones stand in
    _rmsprop(grad, sign, weight_decay, alpha, eps, lr, momentum, centred, moving, param, *kept)
