"""Notifications: who is told of which anomaly event, when, and by which group robot or mail.

`settings` (notify.toml) -> `planning` (what is owed, pure) -> `outbox` (SQLite, durable) ->
`sending` (windows, retries, dead letters) -> `robots` and `mail`. A message carries a reference,
priority, factory, counts and a link: no machine, no signal, no value.
"""
