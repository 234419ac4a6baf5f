"""The four steps of colour jitter, and their numbers.

    step            factor that changes nothing     what a pixel x of red, green and blue becomes, with factor f
    0 brightness    1                               f x
    1 contrast      1                               f x + (1 - f) mean,  the mean of grey over the whole image
    2 saturation    1                               f x + (1 - f) grey
    3 hue           0                               its hue turned by f of a full circle, f from -1/2 to 1/2

    grey = 0.2989 red + 0.587 green + 0.114 blue,  rounded down in images of uint8; of one channel, that channel

The first three are cut to 0 to 1, or 0 to 255 and then rounded down to whole numbers. Arithmetic is in float32 (float64 for
images of float64), each product and sum rounded for itself, so that all three forms give the same whole numbers.

The hue, counted in sixths of the circle (0 red, 2 green, 4 blue), is what lies between the largest and the smallest channel:

    h = (green - blue) / span mod 6,  2 + (blue - red) / span  or  4 + (red - green) / span,  as red, green, blue is largest
    red = low + span * weight(|h - 3| - 1),  green = low + span * weight(2 - |h - 2|),  blue = low + span * weight(2 - |h - 4|)

with low the smallest channel, span the largest less the smallest, and weight(t) = t cut to 0 to 1. That is the way to HSV and
back (Smith 1978) with value and saturation left as they are. Images of uint8 are multiplied by 255.999/255 and rounded down.

Source: torchvision.transforms.v2.functional, adjust_brightness to adjust_hue.
"""

STEPS = ("brightness", "contrast", "saturation", "hue")
NEUTRAL = (1.0, 1.0, 1.0, 0.0)
GREY = (0.2989, 0.587, 0.114)
UP = 255.999 / 255  # of uint8 after a turn of hue: what was whole doesn't fall below by rounding
