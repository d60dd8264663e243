"""Settings shared by all tests."""

from hypothesis import HealthCheck, settings

# Deterministic everywhere: a failure in CI is the failure on the desk. No test asserts a time.
settings.register_profile(
    "project",
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
)
settings.load_profile("project")
