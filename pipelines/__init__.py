"""Pure Polars arithmetic: frames in, frames out. No Dagster, no files, no network."""
