"""scikit-learn models: anomaly detection, its evaluation and its explanation."""
