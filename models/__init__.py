"""Anomaly detection, its explanation, and its evaluation beside scikit-learn's own detectors."""
