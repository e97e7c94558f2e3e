"""The fakes pass the contracts."""

import pytest
from tests.access.contracts import KeysContract, UsageContract

from emeritus.access.fakes import MemoryKeys, MemoryUsage


class TestMemoryKeys(KeysContract):
    @pytest.fixture
    def keys(self):
        return MemoryKeys()


class TestMemoryUsage(UsageContract):
    @pytest.fixture
    def usage(self):
        return MemoryUsage()
