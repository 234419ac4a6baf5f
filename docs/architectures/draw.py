"""The drawings of docs/architectures.md, one SVG a function, written beside this file:

    python docs/architectures/draw.py

Channels and layers come from the tables of minitorch_cnn/models wherever those have them, so that no drawing can say another thing
than the network. Each drawing has a ground of its own, since a page may be white or dark.
"""

import itertools
import os
from collections import namedtuple
from html import escape

from minitorch_cnn.backend.files import write_beside
from minitorch_cnn.models.alexnet_2012 import WIDTHS
from minitorch_cnn.models.googlenet_2014 import TABLE_1 as GOOGLENET
from minitorch_cnn.models.lenet_1998 import read_table_i
from minitorch_cnn.models.vgg import TABLE_1 as VGG

HERE = os.path.dirname(os.path.abspath(__file__))

# kind of a box: its ground, its border
COLORS = {
    "conv": ("#d3e4f7", "#3f78b5"),
    "pool": ("#d8eed5", "#4d9a4a"),
    "linear": ("#fbe6c0", "#b98220"),
    "other": ("#e7e7ec", "#85858f"),  # normalisation, ReLU, squashing
    "data": ("#ffffff", "#85858f"),  # images, maps, logits
}
INK, FAINT, MARK = "#22262b", "#5b6270", "#c0392b"

Box = namedtuple("Box", ["x", "y", "left", "right", "top", "bottom"])


class Drawing:
    """Shapes in an SVG of width x height pixels; `str` gives the file. Boxes are placed by their centres."""

    def __init__(self, width, height, title):
        self.width, self.height, self.title, self.shapes = width, height, title, []

    def __str__(self):
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}"'
            f' viewBox="0 0 {self.width} {self.height}" role="img"'
            " font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\">",
            f"<title>{escape(self.title)}</title>",
            f'<rect x="0.5" y="0.5" width="{self.width - 1}" height="{self.height - 1}" rx="10" fill="#fcfcfb" stroke="#c9ced6"/>',
        ]
        return "\n".join([*lines, *self.shapes, "</svg>\n"])

    def text(self, x, y, words, size=12, anchor="middle", color=INK, bold=False):
        """`y` is the middle of the line."""
        weight = ' font-weight="bold"' if bold else ""
        self.shapes.append(
            f'<text x="{x:g}" y="{y + 0.35 * size:g}" font-size="{size}" text-anchor="{anchor}" fill="{color}"{weight}>'
            f"{escape(words)}</text>"
        )

    def box(self, x, y, width, height, kind, *lines, size=12, marked=False):
        """The first of several lines is bold."""
        fill, stroke = COLORS[kind]
        if marked:
            stroke = MARK
        self.shapes.append(
            f'<rect x="{x - width / 2:g}" y="{y - height / 2:g}" width="{width:g}" height="{height:g}" rx="4" fill="{fill}"'
            f' stroke="{stroke}" stroke-width="{2.5 if marked else 1.2}"/>'
        )
        step = size + 4
        for i, line in enumerate(lines):
            self.text(x, y + step * (i - (len(lines) - 1) / 2), line, size, bold=i == 0 and len(lines) > 1)
        return Box(x, y, x - width / 2, x + width / 2, y - height / 2, y + height / 2)

    def circle(self, x, y, sign, radius=11):
        self.shapes.append(
            f'<circle cx="{x:g}" cy="{y:g}" r="{radius}" fill="#ffffff" stroke="{INK}" stroke-width="1.4"/>'
        )
        self.text(x, y, sign, 16)
        return Box(x, y, x - radius, x + radius, y - radius, y + radius)

    def line(self, *points, color=INK, dashed=False, width=1.4):
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        dashes = ' stroke-dasharray="5 4"' if dashed else ""
        self.shapes.append(
            f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="{width}" stroke-linejoin="round"{dashes}/>'
        )

    def arrow(self, *points, color=INK, dashed=False):
        """A line through the points, with a head at the last."""
        (x0, y0), (x1, y1) = points[-2:]
        length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
        dx, dy = (x1 - x0) / length, (y1 - y0) / length
        foot = (x1 - 7 * dx, y1 - 7 * dy)
        self.line(*points[:-1], foot, color=color, dashed=dashed)
        corners = [(x1, y1), (foot[0] - 3.5 * dy, foot[1] + 3.5 * dx), (foot[0] + 3.5 * dy, foot[1] - 3.5 * dx)]
        path = " ".join(f"{x:g},{y:g}" for x, y in corners)
        self.shapes.append(f'<polygon points="{path}" fill="{color}"/>')

    def join(self, *boxes):
        """An arrow from each box to the next, on one line."""
        for a, b in itertools.pairwise(boxes):
            self.arrow((a.right, a.y), (b.left, b.y))

    def chain(self, left, y, items, width, gap, height=48, size=12):
        """Boxes (kind, lines ...) from left to right, with arrows."""
        boxes = []
        for i, (kind, *lines) in enumerate(items):
            boxes.append(self.box(left + width / 2 + i * (width + gap), y, width, height, kind, *lines, size=size))
        self.join(*boxes)
        return boxes


def lenet5():
    d = Drawing(900, 372, "LeNet-5 in 1998 and today, layer under layer, and which maps C3 sees")
    rows = [
        (
            "1998: squashed by 1.7159 tanh(2/3 a) after each layer from C1 to F6",
            [
                ("data", "field", "1x32x32"),
                ("conv", "C1", "5x5", "6x28x28"),
                ("pool", "S2", "sum of 2x2", "6x14x14"),
                ("conv", "C3", "5x5, Table I", "16x10x10"),
                ("pool", "S4", "sum of 2x2", "16x5x5"),
                ("conv", "C5", "5x5", "120x1x1"),
                ("linear", "F6", "linear", "84"),
                ("other", "output", "distances", "10"),
            ],
        ),
        (
            "modern: ReLU after each layer but the poolings and the last",
            [
                ("data", "image", "1x28x28"),
                ("conv", "conv1", "5x5, pad 2", "6x28x28"),
                ("pool", "max", "2x2", "6x14x14"),
                ("conv", "conv2", "5x5", "16x10x10"),
                ("pool", "max", "2x2", "16x5x5"),
                ("linear", "fc1", "linear", "120"),
                ("linear", "fc2", "linear", "84"),
                ("linear", "fc3", "linear", "10"),
            ],
        ),
    ]
    for i, (title, items) in enumerate(rows):
        d.text(20, 24 + 118 * i, title, 13, "start", bold=True)
        d.chain(20, 74 + 118 * i, items, width=92, gap=17, height=62)
    connected = read_table_i()  # (16, 6)
    d.text(20, 262, "Table I", 13, "start", bold=True)
    for i, line in enumerate(
        ["a column: a map of C3,", "a row: a map of S2 that it sees;", f"{connected.sum()} of 96 kernels"]
    ):
        d.text(20, 286 + 18 * i, line, 12, "start", FAINT)
    for o, maps in enumerate(connected):
        d.text(256 + 22 * o, 258, str(o), 10, color=FAINT)
        for c, sees in enumerate(maps):
            fill = COLORS["conv"][1] if sees else "#ffffff"
            d.shapes.append(
                f'<rect x="{247 + 22 * o}" y="{268 + 15 * c}" width="18" height="11" fill="{fill}" stroke="#85858f"'
                ' stroke-width="0.6"/>'
            )
    for c in range(6):
        d.text(236, 274 + 15 * c, str(c), 10, color=FAINT)
    return d


def alexnet():
    d = Drawing(900, 318, "AlexNet's two towers, and where they talk")
    half = {layer: width // 2 for layer, width in WIDTHS.items()}
    what = {
        "conv1": ("conv", "11x11/4", "LRN, max"),
        "conv2": ("conv", "5x5", "LRN, max"),
        "conv3": ("conv", "3x3"),
        "conv4": ("conv", "3x3"),
        "conv5": ("conv", "3x3", "max"),
        "fc6": ("linear", "linear"),
        "fc7": ("linear", "linear"),
    }
    across = [150, 252, 372, 464, 556, 676, 770]
    towers = []
    for number, y in enumerate((80, 216)):
        d.text(20, 66 if number == 0 else 230, f"card {number}", 13, "start", bold=True)
        towers.append(
            [
                d.box(x, y, 78, 68, what[layer][0], f"{layer}: {half[layer]}", *what[layer][1:], size=11)
                for x, layer in zip(across, half)
            ]
        )
    d.line((20, 148), (880, 148), color="#b7bcc6", dashed=True)
    image = d.box(52, 148, 64, 44, "data", "image", "3x224x224", size=10)
    last = d.box(856, 80, 64, 68, "linear", "fc8", "linear", "1000", size=11)
    for tower in towers:
        d.arrow((image.right, image.y), (tower[0].left, tower[0].y))
        d.join(*tower)
    d.join(towers[0][-1], last)
    for i in (1, 4, 5):  # after conv2, conv5, fc6
        for here, there in (towers, towers[::-1]):
            d.arrow(
                (here[i].right, here[i].y),
                (there[i + 1].left, there[i + 1].y + (5 if there is towers[0] else -5)),
                color=MARK,
            )
    d.arrow((towers[1][-1].right, towers[1][-1].y), (last.x, last.bottom), color=MARK)
    for x, first, second in [
        (312, f"{half['conv2']}x13x13", "each way"),
        (616, f"{half['conv5']}x6x6", "each way"),
        (723, f"{half['fc6']}", "each way"),
        (842, f"{half['fc7']}", "one way"),
    ]:
        d.text(x, 280, first, 12, color=MARK)
        d.text(x, 296, second, 12, color=MARK)
    d.text(20, 288, "what crosses, of an image:", 12, "start", MARK)
    return d


def vgg_table():
    d = Drawing(900, 342, "VGG's Table 1: the six networks, and which layers they take from A")
    slots, step, left = [2, 2, 4, 4, 4], 32, 72  # so many convolutions a stage at most
    starts = [left + step * (sum(slots[:i]) + i) for i in range(6)]
    for i, side in enumerate((224, 112, 56, 28, 14)):
        d.text(starts[i], 24, f"{side}x{side}", 12, "start", FAINT)
    d.text(starts[5], 24, "4096, 4096, 1000", 12, "start", FAINT)
    for row, (name, config) in enumerate(VGG.items()):
        y = 56 + 40 * row
        d.text(20, y, name, 13, "start", bold=True)
        stage, place, convolutions = 0, 0, 0
        for item in config:
            if item == "M":
                d.box(starts[stage] + step * slots[stage] + 13, y, 26, 28, "pool", "M", size=11)
                stage, place = stage + 1, 0
                continue
            x = starts[stage] + step * place + 14
            place += 1
            if item == "LRN":
                d.box(x, y, 28, 28, "other", "LRN", size=10)
            elif isinstance(item, tuple):
                d.box(x, y, 28, 28, "conv", "1x1", size=10)
            else:
                convolutions += 1
                # A's convolutions of stages 1 and 2 are the first there, those of stage 3 the first two
                taken = (stage < 2 and place == 1) or (stage == 2 and place <= 2)
                d.box(x, y, 28, 28, "conv", str(item), size=11, marked=taken and name != "A-LRN")
        for i, layer in enumerate(("fc6", "fc7", "fc8")):
            d.box(starts[5] + 14 + step * i, y, 28, 28, "linear", layer, size=10, marked=name != "A-LRN")
    d.box(34, 308, 24, 20, "conv", marked=True)
    d.text(54, 308, "these B to E take from a trained A; the rest starts at random", 12, "start")
    d.text(880, 308, "a number: a 3x3 convolution with so many kernels", 12, "end", FAINT)
    return d


def three_of_3x3():
    d = Drawing(900, 216, "Three 3x3 convolutions see as much as one of 7x7")
    for left, title, widths in [
        (60, "three of 3x3: 3 * 9 C*C = 27 C*C weights, three ReLUs", [7, 5, 3, 1]),
        (500, "one of 7x7: 49 C*C weights, one ReLU", [7, 1]),
    ]:
        middle = left + 170
        d.text(middle, 24, title, 13, bold=True)
        reach = 1 if len(widths) == 4 else 3
        rows = [60 + 120 * i / (len(widths) - 1) for i in range(len(widths))]
        for y, width, below in zip(rows, widths, rows[1:] + [None]):
            for i in range(width):
                x = middle + 40 * (i - (width - 1) / 2)
                if below is not None and reach <= i < width - reach:
                    for j in (-reach, reach):
                        d.line((x + 40 * j, y + 11), (x, below - 11), color="#9aa3b2", width=1)
        for y, width in zip(rows, widths):
            for i in range(width):
                d.box(middle + 40 * (i - (width - 1) / 2), y, 32, 22, "data" if y == rows[0] else "conv")
    return d


def branches(d, left, y, inner, outer, total):
    """An Inception module: x, four branches 52 pixels apart, the concatenation. A branch is boxes for columns, None a gap."""
    x = d.box(left + 34, y + 78, 68, 48, "data", "x", inner)
    columns = [left + 34 + 56 + 56, left + 34 + 56 + 56 + 132][: len(outer[0])]
    cat = d.box(columns[-1] + 56 + 60, y + 78, 72, 204, "data", "concat", total)
    for i, branch in enumerate(outer):
        boxes = [
            d.box(column, y + 52 * i, 108, 42, item[0], *item[1:])
            for column, item in zip(columns, branch)
            if item is not None
        ]
        turn = x.right + 10
        d.arrow((x.right, x.y), (turn, x.y), (turn, boxes[0].y), (boxes[0].left, boxes[0].y))
        d.join(*boxes)
        d.arrow((boxes[-1].right, boxes[-1].y), (cat.left, boxes[-1].y))


def inception():
    d = Drawing(900, 274, "Inception module 3a, naive and reduced")
    n1, r3, n3, r5, n5, pool = GOOGLENET["3a"]
    d.text(24, 24, f"naive (figure 2a): out {n1} + {n3} + {n5} + 192", 13, "start", bold=True)
    naive = [
        [("conv", "conv 1x1", f"{n1}")],
        [("conv", "conv 3x3", f"{n3}")],
        [("conv", "conv 5x5", f"{n5}")],
        [("pool", "max 3x3", "192")],
    ]
    branches(d, 24, 72, "192", naive, f"{n1 + n3 + n5 + 192}")
    d.text(430, 24, f"reduced (figure 2b): out {n1} + {n3} + {n5} + {pool}", 13, "start", bold=True)
    reduced = [
        [None, ("conv", "conv 1x1", f"{n1}")],
        [("conv", "conv 1x1", f"{r3}"), ("conv", "conv 3x3", f"{n3}")],
        [("conv", "conv 1x1", f"{r5}"), ("conv", "conv 5x5", f"{n5}")],
        [("pool", "max 3x3", "192"), ("conv", "conv 1x1", f"{pool}")],
    ]
    branches(d, 430, 72, "192", reduced, f"{n1 + n3 + n5 + pool}")
    return d


def googlenet():
    d = Drawing(900, 336, "GoogLeNet: nine modules, two auxiliary heads")
    out = {name: n1 + n3 + n5 + pool for name, (n1, _, n3, _, n5, pool) in GOOGLENET.items()}
    first = [
        ("data", "image", "3x224x224"),
        ("conv", "conv 7x7/2", "64x112x112"),
        ("pool", "max/2, LRN", "64x56x56"),
        ("conv", "conv 1x1", "64x56x56"),
        ("conv", "conv 3x3", "192x56x56"),
        ("pool", "LRN, max/2", "192x28x28"),
        ("conv", "3a", f"{out['3a']}x28x28"),
        ("conv", "3b", f"{out['3b']}x28x28"),
    ]
    d.text(20, 24, "the stem and stage 3", 13, "start", bold=True)
    d.chain(20, 66, first, width=92, gap=17, height=46, size=11)
    second = [("pool", "max/2", "480", "14x14")]
    second += [("conv", name, f"{out[name]}", "14x14") for name in ("4a", "4b", "4c", "4d", "4e")]
    second += [("pool", "max/2", "832", "7x7")]
    second += [("conv", name, f"{out[name]}", "7x7") for name in ("5a", "5b")]
    second += [("pool", "average", "1024", "1x1"), ("linear", "linear", "1000")]
    d.text(20, 124, "stages 4 and 5; the heads are there in training alone", 13, "start", bold=True)
    boxes = d.chain(20, 176, second, width=62, gap=17.8, height=62, size=11)
    head = [
        ("pool", "avg 5x5/3", "4x4"),
        ("conv", "conv 1x1", "128"),
        ("linear", "linear", "1024"),
        ("linear", "linear", "1000"),
    ]
    for place, left, name in ((1, 116, "head 1: 0.3 of the loss"), (4, 510, "head 2: 0.3 of the loss")):
        d.text(left, 308, name, 12, "start", FAINT)
        last = d.chain(left, 268, head, width=84, gap=12, height=44, size=11)
        start, turn = boxes[place], 226
        d.arrow((start.x, start.bottom), (start.x, turn), (last[0].x, turn), (last[0].x, last[0].top))
    return d


def degradation():
    d = Drawing(900, 236, "A deeper net that errs no more than a shallow one exists, and training doesn't find it")
    d.text(20, 24, "a shallow net, trained", 13, "start", bold=True)
    d.chain(164, 66, [("conv", f"layer {i}") for i in range(1, 5)], 76, 106, 40)
    d.text(20, 124, "a deeper one that answers the same: the layers between are the identity", 13, "start", bold=True)
    items = []
    for i in range(1, 5):
        items += [("conv", f"layer {i}"), ("other", "identity")]
    d.chain(164, 166, items[:-1], 76, 15, 40)
    for x, y in ((112, 66), (112, 166)):
        d.box(x - 58, y, 68, 40, "data", "image")
        d.arrow((x - 24, y), (164, y))
    for y, start in ((66, 164 + 3 * 182 + 76), (166, 164 + 6 * 91 + 76)):
        d.arrow((start, y), (start + 24, y))
        d.box(start + 58, y, 68, 40, "data", "logits")
    d.text(
        20,
        212,
        "So depth alone can't make the best error worse. Yet training ends worse: plain18 27.94 %, plain34 28.54 %.",
        12,
        "start",
        FAINT,
    )
    return d


def shortcut(d, start, stop, y, above, label):
    """From the line before a block over its boxes to the sum."""
    d.arrow((start, y), (start, y - above), (stop.x, y - above), (stop.x, stop.top))
    d.text((start + stop.x) / 2, y - above - 10, label, 12, color=FAINT)


def residual():
    d = Drawing(900, 366, "A plain block, a basic residual block, a bottleneck")
    conv, relu, bn = ("conv", "conv 3x3", "64"), ("other", "ReLU"), ("other", "BN")

    d.text(20, 24, "plain", 13, "start", bold=True)
    boxes = d.chain(120, 62, [("data", "x"), conv, bn, relu, conv, bn], 74, 16, 42)
    end = d.box(750, 62, 74, 42, *relu)
    d.join(boxes[-1], end)

    d.text(20, 118, "basic", 13, "start", bold=True)
    y = 166
    boxes = d.chain(120, y, [("data", "x"), conv, bn, relu, conv, bn], 74, 16, 42)
    plus, end = d.circle(686, y, "+"), d.box(750, y, 74, 42, *relu)
    d.join(boxes[-1], plus, end)
    shortcut(d, boxes[0].right + 6, plus, y, 36, "x, unchanged")

    d.text(20, 222, "bottleneck", 13, "start", bold=True)
    y = 276
    items = [
        ("data", "x", "256"),
        ("conv", "1x1", "64"),
        ("other", "BN, ReLU"),
        ("conv", "3x3", "64"),
        ("other", "BN, ReLU"),
    ]
    boxes = d.chain(120, y, items + [("conv", "1x1", "256")], 74, 16, 42)
    norm = d.box(668, y, 36, 42, *bn)
    plus, end = d.circle(716, y, "+"), d.box(784, y, 74, 42, *relu)
    d.join(boxes[-1], norm, plus, end)
    shortcut(d, boxes[0].right + 6, plus, y, 40, "x, unchanged")
    for box, words in ((boxes[1], "v1: /2 here"), (boxes[3], "v1.5: /2 here")):
        d.text(box.x, y + 36, words, 12, color=MARK)
    d.text(
        450,
        344,
        "where a stage begins, the stride of 2 is in the first 1x1 (the paper) or in the 3x3 (v1.5, torchvision)",
        12,
        color=FAINT,
    )
    return d


def shortcuts():
    d = Drawing(900, 226, "The shortcuts of options A, B, C")
    d.text(240, 24, "where width and size change", 13, bold=True)
    d.text(680, 24, "everywhere else", 13, bold=True)
    x, two, zeros = ("data", "x"), ("other", "every other", "pixel"), ("other", "new channels", "of zeros")
    change, same = ("conv", "conv 1x1/2", "twice as wide"), ("conv", "conv 1x1", "as wide")
    bn = ("other", "BN")
    rows = [
        ("A", [x, two, zeros], [x]),
        ("B", [x, change, bn], [x]),
        ("C", [x, change, bn], [x, same, bn]),
    ]
    for i, (name, left, right) in enumerate(rows):
        y = 64 + 58 * i
        d.text(30, y, name, 15, bold=True)
        for start, items in ((70, left), (510, right)):
            boxes = d.chain(start, y, items, 98, 18, 42, size=11)
            plus = d.circle(start + 360, y, "+")
            d.arrow((boxes[-1].right, y), (plus.left, y))
            if len(items) == 1:
                d.text(start + 220, y - 10, "the identity", 11, color=FAINT)
    return d


def preactivation():
    d = Drawing(900, 236, "A block of 2015 and one with pre-activation, of 2016")
    conv, relu, bn = ("conv", "conv 3x3"), ("other", "ReLU"), ("other", "BN")
    rows = [
        ("2015", [("data", "x"), conv, bn, relu, conv, bn], "x"),
        ("2016: pre-activation", [("data", "x"), bn, relu, conv, bn, relu, conv], "x: nothing touches the sum"),
    ]
    for i, (name, items, label) in enumerate(rows):
        y = 78 + 112 * i
        d.text(20, y - 54, name, 13, "start", bold=True)
        boxes = d.chain(40, y, items, 76, 18, 42)
        plus = d.circle(boxes[-1].right + 36, y, "+")
        d.join(boxes[-1], plus)
        shortcut(d, boxes[0].right + 7, plus, y, 36, label)
        if i == 0:
            end = d.box(plus.right + 58, y, 76, 42, *relu)
            d.join(plus, end)
            plus = end
        d.arrow((plus.right, y), (plus.right + 34, y))
    return d


def resnext():
    d = Drawing(900, 318, "Bottlenecks of the first stage: ResNet-50, Wide ResNet-50-2, ResNeXt-50 32x4d")
    rows = [
        ("ResNet-50", 64, 1, "64 see 64"),
        ("Wide ResNet-50-2", 128, 1, "128 see 128"),
        ("ResNeXt-50 32x4d", 128, 32, "32 x: 4 see 4"),
    ]
    for i, (name, inner, groups, sees) in enumerate(rows):
        y = 72 + 98 * i
        weights = 256 * inner + 9 * inner * inner // groups + inner * 256
        d.text(20, y - 46, name, 13, "start", bold=True)
        items = [
            ("data", "x", "256"),
            ("conv", "conv 1x1", f"{inner}"),
            ("conv", "conv 3x3", sees),
            ("conv", "conv 1x1", "256"),
        ]
        boxes = d.chain(40, y, items, 108, 30, 44)
        plus = d.circle(boxes[-1].right + 46, y, "+")
        d.join(boxes[-1], plus)
        shortcut(d, boxes[0].right + 12, plus, y, 36, "")
        d.arrow((plus.right, y), (plus.right + 40, y))
        d.text(plus.right + 70, y, f"{weights:,} weights", 13, "start")
    return d


def fire():
    d = Drawing(900, 176, "SqueezeNet's Fire module")
    x = d.box(140, 88, 100, 48, "data", "x", "96 channels")
    squeeze = d.box(310, 88, 120, 52, "conv", "squeeze", "conv 1x1: 16")
    one = d.box(520, 50, 130, 52, "conv", "expand", "conv 1x1: 64")
    three = d.box(520, 126, 130, 52, "conv", "expand", "conv 3x3: 64")
    cat = d.box(720, 88, 100, 128, "data", "concat", "128 channels")
    d.join(x, squeeze)
    for box in (one, three):
        d.arrow((squeeze.right, 88), (squeeze.right + 50, 88), (squeeze.right + 50, box.y), (box.left, box.y))
        d.arrow((box.right, box.y), (cat.left, box.y))
    d.arrow((cat.right, 88), (cat.right + 50, 88))
    d.text(395, 78, "ReLU", 11, color=FAINT)
    d.text(627, 40, "ReLU", 11, color=FAINT)
    d.text(627, 136, "ReLU", 11, color=FAINT)
    return d


DRAWINGS = {
    "lenet5": lenet5,
    "alexnet": alexnet,
    "vgg": vgg_table,
    "three_of_3x3": three_of_3x3,
    "inception": inception,
    "googlenet": googlenet,
    "degradation": degradation,
    "residual": residual,
    "shortcuts": shortcuts,
    "preactivation": preactivation,
    "resnext": resnext,
    "fire": fire,
}


def main():
    for name, draw in DRAWINGS.items():
        text = str(draw())
        write_beside(os.path.join(HERE, f"{name}.svg"), lambda file, text=text: file.write(text.encode()))


if __name__ == "__main__":
    main()
