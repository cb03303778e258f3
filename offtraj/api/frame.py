"""Tables of values: Arrow, pandas and HTML. Which numbers a table holds is left to the value."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING

from offtraj.errors import MissingExtraError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from rich.table import Table

__all__ = ["Tabular", "arrow_of_csv", "html_of", "pandas_of", "rich_of"]

_SHOWN = 200  # rows of an HTML table
_WHOLE = ("outcomes", "questions", "completions", "units")
_REAL = ("share", "tokens", "p")


class Tabular(ABC):
    """A value that is one table."""

    @abstractmethod
    def to_arrow(self) -> pa.Table:
        """The value as an Arrow table."""

    def to_pandas(self) -> pd.DataFrame:
        """The value as a pandas data frame, with the columns of `to_arrow`.

        Raises:
            MissingExtraError: when pandas is not installed.
        """
        return pandas_of(self.to_arrow())


def pandas_of(table: pa.Table) -> pd.DataFrame:
    """An Arrow table as a pandas data frame.

    Raises:
        MissingExtraError: when pandas is not installed.
    """
    try:
        import pandas  # noqa: F401, ICN001 - Arrow's own message does not name the remedy
    except ImportError as error:
        raise MissingExtraError("to_pandas() needs 'pandas', which is not installed: pip install pandas") from error
    return table.to_pandas()


def arrow_of_csv(text: str) -> pa.Table:
    """The CSV of an export as an Arrow table; an empty value is null.

    Types follow the unit that ends a column's name, so that they do not depend on the values: counts are int64,
    shares, mean tokens and p-values float64, everything else text.
    """
    from pyarrow import csv

    columns = text.partition("\n")[0].split(",")
    convert = csv.ConvertOptions(
        column_types={name: _type(name) for name in columns}, strings_can_be_null=True, null_values=[""]
    )
    return csv.read_csv(BytesIO(text.encode()), convert_options=convert)


def _type(column: str) -> pa.DataType:
    import pyarrow as pa

    unit = column.rpartition("_")[2]
    return pa.int64() if unit in _WHOLE else pa.float64() if unit in _REAL else pa.string()


def rich_of(arrow: pa.Table) -> Table:
    """An Arrow table as a table of the terminal, with the numbers aligned to the right."""
    import pyarrow as pa
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for field in arrow.schema:
        number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
        table.add_column(Text(field.name), justify="right" if number else "left")
    for row in arrow.to_pylist():
        table.add_row(*(Text(f"{value:,}" if isinstance(value, int) else str(value)) for value in row.values()))
    return table


def html_of(title: str, tables: Iterable[Table | None], facts: Mapping[str, object] | None = None) -> str:
    """Tables of the terminal as HTML for a notebook, without styles or scripts; all text is escaped.

    Args:
        title: Stands above the tables.
        tables: At most the first 200 rows of each are shown.
        facts: Names and values in a line below the title.
    """
    line = " · ".join(f"{escape(name)}: <code>{escape(str(value))}</code>" for name, value in (facts or {}).items())
    parts = [f"<p><b>{escape(title)}</b>{'<br>' if line else ''}{line}</p>"]
    parts += [_html_table(table) for table in tables if table is not None]
    return "\n".join(parts)


def _html_table(table: Table) -> str:
    numbers = [column.justify == "right" for column in table.columns]
    head = "".join(f"<th>{_text(column.header)}</th>" for column in table.columns)
    rows = list(zip(*(list(column.cells) for column in table.columns), strict=True))
    body = [
        "<tr>"
        + "".join(
            f'<td style="text-align: {"right" if number else "left"}">{_text(cell)}</td>'
            for number, cell in zip(numbers, row, strict=True)
        )
        + "</tr>"
        for row in rows[:_SHOWN]
    ]
    if len(rows) > _SHOWN:
        body.append(f'<tr><td colspan="{len(numbers)}">and {len(rows) - _SHOWN:,} more rows</td></tr>')
    foot = "".join(f"<td>{_text(column.footer)}</td>" for column in table.columns) if table.show_footer else ""
    title = "" if table.title is None else f"<caption>{_text(table.title)}</caption>"
    notes = "" if table.caption is None else f"<p><small>{_text(table.caption)}</small></p>"
    return (
        f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody>"
        f"{f'<tfoot><tr>{foot}</tr></tfoot>' if foot else ''}</table>{notes}"
    )


def _text(cell: object) -> str:
    """What a cell of a rich table shows, escaped. A string is text: brackets in a name are no markup."""
    from rich.text import Text

    plain = cell.plain if isinstance(cell, Text) else str(cell)
    return escape(plain).replace("\n", "<br>")
