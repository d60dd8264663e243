"""The shape of the project, held by reading its source: layers, mirrors, exports, sizes."""

import ast
import functools
import importlib
import pkgutil
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
    "protocol": (),
    "pyzsync_daemon": ("pyzsync", "protocol"),
}

# Within the daemon: who may know whom. What is not named here is shared and knows none of them.
PARTS = {
    "hub": {"config", "files"},
    "client": {"config", "files"},
    "config": set(),
    "files": set(),
    "demo": set(),
    "cli": {"hub", "client", "config", "demo"},
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
    ("pyzsync/_numpy_kernel.py", "threading"): "a lock, so that a matcher may be shared as in C",
    ("protocol/paths.py", "os"): "fsencode and fsdecode, which touch no file",
    ("protocol/fields.py", "os"): "fsdecode, which touches no file",
}

# Modules without a test file of their own name, each with the place of its tests, or the reason.
UNMIRRORED = {
    "pyzsync_daemon/__main__.py": "one line; tests/pyzsync_daemon/cli/test_init.py runs it",
    "pyzsync_daemon/client/effects.py": "values only, no behaviour",
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


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_layers_import_only_downwards(path):
    layer = name(path).split("/")[0]
    used = {module.split(".")[0] for module in imports(path)} & set(PACKAGES)
    assert used <= {layer, *LAYERS[layer]}


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_parts_of_the_daemon_import_only_what_they_may(path):
    _, *folders = name(path).split("/")[:-1]
    if not name(path).startswith("pyzsync_daemon/") or path.name == "__main__.py":
        return
    part = folders[0] if folders else ""
    allowed = PARTS[part] | {part} if part else SHARED_MAY_IMPORT
    used = {
        module.split(".")[1] for module in imports(path) if module.startswith("pyzsync_daemon.")
    }
    assert used & set(PARTS) <= allowed


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_the_first_two_layers_do_not_touch_the_world(path):
    if name(path).startswith("pyzsync_daemon/"):
        return
    used = {module.split(".")[0] for module in imports(path)} & WORLDLY
    assert {module for module in used if (name(path), module) not in WORLDLY_ALLOWED} == set()
    calls = [node.func for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    assert not [call for call in calls if isinstance(call, ast.Name) and call.id == "open"]


def test_only_the_codec_speaks_msgpack():
    users = [name(path) for path in SOURCES if "msgpack" in imports(path)]
    assert users == ["protocol/codec.py"]


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_no_module_is_too_long(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MODULE_LINES


def mirror(path):
    return TOP / "tests" / path.relative_to(TOP).with_name(f"test_{path.name.lstrip('_')}")


def test_every_module_has_its_test():
    missing = [
        name(path) for path in SOURCES if path.name != "__init__.py" and not mirror(path).exists()
    ]
    assert sorted(set(missing) - set(UNMIRRORED)) == []
    assert sorted(set(UNMIRRORED) - set(missing)) == []


@pytest.mark.parametrize("path", TESTS, ids=name)
def test_every_test_file_tests_something(path):
    if not path.name.startswith("test_"):
        return
    functions = [
        node
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    machines = "TestCase" in path.read_text(encoding="utf-8")  # a rule-based state machine
    assert machines or any(item.name.startswith("test_") for item in functions)


def defined(path):
    """Public names that a module binds at its top level, with those that it imports apart."""
    own, borrowed = set(), set()
    for node in tree(path).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            own.add(node.name)
        elif isinstance(node, ast.Assign):
            own |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            own.add(node.target.id)
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            borrowed |= {alias.asname or alias.name for alias in node.names}
    return own, borrowed


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_all_is_exact(path):
    """``__all__`` is sorted and names what is there; a package's names all that it gathers."""
    if path.name == "__main__.py":
        return  # importing it would run it
    dotted = name(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    module = importlib.import_module(dotted)
    listed = getattr(module, "__all__", None)
    if listed is None:
        return
    assert len(set(listed)) == len(listed)
    assert not [item for item in listed if not hasattr(module, item)]
    if path.name == "__init__.py":
        public = {item for item in set().union(*defined(path)) if not item.startswith("_")}
        assert set(listed) == public


def test_every_package_can_be_imported_alone():
    for package in PACKAGES:
        module = importlib.import_module(package)
        assert [found.name for found in pkgutil.iter_modules(module.__path__)]
