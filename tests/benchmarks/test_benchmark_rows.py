"""The table of benchmarks/run.py, without running a benchmark."""

import os
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def test_a_row_that_could_not_be_counted_is_left_out_with_a_word():
    code = "import run; run.print_row('memory', 1.3, {'Ours': None, 'PyTorch': None}, 1); run.print_row('a', 1, {'Ours': 2}, 3)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(BENCHMARKS), str(BENCHMARKS.parent)])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.split(maxsplit=1) == ["memory", "left out: only Linux counts it"]
    assert second.split() == ["a", "6.00"]
