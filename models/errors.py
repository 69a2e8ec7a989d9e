"""Errors of the models: they name the culprit and the remedy.

* ModelError               bad input to a model; exit code 2
  x TrainingError        rows that nothing can be learned from
  x ModelFileError        a file that is not a model of this version
  x TableError        a CSV or Parquet file that cannot be used
  x RegisterError        what the register of models has no place for
  x SeriesError          a series that cannot be forecast
"""


class ModelError(Exception):
    """Something outside is wrong: says what (`culprit`), why, and what to do (`remedy`)."""

    def __init__(self, culprit: object, why: str, remedy: str) -> None:
        super().__init__(f"{culprit}: {why}; {remedy}")
        self.culprit, self.why, self.remedy = str(culprit), why, remedy


class TrainingError(ModelError):
    """There is no sensor or no time column to learn from."""


class ModelFileError(ModelError):
    """The model file is broken or of another schema."""


class TableError(ModelError):
    """The table cannot be read as one time column and numeric sensor columns."""


class RegisterError(ModelError):
    """The register of models has no such machine or version, or cannot be read."""


class SeriesError(ModelError):
    """The series of an indicator says a day twice, or a value that cannot be."""
