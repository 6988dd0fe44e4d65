"""A table with one row per object."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.io.optional import require
from napari_grd.io.tables import write_table


@dataclass(frozen=True, eq=False)
class ObjectTable:
    """Measurements of the objects of a label image, as columns.

    Attributes
    ----------
    columns : mapping of str to (N,) array
        By key: that of :func:`skimage.measure.regionprops_table` where there is one ("area"). The first is
        "label"; if objects were measured plane by plane, the indices of the plane follow.
    anchors : (N, ndim) int64
        The pixel of each object nearest to its centroid, as an index into the label image.
    frame_axes : tuple of str
        Columns with indices of planes or time points, in the order of the
        label image's leading axes.
    units : mapping of str to str
        Unit of each column that has one, by key: ``{"area": "µm²"}``.
    """

    columns: Mapping[str, NDArray[Any]]
    anchors: NDArray[np.int64]
    frame_axes: tuple[str, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.anchors)

    def save(self, path: str | Path, *, made_by: Mapping[str, Any] | None = None) -> Path:
        """Write the table as CSV or Parquet, depending on the suffix.

        Parameters
        ----------
        path : str or Path
            A file ending in ``.csv`` or, with the extra ``parquet`` installed, ``.parquet``.
        made_by : mapping, optional
            Provenance, JSON-compatible; stored in
            ``<name>.provenance.json`` beside the file.

        Raises
        ------
        OutputError
            If the name ends in neither, or the file cannot be written.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> table = ObjectTable({"label": np.array([3, 8])}, np.zeros((2, 2), np.int64))
        >>> with TemporaryDirectory() as folder:
        ...     table.save(Path(folder) / "cells.csv").read_text()
        'label\\n3\\n8\\n'
        """
        return write_table(path, self.by_heading(), made_by=made_by)

    def by_heading(self) -> dict[str, NDArray[Any]]:
        """The columns for display, with the unit in the heading, ``"area [µm²]"``."""
        return {f"{key} [{self.units[key]}]" if self.units.get(key) else key: self.columns[key] for key in self.columns}

    def to_dataframe(self) -> Any:
        """The table as a :class:`pandas.DataFrame`.

        Returns
        -------
        pandas.DataFrame
            One row per object, one column per key; the units are in its ``attrs["units"]``.

        Raises
        ------
        GrdError
            If pandas is not installed.

        Examples
        --------
        >>> table = ObjectTable(
        ...     {"label": np.array([3, 8]), "area": np.array([4.0, 2.5])}, np.zeros((2, 2)), units={"area": "µm²"}
        ... )
        >>> frame = table.to_dataframe()
        >>> float(frame["area"].mean()), frame.attrs["units"]
        (3.25, {'area': 'µm²'})
        """
        frame = require("pandas", "A data frame", "app").DataFrame(dict(self.columns))
        frame.attrs["units"] = dict(self.units)
        return frame

    def row_of(self, label: int, frame: tuple[int, ...] = ()) -> int | None:
        """The row of an object, in a plane if rows are per plane; None if there is none.

        Examples
        --------
        >>> table = ObjectTable({"label": np.array([3, 8])}, np.zeros((2, 2), np.int64))
        >>> table.row_of(8), table.row_of(5)
        (1, None)
        """
        matches = self.columns["label"] == label
        for name, index in zip(self.frame_axes, frame, strict=True):
            matches = matches & (self.columns[name] == index)
        rows = np.flatnonzero(matches)
        return int(rows[0]) if len(rows) else None
