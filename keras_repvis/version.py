"""The version of the package, readable without importing anything."""

VERSION = "0.1.0"
