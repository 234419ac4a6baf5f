"""The list of the array primitives. Each is here with its contract, and in three forms under the same name and signature:

    reference/      the textbook loop, the definition
    cpu/            NumPy
    gpu/            CuPy kernels

A call here goes to the form for the device that its first array is on. Everything takes and returns raw arrays; sizes such as
`stride` are pairs (vertical, horizontal) already.
"""

import numpy as np

from . import arrays, cpu


def form(array):
    """The module with the primitives for the device that `array` is on."""
    if isinstance(array, np.ndarray | np.generic):  # NumPy's arithmetic on arrays without dimensions makes a generic
        return cpu
    if not arrays.is_array(array):
        raise TypeError(f"no backend for {type(array).__name__}")
    from . import gpu  # needs CuPy, which is there if this array is

    return gpu


# convolution ----------------------------------------------------------------------------------------------------------


def im2col(x, kernel_size, stride, padding, dilation):
    """(N, C, H, W) -> (N, C*KH*KW, OH*OW): column (i, j) holds the window that output pixel (i, j) looks at."""
    return form(x).im2col(x, kernel_size, stride, padding, dilation)


def col2im(columns, image_size, kernel_size, stride, padding, dilation):
    """(N, C*KH*KW, OH*OW) -> (N, C, H, W): each column entry added back to the pixel it came from; im2col's transpose."""
    return form(columns).col2im(columns, image_size, kernel_size, stride, padding, dilation)


def conv2d(x, weight, bias, stride, padding, dilation, groups):
    """y[n,o,i,j] = bias[o] + sum over c,u,v of weight[o,c,u,v] * x[n, c, i*stride+u*dilation-padding, j*...].

    x (N, C, H, W), weight (O, C/groups, KH, KW), bias (O,) or None -> (N, O, OH, OW).
    """
    return form(x).conv2d(x, weight, bias, stride, padding, dilation, groups)


def conv2d_input_gradient(grad, weight, image_size, stride, padding, dilation, groups):
    """The gradient of conv2d by x: grad (N, O, OH, OW) -> (N, C, H, W) with (H, W) = image_size."""
    return form(grad).conv2d_input_gradient(grad, weight, image_size, stride, padding, dilation, groups)


def conv2d_weight_gradient(grad, x, kernel_size, stride, padding, dilation, groups):
    """The gradient of conv2d by weight: grad (N, O, OH, OW), x (N, C, H, W) -> (O, C/groups, KH, KW)."""
    return form(grad).conv2d_weight_gradient(grad, x, kernel_size, stride, padding, dilation, groups)


def channel_sum(x):
    """(N, C, ...) -> (C,): the sum of each channel over samples and places; the gradient of a bias."""
    return form(x).channel_sum(x)


# matrix products ------------------------------------------------------------------------------------------------------


def matmul(a, b):
    """(..., n, k) @ (..., k, m) -> (..., n, m); leading dimensions broadcast."""
    return form(a).matmul(a, b)


# activations ----------------------------------------------------------------------------------------------------------


def relu(x):
    """max(x, 0), value by value; a NaN stays one."""
    return form(x).relu(x)


def relu_backward(grad, y):
    """grad where y, relu's output, is positive, and 0 elsewhere.

    The exception: an infinite gradient becomes NaN where y is 0, since a form may compute grad * (y > 0).
    """
    return form(grad).relu_backward(grad, y)


def erf(x):
    """The error function, 2/sqrt(pi) times the integral of e^-t^2 from 0 to x: to 2e-7 in float32, 1e-15 in float64."""
    return form(x).erf(x)


# pooling --------------------------------------------------------------------------------------------------------------


def max_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode):
    """The largest value of each window, (N, C, H, W) -> (N, C, OH, OW); padding is minus infinity, NaN the largest."""
    return form(x).max_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d_backward(grad, x, y, kernel_size, stride, padding, dilation, ceil_mode):
    """The gradient by x: each window's goes to the first place (row by row) that held the largest value, y."""
    return form(grad).max_pool2d_backward(grad, x, y, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d_indices(x, kernel_size, stride, padding, dilation, ceil_mode):
    """Where each maximum stood: h*W + w, int64, (N, C, OH, OW)."""
    return form(x).max_pool2d_indices(x, kernel_size, stride, padding, dilation, ceil_mode)


def put_at_indices(grad, indices, image_size):
    """(N, C, OH, OW) values added at h*W + w = indices of zero images (N, C, *image_size)."""
    return form(grad).put_at_indices(grad, indices, image_size)


def adaptive_max_pool2d(x, output_size):
    """(values, indices) of the largest value of each of output_size windows that cover the image."""
    return form(x).adaptive_max_pool2d(x, output_size)


def avg_pool2d(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """The mean of each window, (N, C, H, W) -> (N, C, OH, OW)."""
    return form(x).avg_pool2d(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool2d_backward(grad, image_size, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """The gradient of avg_pool2d by x: each window's, divided as the mean was, to all its pixels."""
    return form(grad).avg_pool2d_backward(
        grad, image_size, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


# normalisation --------------------------------------------------------------------------------------------------------


def batch_norm(x, weight, bias, running_mean, running_var, momentum, eps):
    """(N, C, ...) -> (y, mean, var): each channel normalised by its own mean and biased variance, then weight and bias.

    In place, running = (1 - momentum) * running + momentum * the batch's; of the variance the unbiased, M / (M - 1). Each of the
    running ones, weight and bias may be None.
    """
    return form(x).batch_norm(x, weight, bias, running_mean, running_var, momentum, eps)


def batch_norm_backward(grad, x, weight, mean, var, eps):
    """The gradients of batch_norm by x, weight and bias, through the statistics."""
    return form(grad).batch_norm_backward(grad, x, weight, mean, var, eps)


def channel_affine(x, scale, shift):
    """(N, C, ...) -> x * scale[c] + shift[c]."""
    return form(x).channel_affine(x, scale, shift)


def row_norm(x, eps):
    """(R, L) -> (xhat, inv): each row to mean 0 and variance 1, and what it was multiplied by for that, (R,)."""
    return form(x).row_norm(x, eps)


def row_norm_backward(grad, xhat, inv):
    """The gradient of row_norm by x."""
    return form(grad).row_norm_backward(grad, xhat, inv)


def local_response_norm(x, size, alpha, beta, k):
    """(N, C, ...) -> (y, scale): y = x * scale**-beta, scale = k + alpha/size * the sum of x**2 over `size` channels around."""
    return form(x).local_response_norm(x, size, alpha, beta, k)


def local_response_norm_backward(grad, x, scale, size, alpha, beta, k):
    """The gradient of local_response_norm by x."""
    return form(grad).local_response_norm_backward(grad, x, scale, size, alpha, beta, k)


# losses and regularisation --------------------------------------------------------------------------------------------


def class_distribution(target, class_weight, ignore_index, label_smoothing):
    """Class numbers (M,), weights (C,) -> (q (M, C), weights (M,)): the distributions wanted, and the weight of each one's class.

    q = (1 - smoothing) * weight[t] * [j = t] + smoothing / C * weight[j]; both are 0 where t is ignore_index. Labels must be right;
    on a GPU, where nobody has looked, one that is no class makes NaN.
    """
    return form(class_weight).class_distribution(target, class_weight, ignore_index, label_smoothing)


def softmax_cross_entropy(logits, q):
    """(M, C) logits and wanted distributions -> (losses (M,), gradient (M, C)): -sum of q log p, and p sum(q) - q."""
    return form(logits).softmax_cross_entropy(logits, q)


def dropout_mask(x, p):
    """An array like x that holds 0 with probability p, else 1 / (1 - p)."""
    return form(x).dropout_mask(x, p)


# resizing -------------------------------------------------------------------------------------------------------------


def separable_map(x, rows, columns):
    """(N, C, H, W), (OH, H), (OW, W) -> rows @ x @ columns.T, (N, C, OH, OW)."""
    return form(x).separable_map(x, rows, columns)


# augmentation ---------------------------------------------------------------------------------------------------------


def uniform(keys, count, dtype):
    """(N, count) random numbers from 0 to below 1: number k of row n is a hash of keys[n] (uint64) and k."""
    return form(keys).uniform(keys, count, dtype)


def warp(x, steps, size, interpolation):
    """(N, C, H, W) uint8 or float -> (N, C, *size): each pixel from the place in x to which the steps lead (warp_step.py).

    steps: a list of `Step`, the first one's input is x. interpolation: "nearest", "bilinear" or "bicubic" (Keys, a = -0.75).
    """
    return form(x).warp(x, steps, size, interpolation)


def smooth_noise(keys, size, taps, dtype):
    """(N, 2, H, W) random numbers from -1 to 1, each channel blurred by `taps` along both axes, mirrored at the ends.

    keys (N,) uint64: a stream for each sample, of which number c*H*W + i*W + j is pixel (i, j) of channel c. taps: an odd count.
    """
    return form(keys).smooth_noise(keys, size, taps, dtype)


def resample(x, rows, row_weights, columns, column_weights):
    """y[n,c,i,j] = sum over k, m of row_weights[n,i,k] * column_weights[n,j,m] * x[n, c, rows[n,i]+k, columns[n,j]+m].

    x (N, C, H, W) uint8 or float. On the CPU whatever the device: first taps (N or 1, OUT), integers that don't decrease along
    OUT, and weights (N or 1, OUT, K). Every tap must lie inside the image. uint8 is rounded once, at the end, and cut to 0..255.
    """
    return form(x).resample(x, rows, row_weights, columns, column_weights)


# colour and tone: images (N, C, H, W) of uint8, or float from 0 to 1; parameters are on the host, a row for each sample


def color_jitter(x, factors, order):
    """Brightness, contrast, saturation and hue by factors (N, 4), in the order (N, 4) of each sample: color_step.py.

    C is 3, or 1 without saturation and hue. A sample whose factors are 1, 1, 1, 0 stays as it is.
    """
    return form(x).color_jitter(x, factors, order)


def add_to_channels(x, amount):
    """x[n, c] + amount[n, c], cut to 0 to 255 (the amount rounded first), or 0 to 1; a sample of zeros stays as it is."""
    return form(x).add_to_channels(x, amount)


def permute_channels(x, order):
    """y[n, c] = x[n, order[n, c]]."""
    return form(x).permute_channels(x, order)


def normalize(x, scale, shift):
    """x * scale[n, c] + shift[n, c], in float32 for uint8."""
    return form(x).normalize(x, scale, shift)


def look_up(x, tables):
    """uint8: x's level in the sample's table (N, 256), or in the channel's (N, C, 256), uint8 on the host."""
    return form(x).look_up(x, tables)


def power(x, exponent):
    """Float: max(x, 0) to the power of exponent[n]; a sample with 1 stays as it is."""
    return form(x).power(x, exponent)


def posterize(x, bits, applied):
    """Only the upper bits[n] (0 to 8) of uint8; 2**bits[n] levels from 0 on of floats. Samples not `applied` (N,) stay."""
    return form(x).posterize(x, bits, applied)


def solarize(x, threshold, applied):
    """255 - x, or 1 - x, where x >= threshold[n]. Samples not `applied` (N,) stay."""
    return form(x).solarize(x, threshold, applied)


def autocontrast(x, applied):
    """(x - least) * top / (most - least) of each channel, top 255 (rounded down) or 1; one of one value stays."""
    return form(x).autocontrast(x, applied)


def equalize(x, applied):
    """Each channel's levels (floats: 256 of them) spread so that all are about equally frequent, as Pillow does it."""
    return form(x).equalize(x, applied)


# blur, noise, erasing, mixing: parameters are on the host; samples that aren't `applied` (N,) stay


def blur(x, rows, columns, applied):
    """Weights down the columns, rows (N, KH), then along the rows, columns (N, KW), of each image; the border is mirrored.

    Sizes are odd, the weights positive and the same from both ends. uint8: the sums down the columns are rounded to 1/16. With
    weights that are multiples of 1/4096 and sum to 1 every form gives the same bits.
    """
    return form(x).blur(x, rows, columns, applied)


def filter2d(x, kernels, applied):
    """y[n,c,i,j] = sum over u,v of kernels[n,u,v] * x[n, c, i+u-KH//2, j+v-KW//2], the border is mirrored.

    kernels (N, KH, KW), of odd sizes. uint8 is rounded and clipped; every form gives the same bits if weights are multiples of
    1/65536.
    """
    return form(x).filter2d(x, kernels, applied)


def sharpen(x, factors):
    """x + (1 - factor) * (smooth - x), clipped; smooth is the mean of 3 x 3, the middle with weight 5 (rounded in uint8).

    factors (N,): 1 keeps the image exactly. The outermost pixels stay; uint8 is cut off, not rounded.
    """
    return form(x).sharpen(x, factors)


def add_noise(x, keys, table, applied, clip):
    """x + table[b], b the 16 bits that a hash of keys[n] (uint64) gives pixel (c*H + i)*W + j: a quarter of hash number k // 4.

    table (65536,): int16 for uint8 images, which are always clipped, else x's dtype, clipped to 0..1 if `clip`.
    """
    return form(x).add_noise(x, keys, table, applied, clip)


def salt_and_pepper(x, keys, salt, pepper):
    """Each pixel i*W + j, all channels, white with probability salt[n], black with pepper[n], by 16 bits of the hash of keys[n]."""
    return form(x).salt_and_pepper(x, keys, salt, pepper)


def fill_boxes(x, boxes, fill, keys=None):
    """x with boxes (N, K, 4) of x1, y1, x2, y2 (whole pixels inside the image) filled; an empty box fills nothing.

    fill: a value for each channel. With keys (N,) uint64, a table of 65,536 values: each pixel gets one by its hash, as in
    add_noise.
    """
    return form(x).fill_boxes(x, boxes, fill, keys)


def mix(x, others, rows, lam):
    """(N, ...) uint8 or float -> lam[n] * x[n] + (1 - lam[n]) * others[rows[n]]; uint8 is rounded. Where lam is 1, x[n] exactly.

    others (M, ...) of x's dtype; rows (N,) whole numbers and lam (N,), on the CPU whatever the device.
    """
    return form(x).mix(x, others, rows, lam)


def paste_boxes(x, others, rows, boxes):
    """(N, C, H, W) -> x[n], but in the box x1, y1, x2, y2 = boxes[n] (pixels, the last two excluded) others[rows[n]].

    others (M, C, H, W); rows (N,) and boxes (N, 4) whole numbers within the image, on the CPU. An empty box keeps x[n].
    """
    return form(x).paste_boxes(x, others, rows, boxes)


# optimisers -----------------------------------------------------------------------------------------------------------
#
# One step of one parameter. All arrays have param's shape and dtype, and all but grad are changed in place; lr and the other
# options are Python numbers. g stands for grad (minus grad to maximise) + weight_decay * param.


def sgd_step(param, grad, velocity, lr, momentum, dampening, weight_decay, nesterov, maximize):
    """velocity = momentum * velocity + (1 - dampening) * g;  param -= lr * velocity, or g + momentum * velocity for Nesterov's.

    velocity is None for plain gradient descent: param -= lr * g.
    """
    form(param).sgd_step(param, grad, velocity, lr, momentum, dampening, weight_decay, nesterov, maximize)


def adam_step(
    param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq, step, lr, beta1, beta2, eps, weight_decay, decoupled, maximize
):
    """m = beta1 * m + (1 - beta1) * g;  v = beta2 * v + (1 - beta2) * g**2;  param -= lr * mhat / (sqrt(vhat) + eps).

    m is exp_avg, v exp_avg_sq; mhat = m / (1 - beta1**step), vhat = v / (1 - beta2**step), step = 1 for the first. With
    max_exp_avg_sq (else None), vhat is made of it, the largest v so far. decoupled: the weight decay is not part of g; param is
    multiplied by 1 - lr * weight_decay first.
    """
    form(param).adam_step(
        param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq, step, lr, beta1, beta2, eps, weight_decay, decoupled, maximize
    )


def rmsprop_step(param, grad, square_avg, grad_avg, velocity, lr, alpha, eps, weight_decay, momentum, maximize):
    """s = alpha * s + (1 - alpha) * g**2;  u = g / (sqrt(s) + eps);  velocity = momentum * velocity + u;  param -= lr * velocity.

    s is square_avg. With grad_avg (else None), the average of g, the root is that of s - grad_avg**2, at least 0. Without velocity
    (None), param -= lr * u.
    """
    form(param).rmsprop_step(
        param, grad, square_avg, grad_avg, velocity, lr, alpha, eps, weight_decay, momentum, maximize
    )
