"""How `make docs` builds the site, where a broken link or an unknown name is an error."""

from __future__ import annotations

from typing import Any

from sphinx.util import inspect

import file_dataset

project = "file_dataset"
author = "the file_dataset authors"
html_title = "file_dataset"
html_theme = "furo"
html_copy_source = False
html_show_copyright = False

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
]
exclude_patterns = ["README.md"]

# Links to headings, as GitHub makes them.
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]

# What is not installed only to read docstrings.
autodoc_mock_imports = ["fsspec", "numpy", "pandas", "pyarrow", "ray", "torch"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
python_use_unqualified_type_names = True

# An unknown name of ours is an error. Of others' names, and of those that only this library itself
# uses in its annotations, there is no page to lead to.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!file_dataset\.[A-Za-z_]+$).*")]


def _public_name(app: Any, env: Any, node: Any, within: Any) -> Any:
    """Lead from where a name is defined to where users find it."""
    module, _, name = node["reftarget"].rpartition(".")
    if name not in file_dataset._HOMES or module not in ("", file_dataset._HOMES[name]):
        return None
    return env.domains["py"].resolve_xref(
        env, node["refdoc"], app.builder, "obj", f"file_dataset.{name}", node, within
    )


def _own_signature(app: Any, what: str, name: str, value: Any, *rest: Any) -> Any:
    """Say how a class is made whose base class is mocked, and seems to take anything."""
    _, signature, _ = rest
    if what != "class" or signature != "(*args: Any, **kwargs: Any)":
        return None
    made = inspect.signature(value.__init__, bound_method=True)
    return inspect.stringify_signature(made, show_return_annotation=False), ""


def setup(app: Any) -> None:
    app.connect("missing-reference", _public_name)
    app.connect("autodoc-process-signature", _own_signature)
