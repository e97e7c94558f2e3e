"""Durable execution of software's stretches: the only place that knows DBOS.

`emeritus.engine.durable.Engine` is the worker; `emeritus.engine.stretches` asks for work inside a transaction.
"""
