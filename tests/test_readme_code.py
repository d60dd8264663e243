import pytest

from tests.readme_code import blocks, run

DOCUMENT = """\
# Title
```python
before = 1
```
## Part
text
```python
first = 1
# not a heading
```
```
plain = 1
```
### Below
```python
second = await double(first)
```
## Next
```python
after = 1
```
"""


@pytest.fixture
def document(tmp_path):
    path = tmp_path / "document.md"
    path.write_text(DOCUMENT)
    return path


def test_only_python_blocks_below_the_heading(document):
    assert blocks(document, "Part") == [
        "first = 1\n# not a heading\n",
        "second = await double(first)\n",
    ]


def test_a_heading_that_is_not_there(document):
    with pytest.raises(LookupError, match="no heading 'Nowhere'"):
        blocks(document, "Nowhere")


async def test_blocks_run_in_one_namespace(document):
    async def double(value):
        return 2 * value

    names = await run(blocks(document, "Part"), {"double": double})
    assert names["second"] == 2
