"""The LearningRecord API as a target (seed 002)."""
