"""The one place that knows which Python rules Bazel has.

Up to Bazel 7 they are built in, as used here. From Bazel 8 on they come from rules_python: add

    load("@rules_python//python:defs.bzl", "py_binary", "py_library", "py_test")

below this text, replace `native.py_` by `py_` in this file, and name rules_python in a MODULE.bazel.

Tests and programs carry the tag "runs": they need rules that Bazel 4 downloads, so .bazelrc leaves them out of
`bazel build //...`.
"""

def _written_impl(ctx):
    ctx.actions.write(ctx.outputs.out, ctx.attr.text)

_written = rule(implementation = _written_impl, attrs = {"out": attr.output(), "text": attr.string()})

def _renamed_impl(ctx):
    ctx.actions.symlink(output = ctx.outputs.out, target_file = ctx.file.src)

_renamed = rule(implementation = _renamed_impl, attrs = {"out": attr.output(), "src": attr.label(allow_single_file = True)})

def repvis_py_library(name, srcs, package = None, **kwargs):
    """A library of one file.

    Args:
      name: Name of the target.
      srcs: The Python file.
      package: Name under which the folder's files are imported, where it is not the folder's path.
      **kwargs: Passed on to py_library.
    """
    if package:
        for src in srcs:
            _renamed(name = "%s_in_%s" % (name, package), src = src, out = "%s/%s" % (package, src))
        srcs = ["%s/%s" % (package, src) for src in srcs]
        kwargs["imports"] = ["."]
    native.py_library(name = name, srcs = srcs, srcs_version = "PY3", **kwargs)

def repvis_py_test(name, srcs, **kwargs):
    """A pytest file, run by pytest.

    Args:
      name: Name of the target.
      srcs: The test file.
      **kwargs: Passed on to py_test.
    """
    _program(
        native.py_test,
        name,
        "import sys, pytest\nsys.exit(pytest.main(sys.argv[1:]))\n",
        srcs = srcs,
        args = ["$(location %s)" % src for src in srcs],
        **kwargs
    )

def repvis_py_binary(name, entry, **kwargs):
    """A program.

    Args:
      name: Name of the target.
      entry: `package.module:function`, as in setup.cfg.
      **kwargs: Passed on to py_binary.
    """
    module, function = entry.split(":")
    _program(native.py_binary, name, "from %s import %s\n%s()\n" % (module, function, function), srcs = [], **kwargs)

def _program(rule, name, text, srcs, **kwargs):
    main = name + "_main.py"
    _written(name = name + "_main", text = text, out = main)
    rule(name = name, srcs = srcs + [main], main = main, python_version = "PY3", tags = ["runs"], **kwargs)
