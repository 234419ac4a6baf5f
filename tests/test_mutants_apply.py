"""The seeded mistakes of mutants.py still fit the source. That the tests catch them, `python tests/mutants.py` shows."""

from collections import Counter

import pytest
from mutants import MUTANTS, PACKAGE, ROOT


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m.file}: {m.mistake}")
def test_each_mistake_has_one_place_and_makes_python(mutant):
    text = (ROOT / PACKAGE / mutant.file).read_text()
    assert text.count(mutant.old) == 1, f"{mutant.old!r}: adapt the mutant to the source"
    changed = text.replace(mutant.old, mutant.new)
    assert changed != text
    compile(changed, mutant.file, "exec")
    assert all((ROOT / test).is_file() for test in mutant.tests)


def test_there_are_enough_of_each_family_and_none_twice():
    assert len(MUTANTS) >= 60
    assert set(Counter(m.family for m in MUTANTS)) == {"conv", "pool", "lrn", "norm", "loss", "augment"}
    assert min(Counter(m.family for m in MUTANTS).values()) >= 10
    assert len({(m.file, m.old, m.new) for m in MUTANTS}) == len(MUTANTS)
