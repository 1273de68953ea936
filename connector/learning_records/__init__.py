"""The LearningRecord API as a target (docs/facts/learning-records.md)."""
