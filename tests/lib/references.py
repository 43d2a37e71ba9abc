"""Names of tests in tables: "test_x.py::test_y" of tests/func, "check_x.c::y" of tests/unit."""

import os
import re

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def exists(reference):
    name, _, test = reference.partition("::")
    if name.endswith(".c"):
        path, pattern = os.path.join(TESTS, "unit", name), r"START_TEST\(%s\)"
    else:
        path, pattern = os.path.join(TESTS, "func", name), r"(?m)^def %s\("
    with open(path, encoding="utf-8") as f:
        return re.search(pattern % re.escape(test), f.read()) is not None
