//! Databases and what they are made of.
