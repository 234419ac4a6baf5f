"""What a network says to a batch of the wrong shape."""

from ..ops import check


def check_images(model, x, channels=3, least=1, sizes=None):
    """x is a float batch of square images of one of `sizes`, (N, channels, S, S), or of any of at least `least` pixels a side.

    Raises: TypeError for anything but a float tensor; ValueError telling the shape that is wanted, and how to get there.
    """
    check.float_tensor(model, "x", x)
    shape = x.shape
    if sizes is not None:
        fits = x.ndim == 4 and shape[1] == channels and shape[2] in sizes and shape[2] == shape[3]
        wanted = " or ".join(f"(N, {channels}, {s}, {s})" for s in sizes)
    else:
        fits = x.ndim == 4 and shape[1] == channels and min(shape[2:]) >= least
        wanted = f"(N, {channels}, H, W)" + (f" with H and W at least {least}" if least > 1 else "")
    if not fits:
        colour = {1: "grey ", 3: "colour "}.get(channels, "")
        remedy = ""
        if x.ndim == 3 and channels == 1:
            remedy = "; add the channel axis with x.unsqueeze(1)"
        elif x.ndim == 3 and shape[0] == channels:
            remedy = "; add the batch axis with x.unsqueeze(0)"
        elif x.ndim == 4 and shape[3] == channels != shape[1]:
            remedy = "; move the channels forward with x.permute(0, 3, 1, 2)"
        raise ValueError(f"{model}: x must be a batch of {colour}images, {wanted}, got x.shape={shape}{remedy}")
