#!/usr/bin/env bash
# The pictures of docs/augmentations.md, by the program that it tells of: bash docs/augmentations/draw.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

sheet() { # NAME TRANSFORM ...
    local out=docs/augmentations/$1.png options=()
    for transform in "${@:2}"; do options+=(--transform "$transform"); done
    python3 -m minitorch_cnn.augment docs/augmentations/chelsea.png --size 104 --draws 5 --out "$out" "${options[@]}"
}

sheet geometry "RandomCrop(240)" "RandomResizedCrop((224, 300))" "HorizontalFlip()" "Rotate(30, interpolation='bilinear')" \
    "Affine(15, translate=(0.1, 0.1), scale=(0.8, 1.2), shear=10, interpolation='bilinear')" "Perspective(p=1)"
sheet distortions "ElasticTransform(alpha=600, sigma=12)" "GridDistortion(p=1)" "OpticalDistortion(0.8, p=1)"
sheet colour "Brightness(0.5)" "Contrast(0.6)" "Saturation(0.9)" "Hue(0.3)" "ColorJitter(0.4, 0.4, 0.4, 0.1)" \
    "PCALighting(alpha_std=1.0)" "RGBShift((-40, 40), (-40, 40), (-40, 40), p=1)" "ToGray()" "ChannelShuffle(p=1)"
sheet tone "Gamma((40, 250), p=1)" "Posterize((2, 4), p=1)" "Solarize((60, 200), p=1)" "Equalize()" "AutoContrast(p=1)" "Invert()"
sheet noise "GaussianBlur(13, (0.5, 5.0))" "MotionBlur((5, 21), p=1)" "Sharpness((0.0, 6.0), p=1)" "GaussianNoise(sigma=0.15)" \
    "SaltAndPepper((0.02, 0.1), p=1)" "ImageCompression((2, 20), p=1)"
sheet erasing "Cutout(100)" "CoarseDropout((2, 5), p=1)" "RandomErasing(p=1)" "RandomErasing(p=1, value='random')" "GridDropout(p=1)"
sheet policies "AutoAugment()" "RandAugment()" "TrivialAugment()"
sheet recipe "Compose([RandomResizedCrop(224), HorizontalFlip(), RandAugment(), RandomErasing(p=0.5)])"
