"""The post-deployment report: what a model was told and asked, what it said, and how far that holds.

It is compiled from the record and the words alone, so that a stranger who has both compiles the same.
"""

from emeritus.interviews.report.compiled import Report, Study, compile_report
from emeritus.interviews.report.limits import limits
from emeritus.interviews.report.plain import FIRST, FORMAT, FORMATS, to_json

__all__ = ["FIRST", "FORMAT", "FORMATS", "Report", "Study", "compile_report", "limits", "to_json"]
