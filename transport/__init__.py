"""Optimal transport: exact plans with certificates, closed forms, critics."""

__all__: list[str] = []
