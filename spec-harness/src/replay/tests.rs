//! Whole runs on adapters that misbehave.
