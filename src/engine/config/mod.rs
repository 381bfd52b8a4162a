//! Configuration parameters: one row each.
