//! Runs inside containers.
