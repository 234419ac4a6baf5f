"""Image files as arrays: JPEG, PNG, PPM, BMP, TIFF, WEBP and GIF, read by Pillow, become RGB, uint8 (3, H, W), the right way up.

    grey, palette, CMYK     converted as Pillow does. A palette's transparency and an alpha channel are dropped, not blended: what
                            is under them shows. So it is in torchvision.
    16-bit grey             0..65535 becomes 0..255 (Pillow alone would clip it)
    EXIF orientation        applied (torchvision doesn't: a photograph that a camera marked as turned differs there)
    JPEG, with draft=       decoded at 1/2, 1/4 or 1/8 of its size, which takes less time; see read_image

Pillow knows more formats, and would take a file for what it begins like, whatever its name: EPS starts Ghostscript, an interpreter.
So it is told which ones may be read. It is imported when the first image is.
"""

import io
import os
import struct
import zlib

import numpy as np

FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP", "GIF")
EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


class DataError(ValueError):
    """An image, a sample or a shard that can't be read; the message names it. It is what skip_corrupt=True passes over."""


def read_image(path, draft=None):
    """The image in a file.

    Args:
        path: a file in one of the formats above, whatever its name.
        draft: a shorter side, in pixels, that is enough: a JPEG which is at least twice, four or eight times as large is decoded
            at a half, a quarter or an eighth of its size, never below this side. Faster, and not to the digit what resizing the
            whole image gives.
    Returns: RGB, uint8 (3, H, W).
    Raises: FileNotFoundError and its like; DataError, naming the file, for one that is empty, cut short, damaged, no image, or so
        large that Pillow takes it for a decompression bomb. ValueError for a draft that is no integer from 1 on.

    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "dot.ppm")
    >>> with open(path, "wb") as file:
    ...     _ = file.write(b"P6 1 1 255 " + bytes([12, 34, 56]))
    >>> read_image(path).tolist()
    [[[12]], [[34]], [[56]]]
    """
    path = os.fspath(path)
    with open(path, "rb") as file:
        return _decode(file, path, draft)


def decode_image(content, name="image", draft=None):
    """The same of an image file's bytes; `name` is what errors call it."""
    return _decode(io.BytesIO(content), name, draft)


def _decode(file, name, draft):
    from PIL import Image

    if draft is not None and not (isinstance(draft, int | np.integer) and draft >= 1):
        raise ValueError(f"read_image: draft must be None or an integer from 1 on, in pixels; got {draft!r}")
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size == 0:
        raise DataError(f"{name}: not an image: the file is empty")
    try:
        with Image.open(file, formats=FORMATS) as image:
            if draft is not None:
                image.draft(None, (draft, draft))
            return _pixels(image, name)
    except DataError:
        raise
    except Image.UnidentifiedImageError:
        start = file.seek(0) or file.read(16)
        raise DataError(
            f"{name}: not an image ({', '.join(FORMATS)}); its {size:,} bytes start with {start!r}"
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{name}: {error}; if you trust it, raise PIL.Image.MAX_IMAGE_PIXELS") from error
    except (
        OSError,
        SyntaxError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        ArithmeticError,
        EOFError,
        MemoryError,
        RuntimeError,
        struct.error,
        zlib.error,
    ) as error:  # each of them is what some format's reader in Pillow raises on a damaged file
        raise DataError(
            f"{name}: damaged or cut short ({type(error).__name__}: {error}); the file has {size:,} bytes"
        ) from error


def _pixels(image, name):
    """(3, H, W) of a Pillow image that has just been opened."""
    image.load()
    image = _upright(image)
    if image.mode == "I" or image.mode.startswith("I;16"):
        grey = np.asarray(image).astype(np.int64)  # (H, W); "I" is how older Pillows open 16-bit PNGs
        if grey.min() < 0 or grey.max() > 65535:
            raise DataError(
                f"{name}: grey values from {grey.min()} to {grey.max()}, but only 0 to 65535 have a known meaning"
            )
        grey = (grey + 128) // 257  # 65535 / 255 = 257: the nearest of 0..255
        return np.repeat(grey.astype(np.uint8)[None], 3, axis=0)
    if image.mode == "F":
        raise DataError(f"{name}: an image of floating-point numbers, whose range isn't known")
    if image.mode == "P":
        image.info.pop("transparency", None)  # or Pillow warns that it drops it
    pixels = np.asarray(image.convert("RGB"))  # (H, W, 3)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _upright(image):
    """Turned and mirrored as its EXIF orientation says (tag 0x0112; EXIF 2.3, section 4.6.4)."""
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,  # clockwise by 90 degrees; Pillow counts the other way
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    try:
        orientation = image.getexif().get(0x0112, 1)
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, struct.error):
        return image  # the pixels are good, only what is said about them isn't
    return image.transpose(turns[orientation]) if orientation in turns else image
