"""What files come in: zip, gzip and Parquet, opened in memory within limits.

Nothing is unpacked onto the disk, and no size that a file tells of itself is believed.
"""

from __future__ import annotations

import gzip
import io
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO, Any, NamedTuple, cast

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from tandem.core.errors import DataError
from tandem.io.text import MOST_COLUMNS, shown

MOST_MEMBERS = 16
MOST_RATIO = 200
_FREE_BYTES = 2**20  # a small file may be of any ratio
_PIECE_BYTES = 2**20
_GROUP_ROWS = 65_536

_ZIP, _GZIP, _PARQUET = b"PK\x03\x04", b"\x1f\x8b", b"PAR1"
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGE = (
    *(OSError, EOFError, ValueError, NotImplementedError, OverflowError, MemoryError),
    *(zlib.error, zipfile.BadZipFile, pa.ArrowException),
)


class Content(NamedTuple):
    """One table's text, the name it goes by, and a sentence on where it was."""

    name: str
    raw: bytes
    note: str


def contents(raw: bytes, name: str, limit_bytes: int) -> list[Content]:
    """Return the tables in a file: itself, or what its zip, gzip or Parquet holds.

    Parameters
    ----------
    raw : bytes
        The file.
    name : str
        Its name; text from outside.
    limit_bytes : int
        Most that all its tables together may unpack to.

    Raises
    ------
    DataError
        It is damaged, encrypted, holds another archive or a path that leads elsewhere, or exceeds
        a limit, which is named.
    """
    try:
        if raw.startswith(_ZIP):
            return _from_zip(raw, name, limit_bytes)
        if raw.startswith(_GZIP):
            return [_from_gzip(raw, name, limit_bytes)]
        if raw.startswith(_PARQUET):
            return [Content(name, _from_parquet(raw, name, limit_bytes), "Read from Parquet.")]
    except DataError:
        raise
    except _DAMAGE as error:
        raise DataError(
            f"{shown(name)} is damaged or cannot be read ({shown(str(error), 80)}). Download or "
            "save it again."
        ) from None
    return [Content(name, raw, "")]


# Zip and gzip -----------------------------------------------------------------------------


def _from_zip(raw: bytes, name: str, limit_bytes: int) -> list[Content]:
    archive = zipfile.ZipFile(io.BytesIO(raw))
    everything = archive.infolist()
    if any(member.filename == "[Content_Types].xml" for member in everything):
        raise DataError(f"{shown(name)} is an Excel workbook; save the sheet as CSV.")
    if len(everything) > 100 * MOST_MEMBERS:
        raise _too_many(name, len(everything))
    for member in everything:
        _check_path(member, name)
    members = [member for member in everything if not _is_litter(member)]
    if len(members) > MOST_MEMBERS:
        raise _too_many(name, len(members))
    if not members:
        raise DataError(f"{shown(name)} holds no files; give a zip with CSV files in it.")
    for member in members:
        _check_packing(member, name)
    found, left = [], _allowed(len(raw), limit_bytes)
    for member in members:
        with archive.open(member) as file:
            inner = _unpacked(file, left, name, limit_bytes)
        left -= len(inner)
        found.append(_flat(inner, member.filename, name, limit_bytes))
    return found


_BESIDE = re.compile(r"\.|(?:readme|licen[cs]e)(?:\.txt|\.md)?$", re.IGNORECASE)


def _is_litter(member: zipfile.ZipInfo) -> bool:
    """Tell what is put beside the files: folders, resource forks, hidden files, a README."""
    path = PurePosixPath(member.filename)
    return member.is_dir() or "__MACOSX" in path.parts or bool(_BESIDE.match(path.name))


def _check_path(member: zipfile.ZipInfo, name: str) -> None:
    path = member.filename.replace("\\", "/")
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    if is_link or path.startswith("/") or ".." in path.split("/") or re.match("[A-Za-z]:", path):
        raise DataError(
            f"{shown(name)} holds {shown(member.filename)}, a path that leads elsewhere; give a "
            "zip with plain files in it."
        )


def _check_packing(member: zipfile.ZipInfo, name: str) -> None:
    if member.flag_bits & 1:
        raise DataError(f"{shown(name)} is encrypted; unpack it with its password first.")
    if member.compress_type not in _PACKED:
        raise DataError(
            f"{shown(name)} is packed in a way not read here (only deflate is); unpack it first."
        )


def _flat(raw: bytes, path: str, name: str, limit_bytes: int) -> Content:
    """Return a zip's member; an archive in an archive is refused."""
    own = PurePosixPath(path.replace("\\", "/")).name
    if raw.startswith((_ZIP, _GZIP)):
        raise DataError(
            f"{shown(name)} holds another archive, {shown(own)}; the limit is one archive deep. "
            "Unpack it first."
        )
    note = f"Unpacked from {shown(name)}."
    if raw.startswith(_PARQUET):
        return Content(own, _from_parquet(raw, own, limit_bytes), note)
    return Content(own, raw, note)


def _from_gzip(raw: bytes, name: str, limit_bytes: int) -> Content:
    with cast(IO[bytes], gzip.GzipFile(fileobj=io.BytesIO(raw))) as file:
        inner = _unpacked(file, _allowed(len(raw), limit_bytes), name, limit_bytes)
    own = re.sub(r"\.gz$", "", name, flags=re.IGNORECASE)
    return _flat(inner, own, name, limit_bytes)._replace(note="Unpacked from gzip.")


def _allowed(packed_bytes: int, limit_bytes: int) -> int:
    return min(limit_bytes, _FREE_BYTES + MOST_RATIO * packed_bytes)


def _unpacked(file: IO[bytes], most: int, name: str, limit_bytes: int) -> bytes:
    """Read all of a packed file, and stop where it exceeds `most`."""
    pieces, size = [], 0
    while piece := file.read(_PIECE_BYTES):
        size += len(piece)
        if size > most:
            raise DataError(
                f"{shown(name)} unpacks to more than it may: the limits are "
                f"{limit_bytes / 1e6:,.1f} MB altogether and {MOST_RATIO} times the packed size. "
                "Unpack it and give a part."
            )
        pieces.append(piece)
    return b"".join(pieces)


def _too_many(name: str, count: int) -> DataError:
    return DataError(
        f"{shown(name)} holds {count:,} files; the limit is {MOST_MEMBERS}. Give a zip with only "
        "the files you need."
    )


# Parquet ----------------------------------------------------------------------------------


def _from_parquet(raw: bytes, name: str, limit_bytes: int) -> bytes:
    """Return a Parquet file as CSV text, whose columns and rows are then judged as any other's."""
    with pq.ParquetFile(pa.BufferReader(raw)) as file:
        schema = file.schema_arrow
        if len(schema) > MOST_COLUMNS:
            raise DataError(
                f"{shown(name)} has {len(schema):,} columns; the limit is {MOST_COLUMNS:,}. "
                "Keep the time and the prices."
            )
        nested = [field.name for field in schema if pa.types.is_nested(field.type)]
        names = [field.name for field in schema if field.name not in nested]
        told = sum(
            file.metadata.row_group(group).total_byte_size
            for group in range(file.metadata.num_row_groups)
        )
        if max(told, file.metadata.num_rows) > limit_bytes:
            raise _too_large(name, limit_bytes)
        return b"".join(_parquet_pieces(file, names, name, limit_bytes))


def _parquet_pieces(file: Any, names: list[str], name: str, limit_bytes: int) -> Iterator[bytes]:
    size, is_first = 0, True
    for batch in file.iter_batches(batch_size=_GROUP_ROWS, columns=names):
        table = pa.Table.from_batches([batch]).rename_columns([_named(one) for one in names])
        if table.nbytes > limit_bytes:
            raise _too_large(name, limit_bytes)
        sink = io.BytesIO()
        pa_csv.write_csv(_plain(table), sink, pa_csv.WriteOptions(include_header=is_first))
        is_first = False
        size += sink.tell()
        if size > limit_bytes:
            raise _too_large(name, limit_bytes)
        yield sink.getvalue()


def _named(name: str) -> str:
    """Name the row labels that a data frame was saved with: they are its times, if anything."""
    return "time" if name == "__index_level_0__" else name


def _plain(table: Any) -> Any:
    """Return columns that a CSV can hold: no dictionaries, no bytes."""
    for index, field in enumerate(table.schema):
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            kind = pa.string()
        if kind != field.type:
            table = table.set_column(index, field.name, table.column(index).cast(kind))
    return table


def _too_large(name: str, limit_bytes: int) -> DataError:
    return DataError(
        f"{shown(name)} unpacks to more than {limit_bytes / 1e6:,.1f} MB, which is the limit. "
        "Keep the columns and the period you need."
    )
