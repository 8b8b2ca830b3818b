"""Networks as functional Keras models, built from tables of records."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["cyclegan", "mobilenet"],
    submod_attrs={
        "catalog": ["build", "names"],
        "counting": ["Cost", "Row", "cost"],
        "cyclegan.patch_discriminator": ["PatchDiscriminator", "patch_receptive_field"],
        "cyclegan.pixel_discriminator": ["PixelDiscriminator"],
        "cyclegan.porting": ["port_cyclegan_weights"],
        "cyclegan.resnet_generator": ["ResNetGenerator"],
        "cyclegan.unet_generator": ["UNetGenerator"],
        "folding": ["fold_batch_norm"],
        "inlining": ["inline"],
        "mobilenet.v1": ["MobileNetV1"],
        "mobilenet.v2": ["MobileNetV2"],
        "mobilenet.v3": ["MobileNetV3Large", "MobileNetV3Small"],
        "mobilenet.v4": ["MobileNetV4ConvLarge", "MobileNetV4ConvMedium", "MobileNetV4ConvSmall"],
        "porting": ["port_weights"],
    },
)
