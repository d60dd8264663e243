"""Builds the optional C kernel; without a compiler the package runs on its numpy twin."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "pyzsync._kernel",
            sources=["pyzsync/_kernel.c"],
            extra_compile_args=["-O3", "-std=c11", "-Wall", "-Wextra"],
            # A compiler that is missing or fails is a warning, not an error.
            optional=True,
        )
    ]
)
