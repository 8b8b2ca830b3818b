"""Claims of the MobileNetV2 part of the talk on information loss (A. Zhmoginov, 2021), one file a claim."""
