"""Events out of files: each reader streams over a binary file and never holds more than one record of it.

Those of object-centric logs hold their objects besides. `open_source(path)` opens a file (gzip or not); `read_xes`,
`read_csv`, `read_jsonl`, `read_ocel_json`, `read_ocel_xml` and `read_ocel_sqlite` yield `Record` and `Fault`.
"""

from __future__ import annotations

from collector.ingest.files.csv import read_csv
from collector.ingest.files.csv_mapping import CsvMapping, CsvMappingError, DataColumn
from collector.ingest.files.jsonl import read_jsonl
from collector.ingest.files.ocel_json import read_ocel_json
from collector.ingest.files.ocel_sqlite import read_ocel_sqlite
from collector.ingest.files.ocel_xml import read_ocel_xml
from collector.ingest.files.record import MAX_RECORD_BYTES, Fault, Record, UnreadableFile
from collector.ingest.files.source import FileFormat, OpenedFile, open_source
from collector.ingest.files.xes import read_xes

__all__ = [
    "MAX_RECORD_BYTES",
    "CsvMapping",
    "CsvMappingError",
    "DataColumn",
    "Fault",
    "FileFormat",
    "OpenedFile",
    "Record",
    "UnreadableFile",
    "open_source",
    "read_csv",
    "read_jsonl",
    "read_ocel_json",
    "read_ocel_sqlite",
    "read_ocel_xml",
    "read_xes",
]
