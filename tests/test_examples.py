"""The examples of documents and docstrings run."""

from __future__ import annotations

import doctest
import re
from importlib import import_module
from pathlib import Path

import pytest

from tandem.core.events import Trade
from tandem.io.archive import save_trades
from tandem.storage.store import Store
from tests.support.architecture import MODULES
from tests.support.paths import ROOT
from tests.support.written import DOCUMENTS

_FENCED = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(document: Path) -> list[str]:
    """Return a document's Python examples, each on the lines it has there."""
    text = document.read_text(encoding="utf-8")
    return ["\n" * text.count("\n", 0, one.start(1)) + one[1] for one in _FENCED.finditer(text)]


EXAMPLES = [
    pytest.param(document, block, id=f"{document.name}, example {number}")
    for document in DOCUMENTS
    for number, block in enumerate(blocks(document), start=1)
]
DOORS = {path.stem: path for path in ROOT.glob("*.py") if path.stem != "app"}
WITH_EXAMPLES = [
    name
    for name, path in {**DOORS, **MODULES}.items()
    if ">>> " in path.read_text(encoding="utf-8")
]


NAME = "binance-usdm:BTCUSDT"


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what readers are assumed to have: a database, and trades exported."""
    folder = tmp_path_factory.mktemp("recorded")
    times = [1_790_000_000_000_000 + n * 700_000 for n in range(300)]
    store = Store.open(folder / "data" / "tandem.sqlite")
    store.submit([Trade(NAME, n, at, 1e5 + n, 0.1, 1, at) for n, at in enumerate(times)])
    assert store.flush(30.0)
    store.close()
    with (folder / "trades.parquet").open("wb") as file:
        save_trades(store.stream_trades(NAME, 0, 2 * times[0]), file, "parquet")
    return folder


@pytest.mark.parametrize(("document", "block"), EXAMPLES)
def test_an_example_of_a_document_runs(
    document: Path, block: str, recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "import duckdb" in block:
        pytest.importorskip("duckdb")
    monkeypatch.chdir(recorded)
    # Standing alone: an example borrows nothing from the one before it.
    exec(compile(block, str(document), "exec"), {"__name__": "example"})


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_of_docstrings_give_what_they_show(name: str, tmp_path: Path) -> None:
    # Where an example writes a file, it is into `folder`.
    found = doctest.testmod(import_module(name), extraglobs={"folder": tmp_path})
    assert found.attempted
    assert not found.failed


@pytest.mark.parametrize("part", ["analytics", "backtest", "config", "scanner", "storage"])
def test_every_part_for_python_has_an_example(part: str) -> None:
    assert any(name.removeprefix("tandem.").split(".")[0] == part for name in WITH_EXAMPLES)


def test_no_python_hides_in_a_fence_of_another_name() -> None:
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for name, body in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            is_python = re.search(r"^(?:import|from) \w+", body, re.MULTILINE)
            assert name == "python" or not is_python, f"{document.name}: {body}"
