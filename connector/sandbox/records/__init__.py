"""The LearningRecord API."""
