"""Results as rows: a list of dicts for a report, a plain table for people."""


class Rows:
    """Base of results that are tables: a subclass defines `rows()`, a list of dicts with the same keys."""

    def rows(self):
        """Return the table as list of dicts, a row each; values are strings, numbers or `MeanInterval`s."""
        raise NotImplementedError

    def __str__(self):
        rows = self.rows()
        if not rows:
            return "(nothing)"
        cells = [list(rows[0])] + [[_text(value) for value in row.values()] for row in rows]
        widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells)


def _text(value):
    return f"{value:.3f}" if isinstance(value, float) else str(value)
