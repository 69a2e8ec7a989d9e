"""Everything that imports Dagster: assets, checks, partitions, jobs, definitions."""
