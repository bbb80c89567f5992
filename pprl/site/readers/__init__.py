"""Input files of a site: CSV, TSV, pipe-delimited and Parquet, as batches of raw text."""

from pprl.site.readers.columns import PRESETS, ColumnMap, column_map
from pprl.site.readers.several import InputFiles, InputFormat
from pprl.site.readers.source import Input, read_input

__all__ = ["PRESETS", "ColumnMap", "Input", "InputFiles", "InputFormat", "column_map", "read_input"]
