from setuptools import find_packages, setup

setup(
    name="minitorch_cnn",
    version="0.1.0",
    description="Convolutional networks from scratch: a small autograd engine, every operator by hand, NumPy and CuPy",
    long_description=open("README.md", encoding="utf-8").read(),
    long_description_content_type="text/markdown",
    license="MIT",
    packages=find_packages(include=["minitorch_cnn", "minitorch_cnn.*"]),
    package_data={"minitorch_cnn.data": ["mnist/*", "imagenet_classes.json"]},
    python_requires=">=3.10",
    install_requires=["numpy>=1.26", "pillow", "tqdm", "threadpoolctl"],
    extras_require={
        "cuda12": ["cupy-cuda12x[ctk]"],  # ctk: NVRTC and cuBLAS, which a driver does not bring
        "cuda13": ["cupy-cuda13x[ctk]"],
        "plots": ["matplotlib"],
        "safetensors": ["safetensors"],
        "test": ["pytest", "pytest-xdist", "hypothesis", "matplotlib", "ruff", "safetensors"],
        "parity": ["torch", "torchvision", "albumentations"],
    },
)
