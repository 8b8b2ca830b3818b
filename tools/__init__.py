"""The command-line programs, installed as the package keras_repvis_tools: thin absl apps over keras_repvis."""
