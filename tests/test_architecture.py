"""The shape of the project, held by reading its source: layers, mirrors, exports, sizes."""

import ast
import functools
import importlib
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
PACKAGES = ("pyzsync", "protocol", "pyzsync_daemon")
SOURCES = sorted(path for package in PACKAGES for path in (TOP / package).rglob("*.py"))
TESTS = sorted((TOP / "tests").rglob("*.py"))

# The longest a module may be; the design asks for 150 to 250 lines.
MODULE_LINES = 300

# Each part may import the parts in its row (and itself). Down means right.
LAYERS = {
    "pyzsync": (),
    "protocol": ("pyzsync",),
    "pyzsync_daemon": ("pyzsync", "protocol"),
}

# Within the daemon: who may know whom. What is not named here is shared and knows none of them.
PARTS = {
    "hub": {"config", "files"},
    "client": {"config", "files"},
    "config": set(),
    "files": set(),
    "demo": set(),
    "loadtest": {"hub", "client", "config", "files", "demo"},
    "cli": {"hub", "client", "config", "demo", "files", "loadtest"},
}
SHARED_MAY_IMPORT = {"config", "files"}

# Modules of the standard library and others that reach the world: not for the first two layers.
WORLDLY = {
    "aiofiles",
    "asyncio",
    "datetime",
    "io",
    "mmap",
    "os",
    "pathlib",
    "random",
    "secrets",
    "select",
    "selectors",
    "shutil",
    "signal",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "uvloop",
    "watchfiles",
    "websockets",
}
WORLDLY_ALLOWED = {
    ("pyzsync/kernel.py", "os"): "reads the demand in PYZSYNC_KERNEL",
    ("pyzsync/_numpy_matcher.py", "threading"): "a lock, so that a matcher may be shared as in C",
    ("pyzsync/_numpy_join.py", "threading"): "as above",
    ("protocol/paths.py", "os"): "fsencode and fsdecode, which touch no file",
    ("protocol/fields.py", "os"): "fsdecode, which touches no file",
}

# Modules without a test file of their own name, each with the place of its tests, or the reason.
UNMIRRORED = {
    "pyzsync/_numpy_kernel.py": "the tests of kernel.py run over both kernels",
    "pyzsync/_numpy_hashes.py": "as above",
    "pyzsync/_numpy_matcher.py": "as above",
    "pyzsync/_numpy_join.py": "as above",
    "pyzsync_daemon/__main__.py": "one line; tests/pyzsync_daemon/cli/test_init.py runs it",
    "pyzsync_daemon/client/effects.py": "values only, no behaviour",
    "pyzsync_daemon/client/interfaces.py": "protocol classes only, held by mypy",
}


def name(path):
    return path.relative_to(TOP).as_posix()


@functools.cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(path):
    """Every module that a source imports, by its dotted name, wherever in it."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)} imports relatively"
            assert [alias.name for alias in node.names] != ["*"], f"{name(path)} imports a star"
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def used_of(path, packages):
    """The packages, of those given, that a source imports from."""
    return {module.split(".")[0] for module in imports(path)} & set(packages)


def test_layers_import_only_downwards():
    wrong = {}
    for path in SOURCES:
        layer = name(path).split("/")[0]
        if upwards := used_of(path, PACKAGES) - {layer, *LAYERS[layer]}:
            wrong[name(path)] = upwards
    assert wrong == {}


def test_parts_of_the_daemon_import_only_what_they_may():
    wrong = {}
    for path in SOURCES:
        layer, *folders = name(path).split("/")[:-1]
        if layer != "pyzsync_daemon" or path.name == "__main__.py":
            continue
        allowed = PARTS[folders[0]] | {folders[0]} if folders else SHARED_MAY_IMPORT
        ours = [module.split(".") for module in imports(path)]
        used = {dotted[1] for dotted in ours if dotted[0] == layer and len(dotted) > 1}
        if others := used & set(PARTS) - allowed:
            wrong[name(path)] = others
    assert wrong == {}


def test_the_first_two_layers_do_not_touch_the_world():
    wrong = []
    for path in SOURCES:
        if name(path).startswith("pyzsync_daemon/"):
            continue
        used = {(name(path), module) for module in used_of(path, WORLDLY)}
        wrong += used - set(WORLDLY_ALLOWED)
        calls = [node.func for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
        wrong += [name(path) for call in calls if isinstance(call, ast.Name) and call.id == "open"]
    assert wrong == []


def test_only_the_codec_speaks_msgpack():
    assert [name(path) for path in SOURCES if "msgpack" in imports(path)] == ["protocol/codec.py"]


def test_live_files_are_never_mapped():
    """One that shrinks under a map kills the process: only hash trees, which are ours, and the load
    test's own files are."""
    mapping = {name(path) for path in SOURCES if "mmap" in imports(path)}
    assert mapping == {
        "pyzsync_daemon/files/scratch.py",
        "pyzsync_daemon/files/trees.py",
        "pyzsync_daemon/loadtest/comparison.py",
        "pyzsync_daemon/loadtest/shared.py",
    }


def test_no_module_is_too_long():
    sizes = {name(path): len(path.read_text("utf-8").splitlines()) for path in SOURCES}
    assert {path: size for path, size in sizes.items() if size > MODULE_LINES} == {}


def mirror(path):
    return TOP / "tests" / path.relative_to(TOP).with_name(f"test_{path.name.lstrip('_')}")


def test_every_module_has_its_test():
    modules = [path for path in SOURCES if path.name != "__init__.py"]
    missing = {name(path) for path in modules if not mirror(path).exists()}
    assert sorted(missing - set(UNMIRRORED)) == []
    assert sorted(set(UNMIRRORED) - missing) == []


def test_every_test_file_tests_something():
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    empty = []
    for path in TESTS:
        functions = [node.name for node in ast.walk(tree(path)) if isinstance(node, kinds)]
        machine = "TestCase" in path.read_text("utf-8")  # a rule-based state machine
        tests = machine or any(function.startswith("test_") for function in functions)
        if path.name.startswith("test_") and not tests:
            empty.append(name(path))
    assert empty == []


def gathered(path):
    """Public names that a package's ``__init__`` binds: defined there, or imported for others."""
    found = set()
    for node in tree(path).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            found |= {alias.asname or alias.name for alias in node.names}
    return {item for item in found if not item.startswith("_")}


@pytest.mark.parametrize("package", PACKAGES)
def test_all_is_exact(package):
    """``__all__`` names what is there; a package's ``__all__`` names all that it gathers."""
    for path in SOURCES:
        if not name(path).startswith(f"{package}/") or path.name == "__main__.py":
            continue  # importing __main__ would run it
        dotted = name(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        module = importlib.import_module(dotted)
        listed = getattr(module, "__all__", ())
        assert len(set(listed)) == len(listed), dotted
        assert [item for item in listed if not hasattr(module, item)] == [], dotted
        if path.name == "__init__.py":
            assert set(listed) == gathered(path), dotted
