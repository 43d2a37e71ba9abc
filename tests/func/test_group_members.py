"""Who may add members to a group: where a failure ends the jobs of others, who may only submit
may not, unless the group says so (allow-submit)."""

import os
import signal

import pytest
from haul import children_named
from test_control import as_other, ctl_as_other, good, needs_root, reachable, stalled # noqa: F401
from waiting import wait_until

pytestmark = [needs_root, pytest.mark.usefixtures("reachable")]
CANCELS = {"on-failure": "cancel"}


def service(serve, groups, policy="submit", **conf):
    s = serve({"groups": groups, **conf}, control_policy=policy)
    os.chmod(s.socket, 0o666)
    return s


def refused(s, uid=54321, **params):
    """The text of the error that `add` gives to a client who may only submit; None: it was added."""
    def add(c):
        try:
            c.call("add", **params)
        except Exception as error:
            assert error.word == "permission-denied", error.text
            return error.text
        return None
    return as_other(s, add, uid=uid)


@pytest.mark.parametrize("group, closed", [
    ({"name": "g"}, None),
    ({"name": "g", **CANCELS}, 'on-failure = "cancel"'),
    ({"name": "g", **CANCELS, "allow-submit": True}, None),
    ({"name": "g", "allow-submit": False}, "its allow-submit is false"),
], ids=["continue", "cancel", "opened", "shut"])
def test_the_group_says_who_adds_to_it(serve, server, group, closed):
    s = service(serve, [group], jobs=[stalled(server, "its-own", name="own", group="g")])
    text = refused(s, job=stalled(server, "theirs", group="g"))
    if closed:
        assert text.startswith("jobs[0]: ") and closed in text and "group g" in text, text
    else:
        assert text is None
    with s.client() as c: # root may always
        shown, = c.call("group", group="g")["groups"]
        assert shown["allow_submit"] is (closed is None)
        assert len(c.add(stalled(server, "roots", group="g"))) == 1
        assert c.show("own")["state"] == "active"


def test_haulctl_says_it_in_one_line(serve, server):
    s = service(serve, [{"name": "g", **CANCELS}])
    told = ctl_as_other(s, "add", "--group", "g", server.url("/ok/10"))
    assert told.returncode == 6 and told.stderr.count(b"\n") == 1 and b"allow-submit" in told.stderr, told
    assert s.ctl("group", "g", "allow-submit=true").rc == 0
    assert ctl_as_other(s, "add", "--group", "g", server.url("/ok/10")).returncode == 0
    assert s.ctl("group", "g", "allow-submit=").rc == 0 # the configuration's again
    assert ctl_as_other(s, "add", "--group", "g", server.url("/ok/10")).returncode == 6
    assert s.ctl("group", "g", "allow-submit=perhaps").rc == 2


def test_a_group_around_it_counts(serve, server):
    s = service(serve, [{"name": "outer", **CANCELS}, {"name": "inner", "parent": "outer", "allow-submit": True}])
    text = refused(s, job=stalled(server, "in", group="inner"))
    assert "group outer" in text
    # Nor by a scope of one's own that lies in it.
    scope = {"name": "mine", "parent": "outer"}
    assert "group outer" in refused(s, scope=scope, job=stalled(server, "scope"))
    with s.client() as c:
        assert c.refused("group", group="mine").word == "no-such-job" # nothing was made
        c.call("group", group="outer", set={"allow-submit": True})
        shown = {g["name"]: g["allow_submit"] for g in c.call("group")["groups"]}
        assert shown == {"outer": True, "inner": True}
    assert refused(s, scope=scope, job=stalled(server, "scope")) is None


def test_one_that_was_set_on_the_fly_is_shut(serve, server):
    s = service(serve, [{"name": "g"}])
    assert refused(s, job=stalled(server, "first", group="g")) is None
    with s.client() as c:
        c.call("group", group="g", set=CANCELS)
        c.call("group", group="made", set=CANCELS)
    assert "group g" in refused(s, job=stalled(server, "second", group="g"))
    assert "group made" in refused(s, job=stalled(server, "third", group="made"))


def test_a_scope_is_its_makers_before_its_jobs_are_on_the_disk(serve, server):
    s = service(serve, [])
    store, = children_named(s.pid, "hauld-store")
    with s.client() as c:
        os.kill(store, signal.SIGSTOP)
        try:
            number = c.send("add", scope={"name": "gathered", **CANCELS}, job=stalled(server, "one"))
            with s.client() as other:
                wait_until(lambda: [g["name"] for g in other.call("group")["groups"]] == ["gathered"])
            for params in ({"scope": {"name": "gathered", **CANCELS}, "job": stalled(server, "two")},
                           {"job": stalled(server, "three", group="gathered")}):
                assert "group gathered" in refused(s, **params)
        finally:
            os.kill(store, signal.SIGCONT)
        assert c.answer(number)["jobs"][0]["id"] == 1


def test_a_scope_is_its_makers(serve, server):
    """Who gathers with a cancel adds in several requests; nobody else gets in."""
    s = service(serve, [])
    scope = {"name": "gathered", **CANCELS}
    assert refused(s, scope=scope, job=stalled(server, "one")) is None
    assert refused(s, scope=scope, job=stalled(server, "two")) is None
    assert refused(s, job=stalled(server, "three", group="gathered")) is None
    for params in ({"scope": scope, "job": stalled(server, "four")},
                   {"job": stalled(server, "four", group="gathered")}):
        assert "group gathered" in refused(s, uid=54322, **params)
    with s.client() as c:
        assert len(c.add(good(server, "five", group="gathered"))) == 1


@pytest.mark.parametrize("policy", ["operate", "manage"])
def test_who_may_command_all_may_add_to_all(serve, server, policy):
    s = service(serve, [{"name": "g", **CANCELS, "allow-submit": False}], policy)
    assert refused(s, job=stalled(server, "any", group="g")) is None
