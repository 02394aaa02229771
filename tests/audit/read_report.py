"""Read report.html as a browser would, and compare it with audit.json: read_report.py FOLDER

Says "good", or what is wrong. What a page may hold is a list: elements and attributes that are not on it, such as
those that a hostile name would bring in, are wrong.
"""
import base64
import html.parser
import json
import math
import os
import re
import sys

folder = sys.argv[1]
audit = json.load(open(os.path.join(folder, "audit.json")))
allowed = {"html": {"lang"}, "meta": {"charset", "name", "content"}, "div": {"class", "tabindex", "role", "aria-label"},
           "img": {"class", "alt", "src"}, "th": {"scope"}, "p": {"class"}, "span": {"class"}}
for name in "head title style body h1 h2 h3 dl dt dd table thead tbody tr td figure figcaption sub code".split():
    allowed[name] = set()


def check(good, *what):
    if not good:
        print("wrong:", *what)
        sys.exit(1)


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.tables, self.pictures, self.captions, self.words = [], [], [], [], []
        self.text = ""

    def handle_starttag(self, tag, attributes):
        check(tag in allowed, "element", tag)
        check({name for name, _ in attributes} <= allowed[tag], "attributes of", tag, attributes)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag == "img":
            kind, data = dict(attributes)["src"].split(";base64,")
            content = base64.b64decode(data, validate=True)
            check(content.startswith({"data:image/png": b"\x89PNG", "data:image/svg+xml": b"<?xml"}[kind]), kind)
            self.pictures.append(dict(attributes)["alt"])
        if tag not in ("meta", "img"):
            self.open.append(tag)
        if tag not in ("sub", "code"):
            self.text = ""

    def handle_endtag(self, tag):
        check(self.open and self.open.pop() == tag, "end of", tag)
        if tag in ("td", "th"):
            self.tables[-1][-1].append(self.text)
        if tag == "figcaption":
            self.captions.append(self.text)
        if tag in ("p", "dd", "h3"):
            self.words.append(self.text)

    def handle_data(self, data):
        self.text += data


page = Page()
page.feed(open(os.path.join(folder, "report.html"), encoding="utf-8").read())
page.close()
check(not page.open, "not ended:", page.open)


def shown(value, percent):
    return "n/a" if value is None else "%.1f" % (100 * value) if percent else "%.3g" % value


def cell(number, percent):
    return "%s [%s, %s]" % tuple(shown(number[key], percent) for key in ("value", "low", "high"))


words = "\n".join(page.words)
metrics, changes = page.tables[:2]
check(len(metrics) == len(changes) == 1 + len(audit["models"]), "lines of tables")
check(changes[0][1:] == audit["element_names"][1:], changes[0])
for model, line, shares in zip(audit["models"], metrics[1:], changes[1:]):
    found = model["metrics"]
    expected = [cell(found[name], name == "accuracy") if name in found else "-"
                for name in ("accuracy", "li", "di", "si", "sigma_max_jacobian")]
    check(line == [model["name"]] + expected, line, expected)
    percents = [shown(value, True) for value in found["prediction_changes"]["value"][1:]]
    check(shares == [model["name"]] + percents, shares, percents)
    check(model["name"] in words and model["architecture"] in words, model["name"])
    check("%.1f%% of the images rightly" % (100 * found["accuracy"]["value"]) in words, "accuracy in words")
    li, size = found["li"]["value"], found["logit_size"]["value"]
    if li > 1e-6 * size:
        check("= %.3g on average (LI), %.3g%% of their size" % (li, 100 * li / size) in words, "LI in words")
    else:
        check("It is invariant" in words, "invariance in words")
    if any(found["prediction_changes"]["value"]):
        check("changes for %s%% of the images when they are %s" % (percents[0], audit["element_names"][1]) in words,
              "changes in words")
    if "jacobian_spectrum" in found:
        row = [model["name"]] + ["%.3g" % value for value in found["jacobian_spectrum"]["value"][:10]]
        check(any(row in table for table in page.tables), row)
    for direction in model.get("directions", []):
        row = ["%.3g" % direction["sensitivity"]] + ["%+.2f" % value for value in list(direction.values())[1:]]
        check(any(row in table for table in page.tables), row)

captions = iter(caption for caption in page.captions if caption.startswith("Image "))
for model in audit["models"]:
    for worst in model.get("worst", []):
        caption = next(captions)
        check(caption.startswith("Image %d, of class %d, DI %.3g." % (worst["image"], worst["label"], worst["di"])),
              caption)
        taken = re.findall(r"(\d+) \(([\d.]+)%\) ([^,.]+)", caption)
        for predicted, probability, name in taken:
            g = audit["element_names"].index(name)
            check(int(predicted) == worst["predicted"][g], caption)
            check(math.isclose(float(probability), 100 * worst["probability"][g], abs_tol=0.051), caption)
        check(len(taken) == min(8, audit["elements"]), caption)
        check("The orbit of image %d under %d elements." % (worst["image"], len(taken)) in page.pictures, "its picture")
check(next(captions, None) is None, "more images than in audit.json")
print("good")
