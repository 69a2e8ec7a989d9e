"""How well anomalies are found on plants unlike ours, controls beside."""
