"""Shows each .page file of a directory as a page of one site: its first line is the title.

A handler script: httpd finds the file, this answers for it. What changes in a file is seen at the next request.
"""

import html

FRAME = """\
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body>
<h1>{title}</h1>
{text}
</body>
</html>
"""


def handle_request(environ, start_response):
    # A handler script is called for files that do not exist as well.
    try:
        with open(environ["SCRIPT_FILENAME"], encoding="utf-8") as file:
            page = file.read()
    except FileNotFoundError:
        return answer(start_response, "404 Not Found", f"No page\n\nThere is no {environ['SCRIPT_NAME']} here.\n")
    return answer(start_response, "200 OK", page)


def answer(start_response, status, page):
    title, _, text = page.partition("\n")
    paragraphs = [f"<p>{html.escape(part.strip())}</p>" for part in text.split("\n\n") if part.strip()]
    body = FRAME.format(title=html.escape(title), text="\n".join(paragraphs)).encode()
    start_response(status, [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]
