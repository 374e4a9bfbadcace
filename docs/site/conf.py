"""The site of the documentation: `make docs`. Its source is the checkout: links that work in
a checkout work here, and links to files that are no pages are downloads.
"""

import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
CHECKOUT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(CHECKOUT)]

project = "Splitplan"
author = "Splitplan"
release = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "operations",
    "offline",
]
root_doc = "docs/index"
include_patterns = ["docs/**", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/data/README.md"]
exclude_patterns = ["docs/site", ".*", "app", "build", "client", "findings", "solvers", "tests"]
source_suffix = {".md": "markdown"}

myst_heading_anchors = 4
myst_enable_extensions = ["fieldlist"]
# Answers are printed with `...` for what is left out, which is no JSON.
suppress_warnings = ["misc.highlighting_failure"]

default_role = "code"  # a docstring means code by `this`
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
napoleon_google_docstring = False

html_theme = "furo"
html_title = f"Splitplan {release}"
html_static_path = ["static"]
html_css_files = ["tables.css"]
html_extra_path = ["root"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
copybutton_exclude = ".linenos, .gp, .go"
