"""The report of a build: its typed model, its JSON schema, and a summary to read."""

from finnspect.report.model import Report, load_report, schema
from finnspect.report.summary import markdown, print_summary

__all__ = ["Report", "load_report", "markdown", "print_summary", "schema"]
