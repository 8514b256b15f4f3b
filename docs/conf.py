"""Settings of Sphinx for the pages that docs/build.py makes; it calls Sphinx with this directory as `-c`."""

project = "mod_wsgi in Rust"
html_title = project
extensions = ["myst_parser"]
root_doc = "index"

# `page.md#a-heading`, as on the hosts of repositories.
myst_heading_anchors = 4

html_theme = "furo"
html_copy_source = False
html_show_copyright = False
# A block without a language is not Python.
highlight_language = "text"
