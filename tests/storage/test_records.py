"""Documents of the database: kept, replaced, removed, refused, and read after a restart."""

from contextlib import closing
from pathlib import Path

import pytest

from tandem.core.errors import DataError, StoreError
from tandem.storage.null import NullStore
from tandem.storage.reader import Reader
from tandem.storage.records import Document
from tandem.storage.store import Store


def test_documents_are_kept_replaced_and_removed_over_a_restart(path: Path) -> None:
    with closing(Store.open(path)) as store:
        store.save_documents([Document("rule", "b", b"1"), Document("rule", "a", b"2")])
        store.save_documents([Document("other", "a", b"3"), Document("rule", "b", b"4")])
    with closing(Store.open(path)) as store:
        assert list(store.documents("rule").items()) == [("a", b"2"), ("b", b"4")]
        assert store.documents("rule", 1) == {"b": b"4"}
        store.save_documents([Document("rule", "a", None), Document("rule", "none", None)])
    assert Reader(path).documents("rule") == {"b": b"4"}


@pytest.mark.parametrize(
    "bad",
    [Document("rule", "a\n", b""), Document("rule", "a", "text"), Document("a", "b", b"x" * 2**21)],
)
def test_what_is_no_document_is_refused_and_nothing_of_its_call_is_kept(path, bad) -> None:
    with closing(Store.open(path)) as store:
        with pytest.raises(DataError, match="cannot be recorded"):
            store.save_documents([Document("rule", "good", b""), bad])
        assert store.flush(10)
        assert store.documents("rule") == {}


def test_without_a_record_there_are_no_documents(path: Path) -> None:
    Store.open(path).close()
    store = NullStore("none")
    store.save_documents([Document("rule", "a", b"")])
    assert store.documents("rule") == {}
    with pytest.raises(StoreError, match="open read-only"):
        Store.open(path, read_only=True).save_documents([Document("rule", "a", b"")])
