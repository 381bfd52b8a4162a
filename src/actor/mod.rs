//! Layer 2: who owns what and who talks to whom. The only async code.
