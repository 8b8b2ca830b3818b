"""The flag --zoo_root, shared by the programs that read or write a zoo (absl accepts each flag once a process)."""

from absl import flags

ZOO_ROOT = flags.DEFINE_string(
    "zoo_root",
    None,
    "Directory of the zoo. Without it: the environment variable KERAS_REPVIS_ZOO, else the user's data directory.",
)
