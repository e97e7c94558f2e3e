"""The steward's and the reviewer's desk: what waits, and the forms with which people act."""
