"""Generators and discriminators of unpaired image-to-image translation, from tables of records."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[],
    submod_attrs={
        "patch_discriminator": ["PatchDiscriminator", "patch_receptive_field"],
        "pixel_discriminator": ["PixelDiscriminator"],
        "porting": ["port_cyclegan_weights"],
        "resnet_generator": ["ResNetGenerator"],
        "unet_generator": ["UNetGenerator"],
    },
)
