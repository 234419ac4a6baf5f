"""What importing the data package brings along."""

import subprocess
import sys


def test_importing_data_imports_nothing_heavy():
    program = (
        "import sys, minitorch_cnn.data\n"
        "print([m for m in ('PIL', 'tqdm', 'matplotlib', 'urllib.request', 'http.client', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
