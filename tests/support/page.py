"""Reading an HTML page back."""

import html.parser


class Page(html.parser.HTMLParser):
    """The elements of a page, its figures, and whether its tags close in order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.data, self.ids, self.links, self.text, self._open = [], [], [], [], [], []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append((tag, given))
        self.data += [given["value"]] if tag == "data" else []
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if "href" in given else []
        if tag not in ("meta", "img"):
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def numbers(value):
    if isinstance(value, dict):
        return {number for item in value.values() for number in numbers(item)}
    if isinstance(value, list):
        return {number for item in value for number in numbers(item)}
    return {value} if isinstance(value, (int, float)) and not isinstance(value, bool) else set()
