"""What docs/ shows must hold: the counts, the arithmetic, the links, the drawings, the snippets."""

import contextlib
import math
import re
import runpy
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from minitorch_cnn import models, nn
from minitorch_cnn.models.alexnet_2012 import WIDTHS, AlexNet2012
from minitorch_cnn.models.googlenet_2014 import TABLE_1 as GOOGLENET
from minitorch_cnn.models.resnet import TABLE_1 as RESNET
from minitorch_cnn.models.resnet import Bottleneck
from minitorch_cnn.models.vgg import TABLE_1 as VGG

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TOUR = (DOCS / "architectures.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.+?)```", TOUR, re.S)
DRAWINGS = runpy.run_path(str(DOCS / "architectures" / "draw.py"))["DRAWINGS"]


def tables(first):
    """The tables of the tour whose first column has this title: (titles, rows of cells) each."""
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", TOUR, re.M):
        titles, _, *rows = ([cell.strip() for cell in line.strip()[1:-1].split("|")] for line in block.splitlines())
        if titles[0] == first:
            assert all(len(row) == len(titles) for row in rows)
            found.append((titles, rows))
    return found


def number(cell):
    return int(cell.replace(",", ""))


def sizes(model, image):
    """{layer: (parameters, multiply-adds)} of its convolutions and linear layers."""
    return {row.name: (row.parameters, row.macs) for row in nn.summary(model, image).rows if row.macs}


@pytest.fixture(scope="module")
def lenet():
    return sizes(models.lenet5(), (1, 28, 28))


@pytest.fixture(scope="module")
def alexnet():
    """Of both towers together."""
    with nn.init.left_out():
        layers = sizes(models.alexnet_2012(), (3, 227, 227))
    both = {}
    for name, counts in layers.items():
        layer = name.rpartition(".")[2]
        both[layer] = tuple(a + b for a, b in zip(both.get(layer, (0, 0)), counts))
    return both


def test_networks_have_the_catalogues_counts_and_errors():
    seen = []
    for titles, rows in tables("network"):
        for row in rows:
            cells = dict(zip(titles, row))
            name = cells["network"].strip("`")
            entry = models.table()[name]
            assert cells["parameters"] == f"{entry.parameters:,}", name
            assert cells["multiply-adds"] == f"{entry.macs:,}", name
            for title, value in (("top-1, %", entry.top1), ("top-5, %", entry.top5)):
                if title in cells:
                    assert (float(cells[title]) if cells[title] else None) == value, name
            how = cells.get("measured with", cells.get("of"))
            assert how.startswith(entry.how) and (how or (entry.top1, entry.top5) == (None, None)), name
            seen.append(name)
    assert len(seen) == len(set(seen)) == 30
    missing = [name for name in models.list_models() if name not in seen]
    twins = {"vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"}
    assert set(missing) == twins | {f"plain{n}" for n in (20, 32, 44, 56)} | {f"preact_resnet{n}" for n in (32, 44, 56)}


def test_lenets_layers_of_1998():
    [(titles, rows)] = tables("layer, 1998")
    model = models.lenet5_1998()
    for layer, _, output, parameters, connections in rows[:-1]:
        trainable = 0
        for name, parameter in model.named_parameters():
            trainable += parameter.size if name.lower().startswith(layer.lower() + ".") else 0
        assert number(parameters) == trainable, layer
        maps, *sides = map(int, output.split("x"))
        places = math.prod(sides)
        if layer[0] == "S":  # a value is a sum of four, and a bias
            expected = maps * places * 5
        elif layer == "output":
            expected = 84 * 10
        else:  # a kernel and its bias are used at each place
            expected = trainable * places
        assert number(connections) == expected, layer
    assert [number(cell) for cell in rows[-1][3:]] == [sum(number(row[i]) for row in rows[:-1]) for i in (3, 4)]


def test_alexnets_layers(alexnet):
    [(titles, rows)] = (table for table in tables("layer") if "sees" in table[0])
    assert {row[0]: (number(row[4]), number(row[5])) for row in rows} == alexnet
    for row in rows:
        assert row[1].startswith(str(WIDTHS.get(row[0], 1000)))


def test_vggs_weight_layers():
    [(titles, rows)] = (table for table in tables("network") if "weight layers" in table[0])
    convolutions = [sum(item not in ("M", "LRN") for item in config) for config in VGG.values()]
    assert [int(row[1]) for row in rows] == [count + 3 for count in convolutions]
    assert [row[0] for row in rows] == [f"`vgg_{column.lower().replace('-', '_')}`" for column in VGG]


def test_googlenets_modules():
    [(titles, rows)] = tables("module")
    for row, cost in zip(rows, models.inception_cost().rows, strict=True):
        counts = [cost.reduced.parameters, cost.reduced.macs, cost.naive.parameters, cost.naive.macs]
        assert row[:2] == [cost.module, f"{cost.size}x{cost.size}"]
        assert [number(cell) for cell in row[2:]] == [cost.reduced.in_channels, *GOOGLENET[cost.module], *counts]


def test_resnets_blocks():
    [(titles, rows)] = tables("layers")
    for row in rows:
        block, counts = RESNET[int(row[0])]
        assert row[1] == ("bottleneck" if block is Bottleneck else "basic")
        assert [int(cell) for cell in row[2:]] == counts
    assert [int(row[0]) for row in rows] == list(RESNET)
    [(titles, rows)] = (table for table in tables("network") if table[0][1] == "n")
    assert [row[0] for row in rows] == [f"`resnet{6 * int(row[1]) + 2}`" for row in rows]


def test_the_worked_example(lenet):
    [(titles, rows)] = (table for table in tables("layer") if table[0][-1] == "j")
    r = j = 1
    totals = [0, 0]
    for layer, window, _, *cells in rows[:-1]:
        values = []
        for cell in cells:
            formula, _, value = cell.rpartition(" = ")
            assert not formula or eval(formula.replace(",", "")) == number(value), (layer, cell)
            values.append(number(value))
        K, s = map(int, window.split(","))
        r, j = r + (K - 1) * j, j * s
        assert values[2:] == [r, j], layer
        assert tuple(values[:2]) == lenet.get(layer, (0, 0)), layer
        totals = [total + value for total, value in zip(totals, values)]
    assert [number(cell) for cell in rows[-1][3:5]] == totals


def test_no_large_number_stands_there_that_is_not_counted_here(lenet, alexnet):
    known = {0, *(count for layer in (*lenet.values(), *alexnet.values()) for count in layer)}
    for entry in models.table().values():
        known |= {entry.parameters, entry.macs}
    cost = models.inception_cost()
    for each in [cost.reduced, cost.stacked, *(c for row in cost.rows for c in (row.reduced, row.naive))]:
        known |= {each.parameters, each.macs}
    for _, rows in tables("layer, 1998"):  # checked above
        known |= {number(cell) for row in rows for cell in row[3:]}
    half = {layer: width // 2 for layer, width in WIDTHS.items()}
    known |= {
        half["conv2"] * 13 * 13,
        half["conv5"] * 6 * 6,
        half["fc6"],
        half["fc7"],
    }  # what crosses between the towers
    known.add(16 * 6 * 25)  # weights in the worked example
    with nn.init.left_out():
        vgg = models.vgg_d()
        v1 = models.resnet50(stride_in_1x1=True)
        whole = AlexNet2012(towers=1, groups=1)
    known.add(vgg.classifier[0].weight.size + vgg.classifier[0].bias.size)
    known.add(nn.summary(v1, (3, 224, 224)).total_macs)
    known.add(sum(p.size for p in whole.parameters()))
    found = {number(text) for text in re.findall(r"\b\d{1,3}(?:,\d{3})+\b", TOUR)}
    assert len(found) > 100
    assert found <= known, sorted(found - known)


def slug(heading):
    """The anchor that a Markdown page has for a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_every_file_and_heading_that_it_links_to_is_there(page):
    text = page.read_text(encoding="utf-8")
    missing = []
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        if not file.exists():
            missing.append(target)
        elif anchor and anchor not in map(slug, re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.M)):
            missing.append(target)
    assert not missing


EXPERIMENTS = ["cifar10_resnet", "degradation", "vgg_warm_start", "inception_cost", "batch_size", "error_chart"]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_tour_leads_to_each_experiment_and_to_each_result_that_there_is(name):
    assert f"(../examples/{name}.py)" in TOUR
    assert (f"(results/{name}.md)" in TOUR) == (DOCS / "results" / f"{name}.md").exists()


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_is_what_the_program_draws(name):
    text = (DOCS / "architectures" / f"{name}.svg").read_text(encoding="utf-8")
    assert text == str(DRAWINGS[name]()), "run python docs/architectures/draw.py"
    assert ET.fromstring(text).get("viewBox")
    assert TOUR.count(f"(architectures/{name}.svg)") == 1


def test_the_drawn_bottlenecks_have_their_weights():
    text = str(DRAWINGS["resnext"]())
    for name in ("resnet50", "wide_resnet50_2", "resnext50_32x4d"):
        with nn.init.left_out():
            block = models.create(name).layer1[1]
        weights = sum(conv.weight.size for conv in (block.conv1, block.conv2, block.conv3))
        assert f"{weights:,} weights" in text, name


def test_each_network_has_a_snippet():
    sections = re.split(r"^## ", TOUR, flags=re.M)[1:]
    assert [section.count("```python") for section in sections] == [1] * 10 + [0]
    assert all(section.count(".svg)") or section.startswith(("Wide", "How")) for section in sections)


@pytest.mark.full_size
@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: re.search(r"models\.(\w+)\(", snippet).group(1))
def test_a_snippet_prints_what_it_says(snippet, capsys):
    assert 3 <= len([line for line in snippet.splitlines() if line]) <= 6
    with nn.init.left_out() if "vgg" in snippet else contextlib.nullcontext():  # two VGGs' weights take seconds to draw
        exec(compile(snippet, "architectures.md", "exec"), {})
    printed = capsys.readouterr().out
    for said in re.findall(r"^ *print\(.+\)  # (.+)$", snippet, re.M):
        assert said in printed.splitlines()
