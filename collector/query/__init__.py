"""What the store holds, as JSON-ready dicts: the one road by which the API and the dashboard read.

Times are RFC 3339 text with `Z` or None; amounts are floats for display.
"""

from collector.query.query import Query

__all__ = ["Query"]
