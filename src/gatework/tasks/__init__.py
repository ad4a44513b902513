"""From raw data to a trained, judged and saved model: one file a task."""
