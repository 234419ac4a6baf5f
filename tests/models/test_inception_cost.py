"""What the 1x1 reductions save: every number of the two networks, and that modules really have them."""

import numpy as np
import pytest

from minitorch_cnn import nn
from minitorch_cnn.models.googlenet_2014 import TABLE_1, Inception
from minitorch_cnn.models.inception_cost import inception_cost, module_cost
from minitorch_cnn.nn import init

# module, size of its map, then (channels in and out, parameters, multiply-adds) reduced, naive on the same input, naive on naive
MODULES = [
    ("3a", 28, (192, 256, 163_696, 128_049_152), (192, 416, 387_296, 303_464_448), (192, 416, 387_296, 303_464_448)),
    (
        "3b",
        28,
        (256, 480, 388_736, 304_267_264),
        (256, 672, 1_089_952, 854_196_224),
        (416, 832, 1_770_912, 1_388_068_864),
    ),
    (
        "4a",
        14,
        (480, 512, 376_176, 73_608_192),
        (480, 928, 1_567_168, 307_077_120),
        (832, 1280, 2_716_096, 532_267_008),
    ),
    (
        "4b",
        14,
        (512, 512, 449_160, 87_908_352),
        (512, 960, 1_933_760, 378_929_152),
        (1280, 1728, 4_833_728, 947_322_880),
    ),
    (
        "4c",
        14,
        (512, 512, 510_104, 99_850_240),
        (512, 960, 2_064_832, 404_619_264),
        (1728, 2176, 6_967_744, 1_365_590_016),
    ),
    (
        "4d",
        14,
        (512, 528, 605_376, 118_515_712),
        (512, 976, 2_204_112, 431_915_008),
        (2176, 2640, 9_365_968, 1_835_638_784),
    ),
    (
        "4e",
        14,
        (528, 832, 868_352, 169_996_288),
        (528, 1232, 3_346_112, 655_699_968),
        (2640, 3344, 16_727_744, 3_278_499_840),
    ),
    (
        "5a",
        7,
        (832, 832, 1_043_456, 51_079_168),
        (832, 1536, 5_272_256, 258_306_048),
        (3344, 4048, 21_188_288, 1_038_191_616),
    ),
    (
        "5b",
        7,
        (832, 1024, 1_444_080, 70_697_984),
        (832, 1728, 5_858_176, 287_006_720),
        (4048, 4944, 28_498_816, 1_396_398_080),
    ),
]


def test_every_module_has_its_cost_in_the_three_cases():
    assert [tuple(map(tuple_of, row)) for row in inception_cost().rows] == MODULES


def tuple_of(value):
    return tuple(value) if isinstance(value, tuple) else value


def test_the_whole_networks_cost_what_they_do():
    cost = inception_cost()
    assert cost.reduced == (3, 1000, 6_998_552, 1_582_671_872)
    assert cost.stacked == (3, 1000, 97_526_008, 12_568_061_056)


@pytest.mark.parametrize("kind", ["reduced", "naive"])
@pytest.mark.parametrize("in_channels, widths, size", [(7, (2, 4, 5, 3, 6, 1), 5), (12, (1, 2, 3, 4, 5, 6), 3)])
def test_a_module_that_is_run_has_the_cost_computed(in_channels, widths, size, kind):
    module = Inception(in_channels, *widths, kind=kind)
    summary = nn.summary(module, (in_channels, size, size))
    cost = module_cost(in_channels, widths, size, kind)
    assert cost == (in_channels, module.out_channels, summary.total_params, summary.total_macs)


def test_modules_of_the_tables_widths_have_the_parameters_computed():
    with init.left_out():
        for row in inception_cost().rows:
            for kind, cost in (("reduced", row.reduced), ("naive", row.naive)):
                module = Inception(cost.in_channels, *TABLE_1[row.module], kind=kind)
                assert sum(p.size for p in module.parameters()) == cost.parameters
                assert module.out_channels == cost.out_channels


def test_the_text_is_an_aligned_table_with_a_line_for_each_module():
    lines = str(inception_cost()).splitlines()
    assert [line.split()[0] for line in lines[3:-2]] == list(TABLE_1)
    assert lines[3].split() == [
        *["3a", "28x28", "192", "256", "163,696", "128", "M"],
        *["192", "416", "387,296", "303", "M", "x2.4", "192", "416", "387,296", "303", "M", "x2.4"],
    ]
    assert lines[-1].split() == [
        "network",
        "3",
        "1000",
        "6,998,552",
        "1,583",
        "M",
        "3",
        "1000",
        "97,526,008",
        "12,568",
        "M",
        "x7.9",
    ]
    ends = [[i for i, c in enumerate(line) if line[i : i + 2] == " M"] for line in (*lines[3:-2],)]
    assert np.ptp(ends, axis=0).tolist() == [0, 0, 0]  # the columns stand under each other
    assert [i for i, c in enumerate(lines[-1]) if lines[-1][i : i + 2] == " M"] == [ends[0][0], ends[0][2]]
