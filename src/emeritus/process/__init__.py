"""The retirement: one file a stage, joined by a plan that is folded from the record.

A stage is done by a person (announce, confirm, decide, review) or by software (preserve, interview, retire,
reach, draft). Software's part is cut into *strides*: each reads the record, does one bounded thing, and
writes what it did; so a stretch of them can be killed anywhere and goes on where it was.
"""
