"""Designed interviews on Inspect AI: a design is a task, an arm a sample, a repetition an epoch.

Everything here needs the extra ``interviews``, and is imported only when a design is run.
"""
