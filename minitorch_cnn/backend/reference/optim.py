"""The step of each optimiser by its definition: one number of one parameter at a time. Papers and names are in optim/.

All arrays but `grad` are changed in place; one that the options have no use for is None.
"""

import math

import numpy as np

__all__ = ["adam_step", "rmsprop_step", "sgd_step"]


def _descent(grad, param, weight_decay, maximize):
    """The gradient of what is minimised at one place: the loss (or minus it) and weight_decay/2 * param**2."""
    return (-float(grad) if maximize else float(grad)) + weight_decay * float(param)


def sgd_step(param, grad, velocity, lr, momentum, dampening, weight_decay, nesterov, maximize):
    for i in np.ndindex(param.shape):
        g = _descent(grad[i], param[i], weight_decay, maximize)
        if velocity is not None:
            velocity[i] = momentum * float(velocity[i]) + (1 - dampening) * g
            g = g + momentum * float(velocity[i]) if nesterov else float(velocity[i])
        param[i] = float(param[i]) - lr * g


def adam_step(
    param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq, step, lr, beta1, beta2, eps, weight_decay, decoupled, maximize
):
    for i in np.ndindex(param.shape):
        g = _descent(grad[i], param[i], 0 if decoupled else weight_decay, maximize)
        exp_avg[i] = beta1 * float(exp_avg[i]) + (1 - beta1) * g
        exp_avg_sq[i] = beta2 * float(exp_avg_sq[i]) + (1 - beta2) * g * g
        second = float(exp_avg_sq[i])
        if max_exp_avg_sq is not None:
            max_exp_avg_sq[i] = second = max(float(max_exp_avg_sq[i]), second)
        m_hat = float(exp_avg[i]) / (1 - beta1**step)
        v_hat = second / (1 - beta2**step)
        decay = lr * weight_decay if decoupled else 0
        param[i] = (1 - decay) * float(param[i]) - lr * m_hat / (math.sqrt(v_hat) + eps)


def rmsprop_step(param, grad, square_avg, grad_avg, velocity, lr, alpha, eps, weight_decay, momentum, maximize):
    for i in np.ndindex(param.shape):
        g = _descent(grad[i], param[i], weight_decay, maximize)
        square_avg[i] = alpha * float(square_avg[i]) + (1 - alpha) * g * g
        second = float(square_avg[i])
        if grad_avg is not None:
            grad_avg[i] = alpha * float(grad_avg[i]) + (1 - alpha) * g
            second = max(second - float(grad_avg[i]) ** 2, 0)
        update = g / (math.sqrt(second) + eps)
        if velocity is not None:
            velocity[i] = update = momentum * float(velocity[i]) + update
        param[i] = float(param[i]) - lr * float(update)
