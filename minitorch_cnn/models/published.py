"""Published weights: by name from their list, or any file.

    models.resnet50(weights="IMAGENET1K_V2")        torchvision's name: fetched once, into the cache
    models.resnet50(weights="resnet50.pth")         a file: .npz, .safetensors, .pth (minitorch_cnn/weights says what it may hold)

They are kept in $MINITORCH_CNN_DATA/weights, if that is set, else in ~/.cache/minitorch_cnn/weights: who has no network puts them
there. A file's name ends with the first eight digits of its SHA-256, which is all of it that is published; they are checked.
"""

import os

from ..data.fetch import cache_folder, fetch, file_sha256
from ..nn import init

TORCHVISION = "https://download.pytorch.org/models/"
CIFAR = "https://github.com/akamaster/pytorch_resnet_cifar10/raw/master/pretrained_models/"

# builder: {name: address}. The last name of each is the best.
PUBLISHED = {
    "alexnet": {"IMAGENET1K_V1": TORCHVISION + "alexnet-owt-7be5be79.pth"},
    "vgg11": {"IMAGENET1K_V1": TORCHVISION + "vgg11-8a719046.pth"},
    "vgg11_bn": {"IMAGENET1K_V1": TORCHVISION + "vgg11_bn-6002323d.pth"},
    "vgg13": {"IMAGENET1K_V1": TORCHVISION + "vgg13-19584684.pth"},
    "vgg13_bn": {"IMAGENET1K_V1": TORCHVISION + "vgg13_bn-abd245e5.pth"},
    "vgg16": {"IMAGENET1K_V1": TORCHVISION + "vgg16-397923af.pth"},
    "vgg16_bn": {"IMAGENET1K_V1": TORCHVISION + "vgg16_bn-6c64b313.pth"},
    "vgg19": {"IMAGENET1K_V1": TORCHVISION + "vgg19-dcbb9e9d.pth"},
    "vgg19_bn": {"IMAGENET1K_V1": TORCHVISION + "vgg19_bn-c79401a0.pth"},
    "googlenet": {"IMAGENET1K_V1": TORCHVISION + "googlenet-1378be20.pth"},
    "squeezenet1_0": {"IMAGENET1K_V1": TORCHVISION + "squeezenet1_0-b66bff10.pth"},
    "squeezenet1_1": {"IMAGENET1K_V1": TORCHVISION + "squeezenet1_1-b8a52dc0.pth"},
    "resnet18": {"IMAGENET1K_V1": TORCHVISION + "resnet18-f37072fd.pth"},
    "resnet34": {"IMAGENET1K_V1": TORCHVISION + "resnet34-b627a593.pth"},
    "resnet50": {
        "IMAGENET1K_V1": TORCHVISION + "resnet50-0676ba61.pth",
        "IMAGENET1K_V2": TORCHVISION + "resnet50-11ad3fa6.pth",
    },
    "resnet101": {
        "IMAGENET1K_V1": TORCHVISION + "resnet101-63fe2227.pth",
        "IMAGENET1K_V2": TORCHVISION + "resnet101-cd907fc2.pth",
    },
    "resnet152": {
        "IMAGENET1K_V1": TORCHVISION + "resnet152-394f9c45.pth",
        "IMAGENET1K_V2": TORCHVISION + "resnet152-f82ba261.pth",
    },
    "wide_resnet50_2": {
        "IMAGENET1K_V1": TORCHVISION + "wide_resnet50_2-95faca4d.pth",
        "IMAGENET1K_V2": TORCHVISION + "wide_resnet50_2-9ba9bcbe.pth",
    },
    "resnext50_32x4d": {
        "IMAGENET1K_V1": TORCHVISION + "resnext50_32x4d-7cdf4587.pth",
        "IMAGENET1K_V2": TORCHVISION + "resnext50_32x4d-1a0047aa.pth",
    },
    # 200 epochs, images normalised with ImageNet's mean and standard deviation; errors 8.27, 7.37, 6.90, 6.61, 6.32 %
    "resnet20": {"CIFAR10": CIFAR + "resnet20-12fca82f.th"},
    "resnet32": {"CIFAR10": CIFAR + "resnet32-d509ac18.th"},
    "resnet44": {"CIFAR10": CIFAR + "resnet44-014dd654.th"},
    "resnet56": {"CIFAR10": CIFAR + "resnet56-4bfd9763.th"},
    "resnet110": {"CIFAR10": CIFAR + "resnet110-1d1ed7c2.th"},
}


def build(name, weights, network, *args, **kwargs):
    """network(*args, **kwargs), with fresh weights if `weights` is None, else with those: a published name or a file.

    What is fetched or read replaces every weight, so none is drawn.
    """
    if weights is None:
        return network(*args, **kwargs)
    path = find(name, weights)
    with init.left_out():
        model = network(*args, **kwargs)
    model.load_weights(path)
    return model


def find(name, weights):
    """The file of these weights: fetched if it is a published name ("DEFAULT" is the last), else the path itself.

    Raises: FileNotFoundError, naming the published ones, if it is neither; FetchError if no mirror gave it.
    """
    published = PUBLISHED.get(name, {})
    if weights == "DEFAULT" and published:
        weights = list(published)[-1]
    if isinstance(weights, str) and weights in published:
        url = published[weights]
        return fetch(url, os.path.join(cache_folder("weights"), url.rpartition("/")[2]), sha256_of(url))
    if not isinstance(weights, str | os.PathLike):
        raise TypeError(
            f"{name}: weights must be the path of a file, or one of {', '.join(map(repr, published))}; got {weights!r}"
        )
    if not os.path.exists(os.path.expanduser(weights)):
        known = f"published are {', '.join(map(repr, published))}" if published else "none are published"
        raise FileNotFoundError(f"{name}: there is no file {str(weights)!r}, nor weights of that name; {known}")
    return os.path.expanduser(weights)


def sha256_of(url):
    """The first eight digits of the file's SHA-256, with which its name ends: resnet50-0676ba61.pth."""
    return url.rpartition(".")[0].rpartition("-")[2]


def is_published(name, path):
    """Whether a file holds one of the published weights of this network, whatever it is called."""
    sha256 = file_sha256(path)
    return any(sha256.startswith(sha256_of(url)) for url in PUBLISHED.get(name, {}).values())
