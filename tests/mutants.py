"""Are the tests any good? Put a mistake that people make into the source, one at a time, and see that a test fails.

    python tests/mutants.py                     all of them, some minutes
    python tests/mutants.py --only conv         one family: conv, pool, lrn, norm, loss, augment
    python tests/mutants.py --jobs 4

Each mutant is one replacement of text in one file, made in a copy of the package: the working tree is never touched. Only the fast
tests of that file run. Ends with the score; the exit status is 1 if a mutant survives, or no longer applies.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "minitorch_cnn"
TIMEOUT = 120  # seconds; a mutant that makes the tests hang is caught as well

CONV = ("tests/ops/test_conv.py",)
FORMS = ("tests/backend/test_conv_forms.py",)
POOL = ("tests/ops/test_pool.py",)
LRN = ("tests/ops/test_lrn.py",)
NORM = ("tests/ops/test_norm.py",)
LOSS = ("tests/ops/test_loss.py",)


class Mutant(NamedTuple):
    family: str
    tests: tuple
    file: str  # inside the package
    old: str  # occurs exactly once in it
    new: str
    mistake: str


# (family, tests, file, [(old, new, what people get wrong)])
# fmt: off
_BY_FILE = [
    ("conv", CONV, "ops/conv.py", [
        ("P.conv2d(x, weight, bias, *", "P.conv2d(x, weight, None, *", "bias forgotten"),
        ("y += bias[:, None, None]", "y += bias[0]", "one bias for all channels (transposed)"),
        ("bias, stride=stride, padding=padding, dil", "bias, stride=dilation, padding=padding, dil",
         "stride is the dilation"),
        ("bias, stride=stride, padding=padding, dil", "bias, stride=stride, padding=stride, dil",
         "padding is the stride"),
        ("gradient(self.x, grad, self", "gradient(self.x[::-1], grad, self",
         "samples paired with other samples' gradients"),
        ("P.conv2d(grad, self.weight, None", "P.conv2d(grad, self.weight[..., ::-1, ::-1], None",
         "kernel flipped in transposed backward"),
        ("(n - 1) * s - 2 * p", "(n - 1) * s - p", "transposed: padding taken off one side"),
        ("d * (k - 1) + extra + 1", "d * (k - 1) + 1", "output_padding ignored"),
        ("if extra >= max(s, d)", "if extra >= min(s, d)", "output_padding between stride and dilation refused"),
        ("extra // s for extra", "0 for extra", "output_padding beyond the stride: no rows for it"),
        ("(0, total[1] % 2, 0, total[0] % 2)", "(total[1] % 2, 0, total[0] % 2, 0)",
         '"same": the odd zero at the start'),
        ("(total[0] // 2, total[1] // 2)", "(total[1] // 2, total[0] // 2)", '"same": axes exchanged'),
        ("[d * (k - 1) for d, k in zip(dilation,", "[(k - 1) for d, k in zip(dilation,", '"same": dilation forgotten'),
        ("if C != weight.shape[1] * groups", "if C < weight.shape[1] * groups", "too many channels pass the check"),
    ]),
    ("conv", CONV, "backend/sizes.py", [
        ("(W + 2 * pw - dw * (KW - 1) - 1) // sw + 1", "(W + 2 * pw - dw * (KW - 1)) // sw + 1", "output size one too large"),
        ("(H + 2 * ph - dh * (KH - 1) - 1) // sh + 1", "(H + 2 * ph - KH) // sh + 1", "output size without dilation"),
    ]),
    ("conv", FORMS, "backend/cpu/conv.py", [
        ("max(padding) <= 2 and dtype == np.float32", "max(padding) <= 2", "Winograd for float64"),
        ("max(padding) <= 2 and", "max(padding) <= 3 and", "Winograd with padding that its gradient can't take"),
        ("plain = stride == (1, 1) == dilation and groups == 1", "plain = stride == (1, 1) == dilation",
         "Winograd with groups"),
        ("padding == (0, 0) and groups == 1", "groups == 1", "pointwise with padding"),
        ("groups == channels == outputs", "groups == channels", "depthwise with several filters a channel"),
        ("    _forced = self.before", "    _forced = None", "conv_algorithm doesn't nest"),
        ("choose(channels, outputs, image_size, weight.shape[2:], stride",
         "choose(outputs, channels, image_size, weight.shape[2:], (1, 1)",
         "input gradient: stride ignored in the choice"),
    ]),
    ("conv", CONV, "backend/cpu/conv.py", [
        ("x.dtype)).sum(0)", "x.dtype)).mean(0)", "bias gradient: mean over the samples"),
    ]),
    ("conv", FORMS, "backend/cpu/conv_im2col.py", [
        ("= padded[:, :, top : top + sh * OH : sh, left", "= padded[:, :, u : u + sh * OH : sh, left",
         "dilation ignored in one axis"),
        ("= padded[:, :, top : top + sh * OH : sh, left", "= padded[:, :, top : top + OH, left",
         "stride ignored in one axis"),
        ("columns[:, :, u, v] = padded", "columns[:, :, KH - 1 - u, KW - 1 - v] = padded", "kernel flipped"),
        ("sw] += columns[:, :, u, v]", "sw] = columns[:, :, u, v]", "col2im: overlapping windows overwrite"),
        ("padded[:, :, ph : ph + H, pw : pw + W] = x", "padded[:, :, 2 * ph : 2 * ph + H, pw : pw + W] = x",
         "all padding on one side"),
        ("(b - a, groups, -1, OH * OW)  # (n", "(b - a, groups, -1, OH * OW)[:, ::-1]  # (n",
         "groups see each other's channels"),
        ("y[a:b] += bias[:, None, None]", "y += bias[:, None, None]", "each block adds the bias to the whole batch"),
        ("total += (grad[a:b]", "total = (grad[a:b]", "weight gradient of the last block alone"),
        ("sums[lo] = total", "sums[0] = total", "weight gradient of one thread alone"),
    ]),
    ("conv", FORMS, "backend/cpu/threads.py", [
        ("first += other", "first = other", "sum of parts: the last part alone"),
        ("work, bounds[i], bounds[i + 1]", "work, bounds[i] - 1, bounds[i + 1]", "halves of the batch overlap"),
        ("yield a, min(a + step, hi)", "yield a, min(a + step + 1, hi)", "blocks overlap"),
    ]),
    ("conv", FORMS, "backend/cpu/conv_rowshift.py", [
        ("s, d = sizes.stride[0], sizes.dilation[0]", "s, d = sizes.stride[0], sizes.dilation[1]",
         "dilation's axes exchanged"),
        ("g.dilation[1] * w", "w", "horizontal dilation ignored"),
        ("copy[...] = dy_t", "copy[...] = dy_t[:, :1]", "weight gradient: each sample has the first one's dy"),
        ("len(g.phases) == 1 and depth", "depth", "few channels: the first row phase's kernel rows for all"),
        ("columns[...] = phase.windows(buffer).transpose(1, 2, 0, 3, 4)",
         "columns[...] = phase.windows(buffer)[::-1].transpose(1, 2, 0, 3, 4)", "few channels: kernel rows upside down"),
        ("self.top = mine[0] * d // s", "self.top = 0", "row phases all begin at the first row"),
        ("self.down = every * d // s", "self.down = every", "rows of a phase a dilation apart"),
        ("[..., ::-1, ::-1]", "[..., ::-1, :]", "input gradient: kernel mirrored in one axis"),
        ("d * (k - 1) - p for", "(k - 1) - p for", "mirrored padding without dilation"),
        ("if stride == (1, 1) and min(mirrored) >= 0", "if min(mirrored) >= 0", "input gradient: stride ignored"),
        ("transpose(3, 0, 1, 4, 2)", "transpose(3, 0, 1, 2, 4)", "channels and kernel columns exchanged"),
        ("lowered[...] = 0", "pass", "what an earlier call left stands between the moved gradients"),
        ("first = tap * self.down * g.OW", "first = tap * g.OW", "dilation ignored in the transposed form"),
        ("shifts[:, :, v] += buffer[:, :, v]", "shifts[:, :, v] = buffer[:, :, v]",
         "kernel columns overwrite each other"),
        ("total[phase.kernel_rows] += ", "total[phase.kernel_rows] = ", "weight gradient of the last block alone"),
        ("total += product", "total[...] = product", "the last row phase alone"),
        ("y[a:b] += bias[:, None, None]", "pass", "bias forgotten"),
    ]),
    ("conv", FORMS, "backend/cpu/conv_folded.py", [
        ("padded[...] = 0", "pass", "scratch of an earlier call isn't zeroed"),
        ("u * self.dilation[0], v * self.dilation[1]", "u, v * self.dilation[1]", "vertical dilation ignored"),
        ("left : left + sw * self.OW : sw", "left : left + self.OW", "horizontal stride ignored"),
        ("gw[lo:hi] += dy", "gw[lo:hi] = dy", "weight gradient of the last piece alone"),
        ("tap += columns", "tap[...] = columns", "kernel places overwrite each other"),
        ("y[a:b, lo:hi] += bias[lo:hi,", "y[a:b, lo:hi] += bias[: hi - lo,", "each thread adds the first biases"),
        ("matrix[:, lo * g.taps : hi * g.taps]", "matrix[:, : (hi - lo) * g.taps]", "input gradient of the first channels alone"),
    ]),
    ("conv", FORMS, "backend/cpu/conv_winograd.py", [
        ("[0, -2, -1, 2, 1, 0]", "[0, 2, -1, 2, 1, 0]", "a sign in B of F(4, 3)"),
        ("[1 / 24, 1 / 12, 1 / 6]", "[1 / 24, 1 / 12, 1 / 12]", "an entry of G of F(4, 3)"),
        ("[0, 1, -1, 8, -8, 1]", "[0, 1, -1, 8, -8, 0]", "an entry of A of F(4, 3)"),
        ("[0, 1, 1, 0], [0, -1, 1, 0]", "[0, 1, 1, 0], [0, 1, -1, 0]", "a sign in B of F(2, 3)"),
        ("weight[:, :, ::-1, ::-1].swapaxes", "weight.swapaxes", "input gradient: kernel not mirrored"),
        ("(2 - padding[0], 2 - padding[1])", "(padding[0], padding[1])", "input gradient: padding not mirrored"),
        ("(2 - padding[0], 2 - padding[1])", "(2 - padding[1], 2 - padding[0])",
         "input gradient: padding's axes exchanged"),
        ("whole[...] = 0", "pass", "weight gradient: rest of the last tiles isn't zeroed"),
        ("padded[...] = 0", "pass", "scratch of an earlier call isn't zeroed"),
        ("dU += dM", "dU[...] = dM", "weight gradient of the last block alone"),
        ("np.add(whole[:, :, :OH, :OW], bias[:, None, None], out=y[a:b])", "y[a:b] = whole[:, :, :OH, :OW]",
         "bias forgotten"),
    ]),
    ("conv", FORMS, "backend/cpu/conv_depthwise.py", [
        ("wide[..., g.OW :] = 0", "pass", "columns that were cut off aren't zeroed"),
        ("image[...] = 0", "pass", "scratch of an earlier call isn't zeroed"),
        ("self.w + v * dw // sw", "self.w + v // sw", "horizontal dilation ignored"),
        ("(u * dh % sh) * sw + v * dw % sw", "(v * dw % sw) * sh + u * dh % sh", "phases' axes exchanged"),
        ("at : at + g.length] += product", "at : at + g.length] = product", "kernel places overwrite each other"),
        ("total[:, u, v] += ", "total[:, u, v] = ", "weight gradient of the last block alone"),
        ("np.add(rows, bias[:, None, None], out=y[a:b])", "y[a:b] = rows", "bias forgotten"),
    ]),
    ("conv", FORMS, "backend/cpu/conv_pointwise.py", [
        ("(x[:, :, :: stride[0], :: stride[1]])", "(x[:, :, :: stride[1], :: stride[0]])", "stride's axes exchanged"),
        ("spread[:, :, :: stride[0], :: stride[1]] = gx", "spread[:, :, : OH, : OW] = gx",
         "input gradient not spread by the stride"),
        ("weight.reshape(O, C).T", "weight.reshape(C, O)", "reshaped instead of transposed"),
        ("y[lo:hi] += bias[:, None]", "pass", "bias forgotten"),
        ("@ rows_t[lo:hi]).sum(0)", "@ rows_t[lo:hi]).mean(0)", "weight gradient: mean over the samples"),
    ]),
    ("pool", POOL, "backend/sizes.py", [
        ("if (out - 1) * s >= n + p", "if (out - 1) * s > n + p",
         "ceil_mode: a window beginning right in the padding stays"),
        ("if (out - 1) * s >= n + p", "if (out - 1) * s >= n + 2 * p",
         "ceil_mode: a window in the right-hand padding stays"),
        ("-(-(n + 2 * p - d * (k - 1) - 1) // s) + 1", "(n + 2 * p - d * (k - 1) - 1) // s + 2",
         "ceil_mode: always one more"),
        ("-(-(i + 1) * n // out)", "(i + 1) * n // out", "adaptive: the window's end rounded down"),
    ]),
    ("pool", POOL, "ops/pool.py", [
        ("stride = kernel_size if stride is None", "stride = (1, 1) if stride is None", "stride 1 by default"),
        ("if any(2 * p > k", "if any(p > k", "padding up to the whole kernel passes"),
        ("axis) / x.dtype.type(end - start)", "axis) / x.dtype.type(out)",
         "adaptive average: divided by the number of windows"),
    ]),
    ("pool", POOL, "backend/cpu/pool.py", [
        ("windows.padded(x[a:b], -np.inf)", "windows.padded(x[a:b], 0)", "maximum: padding with 0"),
        ("windows.padded(x, np.nan)", "windows.padded(x, -np.inf)",
         "a window of -inf loses its gradient to the padding"),
        ("here &= free", "pass", "gradient to all ties"),
        ("gimage[:, :, rows, columns] += share", "gimage[:, :, rows, columns] = share",
         "overlapping windows overwrite"),
        ("if free.any():", "if False:", "a NaN gets no gradient"),
        ("first = u * self.dilation[0]", "first = u", "dilation ignored in one axis"),
        ("first = v * self.dilation[1]", "first = v * self.dilation[0]", "dilation's axes exchanged"),
        ("for v in range(2, KW)", "for v in range(2, KH)", "kernel's extents exchanged"),
        ("for d, k, s in zip(self.dilation", "for d, s, k in zip(self.dilation", "overlapping windows taken for apart"),
        ("gx[...] = windows.inside(gimage)", "gx[...] = gimage[:, :, : windows.H, : windows.W]",
         "gradient not moved back by the padding"),
        ("return row * x.shape[3] + column", "return row * x.shape[2] + column", "index by height instead of width"),
        ("gx[images, place] += values", "gx[images, place] = values", "a pixel that wins twice gets one gradient"),
        ("(top + place // (right - left)) * W", "(top + place // (bottom - top)) * W",
         "adaptive maximum: index by the window's height"),
        ("if count_include_pad:", "if not count_include_pad:", "count_include_pad inverted"),
        ("np.minimum(first + k, n + p) - first", "k + 0 * first", "what lies beyond the padding counts"),
        ("np.minimum(first + k, n) - np.maximum(first, 0)", "np.minimum(first + k, n) - first",
         "padding before the image counts"),
        ("y[a:b] *= factor", "pass", "sum instead of mean"),
        ("share = grad[a:b] * factor", "share = grad[a:b] / grad.dtype.type(kernel_size[0] * kernel_size[1])",
         "gradient divided by the kernel's size"),
        ("lines[..., windows.columns(v)] += share", "lines[..., windows.columns(v)] = share",
         "overlapping columns overwrite"),
        ("windows.rows(u)] += lines", "windows.rows(u)] = lines", "overlapping rows overwrite"),
        ("np.full((1, 1), divisor_override, dtype)", "np.full((1, 1), abs(divisor_override), dtype)",
         "a negative divisor_override loses its sign"),
    ]),
    ("lrn", LRN, "backend/cpu/lrn.py", [
        ("square *= x.dtype.type(alpha / size)", "square *= x.dtype.type(alpha)", "alpha not divided by the size"),
        ("np.add(square, x.dtype.type(k), out=s)", "np.add(square, x.dtype.type(1), out=s)", "k taken for 1"),
        ("_add_neighbours(s, square, size // 2, (size - 1) // 2)",
         "_add_neighbours(s, square, (size - 1) // 2, size // 2)",
         "even window: larger half after"),
        ("_add_neighbours(total, t, (size - 1) // 2, size // 2)",
         "_add_neighbours(total, t, size // 2, (size - 1) // 2)",
         "even window not mirrored backward"),
        ("type(2 * beta * alpha / size)", "type(beta * alpha / size)", "the square's 2 forgotten"),
        ("type(2 * beta * alpha / size)", "type(2 * beta * alpha)", "backward: alpha not divided"),
        ("t /= scale[a:b]", "pass", "backward: beta instead of beta + 1"),
        ("total[...] = t", "total[...] = 0", "backward: the centre left out"),
        ("out -= total", "out += total", "backward: wrong sign"),
        ("min(before, values.shape[1] - 1) + 1", "min(before, values.shape[1] - 1)",
         "the window one channel too narrow"),
        ("if beta == 0.75", "if beta > 0", "every beta taken for 0.75"),
        ("y[a:b] *= x[a:b]", "pass", "the scale instead of x times the scale"),
    ]),
    ("norm", NORM, "backend/cpu/norm.py", [
        ("running *= running.dtype.type(1 - momentum)", "running *= running.dtype.type(momentum)",
         "momentum the other way round"),
        ("var * (N * L / (N * L - 1))", "var", "biased variance stored"),
        ("var * (N * L / (N * L - 1))", "var * (N / (N - 1))", "unbiased by samples instead of values"),
        ("var[a:b] = _dot(d, d).sum(0, dtype=np.float64) / (N * L)",
         "var[a:b] = _dot(d, d).sum(0, dtype=np.float64) / (N * L - 1)",
         "normalised by the unbiased variance"),
        ("var[a:b] = _dot(d, d).sum(0, dtype=np.float64) / (N * L)",
         "var[a:b] = abs(_dot(v, v) / L - _dot(v, np.ones_like(v)) ** 2 / L**2).mean(0)",
         "mean of squares minus square of mean"),
        ("scale = 1 / np.sqrt(var[a:b] + eps)", "scale = 1 / (np.sqrt(var[a:b]) + eps)", "eps outside the root"),
        ("np.sqrt(var[a:b].astype(np.float64) + eps)", "np.sqrt(var[a:b].astype(np.float64))",
         "backward: eps forgotten"),
        ("d += _spread(bias[a:b], v)", "pass", "bias forgotten"),
        ("d -= _spread(sum_g / (N * L), g)", "pass", "gradient doesn't go through the mean"),
        ("d *= _spread(-inv * sum_gx / (N * L), g)", "d *= 0", "gradient doesn't go through the variance"),
        ("scale = inv if weight is None else inv * weight[a:b]", "scale = inv", "backward: weight forgotten"),
        ("gbias[a:b], gweight[a:b] = sum_g, sum_gx", "gbias[a:b], gweight[a:b] = sum_gx, sum_g",
         "gradients of weight and bias exchanged"),
        ("sum(0, dtype=np.float64) * inv", "sum(0, dtype=np.float64)",
         "weight gradient from centred, not normalised values"),
        ("out[a:b] += shift\n", "pass\n", "evaluation: shift forgotten"),
        ("_dot(d, d) / x.dtype.type(x.shape[1])", "_dot(d, d) / x.dtype.type(x.shape[1] - 0.5)",
         "layer norm: wrong divisor of the variance"),
        ("/ -n)[:, None], out=out)", "/ n)[:, None], out=out)", "layer norm backward: wrong sign"),
        ("out -= (g @ ones / n)[:, None]", "pass", "layer norm backward: gradient doesn't go through the mean"),
        ("out *= inv[a:b, None]", "pass", "layer norm backward: not divided by the deviation"),
    ]),
    ("norm", NORM, "ops/norm.py", [
        ("sqrt(self.var + x.dtype.type(self.eps))", "sqrt(self.var) + x.dtype.type(self.eps)",
         "evaluation: eps outside the root"),
        ("else bias - self.mean * self.scale", "else bias - self.mean", "evaluation: mean not scaled"),
        ("channel_affine(grad, self.scale, 0 * self.scale)", "channel_affine(grad, self.inv, 0 * self.scale)",
         "evaluation backward: weight forgotten"),
        ("channel_affine(self.x, self.inv, -self.mean * self.inv)", "channel_affine(self.x, self.inv, -self.mean)",
         "evaluation backward: wrong xhat"),
        ("(grad * self.x).sum(repeated)", "grad.sum(repeated)", "weight gradient without xhat"),
        ("if M < 2", "if M < 1", "one value a channel passes"),
        ("x * weight.reshape(self.broadcast)", "x + weight.reshape(self.broadcast)", "weight added"),
    ]),
    ("loss", LOSS, "backend/cpu/loss.py", [
        ("counts = target != ignore_index", "counts = target == target", "ignored samples count"),
        ("q = (target == np.arange(C)) * class_weight", "q = (target == np.arange(C)) * np.ones_like(class_weight)",
         "class weights forgotten"),
        ("q *= dtype.type(1 - label_smoothing)", "pass", "smoothing added on top"),
        ("class_weight * dtype.type(label_smoothing / C)", "class_weight * dtype.type(label_smoothing / max(C - 1, 1))",
         "smoothing over the other classes"),
        ("q += counts * (class_weight", "q += (class_weight", "ignored samples are smoothed"),
        ("q += counts * (class_weight * dtype", "q += counts * (1 * dtype", "smoothing without the class weights"),
        ("centred = logits - logits.max(1, keepdims=True)", "centred = logits - 0", "large logits overflow"),
        ("gradient *= weight[:, None] / sums", "gradient /= sums", "p instead of p times the sum of q"),
        ("gradient -= q", "pass", "p instead of p - q"),
        ("wanted[q == 0] = 0", "pass", "0 * -inf"),
    ]),
    ("loss", LOSS, "ops/loss.py", [
        ("return self.gradient * _share(grad, self.divisor)", "return self.gradient * grad",
         "gradient of the sum instead of the mean"),
        ("return self.gradient * grad[:, None]", "return self.gradient * 1", "upstream gradient forgotten"),
        ("(divisor + (divisor == 0))", "divisor", "all ignored: NaN gradients"),
        ("return q, weights.sum()", "return q, weights.dtype.type((target != ignore_index).sum())",
         "class weights not in the divisor"),
        ("return q, weights.sum()", "return q, weights.dtype.type(len(q))", "ignored samples in the divisor"),
        ("return q, rows.dtype.type(N)", "return q, q.sum(dtype=rows.dtype)", "probabilities: divided by their sum"),
        ("return reshape(_classes_last(input), -1", "return reshape(input, -1",
         "(N, C, d) reshaped without moving the classes last"),
        ("- self.factor * backend.array_module(grad)", "- backend.array_module(grad)", "pos_weight forgotten backward"),
        ("return grad * (self.x + self.x)", "return grad * self.x", "the square's 2 forgotten"),
    ]),
    ("augment", ("tests/augment/test_draws.py",), "augment/draws.py", [
        ("stream = mix(mix(stream) + number * GOLDEN)", "stream = mix(stream) + number * GOLDEN",
         "streams of neighbouring ids overlap"),
        ("self.made[:, self.used : end]", "self.made[:, :count]", "every request gets the first numbers again"),
    ]),
    ("augment", ("tests/augment/test_compose.py",), "augment/compose.py", [
        ("t.parameters(draws, always=True)", "t.parameters(draws)", "OneOf: the chosen one's p is one more chance"),
        ('return own if is_certain(params) else restricted(own, params["applied"])',
         "return own", "a container that isn't applied still applies its transforms"),
        (', "certain": False}', "}", "a crop in OneOf that all samples happen to get"),
    ]),
    ("augment", ("tests/augment/test_geometry.py",), "augment/geometry.py", [
        ("    samples = samples & inside\n", "", "a turned crop shows what was cut off"),
        ("> NEARLY) & (shown", "> 0) & (shown", "boxes that are as wide as a rounding error"),
        (' and step.fill == before.fill:', ":", "joined steps show the first one's fill"),
        ("forward(x - 0.5, y - 0.5, step, n)", "forward(x, y, step, n)", "boxes' edges taken for pixels' middles"),
        ("        x, y = u, v\n", "        x, y = x, y\n", "keypoints move by the last step alone"),
    ]),
    ("augment", ("tests/augment/test_pregenerate.py",), "augment/pregenerate.py", [
        ("if re.fullmatch(PART_FILE, file):", 'if file.endswith(".part"):', "another's file is deleted"),
        ("row = i % batch_size", "row = 0", "batches are cut where a shard ends"),
        ("fcntl.LOCK_EX | fcntl.LOCK_NB", "fcntl.LOCK_SH", "two calls write into one folder"),
    ]),
    ("augment", ("tests/augment/test_pregenerate.py",), "augment/pregenerated.py", [
        ("None if size == expected", "None if size", "a shard that was cut short isn't noticed"),
    ]),
    ("augment", ("tests/augment/test_crop_flip_affine.py",), "augment/crop.py", [
        ('np.floor(params["top"] * (H - h + 1))', 'np.floor(params["top"] * (H - h))', "the last place never comes"),
    ]),
    ("augment", ("tests/augment/test_crop_flip_affine.py",), "augment/affine.py", [
        ("center[0] - 0.5, center[1] - 0.5", "center[0], center[1]", "center half a pixel off"),
    ]),
    ("augment", ("tests/backend/test_warp.py",), "backend/cpu/warp.py", [
        ("length - 1 - offset)", "length - offset)", "a mirrored window is a pixel off"),
    ]),
    ("augment", ("tests/backend/test_warp.py",), "backend/cpu/warp_places.py", [
        ("((X >= -0.5) & (X <= W - 0.5))", "((X >= -3.0) & (X <= W - 0.5))", "outside of an inner image is seen"),
        ("~np.asarray(gone)", "True", "a pixel lost twice has the first step's fill"),
    ]),
    ("augment", ("tests/augment/test_batches.py",), "backend/cpu/warp_places.py", [
        ("(Y <= H - 0.5)) | ~applied", "(Y <= H - 0.5))", "a sample loses pixels to a step that isn't applied to it"),
    ]),
    ("augment", ("tests/augment/test_resized.py",), "backend/cpu/resample.py", [
        ("int(first.max()) + K", "int(first[-1]) + K - 1", "the last pixel is left out"),
    ]),
    ("augment", ("tests/augment/test_batches.py",), "augment/geometry.py", [
        ("    samples = samples & inside\n", "    samples = samples & inside.all()\n", "joined or not, as the batch is"),
    ]),
    ("augment", ("tests/augment/test_mix.py",), "augment/mix.py", [
        ("np.clip(np.concatenate([middle - sides, middle + sides], axis=1), 0, [W, H, W, H])",
         "np.clip(np.concatenate([middle - sides, middle + sides], axis=1), 0, [H, W, H, W])", "width and height"),
    ]),
    ("augment", ("tests/augment/test_color.py",), "backend/cpu/color.py", [
        ("    grey *= 1 - factor\n", "    grey *= factor\n", "saturation: the weights of the blend"),
        ("rows.sum(1, dtype=np.float64).astype(grey.dtype)[:, None]", "rows.sum(1)[:1, None].astype(grey.dtype)",
         "contrast: one mean for all images"),
    ]),
    ("augment", ("tests/augment/test_resized.py",), "augment/resize.py", [
        ("(np.arange(size) + 0.5) * scale[:, None]", "np.arange(size) * scale[:, None]", "half a pixel off"),
        ("        weights /= weights.sum(axis=2, keepdims=True)\n", "", "the weights at the edges aren't 1 in sum"),
    ]),
]
# fmt: on

MUTANTS = [Mutant(family, tests, file, *texts) for family, tests, file, several in _BY_FILE for texts in several]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--only", choices=sorted({m.family for m in MUTANTS}), help="the mutants of one family")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="how many run at once (default: the cores)"
    )
    args = parser.parse_args()
    mutants = [m for m in MUTANTS if args.only in (None, m.family)]

    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        original = Path(folder) / "original"
        copy_sources(original)
        tests = sorted({t for m in mutants for t in m.tests})
        status, output = run_tests(original, tests)
        if status != 0:
            print(f"The tests fail without any mutant:\n{output}")
            return 1
        with ThreadPoolExecutor(args.jobs) as pool:
            results = pool.map(lambda m: try_mutant(m, original), mutants)
            caught = 0
            for mutant, (verdict, seconds) in zip(mutants, results):
                caught += verdict.startswith("caught")
                print(f"{mutant.family:8}{mutant.file:32}{mutant.mistake:62}{seconds:5.1f} s  {verdict}", flush=True)
    print(f"{caught} of {len(mutants)} mutants caught")
    return 0 if caught == len(mutants) else 1


def copy_sources(folder):
    """The package's and the tests' Python files, and the tools' settings; no data."""
    for name in (PACKAGE, "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=_all_but_python)
    shutil.copy(ROOT / "pyproject.toml", folder)
    with open(
        folder / "tests" / "conftest.py", "a"
    ) as conftest:  # one failing example will do, it needn't be the smallest
        conftest.write("\n\nfrom hypothesis import Phase, settings\n")
        conftest.write('settings.register_profile("mutants", phases=[Phase.explicit, Phase.generate])\n')
        conftest.write('settings.load_profile("mutants")\n')


def _all_but_python(folder, names):
    return [n for n in names if n == "__pycache__" or not (n.endswith(".py") or (Path(folder) / n).is_dir())]


def run_tests(folder, tests):
    """(exit status, output) of pytest on some test files of a copy."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=line", *tests]
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # half the time to start
        "OPENBLAS_NUM_THREADS": "1",  # as many processes as cores run already
    }
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT)
    return done.returncode, done.stdout + done.stderr


def try_mutant(mutant, original):
    """(what became of it, seconds)."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="mutant-", dir=original.parent) as folder:
        folder = Path(folder)
        shutil.copytree(original, folder, dirs_exist_ok=True)  # with its compiled files, but for the one that changes
        try:
            apply(mutant, folder)
            status, output = run_tests(folder, mutant.tests)
            verdict = {0: "SURVIVED", 1: f"caught by {_first_failure(output)}"}.get(
                status, f"NO MUTANT: pytest ended with {status}"
            )
        except ValueError as error:
            verdict = f"NO MUTANT: {error}"
        except subprocess.TimeoutExpired:
            verdict = f"caught: the tests hang ({TIMEOUT} s)"
    return verdict, time.perf_counter() - start


def apply(mutant, folder):
    """Change the file in the copy of the sources."""
    path = folder / PACKAGE / mutant.file
    text = path.read_text()
    if text.count(mutant.old) != 1:
        raise ValueError(f"{mutant.file} has {text.count(mutant.old)} places with {mutant.old!r}, not one")
    path.write_text(text.replace(mutant.old, mutant.new))
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()


def _first_failure(output):
    found = re.search(r"^(?:FAILED|ERROR) \S*::(\w+)", output, re.MULTILINE)
    return found[1] if found else "?"


if __name__ == "__main__":
    sys.exit(main())
