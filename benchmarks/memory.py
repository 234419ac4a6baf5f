"""How much memory a training step takes beyond model and data: the peak that Linux counts, each framework in its own process."""

import subprocess
import sys


def above_the_model(name):
    """Bytes by which ResNet-20's step at batch 128 rises above what was there before it; None where that can't be counted."""
    done = subprocess.run([sys.executable, __file__, name], capture_output=True, text=True, check=True)
    return int(done.stdout) or None


def _status(field):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(field))


def main(name):
    import frameworks

    framework = getattr(frameworks, name)()
    framework.train_step("resnet20", 1)()  # libraries are loaded, kernels chosen
    step = framework.train_step("resnet20", 128)
    try:
        before = _status("VmRSS")
        step()
        step()
        print(_status("VmHWM") - before)
    except FileNotFoundError:  # no Linux
        print(0)


if __name__ == "__main__":
    main(sys.argv[1])
