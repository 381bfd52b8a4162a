//! Simulation: every node of the world sees only what the seed decides.
