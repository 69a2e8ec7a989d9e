"""A strict reader of pages: every element closed where it should be, nothing loaded or run."""

from html.parser import HTMLParser

VOID = {"meta", "input", "link", "br", "hr", "img"}
SHAPES = {"rect", "line", "circle", "path", "polyline", "polygon"}
REFUSED = {
    "img",
    "iframe",
    "object",
    "embed",
    "link",
    "base",
    "form",
    "image",
    "use",
}


class Page(HTMLParser):
    """Tags in order, links, ids, texts by language, and what is wrong with the page."""

    def __init__(self, content):
        super().__init__(convert_charrefs=True)
        self.tags, self.links, self.ids, self.wrong = [], [], [], []
        self.texts = {"zh": [], "en": []}
        self.raw = {"style": "", "script": ""}
        self.policy = ""
        self.open = []
        self.feed(content)
        self.close()
        if self.open:
            self.wrong.append(f"never closed: {self.open}")

    def handle_starttag(self, tag, attrs):
        self._opened(tag, attrs)
        if tag not in VOID:
            self.open.append((tag, dict(attrs).get("class") or ""))

    def handle_startendtag(self, tag, attrs):
        self._opened(tag, attrs)
        if tag not in SHAPES:
            self.wrong.append(f"{tag} closes itself")

    def handle_endtag(self, tag):
        if not self.open or self.open[-1][0] != tag:
            self.wrong.append(f"</{tag}> at {self.getpos()} in {self.open[-3:]}")
            return
        self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1][0] in self.raw:
            self.raw[self.open[-1][0]] += data
            return
        for language, texts in self.texts.items():
            if any(language in names.split() for _, names in self.open):
                texts.append(data)

    def _opened(self, tag, attrs):
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.wrong.append(f"{tag} has an attribute twice: {names}")
        self.tags.append((tag, tuple(sorted(names))))
        told = dict(attrs)
        if tag in REFUSED or "src" in told or "style" in told:
            self.wrong.append(f"{tag} {told}")
        self.wrong += [f"{tag} {name}" for name in names if name.startswith("on")]
        if "href" in told:
            self.links.append(told["href"])
        if "id" in told:
            self.ids.append(told["id"])
        if told.get("http-equiv") == "Content-Security-Policy":
            self.policy = told["content"]
