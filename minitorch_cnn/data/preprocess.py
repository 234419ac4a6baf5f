"""What is done to an image before a network classifies it (Krizhevsky et al. 2012, section 2 and 4.1).

    resize_shorter    the shorter side becomes 256
    center_crop       of the result, the middle 224x224; or
    ten_crop          the four corners and the middle, and the mirror images of these five: their answers are averaged
    normalize         from 0..255 to 0..1, minus the mean, over the standard deviation of each channel

The numbers are torchvision's, to the digit: its Resize of a Pillow image (bilinear, antialiased), its CenterCrop, TenCrop, ToTensor
and Normalize.
"""

import numpy as np

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of the training images' red, green and blue, scaled to 0..1
IMAGENET_STD = (0.229, 0.224, 0.225)


class ImageNetEval:
    """The preparation of ImageNet's validation images, for one image: the `transform` of an ImageFolder or TarShards.

    Args:
        resize: the shorter side after scaling; None leaves the size alone.
        crop: the side of the square that is cut out; None takes the whole image (for dense evaluation).
        interpolation: "nearest", "bilinear" or "bicubic"; each model was trained with one of them.
        ten_crop: cut ten crops instead of the middle one.
        mean, std: of each channel, on a scale of 0 to 1.
    A call takes uint8 (3, H, W) and gives float32 (3, crop, crop), or (10, 3, crop, crop).
    Raises: ValueError if the crop is larger than the image then is, or for options that can't be.
    Source: torchvision's ImageClassification preset; ten crops: Krizhevsky et al. 2012, section 4.1.

    >>> image = np.zeros((3, 300, 400), np.uint8)
    >>> ImageNetEval()(image).shape, ImageNetEval(ten_crop=True)(image).shape
    ((3, 224, 224), (10, 3, 224, 224))
    """

    def __init__(
        self,
        resize=256,
        crop=224,
        interpolation="bilinear",
        ten_crop=False,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
    ):
        if ten_crop and crop is None:
            raise ValueError("ImageNetEval: ten_crop=True needs the crop's side, but crop is None")
        self.resize, self.crop, self.interpolation, self.ten_crop = resize, crop, interpolation, ten_crop
        self.mean, self.std = mean, std

    def __call__(self, image):
        if self.resize is not None:
            image = resize_shorter(image, self.resize, self.interpolation)
        if self.ten_crop:
            image = ten_crop(image, self.crop)
        elif self.crop is not None:
            image = center_crop(image, self.crop)
        return normalize(image, self.mean, self.std)

    def __repr__(self):
        return (
            f"ImageNetEval(resize={self.resize}, crop={self.crop}, interpolation={self.interpolation!r}, "
            f"ten_crop={self.ten_crop}, mean={self.mean}, std={self.std})"
        )


def resize_shorter(image, size, interpolation="bilinear"):
    """Scale an image so that its shorter side has `size` pixels, by Pillow, antialiased.

    Args:
        image: uint8 (3, H, W).
        size: the shorter side; the longer one becomes int(size * longer / shorter), as torchvision's Resize has it.
        interpolation: "nearest", "bilinear" or "bicubic".
    Returns: uint8 (3, H', W').
    Raises: TypeError for another kind of array; ValueError for a size below 1 or another interpolation.

    >>> resize_shorter(np.zeros((3, 30, 45), np.uint8), 20).shape
    (3, 20, 30)
    """
    from PIL import Image

    _check("resize_shorter", image)
    methods = {
        "nearest": Image.Resampling.NEAREST,
        "bilinear": Image.Resampling.BILINEAR,
        "bicubic": Image.Resampling.BICUBIC,
    }
    if interpolation not in methods:
        raise ValueError(f"resize_shorter: interpolation must be one of {', '.join(methods)}; got {interpolation!r}")
    if size < 1:
        raise ValueError(f"resize_shorter: size must be at least 1, got {size}")
    H, W = image.shape[1:]
    short, long = min(H, W), max(H, W)
    if short == size:
        return image
    long = int(size * long / short)
    new = (size, long) if W <= H else (long, size)  # Pillow's order: width, height
    resized = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).resize(new, methods[interpolation])
    return np.ascontiguousarray(np.asarray(resized).transpose(2, 0, 1))


def center_crop(image, size):
    """The middle size x size pixels of (3, H, W).

    Raises: ValueError if the image is smaller. (torchvision would put zeros around it.)

    >>> center_crop(np.arange(3 * 4 * 5).reshape(3, 4, 5), 2)[0].tolist()
    [[7, 8], [12, 13]]
    """
    H, W = _check_crop("center_crop", image, size)
    top, left = round((H - size) / 2), round((W - size) / 2)  # halves go to the even number, as in torchvision
    return image[:, top : top + size, left : left + size]


def ten_crop(image, size):
    """Ten crops of (3, H, W): top left, top right, bottom left, bottom right, middle, and the same of the mirrored image.

    Returns: (10, 3, size, size), in torchvision's order.
    Raises: ValueError if the image is smaller than the crop.
    """
    _check_crop("ten_crop", image, size)
    return np.stack([*_five_crops(image, size), *_five_crops(image[:, :, ::-1], size)])


def normalize(image, mean=IMAGENET_MEAN, std=IMAGENET_STD):
    """(image / 255 - mean) / std of each channel.

    Args:
        image: uint8 (..., 3, H, W).
        mean, std: three numbers each, on a scale of 0 to 1.
    Returns: float32 of the same shape.

    >>> normalize(np.full((3, 1, 1), 255, np.uint8), (0.5, 0.5, 0), (0.5, 0.25, 1)).ravel().tolist()
    [1.0, 2.0, 1.0]
    """
    if image.dtype != np.uint8:
        raise TypeError(
            f"normalize: the image must be uint8 from 0 to 255, got {image.dtype}; was it normalised before?"
        )
    channel = (3, 1, 1)
    x = np.divide(image, 255, dtype=np.float32)
    x -= np.asarray(mean, np.float32).reshape(channel)
    x /= np.asarray(std, np.float32).reshape(channel)
    return x


def _five_crops(image, size):
    H, W = image.shape[1:]
    top_left, top_right = image[:, :size, :size], image[:, :size, W - size :]
    bottom_left, bottom_right = image[:, H - size :, :size], image[:, H - size :, W - size :]
    return top_left, top_right, bottom_left, bottom_right, center_crop(image, size)


def _check(name, image):
    if not (isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[0] == 3):
        found = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise TypeError(f"{name}: an image must be an array of uint8 (3, H, W), got {found}")


def _check_crop(name, image, size):
    H, W = image.shape[1:]
    if not 1 <= size <= min(H, W):
        raise ValueError(
            f"{name}: a crop of {size} x {size} doesn't fit into an image of {H} x {W} (height x width); resize_shorter first"
        )
    return H, W
