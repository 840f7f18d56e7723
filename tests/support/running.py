"""One running program for the tests of a class."""

import unittest

from sandbox import Sandbox
from tillrace import Up


class Running(unittest.TestCase):
    SETTINGS = {}  # by environment variable

    @classmethod
    def setUpClass(cls):
        cls.box = Sandbox()
        cls.addClassCleanup(cls.box.close)
        cls.up = Up(cls.box, env=cls.SETTINGS)
        cls.up.start()
