#!/usr/bin/python3
"""v1_rows.py SERVER INNER_SERVER FAULTS_LIBRARY WORK_DIRECTORY: every row of tests/rows, told through the generated stubs
of Python, on a server of each mode and in each state. The language of the rows stands in tests/rows/row.h; its reader
here has nothing in common with that of C++ but the files.
"""
import os
import sys
import unittest

from rows_file import KINDS_ANEW, read_rows, read_servers
from rows_story import Story
from rows_server import Server

SERVER, INNER, FAULTS, WORK = sys.argv[1:5]


def told(server, row):
    """One row as a test: its name is the row's own."""
    def test(self):
        if server.kind in KINDS_ANEW:
            with Server(SERVER, INNER, FAULTS, WORK, server) as running:
                Story(running, server, row, fresh=True).tell(self)
        else:
            Story(self.running, server, row, fresh=False).tell(self)
    test.__doc__ = f"{server.name}: {row.file}:{row.line}: {row.name}"
    return test


def cases_of(server, rows):
    """A test case of each server; one that is not started anew for every row is started once."""
    def start(cls):
        if server.kind not in KINDS_ANEW:
            cls.running = Server(SERVER, INNER, FAULTS, WORK, server)
            cls.running.start()

    def stop(cls):
        if server.kind not in KINDS_ANEW and not cls.running.stop():
            raise AssertionError(f"{server.name} did not end well:\n{cls.running.log()}")

    members = {f"test_{number:03}": told(server, row) for number, row in enumerate(rows) if row.is_told_on(server)}
    if not members and not any(server.name in row.servers for row in rows):
        raise AssertionError(f"no row is told on {server.name}")
    members.update(setUpClass=classmethod(start), tearDownClass=classmethod(stop))
    return type(server.name, (unittest.TestCase,), members)


def main():
    rows = read_rows()
    loader, suite = unittest.TestLoader(), unittest.TestSuite()
    for server in read_servers():
        suite.addTests(loader.loadTestsFromTestCase(cases_of(server, rows)))
    result = unittest.TextTestRunner(verbosity=1).run(suite)
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    os.makedirs(WORK, exist_ok=True)
    sys.exit(main())
