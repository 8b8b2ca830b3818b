"""Claims of the attribution part of the talk on understandable representations (A. Vedaldi, 2018), one file a claim."""
