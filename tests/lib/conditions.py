"""Behaviours of the misbehaving server for requests that ask whether a file has changed."""

import email.utils
import gzip
import urllib.parse

from behaviours import LAST_MODIFIED, route
from bodies import body, parse_size


def dated(seconds):
    return email.utils.formatdate(seconds, usegmt=True)


def version(c, r):
    return c.server.failed["condition " + r.query.get("key", "")]


@route("condition-next")
async def condition_next(c, r):
    """/condition-next?key=K: the file of that key is another one from now on"""
    c.server.failed["condition " + r.query.get("key", "")] += 1
    await c.answer("next\n")


@route("condition")
async def condition(c, r):
    """/condition/SIZE?key=K[&etag=weak|none][&date=none|now][&gzip=1][&lie=tag|always][&missing=N]
    [&gate=NAME]: a file with validators; 304 to who has it.  lie: 304 with another tag, or 304 whatever is asked;
    missing: 404 while it is the Nth; gate: who asks whether it has changed waits until the test opens that gate"""
    n, query = version(c, r), r.query
    if query.get("missing") == str(n):
        await c.answer("gone\n", 404)
        return
    data = body(parse_size(r.parts[1]), "condition%d" % n)
    tag, when = '"v%d"' % n, dated(LAST_MODIFIED + n)
    heads = {"Date": dated(LAST_MODIFIED + n + (1 if query.get("date") == "now" else 3600))}
    if query.get("etag") == "weak":
        tag = "W/" + tag
    if query.get("etag") != "none":
        heads["ETag"] = tag
    if query.get("date") != "none":
        heads["Last_Modified"] = when
    if "gzip" in query:
        data = gzip.compress(data, mtime=0)
    match, since = r.header("If-None-Match"), r.header("If-Modified-Since")
    if (match or since) and "gate" in query:
        await c.server.gates[query["gate"]].wait()
    same = match == tag if match else since == when and "Last_Modified" in heads
    if (match or since) and query.get("lie") == "tag":
        await c.head(304, **{**heads, "ETag": '"another"'})
    elif same or query.get("lie") == "always":
        await c.head(304, **heads)
    else:
        await c.answer(data, **heads)


@route("condition-redirect")
async def condition_redirect(c, r):
    """/condition-redirect/SIZE?key=K[&sign=1]: a redirect to /condition/SIZE?key=K, with sign
    by a query that is another one each time"""
    query = {"key": r.query["key"]}
    if "sign" in r.query:
        c.server.failed["signed"] += 1
        query["signature"] = c.server.failed["signed"]
    await c.answer("", 302, Location="/condition/%s?%s" % (r.parts[1], urllib.parse.urlencode(query)))
