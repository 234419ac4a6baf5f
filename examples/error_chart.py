"""ImageNet's classification challenge (ILSVRC), 2010 to 2017: the top-5 errors of the best entries, as text and as a picture.

    python examples/error_chart.py                                        the text
    python examples/error_chart.py --out docs/results/error_chart.png     the picture as well (needs matplotlib)

Top-5 error: the part of the test images whose class is not among the five that the entry names. Nothing is trained here: the
numbers are those of the challenge and of the papers, each with its source below.
"""

import argparse
import io
import sys
from collections import namedtuple

from minitorch_cnn.backend.files import write_beside

Entry = namedtuple("Entry", ["year", "name", "layers", "top5", "source"])

CHALLENGE = "the challenge's results; Russakovsky et al. 2015 (1409.0575)"

# The best of each year, with the second of 2014. layers: None is a shallow method, features made by hand and a linear classifier;
# "ensemble" is many networks of several kinds.
ENTRIES = [
    Entry(2010, "NEC-UIUC", None, 28.2, CHALLENGE),
    Entry(2011, "XRCE", None, 25.8, CHALLENGE),
    Entry(2012, "AlexNet", 8, 16.4, "its paper, table 2: five networks; 15.3 with the data of autumn 2011"),
    Entry(2013, "Clarifai (ZF)", 8, 11.7, f"{CHALLENGE}; 11.2 with outside data"),
    Entry(2014, "VGG", 19, 7.3, "1409.1556, table 7: seven networks, second place"),
    Entry(2014, "GoogLeNet", 22, 6.7, "1409.4842, table 2: 6.67, seven networks, first place"),
    Entry(2015, "ResNet", 152, 3.57, "1512.03385, table 5: six networks"),
    Entry(2016, "Trimps-Soushen", "ensemble", 2.99, "the challenge's results (unverified)"),
    Entry(2017, "SENet", 154, 2.25, "1709.01507, abstract: 2.251, an ensemble"),
]
PERSON = 5.1
PERSON_SOURCE = "1409.0575, section 6.4: one trained annotator, 1,500 images; a second one had 12.0 on 258"


def depth(entry):
    if entry.layers is None:
        return "shallow"
    return entry.layers if entry.layers == "ensemble" else f"{entry.layers} layers"


def unverified(entry):
    return "(unverified)" in entry.source


def text(columns=56):
    """The chart as text, a bar of `columns` signs for the largest error, and the sources beneath."""
    largest = max(entry.top5 for entry in ENTRIES)

    def line(year, name, layers, error, sign, note=""):
        whole, _, fraction = f"{error:g}".partition(".")
        bar = sign * round(columns * error / largest)
        return f"{year:>4}  {name:16}{layers:>10}{whole:>5}.{fraction:<2} %  {bar}{note}"

    lines = ["ILSVRC classification, top-5 error on the test images", ""]
    for entry in ENTRIES:
        sign = "-" if entry.layers is None else "#"
        note = "  (unverified)" if unverified(entry) else ""
        lines.append(line(entry.year, entry.name, depth(entry), entry.top5, sign, note))
    lines.append(line("", "a trained person", "", PERSON, "="))
    lines += ["", "- shallow   # deep   = a person", "", "sources"]
    lines += [f"{entry.year}  {entry.name:16}  {entry.source}" for entry in ENTRIES]
    lines.append(f"{'':4}  {'a trained person':16}  {PERSON_SOURCE}")
    return "\n".join(lines)


def picture(path):
    """The chart as a PNG. Raises: ImportError without matplotlib, OSError if the file can't be written."""
    from matplotlib.figure import Figure

    shallow, deep, person = "#9a9a9a", "#2f6fb0", "#c0392b"
    figure = Figure(figsize=(9.6, 4.8), dpi=120, layout="constrained")
    axes = figure.subplots()
    for place, entry in enumerate(ENTRIES):
        color = shallow if entry.layers is None else deep
        hatch = "//" if unverified(entry) else None
        axes.bar(place, entry.top5, width=0.72, color=color, hatch=hatch, edgecolor="white", linewidth=0)
        behind = {"color": "white", "pad": 1}  # the person's line stops at the number
        axes.text(place, entry.top5 + 0.3, f"{entry.top5:g} %", ha="center", va="bottom", bbox=behind)
    axes.axhline(PERSON, color=person, linestyle="--", linewidth=1.3, zorder=0)
    notes = ["\n(unverified)" if unverified(entry) else "" for entry in ENTRIES]
    names = [f"{entry.year}\n{entry.name}\n{depth(entry)}{note}" for entry, note in zip(ENTRIES, notes)]
    axes.set_xticks(range(len(ENTRIES)), names, fontsize=9)
    axes.set_ylim(0, 31)
    axes.set_ylabel("top-5 error, %")
    axes.set_title("ImageNet's classification challenge: the best entries")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="x", length=0)
    axes.bar(0, 0, color=shallow, label="shallow")
    axes.bar(0, 0, color=deep, label="deep")
    axes.plot([], [], color=person, linestyle="--", label=f"a trained person, {PERSON} %")
    axes.legend(frameon=False, loc="upper right")
    png = io.BytesIO()
    figure.savefig(png, format="png", metadata={"Software": None})
    write_beside(path, lambda file: file.write(png.getvalue()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", metavar="FILE.png", help="draw the chart into this file, too (needs matplotlib)")
    args = parser.parse_args()
    if args.out is not None and not args.out.lower().endswith(".png"):
        parser.error(f"--out must be the name of a .png file, got {args.out!r}")
    print(text())
    if args.out is not None:
        picture(args.out)
        print(f"\nthe picture: {args.out}")


if __name__ == "__main__":
    try:
        main()
    except ImportError as problem:
        sys.exit(f"error_chart: {problem}; the picture needs matplotlib: pip install -e '.[plots]'")
    except OSError as problem:
        sys.exit(f"error_chart: {problem}")
