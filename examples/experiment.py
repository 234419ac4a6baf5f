"""What the lecture's experiments share: their options, and results that outlive an interruption."""

import argparse
import json
import os
import time

from minitorch_cnn.backend.files import write_beside


def arguments(description, presets):
    """The command line of an experiment: --preset, --seeds, where data and results are.

    Each setting of the chosen preset becomes an attribute of what is returned, and an option of its own: --epochs 3.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--preset", choices=presets, default="quick", help="quick: minutes on two cores; paper: for a GPU"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="the runs of each kind (0 1 2)")
    parser.add_argument("--data", help="the folder that holds CIFAR-10")
    parser.add_argument("--device", default="cpu", help='"cpu", "cuda" or "cuda:1"')
    parser.add_argument("--out", help="the folder of the results; what is in it already isn't run again")
    settings = {name: value for preset in presets.values() for name, value in preset.items()}
    for name, value in settings.items():
        shown = ", ".join(f"{preset}: {values[name]}" for preset, values in presets.items())
        several = {"nargs": "+", "type": type(value[0])} if isinstance(value, list) else {"type": type(value)}
        parser.add_argument(f"--{name.replace('_', '-')}", help=shown, **several)
    args = parser.parse_args()
    for name, value in presets[args.preset].items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    program = os.path.splitext(os.path.basename(parser.prog))[0]
    args.out = args.out or os.path.join("runs", f"{program}-{args.preset}-{time.strftime('%Y%m%d-%H%M%S')}")
    os.makedirs(args.out, exist_ok=True)
    print(f"the run's folder: {args.out}")
    return args


class Results:
    """The results of many runs by name, in one JSON file, written after each: whoever stops the program loses one run at most.

    Raises: ValueError if the file's runs were made with other settings.
    """

    def __init__(self, path, settings):
        self.path, self.settings, self.runs = path, settings, {}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                found = json.load(file)
            unlike = [name for name in settings if settings[name] != found["settings"].get(name)]
            if unlike:
                raise ValueError(f"{path} has runs with another {', '.join(unlike)}: give another folder with --out")
            self.runs = found["runs"]

    def run(self, name, work, *args):
        """work(*args), a number or a list or dict of plain ones, unless its result is there already; returns it."""
        if name not in self.runs:
            began = time.perf_counter()
            result = work(*args)
            self.runs[name] = {"seconds": round(time.perf_counter() - began, 1), "result": result}
            text = json.dumps({"settings": self.settings, "runs": self.runs}, indent=1)
            write_beside(self.path, lambda file: file.write(text.encode()))
        return self.runs[name]["result"]


def mean_and_spread(values):
    """Mean of a few numbers, and how far the furthest is from it: "12.3 +- 0.4" for three seeds."""
    mean = sum(values) / len(values)
    return mean, max(abs(value - mean) for value in values)
