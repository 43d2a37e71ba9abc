"""A strict reader of the text format of Prometheus, version 0.0.4.

Written from the specification ("Exposition formats", section "Text-based format",
https://prometheus.io/docs/instrumenting/exposition_formats/, "Data model" and "Metric
and label naming" beside it), as promtool reads and lints it:

    families = parse(text)       # {name: Family}; FormatError says the line and what is wrong
    lint(families)               # [problem, ...] as of `promtool check metrics`
"""

import math
import re

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+|Inf|NaN)\Z")
TYPES = ("counter", "gauge", "histogram", "summary", "untyped")


class FormatError(Exception):
    pass


class Family:
    def __init__(self, name):
        self.name, self.help, self.type = name, None, None
        self.samples = [] # (name, {label: value}, number)

    def value(self, **labels):
        [number] = [v for _n, l, v in self.samples if l == labels]
        return number

    def bucket(self, le, **labels):
        [number] = [v for n, l, v in self.samples if n == self.name + "_bucket" and l == {**labels, "le": le}]
        return number


def unescape(text, what, quotes):
    out, at = [], 0
    while at < len(text):
        if text[at] == "\\":
            pair = text[at:at + 2]
            table = {"\\\\": "\\", "\\n": "\n", **({'\\"': '"'} if quotes else {})}
            if pair not in table:
                raise FormatError("%s has the escape %r" % (what, pair))
            out.append(table[pair])
            at += 2
            continue
        out.append(text[at])
        at += 1
    return "".join(out)


def take_labels(text):
    """Behind the "{": the labels, and what is behind the "}"."""
    labels = {}
    while not text.startswith("}"):
        match = re.match(r'([^={}",]*)="((?:[^"\\]|\\.)*)"', text, re.S)
        if not match:
            raise FormatError("no label at %r" % text[:30])
        name, value = match.groups()
        if not LABEL.match(name) or name.startswith("__"):
            raise FormatError("%r is no name of a label" % name)
        if name in labels:
            raise FormatError("the label %s comes twice" % name)
        labels[name] = unescape(value, "the label " + name, True)
        text = text[match.end():]
        if text.startswith(","):
            text = text[1:]
        elif not text.startswith("}"):
            raise FormatError("no comma between labels at %r" % text[:30])
    return labels, text[1:]


def take_sample(line):
    match = re.match(r"[^{\s]+", line)
    if not match or not NAME.match(match.group()):
        raise FormatError("%r is no name of a metric" % line[:30])
    name, rest, labels = match.group(), line[match.end():], {}
    if rest.startswith("{"):
        labels, rest = take_labels(rest[1:])
    if not rest.startswith(" "):
        raise FormatError("no blank before the value: %r" % line)
    fields = rest.split()
    if len(fields) not in (1, 2) or not NUMBER.match(fields[0]):
        raise FormatError("%r is no value" % rest)
    if len(fields) == 2 and not re.match(r"-?[0-9]+\Z", fields[1]):
        raise FormatError("%r is no time" % fields[1])
    return name, labels, float(fields[0])


def base_of(name, families):
    """The family of a sample: histograms and summaries have suffixes."""
    for suffix in ("_bucket", "_sum", "_count"):
        base = name[:-len(suffix)] if name.endswith(suffix) else None
        if base in families and families[base].type in ("histogram", "summary"):
            return base
    return name


def take_comment(line, families, current):
    words = line[1:].split(None, 2)
    if not words or words[0] not in ("HELP", "TYPE"):
        return current # any other comment is nothing
    if len(words) < 3 and not (words[0] == "HELP" and len(words) == 2):
        raise FormatError("%r is not whole" % line)
    if not NAME.match(words[1]):
        raise FormatError("%r is no name of a metric" % words[1])
    name = words[1]
    if name in families and name != current:
        raise FormatError("the lines of %s do not stand together" % name)
    family = families.setdefault(name, Family(name))
    if family.samples:
        raise FormatError("%s of %s stands behind its samples" % (words[0], name))
    if words[0] == "HELP":
        if family.help is not None:
            raise FormatError("%s has HELP twice" % name)
        family.help = unescape(words[2] if len(words) == 3 else "", "the help of " + name, False)
    else:
        if family.type is not None:
            raise FormatError("%s has TYPE twice" % name)
        if words[2] not in TYPES:
            raise FormatError("%s has the type %r" % (name, words[2]))
        family.type = words[2]
    return name


def check_histogram(family):
    series = {}
    for name, labels, value in family.samples:
        rest = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
        part = series.setdefault(rest, {"buckets": []})
        if name == family.name + "_bucket":
            if "le" not in labels:
                raise FormatError("a bucket of %s has no le" % family.name)
            part["buckets"].append((float(labels["le"].replace("Inf", "inf")), value))
        elif name in (family.name + "_sum", family.name + "_count"):
            part[name[len(family.name):]] = value
        else:
            raise FormatError("%s is a histogram and has the sample %s" % (family.name, name))
    for part in series.values():
        bounds = [b for b, _v in part["buckets"]]
        values = [v for _b, v in part["buckets"]]
        if not bounds or bounds != sorted(set(bounds)) or bounds[-1] != math.inf:
            raise FormatError("the buckets of %s do not rise to +Inf: %r" % (family.name, bounds))
        if values != sorted(values) or part.get("_count") != values[-1] or "_sum" not in part:
            raise FormatError("the buckets of %s are not cumulative, or _sum or _count is not there" % family.name)


def parse(text):
    if text and not text.endswith("\n"):
        raise FormatError("the last line has no end")
    families, current = {}, None
    for number, line in enumerate(text.split("\n")[:-1], 1):
        try:
            if not line.strip():
                continue
            if line.startswith("#"):
                current = take_comment(line, families, current)
                continue
            name, labels, value = take_sample(line)
            base = base_of(name, families)
            if base != current and base in families:
                raise FormatError("the lines of %s do not stand together" % base)
            current = base
            family = families.setdefault(base, Family(base))
            if any(n == name and l == labels for n, l, _v in family.samples):
                raise FormatError("%s%r comes twice" % (name, labels))
            family.samples.append((name, labels, value))
        except FormatError as error:
            raise FormatError("line %d: %s" % (number, error)) from None
    for family in families.values():
        if family.type == "histogram":
            check_histogram(family)
        if family.type == "counter" and any(v < 0 or v != v for _n, _l, v in family.samples):
            raise FormatError("the counter %s has a value below 0" % family.name)
    return families


UNITS = ("milliseconds", "microseconds", "nanoseconds", "minutes", "hours", "days", "kilobytes", "megabytes", "gigabytes",
         "kibibytes", "mebibytes", "bits", "percent", "ms", "us", "ns", "sec", "kb", "mb", "gb")


def lint(families):
    problems = []
    for f in families.values():
        parts = f.name.split("_")
        if not f.help:
            problems.append("%s has no help" % f.name)
        if f.type in (None, "untyped"):
            problems.append("%s has no type" % f.name)
        if f.type == "counter" and not f.name.endswith("_total"):
            problems.append("the counter %s does not end in _total" % f.name)
        if f.type != "counter" and f.name.endswith("_total"):
            problems.append("%s is no counter and ends in _total" % f.name)
        if f.type not in ("histogram", "summary") and re.search(r"_(count|sum|bucket)\Z", f.name):
            problems.append("%s ends as parts of a histogram do" % f.name)
        if any(word in parts for word in ("counter", "gauge", "histogram", "summary")):
            problems.append("%s has its type in its name" % f.name)
        if any(word in parts for word in UNITS):
            problems.append("%s is not in a base unit" % f.name)
        if ":" in f.name or f.name != f.name.lower():
            problems.append("%s: colons are for rules, and names are snake_case" % f.name)
        for _n, labels, _v in f.samples:
            if f.type != "histogram" and ("le" in labels or "quantile" in labels):
                problems.append("%s has a label of another type" % f.name)
            if any(label != label.lower() for label in labels):
                problems.append("%s has a label that is not snake_case" % f.name)
    return problems
