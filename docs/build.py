"""Builds the documentation as a web site; run by setup/docs.sh (`make docs`) as `build.py DIRECTORY`.

It copies the documents below DIRECTORY/source, adds a page for each other file of the project that they link to, makes the
table of contents from docs/index.md, runs Sphinx with warnings as errors, and checks each link of the pages that come out. It
never changes a document, and asks no server for anything.
"""

import html.parser
import posixpath
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
DIRECTIVES = "apache-conf/mod_wsgi.conf"
LINK = re.compile(r"\]\(([^)\s]+)\)")
# A heading, and what is below it up to the next one.
SECTION = re.compile(r"^## (.+)\n((?:(?!## ).*\n)*)", re.MULTILINE)
PICTURES = (".svg", ".png", ".jpg", ".webp")
# In bytes. What is larger is data, and no page.
LARGEST_PAGE = 200_000
LANGUAGES = {".py": "python", ".wsgi": "python", ".conf": "apache", ".rs": "rust", ".sh": "sh", ".html": "html"}


def main(directory):
    source, pages = directory / "source", directory / "html"
    for old in (source, pages):
        shutil.rmtree(old, ignore_errors=True)
    Site(source).write()
    command = ["-m", "sphinx", "-q", "-W", "--keep-going", "-j", "auto", "-d", str(directory / "doctrees"), "-E"]
    done = subprocess.run([sys.executable, *command, "-c", str(ROOT / "docs"), str(source), str(pages)])
    if done.returncode != 0:
        sys.exit("docs: a warning above, or an error, stops the build")
    dead = dead_links(pages)
    if dead:
        sys.exit("docs: links that lead nowhere:\n" + "\n".join(dead))
    print(pages / "index.html")


# From documents to what Sphinx reads


class Site:
    """Documents by their paths in the project, each with the name of its page."""

    def __init__(self, source):
        self.source = source
        documents = sorted(path for path in (ROOT / "docs").rglob("*.md"))
        self.names = {self.path_of(path): str(path.relative_to(ROOT / "docs")) for path in documents}
        self.names |= {path.name: path.name.lower() for path in sorted(ROOT.glob("*.md"))}
        self.names[DIRECTIVES] = "directives-in-full.md"
        self.waiting = []

    @staticmethod
    def path_of(path):
        return str(path.relative_to(ROOT))

    def write(self):
        for path in list(self.names):
            if path != DIRECTIVES:
                self.write_page(path, self.document(path))
        self.write_page(DIRECTIVES, directives_in_full((ROOT / DIRECTIVES).read_text()))
        while self.waiting:
            path = self.waiting.pop()
            self.write_page(path, self.page_of_directory(path) if (ROOT / path).is_dir() else page_of_file(path))
        for picture in (path for path in (ROOT / "docs").rglob("*") if path.suffix in PICTURES):
            self.copy(self.path_of(picture), str(picture.relative_to(ROOT / "docs")))

    def write_page(self, path, text):
        page = self.source / self.names[path]
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text)

    def copy(self, path, name):
        (self.source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, self.source / name)

    def document(self, path):
        text = self.with_links_to_pages(path, (ROOT / path).read_text())
        if path == "docs/index.md":
            return with_table_of_contents(text)
        if path == "docs/moving.md":
            return re.sub(r"^<!-- rows of directives.md: (.*) -->\n", rows_of_directives, text, flags=re.MULTILINE)
        if path == "docs/express-options.md":
            return text.replace("<!-- options of start-server -->\n", options_of_express())
        if path == "docs/configuration.md":
            row = re.compile(r"^\| `<?(WSGI\w+)>?` \|", re.MULTILINE)
            text = row.sub(lambda row: f"| [`{row[1]}`]({self.names[DIRECTIVES]}#{row[1].lower()}) |", text)
        listed = {self.names[path] for path in self.linked("docs/index.md")}
        return text if self.names[path] in listed else f"---\norphan: true\n---\n{text}"

    def linked(self, path):
        targets = (target_of(path, link) for link in LINK.findall((ROOT / path).read_text()))
        return [target for target in targets if target in self.names]

    def with_links_to_pages(self, path, text):
        """Links to files of the project become links to their pages; other links, pictures and code stay as they are."""

        def to_page(match):
            target = target_of(path, match[1])
            if target is None or target.endswith(PICTURES):
                return match[0]
            page = posixpath.relpath(self.page(target), posixpath.dirname(self.names[path]) or ".")
            fragment = urlsplit(match[1]).fragment
            return f"]({page}#{fragment})" if fragment else f"]({page})"

        parts = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)
        return "".join(LINK.sub(to_page, part) if index % 2 == 0 else part for index, part in enumerate(parts))

    def page(self, target):
        """The name of the page for a file or directory of the project, which is made if there is none."""
        if target not in self.names and (ROOT / target).is_file() and (ROOT / target).stat().st_size > LARGEST_PAGE:
            # To be downloaded.
            self.names[target] = f"files/{target}"
            self.copy(target, self.names[target])
        elif target not in self.names:
            inside = target if target.startswith("examples/") else f"files/{target}"
            self.names[target] = f"{inside}.md"
            self.waiting.append(target)
        return self.names[target]

    def page_of_directory(self, path):
        """Its README, if it has one, and the files in it, each as it is."""
        files = sorted(file for file in (ROOT / path).rglob("*") if file.is_file() and "__pycache__" not in file.parts)
        readme = ROOT / path / "README.md"
        text = f"# {path}\n"
        if readme in files:
            text = self.with_links_to_pages(path + "/README.md", readme.read_text())
            files.remove(readme)
        return "---\norphan: true\n---\n" + text + "".join(f"\n## {file.relative_to(ROOT / path)}\n\n{fenced(file)}" for file in files)


def target_of(path, link):
    """The path in the project of what a link in a document leads to, or None where that is elsewhere or not there."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc or not parts.path:
        return None
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(parts.path)))
    return target if not target.startswith("..") and (ROOT / target).exists() else None


def page_of_file(path):
    return f"---\norphan: true\n---\n# {path}\n\n{fenced(ROOT / path)}"


def fenced(file):
    text = file.read_text(errors="replace")
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}{LANGUAGES.get(file.suffix, 'text')}\n{text.rstrip()}\n{fence}\n"


def with_table_of_contents(text):
    """Behind the sections of docs/index.md, which readers see, the same as a tree for Sphinx: it makes the sidebar."""
    trees = []
    for heading, section in SECTION.findall(text):
        names = [link.removesuffix(".md") for link in LINK.findall(section)]
        trees.append(f"```{{toctree}}\n:hidden:\n:caption: {heading}\n\n" + "\n".join(names) + "\n```\n")
    return text + "\n" + "\n".join(trees)


def rows_of_directives(mark):
    """What docs/directives.md says of each directive whose verdict begins like this, in place of a mark."""
    rows = [line[2:-2].split(" | ") for line in (ROOT / "docs/directives.md").read_text().splitlines() if line.startswith("| `")]
    verdicts = {row[0]: row[2].removeprefix(mark[1]).strip() for row in rows if row[2].startswith(mark[1])}
    if not verdicts:
        sys.exit(f"docs: no row of docs/directives.md says {mark[1]!r}")
    if mark[1].startswith("same"):
        return ", ".join(f"{name} ({text.lstrip(',:; ')})" if text else name for name, text in verdicts.items()) + ".\n"
    return "| directive | |\n| --- | --- |\n" + "".join(f"| {name} | {text} |\n" for name, text in verdicts.items())


def options_of_express():
    """The table of python/mod_wsgi_rs/options.py, the one that the command reads, as tables of a page."""
    sys.path.insert(0, str(ROOT / "python"))
    sys.dont_write_bytecode = True
    from mod_wsgi_rs import options

    page = ""
    for group in options.GROUPS:
        page += f"## {group.title}\n\n| option | default | |\n| --- | --- | --- |\n"
        for option in group.options:
            value = "" if option.kind is bool else " " + " ".join(option.values or ["VALUE" if option.kind is str else "NUMBER"])
            names = ", ".join(f"`--{name}{value}`" for name in (option.name, *option.also)) + (" ..." if option.repeat else "")
            default = "" if option.kind is bool or option.default in (None, []) else f"`{option.default}`"
            text = option.help + (f" Without effect: {option.no_effect}" if option.no_effect else "")
            page += f"| {names} | {default} | {text} |\n"
        page += "\n"
    return page


def directives_in_full(text):
    """apache-conf/mod_wsgi.conf as a page with a heading for each directive."""
    page = "# Directives in full\n\nThis is `apache-conf/mod_wsgi.conf`, with a heading for each directive.\n"
    for block in re.split(r"\n\n+", text.strip()):
        title = re.match(r"# ---- ([^.\n]+)", block)
        name = re.match(r"# <?(WSGI\w+)", block)
        if title:
            page += f"\n## {title[1].removesuffix(' ----').strip()}\n"
            block = block.replace("# ---- ", "# ", 1).replace("# ---- ", "# ")
        elif name:
            page += f"\n### {name[1]}\n"
        if title and "\n" not in block:
            continue
        page += f"\n```apache\n{block}\n```\n"
    return page


# What has come out


class Page(html.parser.HTMLParser):
    """The ids and the links of a page."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.ids.add(values.get("id"))
        self.links += [values[name] for name in ("href", "src") if values.get(name)]


def dead_links(pages):
    read = {path.relative_to(pages).as_posix(): Page(path.read_text()) for path in pages.rglob("*.html")}
    dead = []
    for name, page in read.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(parts.path))) if parts.path else name
            there = (pages / target).exists()
            if there and parts.fragment and target in read:
                there = unquote(parts.fragment) in read[target].ids
            if not there:
                dead.append(f"{name}: {link}")
    return dead


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
