"""Cloud adoption of a day: CA-1 to CA-7, funnels, liveness (rules: docs/decisions/0035)."""
