"""Networks, one family a file: the paper's table as data, then a short forward.

`list_models` names them, `create` builds one, `table` prints them all with their counts and their papers' errors.
"""

from .alexnet import AlexNet, alexnet
from .alexnet_2012 import AlexNet2012, alexnet_2012, one_tower
from .catalogue import create, list_models, table
from .googlenet import GoogLeNet, googlenet
from .googlenet_2014 import GoogLeNet2014, GoogLeNetOutputs, Inception, googlenet_2014, googlenet_loss
from .inception_cost import inception_cost
from .lenet import LeNet5, lenet5
from .lenet_1998 import LeNet5_1998, lenet5_1998, map_loss, mle_loss
from .resnet import (
    ResNet,
    plain18,
    plain34,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnext50_32x4d,
    wide_resnet50_2,
)
from .resnet_cifar import (
    CifarResNet,
    plain20,
    plain32,
    plain44,
    plain56,
    preact_resnet20,
    preact_resnet32,
    preact_resnet44,
    preact_resnet56,
    preact_resnet110,
    resnet20,
    resnet32,
    resnet44,
    resnet56,
    resnet110,
)
from .squeezenet import SqueezeNet, squeezenet1_0, squeezenet1_1
from .vgg import (
    VGG,
    vgg11,
    vgg11_bn,
    vgg13,
    vgg13_bn,
    vgg16,
    vgg16_bn,
    vgg19,
    vgg19_bn,
    vgg_a,
    vgg_a_lrn,
    vgg_b,
    vgg_c,
    vgg_d,
    vgg_e,
)
from .warm_start import warm_start
