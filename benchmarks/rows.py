"""What is timed: each row's name, the ratio to PyTorch that is asked for, and what a framework makes of it."""


def train_step(network, batch):
    return lambda framework: framework.train_step(network, batch)


def inference(network, batch):
    return lambda framework: framework.inference(network, batch)


def operator(function, *shapes):
    return lambda framework: framework.operator(function, *shapes)


STEPS = [
    ("LeNet-5 train step, batch 1", 0.9, train_step("lenet5", 1)),
    ("LeNet-5 train step, batch 32", 1.5, train_step("lenet5", 32)),
    ("LeNet-5 train step, batch 128", 1.2, train_step("lenet5", 128)),
    ("ResNet-20 train step, batch 128", 1.5, train_step("resnet20", 128)),
]
WHOLE = [
    ("ResNet-18 inference, batch 8, 224x224", 1.2, inference("resnet18", 8)),
    ("ResNet-18 train step, batch 8, 224x224", 1.3, train_step("resnet18", 8)),
    ("VGG-16 inference, batch 4, 224x224", 1.1, inference("vgg16", 4)),
    ("VGG-16 train step, batch 4, 224x224", 1.15, train_step("vgg16", 4)),
    ("AlexNet inference, batch 8, 224x224", 1.5, inference("alexnet", 8)),
    ("GoogLeNet inference, batch 4, 224x224", 1.5, inference("googlenet", 4)),
    ("ResNet-50 inference, batch 4, 224x224", 1.5, inference("resnet50", 4)),
]
OPERATORS = [
    ("conv 3x3, 64 channels, 56x56, batch 16", 1.2,
     operator(lambda F, x, w: F.conv2d(x, w, padding=1), (16, 64, 56, 56), (64, 64, 3, 3))),
    ("conv 3x3, 256 channels, 14x14, batch 16", 1.2,
     operator(lambda F, x, w: F.conv2d(x, w, padding=1), (16, 256, 14, 14), (256, 256, 3, 3))),
    ("conv 1x1, 256 to 64, 56x56, batch 8", 0.6,
     operator(lambda F, x, w: F.conv2d(x, w), (8, 256, 56, 56), (64, 256, 1, 1))),
    ("conv depthwise 3x3, 96 channels, 56x56, batch 8", 3,
     operator(lambda F, x, w: F.conv2d(x, w, padding=1, groups=96), (8, 96, 56, 56), (96, 1, 3, 3))),
    ("max pool 2x2, (32, 64, 56, 56)", 0.6,
     operator(lambda F, x: F.max_pool2d(x, 2), (32, 64, 56, 56))),
    ("max pool 3x3/2, (32, 64, 56, 56)", 1.0,
     operator(lambda F, x: F.max_pool2d(x, 3, stride=2, padding=1), (32, 64, 56, 56))),
    ("LRN n=5, (16, 96, 27, 27)", 0.25,
     operator(lambda F, x: F.local_response_norm(x, 5, 1e-4, 0.75, 2.0), (16, 96, 27, 27))),
    ("batch norm, training, (32, 64, 32, 32)", 1.2,
     operator(lambda F, x, w, b: F.batch_norm(x, None, None, w, b, training=True), (32, 64, 32, 32), (64,), (64,))),
]  # fmt: skip
MEMORY = ("ResNet-20 train step, MiB above the model", 1.3)
PREPARE = {name: prepare for name, _, prepare in STEPS + WHOLE + OPERATORS}
