"""A contact sheet: what transforms make of images, as one picture to look at.

A row for each transform and image: the image itself, then what sample i (number i of the images) becomes in epoch 0, 1, 2 ... of
training with that seed. Drawn by Pillow, which is imported when the first sheet is made.
"""

import numpy as np

from .. import backend

__all__ = ["contact_sheet", "draw_rows"]

MARGIN, GAP, TEXT = 16, 6, 15  # pixels: around the sheet, between pictures, and the letters' height
NARROWEST = 360  # pixels that a line of text may have on a sheet of few small pictures
PAPER, INK, FAINT = (255, 255, 255), (20, 20, 20), (110, 110, 110)


def draw_rows(transform, images, draws, seed):
    """What a transform makes of images, epoch by epoch.

    Args:
        images: a list of uint8 (C, H, W). Those of one shape form a batch, so that Mixup and CutMix find partners.
        draws: epochs from 0 on.
    Returns: for each image a list: itself, and `draws` arrays (C, H, W).
    """
    rows = [[image] for image in images]
    for shape in dict.fromkeys(image.shape for image in images):
        ids = np.array([i for i, image in enumerate(images) if image.shape == shape])
        batch = np.stack([images[i] for i in ids])
        labels = np.zeros(len(ids), np.int64)  # for transforms that mix them; nobody looks at what they become
        for epoch in range(draws):
            changed, _ = transform(batch, labels, ids=ids, epoch=epoch, seed=seed)
            for i, image in zip(ids, backend.to_numpy(changed)):
                rows[i].append(image)
    return rows


def contact_sheet(sections, size=160):
    """The sheet as a PIL image.

    Args:
        sections: a list of (text, rows); the text stands above its rows, each a list of images (C, H, W), or (crops, C, H, W)
            that are shown side by side. The first of a row is headed "image", the others "epoch 0" and so on.
        size: pixels that the longer side of a picture gets.
    """
    from PIL import Image, ImageDraw

    sections = [(text, [[picture(image, size) for image in row] for row in rows]) for text, rows in sections]
    every_row = [row for _, rows in sections for row in rows]
    widths = [max(p.width for p in column) for column in zip(*every_row)]
    headings = ["image", *(f"epoch {n}" for n in range(len(widths) - 1))]
    font, line = letters(TEXT), TEXT + 7
    ruler = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    least = int(max(ruler.textlength(heading, font) for heading in headings)) + 1
    widths = [max(width, least) for width in widths]
    across = max(sum(widths) + GAP * (len(widths) - 1), NARROWEST)
    texts = [wrapped(text, across, lambda part: ruler.textlength(part, font)) for text, _ in sections]

    heights = [
        len(lines) * line + sum(max(p.height for p in row) + GAP for row in rows)
        for lines, (_, rows) in zip(texts, sections)
    ]
    height = 2 * MARGIN + line + sum(heights) + MARGIN * len(sections) - GAP
    sheet = Image.new("RGB", (across + 2 * MARGIN, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    lefts = [MARGIN + sum(widths[:k]) + GAP * k for k in range(len(widths))]
    for left, heading in zip(lefts, headings):
        pen.text((left, MARGIN), heading, FAINT, font)
    top = MARGIN + line
    for lines, (_, rows) in zip(texts, sections):
        top += MARGIN
        for text in lines:
            pen.text((MARGIN, top), text, INK, font)
            top += line
        for row in rows:
            for left, image in zip(lefts, row):
                sheet.paste(image, (left, top))
            top += max(p.height for p in row) + GAP
    return sheet


def picture(image, size):
    """An image (C, H, W) as a PIL image whose longer side is `size`; small ones by whole factors, so that their pixels show."""
    from PIL import Image

    if image.ndim == 4:  # crops
        image = np.concatenate(list(image), axis=2)
    pixels = visible(image)
    if len(pixels) not in (1, 3):
        raise ValueError(f"contact sheet: images must have 1 or 3 channels to be seen, got {len(pixels)}")
    drawn = Image.fromarray(np.ascontiguousarray(np.broadcast_to(pixels, (3, *pixels.shape[1:])).transpose(1, 2, 0)))
    H, W = pixels.shape[1:]
    longer = max(H, W)
    if 2 * longer <= size:
        return drawn.resize((W * (size // longer), H * (size // longer)), Image.Resampling.NEAREST)
    extent = max(1, round(W * size / longer)), max(1, round(H * size / longer))
    return drawn.resize(extent, Image.Resampling.LANCZOS)


def visible(image):
    """uint8; floats from 0 to 1, or stretched to that if they go beyond, as after Normalize."""
    if image.dtype == np.uint8:
        return image
    image = np.nan_to_num(image.astype(np.float64))
    low, high = min(image.min(), 0.0), max(image.max(), 1.0)
    if low < 0 or high > 1:
        low, high = image.min(), max(image.max(), image.min() + 1e-9)
    return np.rint((image - low) / (high - low) * 255).astype(np.uint8)


def letters(height):
    from PIL import ImageFont

    try:
        return ImageFont.load_default(height)
    except (TypeError, ImportError, OSError):  # Pillow before 10.1, or built without FreeType: letters of one size
        return ImageFont.load_default()


def wrapped(text, width, length):
    """The text in lines that are at most `width` long, by length(line); cut between words, or where a word is too long."""
    lines = []
    for word in text.split():
        if lines and length(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
            continue
        lines.append(word)
        while length(lines[-1]) > width and len(lines[-1]) > 1:
            fits = max((k for k in range(1, len(lines[-1])) if length(lines[-1][:k]) <= width), default=1)
            lines[-1:] = [lines[-1][:fits], lines[-1][fits:]]
    return lines
