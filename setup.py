"""Builds the optional C kernel; without a compiler the package runs on its numpy twin."""

from setuptools import Extension, setup

PARTS = (
    "blake3",
    "blake3_avx2",
    "blake3_avx512",
    "join",
    "joiner",
    "matcher",
    "module",
    "notes",
    "rows",
    "search",
    "sweep",
    "sweep_avx2",
    "sweep_avx512",
    "table",
    "tree",
    "variant",
    "wanted",
    "weak",
)
HEADERS = (
    "blake3",
    "blake3_rounds",
    "common",
    "join",
    "joiner",
    "matcher",
    "notes",
    "rows",
    "search",
    "sweep",
    "sweep_turn",
    "table",
    "tree",
    "wanted",
    "weak",
)

setup(
    ext_modules=[
        Extension(
            "pyzsync._kernel",
            sources=[f"pyzsync/c/{part}.c" for part in PARTS],
            depends=[f"pyzsync/c/{header}.h" for header in HEADERS],
            extra_compile_args=["-O3", "-std=c11", "-Wall", "-Wextra"],
            # A compiler that is missing or fails is a warning, not an error.
            optional=True,
        )
    ]
)
