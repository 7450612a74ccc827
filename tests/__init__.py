import pytest

pytest.register_assert_rewrite("tests.nginx", "tests.transcript", "tests.wire")
