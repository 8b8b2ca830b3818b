"""Claims of the CycleGAN part of the talk on information loss (A. Zhmoginov, 2021), one file a claim."""
