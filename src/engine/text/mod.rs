//! Pure functions over bytes: globs, numbers, checksums.
